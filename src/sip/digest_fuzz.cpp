// Arbitrary values of Authorization and WWW-Authenticate: no crash, what is read can be hashed, and
// nobody is let in.
#include <cstdlib>

#include "sip/digest.h"
#include "sip/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace earshot;  // NOLINT(google-build-using-namespace): a fuzz target is a leaf
    const std::string_view text = base::as_text({bytes, size});
    (void)sip::parse_digest_challenge(text);
    if (const auto answer = sip::parse_digest_answer(text)) {
        if (sip::digest_response(*answer, "secret", "INVITE").empty()) std::abort();
    }
    const sip::ParsedMessage parsed = sip::parse_message(
        "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:d@e>;tag=1\r\n"
        "To: <sip:a@b>\r\nCall-ID: f\r\nCSeq: 1 INVITE\r\nAuthorization: " +
        std::string{text} + "\r\n\r\n");
    if (parsed.verdict != sip::Verdict::Good) return 0;
    base::SeededRandom random(1);
    sip::DigestGuard guard("earshot", random);
    const auto judgement = guard.judge(base::TimePoint{}, parsed.message, {{"ada", "lace"}});
    if (judgement.verdict == sip::DigestGuard::Verdict::Accepted) std::abort();
    return 0;
}
