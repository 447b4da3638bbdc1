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
#include "relay/chat_sdp.h"
#include "relay/media_plane.h"
#include "relay/sdp_told.h"

namespace earshot::relay {

// The certificate that parties and servers are shown.
struct ChatCertificate {
    base::CertificateFingerprint fingerprint{};
    bool is_self_signed = false;  // nobody can know it but by the fingerprint
};

// The thread of the chats, as signalling sees it.
class ChatLink {
public:
    ChatLink() = default;
    ChatLink(const ChatLink&) = delete;
    ChatLink& operator=(const ChatLink&) = delete;
    virtual ~ChatLink() = default;

    // Where parties connect to, in that family, as they are told it; the thread runs from then on.
    // Reasons: chat_no_listener.
    virtual base::Result<base::NetAddress, base::Reason> listener(bool ipv6, bool is_inside) = 0;
    // Nothing: there is no TLS.
    virtual std::optional<ChatCertificate> certificate() const = 0;
    // Has it done on that thread, in the order of the calls.
    virtual void post(std::function<void(base::Now, chat::Desk&)> work) = 0;
    // Has it done on the signalling thread, not now.
    virtual void later(std::function<void()> work) = 0;
};

// What becomes of a chat.
struct ChatEvent {
    enum class Kind : std::uint8_t {
        Connected,    // both parties are
        NotRecorded,  // it goes on between the parties, and is not recorded: `reason`
        Refused,      // somebody came who is not the party that was told: `reason`
        OwnLine,      // it has a line of its own although it was to share one: `reason`
        Relined,      // what recording servers are offered of the call has to be told anew
        Unsure,       // messages left before the server had confirmed whose they are: `reason`
        Sender,       // somebody writes on the side of `from` whom nobody has named: `uri`, `name`
        Nickname,     // who is at `from` calls itself so now: `name`
        Ended         // by its connections: `reason`
    };
    Kind kind = Kind::Connected;
    std::size_t line = 0;  // of the call's descriptions
    base::Reason reason{};
    Leg from = Leg::A;
    std::string uri{};
    std::string name{};
};
using ChatTold = std::function<void(CallKey call, const ChatEvent& event)>;

class ChatPlane : public MediaPlane {
public:
    // All must outlive it. `inner` must call back before the verb returns, as BuiltInRelay does.
    ChatPlane(MediaPlane& inner, ChatLink& link, base::Random& random)
        : inner_(inner), link_(link), random_(random) {}

    // Called on the signalling thread, out of verbs, too.
    void when_told(ChatTold told) { told_ = std::move(told); }
    // Of the desk, on the signalling thread.
    void on_event(const chat::SwitchEvent& event);
    void on_event(const chat::CopyEvent& event);

