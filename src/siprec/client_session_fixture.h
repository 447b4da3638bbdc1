// Drives one RecordingClientSession over a sip::Agent, for its tests: plays the recording servers
// by real messages, reads every metadata document as a server would, and holds it against the
// schema.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mime/multipart.h"
#include "sdp/session_description.h"
#include "sip/builder.h"
#include "sip/parser.h"
#include "sip/uri.h"
#include "siprec/cs_description.h"
#include "siprec/limits.h"
#include "siprec/metadata_schema_check.h"
#include "siprec/recording_client_session.h"

namespace earshot::siprec {

inline base::Uuid uuid_of(std::uint8_t number) {
    base::Uuid uuid;
    uuid.bytes.fill(number);
    uuid.bytes[6] = 0x4f;  // version 4
    uuid.bytes[8] = 0x8f;
    return uuid;
}

// What a call of two looks like to the client.
inline CsDescription two_party_call(base::WallTime start) {
    CsDescription call;
    call.session_id = uuid_of(1);
    call.sip_session_ids = {
        "7dae2ce1ba7149f99b98284f7bfa5e87;remote=7a559e6adf6a411586d55d3f69f8d225"};
    call.start = start;
    for (std::uint8_t i = 0; i < 2; ++i) {
        CsParticipant participant;
        participant.id = uuid_of(static_cast<std::uint8_t>(10 + i));
        participant.names = {i == 0 ? NameId{"sip:ada@desk.example", "Ada", "en"}
                                    : NameId{"sip:bo@desk.example", "Bo \xc3\x85kesson", ""}};
        call.participants.push_back(participant);
        CsStream stream;
        stream.id = uuid_of(static_cast<std::uint8_t>(20 + i));
        stream.label = std::to_string(i + 1);
        stream.senders = {i};
        stream.receivers = {static_cast<std::size_t>(1 - i)};
        call.streams.push_back(stream);
    }
    return call;
}

// An SDP of `labels`, on ports from 40000 on.
inline std::string plane_offer(const std::vector<std::string>& labels,
                               std::string_view direction = "sendonly") {
    std::string sdp =
        "v=0\r\no=relay 77 5 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n";
    for (std::size_t i = 0; i < labels.size(); ++i)
        sdp += fmt::format(
            "m=audio {} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\na={}\r\na=label:{}\r\n",
            40000 + 2 * i, direction, labels[i]);
    return sdp;
}

// The answer of a server that takes each line: ports from 50000 on.
inline std::string server_sdp(std::size_t lines, std::string_view direction = "recvonly") {
    std::string sdp =
        "v=0\r\no=srs 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n";
    for (std::size_t i = 0; i < lines; ++i)
        sdp += fmt::format(
            "m=audio {} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\na={}\r\na=label:{}\r\n",
            50000 + 2 * i, direction, i + 1);
    return sdp;
}

class ClientSessionTest : public testing::Test, public ClientSessionHost {
protected:
    ClientSessionTest() : agent_(agent_config(), random_) {
        settings_.servers = {"sip:rec@198.51.100.7", "sip:rec@198.51.100.8:5070"};
        settings_.instance = "main";
        call_ = two_party_call(now_.wall);
    }

    static sip::AgentConfig agent_config() {
        sip::AgentConfig config;
        config.listeners = {{sip::Transport::Udp, "192.0.2.10:5060", "sip:192.0.2.10:5060"}};
        config.contact_parameters = ";+sip.src";
        return config;
    }

