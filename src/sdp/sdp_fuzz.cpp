// Parse, write, parse again: the content must be the same; then answer the offer and check the
// answer against it, which must hold for every offer with at least one line.
#include <cstdlib>

#include "base/bytes.h"
#include "sdp/bundle.h"
#include "sdp/message_media.h"
#include "sdp/offer_answer.h"
#include "sdp/session_description.h"

namespace sdp = earshot::sdp;

namespace {

void check_answer_of(const sdp::SessionDescription& offer) {
    std::vector<sdp::MediaDecision> decisions(offer.media.size());
    for (std::size_t i = 0; i < decisions.size(); ++i) {
        decisions[i] = {true, 10000, 10001, i % 3 == 2};
        decisions[i].is_message = sdp::is_message_media(offer.media[i]);
    }
    const std::string text = sdp::make_recording_answer(offer, {}, decisions);
    const auto answer = sdp::parse(text);
    if (!answer || answer->media.size() != offer.media.size()) std::abort();
    if (!offer.excess_media.empty()) return;
    for (std::size_t i = 0; i < offer.media.size(); ++i) {
        const sdp::Refusal refusal = decisions[i].is_message
                                         ? sdp::check_offered_messages(offer, offer.media[i])
                                         : sdp::check_offered_media(offer, offer.media[i]);
        const bool is_recordable = refusal == sdp::Refusal::None;
        if (is_recordable != (answer->media[i].port != 0)) std::abort();
        if (is_recordable &&
            answer->media[i].payload_types.size() != offer.media[i].payload_types.size()) {
            std::abort();
        }
    }
}

// Groups hold lines of the offer, none in two; who carries the others can carry itself, and an
// answer gives a port to all that is taken.
void check_bundles_of(const sdp::SessionDescription& offer) {
    const sdp::BundleOffer bundles = sdp::bundles_of(offer);
    std::vector<bool> is_grouped(offer.media.size());
    for (const auto& group : bundles.groups)
        for (const std::size_t line : group) {
            if (line >= offer.media.size() || is_grouped[line]) std::abort();
            is_grouped[line] = true;
        }
    const auto can_carry = [&](std::size_t line) {
        return sdp::check_offered_media(offer, offer.media[line]) == sdp::Refusal::None;
    };
    const auto carriers = sdp::carriers_of(bundles, offer.media.size(), can_carry);
    std::vector<sdp::MediaDecision> decisions(offer.media.size());
    for (std::size_t i = 0; i < decisions.size(); ++i) {
        if (carriers[i] != i && (!can_carry(carriers[i]) || !is_grouped[i])) std::abort();
        decisions[i] = {true, 10000, 10000, false};
        decisions[i].accept =
            sdp::check_offered_media(offer, offer.media[i], offer.media[carriers[i]]) ==
            sdp::Refusal::None;
        decisions[i].carrier = carriers[i];
        if (is_grouped[i]) decisions[i].bundle = carriers[i];
    }
    const std::string text = sdp::make_recording_answer(offer, {}, decisions);
    const auto answer = sdp::parse(text);
    if (!answer || answer->media.size() != offer.media.size()) std::abort();
    for (std::size_t i = 0; i < decisions.size(); ++i)
        if (decisions[i].accept != (answer->media[i].port != 0)) std::abort();
    static_cast<void>(sdp::write_bundled(offer));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    const std::string_view text = earshot::base::as_text({input, size});
    const auto parsed = sdp::parse(text);
    if (!parsed) return 0;
    if (parsed->media.size() > sdp::kMaxMedia) std::abort();
    if (parsed->all_attributes.size() > sdp::kMaxAttributes) std::abort();

    const std::string written = sdp::write(*parsed);
    if (written.size() <= sdp::kMaxSdpBytes) {
        const auto again = sdp::parse(written);
        if (!again || !sdp::has_same_content(*parsed, *again)) std::abort();
    }
    check_answer_of(*parsed);
    check_bundles_of(*parsed);
    for (const sdp::MediaDescription& medium : parsed->media) {
        const sdp::MessageMedia messages = sdp::message_media_of(*parsed, medium);
        const sdp::FileSelector file = sdp::parse_file_selector(messages.file_selector);
        const std::string repeated = sdp::selector_without_hashes(messages.file_selector);
        if (sdp::parse_file_selector(repeated).size != file.size) std::abort();
        static_cast<void>(sdp::rtcp_address(*parsed, medium, medium.has_rtcp_mux));
        for (const sdp::Attribute& attribute : parsed->attributes_of(medium)) {
            static_cast<void>(sdp::parse_crypto(attribute.value));
        }
    }
    return 0;
}
