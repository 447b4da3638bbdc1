// Arbitrary messages and steps of time to an agent whose TU answers at random. Checked: no crash,
// responses that parse, deadlines that move on, and rest in the end.
#include <cstdlib>

#include "base/random.h"
#include "sip/agent.h"
#include "sip/digest.h"
#include "sip/parser.h"

namespace {

using namespace earshot;
using namespace earshot::sip;

void require(bool holds) {
    if (!holds) std::abort();
}

const base::NetAddress kTrusted = *base::parse_net_address("192.0.2.9:5060");

class Script {
public:
    explicit Script(std::string_view input) : rest_(input), agent_(config(), random_) {}

    // The input is a list of commands: an octet, then for a message all up to the next 0xff.
    void run() {
        while (!rest_.empty()) {
            const auto command = static_cast<unsigned char>(rest_.front());
            rest_.remove_prefix(1);
            if (command < 64)
                wait(std::chrono::milliseconds{command * command});
            else if (command < 96)
                act(command);
            else
                message(command);
            drain();
        }
        for (const DialogId dialog : dialogs_) agent_.end_dialog(now_, dialog);
        for (const TransactionId id : requests_) (void)agent_.respond(now_, id, {.status = 480});
        drain();
        for (const DialogId dialog : dialogs_) agent_.end_dialog(now_, dialog);
        wait(std::chrono::minutes{10});
        require(agent_.transaction_count() == 0);
        require(!agent_.deadline());
    }

private:
    static AgentConfig config() {
        AgentConfig config;
        config.listeners = {{Transport::Udp, "192.0.2.1:5060", "sip:192.0.2.1:5060"},
                            {Transport::Tcp, "192.0.2.1:5060", "sip:192.0.2.1:5060"}};
        return config;
    }

    Flow flow(unsigned command) const {
        const base::NetAddress peer = *base::parse_net_address("192.0.2.9:5060");
        if (command % 2 == 0) return {.remote = peer};
        return {Transport::Tcp, 1, 1 + command % 3, peer};
    }

    void message(unsigned command) {
        std::string text(rest_.substr(0, rest_.find('\xff')));
        rest_.remove_prefix(std::min(rest_.size(), text.size() + 1));
        // Our random tags and branches, so that messages can meet dialogs and transactions.
        replace(text, "@T", tag_);
        replace(text, "@B", branch_);
        replace(text, "@C", call_id_);
        ParsedMessage parsed = parse_message(std::string_view(text));
        if (parsed.verdict == Verdict::Good) {
            agent_.on_message(now_, flow(command), std::move(parsed.message));
        } else if (parsed.verdict == Verdict::Refuse) {
            agent_.reject_malformed(flow(command), parsed.message, parsed.status, parsed.reason);
        }
    }

    static void replace(std::string& text, std::string_view what, const std::string& by) {
        const auto at = text.find(what);
        if (at != std::string::npos) text.replace(at, what.size(), by);
    }

    void act(unsigned command) {
        const std::size_t pick = command / 4;
        const TransactionId request =
            requests_.empty() ? TransactionId{} : requests_[pick % requests_.size()];
        const DialogId dialog = dialogs_.empty() ? DialogId{} : dialogs_[pick % dialogs_.size()];
        switch (command % 12) {
            case 0:
                (void)agent_.respond(now_, request,
                                     {.status = 180, .is_reliable = command % 24 == 0});
                break;
            case 1:
                (void)agent_.respond(now_, request, {.status = 200});
                break;
            case 2:
                (void)agent_.respond(now_, request, {.status = 404});
                break;
            case 3:
                (void)agent_.send_request(now_, dialog, {.method = "INVITE"});
                break;
            case 4:
                (void)agent_.send_request(now_, dialog, {.method = "UPDATE"});
                break;
            case 5:
                (void)agent_.send_request(now_, dialog, {.method = "BYE"});
                break;
            case 6:
                agent_.end_dialog(now_, dialog);
                break;
            case 7:
                (void)agent_.ack(now_, dialog, {});
                break;
            case 8:
                agent_.on_flow_closed(now_, flow(command));
                break;
            case 9:
                (void)agent_.cancel(now_, ours_);
                break;
            case 10:
                agent_.on_send_failed(now_, ours_);
                break;
            default:
                start(command);
                break;
        }
    }

    void start(unsigned command) {
        const auto id =
            agent_.start_request(now_, {.request_uri = "sip:b@192.0.2.9",
                                        .from = "sip:a@192.0.2.1",
                                        .to = "sip:b@192.0.2.9",
                                        .flow = command % 5 == 0 ? Flow{} : flow(command)});
        if (id) ours_ = *id;
    }

    void wait(std::chrono::milliseconds time) {
        const base::TimePoint end = now_ + time;
        while (agent_.deadline() && *agent_.deadline() <= end) {
            now_ = std::max(now_, *agent_.deadline());
            agent_.on_time(now_);
            require(!agent_.deadline() || *agent_.deadline() > now_);
            drain();
        }
        now_ = end;
    }

    void drain() {
        while (const auto action = agent_.poll_action()) {
            if (const auto* send = std::get_if<SendBytes>(&*action)) {
                check(*send);
            } else if (const auto* request = std::get_if<RequestArrived>(&*action)) {
                requests_.push_back(request->transaction);
            } else if (const auto* locate = std::get_if<LocateTarget>(&*action)) {
                if (++located_ % 3 == 0) continue;  // a silent DNS server
                agent_.on_located(now_, locate->transaction,
                                  {{Transport::Udp, *base::parse_net_address("192.0.2.9:5060")},
                                   {Transport::Tcp, *base::parse_net_address("192.0.2.8:5060")}});
            } else if (const auto* response = std::get_if<ResponseArrived>(&*action)) {
                if (response->dialog) dialogs_.push_back(response->dialog);
            }
        }
    }

    void check(const SendBytes& send) {
        const ParsedMessage parsed = parse_message(std::string_view(*send.bytes));
        if (parsed.verdict != Verdict::Good) return;  // echoes of what was refused may be odd
        if (send.dialog) {
            dialogs_.push_back(send.dialog);
            agent_.authenticate_as(send.dialog, {.username = "us", .password = "rose"}, kTrusted);
        }
        if (parsed.message.find(HeaderId::Authorization) ||
            parsed.message.find(HeaderId::ProxyAuthorization))
            require(send.flow.remote.same_host(kTrusted));
        call_id_ = parsed.message.call_id();
        branch_ = parsed.message.top_via().branch();
        tag_ = parsed.message.is_request() ? parsed.message.from_tag() : parsed.message.to_tag();
    }

    std::string_view rest_;
    base::SeededRandom random_{1};
    Agent agent_;
    base::TimePoint now_{std::chrono::hours{1}};
    std::vector<TransactionId> requests_;
    std::vector<DialogId> dialogs_;
    TransactionId ours_;
    std::size_t located_ = 0;
    std::string tag_;
    std::string branch_;
    std::string call_id_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Script(base::as_text({bytes, size})).run();
    return 0;
}
