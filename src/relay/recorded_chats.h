// The chats of a call as one recording session has them: the m-lines of its offers, which keep
// their places, what the server answers to each, and the copies that go there (chat/copies.h).
// Lines of the plane behind stand between them. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "base/result.h"
#include "chat/copies.h"
#include "relay/chat_link.h"
#include "relay/common_chat_lines.h"
#include "relay/media_plane.h"
#include "relay/sdp_told.h"
#include "sdp/session_description.h"

namespace earshot::relay {

// What a recording server is told of a chat.
struct RecordableChat {
    chat::SessionId session = 0;
    // What of the newest offer is about content, as whole lines.
    std::string attributes{};
    bool is_secure = false;  // TLS
    bool is_file = false;
    std::optional<Leg> pusher{};  // of a file: whose it is, once a direction has told
    bool is_room = false;         // a=chatroom
    bool is_active = true;        // nobody says inactive
    std::string title{};          // i=
};
// One that the parties have agreed on, at its line of the call.
struct LineChat {
    std::size_t line = 0;
    const RecordableChat* chat = nullptr;
    bool is_guest = false;  // we take part in it ourselves
};
using LineChats = std::vector<LineChat>;  // in the order of the lines

class RecordedChats {
public:
    struct Surroundings {  // borrowed
        ChatLink& link;
        base::Random& random;
        CommonChatLines& common;
        const ChatTold& told;
    };
    // `session_id`: of o= of its offers.
    RecordedChats(Surroundings surroundings, CallKey call, std::uint32_t subscription,
                  std::uint64_t session_id);

    // Lines for `chats` beside those of `inner`, what the plane behind offers, of which `streams`
    // tell; false: there is none of a chat and never was.
    bool find_places(const LineChats& chats, const SubscribeOptions& options,
                     const base::NetAddress& address, std::size_t inner_lines);
    Subscription compose(const LineChats& chats, const SubscribeOptions& options,
                         const base::NetAddress& address, Subscription inner);
    bool has_kept_line() const;  // one that is there although no chat is on it

    // The rest of it is for the plane behind; nothing: there is no rest.
    std::optional<std::string> take_answer(std::string_view sdp,
                                           const sdp::SessionDescription& answer);
    void on_metadata_told(std::uint64_t serial);
    void encrypt(chat::SessionId session);  // it was in the clear: its line is another one from now
    void stop(Stop why);
    void close();               // its copies end, too
    void leave_common() const;  // lines that others share: it is on none of them any more
    void add_forks(std::vector<ForkMedia>& forks) const;

private:
    // A chat on a line of the recording session.
    struct Carried {
        chat::SessionId session = 0;
        std::size_t line = 0;  // of the call
        std::string name{};    // of its stream; empty: the line's label
        bool is_told_refused = false;
        std::shared_ptr<chat::CopyCounters> counters{};
    };
    // One m-line of the offers: the plane's behind, in its order, or that of chats.
    struct Place {
        bool is_inner = false;
        std::vector<Carried> chats{};  // none: it has ended, or waits for the next
        std::string label{};
        msrp::Uri own{};
        bool was_clear = false;  // and no answer has said yet that it is not any more
        // Of a file: a=file-transfer-id, what is known of it (RFC 5547), and who hands it over.
        std::string file_id{};
        std::string file_selector{};
        std::optional<Leg> pusher{};
        bool is_just_refused = false;
    };

    chat::CopyKey copy_of(const Carried& carried) const {
        return {.session = carried.session, .subscription = id_};
    }
    static const RecordableChat* find(const LineChats& chats, const Carried& carried);
    CommonChatLine* common_of(const Place& place) const;
    std::pair<Place*, Carried*> find_carried(chat::SessionId session);
    void open_copy(const LineChat& one, const SubscribeOptions& options, bool is_new);
    bool give_place(const LineChat& one, const ChatLines& lines, const base::NetAddress& at);
    bool give_common_place(const LineChat& one, const ChatLines& lines, const base::NetAddress& at);
    void take_away(Place& place, std::size_t nth, bool is_living);
    void move_out();
    void tell_own_line(std::size_t line);
    void tell_once(Carried& carried, std::string code, std::string text);
    void use_session(CommonChatLines::Session session);
    std::string section_of(const LineChats& chats, const Place& place, bool is_paused) const;
    void take_answer(Place& place, const sdp::SessionDescription& answer,
                     const sdp::MediaDescription& medium);
    void refuse(Place& place, const std::string& code, const std::string& text);
    void tell_refused_file(const Place& place);
    template <class Work>
    void each_copy(Work work) const;

    Surroundings s_;
    CallKey call_;
    std::uint32_t id_;
    SdpTold told_;
    std::vector<Place> places_;
    std::size_t inner_places_ = 0;
    std::uint64_t last_label_ = 0;
    CommonChatLines::Session own_session_ = std::make_shared<int>();
    CommonChatLines::Session session_{};  // whose common lines it uses
    bool is_paused_ = false;              // until the next answer
};

}  // namespace earshot::relay
