// parse(): one pass over the lines, one method per kind of line.
#include <algorithm>
#include <array>
#include <bitset>

#include "base/text.h"
#include "sdp/session_description.h"

namespace earshot::sdp {
namespace {

using base::Errc;
using base::Error;
using base::iequals;

// Loops instead of find_first_of(), which calls memchr for each character: this is the hot path.
bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view skip_blanks(std::string_view text) {
    std::size_t start = 0;
    while (start < text.size() && is_blank(text[start])) ++start;
    return text.substr(start);
}

// Takes the next space-separated field off the front; empty at the end.
std::string_view take_field(std::string_view& rest) {
    rest = skip_blanks(rest);
    std::size_t size = 0;
    while (size < rest.size() && !is_blank(rest[size])) ++size;
    const std::string_view field = rest.substr(0, size);
    rest.remove_prefix(size);
    return field;
}

// The last field; `rest` keeps what comes before it.
std::string_view take_last_field(std::string_view& rest) {
    while (!rest.empty() && is_blank(rest.back())) rest.remove_suffix(1);
    std::size_t start = rest.size();
    while (start > 0 && !is_blank(rest[start - 1])) --start;
    const std::string_view field = rest.substr(start);
    rest = rest.substr(0, start);
    return field;
}

// Usernames with spaces exist, so the fields are counted from the end.
std::optional<Origin> parse_origin(std::string_view value) {
    Origin origin;
    origin.address = take_last_field(value);
    origin.address_type = take_last_field(value);
    origin.network_type = take_last_field(value);
    origin.session_version = take_last_field(value);
    origin.session_id = take_last_field(value);
    origin.username = base::trim(value);
    if (origin.session_id.empty()) return std::nullopt;
    return origin;
}

// "IN IP4 192.0.2.1/127".
std::optional<Connection> parse_connection(std::string_view value) {
    const std::string_view network_type = take_field(value);
    Connection connection;
    connection.address_type = take_field(value);
    std::string_view address = take_field(value);
    connection.address = base::take_until(address, '/');
    if (!iequals(network_type, "IN") || connection.address.empty()) return std::nullopt;
    return connection;
}

std::optional<Bandwidth> parse_bandwidth(std::string_view value) {
    if (value.find(':') == std::string_view::npos) return std::nullopt;
    Bandwidth bandwidth;
    bandwidth.type = base::take_until(value, ':');
    const auto number = base::parse_number<std::uint64_t>(base::trim(value));
    if (!number) return std::nullopt;
    bandwidth.value = *number;
    return bandwidth;
}

std::optional<RtcpAttribute> parse_rtcp(std::string_view value) {
    const auto port = base::parse_number<std::uint16_t>(take_field(value));
    if (!port || *port == 0) return std::nullopt;
    return RtcpAttribute{*port, parse_connection(value)};
}

std::vector<PayloadType> parse_payload_types(std::string_view formats) {
    std::vector<PayloadType> types;
    types.reserve(8);
    std::bitset<kMaxPayloadTypeNumber + 1> seen;
    for (auto field = take_field(formats); !field.empty(); field = take_field(formats)) {
        const auto number = base::parse_number<std::uint8_t>(field);
        if (!number || *number > kMaxPayloadTypeNumber || seen[*number]) continue;
        seen.set(*number);
        PayloadType dynamic;
        dynamic.number = *number;
        types.push_back(static_payload_type(*number).value_or(dynamic));
    }
    return types;
}

// "audio 49170/2 RTP/AVP 0 8 101".
MediaDescription parse_media(std::string_view value) {
    MediaDescription medium;
    medium.media = take_field(value);
    std::string_view ports = take_field(value);
    medium.proto = take_field(value);
    medium.formats = base::trim(value);

    const auto port = base::parse_number<std::uint16_t>(base::take_until(ports, '/'));
    const auto count = ports.empty() ? std::uint16_t{1} : base::parse_number<std::uint16_t>(ports);
    medium.is_malformed = !port || !count || *count == 0 || medium.proto.empty();
    if (!medium.is_malformed) {
        medium.port = *port;
        medium.port_count = *count;
    }
    if (medium.is_rtp()) medium.payload_types = parse_payload_types(medium.formats);
    return medium;
}

// The attributes that are interpreted.
enum class AttributeName : std::uint8_t {
    Other,
    Content,
    Direction,
    Fmtp,
    Inactive,
    Label,
    Mid,
    Ptime,
    Record,
    RecordPreference,
    RecvOnly,
    Rtcp,
    RtcpMux,
    Rtpmap,
    SendOnly,
    SendRecv,
    Ssrc,
};

struct KnownName {
    std::string_view name;
    AttributeName id;
};

// In the order of their first letters.
constexpr std::array<KnownName, 16> kKnownNames{{
    {"content", AttributeName::Content},
    {"direction", AttributeName::Direction},
    {"fmtp", AttributeName::Fmtp},
    {"inactive", AttributeName::Inactive},
    {"label", AttributeName::Label},
    {"mid", AttributeName::Mid},
    {"ptime", AttributeName::Ptime},
    {"rtpmap", AttributeName::Rtpmap},
    {"rtcp", AttributeName::Rtcp},
    {"rtcp-mux", AttributeName::RtcpMux},
    {"record", AttributeName::Record},
    {"recordpref", AttributeName::RecordPreference},
    {"recvonly", AttributeName::RecvOnly},
    {"sendonly", AttributeName::SendOnly},
    {"sendrecv", AttributeName::SendRecv},
    {"ssrc", AttributeName::Ssrc},
}};

// Where the names of each letter begin in kKnownNames, and behind 'z' the end.
constexpr std::array<std::uint8_t, 27> kFirstOfLetter = [] {
    std::array<std::uint8_t, 27> first{};
    std::uint8_t at = 0;
    for (std::size_t letter = 0; letter < 26; ++letter) {
        first[letter] = at;
        while (at < kKnownNames.size() &&
               kKnownNames[at].name[0] == static_cast<char>('a' + letter)) {
            ++at;
        }
    }
    first[26] = at;
    return first;
}();
static_assert(kFirstOfLetter[26] == kKnownNames.size());

// By first letter and length before text: comparing with one name after another took a third of the
// time of a whole description.
AttributeName find_name(std::string_view name) {
    const char lower = name.empty() ? '\0' : base::to_lower(name.front());
    if (lower < 'a' || lower > 'z') return AttributeName::Other;
    const auto letter = static_cast<std::size_t>(lower - 'a');
    for (std::size_t i = kFirstOfLetter[letter]; i < kFirstOfLetter[letter + 1]; ++i) {
        const KnownName& known = kKnownNames[i];
        if (known.name.size() == name.size() && iequals(known.name, name)) return known.id;
    }
    return AttributeName::Other;
}

std::optional<Direction> direction_of(AttributeName name) {
    switch (name) {
        case AttributeName::SendOnly:
            return Direction::SendOnly;
        case AttributeName::SendRecv:
            return Direction::SendRecv;
        case AttributeName::RecvOnly:
            return Direction::RecvOnly;
        case AttributeName::Inactive:
            return Direction::Inactive;
        default:
            return std::nullopt;
    }
}

RecordState parse_record(std::string_view value) {
    if (iequals(value, "on")) return RecordState::On;
    if (iequals(value, "off")) return RecordState::Off;
    if (iequals(value, "paused") || iequals(value, "pause")) return RecordState::Paused;
    return RecordState::Absent;
}

// spec X-1: `nopref` stands in no RFC, but is accepted.
RecordPreference parse_record_preference(std::string_view value) {
    if (iequals(value, "on")) return RecordPreference::On;
    if (iequals(value, "off")) return RecordPreference::Off;
    if (iequals(value, "pause")) return RecordPreference::Pause;
    if (iequals(value, "nopreference") || iequals(value, "nopref")) {
        return RecordPreference::NoPreference;
    }
    return RecordPreference::Absent;
}

class Parser {
public:
    explicit Parser(std::string_view text) : rest_(text) {}

