// Speaks to instances of RTPProxy over a ControlLink: a cookie for each command, sent again until
// it is answered, and who of them can be used at all. Without I/O; belongs to the signalling
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"
#include "relay/control_link.h"
#include "relay/foreign_plane.h"

namespace earshot::relay {

class RtpproxyClient : public ControlUser {
public:
    enum class State : std::uint8_t {
        Unknown,  // it has not been heard yet
        Fit,
        Unfit,   // it answers, but cannot do what we need
        Silent,  // it does not answer
    };
    // The body of the answer, or that there is none (codes media_server_silent,
    // media_server_unreachable). Never within request().
    using Done = std::function<void(base::TimePoint, base::Result<std::string, base::Reason>)>;

    // `link` and `random` must outlive it. `instances` are their names, for people.
    RtpproxyClient(std::vector<std::string> instances, ControlLink& link, base::Random& random);

    void request(base::TimePoint now, std::size_t instance, const std::string& command, Done done);

    void on_datagram(base::TimePoint now, std::size_t instance, base::ByteView bytes) override;
    void on_refused(base::TimePoint now, std::size_t instance) override;
    // The first one asks the instances what they are.
    void on_time(base::TimePoint now) override;
    std::optional<base::TimePoint> deadline() const override;

    std::size_t size() const { return instances_.size(); }
    State state(std::size_t instance) const { return instances_[instance].state; }
    const std::string& name(std::size_t instance) const { return instances_[instance].view.name; }
    PlaneInstance view(std::size_t number) const;  // without its calls
    // The first one that is fit; not one of `tried`.
    std::optional<std::size_t> pick(const std::vector<std::size_t>& tried) const;

private:
    struct Instance {
        PlaneInstance view{};
        State state = State::Unknown;
        base::TimePoint next_probe{};
    };
    struct Pending {
        std::size_t instance = 0;
        std::string datagram;
        Done done;
        int sends = 0;
        base::TimePoint sent{};  // first
    };
    void probe(base::TimePoint now, std::size_t number);
    void send(base::TimePoint now, const std::string& cookie, Pending& pending);
    void fail(base::TimePoint now, const std::string& cookie, std::string code,
              std::string_view what);

    ControlLink& link_;
    base::Random& random_;
    std::vector<Instance> instances_;
    std::unordered_map<std::string, Pending> pending_;             // by cookie
    std::multimap<base::TimePoint, std::string> retransmissions_;  // cookies
};

}  // namespace earshot::relay
