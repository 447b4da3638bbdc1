// What OpenSSL reads and writes in place of a socket: whole datagrams in memory. (Its own memory
// BIO runs the datagrams of a flight together.)
#pragma once

#include <deque>

#include "base/bytes.h"

struct bio_method_st;
struct bio_st;

namespace earshot::srtp {

struct DtlsDatagrams {
    base::ByteView received;  // the one at hand; empty: none
    std::deque<base::Bytes> to_send;
    std::size_t lost = 0;  // past kMaxDtlsDatagramsToSend: as if the network had
};

bio_method_st* make_datagram_method();  // null: OpenSSL cannot; freed by BIO_meth_free()
// Borrows `datagrams`; null: OpenSSL cannot.
bio_st* make_datagram_bio(const bio_method_st* method, DtlsDatagrams& datagrams);

}  // namespace earshot::srtp