    base::Result<SessionDescription> parse() {
        result_.media.reserve(2);
        result_.all_attributes.reserve(24);
        while (!rest_.empty() && !is_done_) {
            const std::string_view from_here = rest_;
            const std::string_view line = skip_blanks(take_line());
            if (line.empty()) continue;
            if (line.size() < 2 || line[1] != '=') {
                ++result_.unreadable_lines;
                continue;
            }
            ++lines_;
            on_line(line[0], line.substr(2), from_here);
        }
        if (lines_ == 0) return Error{Errc::Malformed, "SDP: no line of the form x="};
        finish();
        return std::move(result_);
    }

private:
    // What decides the direction of one level. The old `direction:both` is weaker than its heirs.
    struct Level {
        std::optional<Direction> direction;
        bool has_direction_both = false;

        std::optional<Direction> resolve() const {
            if (direction || !has_direction_both) return direction;
            return Direction::SendRecv;
        }
    };

    // Lines end at CRLF, LF or CR, so no value can hold either. Where the next LF stands is kept
    // until it is taken: else each line of a text of bare CRs would search to the end.
    std::string_view take_line() {
        if (!is_lf_known_) lf_ = std::min(rest_.find('\n'), rest_.size());
        const std::size_t size = std::min(rest_.substr(0, lf_).find('\r'), lf_);
        const std::string_view line = rest_.substr(0, size);
        if (size == rest_.size()) {
            rest_ = {};
            return line;
        }
        const bool is_crlf = size + 1 == lf_ && lf_ < rest_.size();
        if (!is_crlf) result_.has_bare_line_ends = true;
        const std::size_t taken = size + (is_crlf ? 2 : 1);
        is_lf_known_ = taken <= lf_;
        if (is_lf_known_) lf_ -= taken;
        rest_.remove_prefix(taken);
        return line;
    }

