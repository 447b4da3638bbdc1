// Who relays the media of calls, as configured: the relay of this process, or one in other
// processes with this one behind it or not. Belongs to the signalling thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "client/client_config.h"
#include "client/control_sockets.h"
#include "io/clock.h"
#include "relay/foreign_plane.h"
#include "relay/plane_chooser.h"
#include "transport/sip_loop.h"

namespace earshot::api {
struct Check;
}

namespace earshot::client {

// What is told of it; without instances: all calls are this process's.
struct MediaPlanesView {
    std::vector<relay::PlaneInstance> instances;
    relay::PlaneChoices choices;
};

// Whether new calls are taken, and who is dead.
api::Check check_planes(const MediaPlanesView& view, bool falls_back);
// In Prometheus' text format.
std::string plane_metrics(const MediaPlanesView& view);

class MediaPlanes {
public:
    // All must outlive it. Reasons: control_socket.
    static base::Result<std::unique_ptr<MediaPlanes>, base::Reason> make(
        const ClientConfig& config, relay::MediaPlane& built_in, transport::SipLoop& loop,
        const io::Clock& clock, base::Random& random);

    relay::MediaPlane& plane() { return chooser_ ? *chooser_ : built_in_; }
    // Null: there is none, and what follows does not happen.
    relay::ForeignPlane* foreign() { return foreign_.get(); }
    ControlSockets* sockets() { return sockets_.get(); }
    // A call is not taken by the foreign plane.
    void when_passed_over(std::function<void(relay::CallKey, const base::Reason&)> told) {
        if (chooser_) chooser_->when_passed_over(std::move(told));
    }
    MediaPlanesView view() const;

private:
    explicit MediaPlanes(relay::MediaPlane& built_in) : built_in_(built_in) {}

    relay::MediaPlane& built_in_;
    std::unique_ptr<ControlSockets> sockets_;
    std::unique_ptr<relay::ForeignPlane> foreign_;
    std::unique_ptr<relay::PlaneChooser> chooser_;
};

}  // namespace earshot::client
