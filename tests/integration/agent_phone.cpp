#include "integration/agent_phone.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "sip/parser.h"

namespace earshot::integration {

namespace {

constexpr std::chrono::seconds kPatience{30};

sockaddr_in to_sockaddr(const base::NetAddress& address) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(address.port);
    EXPECT_EQ(::inet_pton(AF_INET, base::host_to_string(address).c_str(), &out.sin_addr), 1);
    return out;
}

int open_socket() {
    const int opened = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(opened, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    return opened;
}

base::NetAddress address_of(int descriptor) {
    sockaddr_in own{};
    socklen_t size = sizeof own;
    ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &size);
    return *base::parse_host("127.0.0.1", ntohs(own.sin_port));
}

base::TimePoint now() { return std::chrono::steady_clock::now(); }

}  // namespace

AgentPhone::AgentPhone(std::string user, const base::NetAddress& through)
    : user_(std::move(user)),
      through_(through),
      socket_(open_socket()),
      agent_(config(address_of(socket_)), random_) {
    own_ = address_of(socket_);
}

AgentPhone::~AgentPhone() { ::close(socket_); }

sip::AgentConfig AgentPhone::config(const base::NetAddress& own) {
    sip::AgentConfig config;
    const std::string at = base::to_string(own);
    config.listeners = {
        {.transport = sip::Transport::Udp, .sent_by = at, .contact = "sip:" + at, .ipv6 = false}};
    config.leaves_subscriptions = true;
    return config;
}

std::string AgentPhone::uri() const { return "sip:" + user_ + "@" + base::to_string(own_); }

std::string AgentPhone::sdp(std::string_view direction) const {
    // Port 9 (discard): these phones say nothing, and nobody sends to them but each other.
    return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
           "m=audio 9 RTP/AVP 0\r\na=" +
           std::string(direction) + "\r\n";
}

sip::ResponseSpec AgentPhone::answer(std::string_view direction) const {
    return {.status = 200, .content_type = "application/sdp", .body = sdp(direction)};
}

sip::OutOfDialogSpec AgentPhone::request_to(const std::string& uri) const {
    sip::OutOfDialogSpec spec;
    spec.request_uri = uri;
    spec.from = "<" + this->uri() + ">";
    spec.to = "<" + uri + ">";
    spec.flow.remote = through_;
    spec.content_type = "application/sdp";
    spec.body = sdp();
    return spec;
}

sip::TransactionId AgentPhone::start(const sip::OutOfDialogSpec& spec) {
    const auto id = agent_.start_request(now(), spec);
    EXPECT_TRUE(id.has_value());
    on_time();
    return id ? *id : sip::TransactionId{};
}

sip::TransactionId AgentPhone::send(sip::DialogId dialog, const sip::RequestSpec& spec) {
    const auto id = agent_.send_request(now(), dialog, spec);
    EXPECT_TRUE(id.has_value());
    on_time();
    return id ? *id : sip::TransactionId{};
}

sip::DialogId AgentPhone::respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) {
    const auto dialog = agent_.respond(now(), transaction, spec);
    EXPECT_TRUE(dialog.has_value());
    on_time();
    return dialog ? *dialog : sip::DialogId{};
}

void AgentPhone::acknowledge(sip::DialogId dialog) {
    EXPECT_TRUE(agent_.ack(now(), dialog, {}).has_value());
    on_time();
}

void AgentPhone::read() {
    std::array<char, 65536> bytes{};
    for (;;) {
        sockaddr_in from{};
        socklen_t size = sizeof from;
        const ssize_t count = ::recvfrom(socket_, bytes.data(), bytes.size(), 0,
                                         reinterpret_cast<sockaddr*>(&from), &size);
        if (count < 0) return;
        auto parsed =
            sip::parse_message(std::string_view(bytes.data(), static_cast<std::size_t>(count)));
        EXPECT_EQ(parsed.verdict, sip::Verdict::Good) << std::string_view(bytes.data(), 200);
        const sip::Flow flow{.remote = *base::parse_host("127.0.0.1", ntohs(from.sin_port))};
        if (parsed.verdict == sip::Verdict::Good)
            agent_.on_message(now(), flow, std::move(parsed.message));
        on_time();
    }
}

