// What comes out has the same m-lines; each relayed one is ours wherever it can be seen; what is
// not relayed stays as it was; and doing it again changes nothing.
#include <cstdlib>

#include "base/bytes.h"
#include "relay/sdp_rewrite.h"
#include "sdp/session_description.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own

void check(bool holds) {
    if (!holds) std::abort();
}

void check_line(const sdp::SessionDescription& before, const sdp::SessionDescription& after,
                std::size_t i, const relay::SdpEdit& edit) {
    const sdp::MediaDescription& was = before.media[i];
    const sdp::MediaDescription& is = after.media[i];
    check(was.media == is.media && was.proto == is.proto && was.formats == is.formats);
    check(was.payload_types == is.payload_types && was.direction == is.direction);
    if (edit.lines[i].fate != relay::SdpEdit::Fate::Relay) {
        const sdp::Connection* from = before.connection_of(was);
        const sdp::Connection* to = after.connection_of(is);
        check(was.port == is.port);
        if (from != nullptr && before.all_attributes.size() < sdp::kMaxAttributes)
            check(to != nullptr && *from == *to);
        return;
    }
    check(is.port == edit.lines[i].rtp_port);
    if (before.is_held_by_address(was)) {
        check(after.is_held_by_address(is));
        return;
    }
    base::NetAddress ours = edit.address;
    ours.port = is.port;
    check(sdp::rtp_address(after, is) == ours);
    check(after.find_attribute(is, "candidate") == nullptr);
    if (is.rtcp) check(sdp::rtcp_address(after, is, false)->ip == ours.ip);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    const std::string_view text = base::as_text({input, size});
    const auto before = sdp::parse(text);
    if (!before) return 0;

    relay::SdpEdit edit{.session_id = 4711,
                        .session_version = 3,
                        .address = *base::parse_host("192.0.2.77", 0),
                        .lines = {}};
    for (const sdp::MediaDescription& medium : before->media) {
        const auto number = static_cast<std::uint16_t>(edit.lines.size());
        const bool is_relayed = medium.is_rtp() && medium.port != 0;
        edit.lines.push_back(
            {.fate = is_relayed ? relay::SdpEdit::Fate::Relay : relay::SdpEdit::Fate::Pass,
             .rtp_port = static_cast<std::uint16_t>(20000 + 2 * number),
             .rtcp_port = static_cast<std::uint16_t>(20001 + 2 * number)});
    }
    const std::string once = relay::rewrite_sdp(text, edit);
    check(relay::rewrite_sdp(once, edit) == once);
    const auto after = sdp::parse(once);
    if (!after) {
        check(once.size() > sdp::kMaxSdpBytes);
        return 0;
    }
    check(before->media.size() == after->media.size());
    if (before->attributes_dropped > 0) return 0;  // attributes that we removed made room
    for (std::size_t i = 0; i < before->media.size(); ++i) check_line(*before, *after, i, edit);
    return 0;
}
