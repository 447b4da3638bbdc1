#include "archive/recording_facts.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/srtp_key.h"
#include "base/text.h"
#include "rtp/header_extension.h"
#include "sip/headers.h"
#include "sip/parser.h"
#include "sip/uri.h"
#include "siprec/invite_marks.h"
#include "siprec/participant_watch.h"

namespace earshot::archive {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxEventBytes = 512ULL * 1024;  // a record's payload

std::string text_field(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) return {};
    std::string text = found->get<std::string>();
    if (text.size() > kMaxTextBytes) text.resize(kMaxTextBytes);
    return base::to_valid_utf8(text);  // the cut may have halved a character
}

std::optional<std::int64_t> number_field(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number_integer()) return std::nullopt;
    if (found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX) return std::nullopt;
    return found->get<std::int64_t>();
}

template <class T>
T bounded_field(const json& object, const char* key, std::int64_t low, std::int64_t high,
                T otherwise) {
    const auto value = number_field(object, key);
    return value && *value >= low && *value <= high ? static_cast<T>(*value) : otherwise;
}

void open_interval(std::vector<Interval>& list, std::int64_t at_ns) {
    if (is_open(list) || list.size() >= kMaxIntervals) return;
    list.push_back({.from_ns = at_ns, .to_ns = Interval::kOpen});
}
void close_interval(std::vector<Interval>& list, std::int64_t at_ns) {
    if (is_open(list)) list.back().to_ns = std::max(at_ns, list.back().from_ns);
}

void add_once(std::vector<std::string>& list, std::string text) {
    if (text.empty() || list.size() >= kMaxTexts) return;
    if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(std::move(text));
}

std::vector<PayloadFormat> parse_formats(const json& event) {
    std::vector<PayloadFormat> list;
    const auto found = event.find("payload_types");
    if (found == event.end() || !found->is_array()) return list;
    for (const json& item : *found) {
        const auto number = item.is_object() ? number_field(item, "pt") : std::nullopt;
        if (!number || *number < 0 || *number > 127 || list.size() >= 128) continue;
        list.push_back(
            {.number = static_cast<std::uint8_t>(*number),
             .encoding = text_field(item, "encoding"),
             .clock_rate = bounded_field<std::uint32_t>(item, "clock_rate", 1, 1'000'000, 0),
             .channels = bounded_field<std::uint16_t>(item, "channels", 1, 255, 1),
             .fmtp = text_field(item, "fmtp")});
        if (list.back().clock_rate == 0) list.pop_back();
    }
    return list;
}

// RFC 3551 table 4, what a payload type without rtpmap means; the audio that we decode, and the
// usual rest by its clock.
const PayloadFormat* find_static_format(std::uint8_t number) {
    static const std::array<PayloadFormat, 10> kStatic{{{0, "PCMU", 8000, 1, {}},
                                                        {3, "GSM", 8000, 1, {}},
                                                        {4, "G723", 8000, 1, {}},
                                                        {8, "PCMA", 8000, 1, {}},
                                                        {9, "G722", 8000, 1, {}},
                                                        {10, "L16", 44100, 2, {}},
                                                        {11, "L16", 44100, 1, {}},
                                                        {13, "CN", 8000, 1, {}},
                                                        {15, "G728", 8000, 1, {}},
                                                        {18, "G729", 8000, 1, {}}}};
    const auto* found = std::find_if(kStatic.begin(), kStatic.end(),
                                     [&](const PayloadFormat& f) { return f.number == number; });
    return found == kStatic.end() ? nullptr : found;
}

void set_if_told(const json& event, const char* key, std::string& value) {
    std::string told = text_field(event, key);
    if (!told.empty()) value = std::move(told);
}

AudioLevelIds parse_level_ids(const json& event) {
    AudioLevelIds ids;
    const auto found = event.find("extmap");
    if (found == event.end() || !found->is_array()) return ids;
    for (const json& item : *found) {
        if (!item.is_object()) continue;
        const auto id = bounded_field<std::uint8_t>(item, "id", 1, 255, 0);
        const std::string uri = text_field(item, "uri");
        if (uri == rtp::kMixerAudioLevel) ids.mixer = id;
        if (uri != rtp::kClientAudioLevel) continue;
        ids.client = id;
        // RFC 6464 section 4: vad=on where nothing is said.
        ids.has_voice_flag = text_field(item, "attributes").find("vad=off") == std::string::npos;
    }
    return ids;
}