void AgentPhone::on_time() {
    agent_.on_time(now());
    while (auto action = agent_.poll_action()) {
        if (const auto* send = std::get_if<sip::SendBytes>(&*action)) {
            const sockaddr_in to = to_sockaddr(send->flow.remote);
            ::sendto(socket_, send->bytes->data(), send->bytes->size(), 0,
                     reinterpret_cast<const sockaddr*>(&to), sizeof to);
        } else {
            heard_.push_back(std::move(*action));
        }
    }
}

AgentPhone& AgentPhones::add(std::string user) {
    phones_.push_back(
        std::make_unique<AgentPhone>(std::move(user), *base::parse_net_address(through_)));
    return *phones_.back();
}

bool AgentPhones::serve_until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
        for (const auto& phone : phones_) {
            phone->read();
            phone->on_time();
        }
        if (condition()) return true;
        std::vector<pollfd> waiting;
        for (const auto& phone : phones_)
            waiting.push_back({.fd = phone->descriptor(), .events = POLLIN, .revents = 0});
        ::poll(waiting.data(), waiting.size(), 20);
    }
    return false;
}

sip::RequestArrived AgentPhones::request_at(AgentPhone& phone, sip::Method method) {
    std::optional<sip::RequestArrived> found;
    EXPECT_TRUE(serve_until([&] {
        found = phone.take<sip::RequestArrived>(
            [&](const auto& arrived) { return arrived.message.method() == method; });
        return found.has_value();
    })) << phone.uri()
        << " has not had the request";
    return found ? *std::move(found) : sip::RequestArrived{};
}

sip::Message AgentPhones::final_at(AgentPhone& phone, sip::TransactionId transaction) {
    std::optional<sip::ResponseArrived> found;
    EXPECT_TRUE(serve_until([&] {
        found = phone.take<sip::ResponseArrived>([&](const auto& arrived) {
            return arrived.transaction == transaction && arrived.message.status() >= 200;
        });
        return found.has_value();
    })) << phone.uri()
        << " has not been answered";
    return found ? std::move(found->message) : sip::Message{};
}

AgentPhones::Call AgentPhones::answer(AgentPhone& caller, sip::TransactionId invite,
                                      AgentPhone& callee, const sip::RequestArrived& arrived) {
    Call made;
    made.callee = callee.respond(arrived.transaction, callee.answer());
    std::optional<sip::ResponseArrived> answered;
    EXPECT_TRUE(serve_until([&] {
        answered = caller.take<sip::ResponseArrived>([&](const auto& response) {
            return response.transaction == invite && response.message.status() >= 200;
        });
        return answered.has_value();
    }));
    if (!answered) return made;
    EXPECT_EQ(answered->message.status(), 200);
    made.caller = answered->dialog;
    caller.acknowledge(made.caller);
    EXPECT_TRUE(serve_until([&] {
        return callee.take<sip::AckArrived>([](const auto& /*ack*/) { return true; }).has_value();
    }));
    return made;
}

AgentPhones::Call AgentPhones::call(AgentPhone& caller, AgentPhone& callee) {
    const sip::TransactionId invite = caller.start(caller.request_to(callee.uri()));
    return answer(caller, invite, callee, request_at(callee, sip::Method::Invite));
}

void AgentPhones::hang_up(AgentPhone& by, sip::DialogId dialog, AgentPhone& other) {
    const sip::TransactionId bye = by.send(dialog, {.method = "BYE"});
    const auto heard = request_at(other, sip::Method::Bye);
    other.respond(heard.transaction, {.status = 200});
    EXPECT_EQ(final_at(by, bye).status(), 200);
}

}  // namespace earshot::integration
