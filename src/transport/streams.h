// The connections of a SipLoop: TCP, and TLS over it (RFC 3261 §18, §26.2; RFC 5922, RFC 5923).
// Accepts and connects, cuts messages out of the streams, closes who is too slow. All on the loop's
// thread.
#pragma once

#include <memory>

#include "transport/sip_loop.h"

namespace boost::asio {
class io_context;
}

namespace earshot::transport {

class Streams {
public:
    Streams(boost::asio::io_context& io, base::Log& log, const SipLoopOptions& options,
            SipLoop::Counters& counters);
    Streams(const Streams&) = delete;
    Streams& operator=(const Streams&) = delete;
    ~Streams();

    // Binds the listener of this number; the address that it got, or the error's text.
    struct Bound {
        base::NetAddress address{};
        std::string fault{};  // empty: none
        bool is_in_use = false;
    };
    Bound listen(std::uint16_t index, const Listen& listen);
    // From now on connections are taken and `handler` is told; null: no more.
    void serve(SipLoop::Handler* handler);

    void send(const sip::Flow& flow, sip::SharedBytes bytes, sip::TransactionId transaction,
              std::string_view tls_name);
    void add_alias(const sip::Flow& flow, const base::NetAddress& address);
    void set_tls(std::shared_ptr<const io::TlsContext> tls);
    const io::TlsPeer* peer(const sip::Flow& flow) const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::transport
