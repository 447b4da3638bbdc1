#include "client/media_planes.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/api.h"
#include "relay/ng_flags.h"
#include "relay/rtpengine_plane.h"
#include "relay/rtpproxy_plane.h"

namespace earshot::client {

using base::Reason;
using base::Result;

namespace {

std::unique_ptr<relay::ForeignPlane> make_foreign(const ClientConfig& config,
                                                  ControlSockets& sockets, const io::Clock& clock,
                                                  base::Random& random) {
    if (config.media_plane.kind == MediaPlaneConfig::Kind::Rtpproxy)
        return std::make_unique<relay::RtpproxyPlane>(config.media_plane.instances, sockets, clock,
                                                      random);
    const auto flags = relay::parse_ng_flags(config.media_plane.flags);
    const auto subscribe_flags = relay::parse_ng_flags(config.media_plane.subscribe_flags);
    relay::RtpengineOptions options;  // the flags were judged with the configuration
    if (flags) options.flags = *flags;
    if (subscribe_flags) options.subscribe_flags = *subscribe_flags;
    for (const base::NetAddress& instance : config.media_plane.instances)
        options.instances.push_back(base::to_string(instance));
    return std::make_unique<relay::RtpenginePlane>(std::move(options), sockets, clock, random);
}

}  // namespace

Result<std::unique_ptr<MediaPlanes>, Reason> MediaPlanes::make(const ClientConfig& config,
                                                               relay::MediaPlane& built_in,
                                                               transport::SipLoop& loop,
                                                               const io::Clock& clock,
                                                               base::Random& random) {
    std::unique_ptr<MediaPlanes> made(new MediaPlanes(built_in));
    if (config.media_plane.kind == MediaPlaneConfig::Kind::BuiltIn) return made;
    auto sockets = ControlSockets::open(config.media_plane.instances, loop);
    if (!sockets) return sockets.error();
    made->sockets_ = *std::move(sockets);
    made->foreign_ = make_foreign(config, *made->sockets_, clock, random);
    made->chooser_ = std::make_unique<relay::PlaneChooser>(
        *made->foreign_, config.media_plane.falls_back ? &built_in : nullptr);
    return made;
}

std::string find_flags_fault(std::string_view flags) {
    const auto parsed = relay::parse_ng_flags(flags);
    return parsed ? std::string{} : parsed.error().text;
}

MediaPlanesView MediaPlanes::view() const {
    MediaPlanesView view;
    if (foreign_) view.instances = foreign_->instances();
    if (chooser_) view.choices = chooser_->choices();
    return view;
}

api::Check check_planes(const MediaPlanesView& view, bool falls_back) {
    using State = api::Check::State;
    std::string text = fmt::format(
        "{} calls went to the media plane, {} to the built-in relay, {} "
        "to neither.",
        view.choices.foreign, view.choices.built_in, view.choices.refused);
    std::size_t usable = 0;
    for (const relay::PlaneInstance& instance : view.instances) {
        usable += instance.is_usable ? 1 : 0;
        text += instance.is_usable
                    ? fmt::format(" {} has {} calls.", instance.name, instance.calls)
                    : fmt::format(" {} Calls it had: {}.", instance.fault, instance.calls);
    }
    const bool is_whole = usable == view.instances.size();
    const bool takes_calls = usable > 0 || falls_back;
    const State state = !takes_calls                             ? State::Failed
                        : is_whole && view.choices.built_in == 0 ? State::Ok
                                                                 : State::Warning;
    return {"media_plane", state, std::move(text)};
}

std::string plane_metrics(const MediaPlanesView& view) {
    std::string out;
    if (view.instances.empty()) return out;
    const auto add = [&](std::string_view name, std::string_view type, std::string_view help,
                         auto value) {
        out += fmt::format(
            "# HELP earshot_client_media_plane_{0} {1}\n# TYPE earshot_client_media_plane_{0} "
            "{2}\n",
            name, help, type);
        for (const relay::PlaneInstance& instance : view.instances)
            out += fmt::format("earshot_client_media_plane_{}{{instance=\"{}\"}} {}\n", name,
                               instance.name, value(instance));
    };
    add("usable", "gauge", "Whether new calls go to it.",
        [](const auto& i) { return i.is_usable ? 1 : 0; });
    add("calls", "gauge", "Calls that it relays.", [](const auto& i) { return i.calls; });
    add("answers_total", "counter", "Commands that it answered.",
        [](const auto& i) { return i.answers; });
    add("resent_total", "counter", "Commands that were sent again.",
        [](const auto& i) { return i.resent; });
    add("given_up_total", "counter", "Commands that it did not answer.",
        [](const auto& i) { return i.given_up; });
    add("refused_total", "counter", "Commands that it answered with an error.",
        [](const auto& i) { return i.refused; });
    add("nonsense_total", "counter", "Datagrams of it that are no answer.",
        [](const auto& i) { return i.nonsense; });
    add("round_trip_microseconds", "gauge", "Between its last command and the answer.",
        [](const auto& i) { return i.round_trip.count(); });
    const auto choices = [&](std::string_view who, std::uint64_t calls) {
        out += fmt::format("earshot_client_media_plane_choices_total{{plane=\"{}\"}} {}\n", who,
                           calls);
    };
    out +=
        "# HELP earshot_client_media_plane_choices_total Calls by who relays them.\n"
        "# TYPE earshot_client_media_plane_choices_total counter\n";
    choices("foreign", view.choices.foreign);
    choices("built_in", view.choices.built_in);
    choices("none", view.choices.refused);
    return out;
}

}  // namespace earshot::client