void close_sharing(StreamFacts& stream, std::int64_t at_ns) {
    if (stream.shared.empty() || stream.shared.back().time.to_ns != Interval::kOpen) return;
    Interval& time = stream.shared.back().time;
    time.to_ns = std::max(at_ns, time.from_ns);
}

// sharing_started, and sharing_changed: another presenter or title.
void open_sharing(const json& event, std::int64_t at_ns, StreamFacts& stream) {
    close_sharing(stream, at_ns);
    if (stream.shared.size() >= kMaxSharings) return;
    stream.shared.push_back({.time = {.from_ns = at_ns, .to_ns = Interval::kOpen},
                             .kind = text_field(event, "kind"),
                             .title = text_field(event, "title"),
                             .presenter = text_field(event, "presenter")});
}

// What stream_added and stream_changed say of a stream; what they leave out stays as it was.
void note_negotiation(const json& event, std::int64_t at_ns, StreamFacts& stream) {
    open_interval(stream.negotiated, at_ns);
    set_if_told(event, "label", stream.label);
    set_if_told(event, "media", stream.media);
    set_if_told(event, "direction", stream.direction);
    const auto suite = base::find_srtp_suite(text_field(event, "suite"));
    // That of DTLS is agreed later, on the media path (dtls_connected).
    const bool is_dtls = text_field(event, "keying") == "dtls";
    stream.dtls_role = is_dtls ? text_field(event, "setup") : std::string{};
    if (suite || !is_dtls) stream.suite = suite ? base::to_string(*suite) : std::string_view{};
    stream.content = text_field(event, "content");
    stream.level_ids = parse_level_ids(event);
    stream.file_selector = text_field(event, "file_selector");
    if (event.contains("chatroom")) stream.chatroom = text_field(event, "chatroom");
    stream.local_port = bounded_field(event, "local_port", 1, 65535, stream.local_port);
    auto formats = parse_formats(event);
    if (!formats.empty() && stream.formats.size() < kMaxFormats) {
        stream.formats.push_back({.from_ns = at_ns, .list = std::move(formats)});
    }
    const auto paused = event.find("paused");
    if (paused != event.end() && paused->is_boolean() && paused->get<bool>() &&
        !is_open(stream.dropped)) {
        open_interval(stream.paused, at_ns);
    }
}

// The address of the first `c=` line of a message's SDP.
std::optional<base::NetAddress> find_connection_address(std::string_view message) {
    for (const std::string_view tag : {"\nc=IN IP4 ", "\nc=IN IP6 "}) {
        const std::size_t at = message.find(tag);
        if (at == std::string_view::npos) continue;
        const std::string_view rest = message.substr(at + tag.size());
        return base::parse_host(rest.substr(0, rest.find_first_of("\r\n /")), 0);
    }
    return std::nullopt;
}

// The port of a message's Contact; 0: it has none.
std::uint16_t find_contact_port(std::string_view text) {
    if (text.find("\nContact:") == std::string_view::npos) return 0;  // as our 100 is
    const sip::ParsedMessage parsed = sip::parse_message(text);
    const auto contact = parsed.message.find(sip::HeaderId::Contact);
    const auto address =
        sip::parse_name_addr(contact ? std::string_view{*contact} : std::string_view{});
    if (!address) return 0;
    const auto uri = sip::parse_uri(address->uri);
    return uri && uri->port ? *uri->port : std::uint16_t{0};
}

}  // namespace

bool any_overlaps(const std::vector<Interval>& list, std::int64_t from_ns, std::int64_t to_ns) {
    return std::any_of(list.begin(), list.end(), [&](const Interval& interval) {
        return interval.from_ns <= to_ns && interval.to_ns >= from_ns;
    });
}

