// Any octets in the chats of others that we are in (one to which we have connected, one that
// connects to us, one behind a relay), in pieces: what goes out is whole requests and answers that
// the parser takes, and nothing is kept when all have gone. Each octet of three says whose turn it
// is and how long the piece is.
#include <cstdlib>

#include "chat/chat_test_rig.h"
#include "chat/desk.h"
#include "chat/limits.h"

namespace {

using namespace earshot;
using chat::uri;

constexpr chat::SessionId kActive = 1;
constexpr chat::SessionId kPassive = 2;
constexpr chat::SessionId kRelayed = 3;

chat::GuestSetup setup(chat::SessionId session) {
    const std::string number = std::to_string(session);
    chat::GuestSetup made{.own = uri("msrp://a:1/" + number + ";tcp"),
                          .peer = {.path = {uri("msrp://x:1/" + number + ";tcp")}},
                          .address = "sip:u@x",
                          .room = "sip:r@r",
                          .max_bytes = 2000};
    if (session != kPassive) made.peer.connect_to = *base::parse_net_address("192.0.2.1:1");
    return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    const base::ByteView all{input, size};
    base::Now now = chat::first_now();
    chat::CheckedWires wires;
    base::SeededRandom random(1);
    bool is_in = false;
    chat::Desk desk(
        wires, random, [](const chat::SwitchEvent&) {}, [](const chat::CopyEvent&) {},
        [](const chat::RoomEvent&) {},
        [&](const chat::GuestEvent& event) {
            is_in = is_in || event.kind == chat::GuestEvent::Kind::LoggedIn;
        });
    for (const chat::SessionId session : {kActive, kPassive, kRelayed}) {
        const chat::CopyKey key{.session = session, .subscription = 1};
        desk.copies().open(now, key, {});
        desk.copies().answer(now, key, chat::any_server("*"));
        desk.on_open(now, wires.last);
    }
    desk.guests().set(now, kActive, setup(kActive));
    const chat::ConnectionId active = wires.last;
    desk.guests().set(now, kPassive, setup(kPassive));
    desk.guests().log_in(
        now, kRelayed,
        {.uri = uri("msrp://r:1;tcp"),
         .connect_to = {},
         .own = uri("msrp://a:1/3;tcp"),
         .authorize = [](std::string_view challenge, std::string_view /*method*/,
                         std::string_view /*uri*/) { return std::string(challenge); }});
    const chat::ConnectionId relay = wires.last;
    desk.on_open(now, active);
    desk.on_open(now, relay);
    desk.on_open(now, 1);
    bool was_set = false;
    chat::each_turn(all, now, [&](std::uint8_t whose, base::ByteView piece) {
        switch (whose % 8) {
            case 4:
                now.steady += std::chrono::seconds(whose);
                desk.on_time(now);
                break;
            case 5:
                desk.guests().say(now, whose % 3 + 1, base::as_text(piece));
                break;
            case 6:
                desk.guests().set(now, kActive, setup(kActive));
                break;
            case 7:
                desk.on_closed(now, whose > 128 ? active : 1);
                break;
            default:
                desk.on_bytes(now, whose % 4 == 0 ? active : whose % 4 == 1 ? relay : 1, piece);
                break;
        }
        if (is_in && !std::exchange(was_set, true))
            desk.guests().set(now, kRelayed, setup(kRelayed));
    });
    for (const chat::SessionId session : {kActive, kPassive, kRelayed}) desk.close(now, session);
    now.steady += chat::kLastWords + chat::kUnboundTime;
    desk.on_time(now);
    const chat::Guests& guests = desk.guests();
    if (desk.copies().size() != 0 || guests.sessions() != 0) std::abort();
    if (guests.open_bytes() != 0 || guests.connections() != 0) std::abort();
    return 0;
}