    // ---- ClientSessionHost
    base::Result<sip::TransactionId> start_request(const sip::OutOfDialogSpec& spec) override {
        if (cannot_send_) return base::Error{base::Errc::Full, "SIP: full"};
        return agent_.start_request(now_.steady, spec);
    }
    base::Result<sip::TransactionId> send_request(sip::DialogId dialog,
                                                  const sip::RequestSpec& spec) override {
        if (cannot_send_) return base::Error{base::Errc::Full, "SIP: full"};
        return agent_.send_request(now_.steady, dialog, spec);
    }
    void respond(sip::TransactionId transaction, const sip::ResponseSpec& spec) override {
        static_cast<void>(agent_.respond(now_.steady, transaction, spec));
    }
    sip::DialogId accept_invite(sip::TransactionId invite, const sip::ResponseSpec& spec) override {
        const auto dialog = agent_.respond(now_.steady, invite, spec);
        return dialog ? *dialog : sip::DialogId{};
    }
    void acknowledge(sip::DialogId dialog) override {
        static_cast<void>(agent_.ack(now_.steady, dialog, {}));
    }
    void on_metadata_told() override { ++metadata_told_; }
    void cancel(sip::TransactionId invite) override {
        static_cast<void>(agent_.cancel(now_.steady, invite));
    }
    void end_dialog(sip::DialogId dialog) override { agent_.end_dialog(now_.steady, dialog); }
    void authenticate(sip::DialogId dialog, const sip::Credentials& credentials,
                      const base::NetAddress& host,
                      std::vector<sip::ExtraHeader> of_invite) override {
        agent_.authenticate_as(dialog, credentials, host, std::move(of_invite));
    }
    void apply_answer(std::string sdp) override {
        EXPECT_TRUE(sdp::parse(sdp)) << sdp;
        forks_.push_back(std::move(sdp));
    }
    void pause_fork() override { forks_.emplace_back("paused"); }
    void stop_fork() override { forks_.emplace_back("stopped"); }
    void lose_fork() override { forks_.emplace_back("lost"); }
    std::optional<std::string> choose_server(const std::vector<std::string>& candidates) override {
        if (!chooses_last_) return ClientSessionHost::choose_server(candidates);
        return candidates.back();
    }
    void on_event(const ClientEvent& event) override { events_.push_back(event); }

    // ---- the user
    CsState state(std::vector<std::string> labels = {"1", "2"}) {
        return {describe(call_).objects, plane_offer(labels)};
    }
    void start(bool is_paused = false) {
        ASSERT_FALSE(find_fault(settings_)) << find_fault(settings_)->text;
        session_ = std::make_unique<RecordingClientSession>(settings_, *this, random_);
        session_->start(now_, state(), is_paused);
        drain();
    }
    void start_and_accept() {
        start();
        accept();
        ASSERT_TRUE(session_->is_running());
        clear();
    }
    void set_state(CsState state) {
        session_->set_state(now_, std::move(state));
        drain();
    }
    void clear() {
        sent_.clear();
        events_.clear();
        forks_.clear();
    }

    // ---- the servers
    // Answers the last request of that method.
    void answer(std::string_view method, int status, std::string_view body = {},
                const std::vector<sip::ExtraHeader>& headers = {},
                std::string_view type = "application/sdp") {
        const sip::Message* request = last(method);
        ASSERT_NE(request, nullptr) << "no " << method;
        receive(response_text(*request, status, body, headers, type));
    }
    std::string response_text(const sip::Message& request, int status, std::string_view body = {},
                              const std::vector<sip::ExtraHeader>& headers = {},
                              std::string_view type = "application/sdp",
                              std::string_view tag = "srs") {
        sip::ResponseOptions options;
        options.to_tag = tag;
        auto builder = sip::response_to(request, status, options);
        builder.add(sip::HeaderId::Contact, fmt::format("<{}>;+sip.srs", server_contact_));
        for (const sip::ExtraHeader& header : headers) builder.add(header.name, header.value);
        if (!body.empty()) builder.body(type, body);
        return builder.build();
    }
    void accept(std::string_view method = "INVITE") { answer(method, 200, server_sdp(2)); }
    // A request of the server within the dialog of our last INVITE.
    void server_request(std::string_view method, std::string_view body = {},
                        std::string_view type = "application/sdp",
                        const std::vector<sip::ExtraHeader>& headers = {}) {
        auto builder = sip::MessageBuilder::request(method, "sip:192.0.2.10:5060");
        builder.add("Via",
                    fmt::format("SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKs{}", ++server_cseq_));
        builder.add("Max-Forwards", "70");
        builder.add("From", fmt::format("<sip:rec@198.51.100.7>;tag=srs"));
        builder.add("To", fmt::format("<sip:rec@198.51.100.7>;tag={}", our_tag_));
        builder.add("Call-ID", our_call_id_);
        builder.add("CSeq", fmt::format("{} {}", server_cseq_, method));
        if (method != "BYE" && method != "ACK")
            builder.add("Contact", fmt::format("<{}>;+sip.srs", server_contact_));
        for (const sip::ExtraHeader& header : headers) builder.add(header.name, header.value);
        if (!body.empty()) builder.body(type, body);
        receive(builder.build());
    }
    // The ACK to our 2xx to the server's INVITE.
    void server_ack(std::string_view body = {}) {
        --server_cseq_;
        server_request("ACK", body);
    }
    void receive(const std::string& text) {
        sip::ParsedMessage parsed = sip::parse_message(std::string_view{text});
        ASSERT_EQ(parsed.verdict, sip::Verdict::Good) << text << parsed.reason;
        agent_.on_message(now_.steady, peer_, std::move(parsed.message));
        drain();
    }

