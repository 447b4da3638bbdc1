#include "sdp/bundle.h"

#include <algorithm>
#include <array>
#include <deque>
#include <numeric>
#include <utility>

#include "base/text.h"
#include "sdp/extmap.h"

namespace earshot::sdp {
namespace {

constexpr std::uint8_t kComfortNoise = 13;  // RFC 3551: nobody's own

const MediaDescription* find_by_mid(const SessionDescription& offer, std::string_view mid,
                                    bool& is_repeated) {
    const MediaDescription* found = nullptr;
    for (const MediaDescription& medium : offer.media) {
        if (medium.mid != mid) continue;
        if (found == nullptr)
            found = &medium;
        else
            is_repeated = true;
    }
    return found;
}

// RFC 9143 section 9.2: by what its packets say of themselves. A payload type says it, too, where
// no other line has it.
bool tells_its_packets(const SessionDescription& offer, const MediaDescription& medium) {
    if (!medium.ssrcs.empty()) return true;
    const std::vector<ExtMap> maps = extmaps_of(offer, medium);
    return std::any_of(maps.begin(), maps.end(),
                       [](const ExtMap& map) { return map.uri == kMidExtension; });
}

bool share_payload_type(const MediaDescription& a, const MediaDescription& b) {
    return std::any_of(
        a.payload_types.begin(), a.payload_types.end(), [&](const PayloadType& type) {
            return type.number != kComfortNoise && b.find_payload_type(type.number) != nullptr;
        });
}

bool has_type_of_rtcp(const MediaDescription& medium) {  // RFC 5761 section 4
    return std::any_of(
        medium.payload_types.begin(), medium.payload_types.end(),
        [](const PayloadType& type) { return type.number >= 64 && type.number <= 95; });
}

class GroupReader {
public:
    explicit GroupReader(const SessionDescription& offer) : offer_(offer) {}

    void read(std::string_view mids) {
        std::vector<std::size_t> lines;
        while (!mids.empty()) {
            const std::string_view mid = base::take_until(mids, ' ');
            if (!mid.empty()) add(mid, lines);
        }
        // The first with a port is the one that will most likely be the tagged line.
        const auto first = std::find_if(lines.begin(), lines.end(), [&](std::size_t line) {
            return medium(line).port != 0 && medium(line).is_rtp();
        });
        if (first == lines.end()) return;
        const std::size_t tagged = *first;
        if (!medium(tagged).has_rtcp_mux || has_type_of_rtcp(medium(tagged)))
            return tell(BundleFault::NoRtcpMux, medium(tagged).mid);
        check_protection(lines, tagged);
        check_payload_types(lines);
        for (const std::size_t line : lines) grouped_.push_back(line);
        found_.groups.push_back(std::move(lines));
    }
    BundleOffer take() && { return std::move(found_); }

private:
    const MediaDescription& medium(std::size_t line) const { return offer_.media[line]; }
    void tell(BundleFault fault, std::string_view mid) {
        found_.faults.push_back({fault, std::string{mid}});
    }

    void add(std::string_view mid, std::vector<std::size_t>& lines) {
        bool is_repeated = false;
        const MediaDescription* const found = find_by_mid(offer_, mid, is_repeated);
        if (found == nullptr) return tell(BundleFault::UnknownMid, mid);
        const auto line = static_cast<std::size_t>(found - offer_.media.data());
        const auto has = [&](const std::vector<std::size_t>& list) {
            return std::find(list.begin(), list.end(), line) != list.end();
        };
        if (is_repeated || has(lines) || has(grouped_)) tell(BundleFault::RepeatedMid, mid);
        if (has(lines) || has(grouped_)) return;
        // A line that the offer disables is in no group (RFC 9143 section 7.5.3).
        if (found->port == 0 && !is_bundle_only(offer_, *found)) return;
        lines.push_back(line);
    }

    void check_protection(std::vector<std::size_t>& lines, std::size_t tagged) {
        const auto is_other = [&](std::size_t line) {
            const bool is_rtp = medium(line).is_rtp();  // else it is refused by itself
            const bool differs =
                is_rtp && medium(line).is_secure_rtp() != medium(tagged).is_secure_rtp();
            if (differs) tell(BundleFault::OtherProtection, medium(line).mid);
            return differs || (is_rtp && has_type_of_rtcp(medium(line)));
        };
        lines.erase(std::remove_if(lines.begin(), lines.end(), is_other), lines.end());
    }

