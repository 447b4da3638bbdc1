// Drives one RecordingServerSession by real messages, for its tests: plays the server that opens
// ports and stores rows at once, and collects what the session does.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "sip/parser.h"
#include "siprec/recording_server_session.h"

namespace earshot::siprec {

inline std::string read_data(const std::string& name) {
    std::ifstream file{std::string{EARSHOT_TEST_DATA} + "/" + name};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// A file of the data folder holds the head and the body with LF; on the wire there is CRLF and a
// Content-Length. `@name@` in it is replaced by the metadata file of that name.
inline std::string to_wire(std::string text) {
    for (std::size_t at = text.find('@'); at != std::string::npos; at = text.find('@', at + 1)) {
        const std::size_t end = text.find('@', at + 1);
        const std::string name = text.substr(at + 1, end - at - 1);
        if (end == std::string::npos || !name.ends_with(".xml")) continue;
        text.replace(at, end - at + 1, read_data("metadata/" + name));
    }
    std::string wire;
    for (const char c : text) {
        if (c == '\n') wire += '\r';
        wire += c;
    }
    const std::size_t blank = wire.find("\r\n\r\n");
    if (blank == std::string::npos) return wire;
    const std::size_t size = wire.size() - blank - 4;
    return wire.insert(blank, "\r\nContent-Length: " + std::to_string(size));
}

inline sip::Message message_of(const std::string& wire) {
    const base::ByteView bytes = base::as_bytes(wire);
    sip::ParsedMessage parsed = sip::parse_message({bytes.begin(), bytes.end()});
    EXPECT_EQ(parsed.verdict, sip::Verdict::Good) << parsed.reason;
    return std::move(parsed.message);
}

inline sip::Message message_from(const std::string& file) {
    return message_of(to_wire(read_data("siprec/" + file)));
}

class SessionTest : public testing::Test {
protected:
    SessionTest() {
        config_.media.usual = *base::parse_host("192.0.2.80", 0);
        config_.srtp_keys = [](base::SrtpSuite suite) {
            base::SeededRandom random(7);
            return base::SrtpMasterKey::generate(suite, random);
        };
    }

    void start(const sip::Message& invite) {
        ports_.clear();
        session_ = std::make_unique<RecordingServerSession>(config_, 42);
        session_->on_invite(now_, next_transaction(), peer_, invite);
        drain();
    }
    void request(const sip::Message& request) {
        actions_.clear();
        session_->on_request(now_, next_transaction(), request);
        drain();
    }
    // One that is written here: method, then lines of headers, then the body.
    void request(std::string_view method, std::string_view headers = {},
                 std::string_view body = {}) {
        request(message_of(in_dialog(method, headers, body)));
    }
    std::string in_dialog(std::string_view method, std::string_view headers,
                          std::string_view body) {
        const std::string number = std::to_string(++cseq_);
        std::string text = std::string{method} +
                           " sip:srs@192.0.2.80 SIP/2.0\n"
                           "Via: SIP/2.0/UDP src.example;branch=z9hG4bK" +
                           number +
                           "\nFrom: <sip:src@src.example>;tag=a\nTo: <sip:srs@srs.example>;tag=b\n"
                           "Call-ID: c1@src.example\nCSeq: " +
                           number + " " + std::string{method} +
                           "\nContact: <sip:src@192.0.2.10>;+sip.src\nMax-Forwards: 70\n" +
                           std::string{headers} + "\n" + std::string{body};
        return to_wire(text);
    }
    void ack() {
        session_->on_ack(now_, message_of(in_dialog("ACK", {}, {})));
        drain();
    }
    void establish(const std::string& file) {
        start(message_from(file));
        ack();
    }
    void wait(std::chrono::milliseconds time) {
        actions_.clear();
        now_.steady += time;
        now_.wall += time;
        session_->on_time(now_);
        drain();
    }

    void drain() {
        while (auto action = session_->poll_action()) {
            // The server does what it is asked before it takes the next action's turn.
            if (auto* open = std::get_if<OpenStream>(&*action); open != nullptr && opens_ports_) {
                const std::uint16_t stream = open->facts.stream;
                // Of one transport there is one port.
                const auto port = ports_
                                      .try_emplace(open->facts.transport,
                                                   static_cast<std::uint16_t>(10000 + 2 * stream))
                                      .first->second;
                actions_.push_back(*action);
                if (stream == failing_stream_) {
                    session_->on_stream_failed(now_, stream, {"no_ports", "none left"});
                } else {
                    session_->on_stream_opened(now_, stream, port,
                                               static_cast<std::uint16_t>(port + 1));
                }
                continue;
            }
            if (auto* move = std::get_if<MoveStream>(&*action)) {
                const auto port =
                    ports_
                        .try_emplace(move->facts.transport,
                                     static_cast<std::uint16_t>(11000 + 2 * move->facts.transport))
                        .first->second;
                const std::uint16_t stream = move->facts.stream;
                actions_.push_back(*action);
                if (fails_to_move_)
                    session_->on_stream_failed(now_, stream, {"no_ports", "none left"});
                else
                    session_->on_stream_opened(now_, stream, port,
                                               static_cast<std::uint16_t>(port + 1));
                continue;
            }
            const bool is_question = std::holds_alternative<Decide>(*action);
            const bool is_row = std::holds_alternative<CreateRow>(*action);
            actions_.push_back(std::move(*action));
            if (is_row && stores_rows_) session_->on_row_durable(now_);
            if (is_question && ruling_) session_->on_decision(now_, *ruling_);
        }
    }
    static sip::TransactionId transaction(std::uint64_t number) { return {number}; }
    sip::TransactionId next_transaction() { return {++transaction_}; }

    // ---- what it did
    template <class T>
    std::vector<T> all() const {
        std::vector<T> found;
        for (const Action& action : actions_)
            if (const T* one = std::get_if<T>(&action)) found.push_back(*one);
        return found;
    }
    sip::ResponseSpec response() const {
        const auto responses = all<Respond>();
        EXPECT_EQ(responses.size(), 1U);
        return responses.empty() ? sip::ResponseSpec{.status = 0} : responses.front().response;
    }
    std::string header(const sip::ResponseSpec& response, std::string_view name) const {
        for (const sip::ExtraHeader& one : response.headers)
            if (one.name == name) return one.value;
        return {};
    }
    // The lines of our answer that begin with `start`.
    std::vector<std::string> answer_lines(std::string_view start) const {
        std::vector<std::string> lines;
        std::istringstream text{response().body};
        for (std::string one; std::getline(text, one);)
            if (one.starts_with(start)) lines.push_back(one.substr(0, one.find('\r')));
        return lines;
    }
    std::string aor_of_sender(std::string_view label) const {
        const auto senders = session_->metadata().senders_of(label);
        return senders.size() == 1 ? senders[0]->names[0].aor : "";
    }
    std::vector<std::string> events(std::string_view type) const {
        std::vector<std::string> found;
        for (const Event& event : all<Event>())
            if (event.type == type) found.push_back(event.json);
        return found;
    }
    std::size_t count(std::string_view type) const { return events(type).size(); }

    RecordingServerConfig config_;
    base::NetAddress peer_ = *base::parse_net_address("198.51.100.7:5060");
    base::Now now_{base::TimePoint{} + std::chrono::hours{1},
                   base::parse_time("2026-03-02T09:15:01Z")->time};
    std::unique_ptr<RecordingServerSession> session_;
    std::vector<Action> actions_;
    bool opens_ports_ = true;
    std::map<std::uint32_t, std::uint16_t> ports_;  // by transport
    bool stores_rows_ = true;
    std::optional<Ruling> ruling_;  // none: the decision is still to come
    int failing_stream_ = -1;
    bool fails_to_move_ = false;
    std::uint64_t transaction_ = 0;
    int cseq_ = 1;
};

}  // namespace earshot::siprec
