// Asks the DNS for the records that SIP needs (RFC 3263), by c-ares on the signalling loop: nothing
// blocks and no thread is added. Nothing is opened before the first question. All on the loop's
// thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sip/server_location.h"

namespace boost::asio {
class io_context;
}

namespace earshot::transport {

class DnsResolver {
public:
    using Answered = std::function<void(const sip::DnsAnswer&)>;

    // `servers`: HOST[:PORT] separated by commas; empty: those of the system.
    DnsResolver(boost::asio::io_context& io, std::string servers);
    DnsResolver(const DnsResolver&) = delete;
    DnsResolver& operator=(const DnsResolver&) = delete;
    ~DnsResolver();  // open questions are forgotten: nobody is called

    // `answered` is called once, later: with no records when there are none or nobody answers
    // within kDnsTries times kDnsTryTime.
    void ask(const sip::DnsQuestion& question, Answered answered);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::transport
