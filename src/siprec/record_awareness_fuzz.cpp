// Whatever a description says: with states written into it, its lines are read with exactly these,
// and it has as many as before.
#include <array>
#include <cstdlib>

#include "base/bytes.h"
#include "siprec/record_awareness.h"

namespace sdp = earshot::sdp;
namespace siprec = earshot::siprec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    constexpr std::array<sdp::RecordState, 3> kStates{
        sdp::RecordState::On, sdp::RecordState::Absent, sdp::RecordState::Paused};
    const std::string_view text = earshot::base::as_text({input, size});
    const std::string told = siprec::with_record_states(text, kStates);
    const auto before = sdp::parse(text);
    const auto after = sdp::parse(told);
    if (!before || !after || after->attributes_dropped != 0) return 0;
    if (before->media.size() != after->media.size()) std::abort();
    for (std::size_t line = 0; line < after->media.size(); ++line) {
        const auto wanted = line < kStates.size() ? kStates[line] : sdp::RecordState::Absent;
        if (after->media[line].record != wanted) std::abort();
    }
    siprec::RecordIndications indications;
    static_cast<void>(indications.on_description(*before));
    if (indications.states().size() != before->media.size()) std::abort();
    return 0;
}
