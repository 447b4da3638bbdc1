// Signalling, continued: what an operator wants of running calls.
#include "base/uuid.h"
#include "server/signalling.h"

namespace earshot::server {

using base::Reason;

namespace {

// The page says that it was dropped, and not that it is paused, or removed once the client agrees.
void mark_dropped(Call& call, std::string_view label) {
    for (auto& [number, stream] : call.streams) {
        if (stream.is_closed || stream.is_dropped || stream.facts.label != label) continue;
        stream.is_dropped = true;
        return;
    }
}

}  // namespace

void Signalling::control(api::ControlRequest request, ControlDone done) {
    d_.loop.post([this, request = std::move(request), done = std::move(done)] {
        done(carry_out(request));
        drain();
    });
}

std::optional<Reason> Signalling::carry_out(const api::ControlRequest& request) {
    using Verb = api::ControlRequest::Verb;
    const auto id = base::parse_uuid(request.recording);
    const auto serial = id ? by_recording_.find(*id) : by_recording_.end();
    Call* call = serial == by_recording_.end() ? nullptr : find(serial->second);
    const Reason gone{"not_running", "The recording " + request.recording + " runs no more."};
    if (call == nullptr) return gone;

    const base::Now now = d_.clock.now();
    const siprec::ControlRequest wish{.who = request.who,
                                      .access = request.access,
                                      .from = request.from,
                                      .reason = request.reason};
    siprec::RecordingServerSession& session = *call->session;
    const char* verb = "";
    bool is_done = false;
    switch (request.verb) {
        case Verb::Pause:
            verb = "pause";
            is_done = session.pause(now, wish);
            break;
        case Verb::Resume:
            verb = "resume";
            is_done = session.resume(now, wish);
            break;
        case Verb::Stop:
            verb = "stop";
            is_done = session.stop_by_operator(now, wish);
            break;
        case Verb::StopStream:
            verb = "stop_stream";
            is_done = session.drop_stream(now, request.stream, wish);
            if (is_done) mark_dropped(*call, request.stream);
            break;
    }
    if (!is_done && request.verb == Verb::StopStream && !session.is_ended())
        return Reason{"no_such_stream", "No stream " + request.stream + " runs in this recording."};
    if (!is_done) return gone;
    d_.log.info("an operator controls a call", {{"recording", request.recording},
                                                {"verb", verb},
                                                {"who", request.who},
                                                {"access", request.access},
                                                {"from", request.from},
                                                {"reason", request.reason}});
    run_session(*call);
    publish_live();
    return std::nullopt;
}

}  // namespace earshot::server
