#include "client/joint_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "base/text.h"
#include "relay/limits.h"
#include "relay/media_plane.h"
#include "sdp/session_description.h"

namespace earshot::client {

using sdp::Direction;
using sdp::MediaDescription;
using sdp::SessionDescription;
using siprec::MetadataObjects;

namespace {

constexpr std::size_t kNoPlace = ~std::size_t{0};

bool is_direction(std::string_view name) {
    constexpr std::array kDirections{Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly,
                                     Direction::Inactive};
    return std::any_of(kDirections.begin(), kDirections.end(), [&](Direction direction) {
        return base::iequals(name, sdp::to_string(direction));
    });
}

bool is_live(const MediaDescription& line) {
    return line.port != 0 && !line.is_malformed && !line.label.value_or("").empty();
}

// A session description of lines of others, each with all that is said of it.
class Collage {
public:
    explicit Collage(std::string_view origin) : head_(origin) {}

    void add(const SessionDescription& from, const MediaDescription& line, Direction direction,
             std::string label) {
        begin(line);
        if (const sdp::Connection* connection = from.connection_of(line))
            append("c=IN {} {}\r\n", connection->address_type, connection->address);
        for (const sdp::Bandwidth& bandwidth : line.bandwidths)
            append("b={}:{}\r\n", bandwidth.type, bandwidth.value);
        for (const sdp::Attribute& attribute : from.attributes_of(line)) {
            if (is_direction(attribute.name) || base::iequals(attribute.name, "label")) continue;
            append("a={}{}{}\r\n", attribute.name, attribute.has_value ? ":" : "", attribute.value);
        }
        append("a={}\r\na=label:{}\r\n", sdp::to_string(direction), label);
    }
    void add_refused(std::string_view media, std::string_view proto, std::string_view formats) {
        append("m={} 0 {} {}\r\n", media, proto, formats.empty() ? "0" : formats);
    }
    std::string take() { return head_ + std::move(lines_); }

private:
    void begin(const MediaDescription& line) {
        append("m={} {} {} {}\r\n", line.media, line.port, line.proto, line.formats);
    }
    template <class... Args>
    void append(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(lines_), format, std::forward<Args>(args)...);
    }

    std::string head_;
    std::string lines_;
};

std::string head_of(std::string_view session_id, std::string_view address) {
    const bool is_v6 = address.find(':') != std::string_view::npos;
    return fmt::format("v=0\r\no=- {} 0 IN {} {}\r\ns=-\r\nt=0 0\r\n", session_id,
                       is_v6 ? "IP6" : "IP4", address);
}

}  // namespace

std::string joint_label(std::uint32_t member, std::string_view label) {
    return member == 0 || relay::is_common_label(label) ? std::string(label)
                                                        : fmt::format("{}-{}", member, label);
}

std::uint32_t joint_member(std::string_view label) {
    const std::size_t dash = label.find('-');
    if (dash == std::string_view::npos) return 0;
    return base::parse_number<std::uint32_t>(label.substr(0, dash)).value_or(0);
}

namespace {

// Common lines are of no member alone.
std::uint32_t owner_of(std::uint32_t member, std::string_view label) {
    return relay::is_common_label(label) ? 0 : member;
}

}  // namespace

// ---- the m-lines --------------------------------------------------------------------------------

std::size_t JointLines::find_place(std::uint32_t member, std::string_view label) const {
    const std::uint32_t owner = owner_of(member, label);
    const auto found = std::find_if(places_.begin(), places_.end(), [&](const Place& place) {
        return place.member == owner && place.label == label;
    });
    return label.empty() || found == places_.end()
               ? kNoPlace
               : static_cast<std::size_t>(found - places_.begin());
}

bool JointLines::has_room(std::size_t streams) const {
    const auto free = static_cast<std::size_t>(std::count_if(
        places_.begin(), places_.end(),
        [](const Place& place) { return place.label.empty() && place.was_told_ended; }));
    return sdp::kMaxMedia - places_.size() + free >= streams;
}

std::size_t JointLines::in_use() const {
    return static_cast<std::size_t>(std::count_if(
        places_.begin(), places_.end(), [](const Place& place) { return !place.label.empty(); }));
}

// Null: there is no room.
JointLines::Place* JointLines::take_place(std::uint32_t member, std::string_view label) {
    const auto free = std::find_if(places_.begin(), places_.end(), [](const Place& place) {
        return place.label.empty() && place.was_told_ended;
    });
    if (free == places_.end() && places_.size() >= sdp::kMaxMedia) return nullptr;
    Place& place = free == places_.end() ? places_.emplace_back() : *free;
    place = Place{.member = owner_of(member, label), .label = std::string(label)};
    return &place;
}

