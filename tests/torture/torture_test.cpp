// RFC 4475: what becomes of each of its 49 torture messages, from the parser to the answer of the
// recording server's cores. The originals are not ours to copy: they are read from the directory
// that EARSHOT_TORTURE_DIR names (the RFC's archive, unpacked), and skipped without it. NAME.dat
// beside this file is a message of our own making with the same property, and never skipped.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "sip/agent.h"
#include "sip/parser.h"
#include "siprec/recording_server_session.h"
#include "siprec/server_answers.h"

namespace earshot {
namespace {

using sip::Verdict;

struct TortureCase {
    std::string_view file;
    std::string_view section;
    Verdict verdict;
    // The final answer, 0: none is due. Ours are recording sessions where they are INVITEs; the
    // originals are ordinary calls, which a recorder answers by 403.
    int answer = 0;
    int answer_to_original = 0;
    std::string_view note = {};  // where a recorder is more lenient than the RFC, and why
};

constexpr Verdict kGood = Verdict::Good;
constexpr Verdict kRefuse = Verdict::Refuse;
constexpr Verdict kDrop = Verdict::Drop;

constexpr TortureCase kCases[] = {
    {"wsinv", "3.1.1.1", kGood, 200, 481, "the original's To has a tag, and no dialog"},
    {"intmeth", "3.1.1.2", kGood, 501, 501, "unknown method"},
    {"esc01", "3.1.1.3", kGood, 200, 403},
    {"escnull", "3.1.1.4", kGood, 405, 405, "REGISTER"},
    {"esc02", "3.1.1.5", kGood, 501, 501, "unknown method, not the one it spells unescaped"},
    {"lwsdisp", "3.1.1.6", kGood, 200, 200},
    {"longreq", "3.1.1.7", kGood, 200, 403},
    {"dblreq", "3.1.1.8", kGood, 200, 405, "the bytes after the body are no second request"},
    {"semiuri", "3.1.1.9", kGood, 200, 200},
    {"transports", "3.1.1.10", kGood, 200, 200},
    {"mpart01", "3.1.1.11", kGood, 405, 405, "MESSAGE"},
    {"unreason", "3.1.1.12", kGood, 0, 0, "a response that matches no transaction"},
    {"noreason", "3.1.1.13", kGood, 0, 0, "a response that matches no transaction"},
    {"badinv01", "3.1.2.1", kRefuse, 400, 400},
    {"clerr", "3.1.2.2", kRefuse, 400, 400},
    {"ncl", "3.1.2.3", kRefuse, 400, 400},
    {"scalar02", "3.1.2.4", kRefuse, 400, 400},
    {"scalarlg", "3.1.2.5", kDrop, 0, 0, "a response"},
    {"quotbal", "3.1.2.6", kRefuse, 400, 400},
    {"ltgtruri", "3.1.2.7", kRefuse, 400, 400},
    {"lwsruri", "3.1.2.8", kRefuse, 400, 400},
    {"lwsstart", "3.1.2.9", kGood, 200, 403, "lenient: nothing is ambiguous"},
    {"trws", "3.1.2.10", kGood, 200, 200, "lenient: nothing is ambiguous"},
    {"escruri", "3.1.2.11", kGood, 200, 403, "lenient: headers of a Request-URI are ignored"},
    {"baddate", "3.1.2.12", kGood, 200, 403, "parse_date refuses it; the arrival time is used"},
    {"regbadct", "3.1.2.13", kGood, 405, 405, "REGISTER"},
    {"badaspec", "3.1.2.14", kGood, 200, 200, "lenient: the spaces around the URI are trimmed"},
    {"baddn", "3.1.2.15", kGood, 200, 200, "lenient: a display name is no reason to lose a call"},
    {"badvers", "3.1.2.16", kRefuse, 505, 505},
    {"mismatch01", "3.1.2.17", kRefuse, 400, 400},
    {"mismatch02", "3.1.2.18", kRefuse, 400, 400},
    {"bigcode", "3.1.2.19", kDrop, 0, 0, "a response"},
    {"badbranch", "3.2.1", kGood, 200, 200, "has_magic_branch() is false: matched as RFC 2543"},
    {"insuf", "3.3.1", kRefuse, 400, 400},
    {"unkscm", "3.3.2", kGood, 416, 416},
    {"novelsc", "3.3.3", kGood, 416, 416},
    {"unksm2", "3.3.4", kGood, 405, 405, "REGISTER"},
    {"bext01", "3.3.5", kGood, 420, 420, "the tags of Proxy-Require are for proxies"},
    {"invut", "3.3.6", kGood, 200, 403,
     "lenient: a body that says nothing to us is no body; the offer is ours"},
    {"regaut01", "3.3.7", kGood, 405, 405, "REGISTER"},
    {"multi01", "3.3.8", kRefuse, 400, 400},
    {"mcl01", "3.3.9", kRefuse, 400, 400},
    {"bcast", "3.3.10", kGood, 0, 0, "a response that matches no transaction"},
    {"zeromf", "3.3.11", kGood, 200, 200, "for us: answered, not forwarded"},
    {"cparam01", "3.3.12", kGood, 405, 405, "REGISTER"},
    {"cparam02", "3.3.13", kGood, 405, 405, "REGISTER"},
    {"regescrt", "3.3.14", kGood, 405, 405, "REGISTER"},
    {"sdp01", "3.3.15", kGood, 200, 403, "lenient: an answer that is not SDP would help nobody"},
    {"inv2543", "3.4.1", kGood, 200, 403, "RFC 2543: no branch, no tag, no Max-Forwards"},
};
static_assert(std::size(kCases) == 49);

// The server's cores with everything at hand: ports open and rows are durable at once.
class Server {
public:
    // The final statuses that one datagram leads to.
    std::vector<int> answers_to(const sip::ParsedMessage& parsed) {
        const sip::Flow flow{.remote = *base::parse_net_address("192.0.2.9:5070")};
        if (parsed.verdict == Verdict::Refuse)
            agent_.reject_malformed(flow, parsed.message, parsed.status, parsed.reason);
        if (parsed.verdict == Verdict::Good)
            agent_.on_message(now_.steady, flow, sip::Message(parsed.message));
        drain();
        return statuses_;
    }

private:
    static sip::AgentConfig agent_config() {
        sip::AgentConfig config;
        config.listeners = {{sip::Transport::Udp, "192.0.2.80:5060", "sip:192.0.2.80:5060"}};
        return config;
    }

