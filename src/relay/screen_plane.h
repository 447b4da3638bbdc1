// The built-in relay with shared screens: a line `m=application TCP RFB` of a call goes through
// ScreenDesk, and the plane behind sees, instead of it, the video that is made of it, sent by who
// shares. So streams, labels, failover, pauses and feedback of a recorded screen are those of any
// recorded video; only descriptions are rewritten here. What cannot be taken (encrypted, no ports)
// passes as it came, from party to party, and the reason is told.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "relay/media_plane.h"
#include "relay/screen_desk.h"
#include "relay/screen_sdp.h"

namespace earshot::relay {

class ScreenPlane : public MediaPlane {
public:
    // Both must outlive it. `inner` must call back before the verb returns, as BuiltInRelay does.
    ScreenPlane(MediaPlane& inner, ScreenDesk& desk) : inner_(inner), desk_(desk) {}

    void offer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void answer(CallKey call, const LegSdp& sdp, SdpDone done) override;
    void rollback(CallKey call, Leg offerer) override;
    void remove(CallKey call) override;
    void subscribe(CallKey call, std::uint32_t subscription, const SubscribeOptions& options,
                   SubscriptionDone done) override;
    void answer_subscription(CallKey call, std::uint32_t subscription, std::string_view sdp,
                             PlaneDone done) override;
    void stop_subscription(CallKey call, std::uint32_t subscription, Stop why) override;
    void unsubscribe(CallKey call, std::uint32_t subscription) override;
    void on_server_silent(ServerSilent told) override { inner_.on_server_silent(std::move(told)); }
    base::Result<base::Done, base::Reason> play(CallKey call, Leg to, SoundPtr sound) override {
        return inner_.play(call, to, std::move(sound));
    }
    base::Result<CallMedia, base::Reason> query(CallKey call) const override {
        return inner_.query(call);
    }

private:
    struct Screen {
        ScreenDesk::Opened opened;
        Leg sharer = Leg::A;
        std::string kind;            // of what is shared
        Leg agreed_sharer = Leg::A;  // by the last answer
        bool is_private = false;     // it passes, and must not be recorded
    };
    struct Call {
        std::map<std::size_t, Screen> screens;  // by line
        std::set<std::size_t> passed;           // lines that are not ours: told once
        std::set<std::uint32_t> recorded;       // subscriptions that have an answer
    };

    void keep_private(Screen& screen, const sdp::SessionDescription& sdp);
    void pass(CallKey key, const LegSdp& sdp, const SdpDone& done, bool is_offer);
    Screen* screen_at(CallKey key, Call& call, std::size_t line, const LegSdp& said,
                      const sdp::SessionDescription& sdp, bool is_offer);
    std::string video_section(CallKey key, std::size_t line, Screen& screen, const LegSdp& said,
                              const sdp::SessionDescription& sdp);
    std::string tell(Call& call, Leg to, std::string_view original, std::string told);
    void tell_recorded(const Call& call);
    void unrecord(CallKey key, std::uint32_t subscription);

    MediaPlane& inner_;
    ScreenDesk& desk_;
    std::unordered_map<std::uint64_t, Call> calls_;  // that have, or had, a screen
};

}  // namespace earshot::relay
