// Who of a conference is seen. Without I/O or clock; belongs to one thread.
#pragma once

#include <span>

#include "focus/mixer.h"

namespace earshot::focus {

// Of cameras: who speaks is seen by all others, and sees who spoke before.
class SpeakerChoice {
public:
    // `speaker` speaks; `live`: who shows pictures now, in ascending order.
    void update(MemberId speaker, std::span<const MemberId> live);
    MemberId main() const { return main_; }    // 0: nobody
    MemberId other() const { return other_; }  // whom it sees

private:
    MemberId main_ = 0;
    MemberId other_ = 0;
};

// Of shared content: one presents at a time. Who does keeps the floor while it may show pictures,
// and gives it up to one who shows some while it itself does not.
class FloorChoice {
public:
    // `able`: who may show; `live`: who of them does now; both in ascending order.
    void update(std::span<const MemberId> able, std::span<const MemberId> live);
    MemberId presenter() const { return presenter_; }  // 0: nobody

private:
    MemberId presenter_ = 0;
};

}  // namespace earshot::focus
