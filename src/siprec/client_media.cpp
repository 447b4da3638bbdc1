#include "siprec/client_media.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "sdp/session_description.h"
#include "siprec/limits.h"

namespace earshot::siprec {
namespace {

using base::Reason;
using sdp::Direction;
using sdp::MediaDescription;
using sdp::SessionDescription;

Reason bad_sdp(std::string text) { return {"bad_sdp", std::move(text)}; }

bool is_direction(std::string_view name) {
    for (const Direction direction :
         {Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive})
        if (base::iequals(name, sdp::to_string(direction))) return true;
    return base::iequals(name, "direction");
}

bool receives(Direction direction) {
    return direction == Direction::RecvOnly || direction == Direction::SendRecv;
}
bool sends(Direction direction) {
    return direction == Direction::SendOnly || direction == Direction::SendRecv;
}

// Another session description made of lines of existing ones.
class Rewriting {
public:
    // o=, c= and the like of `head`; its direction is each line's own.
    explicit Rewriting(const SessionDescription& head) : result_(head) {
        result_.media.clear();
        result_.all_attributes.clear();
        for (const sdp::Attribute& attribute : head.session_attributes())
            if (!is_direction(attribute.name)) result_.all_attributes.push_back(attribute);
        result_.session_attribute_count = static_cast<std::uint32_t>(result_.all_attributes.size());
    }

    void set_version(std::uint64_t version) {
        version_ = std::to_string(version);
        if (result_.origin) result_.origin->session_version = version_;
    }

    // A line of `from` with this direction and label.
    void add(const SessionDescription& from, const MediaDescription& line, Direction direction,
             std::string_view label) {
        MediaDescription added = begin(line);
        for (const sdp::Attribute& attribute : from.attributes_of(line))
            if (!is_direction(attribute.name) && !base::iequals(attribute.name, "label"))
                result_.all_attributes.push_back(attribute);
        result_.all_attributes.push_back({sdp::to_string(direction), {}, false});
        end(added, label);
    }
    void add_refused(const MediaDescription& line, std::string_view label) {
        MediaDescription added = begin(line);
        added.port = 0;
        added.port_count = 1;
        added.is_malformed = false;
        added.connection.reset();
        added.bandwidths.clear();
        end(added, label);
    }

    std::string write() const { return sdp::write(result_); }

private:
    MediaDescription begin(const MediaDescription& line) const {
        MediaDescription added = line;
        added.first_attribute = static_cast<std::uint32_t>(result_.all_attributes.size());
        return added;
    }
    void end(MediaDescription& added, std::string_view label) {
        if (!label.empty()) result_.all_attributes.push_back({"label", label, true});
        added.attribute_count =
            static_cast<std::uint32_t>(result_.all_attributes.size()) - added.first_attribute;
        result_.media.push_back(std::move(added));
    }

    SessionDescription result_;
    std::string version_;
};

bool has_common_payload_type(const MediaDescription& ours, const MediaDescription& theirs) {
    if (ours.payload_types.empty()) return true;  // no RTP
    return std::any_of(theirs.payload_types.begin(), theirs.payload_types.end(),
                       [&ours](const sdp::PayloadType& type) {
                           const sdp::PayloadType* offered = ours.find_payload_type(type.number);
                           return offered != nullptr && !offered->is("telephone-event") &&
                                  !offered->is("CN");
                       });
}

// Why a line that has a port is not taken all the same; empty: it is.
std::string mismatch_of(const MediaDescription& ours, const MediaDescription& theirs) {
    if (theirs.is_malformed) return "cannot be read";
    if (!base::iequals(ours.media, theirs.media)) return "is of another medium than offered";
    if (ours.is_rtp() != theirs.is_rtp() || ours.is_secure_rtp() != theirs.is_secure_rtp())
        return "is of another protocol than offered";
    if (!has_common_payload_type(ours, theirs)) return "has none of the payload types offered";
    return {};
}

// What the server wrote for the lines of our offer, line by line.
class AnswerReader {
public:
    AnswerReader(const SessionDescription& ours, const SessionDescription& theirs)
        : ours_(ours), theirs_(theirs), rewriting_(theirs) {}

    ReadAnswer run() {
        const std::size_t lines = ours_.media.size();
        if (theirs_.media.size() != lines)
            fault(fmt::format("It has {} m-lines instead of {}.", theirs_.media.size(), lines));
        for (std::size_t i = 0; i < lines; ++i) read_line(i);
        result_.sdp = rewriting_.write();
        return std::move(result_);
    }

private:
    void fault(std::string text) { result_.faults.push_back(std::move(text)); }

    void read_line(std::size_t index) {
        const MediaDescription& ours = ours_.media[index];
        const std::string_view label = ours.label.value_or("");
        if (index >= theirs_.media.size()) return rewriting_.add_refused(ours, label);
        const MediaDescription& theirs = theirs_.media[index];
        const bool is_refused = theirs.port == 0 && !theirs.is_malformed;
        if (is_refused || ours.port == 0) return rewriting_.add_refused(ours, label);
        if (const std::string mismatch = mismatch_of(ours, theirs); !mismatch.empty()) {
            fault(fmt::format("Line {} {}.", index + 1, mismatch));
            rewriting_.add_refused(ours, label);
            return;
        }
        note_line(index, ours, theirs);
        ++result_.accepted;
        // A line without a direction reads as sendrecv: the server receives (Q39).
        const bool is_sent = sends(ours.direction) && receives(theirs.direction) &&
                             sdp::rtp_address(theirs_, theirs).has_value() &&
                             !theirs_.is_held_by_address(theirs);
        if (is_sent) ++result_.sending;
        // AVP for AVPF is an answer all the same; the media plane compares with the offer.
        MediaDescription taken = theirs;
        taken.proto = ours.proto;
        rewriting_.add(theirs_, taken, is_sent ? Direction::RecvOnly : Direction::Inactive, label);
    }

