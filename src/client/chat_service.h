// The thread of the chats (MSRP) that pass through the client: its listener and connections, the
// desk that knows the sessions, and how signalling talks with it. It runs from the first chat on.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/net_address.h"
#include "base/random.h"
#include "io/clock.h"
#include "io/port_range.h"
#include "io/tls_context.h"
#include "relay/chat_plane.h"

namespace earshot::client {

class ChatService : public relay::ChatLink {
public:
    struct Options {
        std::vector<base::NetAddress> hosts;       // bound, one of each IP family; ports ignored
        io::PortRange ports;                       // of which one is taken
        std::optional<base::NetAddress> listen{};  // instead of them
        // With the certificate that is shown; null: no TLS.
        std::shared_ptr<const io::TlsContext> tls{};
        bool is_self_signed = false;  // it is one of our own making
        // What is told of a host of that family instead.
        std::function<base::NetAddress(bool ipv6, bool is_inside)> told_host;
        // Has work done on the signalling thread; what is not done when this ends must not be done
        // later.
        std::function<void(std::function<void()>)> post;
        // On the signalling thread.
        std::function<void(const chat::SwitchEvent&)> told{};
        std::function<void(const chat::CopyEvent&)> copies_told{};
        std::function<void(const chat::RoomEvent&)> rooms_told{};
        std::function<void(const chat::GuestEvent&)> guests_told{};
    };
    // All are borrowed; `random` is used on the signalling thread alone.
    ChatService(Options options, const io::Clock& clock, base::Random& random, base::Log& log);
    ChatService(const ChatService&) = delete;
    ChatService& operator=(const ChatService&) = delete;
    ~ChatService() override;

    base::Result<base::NetAddress, base::Reason> listener(bool ipv6, bool is_inside) override;
    std::optional<relay::ChatCertificate> certificate() const override { return certificate_; }
    void post(std::function<void(base::Now, chat::Desk&)> work) override;
    void later(std::function<void()> work) override { options_.post(std::move(work)); }

private:
    class Core;
    std::optional<base::Reason> start();

    const Options options_;
    const io::Clock& clock_;
    base::Random& random_;
    base::Log& log_;
    std::optional<relay::ChatCertificate> certificate_;
    std::unique_ptr<Core> core_;  // null: no chat yet
    std::jthread thread_;
};

}  // namespace earshot::client
