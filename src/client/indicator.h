// Tells the parties of calls that they are recorded, and keeps what they were told true: a=record
// in every description that a party is given, a new description when it changes in mid-call, a tone
// or an announcement for those whom that does not reach. Belongs to the signalling thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "b2bua/switchboard.h"
#include "base/reason.h"
#include "client/client_config.h"
#include "client/indication.h"
#include "client/recording_event.h"
#include "relay/media_plane.h"

namespace earshot::client {

class Indicator {
public:
    struct Dependencies {  // borrowed
        b2bua::Switchboard& switchboard;
        relay::MediaPlane& plane;
        EventOutlet& events;
        // The recordings of a call now, those that are planned among them.
        std::function<std::vector<RecordingShare>(b2bua::CallKey)> shares;
    };

    explicit Indicator(Dependencies dependencies) : d_(std::move(dependencies)) {}

    // What `to` is told instead of `sdp`, which the media plane made.
    std::string describe(b2bua::CallKey call, b2bua::Leg to, std::string sdp);
    // A description of `from`: its wish, where it is a new one.
    std::optional<sdp::RecordPreference> on_description(b2bua::CallKey call, b2bua::Leg from,
                                                        std::string_view sdp);
    // The offer of that leg was refused: the other one has not taken what it was told with it.
    void on_rollback(b2bua::CallKey call, b2bua::Leg offerer);
    void on_told_anew(base::Now now, b2bua::CallKey call, const b2bua::ToldAnew& told);
    // Somebody else is at that leg now: what was heard there, was heard by others.
    void on_party_changed(b2bua::CallKey call, b2bua::Leg leg);

    // Brings what the parties know up to date with the recordings. The reason when one of them
    // cannot be told: then the call must not be recorded.
    std::optional<base::Reason> update(base::Now now, b2bua::CallKey call,
                                       const ClientConfig& config);
    // Plays the announcement to all whom a=record does not reach: how long it takes. 0: there is
    // nobody, or they have heard it.
    std::chrono::milliseconds announce(base::Now now, b2bua::CallKey call,
                                       const policy::IndicationSettings& how,
                                       const ClientConfig& config);
    // By what each leg is told: for those who look.
    std::array<Means, 2> means(b2bua::CallKey call) const;
    void forget(b2bua::CallKey call) { calls_.erase(call.value); }

private:
    struct LegState {
        ToldDescriptions told{};
        std::vector<ToldLine> lines{};           // of the last description that it was given
        std::vector<sdp::RecordState> states{};  // as that said
        std::vector<sdp::RecordState> before{};  // and the one before it
        siprec::RecordIndications behind{};      // what it says of recordings on its side
        sdp::RecordPreference wish = sdp::RecordPreference::Absent;
        bool takes_attribute = true;
        // It does not for want of a description that could be told: until one could.
        bool is_own_fault = false;
        std::vector<sdp::RecordState> asked{};  // what it is being told anew
        bool is_announced = false;
        Means means = Means::None;
        relay::SoundPtr sound{};
        sdp::RecordState read = sdp::RecordState::Absent;  // what its chats have told it
    };
    using CallState = std::array<LegState, 2>;

    LegState& state(b2bua::CallKey call, b2bua::Leg leg);
    void tell_states(base::Now now, b2bua::CallKey call, b2bua::Leg leg, Awareness awareness,
                     const std::vector<RecordingShare>& shares);
    void tell_readers(b2bua::CallKey call, b2bua::Leg leg, Awareness awareness,
                      const std::vector<RecordingShare>& shares);
    std::optional<base::Reason> play(b2bua::CallKey call, b2bua::Leg leg, const Indication& wanted,
                                     const ClientConfig& config);
    relay::SoundPtr sound_for(const policy::IndicationSettings& how, Means means,
                              const ClientConfig& config);
    void tell_event(base::Now now, b2bua::CallKey call, b2bua::Leg leg, std::string kind,
                    const Indication& indication, const std::string& text);
    void tell_event(base::Now now, b2bua::CallKey call, std::string kind, base::Reason reason,
                    std::string instance = {});

    Dependencies d_;
    std::unordered_map<std::uint64_t, CallState> calls_;             // by CallKey
    std::map<std::pair<int, std::int64_t>, relay::SoundPtr> tones_;  // by level and interval
};

}  // namespace earshot::client
