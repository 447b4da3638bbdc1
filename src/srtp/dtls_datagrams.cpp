#include "srtp/dtls_datagrams.h"

#include <openssl/bio.h>

#include <algorithm>

#include "srtp/limits.h"

namespace earshot::srtp {

namespace {

DtlsDatagrams& datagrams_of(BIO* bio) { return *static_cast<DtlsDatagrams*>(BIO_get_data(bio)); }

int write(BIO* bio, const char* bytes, int size) {
    DtlsDatagrams& datagrams = datagrams_of(bio);
    if (size <= 0) return size;
    if (datagrams.to_send.size() == kMaxDtlsDatagramsToSend) {
        ++datagrams.lost;
        return size;
    }
    const base::ByteView view = base::as_bytes({bytes, static_cast<std::size_t>(size)});
    datagrams.to_send.emplace_back(view.begin(), view.end());
    return size;
}

int read(BIO* bio, char* out, int size) {
    BIO_clear_retry_flags(bio);
    base::ByteView& received = datagrams_of(bio).received;
    if (received.empty() || size <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    // As a socket does: what does not fit is cut off.
    const std::size_t count = std::min(received.size(), static_cast<std::size_t>(size));
    std::copy_n(received.begin(), count, out);
    received = {};
    return static_cast<int>(count);
}

long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
    switch (command) {
        case BIO_CTRL_FLUSH:
        case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
            return 1;
        case BIO_CTRL_DGRAM_QUERY_MTU:
        case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
            return static_cast<long>(kDtlsMtuBytes);
        default:
            return 0;
    }
}

int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
}

}  // namespace

BIO_METHOD* make_datagram_method() {
    BIO_METHOD* const method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
    if (method == nullptr) return nullptr;
    BIO_meth_set_create(method, create);
    BIO_meth_set_read(method, read);
    BIO_meth_set_write(method, write);
    BIO_meth_set_ctrl(method, control);
    return method;
}

BIO* make_datagram_bio(const BIO_METHOD* method, DtlsDatagrams& datagrams) {
    BIO* const bio = BIO_new(method);
    if (bio != nullptr) BIO_set_data(bio, &datagrams);
    return bio;
}

}  // namespace earshot::srtp