const PayloadFormat* StreamFacts::find_format(std::uint8_t number, std::int64_t arrival_ns) const {
    const PayloadFormat* later = nullptr;
    for (auto it = formats.rbegin(); it != formats.rend(); ++it) {
        const auto found = std::find_if(it->list.begin(), it->list.end(),
                                        [&](const PayloadFormat& f) { return f.number == number; });
        if (found == it->list.end()) continue;
        if (it->from_ns <= arrival_ns) return &*found;
        later = &*found;
    }
    return later != nullptr ? later : find_static_format(number);
}

std::int64_t RecordingFacts::start_ns() const {
    return media_from_ns_.value_or(started_ns_.value_or(first_ns_));
}

std::int64_t RecordingFacts::end_ns() const {
    const std::int64_t end = has_ended() ? std::max(ended_ns_, last_media_ns_) : last_ns_;
    return std::max(end, start_ns());
}

void RecordingFacts::add(const journal::Record& record) {
    const std::int64_t at_ns = record.header.arrival_ns;
    const bool is_recovery = record.header.type == journal::RecordType::Event &&
                             base::as_text(record.payload).starts_with(R"({"type":"recovered")");
    // A recovery is told hours later, by the next start: it makes the call no longer.
    if (record.header.type != journal::RecordType::Close && !is_recovery) {
        if (records_ == 0 || at_ns < first_ns_) first_ns_ = at_ns;
        if (records_ == 0 || at_ns > last_ns_) last_ns_ = at_ns;
        ++records_;
    }
    switch (record.header.type) {
        case journal::RecordType::Event:
            add_event(record);
            break;
        case journal::RecordType::Metadata:
            add_metadata(record);
            break;
        case journal::RecordType::SipMessage:
            add_sip(record);
            break;
        case journal::RecordType::Rtp:
            if (!has_ended() || at_ns - ended_ns_ <= std::chrono::nanoseconds(kLateMedia).count()) {
                last_media_ns_ = std::max(last_media_ns_, at_ns);
            }
            break;
        case journal::RecordType::MessageHead:
        case journal::RecordType::MessageContent:
        case journal::RecordType::MessageEnd:
        case journal::RecordType::MessageRequest:
        case journal::RecordType::Rtcp:
        case journal::RecordType::Attempt:
        case journal::RecordType::Close:
            break;
    }
}

void RecordingFacts::add_event(const journal::Record& record) {
    if (record.payload.size() > kMaxEventBytes) return;
    const json event = json::parse(base::as_text(record.payload), nullptr, false);
    if (!event.is_object()) return;
    const std::string type = text_field(event, "type");
    add_call_event(type, event, record.header.arrival_ns);

    auto number = bounded_field<std::uint16_t>(event, "stream", 0, journal::kNoStream - 1,
                                               record.header.stream);
    if (number == journal::kNoStream) {
        if (type == "storage_gap") {  // of the whole recording
            for (auto& [other, stream] : streams_) {
                add_stream_event(type, event, record.header.arrival_ns, other);
            }
        }
        return;
    }
    add_stream_event(type, event, record.header.arrival_ns, number);
}

void RecordingFacts::add_call_event(std::string_view type, const json& event, std::int64_t at_ns) {
    if (type == "recording_started") {
        if (!started_ns_ || at_ns < *started_ns_) started_ns_ = at_ns;
        ++calls_open_;
        add_once(call_ids_, text_field(event, "call_id"));
        const auto ids = event.find("session_ids");
        if (ids != event.end() && ids->is_array()) {
            for (const json& id : *ids) {
                if (id.is_string()) add_once(told_session_ids_, id.get<std::string>());
            }
        }
    } else if (type == "call_ended") {
        --calls_open_;
        ++calls_ended_;
        ended_ns_ = std::max(ended_ns_, at_ns);
        const std::string code = text_field(event, "code");
        if (!code.empty() && code != "bye" && code != "normal") {
            end_reason_ = base::Reason{code, text_field(event, "text")};
        }
    } else if (type == "parties_assumed") {
        add_assumed_parties(event);
    } else if (type == "join_keys") {
        add_join_keys(event);
    } else if (type == "recovered") {
        recovered_ = base::Reason{"interrupted", text_field(event, "text")};
    }
}