    void on_line(char key, std::string_view value, std::string_view from_here) {
        check_order(key);
        switch (key) {
            case 'v':
                // A second description in one body (interop Q15): the first one counts.
                is_done_ = has_version_ && !result_.media.empty();
                if (is_done_) ++result_.unreadable_lines;
                has_version_ = true;
                return;
            case 'o':
                return on_origin(value);
            case 's':
                if (!has_name_) result_.name = value;
                has_name_ = true;
                return;
            case 't':
                if (!has_timing_) result_.timing = value;
                has_timing_ = true;
                return;
            case 'c':
                return on_connection(value);
            case 'b':
                return on_bandwidth(value);
            case 'a':
                return on_attribute(value);
            case 'm':
                if (result_.media.size() == kMaxMedia) {
                    result_.excess_media = from_here;
                    is_done_ = true;
                    return;
                }
                return on_media(value);
            default:
                return;  // i= u= e= p= r= z= k= and what later RFCs add: not ours
        }
    }

    // RFC 8866 §5: v o s i u e p c b t(r) z k a, then for each m: i c b k a.
    void check_order(char key) {
        if (key == 'm') {
            last_rank_ = 0;
            return;
        }
        const int rank = rank_of(key);
        if (rank == 0) return;
        const bool is_session_only = key == 'v' || key == 'o' || key == 's' || rank == kTimingRank;
        if (rank < last_rank_ || (is_session_only && !result_.media.empty())) {
            result_.has_odd_order = true;
        }
        last_rank_ = rank;
    }

    static constexpr int kTimingRank = 10;