    // A room (chat/rooms.h) is to recording servers a call with one chat in it, until remove().
    // `attributes`: what they are told of it, as whole lines.
    chat::SessionId open_room(CallKey room, std::string attributes);
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
    struct Chat {
        chat::SessionId session = 0;
        std::array<std::string, 2> said{};          // a=path and certificate of each leg
        std::array<std::string, 2> own{};           // ours, as each is told it
        std::array<base::NetAddress, 2> address{};  // where each connects to
        std::optional<sdp::Setup> offered_setup{};  // of the newest offer
        bool has_setup = false;                     // it had one
        bool has_cema = false;                      // and a=msrp-cema
        // For recording servers: what of the newest offer is about content, as whole lines.
        std::string attributes{};
        bool is_secure = false;  // TLS
        bool is_file = false;
        bool is_room = false;   // a=chatroom
        bool is_active = true;  // nobody says inactive
        std::string title{};    // i=
    };
    struct Line {
        std::optional<Chat> agreed;
        std::optional<Chat> offered;  // takes its place when it is answered
        bool is_guest = false;
        Chat* newest() { return offered ? &*offered : agreed ? &*agreed : nullptr; }
    };
    // A chat on a line of a recording session.
    struct Carried {
        chat::SessionId session = 0;
        std::size_t line = 0;  // of the call
        std::string name{};    // of its stream; empty: the line's label
        bool is_told_refused = false;
        std::shared_ptr<chat::CopyCounters> counters{};
    };
    // One m-line of a subscription's offers, which keep their places: the plane's behind, in its
    // order, or that of chats.
    struct Place {
        bool is_inner = false;
        std::vector<Carried> chats{};  // none: it has ended, or waits for the next
        std::string label{};
        msrp::Uri own{};
        std::string file_id{};  // of a file: a=file-transfer-id
    };
    // A line that chats share, one after the other or at once; in all subscriptions of a recording
    // session.
    struct CommonLine {
        std::string label{};
        msrp::Uri own{};
        std::set<chat::CopyKey> users{};
        // Whether the server lists the wrapper, which tells chats apart. Nothing: it has not
        // answered yet.
        std::optional<bool> takes_several{};
        std::shared_ptr<chat::CopyCounters> last{};  // of the chat that has left it
        // Without the wrapper what the server has not receipted would be taken for the next one's.
        bool is_free() const {
            return users.empty() &&
                   (takes_several.value_or(false) || last == nullptr || last->waiting == 0);
        }
    };
    struct Recorded {
        explicit Recorded(std::uint64_t session_id) : told(session_id) {}
        SdpTold told;
        std::vector<Place> places;
        std::size_t inner_places = 0;
        std::uint64_t last_label = 0;
        const std::shared_ptr<const void> own_session = std::make_shared<int>();
        std::shared_ptr<const void> session{};  // whose common lines it uses
        bool is_paused = false;                 // until the next answer
    };
    struct Call {
        bool is_room = false;  // the plane behind knows nothing of it
        std::map<std::size_t, Line> lines;
        std::set<std::size_t> passed;  // lines that are not ours: told once
        Leg offerer = Leg::A;
        std::array<std::string, 2> said{};  // the last line to each leg
        std::map<std::uint32_t, Recorded> subscriptions;
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
    base::Result<Subscription, base::Reason> compose(CallKey key, Call& call, std::uint32_t id,
                                                     const SubscribeOptions& options,
                                                     base::Result<Subscription, base::Reason> made);
    void find_places(CallKey key, Call& call, std::uint32_t id, Recorded& recorded,
                     const SubscribeOptions& options, const base::NetAddress& address);
    Place* give_place(CallKey key, std::uint32_t id, Recorded& recorded, const Chat& chat,
                      std::size_t line, const ChatLines& chats, const base::NetAddress& at);
    void tell_own_line(CallKey key, std::size_t line);
    Place* give_common_place(std::uint32_t id, Recorded& recorded, const Chat& chat,
                             std::size_t line, const ChatLines& chats, const base::NetAddress& at);
    void take_away(std::uint32_t id, Recorded& recorded, Place& place, std::size_t nth);
    void use_session(std::uint32_t id, Recorded& recorded, std::shared_ptr<const void> session);
    void leave_all_common(std::uint32_t id, const Recorded& recorded);
    void move_out(CallKey key, std::uint32_t id, Recorded& recorded);
    void leave_common(const Recorded& recorded, const std::string& label, const chat::CopyKey& key,
                      const std::shared_ptr<chat::CopyCounters>& counters);
    CommonLine* find_common(const Recorded& recorded, const std::string& label);
    const CommonLine* find_common(const Recorded& recorded, const std::string& label) const;
    void tell_once(CallKey key, Carried& carried, std::string code, std::string text);
    std::string section_of(const Call& call, const Recorded& recorded, const Place& place,
                           bool is_paused) const;
    std::optional<base::Reason> find_fault(const sdp::SessionDescription& sdp,
                                           const sdp::MediaDescription& medium) const;
    void take_server_answer(CallKey key, std::uint32_t id, Recorded& recorded, Place& place,
                            const sdp::SessionDescription& answer,
                            const sdp::MediaDescription& medium);
    static const Chat* chat_of(const Call& call, const Carried& carried);
    void pass_by(CallKey key, Call& call, std::size_t line, base::Reason reason);
    void close(std::optional<Chat>& chat);

    MediaPlane& inner_;
    ChatLink& link_;
    base::Random& random_;
    ChatTold told_;
    ServerSilent server_silent_;
    std::unordered_map<std::uint64_t, Call> calls_;  // that have, or had, a chat
    struct Owner {
        CallKey call{};
        std::size_t line = 0;
    };
    std::unordered_map<chat::SessionId, Owner> owners_;
    std::map<chat::SessionId, Owner> ended_;  // the last ones: something may come of their copies
    chat::SessionId last_session_ = 0;
    std::map<std::weak_ptr<const void>, std::vector<CommonLine>, std::owner_less<>>
        common_;  // by recording session
    std::uint64_t last_common_ = 0;
    std::uint64_t told_senders_ = 0;  // the serial of the last one that was told
};

}  // namespace earshot::relay