// Who spoke by headers or by order, where the metadata did not say it.
void RecordingFacts::add_assumed_parties(const json& event) {
    const auto parties = event.find("participants");
    const auto labels = event.find("labels");
    if (parties == event.end() || labels == event.end() || !parties->is_array() ||
        !labels->is_array())
        return;
    for (std::size_t i = 0; i < std::min({parties->size(), labels->size(), kMaxStreams}); ++i) {
        if (!(*parties)[i].is_string() || !(*labels)[i].is_string()) continue;
        const std::string aor = (*parties)[i].get<std::string>();
        const std::string label = (*labels)[i].get<std::string>();
        if (senders_.size() < kMaxStreams) add_once(senders_[label], aor);
        const bool is_known = std::any_of(participants_.begin(), participants_.end(),
                                          [&](const auto& known) { return known.aor == aor; });
        if (!is_known && participants_.size() < kMaxTexts)
            participants_.push_back({.aor = aor, .name = {}});
    }
}

// Two lists side by side, as the running call's row had them.
void RecordingFacts::add_join_keys(const json& event) {
    set_if_told(event, "group", join_group_);
    const auto names = event.find("names");
    const auto values = event.find("values");
    if (names == event.end() || values == event.end() || !names->is_array() || !values->is_array())
        return;
    for (std::size_t i = 0; i < std::min(names->size(), values->size()); ++i) {
        if (!(*names)[i].is_string() || !(*values)[i].is_string()) continue;
        catalog::JoinKey key{(*names)[i].get<std::string>(), (*values)[i].get<std::string>()};
        const bool is_known =
            std::find(join_keys_.begin(), join_keys_.end(), key) != join_keys_.end();
        if (!is_known && join_keys_.size() < kMaxTexts) join_keys_.push_back(std::move(key));
    }
}

void RecordingFacts::add_stream_event(std::string_view type, const json& event, std::int64_t at_ns,
                                      std::uint16_t number) {
    const auto found = streams_.find(number);
    if (type == "stream_added" || type == "stream_changed") {
        if (found == streams_.end() && streams_.size() >= kMaxStreams) return;
        StreamFacts& stream = streams_[number];
        stream.stream = number;
        if (type == "stream_added") close_interval(stream.dropped, at_ns);  // a rule lets it in now
        note_negotiation(event, at_ns, stream);
        return;
    }
    if (type == "stream_refused" && found == streams_.end() && streams_.size() < kMaxStreams) {
        StreamFacts& stream = streams_[number];
        stream.stream = number;
        stream.is_refused = true;
        if (text_field(event, "reason") == "by_decision") open_interval(stream.dropped, 0);
        set_if_told(event, "label", stream.label);
        set_if_told(event, "media", stream.media);
        return;
    }
    if (found == streams_.end()) return;
    StreamFacts& stream = found->second;
    if (type == "stream_paused") open_interval(stream.paused, at_ns);
    if (type == "stream_resumed") close_interval(stream.paused, at_ns);
    if (type == "stream_held") open_interval(stream.held, at_ns);
    if (type == "stream_unheld") close_interval(stream.held, at_ns);
    if (type == "stream_removed") {
        close_interval(stream.negotiated, at_ns);
        close_sharing(stream, at_ns);
    }
    if (type == "stream_role") set_if_told(event, "role", stream.role);
    if (type == "sharing_started" || type == "sharing_changed") open_sharing(event, at_ns, stream);
    if (type == "sharing_stopped") close_sharing(stream, at_ns);
    if (type == "source_described") {
        const auto ssrc = number_field(event, "ssrc");
        const bool is_ssrc = ssrc && *ssrc >= 0 && *ssrc <= UINT32_MAX;
        if (is_ssrc && cnames_.size() < kMaxTexts)
            cnames_[static_cast<std::uint32_t>(*ssrc)] = text_field(event, "cname");
    }
    if (type == "stream_stopped") {  // for good: a pause that it had does not count any more
        close_interval(stream.paused, at_ns);
        open_interval(stream.dropped, at_ns);
    }
    if (type == "packets_rejected" && text_field(event, "cause") == "source") {
        stream.strangers_packets =
            bounded_field<std::uint64_t>(event, "total", 0, INT64_MAX, stream.strangers_packets);
        stream.stranger = text_field(event, "source");
    }
    if (type == "dtls_connected") {
        const auto suite = base::find_srtp_suite(text_field(event, "suite"));
        if (suite) stream.suite = base::to_string(*suite);
    }
    if (type == "packets_rejected" && text_field(event, "cause") == "authentication")
        stream.forged_packets =
            bounded_field<std::uint64_t>(event, "total", 0, INT64_MAX, stream.forged_packets);
    if (type == "storage_gap" && stream.storage.size() < kMaxIntervals) {
        const std::int64_t from = number_field(event, "from_ns").value_or(at_ns);
        const std::int64_t to = number_field(event, "to_ns").value_or(at_ns);
        stream.storage.push_back({.from_ns = std::min(from, to), .to_ns = std::max(from, to)});
    }
}

