// The built-in relay with chats: a line `m=message TCP/MSRP` of a call goes through chat::Desk, as
// two sessions of ours, one with each party; recording servers are offered it as a line of its own,
// beside those of the plane behind. Other lines are the plane's behind. TLS ends here on both sides
// (RFC 8122), and what came by it goes to servers by TLS alone (P-123). What cannot be
// taken (no listener, no certificate) passes as it came, from party to party, and the reason is
// told.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "chat/desk.h"
#include "relay/chat_link.h"
#include "relay/chat_sdp.h"
#include "relay/common_chat_lines.h"
#include "relay/media_plane.h"
#include "relay/recorded_chats.h"

namespace earshot::relay {

class ChatPlane : public MediaPlane {
public:
    // All must outlive it. `inner` must call back before the verb returns, as BuiltInRelay does.
    ChatPlane(MediaPlane& inner, ChatLink& link, base::Random& random)
        : inner_(inner), link_(link), random_(random), common_(random) {}

    // Called on the signalling thread, out of verbs, too.
    void when_told(ChatTold told) { told_ = std::move(told); }
    // Of the desk, on the signalling thread.
    void on_event(const chat::SwitchEvent& event);
    void on_event(const chat::CopyEvent& event);

    // A room (chat/rooms.h) is to recording servers a call with one chat in it, until remove().
    // `attributes`: what they are told of it, as whole lines.
    chat::SessionId open_room(CallKey room, std::string attributes);
    // Somebody in it has come by TLS: what is said then goes to servers by TLS alone, and waits
    // until they have answered an offer of that (P-123). Subscribe again.
    void encrypt_room(CallKey room);
    // A chat of a call in which we take part ourselves (chat/guests.h), until close_guest() or
    // remove(): the plane is shown port 0 in its line, which signalling negotiates. Messages come
    // from many, as those of a room. Nothing: there are too many chats.
    std::optional<chat::SessionId> open_guest(CallKey call, std::size_t line,
                                              std::string attributes, bool is_secure);
    void close_guest(CallKey call, std::size_t line);

    void offer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void answer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void rollback(CallKey call, Leg offerer) override;
    void remove(CallKey call) override;
    void subscribe(CallKey call, std::uint32_t subscription, const SubscribeOptions& options,
                   SubscriptionDone done) override;
    void answer_subscription(CallKey call, std::uint32_t subscription, std::string_view sdp,
                             PlaneDone done) override;
    void stop_subscription(CallKey call, std::uint32_t subscription, Stop why) override;
    void unsubscribe(CallKey call, std::uint32_t subscription) override;
    void on_server_silent(ServerSilent told) override {
        server_silent_ = told;
        inner_.on_server_silent(std::move(told));
    }
    base::Result<base::Done, base::Reason> play(CallKey call, Leg to, SoundPtr sound) override {
        return inner_.play(call, to, std::move(sound));
    }
    void on_metadata_told(CallKey call, std::uint32_t subscription, std::uint64_t serial) override;
    bool takes_chat(CallKey call, std::size_t line) const override;
    void say(CallKey call, Leg to, std::string_view text) override;
    base::Result<CallMedia, base::Reason> query(CallKey call) const override;

private:
    // One chat: the sessions of ours with both parties.
    struct Chat : RecordableChat {
        std::array<std::string, 2> said{};          // a=path and certificate of each leg
        std::array<std::string, 2> own{};           // ours, as each is told it
        std::array<base::NetAddress, 2> address{};  // where each connects to
        std::optional<sdp::Setup> offered_setup{};  // of the newest offer
        bool has_setup = false;                     // it had one
        bool has_cema = false;                      // and a=msrp-cema
    };
    struct Line {
        std::optional<Chat> agreed;
        std::optional<Chat> offered;  // takes its place when it is answered
        bool is_guest = false;
        Chat* newest() { return offered ? &*offered : agreed ? &*agreed : nullptr; }
    };
    struct Call {
        bool is_room = false;  // the plane behind knows nothing of it
        std::map<std::size_t, Line> lines;
        std::set<std::size_t> passed;  // lines that are not ours: told once
        Leg offerer = Leg::A;
        std::array<std::string, 2> said{};  // the last line to each leg
        std::map<std::uint32_t, RecordedChats> subscriptions;
    };

    void pass(CallKey key, const LegSdp& said, const SdpDone& done, bool is_offer);
    void take_offer(CallKey key, Call& call, std::size_t line, const LegSdp& said,
                    const sdp::SessionDescription& sdp);
    void take_answer(Call& call, std::size_t line, const LegSdp& said,
                     const sdp::SessionDescription& sdp);
    std::optional<base::Reason> tell_own(Chat& chat, Leg facing, bool ipv6, bool is_inside);
    void open(CallKey key, std::size_t line, Chat& chat, Leg from, chat::Peer peer);
    std::string tell(Call& call, Leg to, std::string_view original, std::string told,
                     bool is_offer);
    void note_content(Chat& chat, const sdp::SessionDescription& sdp,
                      const sdp::MediaDescription& medium);
    static void note_pusher(Chat& chat, Leg from, const sdp::MediaDescription& medium);
    base::Result<Subscription, base::Reason> compose(CallKey key, Call& call, std::uint32_t id,
                                                     const SubscribeOptions& options,
                                                     base::Result<Subscription, base::Reason> made);
    static std::vector<LineChat> chats_of(const Call& call);
    RecordedChats* find_recorded(CallKey call, std::uint32_t subscription);
    void pass_by(CallKey key, Call& call, std::size_t line, base::Reason reason);
    void close(std::optional<Chat>& chat);

    MediaPlane& inner_;
    ChatLink& link_;
    base::Random& random_;
    ChatTold told_;
    ServerSilent server_silent_;
    std::unordered_map<std::uint64_t, Call> calls_;  // that have, or had, a chat
    // Of calls that are over, until they are unsubscribed.
    std::map<std::uint64_t, std::map<std::uint32_t, RecordedChats>> left_;
    struct Owner {
        CallKey call{};
        std::size_t line = 0;
    };
    std::unordered_map<chat::SessionId, Owner> owners_;
    std::map<chat::SessionId, Owner> ended_;  // the last ones: something may come of their copies
    chat::SessionId last_session_ = 0;
    CommonChatLines common_;
    std::uint64_t told_senders_ = 0;  // the serial of the last one that was told
};

}  // namespace earshot::relay