    // ---- the loop
    void drain() {
        while (auto action = agent_.poll_action())
            std::visit([this](auto& it) { obey(it); }, *action);
    }
    // Lets time pass as the loop does: no deadline is asked for in vain.
    void wait(std::chrono::milliseconds time) {
        const base::TimePoint end = now_.steady + time;
        for (int rounds = 0;; ++rounds) {
            ASSERT_LT(rounds, 10'000);
            auto due = agent_.deadline();
            const auto other = session_->deadline();
            if (other && (!due || *other < *due)) due = other;
            if (!due || *due > end) break;
            advance_to(*due);
            if (agent_.deadline() && *agent_.deadline() <= now_.steady) {
                agent_.on_time(now_.steady);
                drain();
            }
            if (session_->deadline() && *session_->deadline() <= now_.steady) {
                session_->on_time(now_);
                ASSERT_TRUE(!session_->deadline() || *session_->deadline() > now_.steady);
                drain();
            }
        }
        advance_to(end);
    }
    void advance_to(base::TimePoint when) {
        if (when <= now_.steady) return;
        now_.wall += when - now_.steady;
        now_.steady = when;
    }

    void obey(sip::SendBytes& action) {
        sip::ParsedMessage parsed = sip::parse_message(std::string_view(*action.bytes));
        ASSERT_EQ(parsed.verdict, sip::Verdict::Good) << *action.bytes;
        if (action.is_retransmission) return;
        if (parsed.message.method() == sip::Method::Invite && parsed.message.to_tag().empty()) {
            our_tag_ = parsed.message.from_tag();
            our_call_id_ = parsed.message.call_id();
            model_ = {};
        }
        read_metadata(parsed.message);
        sent_.push_back(std::move(parsed.message));
    }
    void obey(sip::RequestArrived& action) { session_->on_request(now_, action); }
    void obey(sip::AckArrived& action) { session_->on_ack(now_, action); }
    void obey(sip::ResponseArrived& action) { session_->on_response(now_, action); }
    void obey(sip::TransactionTimedOut& action) {
        session_->on_failure(now_, action.transaction, true);
    }
    void obey(sip::TransportFailed& action) {
        session_->on_failure(now_, action.transaction, false);
    }
    void obey(sip::DialogEnded& action) { session_->on_dialog_ended(now_, action.dialog); }
    void obey(sip::LocateTarget& action) {
        const auto uri = sip::parse_uri(action.uri);
        std::vector<sip::Target> targets;
        if (const auto address = base::parse_host(uri->host, uri->port.value_or(5060)))
            targets.push_back({sip::Transport::Udp, *address});
        agent_.on_located(now_.steady, action.transaction, std::move(targets));
    }
    void obey(sip::InviteRefused& /*action*/) {}
    void obey(sip::CancelArrived& /*action*/) {}
    void obey(sip::NoAck& /*action*/) {}

    // ---- what was sent
    static std::string_view part_of(const sip::Message& message, std::string_view type) {
        const auto body =
            mime::parse_body(message.find(sip::HeaderId::ContentType).value_or(""),
                             message.find(sip::HeaderId::ContentDisposition).value_or(""),
                             base::as_text(message.body()));
        const mime::Part* part = body ? body->find(type) : nullptr;
        return part == nullptr ? std::string_view{} : part->body;
    }
    static std::string sdp_of(const sip::Message& message) {
        return std::string{part_of(message, "application/sdp")};
    }
    static std::string metadata_of(const sip::Message& message) {
        return std::string{part_of(message, "application/rs-metadata+xml")};
    }
    void read_metadata(const sip::Message& message) {
        const std::string text = metadata_of(message);
        if (text.empty()) return;
        EXPECT_EQ(breaks_schema_ ? "" : find_schema_fault(text), "") << text;
        const auto document = parse_metadata(text);
        ASSERT_TRUE(document) << text;
        EXPECT_TRUE(breaks_schema_ || document->issues.empty()) << text;
        // P-96: labels need the offer that defines them.
        EXPECT_TRUE(!has_label(*document) || !sdp_of(message).empty()) << text;
        EXPECT_TRUE(model_.apply(*document, now_.wall).empty()) << text;
        EXPECT_TRUE(model_.unresolved().empty()) << text;
        last_document_ = *document;
    }
    static bool has_label(const MetadataDocument& document) {
        const auto& streams = document.objects.streams;
        return std::any_of(streams.begin(), streams.end(),
                           [](const MediaStream& stream) { return !stream.label.empty(); });
    }

    const sip::Message* last(std::string_view method) const {
        for (auto it = sent_.rbegin(); it != sent_.rend(); ++it)
            if (it->is_request() && it->method_name() == method) return &*it;
        return nullptr;
    }
    std::size_t count(std::string_view method) const {
        return static_cast<std::size_t>(
            std::count_if(sent_.begin(), sent_.end(), [method](const sip::Message& message) {
                return message.is_request() && message.method_name() == method;
            }));
    }
    // The status of our last response.
    int status() const {
        for (auto it = sent_.rbegin(); it != sent_.rend(); ++it)
            if (it->is_response()) return it->status();
        return 0;
    }
    const sip::Message& last_response() const {
        const auto it = std::find_if(sent_.rbegin(), sent_.rend(),
                                     [](const sip::Message& m) { return m.is_response(); });
        return *it;
    }
    static std::vector<std::string> lines_of(std::string_view text, std::string_view start) {
        std::vector<std::string> found;
        while (!text.empty()) {
            std::string_view line = text.substr(0, text.find("\r\n"));
            text.remove_prefix(std::min(text.size(), line.size() + 2));
            if (line.starts_with(start)) found.emplace_back(line);
        }
        return found;
    }
    static std::vector<sdp::Direction> directions_of(std::string_view text) {
        std::vector<sdp::Direction> found;
        const auto description = sdp::parse(text);
        if (description)
            for (const auto& line : description->media) found.push_back(line.direction);
        return found;
    }
    static std::vector<int> ports_of(std::string_view text) {
        std::vector<int> found;
        const auto description = sdp::parse(text);
        if (description)
            for (const auto& line : description->media) found.push_back(line.port);
        return found;
    }
    std::vector<std::string> events() const {
        std::vector<std::string> found;
        for (const ClientEvent& event : events_)
            found.push_back(fmt::format("{} {}{}{}", to_string(event.kind), event.status,
                                        event.reason.code.empty() ? "" : " ", event.reason.code));
        return found;
    }
    std::size_t count(ClientEvent::Kind kind) const {
        return static_cast<std::size_t>(
            std::count_if(events_.begin(), events_.end(),
                          [kind](const ClientEvent& event) { return event.kind == kind; }));
    }

    base::SeededRandom random_{1};
    base::Now now_{base::TimePoint{} + std::chrono::hours{1},
                   base::parse_time("2026-03-02T09:15:00.120Z")->time};
    sip::Agent agent_;
    sip::Flow peer_{.remote = *base::parse_net_address("198.51.100.7:5060")};
    std::size_t metadata_told_ = 0;
    ClientSessionSettings settings_;
    CsDescription call_;
    std::unique_ptr<RecordingClientSession> session_;
    std::string server_contact_ = "sip:srs@198.51.100.7:5060";
    std::string our_tag_;  // of the last INVITE outside a dialog
    std::string our_call_id_;
    MetadataModel model_;  // as the server has it
    MetadataDocument last_document_;
    std::vector<sip::Message> sent_;
    std::vector<ClientEvent> events_;
    std::vector<std::string> forks_;  // SDPs applied, "paused", "stopped", "lost"
    std::uint32_t server_cseq_ = 100;
    bool cannot_send_ = false;
    bool chooses_last_ = false;
    bool breaks_schema_ = false;
};

}  // namespace earshot::siprec
