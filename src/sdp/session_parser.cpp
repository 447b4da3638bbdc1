// parse(): one pass over the lines, one method per kind of line.
#include <algorithm>
#include <array>
#include <bitset>

#include "base/text.h"
#include "sdp/attribute_line.h"
#include "sdp/session_description.h"

namespace earshot::sdp {
namespace {

using base::Errc;
using base::Error;
using base::iequals;

// Loops instead of find_first_of(), which calls memchr for each character: this is the hot path.
// Most characters are no blanks by one comparison.
bool is_blank(char c) { return c <= ' ' && (c == ' ' || c == '\t'); }

void skip_blanks(std::string_view& text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
}

// Takes the next space-separated field off the front; empty at the end.
std::string_view take_field(std::string_view& rest) {
    skip_blanks(rest);
    std::size_t size = 0;
    while (size < rest.size() && !is_blank(rest[size])) ++size;
    const std::string_view field(rest.data(), size);
    rest.remove_prefix(size);
    return field;
}

// The next field as a number; empty when it is none or there is no field.
template <class T>
std::optional<T> take_number_field(std::string_view& rest) {
    skip_blanks(rest);
    const auto number = base::take_number<T>(rest);
    if (rest.empty() || is_blank(rest.front())) return number;
    take_field(rest);
    return std::nullopt;
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
    const auto port = take_number_field<std::uint16_t>(value);
    if (!port || *port == 0) return std::nullopt;
    return RtcpAttribute{*port, parse_connection(value)};
}

void read_payload_types(MediaDescription& medium) {
    std::string_view formats = medium.formats;
    medium.payload_types.reserve(8);
    std::bitset<kMaxPayloadTypeNumber + 1> seen;
    while (!formats.empty()) {
        const auto number = take_number_field<std::uint8_t>(formats);
        if (!number || *number > kMaxPayloadTypeNumber || seen[*number]) continue;
        seen.set(*number);
        PayloadType& type = medium.payload_types.emplace_back();
        if (const auto known = static_payload_type(*number)) type = *known;
        type.number = *number;
    }
}

// "audio 49170/2 RTP/AVP 0 8 101".
void read_media(MediaDescription& medium, std::string_view value) {
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
    if (medium.is_rtp()) read_payload_types(medium);
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

AttributeName find_name(std::string_view name) {
    for (const KnownName& known : kKnownNames) {
        if (iequals(known.name, name)) return known.id;
    }
    return AttributeName::Other;
}

struct NamedAttribute {
    Attribute attribute;
    AttributeName name = AttributeName::Other;
};

// The attributes that every offer is full of, as the RFCs write them: comparisons with constants
// need neither a search for the colon nor a call. Name is Other when the line begins with none.
NamedAttribute read_usual_attribute(std::string_view line) {
    const auto with_value = [line](AttributeName name, std::size_t colon) {
        return NamedAttribute{{line.substr(0, colon), line.substr(colon + 1), true}, name};
    };
    if (line.starts_with("rtpmap:")) return with_value(AttributeName::Rtpmap, 6);
    if (line.starts_with("fmtp:")) return with_value(AttributeName::Fmtp, 4);
    if (line.starts_with("ptime:")) return with_value(AttributeName::Ptime, 5);
    if (line.starts_with("label:")) return with_value(AttributeName::Label, 5);
    if (line == "sendonly") return {{line, {}, false}, AttributeName::SendOnly};
    return {};
}

NamedAttribute read_attribute(std::string_view line) {
    NamedAttribute read = read_usual_attribute(line);
    if (read.name != AttributeName::Other) return read;
    const std::size_t colon = line.find(':');
    Attribute& attribute = read.attribute;
    attribute.name = line.substr(0, colon);
    attribute.has_value = colon != std::string_view::npos;
    if (attribute.has_value) attribute.value = line.substr(colon + 1);

    const std::string_view name = without_second_mark(attribute.name);
    read.name = find_name(attribute.has_value ? name : base::trim(name));
    return read;
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

// Lines end at CRLF, LF or CR, so no value can hold either.
class LineReader {
public:
    explicit LineReader(std::string_view text) : text_(text), lf_(find_lf()) {}

    bool is_at_end() const { return at_ == text_.size(); }
    bool has_bare_line_ends() const { return has_bare_line_ends_; }
    std::string_view rest() const { return text_.substr(at_); }

    // The next line without its end. Where the next LF stands is kept until it is taken: else each
    // line of a text of bare CRs would search to the end.
    std::string_view take() {
        if (lf_ < at_) lf_ = find_lf();
        std::string_view line(text_.data() + at_, lf_ - at_);
        line = line.substr(0, line.find('\r'));
        at_ += line.size();
        if (at_ == text_.size()) return line;
        const bool is_crlf = at_ + 1 == lf_ && lf_ < text_.size();
        if (!is_crlf) has_bare_line_ends_ = true;
        at_ += is_crlf ? 2 : 1;
        return line;
    }

private:
    std::size_t find_lf() const { return std::min(text_.find('\n', at_), text_.size()); }

    std::string_view text_;
    std::size_t at_ = 0;  // where the next line begins
    std::size_t lf_;      // the first LF at or behind at_ when it was looked for, else the size
    bool has_bare_line_ends_ = false;
};

class Parser {
public:
    base::Result<SessionDescription> parse(std::string_view text) {
        result_.media.reserve(2);
        result_.all_attributes.reserve(24);
        LineReader lines(text);
        while (!lines.is_at_end() && !is_done_) {
            const std::string_view from_here = lines.rest();
            std::string_view line = lines.take();
            skip_blanks(line);
            if (line.size() < 2 || line[1] != '=') {
                if (!line.empty()) ++result_.unreadable_lines;
                continue;
            }
            ++lines_;
            const char key = line[0];
            line.remove_prefix(2);
            on_line(key, line, from_here);
        }
        if (lines_ == 0) return Error{Errc::Malformed, "SDP: no line of the form x="};
        result_.has_bare_line_ends = lines.has_bare_line_ends();
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
            case 'i':
                if (!result_.media.empty() && result_.media.back().title.empty())
                    result_.media.back().title = value;
                return;
            default:
                return;  // u= e= p= r= z= k= and what later RFCs add: not ours
        }
    }

    // RFC 8866 §5: v o s i u e p c b t(r) z k a, then for each m: i c b k a.
    void check_order(char key) {
        if (key == 'm') {
            last_rank_ = 0;
            return;
        }
        const auto index = static_cast<unsigned char>(key);
        const unsigned rank = index < kRanks.size() ? kRanks[index] : 0;
        if (rank == 0) return;
        if (rank < last_rank_ || (is_session_only(rank) && !result_.media.empty())) {
            result_.has_odd_order = true;
        }
        last_rank_ = rank;
    }

    static constexpr std::array<std::uint8_t, 128> kRanks = [] {
        std::array<std::uint8_t, 128> ranks{};
        std::uint8_t rank = 0;
        for (const char key : std::string_view{"vosiuepcbtzka"}) {
            ranks[static_cast<unsigned char>(key)] = ++rank;
        }
        ranks['r'] = ranks['t'];
        return ranks;
    }();

    static constexpr bool is_session_only(unsigned rank) {
        return rank <= kRanks['s'] || rank == kRanks['t'];
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
        MediaDescription& medium = result_.media.emplace_back();
        read_media(medium, value);
        medium.first_attribute = static_cast<std::uint32_t>(result_.all_attributes.size());
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
        const auto [attribute, name] = read_attribute(value);
        result_.all_attributes.push_back(attribute);
        switch (name) {
            case AttributeName::Other:
                return;
            case AttributeName::SendRecv:
                return on_direction(attribute, Direction::SendRecv);
            case AttributeName::SendOnly:
                return on_direction(attribute, Direction::SendOnly);
            case AttributeName::RecvOnly:
                return on_direction(attribute, Direction::RecvOnly);
            case AttributeName::Inactive:
                return on_direction(attribute, Direction::Inactive);
            case AttributeName::Direction:
                if (iequals(base::trim(attribute.value), "both")) level_.has_direction_both = true;
                return;
            case AttributeName::Record:
                if (attribute.has_value) level_record() = parse_record(base::trim(attribute.value));
                return;
            case AttributeName::RecordPreference:
                if (attribute.has_value) {
                    level_record_preference() =
                        parse_record_preference(base::trim(attribute.value));
                }
                return;
            default:
                if (!result_.media.empty()) on_media_attribute(name, attribute.value);
        }
    }

    void on_direction(const Attribute& attribute, Direction direction) {
        if (!attribute.has_value) level_.direction = direction;
    }

    RecordState& level_record() {
        return result_.media.empty() ? result_.record : result_.media.back().record;
    }

    RecordPreference& level_record_preference() {
        return result_.media.empty() ? result_.record_preference
                                     : result_.media.back().record_preference;
    }

    PayloadType* find_payload_type(std::uint8_t number) {
        auto& types = result_.media.back().payload_types;
        const auto found = std::find_if(types.begin(), types.end(), [number](const auto& type) {
            return type.number == number;
        });
        return found == types.end() ? nullptr : &*found;
    }

    void on_rtpmap(std::string_view value) {
        const auto type = parse_rtpmap(base::trim(value));
        PayloadType* known = type ? find_payload_type(type->number) : nullptr;
        if (known == nullptr || known->has_rtpmap) return;
        known->encoding = type->encoding;
        known->clock_rate = type->clock_rate;
        known->channels = type->channels;
        known->has_rtpmap = true;
    }

    void on_fmtp(std::string_view value) {
        const auto number = take_number_field<std::uint8_t>(value);
        PayloadType* known = number ? find_payload_type(*number) : nullptr;
        if (known != nullptr && known->fmtp.empty()) known->fmtp = base::trim(value);
    }

    // Where a peer repeats one, the last counts: relays append theirs to what they copy.
    void on_media_attribute(AttributeName name, std::string_view value) {
        MediaDescription& medium = result_.media.back();
        switch (name) {
            case AttributeName::Rtpmap:
                return on_rtpmap(value);
            case AttributeName::Fmtp:
                return on_fmtp(value);
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
        const auto ssrc = take_number_field<std::uint32_t>(value);
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

    SessionDescription result_;
    Level level_;
    Level session_level_;
    std::size_t lines_ = 0;
    unsigned last_rank_ = 0;
    bool has_version_ = false;
    bool has_name_ = false;
    bool has_timing_ = false;
    bool is_done_ = false;
};

}  // namespace

base::Result<SessionDescription> parse(std::string_view text) {
    if (text.size() > kMaxSdpBytes) return Error{Errc::TooLarge, "SDP: too long", text.size()};
    return Parser{}.parse(text);
}

base::Result<KeptDescription> KeptDescription::parse(std::string text) {
    auto kept = std::make_unique<const std::string>(std::move(text));
    auto description = sdp::parse(*kept);
    if (!description) return description.error();
    return KeptDescription{std::move(kept), *std::move(description)};
}

}  // namespace earshot::sdp
