#include "siprec/recording_server_session.h"

#include "siprec/recording_server_core.h"

namespace earshot::siprec {

RecordingServerSession::RecordingServerSession(const RecordingServerConfig& config,
                                               std::uint64_t session_number)
    : core_(std::make_unique<Core>(config, session_number)) {}
RecordingServerSession::~RecordingServerSession() = default;

void RecordingServerSession::on_invite(base::Now now, sip::TransactionId transaction,
                                       const base::NetAddress& peer, const sip::Message& invite) {
    core_->on_invite(now, transaction, peer, invite);
}
void RecordingServerSession::start(base::Now now, StartRequest request) {
    core_->start(now, std::move(request));
}
void RecordingServerSession::retarget(const base::NetAddress& peer,
                                      const RecordingServerConfig& config) {
    core_->retarget(peer, config);
}
void RecordingServerSession::on_decision(base::Now now, Ruling ruling) {
    core_->on_decision(now, std::move(ruling));
}
bool RecordingServerSession::is_withheld() const { return core_->is_withheld(); }
void RecordingServerSession::on_row_durable(base::Now now) { core_->on_row_durable(now); }
void RecordingServerSession::on_row_failed(base::Now now, base::Reason reason) {
    core_->on_row_failed(now, std::move(reason));
}
void RecordingServerSession::on_stream_opened(base::Now now, std::uint16_t stream,
                                              std::uint16_t rtp_port, std::uint16_t rtcp_port) {
    core_->on_stream_opened(now, stream, rtp_port, rtcp_port);
}
void RecordingServerSession::on_messages_opened(base::Now now, std::uint16_t stream,
                                                MessageEndpoint ours) {
    core_->on_messages_opened(now, stream, std::move(ours));
}
void RecordingServerSession::on_stream_failed(base::Now now, std::uint16_t stream,
                                              const base::Reason& reason) {
    core_->on_stream_failed(now, stream, reason);
}
void RecordingServerSession::on_stream_refused(base::Now now, std::uint16_t stream,
                                               const base::Reason& reason) {
    core_->on_stream_refused(now, stream, reason);
}
void RecordingServerSession::on_request(base::Now now, sip::TransactionId transaction,
                                        const sip::Message& request) {
    core_->on_request(now, transaction, request);
}
void RecordingServerSession::on_cancel(base::Now now) { core_->on_cancel(now); }
void RecordingServerSession::on_ack(base::Now now, const sip::Message& ack) {
    core_->on_ack(now, ack);
}
void RecordingServerSession::on_no_ack(base::Now now) { core_->on_no_ack(now); }
void RecordingServerSession::on_response(base::Now now, const sip::Message& response,
                                         std::optional<std::chrono::milliseconds> retry_after) {
    core_->on_response(now, response, retry_after);
}
void RecordingServerSession::on_request_timed_out(base::Now now) {
    core_->on_request_timed_out(now);
}
void RecordingServerSession::probe() { core_->probe(); }
void RecordingServerSession::on_request_not_sent(base::Now now, base::Reason why) {
    core_->on_request_not_sent(now, std::move(why));
}
void RecordingServerSession::on_dialog_lost(base::Now now, base::Reason reason) {
    core_->on_dialog_lost(now, std::move(reason));
}
void RecordingServerSession::stop(base::Now now, base::Reason reason) {
    core_->stop(now, std::move(reason));
}
bool RecordingServerSession::pause(base::Now now, const ControlRequest& request) {
    return core_->pause(now, request);
}
bool RecordingServerSession::resume(base::Now now, const ControlRequest& request) {
    return core_->resume(now, request);
}
bool RecordingServerSession::stop_by_operator(base::Now now, const ControlRequest& request) {
    return core_->stop_by_operator(now, request);
}
bool RecordingServerSession::drop_stream(base::Now now, std::string_view label,
                                         const ControlRequest& request) {
    return core_->drop_stream(now, label, request);
}
void RecordingServerSession::ask_for_key_frame(std::uint16_t stream, std::string_view reason) {
    core_->ask_for_key_frame(stream, reason);
}
void RecordingServerSession::on_time(base::Now now) { core_->on_time(now); }
std::optional<base::TimePoint> RecordingServerSession::deadline() const {
    return core_->deadline();
}
std::optional<Action> RecordingServerSession::poll_action() { return core_->poll_action(); }
bool RecordingServerSession::is_established() const { return core_->is_established(); }
bool RecordingServerSession::is_ended() const { return core_->is_ended(); }
bool RecordingServerSession::is_paused() const { return core_->is_paused(); }
OperatorPause RecordingServerSession::operator_pause() const { return core_->operator_pause(); }
const MetadataModel& RecordingServerSession::metadata() const { return core_->metadata(); }

}  // namespace earshot::siprec
