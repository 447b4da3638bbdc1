#include "transport/dns_resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netinet/in.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>
#include <utility>

#include "io/socket_address.h"
#include "transport/limits.h"

namespace earshot::transport {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// One question that c-ares has; deleted by the callback, which c-ares calls exactly once, at the
// latest from ares_destroy().
struct Asked {
    DnsResolver::Answered answered;
    asio::io_context* io;
    std::weak_ptr<int> alive;  // of the resolver: nobody is called after it
};

// Not from within ares_query(), which may have the answer at once.
void tell(std::unique_ptr<Asked> asked, sip::DnsAnswer answer) {
    asio::post(*asked->io, [alive = asked->alive, answered = std::move(asked->answered),
                            answer = std::move(answer)] {
        if (!alive.expired()) answered(answer);
    });
}

std::string text_of(const unsigned char* text) {
    return text == nullptr ? std::string{} : reinterpret_cast<const char*>(text);
}

void on_naptr(void* context, int status, int /*timeouts*/, unsigned char* bytes, int size) {
    std::unique_ptr<Asked> asked(static_cast<Asked*>(context));
    sip::DnsAnswer answer;
    ares_naptr_reply* records = nullptr;
    if (status == ARES_SUCCESS && ares_parse_naptr_reply(bytes, size, &records) == ARES_SUCCESS) {
        for (const auto* one = records; one != nullptr; one = one->next)
            answer.naptr.push_back({.order = one->order,
                                    .preference = one->preference,
                                    .flags = text_of(one->flags),
                                    .service = text_of(one->service),
                                    .replacement = one->replacement});
        ares_free_data(records);
    }
    tell(std::move(asked), std::move(answer));
}

void on_srv(void* context, int status, int /*timeouts*/, unsigned char* bytes, int size) {
    std::unique_ptr<Asked> asked(static_cast<Asked*>(context));
    sip::DnsAnswer answer;
    ares_srv_reply* records = nullptr;
    if (status == ARES_SUCCESS && ares_parse_srv_reply(bytes, size, &records) == ARES_SUCCESS) {
        for (const auto* one = records; one != nullptr; one = one->next)
            answer.srv.push_back({.priority = one->priority,
                                  .weight = one->weight,
                                  .port = one->port,
                                  .target = one->host});
        ares_free_data(records);
    }
    tell(std::move(asked), std::move(answer));
}

void on_addresses(void* context, int status, int /*timeouts*/, ares_addrinfo* found) {
    std::unique_ptr<Asked> asked(static_cast<Asked*>(context));
    sip::DnsAnswer answer;
    if (status == ARES_SUCCESS)
        for (const auto* one = found->nodes; one != nullptr; one = one->ai_next) {
            sockaddr_storage storage{};
            std::memcpy(&storage, one->ai_addr, one->ai_addrlen);
            answer.addresses.push_back(io::from_socket_address(storage));
        }
    if (found != nullptr) ares_freeaddrinfo(found);
    tell(std::move(asked), std::move(answer));
}

}  // namespace

class DnsResolver::Impl {
public:
    Impl(asio::io_context& io, std::string servers)
        : io_(io), servers_(std::move(servers)), timer_(io) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        alive_.reset();
        if (channel_ != nullptr) ares_destroy(channel_);
    }

    void ask(const sip::DnsQuestion& question, Answered answered) {
        auto asked = std::make_unique<Asked>(Asked{std::move(answered), &io_, alive_});
        if (!open()) return tell(std::move(asked), {});
        using Type = sip::DnsQuestion::Type;
        switch (question.type) {
            case Type::Naptr:
                ares_query(channel_, question.name.c_str(), ns_c_in, ns_t_naptr, on_naptr,
                           asked.release());
                break;
            case Type::Srv:
                ares_query(channel_, question.name.c_str(), ns_c_in, ns_t_srv, on_srv,
                           asked.release());
                break;
            case Type::Address: {
                ares_addrinfo_hints hints{};
                hints.ai_family = AF_UNSPEC;
                hints.ai_socktype = SOCK_DGRAM;  // each address once
                ares_getaddrinfo(channel_, question.name.c_str(), nullptr, &hints, on_addresses,
                                 asked.release());
                break;
            }
        }
        set_timer();
    }