    static constexpr int rank_of(char key) {
        switch (key) {
            case 'v':
                return 1;
            case 'o':
                return 2;
            case 's':
                return 3;
            case 'i':
                return 4;
            case 'u':
                return 5;
            case 'e':
                return 6;
            case 'p':
                return 7;
            case 'c':
                return 8;
            case 'b':
                return 9;
            case 't':
            case 'r':
                return kTimingRank;
            case 'z':
                return 11;
            case 'k':
                return 12;
            case 'a':
                return 13;
            default:
                return 0;
        }
    }

    void on_origin(std::string_view value) {
        const auto origin = parse_origin(value);
        if (!origin) ++result_.unreadable_lines;
        if (origin && !result_.origin) result_.origin = origin;
    }

    void on_connection(std::string_view value) {
        const auto connection = parse_connection(value);
        if (!connection) {
            ++result_.unreadable_lines;
            return;
        }
        auto& slot = result_.media.empty() ? result_.connection : result_.media.back().connection;
        if (!slot) slot = connection;
    }

    void on_bandwidth(std::string_view value) {
        const auto bandwidth = parse_bandwidth(value);
        if (!bandwidth) {
            ++result_.unreadable_lines;
            return;
        }
        auto& list = result_.media.empty() ? result_.bandwidths : result_.media.back().bandwidths;
        if (list.size() < kMaxBandwidths) list.push_back(*bandwidth);
    }

    void on_media(std::string_view value) {
        close_level();
        level_ = {};
        result_.media.push_back(parse_media(value));
        result_.media.back().first_attribute =
            static_cast<std::uint32_t>(result_.all_attributes.size());
    }

    // Ends the session level or the last medium.
    void close_level() {
        if (result_.media.empty()) {
            session_level_ = level_;
            result_.session_attribute_count =
                static_cast<std::uint32_t>(result_.all_attributes.size());
            return;
        }
        MediaDescription& medium = result_.media.back();
        medium.attribute_count =
            static_cast<std::uint32_t>(result_.all_attributes.size()) - medium.first_attribute;
        const auto inherited = session_level_.resolve().value_or(Direction::SendRecv);
        medium.direction = level_.resolve().value_or(inherited);
        if (medium.record == RecordState::Absent) medium.record = result_.record;
        if (medium.record_preference == RecordPreference::Absent) {
            medium.record_preference = result_.record_preference;
        }
    }

    void on_attribute(std::string_view value) {
        if (result_.all_attributes.size() == kMaxAttributes) {
            ++result_.attributes_dropped;
            return;
        }
        std::size_t colon = 0;
        while (colon < value.size() && value[colon] != ':') ++colon;
        Attribute& attribute = result_.all_attributes.emplace_back();  // built in place: hot
        attribute.name = value.substr(0, colon);
        attribute.has_value = colon < value.size();
        if (attribute.has_value) attribute.value = value.substr(colon + 1);

        if (attribute.name.starts_with("a=")) {  // spec X-3
            Attribute meant = attribute;
            meant.name.remove_prefix(2);
            interpret(meant);
        } else {
            interpret(attribute);
        }
    }

    void interpret(const Attribute& attribute) {
        const AttributeName name =
            find_name(attribute.has_value ? attribute.name : base::trim(attribute.name));
        if (name == AttributeName::Other || on_attribute_of_both_levels(name, attribute)) return;
        if (result_.media.empty()) return;
        if (attribute.has_value && on_codec_attribute(name, attribute.value)) return;
        on_media_attribute(name, attribute.value);
    }

    bool on_attribute_of_both_levels(AttributeName name, const Attribute& attribute) {
        if (!attribute.has_value) {
            const auto direction = direction_of(name);
            if (direction) level_.direction = direction;
            return direction.has_value();
        }
        const bool is_in_media = !result_.media.empty();
        if (name == AttributeName::Direction) {
            if (iequals(base::trim(attribute.value), "both")) level_.has_direction_both = true;
            return true;
        }
        if (name == AttributeName::Record) {
            (is_in_media ? result_.media.back().record : result_.record) =
                parse_record(base::trim(attribute.value));
            return true;
        }
        if (name == AttributeName::RecordPreference) {
            (is_in_media ? result_.media.back().record_preference : result_.record_preference) =
                parse_record_preference(base::trim(attribute.value));
            return true;
        }
        return false;
    }

