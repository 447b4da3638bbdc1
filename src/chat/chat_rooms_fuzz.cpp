// Any octets from three members of a room and from a recording server, in pieces: what goes to one
// connection is whole requests and answers that the parser takes, whoever wrote what, and nothing
// is kept when all have gone. Each octet of three says whose turn it is and how long the piece is.
#include <cstdlib>
#include <map>

#include "chat/desk.h"
#include "chat/limits.h"
#include "chat/nickname.h"
#include "msrp/stream_parser.h"

namespace {

using namespace earshot;

class Wires : public chat::Network {
public:
    void send(chat::ConnectionId connection, std::string bytes) override {
        msrp::StreamParser& parser = parsers_[connection];
        parser.feed(base::as_bytes(bytes));
        while (auto event = parser.poll_event())
            if (std::holds_alternative<msrp::StreamBroken>(*event)) std::abort();
        if (is_stuck) queued[connection] += bytes.size();
    }
    void close(chat::ConnectionId /*connection*/) override {}
    void set_reading(chat::ConnectionId /*connection*/, bool /*reading*/) override {}
    chat::ConnectionId connect(const base::NetAddress& /*to*/,
                               const std::string& /*tls_name*/) override {
        return ++last;
    }
    std::optional<base::Reason> find_fault(
        chat::ConnectionId /*connection*/,
        const std::vector<base::CertificateFingerprint>& /*told*/) override {
        return std::nullopt;
    }
    std::size_t queued_bytes(chat::ConnectionId connection) const override {
        const auto found = queued.find(connection);
        return found == queued.end() ? 0 : found->second;
    }
    chat::ConnectionId last = 100;
    std::map<chat::ConnectionId, std::size_t> queued;
    bool is_stuck = false;

private:
    std::map<chat::ConnectionId, msrp::StreamParser> parsers_;
};

msrp::Uri uri(std::string_view text) { return *msrp::parse_uri(text); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    base::ByteView rest{input, size};
    if (const auto nickname = chat::parse_nickname(base::as_text(rest)))
        if (nickname->size() > chat::kMaxNicknameBytes) std::abort();
    base::Now now{base::TimePoint{} + std::chrono::hours(1), base::wall_from_ns(0)};
    Wires wires;
    base::SeededRandom random(1);
    chat::Desk desk(
        wires, random, [](const chat::SwitchEvent&) {}, [](const chat::CopyEvent&) {});
    desk.rooms().open(1, {.uri = "sip:r@r", .max_bytes = 2000});
    for (const chat::MemberId member : {1U, 2U, 3U}) {
        const std::string number = std::to_string(member);
        desk.rooms().set_member(now, 1, member,
                                {.uris = {"sip:" + number + "@x"},
                                 .own = uri("msrp://a:1/" + number + ";tcp"),
                                 .peer = {.path = {uri("msrp://x:1/" + number + ";tcp")}},
                                 .takes_private = member != 3});
    }
    const chat::CopyKey key{.session = 1, .subscription = 1};
    desk.copies().open(now, key, {});
    desk.copies().answer(
        now, key,
        chat::CopyAnswer{
            .server = {.path = {uri("msrp://s:1/s;tcp")},
                       .own = uri("msrp://o:1/o;tcp"),
                       .types = {.accept_types = "application/msrp-recording message/cpim *"},
                       .max_bytes = 4096},
            .connect_to = {}});
    const chat::ConnectionId server = wires.last;
    desk.on_open(now, server);
    for (const chat::ConnectionId member : {1U, 2U, 3U}) desk.on_open(now, member);
    while (rest.size() > 2) {
        const std::uint8_t whose = rest[0];
        const std::size_t step = std::min<std::size_t>(1 + rest[1] % 255, rest.size() - 2);
        const base::ByteView piece = rest.subspan(2, step);
        rest = rest.subspan(2 + step);
        now.steady += std::chrono::milliseconds(10);
        switch (whose % 8) {
            case 5:
                desk.on_bytes(now, server, piece);
                break;
            case 6:
                now.steady += std::chrono::seconds(whose / 8);
                desk.on_time(now);
                break;
            case 7:
                wires.is_stuck = !wires.is_stuck;
                wires.queued.clear();
                for (const chat::ConnectionId member : {1U, 2U, 3U}) desk.on_writable(now, member);
                break;
            default:
                desk.on_bytes(now, 1 + whose % 3, piece);
                break;
        }
    }
    desk.close(now, 1);
    now.steady += chat::kLastWords + chat::kUnboundTime;
    desk.on_time(now);
    const chat::Rooms& rooms = desk.rooms();
    if (desk.copies().size() != 0 || rooms.rooms() != 0) std::abort();
    if (rooms.kept_bytes() != 0 || rooms.open_bytes() != 0) std::abort();
    if (rooms.connections() != 0) std::abort();
    return 0;
}
