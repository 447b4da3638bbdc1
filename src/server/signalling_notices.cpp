// Signalling, continued: what capture reports, and what the API is shown of it.
#include <fmt/format.h>

#include <algorithm>

#include "io/available_memory.h"
#include "server/call_views.h"
#include "server/checks.h"
#include "server/signalling.h"

namespace earshot::server {

using base::Reason;

// ---- from capture -------------------------------------------------------------------------------

void Signalling::on_notifications() {
    while (auto notification = d_.capture.poll_notification())
        std::visit([this](auto& n) { handle(n); }, *notification);
}

void Signalling::handle(capture::RecordingSealed& sealed) {
    sealing_.erase(sealed.closed.recording);
    ArchiveJob job{.journal = sealed.journal,
                   .serial = sealed.closed.serial,
                   .recording = sealed.closed.recording,
                   .extents = std::move(sealed.closed.extents),
                   .clocks = std::move(sealed.closed.clocks),
                   .was_closed = true,
                   .failure = std::nullopt};
    std::uint64_t storage_lost = 0;
    for (const capture::StreamStats& stream : sealed.streams)
        storage_lost += stream.counters.storage_lost;
    if (storage_lost > 0)
        job.failure = Reason{"storage_full",
                             fmt::format("{} packets could not be stored: the disk did not keep up "
                                         "or was full.",
                                         storage_lost)};
    std::uint64_t unread = 0;
    // What the kernel dropped may have been a stranger's, or broken: what is missing counts.
    for (const capture::StreamStats& stream : sealed.streams)
        unread += std::min(stream.counters.kernel_drops, stream.counters.lost);
    if (unread > 0 && !job.failure)
        job.failure = Reason{"storage_slow",
                             fmt::format("{} packets were lost here: they filled their sockets' "
                                         "buffers before the server read them.",
                                         unread)};
    d_.archiver.submit(std::move(job));
    maybe_stopped();
}

void Signalling::handle(capture::StatsSnapshot& stats) {
    for (capture::StreamStats& stream : stats.streams) {
        const auto serial = by_recording_.find(stream.key.recording);
        Call* call = serial == by_recording_.end() ? nullptr : find(serial->second);
        if (call != nullptr) call->streams[stream.key.stream].counters = stream.counters;
    }
    if (!stats.streams.empty()) live_is_dirty_ = true;
}

void Signalling::handle(capture::StreamClosed& closed) {
    const auto serial = by_recording_.find(closed.stats.key.recording);
    Call* call = serial == by_recording_.end() ? nullptr : find(serial->second);
    if (call != nullptr) call->streams[closed.stats.key.stream].counters = closed.stats.counters;
}

void Signalling::handle(capture::Durable& durable) {
    if (MessageService::is_token(durable.token)) {
        if (d_.messages != nullptr) d_.messages->on_durable(durable.token);
        return;
    }
    const auto waiting = durable_waits_.find(durable.token);
    if (waiting == durable_waits_.end()) return;
    const std::uint64_t serial = waiting->second;
    durable_waits_.erase(waiting);
    confirm_row(serial);
}

// RFC 3550 section 11 and RFC 7866 section 8.1.8 want symmetric RTP; RTPProxy and NetSapiens send
// from elsewhere (Q8, Q31).
void Signalling::handle(capture::FirstPacket& first) {
    const auto serial = by_recording_.find(first.key.recording);
    Call* call = serial == by_recording_.end() ? nullptr : find(serial->second);
    if (call == nullptr) return;
    const base::NetAddress& told = call->streams[first.key.stream].facts.peer_rtp;
    if (told.is_unspecified() || told == first.source) return;
    const auto leniency = told.same_host(first.source) ? siprec::Leniency::MediaFromOtherPort
                                                       : siprec::Leniency::MediaFromOtherHost;
    const std::string detail = fmt::format("{}: {} instead of {}", siprec::facts_of(leniency).fault,
                                           base::to_string(first.source), base::to_string(told));
    siprec::Event event =
        siprec::make_leniency_event("sip_leniency", {leniency, detail},
                                    base::to_string(call->flow.remote), 0, first.key.stream);
    carry_out(*call, event);
}

void Signalling::handle(capture::SsrcChanged& change) {
    d_.log.info("a stream's source changed",
                {{"recording", base::to_string(change.key.recording)},
                 {"stream", std::to_string(change.key.stream)},
                 {"ssrc", fmt::format("{:08x} to {:08x}", change.from, change.to)},
                 {"peer", base::to_string(change.source)}});
}

void Signalling::handle(capture::PacketsRejected& rejected) {
    d_.log.warning("packets were rejected", {{"recording", base::to_string(rejected.key.recording)},
                                             {"stream", std::to_string(rejected.key.stream)},
                                             {"cause", capture::to_string(rejected.cause)},
                                             {"packets", std::to_string(rejected.total)},
                                             {"peer", base::to_string(rejected.source)}});
}

void Signalling::handle(capture::KeyFrameWanted& wanted) {
    const auto serial = by_recording_.find(wanted.key.recording);
    Call* call = serial == by_recording_.end() ? nullptr : find(serial->second);
    if (call == nullptr || call->session->is_ended()) return;
    call->session->ask_for_key_frame(wanted.key.stream, capture::to_string(wanted.reason));
    run_session(*call);
    drain();
}

void Signalling::handle(capture::StreamKeyed& keyed) {
    const auto serial = by_recording_.find(keyed.key.recording);
    Call* call = serial == by_recording_.end() ? nullptr : find(serial->second);
    if (call == nullptr) return;
    call->streams[keyed.key.stream].dtls_suite = keyed.suite;
    live_is_dirty_ = true;
}

// ---- what the API sees --------------------------------------------------------------------------

Load Signalling::load() const {
    return {.stopping = stopping_,
            .data_is_in_place = data_is_in_place_,
            .calls = by_recording_.size(),
            .capture = d_.capture.load(d_.clock.now().steady),
            .journal = d_.capture.health(),
            .free_memory = free_memory_,
            .dropping_streams = dropping_streams_,
            .catalogue = d_.catalogue.health()};
}

namespace {

std::string messages_at(const MessageService* messages) {
    std::string all;
    if (messages == nullptr) return all;
    for (const base::NetAddress& address : messages->local_addresses())
        all += (all.empty() ? "" : ", ") + base::to_string(address);
    return all;
}

}  // namespace

void Signalling::every_second() {
    data_is_in_place_ = d_.data.is_in_place();
    free_memory_ = io::available_memory();
    look_at_drops();
    const Load now = load();
    d_.view.checks.set(make_checks({.config = config_,
                                    .load = now,
                                    .sockets = d_.loop.counters(),
                                    .archive_backlog = d_.archiver.backlog(),
                                    .archive_failures = d_.archiver.failures(),
                                    .lost_records = journal_refusals_,
                                    .dropped_messages = dropped_messages_,
                                    .attempts = attempts_.counters(),
                                    .reader = d_.capture.reader_state(),
                                    .kernel_drops = io::read_kernel_counters() - kernel_at_start_,
                                    .messages_at = messages_at(d_.messages),
                                    .messages_fault = d_.messages_fault,
                                    .reload_fault = reload_fault_,
                                    .certificates = certificates_,
                                    .now = d_.clock.now().wall}));
    certificates_.look(d_.clock.now().wall);
    write_attempts();
    look_at_messages();
    probe_silent_calls();
    d_.view.is_ready = !check_room(config_, now);
    if (std::exchange(clients_are_dirty_, false)) d_.view.clients.set(clients_.clients());
    log_health(now);
    if (const std::uint64_t omitted = refusal_log_.next_second(); omitted > 0)
        d_.log.warning("more was refused in this second than is told here",
                       {{"lines", std::to_string(omitted)}});
    if (live_is_dirty_) publish_live();
    timers_.add(d_.clock.now().steady + std::chrono::seconds{1}, [this] { every_second(); });
}

void Signalling::look_at_messages() {
    for (const auto& [serial, call] : calls_)
        for (auto& [number, stream] : call->streams) {
            if (stream.gate == nullptr) continue;
            const std::uint64_t count = stream.gate->messages.load();
            if (std::exchange(stream.messages, count) != count) live_is_dirty_ = true;
        }
}

// They count until some seconds have passed without one.
void Signalling::look_at_drops() {
    constexpr std::chrono::seconds kFresh{5};
    const base::TimePoint now = d_.clock.now().steady;
    const std::size_t streams = d_.capture.load(now).dropping_streams;
    if (streams > 0) dropped_at_ = now;
    if (streams > dropping_streams_ || now - dropped_at_ > kFresh) dropping_streams_ = streams;
}

// Clients may fail without a BYE; those that know no session timers would hold their ports forever.
void Signalling::probe_silent_calls() {
    const base::TimePoint now = d_.clock.now().steady;
    std::vector<std::uint64_t> silent;
    for (const auto& [serial, call] : calls_) {
        std::uint64_t datagrams = 0;
        for (const auto& [number, stream] : call->streams) {
            const capture::StreamCounters& counters = stream.counters;
            datagrams += counters.packets + counters.rtcp_packets + counters.paused_discarded +
                         stream.messages;
        }
        if (std::exchange(call->datagrams, datagrams) != datagrams) call->heard_at = now;
        if (config_.probe_silent.count() == 0 || now - call->heard_at < config_.probe_silent)
            continue;
        call->heard_at = now;  // again after as long a time
        silent.push_back(serial);
    }
    for (const std::uint64_t serial : silent) {
        Call* call = find(serial);
        if (call == nullptr || call->session->is_ended()) continue;
        call->session->probe();
        run_session(*call);
    }
    if (!silent.empty()) drain();
}

// Once when it breaks and once when it works again, not for each call.
void Signalling::log_health(const Load& load) {
    if (load.journal.ok != journal_was_ok_) {
        journal_was_ok_ = load.journal.ok;
        if (journal_was_ok_)
            d_.log.info("the journal can be written again");
        else
            d_.log.error(
                "the journal cannot be written; running calls are kept in memory while it lasts",
                {{"reason", load.journal.reason.code}, {"text", load.journal.reason.text}});
    }
    const auto refusal = check_room(config_, load);
    if (!refusal.has_value() == had_room_ || stopping_) return;
    had_room_ = !refusal;
    if (had_room_)
        d_.log.info("new calls are taken again");
    else
        d_.log.warning("new calls are refused",
                       {{"reason", refusal->reason.code}, {"text", refusal->reason.text}});
}

void Signalling::publish_live() {
    live_is_dirty_ = false;
    std::vector<api::LiveCall> live;
    live.reserve(by_recording_.size());
    for (const auto& [recording, serial] : by_recording_) {
        const Call* call = find(serial);
        if (call == nullptr || !call->is_journalled) continue;
        live.push_back(make_live_call(*call));
    }
    std::sort(live.begin(), live.end(),
              [](const auto& a, const auto& b) { return a.start > b.start; });
    d_.view.calls.set(std::move(live));
    d_.on_live_changed();
}

}  // namespace earshot::server
