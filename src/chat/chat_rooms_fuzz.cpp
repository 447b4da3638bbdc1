// Any octets from three members of a room, from one who hands over a file, and from a recording
// server, in pieces: what goes to one connection is whole requests and answers that the parser
// takes, whoever wrote what, and nothing is kept when all have gone. Each octet of three says whose
// turn it is and how long the piece is.
#include <cstdlib>

#include "chat/chat_test_rig.h"
#include "chat/desk.h"
#include "chat/limits.h"
#include "chat/nickname.h"

namespace {

using namespace earshot;
using chat::uri;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    const base::ByteView all{input, size};
    if (const auto nickname = chat::parse_nickname(base::as_text(all)))
        if (nickname->size() > chat::kMaxNicknameBytes) std::abort();
    base::Now now = chat::first_now();
    chat::CheckedWires wires;
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
    desk.files().set(
        now, {.room = 1, .member = 3, .line = 1},
        {.own = uri("msrp://a:1/f;tcp"),
         .peer = {.path = {uri("msrp://x:1/f;tcp")}},
         .sender_uri = "sip:3@x",
         .name = std::string(base::as_text(all.first(std::min<std::size_t>(size, 40))))});
    const chat::CopyKey key{.session = 1, .subscription = 1};
    desk.copies().open(now, key, {});
    desk.copies().answer(now, key, chat::any_server("application/msrp-recording message/cpim *"));
    const chat::ConnectionId server = wires.last;
    desk.on_open(now, server);
    for (const chat::ConnectionId member : {1U, 2U, 3U, 4U}) desk.on_open(now, member);
    chat::each_turn(all, now, [&](std::uint8_t whose, base::ByteView piece) {
        switch (whose % 8) {
            case 4:
                desk.on_bytes(now, 4, piece);
                break;
            case 5:
                desk.on_bytes(now, server, piece);
                break;
            case 6:
                now.steady += std::chrono::seconds(whose / 8);
                desk.on_time(now);
                break;
            case 7:
                wires.all_are_stuck = !wires.all_are_stuck;
                wires.queued.clear();
                for (const chat::ConnectionId member : {1U, 2U, 3U}) desk.on_writable(now, member);
                break;
            default:
                desk.on_bytes(now, 1 + whose % 3, piece);
                break;
        }
    });
    desk.close(now, 1);
    now.steady += chat::kLastWords + chat::kUnboundTime;
    desk.on_time(now);
    const chat::Rooms& rooms = desk.rooms();
    if (desk.copies().size() != 0 || rooms.rooms() != 0) std::abort();
    if (rooms.kept_bytes() != 0 || rooms.open_bytes() != 0) std::abort();
    if (rooms.connections() != 0) std::abort();
    const chat::Files& files = desk.files();
    if (files.sessions() != 0 || files.kept_bytes() != 0 || files.connections() != 0) std::abort();
    return 0;
}
