// The chat room of a conference (RFC 7701), as signalling sees it: the m=message lines of the
// participants' descriptions are ours and not the mixer's, and their sessions those of
// chat::Rooms, of files that they hand over (RFC 5547) those of chat::Files. To recording servers
// the room is one chat with many who write in it. Belongs to the signalling thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "base/reason.h"
#include "chat/rooms.h"
#include "client/indication.h"
#include "relay/chat_plane.h"
#include "siprec/metadata.h"

namespace earshot::client {

class ConferenceChat {
public:
    struct Surroundings {  // borrowed; without plane and link there is no chat
        relay::ChatPlane* plane = nullptr;
        relay::ChatLink* link = nullptr;
        base::Random* random = nullptr;
    };
    struct Wishes {
        bool is_offered = true;
        bool takes_tls = true;
        bool takes_private = true;
        bool records_private = true;
    };

    // `key`: of the media plane's calls, for the room alone.
    ConferenceChat(Surroundings surroundings, relay::CallKey key, std::string uri, Wishes wishes);
    ConferenceChat(const ConferenceChat&) = delete;
    ConferenceChat& operator=(const ConferenceChat&) = delete;
    ~ConferenceChat();

    struct Taken {
        std::string rest{};  // for the media plane: lines of messages have port 0
        // There is a chat in it, and none is taken; files that are not.
        std::vector<base::Reason> refusals{};
    };
    // What a participant says. Of its first line of messages that we take the session is there from
    // now on; without any it ends. Each file has one more. `is_answer`: to an offer of ours.
    Taken take(std::uint32_t member, std::string_view sdp, bool is_answer,
               const std::vector<siprec::NameId>& names);
    // All that it said is agreed on, and nobody has been told yet: where it comes by TLS, nothing
    // is recorded in the clear from now on (P-123).
    void on_agreed(std::uint32_t member);
    // What it is told, with our lines in their places.
    std::string tell(std::uint32_t member, std::string_view sdp, bool is_offer) const;
    // The number of that line; nothing: it has no chat.
    std::optional<std::size_t> line_of(std::uint32_t member) const;
    std::vector<std::size_t> file_lines_of(std::uint32_t member) const;
    void remove(std::uint32_t member);
    // A Contact by which the room is known, too.
    void add_alias(std::string_view contact);

    // Brings what it reads of recordings up to date.
    void indicate(std::uint32_t member, Awareness awareness, bool takes_attribute,
                  const std::vector<RecordingShare>& shares);
    // Of its member; false: it is another room's.
    bool on_event(const chat::RoomEvent& event);

    bool is_open() const { return room_ != 0; }  // somebody has had it
    relay::CallKey key() const { return key_; }
    relay::ChatPlane* plane() const { return s_.plane; }
    std::string nickname(std::uint32_t member) const;
    // As recordings may tell it: not one that was taken in a pause.
    std::string recorded_nickname(std::uint32_t member) const;

private:
    // What is agreed on of a line.
    struct Session {
        std::string end{};  // theirs: path and fingerprints
        bool is_secure = false;
        std::string own{};  // ours
        base::NetAddress address{};
        std::string mid{};
        std::optional<sdp::Setup> setup{};  // as it said it
    };
    struct Member {
        std::size_t line = 0;
        Session session{};
        sdp::RecordState read = sdp::RecordState::Absent;
        std::string nickname{};
        std::string recorded_nickname{};
    };

    struct File {
        Session session{};
        std::string selector{};     // as it wrote it, without hashes
        std::string transfer_id{};  // another one is another file
    };
    using FileId = std::pair<std::uint32_t, std::size_t>;  // the member's number, its line

    void open();
    base::Result<chat::Peer, base::Reason> agree(Session& session,
                                                 const sdp::SessionDescription& sdp,
                                                 const sdp::MediaDescription& medium,
                                                 bool is_answer);
    std::optional<base::Reason> set(std::uint32_t number, std::size_t line,
                                    const sdp::SessionDescription& sdp, bool is_answer,
                                    const std::vector<siprec::NameId>& names);
    std::optional<base::Reason> set_file(const FileId& id, const sdp::SessionDescription& sdp,
                                         bool is_answer, const std::vector<siprec::NameId>& names);
    void remove_file(const FileId& id);
    void remove_chat(std::uint32_t member);
    std::string section_of(const Session& session, bool is_offer) const;

    Surroundings s_;
    const relay::CallKey key_;
    const std::string uri_;
    const Wishes wishes_;
    chat::SessionId room_ = 0;
    bool is_secure_ = false;  // somebody has come by TLS: so do servers from then on (P-123)
    std::vector<std::string> aliases_;
    std::map<std::uint32_t, Member> members_;
    std::map<FileId, File> files_;
};

}  // namespace earshot::client