    void check_payload_types(std::vector<std::size_t>& lines) {
        std::vector<std::size_t> kept;
        for (const std::size_t line : lines) {
            const bool is_ambiguous = std::any_of(kept.begin(), kept.end(), [&](std::size_t other) {
                return share_payload_type(medium(line), medium(other)) &&
                       !(tells_its_packets(offer_, medium(line)) &&
                         tells_its_packets(offer_, medium(other)));
            });
            if (is_ambiguous) tell(BundleFault::SharedPayloadType, medium(line).mid);
            if (!is_ambiguous || is_bundle_only(offer_, medium(line))) kept.push_back(line);
        }
        lines = std::move(kept);
    }

    const SessionDescription& offer_;
    std::vector<std::size_t> grouped_;
    BundleOffer found_;
};

bool is_of_transport(const Attribute& attribute) {
    constexpr std::array<std::string_view, 7> kNames{
        "candidate", "crypto", "fingerprint", "ice-mismatch", "ice-pwd", "ice-ufrag", "setup"};
    return std::any_of(kNames.begin(), kNames.end(),
                       [&](std::string_view name) { return base::iequals(attribute.name, name); });
}

const MediaDescription* find_by_mid(const SessionDescription& ours, std::string_view mid) {
    bool is_repeated = false;
    return find_by_mid(ours, mid, is_repeated);
}

// What the line `from` says of its transport is said by `to`.
void hand_over(SessionDescription& ours, const MediaDescription* from, const MediaDescription* to) {
    const auto source = ours.attributes_of(*from);
    std::vector<Attribute> moved;
    std::copy_if(source.begin(), source.end(), std::back_inserter(moved), is_of_transport);
    const auto own = ours.session_attributes();
    std::vector<Attribute> all(own.begin(), own.end());
    for (MediaDescription& medium : ours.media) {
        const auto attributes = ours.attributes_of(medium);
        const std::size_t first = all.size();
        std::copy_if(
            attributes.begin(), attributes.end(), std::back_inserter(all),
            [&](const Attribute& one) { return &medium != from || !is_of_transport(one); });
        if (&medium == to) all.insert(all.end(), moved.begin(), moved.end());
        medium.first_attribute = static_cast<std::uint32_t>(first);
        medium.attribute_count = static_cast<std::uint32_t>(all.size() - first);
    }
    ours.all_attributes = std::move(all);
}

}  // namespace

bool is_bundle_only(const SessionDescription& offer, const MediaDescription& medium) {
    return offer.find_attribute(medium, "bundle-only") != nullptr;
}

BundleOffer bundles_of(const SessionDescription& offer) {
    GroupReader reader(offer);
    for (const Attribute& attribute : offer.session_attributes()) {
        std::string_view rest = attribute.value;
        if (base::iequals(attribute.name, "group") && base::take_until(rest, ' ') == "BUNDLE")
            reader.read(rest);
    }
    return std::move(reader).take();
}

std::vector<std::size_t> carriers_of(const BundleOffer& bundles, std::size_t count,
                                     const std::function<bool(std::size_t)>& can_carry) {
    std::vector<std::size_t> carriers(count);
    std::iota(carriers.begin(), carriers.end(), std::size_t{0});
    for (const std::vector<std::size_t>& group : bundles.groups) {
        const auto tagged = std::find_if(group.begin(), group.end(), [&](std::size_t line) {
            return line < count && can_carry(line);
        });
        if (tagged == group.end()) continue;
        for (const std::size_t line : group)
            if (line < count) carriers[line] = *tagged;
    }
    return carriers;
}

std::string write_bundled(SessionDescription description) {
    std::deque<std::string> values;  // which the attributes borrow
    for (std::size_t i = 0; i < description.session_attribute_count; ++i) {
        std::string_view mids = description.all_attributes[i].value;
        if (!base::iequals(description.all_attributes[i].name, "group") ||
            base::take_until(mids, ' ') != "BUNDLE")
            continue;
        const MediaDescription* refused = nullptr;  // the tagged line, if it is
        const MediaDescription* tagged = nullptr;
        std::string value = "BUNDLE";
        for (bool is_first = true; !mids.empty(); is_first = false) {
            const std::string_view mid = base::take_until(mids, ' ');
            const MediaDescription* const medium = find_by_mid(description, mid);
            if (medium == nullptr) continue;
            if (medium->port == 0) {
                if (is_first) refused = medium;
                continue;
            }
            if (tagged == nullptr) tagged = medium;
            value.append(" ").append(mid);
        }
        values.push_back(std::move(value));
        description.all_attributes[i].value = values.back();
        if (refused != nullptr && tagged != nullptr) hand_over(description, refused, tagged);
    }
    return write(description);
}

}  // namespace earshot::sdp