    void drain() {
        while (auto action = agent_.poll_action()) {
            if (const auto* send = std::get_if<sip::SendBytes>(&*action)) {
                // An answer to what had no CSeq has none either, and would not parse.
                constexpr std::string_view kVersion = "SIP/2.0 ";
                EXPECT_TRUE(send->bytes->starts_with(kVersion)) << *send->bytes;
                const int status = std::stoi(send->bytes->substr(kVersion.size(), 3));
                if (status >= 200) statuses_.push_back(status);
            } else if (const auto* request = std::get_if<sip::RequestArrived>(&*action)) {
                answer(*request);
            }
        }
    }

    void answer(const sip::RequestArrived& request) {
        if (const auto refusal = siprec::find_refusal_outside_dialog(request.message)) {
            respond(request.transaction, *refusal);
        } else if (request.message.method() == sip::Method::Options) {
            respond(request.transaction, siprec::options_answer());
        } else {
            siprec::RecordingServerConfig config;
            config.media.usual = *base::parse_host("192.0.2.80", 0);
            session_ = std::make_unique<siprec::RecordingServerSession>(config, 1);
            session_->on_invite(now_, request.transaction, request.flow.remote, request.message);
            run_session();
        }
    }

    void run_session() {
        while (auto action = session_->poll_action()) {
            if (const auto* open = std::get_if<siprec::OpenStream>(&*action))
                session_->on_stream_opened(now_, open->facts.stream, 10000, 10001);
            else if (std::holds_alternative<siprec::CreateRow>(*action))
                session_->on_row_durable(now_);
            else if (const auto* response = std::get_if<siprec::Respond>(&*action))
                respond(response->transaction, response->response);
        }
    }

    void respond(sip::TransactionId transaction, const sip::ResponseSpec& response) {
        EXPECT_TRUE(agent_.respond(now_.steady, transaction, response).has_value());
    }

    base::Now now_{base::TimePoint{} + std::chrono::hours{1},
                   base::parse_time("2026-03-02T09:15:01Z")->time};
    base::SeededRandom random_{1};
    sip::Agent agent_{agent_config(), random_};
    std::unique_ptr<siprec::RecordingServerSession> session_;
    std::vector<int> statuses_;
};

void meet_their_fates(const std::string& directory, bool are_originals) {
    for (const TortureCase& c : kCases) {
        std::ifstream file(fmt::format("{}/{}.dat", directory, c.file), std::ios::binary);
        ASSERT_TRUE(file) << c.file;
        const std::string text(std::istreambuf_iterator<char>(file), {});
        const sip::ParsedMessage parsed = sip::parse_message(text);
        EXPECT_EQ(parsed.verdict, c.verdict) << c.section << " " << c.file << ": " << parsed.reason;
        const int answer = are_originals ? c.answer_to_original : c.answer;
        const std::vector<int> expected =
            answer == 0 ? std::vector<int>{} : std::vector<int>{answer};
        EXPECT_EQ(Server().answers_to(parsed), expected) << c.section << " " << c.file << c.note;
    }
}

TEST(Torture, OurOwnMessagesMeetTheirFates) { meet_their_fates(EARSHOT_TORTURE_OWN, false); }

TEST(Torture, TheMessagesOfRfc4475MeetTheirFates) {
    // Read before any thread starts. NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char* directory = std::getenv("EARSHOT_TORTURE_DIR");
    if (directory == nullptr) GTEST_SKIP() << "EARSHOT_TORTURE_DIR is not set";
    meet_their_fates(directory, true);
}

// A datagram that was cut somewhere leads to one answer at most, and never to a crash.
TEST(Torture, EachTruncationOfOurOwnMessagesIsAnsweredOnceAtMost) {
    for (const TortureCase& c : kCases) {
        std::ifstream file(fmt::format("{}/{}.dat", EARSHOT_TORTURE_OWN, c.file), std::ios::binary);
        const std::string text(std::istreambuf_iterator<char>(file), {});
        for (std::size_t size = 0; size < text.size(); size += 1 + size / 64) {
            const auto parsed = sip::parse_message(std::string_view(text).substr(0, size));
            EXPECT_LE(Server().answers_to(parsed).size(), 1U) << c.file << " cut at " << size;
        }
    }
}

}  // namespace
}  // namespace earshot
