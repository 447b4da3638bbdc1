// The attributes of a line's transport, from any text: what is read is written so that it is read
// again as the same.
#include <cstdlib>

#include "base/bytes.h"
#include "sdp/fingerprint.h"
#include "sdp/ice.h"
#include "sdp/limits.h"

namespace sdp = earshot::sdp;

namespace {

void check_value(std::string_view value) {
    if (const auto fingerprint = sdp::parse_fingerprint(value)) {
        if (sdp::parse_fingerprint(sdp::to_string(*fingerprint)) != fingerprint) std::abort();
    }
    if (const auto candidate = sdp::parse_candidate(value)) {
        const std::string text = sdp::to_string(*candidate);
        if (sdp::parse_candidate(text) != candidate) std::abort();
    }
    static_cast<void>(sdp::parse_setup(value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    const std::string_view text = earshot::base::as_text({input, size});
    check_value(text);
    const auto parsed = sdp::parse(text);
    if (!parsed) return 0;
    for (const sdp::Attribute& attribute : parsed->all_attributes) check_value(attribute.value);
    for (const sdp::MediaDescription& medium : parsed->media) {
        const auto fingerprints = sdp::fingerprints_of(*parsed, medium);
        if (fingerprints.size() > sdp::kMaxFingerprints) std::abort();
        const auto ice = sdp::ice_of(*parsed, medium);
        if (ice && ice->password.size() > sdp::kMaxIceCredentialChars) std::abort();
        static_cast<void>(sdp::is_dtls_srtp(*parsed, medium));
        static_cast<void>(sdp::answer_setup(sdp::setup_of(*parsed, medium)));
    }
    return 0;
}
