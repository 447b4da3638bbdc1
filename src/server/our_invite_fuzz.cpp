// Arbitrary refusals of an INVITE of ours, one after the other: what is asked next is a URI that
// may be asked, in a request line that nobody can break out of, and it ends.
#include <cstdlib>

#include "server/limits.h"
#include "server/our_invite.h"
#include "server/start_target.h"
#include "sip/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace earshot;  // NOLINT(google-build-using-namespace): a fuzz target is a leaf
    server::OurInvite invite("sip:src@192.0.2.10", "<sip:e@192.0.2.80>", "t", "c", {});
    const sip::ParsedMessage parsed = sip::parse_message(base::as_text({bytes, size}));
    if (parsed.verdict != sip::Verdict::Good || parsed.message.is_request()) return 0;
    if (!server::OurInvite::can_go_on(parsed.message.status())) return 0;
    const sip::Flow asked{.remote = *base::parse_net_address("192.0.2.10:5060")};
    std::size_t tries = 0;
    while (invite.on_refused(parsed.message, asked, {"us", "rose"}, "cnonce")) {
        const sip::OutOfDialogSpec spec = invite.request();
        if (!server::read_target(spec.request_uri)) std::abort();
        if (spec.request_uri.find_first_of("\r\n <>") != std::string::npos) std::abort();
        const bool has_credentials = !invite.credentials().empty();
        if (has_credentials != (spec.flow == asked)) std::abort();
        if (++tries > server::kMaxRedirections + server::kMaxChallengesAtOnePlace) std::abort();
    }
    return 0;
}