void RecordingFacts::add_metadata(const journal::Record& record) {
    const auto document = siprec::parse_metadata(base::as_text(record.payload));
    if (!document || document->kind != siprec::MetadataDocument::Kind::Recording) return;
    metadata_.apply(*document, base::wall_from_ns(record.header.arrival_ns));

    participants_.clear();
    for (const siprec::Participant& participant : metadata_.objects().participants) {
        if (participant.names.empty() || participants_.size() >= kMaxTexts) continue;
        if (participant.vanished && siprec::is_placeholder(participant)) continue;
        ParticipantSummary summary{.aor = participant.names.front().aor, .name = {}};
        for (const siprec::NameId& id : participant.names) {
            if (summary.name.empty()) summary.name = id.name;
        }
        participants_.push_back(std::move(summary));
    }
    add_nicknames(document->objects.participants, record.header.arrival_ns);
    for (const siprec::MediaStream& stream : metadata_.objects().streams) {
        if (stream.label.empty() || senders_.size() >= kMaxStreams) continue;
        for (const siprec::Participant* sender : metadata_.senders_of(stream.label)) {
            if (!sender->names.empty()) add_once(senders_[stream.label], sender->names.front().aor);
        }
    }
}

void RecordingFacts::add_nicknames(const std::vector<siprec::Participant>& told,
                                   std::int64_t at_ns) {
    for (const siprec::Participant& participant : told) {
        if (participant.names.empty()) continue;
        const std::string& aor = participant.names.front().aor;
        const auto known = nicknames_.find(aor);
        std::string nickname = siprec::find_conference_role(participant).nickname;
        const bool is_new =
            known == nicknames_.end() ? !nickname.empty() : known->second.back().text != nickname;
        const bool has_room = known == nicknames_.end() ? nicknames_.size() < kMaxNicknames
                                                        : known->second.size() < kMaxNicknames;
        if (is_new && has_room)
            nicknames_[aor].push_back({.from_ns = at_ns, .text = std::move(nickname)});
    }
}

std::string RecordingFacts::who_is_called(const std::string& nickname, std::int64_t at_ns) const {
    if (nickname.empty()) return {};
    for (const auto& [aor, names] : nicknames_) {
        // Messages and metadata come by ways of their own: of whom had none until then, the first
        // one counts before it was told, too.
        const auto next = std::find_if(names.begin(), names.end(),
                                       [&](const Nickname& one) { return one.from_ns > at_ns; });
        if ((next == names.begin() ? next : next - 1)->text == nickname) return aor;
    }
    for (const ParticipantSummary& participant : participants_)
        if (participant.name == nickname) return participant.aor;
    return {};
}

void RecordingFacts::add_sip(const journal::Record& record) {
    constexpr std::size_t kEnvelope = 2 + journal::kSourceSize;
    if (record.payload.size() <= kEnvelope) return;
    const bool is_incoming = record.payload[0] == 0;
    const base::ByteView message = record.payload.subspan(kEnvelope);
    // The INVITE that began it: the client's, or ours.
    if (!has_invite_ && base::as_text(message).starts_with("INVITE "))
        add_invite_headers(message, !is_incoming);
    if (is_incoming) return;
    if (local_host_.is_unspecified()) {
        const auto host = find_connection_address(base::as_text(message));
        if (host) local_host_ = *host;
    }
    if (local_sip_port_ == 0) local_sip_port_ = find_contact_port(base::as_text(message));
}

