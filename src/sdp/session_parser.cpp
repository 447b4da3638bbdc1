// parse(): one pass over the lines, one method per kind of line.
#include <algorithm>
#include <bitset>

#include "base/text.h"
#include "sdp/session_description.h"

namespace earshot::sdp {
namespace {

using base::Errc;
using base::Error;
using base::iequals;

// Takes the next space-separated field off the front; empty at the end.
std::string_view take_field(std::string_view& rest) {
    const std::size_t start = rest.find_first_not_of(" \t");
    if (start == std::string_view::npos) {
        rest = {};
        return {};
    }
    rest.remove_prefix(start);
    const std::string_view field = rest.substr(0, rest.find_first_of(" \t"));
    rest.remove_prefix(field.size());
    return field;
}

// The last field; `rest` keeps what comes before it.
std::string_view take_last_field(std::string_view& rest) {
    const std::size_t end = rest.find_last_not_of(" \t");
    if (end == std::string_view::npos) {
        rest = {};
        return {};
    }
    rest = rest.substr(0, end + 1);
    const std::size_t space = rest.find_last_of(" \t");
    const std::size_t start = space == std::string_view::npos ? 0 : space + 1;
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

std::optional<Direction> parse_direction(std::string_view name) {
    if (iequals(name, "sendonly")) return Direction::SendOnly;
    if (iequals(name, "sendrecv")) return Direction::SendRecv;
    if (iequals(name, "recvonly")) return Direction::RecvOnly;
    if (iequals(name, "inactive")) return Direction::Inactive;
    return std::nullopt;
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
        result_.media.reserve(4);
        result_.all_attributes.reserve(32);
        while (!rest_.empty() && !is_done_) {
            const std::string_view from_here = rest_;
            std::string_view line = take_line();
            line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
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

    // Lines end at CRLF, LF or CR, so no value can hold either.
    std::string_view take_line() {
        const std::size_t length = std::min(rest_.find('\n'), rest_.size());
        std::string_view line = rest_.substr(0, length);
        const std::size_t cr = line.find('\r');
        if (cr == std::string_view::npos) {
            if (length < rest_.size()) result_.has_bare_line_ends = true;
            rest_.remove_prefix(std::min(length + 1, rest_.size()));
            return line;
        }
        const bool is_crlf = cr + 1 == length && length < rest_.size();
        if (!is_crlf) result_.has_bare_line_ends = true;
        rest_.remove_prefix(is_crlf ? length + 1 : cr + 1);
        return line.substr(0, cr);
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

    // RFC 8866 §5: v o s i u e p c b t r z k a, then for each m: i c b k a.
    void check_order(char key) {
        constexpr std::string_view kOrder = "vosiuepcbtrzka";
        if (key == 'm') {
            last_rank_ = 0;
            return;
        }
        const std::size_t rank = kOrder.find(key == 'r' ? 't' : key);
        if (rank == std::string_view::npos) return;
        const bool is_session_only = kOrder.substr(0, 3).find(key) != std::string_view::npos ||
                                     key == 't' || key == 'r' || key == 'z';
        if (rank < last_rank_ || (is_session_only && !result_.media.empty())) {
            result_.has_odd_order = true;
        }
        last_rank_ = rank;
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
        const std::size_t colon = value.find(':');
        Attribute attribute{value.substr(0, colon), {}, colon != std::string_view::npos};
        if (attribute.has_value) attribute.value = value.substr(colon + 1);
        result_.all_attributes.push_back(attribute);

        if (attribute.name.starts_with("a=")) attribute.name.remove_prefix(2);  // spec X-3
        if (on_attribute_of_both_levels(attribute) || result_.media.empty()) return;
        if (on_codec_attribute(attribute)) return;
        on_media_attribute(attribute);
    }

    bool on_attribute_of_both_levels(const Attribute& attribute) {
        if (!attribute.has_value) {
            const auto direction = parse_direction(base::trim(attribute.name));
            if (direction) level_.direction = direction;
            return direction.has_value();
        }
        const std::string_view value = base::trim(attribute.value);
        if (iequals(attribute.name, "direction")) {
            if (iequals(value, "both")) level_.has_direction_both = true;
            return true;
        }
        if (iequals(attribute.name, "record")) {
            (result_.media.empty() ? result_.record : result_.media.back().record) =
                parse_record(value);
            return true;
        }
        if (iequals(attribute.name, "recordpref")) {
            (result_.media.empty() ? result_.record_preference
                                   : result_.media.back().record_preference) =
                parse_record_preference(value);
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

    bool on_codec_attribute(const Attribute& attribute) {
        if (iequals(attribute.name, "rtpmap")) {
            const auto type = parse_rtpmap(base::trim(attribute.value));
            PayloadType* known = type ? find_payload_type(type->number) : nullptr;
            if (known != nullptr && !known->has_rtpmap) {
                const std::string_view fmtp = known->fmtp;
                *known = *type;
                known->fmtp = fmtp;
            }
            return true;
        }
        if (iequals(attribute.name, "fmtp")) {
            std::string_view rest = attribute.value;
            const auto number = base::parse_number<std::uint8_t>(take_field(rest));
            PayloadType* known = number ? find_payload_type(*number) : nullptr;
            if (known != nullptr && known->fmtp.empty()) known->fmtp = base::trim(rest);
            return true;
        }
        return false;
    }

    // Where a peer repeats one, the last counts: relays append theirs to what they copy.
    void on_media_attribute(const Attribute& attribute) {
        MediaDescription& medium = result_.media.back();
        const std::string_view name = attribute.name;
        if (iequals(name, "label")) {
            medium.label = attribute.value;
        } else if (iequals(name, "rtcp-mux")) {
            medium.has_rtcp_mux = true;
        } else if (iequals(name, "ptime")) {
            medium.ptime_ms = base::parse_number<std::uint32_t>(base::trim(attribute.value));
        } else if (iequals(name, "rtcp")) {
            medium.rtcp = parse_rtcp(attribute.value);
        } else if (iequals(name, "mid")) {
            medium.mid = attribute.value;
        } else if (iequals(name, "content")) {
            medium.content = attribute.value;
        } else if (iequals(name, "ssrc")) {
            on_ssrc(attribute.value);
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
    SessionDescription result_;
    Level level_;
    Level session_level_;
    std::size_t lines_ = 0;
    std::size_t last_rank_ = 0;
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
