// Any octets from both parties and from a recording server, in pieces: what goes to one connection
// is whole requests and answers that the parser takes, whoever wrote what, and memory stays within
// its limits. Each octet of three says whose turn it is and how long the piece is.
#include <cstdlib>

#include "chat/chat_test_rig.h"
#include "chat/desk.h"
#include "chat/limits.h"

namespace {

using namespace earshot;
using chat::uri;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    const base::ByteView all{input, size};
    base::Now now = chat::first_now();
    chat::CheckedWires wires;
    base::SeededRandom random(1);
    chat::Desk desk(
        wires, random, [](const chat::SwitchEvent&) {}, [](const chat::CopyEvent&) {});
    desk.chats().set_own(now, 1, chat::Side::A, uri("msrp://a:1/a;tcp"));
    desk.chats().set_own(now, 1, chat::Side::B, uri("msrp://b:1/b;tcp"));
    desk.chats().set_peer(now, 1, chat::Side::A, {.path = {uri("msrp://x:1/x;tcp")}});
    desk.chats().set_peer(now, 1, chat::Side::B, {.path = {uri("msrp://y:1/y;tcp")}});
    desk.copies().open(now, {.session = 1, .subscription = 1}, {});
    desk.copies().answer(now, {.session = 1, .subscription = 1},
                         chat::any_server("application/msrp-recording message/cpim *"));
    const chat::ConnectionId server = wires.last;
    desk.on_open(now, server);
    desk.on_open(now, 1);
    desk.on_open(now, 2);
    chat::each_turn(all, now, [&](std::uint8_t whose, base::ByteView piece) {
        switch (whose % 8) {
            case 0:
            case 1:
            case 2:
                desk.on_bytes(now, 1, piece);
                break;
            case 3:
            case 4:
                desk.on_bytes(now, 2, piece);
                break;
            case 5:
                desk.on_bytes(now, server, piece);
                break;
            case 6:
                now.steady += std::chrono::seconds(whose / 8);
                desk.on_time(now);
                break;
            default:
                desk.copies().pause(now, {.session = 1, .subscription = 1});
                break;
        }
    });
    desk.close(now, 1);
    now.steady += chat::kLastWords;
    desk.on_time(now);
    if (desk.copies().size() != 0 || desk.chats().sessions() != 0) std::abort();
    return 0;
}