private:
    bool open() {
        if (channel_ != nullptr) return true;
        // Once for the whole process, and never undone: other channels may exist.
        static std::once_flag once;
        std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
        ares_options options{};
        options.timeout = static_cast<int>(kDnsTryTime.count());
        options.tries = kDnsTries;
        options.sock_state_cb = [](void* self, ares_socket_t socket, int readable, int writable) {
            static_cast<Impl*>(self)->watch(socket, readable != 0, writable != 0);
        };
        options.sock_state_cb_data = this;
        const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
        if (ares_init_options(&channel_, &options, mask) != ARES_SUCCESS) {
            channel_ = nullptr;
            return false;
        }
        if (!servers_.empty() &&
            ares_set_servers_ports_csv(channel_, servers_.c_str()) != ARES_SUCCESS) {
            ares_destroy(std::exchange(channel_, nullptr));
            return false;
        }
        return true;
    }

    // c-ares opens and closes the sockets; a descriptor of ours only watches one. It is shared
    // because Asio calls its handlers, with an error, after it is gone.
    struct Watched {
        Watched(asio::io_context& io, ares_socket_t number) : descriptor(io, number) {}
        ~Watched() { descriptor.release(); }
        Watched(const Watched&) = delete;
        Watched& operator=(const Watched&) = delete;
        asio::posix::stream_descriptor descriptor;
        bool wants_read = false;
        bool wants_write = false;
        bool reads = false;  // a wait is under way
        bool writes = false;
    };

    void watch(ares_socket_t socket, bool readable, bool writable) {
        const auto found = watched_.find(socket);
        if (!readable && !writable) {
            if (found == watched_.end()) return;
            found->second->descriptor.cancel();
            found->second->descriptor.release();
            found->second->wants_read = found->second->wants_write = false;
            watched_.erase(found);
            return;
        }
        if (found == watched_.end())
            watched_.emplace(socket, std::make_shared<Watched>(io_, socket));
        const std::shared_ptr<Watched>& one = watched_.at(socket);
        one->wants_read = readable;
        one->wants_write = writable;
        wait(socket, one);
    }

    void wait(ares_socket_t socket, const std::shared_ptr<Watched>& one) {
        using Wait = asio::posix::stream_descriptor;
        if (one->wants_read && !std::exchange(one->reads, true))
            one->descriptor.async_wait(Wait::wait_read, [this, socket, one](const error_code& e) {
                one->reads = false;
                if (e || !one->wants_read) return;
                on_ready(socket, ARES_SOCKET_BAD, one);
            });
        if (one->wants_write && !std::exchange(one->writes, true))
            one->descriptor.async_wait(Wait::wait_write, [this, socket, one](const error_code& e) {
                one->writes = false;
                if (e || !one->wants_write) return;
                on_ready(ARES_SOCKET_BAD, socket, one);
            });
    }

    void on_ready(ares_socket_t readable, ares_socket_t writable,
                  const std::shared_ptr<Watched>& one) {
        ares_process_fd(channel_, readable, writable);
        wait(readable != ARES_SOCKET_BAD ? readable : writable, one);
        set_timer();
    }

    void set_timer() {
        timeval limit{.tv_sec = 1, .tv_usec = 0};
        timeval left{};
        const timeval* due = ares_timeout(channel_, &limit, &left);
        if (watched_.empty()) return;  // nothing is under way
        timer_.expires_after(std::chrono::seconds(due->tv_sec) +
                             std::chrono::microseconds(due->tv_usec));
        timer_.async_wait([this](const error_code& error) {
            if (error) return;
            ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
            set_timer();
        });
    }

    asio::io_context& io_;
    std::string servers_;
    asio::steady_timer timer_;
    ares_channel channel_ = nullptr;
    std::map<ares_socket_t, std::shared_ptr<Watched>> watched_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // see Asked
};

DnsResolver::DnsResolver(asio::io_context& io, std::string servers)
    : impl_(std::make_unique<Impl>(io, std::move(servers))) {}
DnsResolver::~DnsResolver() = default;

void DnsResolver::ask(const sip::DnsQuestion& question, Answered answered) {
    impl_->ask(question, std::move(answered));
}

}  // namespace earshot::transport
