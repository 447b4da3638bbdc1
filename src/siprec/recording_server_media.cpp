// Media that the policy accepted without taking it yet (P-42): a=inactive in our answers, until a
// re-INVITE of ours offers recvonly.
#include <utility>

#include "siprec/recording_server_core.h"
#include "siprec/server_answers.h"

namespace earshot::siprec {

bool RecordingServerSession::Core::release_media(base::Now now) {
    if (state_ == State::Ended || state_ == State::Idle || !lines_.is_withheld()) return false;
    if (state_ == State::Established)
        release_at_ = now.steady;
    else if (pending_ != nullptr)  // with the 200, which has not gone yet
        pending_->release_after = std::chrono::milliseconds{0};
    on_time(now);
    return true;
}

// RFC 7866 section 7.2: a server that was not ready offers again, recvonly. The streams go on
// when the answer says that the client sends.
void RecordingServerSession::Core::offer_media() {
    release_at_.reset();
    auto description = sdp::parse(last_sdp_);
    if (!description) return;
    for (sdp::Attribute& attribute : description->all_attributes)
        if (attribute.name == "inactive") attribute.name = "recvonly";
    const std::string version = std::to_string(++sdp_version_);
    if (description->origin) description->origin->session_version = version;
    last_sdp_ = sdp::write(*description);
    sip::RequestSpec invite;
    invite.method = "INVITE";
    invite.headers = {{"Allow", std::string{kAllow}}, {"Accept", std::string{kAccept}}};
    if (timer_.is_running()) add_headers(invite.headers, timer_.request_headers());
    invite.content_type = "application/sdp";
    invite.body = last_sdp_;
    asked_ = Asked::Media;
    is_offering_ = true;
    actions_.emplace_back(make_event("media_offered", kNoStream));
    actions_.emplace_back(SendRequest{std::move(invite)});
}

// Before the answer is applied: what it sends is taken now.
void RecordingServerSession::Core::take_media_answer(bool is_readable) {
    if (is_readable) {
        lines_.release();
        return;
    }
    actions_.emplace_back(make_event("media_offer_refused", kNoStream,
                                     {{"text", std::string{"the 200 has no readable answer"}}}));
}

void RecordingServerSession::Core::on_media_refused(int status) {
    actions_.emplace_back(
        make_event("media_offer_refused", kNoStream, {{"status", std::int64_t{status}}}));
}

}  // namespace earshot::siprec
