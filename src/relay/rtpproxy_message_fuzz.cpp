// An answer of RTPProxy is read or refused; what is read is within its limits, and says the same
// when it is read again.
#include <cstdlib>

#include "base/bytes.h"
#include "relay/limits.h"
#include "relay/rtpproxy_message.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own

void check(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    const std::string_view datagram = base::as_text({input, size});
    const auto reply = relay::parse_rtpproxy_reply(datagram);
    if (!reply) return 0;
    check(size <= relay::kMaxControlReplyBytes && !reply->cookie.empty() && !reply->body.empty());
    const std::string again = std::string(reply->cookie) + " " + std::string(reply->body) + "\n";
    const auto same = relay::parse_rtpproxy_reply(again);
    check(same && same->cookie == reply->cookie && same->body == reply->body);
    if (const auto port = relay::parse_rtpproxy_port(reply->body)) {
        check(port->port != 0);
        check(!port->address || !port->address->is_unspecified());
    }
    static_cast<void>(relay::parse_rtpproxy_done(reply->body));
    static_cast<void>(relay::parse_rtpproxy_feature(reply->body));
    static_cast<void>(relay::parse_rtpproxy_figures(reply->body));
    return 0;
}
