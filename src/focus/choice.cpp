#include "focus/choice.h"

#include <algorithm>

namespace earshot::focus {

namespace {

bool is_in(MemberId id, std::span<const MemberId> members) {
    return id != 0 && std::find(members.begin(), members.end(), id) != members.end();
}

MemberId first_but(MemberId id, std::span<const MemberId> members) {
    const auto found =
        std::find_if(members.begin(), members.end(), [&](MemberId member) { return member != id; });
    return found == members.end() ? 0 : *found;
}

}  // namespace

void SpeakerChoice::update(MemberId speaker, std::span<const MemberId> live) {
    if (speaker != main_ && is_in(speaker, live)) {
        other_ = main_;
        main_ = speaker;
    }
    if (!is_in(main_, live)) {
        main_ = is_in(other_, live) ? other_ : first_but(0, live);
        other_ = 0;
    }
    if (other_ == main_ || !is_in(other_, live)) other_ = first_but(main_, live);
}

void FloorChoice::update(std::span<const MemberId> able, std::span<const MemberId> live) {
    if (is_in(presenter_, able) && (is_in(presenter_, live) || live.empty())) return;
    presenter_ = first_but(0, live);
}

}  // namespace earshot::focus