    void note_line(std::size_t index, const MediaDescription& ours,
                   const MediaDescription& theirs) {
        if (theirs.label != ours.label)
            fault(theirs.label ? fmt::format("Line {} has another label than offered.", index + 1)
                               : fmt::format("Line {} has no label.", index + 1));
        if (theirs.payload_types.size() < ours.payload_types.size())
            fault(fmt::format("Line {} takes only some of the payload types.", index + 1));
        if (sends(ours.direction) && theirs.direction == Direction::SendRecv)
            fault(fmt::format("Line {} does not say that it only receives.", index + 1));
    }

    const SessionDescription& ours_;
    const SessionDescription& theirs_;
    Rewriting rewriting_;
    ReadAnswer result_;
};

base::Result<SessionDescription, Reason> parse(std::string_view text, std::string_view whose) {
    if (base::trim(text).empty()) return bad_sdp(fmt::format("{} has no SDP.", whose));
    auto parsed = sdp::parse(text);
    if (!parsed) return bad_sdp(fmt::format("{} has an SDP that cannot be read.", whose));
    if (parsed->media.empty()) return bad_sdp(fmt::format("{} has an SDP without media.", whose));
    return *std::move(parsed);
}

}  // namespace

base::Result<std::string, Reason> make_client_offer(std::string_view text,
                                                    const OfferOptions& options) {
    const auto offer = parse(text, "The offer");
    if (!offer) return offer.error();
    Rewriting rewriting{*offer};
    rewriting.set_version(0);
    std::set<std::string_view> labels;
    for (const MediaDescription& line : offer->media) {
        const std::string_view label = line.label.value_or("");
        const bool is_live = line.port != 0 && !line.is_malformed;
        if (is_live && (label.empty() || !labels.insert(label).second))
            return bad_sdp("A line of the offer has no label of its own.");
        if (!is_live || options.dropped.contains(label)) {
            rewriting.add_refused(line, label);
        } else {
            const bool is_sent = sends(line.direction) && !options.is_paused;
            rewriting.add(*offer, line, is_sent ? Direction::SendOnly : Direction::Inactive, label);
        }
    }
    const auto before = sdp::parse(options.before);
    for (std::size_t i = offer->media.size(); before && i < before->media.size(); ++i)
        rewriting.add_refused(before->media[i], before->media[i].label.value_or(""));
    return rewriting.write();
}

std::string with_version(std::string_view sdp, std::uint64_t version) {
    const auto description = sdp::parse(sdp);
    if (!description || !description->origin) return std::string{sdp};
    const std::string number = std::to_string(version);
    SessionDescription changed = *description;
    changed.origin->session_version = number;
    return sdp::write(changed);
}

bool has_live_line(std::string_view sdp) {
    const auto description = sdp::parse(sdp);
    return description && std::any_of(description->media.begin(), description->media.end(),
                                      [](const MediaDescription& line) { return line.port != 0; });
}

base::Result<ReadAnswer, Reason> read_answer(std::string_view offer, std::string_view text) {
    const auto ours = parse(offer, "The offer");
    if (!ours) return ours.error();
    const auto theirs = parse(text, "The answer");
    if (!theirs) return Reason{"bad_answer", theirs.error().text};
    return AnswerReader{*ours, *theirs}.run();
}

base::Result<AnswerToOffer, Reason> answer_server_offer(std::string_view ours_text,
                                                        std::string_view theirs_text) {
    const auto ours = parse(ours_text, "Our offer");
    if (!ours) return ours.error();
    const auto theirs = parse(theirs_text, "The server's offer");
    if (!theirs) return theirs.error();
    if (theirs->media.size() != ours->media.size())
        return bad_sdp(fmt::format("The server's offer has {} m-lines instead of {}.",
                                   theirs->media.size(), ours->media.size()));
    AnswerToOffer answer;
    answer.media = AnswerReader{*ours, *theirs}.run();
    const auto understood = sdp::parse(answer.media.sdp);
    Rewriting rewriting{*ours};
    for (std::size_t i = 0; understood && i < ours->media.size(); ++i) {
        const MediaDescription& line = ours->media[i];
        const std::string_view label = line.label.value_or("");
        if (line.port != 0 && theirs->media[i].port == 0) answer.dropped.emplace(label);
        if (understood->media[i].port == 0) {
            rewriting.add_refused(line, label);
        } else {
            const bool is_sent = understood->media[i].direction == Direction::RecvOnly;
            rewriting.add(*ours, line, is_sent ? Direction::SendOnly : Direction::Inactive, label);
        }
    }
    answer.sdp = rewriting.write();
    return answer;
}

}  // namespace earshot::siprec