    PayloadType* find_payload_type(std::uint8_t number) {
        auto& types = result_.media.back().payload_types;
        const auto found = std::find_if(types.begin(), types.end(), [number](const auto& type) {
            return type.number == number;
        });
        return found == types.end() ? nullptr : &*found;
    }

    bool on_codec_attribute(AttributeName name, std::string_view value) {
        if (name == AttributeName::Rtpmap) {
            const auto type = parse_rtpmap(base::trim(value));
            PayloadType* known = type ? find_payload_type(type->number) : nullptr;
            if (known != nullptr && !known->has_rtpmap) {
                const std::string_view fmtp = known->fmtp;
                *known = *type;
                known->fmtp = fmtp;
            }
            return true;
        }
        if (name == AttributeName::Fmtp) {
            const auto number = base::parse_number<std::uint8_t>(take_field(value));
            PayloadType* known = number ? find_payload_type(*number) : nullptr;
            if (known != nullptr && known->fmtp.empty()) known->fmtp = base::trim(value);
            return true;
        }
        return false;
    }

    // Where a peer repeats one, the last counts: relays append theirs to what they copy.
    void on_media_attribute(AttributeName name, std::string_view value) {
        MediaDescription& medium = result_.media.back();
        switch (name) {
            case AttributeName::Label:
                medium.label = value;
                return;
            case AttributeName::RtcpMux:
                medium.has_rtcp_mux = true;
                return;
            case AttributeName::Ptime:
                medium.ptime_ms = base::parse_number<std::uint32_t>(base::trim(value));
                return;
            case AttributeName::Rtcp:
                medium.rtcp = parse_rtcp(value);
                return;
            case AttributeName::Mid:
                medium.mid = value;
                return;
            case AttributeName::Content:
                medium.content = value;
                return;
            case AttributeName::Ssrc:
                return on_ssrc(value);
            default:
                return;
        }
    }

    void on_ssrc(std::string_view value) {
        const auto ssrc = base::parse_number<std::uint32_t>(take_field(value));
        auto& ssrcs = result_.media.back().ssrcs;
        if (!ssrc || ssrcs.size() == kMaxSsrcs) return;
        if (std::find(ssrcs.begin(), ssrcs.end(), *ssrc) == ssrcs.end()) ssrcs.push_back(*ssrc);
    }

    void finish() {
        close_level();
        const bool lacks_connection =
            std::any_of(result_.media.begin(), result_.media.end(), [this](const auto& medium) {
                return medium.port != 0 && result_.connection_of(medium) == nullptr;
            });
        result_.lacks_lines =
            !has_version_ || !result_.origin || !has_name_ || !has_timing_ || lacks_connection;
    }

    std::string_view rest_;
    std::size_t lf_ = 0;  // of the next LF in rest_, its size if there is none
    bool is_lf_known_ = false;
    SessionDescription result_;
    Level level_;
    Level session_level_;
    std::size_t lines_ = 0;
    int last_rank_ = 0;
    bool has_version_ = false;
    bool has_name_ = false;
    bool has_timing_ = false;
    bool is_done_ = false;
};

}  // namespace

base::Result<SessionDescription> parse(std::string_view text) {
    if (text.size() > kMaxSdpBytes) return Error{Errc::TooLarge, "SDP: too long", text.size()};
    return Parser{text}.parse();
}

base::Result<KeptDescription> KeptDescription::parse(std::string text) {
    auto kept = std::make_unique<const std::string>(std::move(text));
    auto description = sdp::parse(*kept);
    if (!description) return description.error();
    return KeptDescription{std::move(kept), *std::move(description)};
}

}  // namespace earshot::sdp