struct JointLines::Offered {
    struct Line {
        const SessionDescription* from = nullptr;
        const MediaDescription* line = nullptr;
        bool is_paused = false;
        bool is_sent() const {
            return !is_paused && (line->direction == Direction::SendOnly ||
                                  line->direction == Direction::SendRecv);
        }
    };
    struct Newcomer {
        std::uint32_t member = 0;
        Line line;
    };
    std::deque<SessionDescription> offers{};  // each stays where it is
    std::vector<Line> lines{};                // by place
    std::vector<Newcomer> newcomers{};
};

// That line alone.
std::string JointLines::kept_offer(const Offered& offered, std::size_t at) const {
    const Offered::Line& one = offered.lines[at];
    Collage collage(head_of(session_id_, address_));
    collage.add(*one.from, *one.line, Direction::SendOnly,
                std::string(one.line->label.value_or("")));
    return collage.take();
}

// The lines that live now, with the places that they have.
void JointLines::collect(const JointPart& part, Offered& offered) const {
    auto parsed = sdp::parse(part.state->offer);
    if (!parsed) return;
    const SessionDescription& offer = offered.offers.emplace_back(*std::move(parsed));
    for (const MediaDescription& medium : offer.media) {
        if (!is_live(medium)) continue;
        const Offered::Line line{&offer, &medium, part.is_paused};
        const std::size_t at = find_place(part.member, *medium.label);
        if (at == kNoPlace) {
            offered.newcomers.push_back({part.member, line});
        } else {
            // A common line is paused when all are.
            Offered::Line& known = offered.lines[at];
            if (known.line == nullptr || !known.is_sent()) known = line;
        }
    }
}

std::string JointLines::offer(std::span<const JointPart> parts) {
    Offered offered;
    offered.lines.resize(places_.size());
    for (const JointPart& part : parts) collect(part, offered);
    // Before the newcomers, which do not take what ends just now.
    for (std::size_t i = 0; i < places_.size(); ++i)
        if (offered.lines[i].line == nullptr)
            keep_or_end(i, offered);
        else
            places_[i].is_idle = false;
    for (const Offered::Newcomer& newcomer : offered.newcomers) {
        const std::string_view label = *newcomer.line.line->label;
        const std::size_t known = find_place(newcomer.member, label);
        const Place* place =
            known != kNoPlace ? &places_[known] : take_place(newcomer.member, label);
        if (place == nullptr) continue;
        offered.lines.resize(places_.size());
        Offered::Line& line = offered.lines[static_cast<std::size_t>(place - places_.data())];
        if (line.line == nullptr || !line.is_sent()) line = newcomer.line;
    }
    return write(offered);
}

// A line that chats use one after the other stays as it is, for the next one.
void JointLines::keep_or_end(std::size_t at, Offered& offered) {
    Place& place = places_[at];
    const auto idle =
        std::count_if(places_.begin(), places_.end(), [](const Place& one) { return one.is_idle; });
    const bool is_kept =
        place.label.starts_with(relay::kReusedLabel) && !place.kept.empty() &&
        (place.is_idle || static_cast<std::size_t>(idle) < relay::kMaxIdleChatLines);
    place.is_idle = is_kept;
    auto parsed = sdp::parse(is_kept ? place.kept : std::string_view{});
    if (!parsed || parsed->media.empty()) {
        place.is_idle = false;
        return place.label.clear();
    }
    const SessionDescription& offer = offered.offers.emplace_back(*std::move(parsed));
    offered.lines[at] = {&offer, &offer.media.front(), false};
}

std::string JointLines::write(const Offered& offered) {
    Collage collage(head_of(session_id_, address_));
    for (std::size_t i = 0; i < places_.size(); ++i) {
        Place& place = places_[i];
        const Offered::Line& one = offered.lines[i];
        if (one.line == nullptr) {
            collage.add_refused(place.media, place.proto, {});
            continue;
        }
        place.media = one.line->media;
        place.proto = one.line->proto;
        collage.add(*one.from, *one.line, one.is_sent() ? Direction::SendOnly : Direction::Inactive,
                    joint_label(place.member, place.label));
        if (place.label.starts_with(relay::kReusedLabel)) place.kept = kept_offer(offered, i);
    }
    return collage.take();
}

void JointLines::on_answer(std::string_view sdp) {
    answer_ = sdp;
    const auto answer = sdp::parse(answer_);
    if (!answer) return;
    for (std::size_t i = 0; i < std::min(places_.size(), answer->media.size()); ++i)
        if (places_[i].label.empty() && answer->media[i].port == 0)
            places_[i].was_told_ended = true;
}