void RecordingFacts::add_invite_headers(base::ByteView message, bool is_ours) {
    const sip::ParsedMessage parsed = sip::parse_message(base::as_text(message));
    if (parsed.verdict == sip::Verdict::Drop) return;
    has_invite_ = true;
    add_once(call_ids_, base::to_valid_utf8(parsed.message.call_id()));
    // The same choice as in the running call's row. An INVITE of ours names the call that is meant.
    if (const auto call = parsed.message.find("Target-Dialog"); call && is_ours)
        headers_["Target-Dialog"] = base::to_valid_utf8(*call);
    for (const auto& [name, text] : siprec::foreign_headers(parsed.message)) {
        std::string& value = headers_[name];
        if (!value.empty()) value += ", ";  // RFC 3261 section 7.3.1
        value += text;
    }
}

std::vector<std::string> RecordingFacts::senders_of(const std::string& label) const {
    const auto found = senders_.find(label);
    return found == senders_.end() ? std::vector<std::string>{} : found->second;
}

std::string RecordingFacts::speaker_of(std::uint32_t csrc) const {
    const auto found = cnames_.find(csrc);
    if (found == cnames_.end()) return source_of(csrc);
    const siprec::MetadataId id(found->second);
    for (const siprec::Participant& participant : metadata_.objects().participants) {
        if (participant.id.is_empty() || !(participant.id == id)) continue;
        for (const siprec::NameId& name : participant.names)
            if (!name.name.empty()) return name.name;
        if (!participant.names.empty()) return participant.names.front().aor;
    }
    // The CNAME of somebody else's mixer, which means something to that mixer alone.
    std::string by_roster = source_of(csrc);
    return by_roster.empty() ? found->second : by_roster;
}

// Whose stream has that SSRC by the roster of a conference, whose mix names it.
std::string RecordingFacts::source_of(std::uint32_t ssrc) const {
    for (const siprec::Participant& participant : metadata_.objects().participants) {
        if (participant.extensions.empty() || participant.names.empty()) continue;
        const auto sources = siprec::find_conference_role(participant).sources;
        if (std::find(sources.begin(), sources.end(), ssrc) == sources.end()) continue;
        const siprec::NameId& first = participant.names.front();
        return first.name.empty() ? first.aor : first.name;
    }
    return {};
}

std::string RecordingFacts::name_of(const std::string& aor) const {
    for (const ParticipantSummary& participant : participants_)
        if (participant.aor == aor && !participant.name.empty()) return participant.name;
    return aor;
}

std::vector<std::string> RecordingFacts::session_ids() const {
    std::vector<std::string> ids;
    for (const auto& session : metadata_.objects().sessions) add_once(ids, session.id.text());
    if (ids.empty()) return told_session_ids_;
    return ids;
}

std::string RecordingFacts::group() const {
    const auto& groups = metadata_.objects().groups;
    if (groups.empty() || siprec::is_profile(groups.front().id)) return {};
    return groups.front().id.text();
}

std::string RecordingFacts::profile() const {
    const auto& groups = metadata_.objects().groups;
    if (groups.empty() || !siprec::is_profile(groups.front().id)) return {};
    return groups.front().id.text();
}

std::map<std::string, std::string> RecordingFacts::extensions() const {
    std::map<std::string, std::string> all;
    const auto add_all = [&](const std::vector<siprec::Extension>& list) {
        for (const siprec::Extension& extension : list) {
            if (all.size() >= kMaxTexts) return;
            const std::string key = extension.name_space.empty()
                                        ? extension.name
                                        : "{" + extension.name_space + "}" + extension.name;
            std::string& xml = all[key];
            if (xml.size() + extension.xml.size() <= kMaxTextBytes) xml += extension.xml;
        }
    };
    const siprec::MetadataObjects& objects = metadata_.objects();
    add_all(objects.extensions);
    for (const auto& object : objects.groups) add_all(object.extensions);
    for (const auto& object : objects.sessions) add_all(object.extensions);
    for (const auto& object : objects.participants) add_all(object.extensions);
    for (const auto& object : objects.streams) add_all(object.extensions);
    for (const auto& object : objects.session_recordings) add_all(object.extensions);
    for (const auto& object : objects.participant_sessions) add_all(object.extensions);
    for (const auto& object : objects.participant_streams) add_all(object.extensions);
    return all;
}

}  // namespace earshot::archive
