// What an idle confirmed recording dialog keeps on the heap (goal: <= 4096 bytes): its part of the
// sip::Agent and its RecordingServerSession, set up by INVITE, 200 and ACK as a client writes them,
// after the last timer of the transactions. Nothing is subtracted: what the session keeps of the
// messages is in the figure. Prints JSON. The program needs glibc's malloc.
#include <fmt/format.h>
#include <malloc.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "sip/agent.h"
#include "sip/parser.h"
#include "siprec/client_documents.h"
#include "siprec/recording_server_session.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own
using namespace std::chrono_literals;

constexpr int kDefaultDialogs = 10'000;  // argv[1] is another number: under a profiler
constexpr int kWarmUp = 100;

sip::AgentConfig agent_config() {
    sip::AgentConfig config;
    config.listeners = {{sip::Transport::Udp, "192.0.2.1:5060", "sip:192.0.2.1:5060"}};
    config.contact_parameters = ";+sip.srs";
    return config;
}

std::size_t heap_bytes() {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

class Rig {
public:
    explicit Rig(int dialogs) : agent_(agent_config(), random_) {
        sessions_.reserve(static_cast<std::size_t>(kWarmUp + dialogs));
        now_ = {base::TimePoint{} + 1h, base::parse_time("2026-03-02T09:15:01Z")->time};
    }

    void establish(int call) {
        const std::string invite = make_invite(call);
        invite_bytes_ = invite.size();
        receive(invite);
        receive(make_ack(call));
    }

    void wait(std::chrono::seconds time) {
        const base::TimePoint end = now_.steady + time;
        while (agent_.deadline() && *agent_.deadline() <= end) {
            set_time(std::max(now_.steady, *agent_.deadline()));
            agent_.on_time(now_.steady);
            drain();
        }
        set_time(end);
    }

    std::size_t confirmed() const {
        std::size_t count = 0;
        for (const auto& session : sessions_)
            if (session->is_established() && !session->is_ended()) ++count;
        return count;
    }
    std::size_t dialogs() const { return agent_.dialog_count(); }
    std::size_t transactions() const { return agent_.transaction_count(); }
    void forget_sessions() { sessions_.resize(kWarmUp); }
    std::size_t invite_bytes() const { return invite_bytes_; }
    std::size_t answer_bytes() const { return answer_bytes_; }

private:
    std::string make_invite(int call) {
        siprec::ClientCall facts = siprec::make_client_call(random_, now_.wall, 2);
        facts.rtp_formats = {"0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"};
        for (std::size_t i = 0; i < facts.parties.size(); ++i) {
            siprec::ClientParty& party = facts.parties[i];
            party.aor = fmt::format("sip:party-{}@desk-{}.example.com", i, call);
            party.name = fmt::format("Party {} of call {}", i, call);
            const auto port = static_cast<std::uint16_t>(20000 + 2 * i);
            party.rtp = *base::parse_host("192.0.2.9", port);
            party.rtcp = *base::parse_host("192.0.2.9", static_cast<std::uint16_t>(port + 1));
        }
        const siprec::ClientBody body = siprec::client_invite_body(facts, now_.wall);
        return head("INVITE", call, "") +
               fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n\r\n{}", body.content_type,
                           body.bytes.size(), body.bytes);
    }

    std::string make_ack(int call) const {
        return head("ACK", call, fmt::format(";tag={}", local_tag_)) + "Content-Length: 0\r\n\r\n";
    }

    static std::string head(std::string_view method, int call, std::string_view to_tag) {
        return fmt::format(
            "{0} sip:srs@192.0.2.1:5060 SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK{0}.{1};rport\r\n"
            "From: \"A recording client\" <sip:src@client.example.com>;tag=peer-tag-{1}\r\n"
            "To: <sip:srs@server.example.com>{2}\r\n"
            "Call-ID: 2c7a6e0e-4b0b-4b8f-9a52-{1}@client.example.com\r\n"
            "CSeq: 1 {0}\r\nMax-Forwards: 70\r\nRequire: siprec\r\n"
            "Contact: <sip:src@192.0.2.9:5070;transport=udp>;+sip.src\r\n"
            "User-Agent: Recording client/1.0\r\n",
            method, call, to_tag);
    }

    void receive(std::string_view text) {
        sip::ParsedMessage parsed = sip::parse_message(text);
        if (parsed.verdict != sip::Verdict::Good) {
            std::cerr << "error: not a SIP message: " << parsed.reason << '\n';
            std::exit(2);
        }
        agent_.on_message(now_.steady, {.remote = *base::parse_net_address("192.0.2.9:5070")},
                          std::move(parsed.message));
        drain();
    }

    void drain() {
        while (const auto action = agent_.poll_action()) {
            if (const auto* request = std::get_if<sip::RequestArrived>(&*action)) {
                sessions_.push_back(std::make_unique<siprec::RecordingServerSession>(
                    siprec::RecordingServerConfig{
                        .media = {.usual = *base::parse_host("192.0.2.1", 0), .other = {}}},
                    sessions_.size() + 1));
                sessions_.back()->on_invite(now_, request->transaction, request->flow.remote,
                                            request->message);
                run_session(*sessions_.back());
            } else if (const auto* ack = std::get_if<sip::AckArrived>(&*action)) {
                sessions_.back()->on_ack(now_, ack->message);
                run_session(*sessions_.back());
            } else if (const auto* send = std::get_if<sip::SendBytes>(&*action)) {
                if (send->bytes->starts_with("SIP/2.0 200")) answer_bytes_ = send->bytes->size();
            }
        }
    }

    // Plays the server: ports open and rows are stored at once.
    void run_session(siprec::RecordingServerSession& session) {
        while (const auto action = session.poll_action()) {
            if (const auto* open = std::get_if<siprec::OpenStream>(&*action)) {
                const auto port = static_cast<std::uint16_t>(10000 + 2 * open->facts.stream);
                session.on_stream_opened(now_, open->facts.stream, port,
                                         static_cast<std::uint16_t>(port + 1));
            } else if (std::holds_alternative<siprec::CreateRow>(*action)) {
                session.on_row_durable(now_);
            } else if (const auto* respond = std::get_if<siprec::Respond>(&*action)) {
                const auto dialog =
                    agent_.respond(now_.steady, respond->transaction, respond->response);
                const auto facts = dialog ? agent_.find_dialog(*dialog) : std::nullopt;
                if (facts) local_tag_ = facts->local_tag;
            }
        }
    }

    void set_time(base::TimePoint steady) {
        now_.wall += std::chrono::duration_cast<std::chrono::nanoseconds>(steady - now_.steady);
        now_.steady = steady;
    }

    base::Now now_{};
    base::SeededRandom random_{1};
    sip::Agent agent_;
    std::vector<std::unique_ptr<siprec::RecordingServerSession>> sessions_;
    std::string local_tag_;  // of the last dialog
    std::size_t invite_bytes_ = 0;
    std::size_t answer_bytes_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    const auto given = argc > 1 ? base::parse_number<std::uint16_t>(argv[1]) : std::nullopt;
    const int dialogs = given.value_or(kDefaultDialogs);
    const auto count = static_cast<std::size_t>(dialogs);
    if (count == 0) return 2;
    Rig rig{dialogs};
    for (int call = 0; call < kWarmUp; ++call) rig.establish(call);
    rig.wait(60s);
    const std::size_t before = heap_bytes();
    for (int call = 0; call < dialogs; ++call) rig.establish(kWarmUp + call);
    rig.wait(60s);
    const std::size_t used = heap_bytes() - before;

    if (rig.confirmed() != kWarmUp + count || rig.dialogs() != kWarmUp + count ||
        rig.transactions() != 0) {
        std::cerr << fmt::format("error: {} sessions, {} dialogs, {} transactions\n",
                                 rig.confirmed(), rig.dialogs(), rig.transactions());
        return 1;
    }
    rig.forget_sessions();
    const std::size_t agent_share = (heap_bytes() - before) / count;
    std::cout << fmt::format(
        R"({{"dialogs":{},"bytes_per_dialog":{},"session_bytes":{},"agent_bytes":{},)"
        R"("invite_bytes":{},"answer_bytes":{}}})"
        "\n",
        dialogs, used / count, used / count - agent_share, agent_share, rig.invite_bytes(),
        rig.answer_bytes());
    return 0;
}