void JointLines::on_new_dialog() {
    answer_.clear();
    for (Place& place : places_) {
        if (std::exchange(place.is_idle, false)) place.label.clear();
        place.was_told_ended = place.label.empty();
    }
    while (!places_.empty() && places_.back().label.empty()) places_.pop_back();
}

JointLines::Share JointLines::share_of(const JointPart& part) const {
    Share share;
    const auto offer = sdp::parse(part.state->offer);
    const auto answer = sdp::parse(answer_);
    if (!offer) return share;
    Collage collage(head_of(session_id_, address_));
    for (const MediaDescription& ours : offer->media) {
        const std::size_t at =
            is_live(ours) ? find_place(part.member, *ours.label) : std::size_t{kNoPlace};
        const bool is_known = answer && at < answer->media.size() &&
                              answer->media[at].label.value_or("") ==
                                  joint_label(part.member, ours.label.value_or(""));
        if (is_known) ++share.known;
        if (is_live(ours) && at == kNoPlace) ++share.left_out;
        if (!is_known || answer->media[at].port == 0) {
            collage.add_refused(ours.media, ours.proto, ours.formats);
            continue;
        }
        ++share.accepted;
        const MediaDescription& theirs = answer->media[at];
        collage.add(*answer, theirs, theirs.direction, std::string(*ours.label));
    }
    share.sdp = collage.take();
    return share;
}

// ---- the metadata -------------------------------------------------------------------------------

namespace {

template <class Object, class IsSame>
Object* find(std::vector<Object>& objects, IsSame is_same) {
    const auto found = std::find_if(objects.begin(), objects.end(), is_same);
    return found == objects.end() ? nullptr : &*found;
}

void add_missing(std::vector<siprec::MetadataId>& ids,
                 const std::vector<siprec::MetadataId>& more) {
    for (const siprec::MetadataId& id : more)
        if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
}

// One who takes part in several sessions (the agent who consults) has one association, which names
// the streams of all of them.
void merge(siprec::ParticipantStreamAssoc& known, const siprec::ParticipantStreamAssoc& more) {
    add_missing(known.send, more.send);
    add_missing(known.recv, more.recv);
    if (known.periods.empty() || more.periods.empty()) return;
    siprec::Period& period = known.periods.back();
    const siprec::Period& other = more.periods.back();
    if (!other.disassociate) period.disassociate = std::nullopt;
    if (other.associate && period.associate && *other.associate < *period.associate)
        period.associate = other.associate;
}

void add_part(MetadataObjects& all, const MetadataObjects& part, std::uint32_t member,
              const std::optional<siprec::MediaStream>& mix) {
    all.sessions.insert(all.sessions.end(), part.sessions.begin(), part.sessions.end());
    all.participant_sessions.insert(all.participant_sessions.end(),
                                    part.participant_sessions.begin(),
                                    part.participant_sessions.end());
    all.extensions.insert(all.extensions.end(), part.extensions.begin(), part.extensions.end());
    for (const siprec::Participant& participant : part.participants)
        if (find(all.participants, [&](auto& it) { return it.id == participant.id; }) == nullptr)
            all.participants.push_back(participant);
    for (siprec::MediaStream stream : part.streams) {
        if (mix) break;
        stream.label = joint_label(member, stream.label);
        all.streams.push_back(std::move(stream));
    }
    for (siprec::ParticipantStreamAssoc assoc : part.participant_streams) {
        if (mix)
            for (auto* ids : {&assoc.send, &assoc.recv})
                if (!ids->empty()) *ids = {mix->id};
        auto* known = find(all.participant_streams,
                           [&](auto& it) { return it.participant == assoc.participant; });
        if (known == nullptr)
            all.participant_streams.push_back(std::move(assoc));
        else
            merge(*known, assoc);
    }
}

}  // namespace

MetadataObjects JointMetadata::join(std::span<const JointPart> parts,
                                    const std::optional<siprec::MediaStream>& mix) {
    MetadataObjects all;
    decltype(groups_) groups;
    for (const JointPart& part : parts) {
        const MetadataObjects& objects = part.state->objects;
        add_part(all, objects, part.member, mix);
        for (const siprec::Group& group : objects.groups) {
            const auto known = groups_.find(group.id.text());
            groups.emplace(group.id.text(), known == groups_.end() ? group : known->second);
        }
    }
    groups_ = std::move(groups);
    for (const auto& [id, group] : groups_) all.groups.push_back(group);
    if (mix) all.streams.push_back(*mix);
    return all;
}

}  // namespace earshot::client
