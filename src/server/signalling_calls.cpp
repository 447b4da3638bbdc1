// Signalling, continued: what a session wants of capture, journal and catalogue.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/text.h"
#include "sdp/bundle.h"
#include "server/attempt_record.h"
#include "server/call_views.h"
#include "server/signalling.h"
#include "sip/parser.h"
#include "sip/redact.h"
#include "siprec/info_digits.h"

namespace earshot::server {

using base::Reason;

namespace {

// A 200 within half a millisecond of the INVITE was lost by OpenSIPS in one call of ten; with 10 ms
// none was (interop section 1 point 3). The 100 has gone before.
constexpr std::chrono::milliseconds kEarliestAnswer{10};
// The catalogue did not commit: the journal's commit of the attempt stands in for it (design 9.4).
constexpr std::chrono::milliseconds kCataloguePatience{100};
// Neither did: 503.
constexpr std::chrono::seconds kRowPatience{3};

// Of an INVITE of ours that became no recording; `status` is the client's.
std::string outcome_of_start(int status, const Reason& why) {
    if (status >= 300) return "refused";
    return why.code.starts_with("stopped") ? "cancelled" : "failed";
}

base::Bytes to_bytes(std::string_view text) {
    const base::ByteView view = base::as_bytes(text);
    return {view.begin(), view.end()};  // of octets: copied as a block
}

}  // namespace

// ---- what a session wants -----------------------------------------------------------------------

void Signalling::run_session(Call& call) {
    while (auto action = call.session->poll_action())
        std::visit([&](auto& a) { carry_out(call, a); }, *action);
    look_for_join_keys(call);
    if (call.wants_row && !call.end) submit_rows(call);
    if (call.is_row_stale && call.is_journalled && !call.end) refresh_row(call);
    const auto due = call.end ? std::nullopt : call.session->deadline();
    if (due != call.session_due) {
        timers_.cancel(call.session_timer);
        call.session_timer = due ? watch_session(call.serial, *due) : 0;
        call.session_due = due;
    }
    if (call.end) finish(call);
}

TimerList::Id Signalling::watch_session(std::uint64_t serial, base::TimePoint due) {
    return timers_.add(due, [this, serial] {
        Call* late = find(serial);
        if (late == nullptr) return;
        late->session_due.reset();
        late->session->on_time(d_.clock.now());
        run_session(*late);
    });
}

void Signalling::carry_out(Call& call, siprec::CreateRow& action) {
    call.facts = std::move(action.facts);
    std::string headers;
    base::JsonWriter json(headers);
    json.begin_object();
    std::map<std::string, std::string>
        merged;  // fields of one name by ", " (RFC 3261 section 7.3.1)
    for (const auto& [name, value] : call.facts.headers) {
        std::string& all = merged[name];
        all += all.empty() ? value : ", " + value;
    }
    for (const auto& [name, value] : merged) json.any_key(name).text(value);
    json.end_object();
    std::string row = std::move(call.attempt.id);  // of an INVITE of ours, or a challenged one
    if (row.empty()) row = base::to_string(base::make_uuid_v7(call.arrived.wall, d_.random));
    call.attempt = {.id = std::move(row),
                    .recording_id = std::nullopt,
                    .time = call.arrived.wall,
                    .call_id = call.facts.call_id,
                    .from = call.facts.from,
                    .to = call.facts.to,
                    .peer = base::to_string(call.flow.remote),
                    .transport = base::to_lower(sip::via_name(call.flow.transport)),
                    .outcome = "recording",
                    .sip_status = call.attempt.sip_status,  // cancelled while the policy thought
                    .reason = std::nullopt,
                    .headers = std::move(headers),
                    .is_ours = call.is_ours};
    call.wants_row = true;
}

// The INVITE is taken: its records go to the journal, its rows to the catalogue; the 200 waits for
// the row.
void Signalling::submit_rows(Call& call) {
    call.wants_row = false;
    call.is_row_stale = false;
    call.is_journalled = true;
    call.attempt.recording_id = base::to_string(call.recording);
    for (capture::JournalEntry& entry : call.early) append(std::move(entry));
    call.early = {};  // with its memory: it is not needed again
    const std::string record = to_record(call.attempt);
    store(call, journal::RecordType::Attempt, to_bytes(record), call.arrived.wall);

    const std::uint64_t serial = call.serial;
    const auto committed = [this,
                            serial](std::optional<Reason> failure) {  // on the catalogue's thread
        {
            const std::lock_guard lock(row_answers_mutex_);
            row_answers_.push_back({.serial = serial, .failure = std::move(failure)});
        }
        wake();
    };
    catalog::Change change = make_change(call);
    change.attempts.push_back(call.attempt);
    if (!d_.catalogue.submit(std::move(change), committed)) {
        on_catalogue_late(serial);
        return;
    }
    call.row_timer = timers_.add(d_.clock.now().steady + kCataloguePatience,
                                 [this, serial] { on_catalogue_late(serial); });
}

void Signalling::take_row_answers() {
    std::vector<RowAnswer> answers;
    {
        const std::lock_guard lock(row_answers_mutex_);
        answers.swap(row_answers_);
    }
    for (const RowAnswer& answer : answers) on_row_answer(answer);
}

void Signalling::on_row_answer(const RowAnswer& answer) {
    if (answer.failure) {
        d_.log.error("the catalogue did not take a call's row",
                     {{"reason", answer.failure->code}, {"text", answer.failure->text}});
        return on_catalogue_late(answer.serial);
    }
    confirm_row(answer.serial);
}

// The attempt lies in the journal already; its commit is as good as the row, which is made again
// from it.
void Signalling::on_catalogue_late(std::uint64_t serial) {
    Call* call = find(serial);
    if (call == nullptr || call->row_is_durable) return;
    timers_.cancel(call->row_timer);
    const std::uint64_t token = ++last_token_;
    durable_waits_[token] = serial;
    if (!d_.capture.request_durable(call->recording, token)) durable_waits_.erase(token);
    call->row_timer = timers_.add(d_.clock.now().steady + kRowPatience, [this, serial] {
        Call* waiting = find(serial);
        if (waiting == nullptr || waiting->row_is_durable) return;
        waiting->row_timer = 0;
        waiting->session->on_row_failed(
            d_.clock.now(),
            {"storage_error", "Neither the catalogue nor the journal could store the call's row."});
        run_session(*waiting);
    });
}

void Signalling::confirm_row(std::uint64_t serial) {
    Call* call = find(serial);
    if (call == nullptr || call->row_is_durable) return;
    call->row_is_durable = true;
    timers_.cancel(call->row_timer);
    call->row_timer = 0;
    const base::TimePoint earliest = call->arrived.steady + kEarliestAnswer;
    const auto answer = [this, serial] {
        Call* ready = find(serial);
        if (ready == nullptr) return;
        ready->session->on_row_durable(d_.clock.now());
        run_session(*ready);
    };
    if (d_.clock.now().steady >= earliest)
        answer();
    else
        timers_.add(earliest, answer);
}

void Signalling::carry_out(Call& call, siprec::UpdateRow& action) {
    call.facts.session_ids = std::move(action.facts.session_ids);
    call.facts.participants = std::move(action.facts.participants);
    call.facts.group = std::move(action.facts.group);
    live_is_dirty_ = true;
    call.is_row_stale = true;
}

void Signalling::refresh_row(Call& call) {
    call.is_row_stale = false;
    const bool queued = d_.catalogue.submit(make_change(call), [](const auto&) {});
    if (!queued)
        d_.log.warning("the catalogue is behind; a running call's row is not refreshed",
                       {{"recording", base::to_string(call.recording)}});
}

namespace {

// 0: its packets do not say it.
std::uint8_t mid_extension_of(const siprec::StreamFacts& facts) {
    for (const siprec::HeaderExtension& extension : facts.header_extensions)
        if (extension.uri == sdp::kMidExtension && extension.id <= 255)
            return static_cast<std::uint8_t>(extension.id);
    return 0;
}

// A stream that has the transport already; null: none has.
const std::pair<const std::uint16_t, CallStream>* find_on_transport(const Call& call,
                                                                    std::uint32_t transport,
                                                                    std::uint16_t but) {
    for (const auto& entry : call.streams)
        if (!entry.second.is_closed && entry.first != but &&
            entry.second.facts.transport == transport)
            return &entry;
    return nullptr;
}

// RTCP shares the port of a BUNDLE group; the other one of the pair is open.
base::Result<capture::Ports, Reason> ports_of(bool is_queued, const CallStream& beside) {
    capture::Ports ports;
    ports.rtp.port = beside.local_port;
    ports.rtcp.port = static_cast<std::uint16_t>(beside.local_port + 1);
    if (is_queued) return ports;
    return Reason{"overloaded", "The media thread does not keep up with its commands."};
}

capture::StreamFormat to_format(const siprec::StreamFacts& facts,
                                const srtp::DtlsIdentity* identity) {
    capture::StreamFormat format{.payload_types = {},
                                 .remote_rtp = facts.peer_rtp,
                                 .remote_rtcp = facts.peer_rtcp,
                                 .signalled_ssrcs = {},
                                 .rtcp_mux = facts.rtcp_mux,
                                 .feedback = {.nack = facts.feedback.nack,
                                              .pli = facts.feedback.pli,
                                              .fir = facts.feedback.fir},
                                 .keys = std::nullopt,
                                 .dtls = std::nullopt};
    if (facts.dtls) {
        format.dtls = capture::DtlsKeying{.identity = identity,
                                          .peer = facts.dtls->peer,
                                          .tls_id = facts.dtls->tls_id,
                                          .are_we_active = facts.dtls->are_we_active,
                                          .ice = {}};
        if (const auto& ice = facts.dtls->ice)
            format.dtls->ice = capture::IceParameters{
                .ufrag = ice->ufrag, .password = ice->password, .peer_ufrag = ice->peer_ufrag};
    }
    if (facts.is_bundled)
        format.bundle = capture::BundleTerms{
            .mid = facts.mid, .mid_extension = mid_extension_of(facts), .ssrcs = facts.ssrcs};
    if (facts.sdes)
        format.keys = capture::StreamKeys{.peer = facts.sdes->peer, .ours = facts.sdes->ours};
    for (const siprec::PayloadType& type : facts.payload_types)
        format.payload_types.push_back(
            {.number = type.number, .encoding = type.encoding, .clock_rate = type.clock_rate});
    return format;
}

}  // namespace

void Signalling::carry_out(Call& call, siprec::OpenStream& action) {
    const std::uint16_t number = action.facts.stream;
    if (action.facts.messages) return open_messages(call, action.facts);
    const bool is_video = action.facts.media == "video";
    const capture::StreamSetup setup{
        .key = {.recording = call.recording, .stream = number},
        .media = is_video ? capture::MediaClass::Bursty : capture::MediaClass::Paced,
        .signalling_peer = call.flow.remote,
        .format = to_format(action.facts, d_.dtls),
        .paused = action.facts.paused,
        .media_from = call.media_from,
        .ipv6 = action.facts.ipv6,
        .probe = call.probe_media,
        .keeps_digits = call.keeps_digits};
    const auto* beside = find_on_transport(call, action.facts.transport, number);
    const auto ports = beside != nullptr
                           ? ports_of(d_.capture.join_stream(setup, beside->first), beside->second)
                           : d_.capture.open_stream(setup);
    finish_opening(call, std::move(action.facts), ports);
}

void Signalling::carry_out(Call& call, siprec::MoveStream& action) {
    const std::uint16_t number = action.facts.stream;
    const capture::StreamKey key{.recording = call.recording, .stream = number};
    const auto* beside = find_on_transport(call, action.facts.transport, number);
    const capture::StreamFormat format = to_format(action.facts, d_.dtls);
    const auto ports =
        beside != nullptr
            ? ports_of(d_.capture.move_stream_beside(key, beside->first, format), beside->second)
            : d_.capture.move_stream(key, action.facts.ipv6, format);
    finish_opening(call, std::move(action.facts), ports);
}

void Signalling::finish_opening(Call& call, siprec::StreamFacts facts,
                                const base::Result<capture::Ports, Reason>& ports) {
    const std::uint16_t number = facts.stream;
    if (!ports) {
        call.session->on_stream_failed(d_.clock.now(), number, ports.error());
        return;
    }
    CallStream& stream = call.streams[number];
    stream.facts = std::move(facts);
    stream.local_port = ports->rtp.port;
    call.session->on_stream_opened(d_.clock.now(), number, ports->rtp.port, ports->rtcp.port);
    live_is_dirty_ = true;
}

void Signalling::carry_out(Call& call, siprec::UpdateStream& action) {
    const std::uint16_t number = action.facts.stream;
    if (call.streams[number].gate != nullptr) {
        call.streams[number].facts = std::move(action.facts);
        live_is_dirty_ = true;
        return;
    }
    const bool queued = d_.capture.update_stream({.recording = call.recording, .stream = number},
                                                 to_format(action.facts, d_.dtls));
    if (!queued) ++journal_refusals_;
    call.streams[number].facts = std::move(action.facts);
    live_is_dirty_ = true;
}

void Signalling::carry_out(Call& call, siprec::PauseStream& action) {
    CallStream& stream = call.streams[action.stream];
    stream.facts.paused = true;
    live_is_dirty_ = true;
    if (stream.gate == nullptr)
        return pause_in_capture({.recording = call.recording, .stream = action.stream},
                                d_.clock.now().wall);
    stream.gate->is_open = false;
    d_.messages->pause({.recording = call.recording, .stream = action.stream});
}

// A full queue must not record what is not to be recorded: again until it is taken. `at` stays the
// moment that the peer asked for, so packets that came after it are still discarded, unless they
// were read meanwhile.
void Signalling::pause_in_capture(const capture::StreamKey& key, base::WallTime at) {
    if (d_.capture.pause_stream(key, at)) return;
    d_.log.error("the capture queue is full; a pause is late",
                 {{"recording", base::to_string(key.recording)}});
    timers_.add(d_.clock.now().steady + std::chrono::milliseconds{5},
                [this, key, at] { pause_in_capture(key, at); });
}

void Signalling::carry_out(Call& call, siprec::ResumeStream& action) {
    if (const auto& gate = call.streams[action.stream].gate; gate != nullptr)
        gate->is_open = true;
    else if (!d_.capture.resume_stream({.recording = call.recording, .stream = action.stream},
                                       d_.clock.now().wall))
        ++journal_refusals_;
    call.streams[action.stream].facts.paused = false;
    live_is_dirty_ = true;
}

void Signalling::carry_out(Call& call, siprec::CloseStream& action) {
    if (call.streams[action.stream].gate != nullptr)
        close_messages({.recording = call.recording, .stream = action.stream});
    else if (!d_.capture.close_stream({.recording = call.recording, .stream = action.stream}))
        ++journal_refusals_;
    call.streams[action.stream].is_closed = true;
    live_is_dirty_ = true;
}

void Signalling::carry_out(Call& call, siprec::Respond& action) {
    if (action.transaction == call.invite && action.response.status >= 200)
        call.attempt.sip_status = static_cast<std::uint16_t>(action.response.status);
    const auto dialog = agent_->respond(d_.clock.now().steady, action.transaction, action.response);
    if (action.response.status >= 200 && action.response.status < 300) connect_messages(call);
    if (!dialog || !*dialog || call.dialog) return;
    call.dialog = *dialog;
    authenticate(call);
    by_dialog_[call.dialog.value] = call.serial;
}

void Signalling::carry_out(Call& call, siprec::SendRequest& action) {
    if (!call.dialog) return;
    if (!agent_->send_request(d_.clock.now().steady, call.dialog, action.request))
        call.session->on_request_not_sent(d_.clock.now());
}

void Signalling::carry_out(Call& call, siprec::StoreMetadata& action) {
    store(call, journal::RecordType::Metadata, to_bytes(action.bytes), d_.clock.now().wall);
    call.has_new_metadata = true;
}

void Signalling::carry_out(Call& call, siprec::Event& action) {
    const auto bit = static_cast<std::size_t>(action.leniency);
    if (action.leniency != siprec::Leniency::None && !call.told_leniencies.test(bit)) {
        call.told_leniencies.set(bit);
        clients_.on_leniency(call.client, action.leniency, d_.clock.now().wall);
        clients_are_dirty_ = true;
    }
    store(call, journal::RecordType::Event, to_bytes(action.json), d_.clock.now().wall,
          action.stream);
    if (d_.log.writes(base::LogLevel::Debug))
        d_.log.debug("event",
                     {{"recording", base::to_string(call.recording)}, {"event", action.json}});
}

void Signalling::carry_out(Call& call, siprec::End& action) { call.end = std::move(action); }

void Signalling::finish(Call& call) {
    const siprec::End end = std::move(*call.end);
    call.end.reset();
    catalog::Attempt attempt = std::move(call.attempt);
    if (end.accepted)
        attempt.outcome = "recorded";
    else if (call.is_declined)
        attempt.outcome = "declined";
    else if (call.is_ours)
        attempt.outcome = outcome_of_start(attempt.sip_status, end.reason);
    else if (attempt.sip_status == 487)
        attempt.outcome = "cancelled";
    else
        attempt.outcome = attempt.sip_status >= 500 ? "failed" : "refused";
    if (!end.reason.code.empty()) attempt.reason = end.reason;
    const bool is_journalled = call.is_journalled;
    const base::Uuid recording = call.recording;
    hosts_.on_end(call.flow.remote, std::exchange(call.is_acknowledged, true));
    if (end.accepted || refusal_log_.take())
        d_.log.info(is_journalled ? "call ended" : "an INVITE was refused",
                    {{"recording", is_journalled ? base::to_string(recording) : ""},
                     {"call_id", attempt.call_id},
                     {"peer", attempt.peer},
                     {"status", std::to_string(attempt.sip_status)},
                     {"reason", end.reason.text}});
    if (!attempt.id.empty()) {
        attempts_.add_call(std::move(attempt));
        write_attempts();
    }

    timers_.cancel(call.row_timer);
    for (const auto& [number, stream] : call.streams)
        if (!stream.is_closed && stream.gate != nullptr)
            close_messages({.recording = recording, .stream = number});
        else if (!stream.is_closed)
            static_cast<void>(d_.capture.close_stream({.recording = recording, .stream = number}));
    // Its dialog lives a moment longer, to answer the BYE; what belongs to it is still journalled
    // while it lingers.
    if (is_journalled) sealing_.insert(recording);
    by_invite_.erase(call.invite.value);
    by_recording_.erase(recording);
    const std::uint64_t serial = call.serial;
    const sip::DialogId dialog = call.dialog;
    timers_.add(
        d_.clock.now().steady + (stopping_ ? std::chrono::milliseconds{50} : config_.linger),
        [this, serial, dialog, recording, is_journalled] {
            calls_.erase(serial);
            if (dialog) by_dialog_.erase(dialog.value);
            if (is_journalled) close_recording(recording);
            maybe_stopped();
        });
    live_is_dirty_ = true;
}

void Signalling::close_recording(const base::Uuid& recording) {
    const bool has_more = closing_messages_.contains(recording);
    if (!has_more && d_.capture.close_recording(recording)) return;
    // Its last messages are on their way, or the queue is full for a moment: again shortly.
    timers_.add(d_.clock.now().steady + std::chrono::milliseconds{has_more ? 20 : 200},
                [this, recording] { close_recording(recording); });
}

// What the catalogue does not take waits in the ledger for the next second.
void Signalling::write_attempts() {
    const base::TimePoint now = d_.clock.now().steady;
    for (auto rows = attempts_.take(now); !rows.empty(); rows = attempts_.take(now)) {
        std::erase_if(rows, [&](const auto& row) { return challenges_.is_outdated(row); });
        if (rows.empty()) continue;
        const auto committed = [this, rows](std::optional<Reason> failure) {
            if (!failure) return;  // on the catalogue's thread
            d_.loop.post([this, rows, failure] {
                d_.log.error("the catalogue did not take the rows of INVITEs; they wait",
                             {{"rows", std::to_string(rows.size())}, {"text", failure->text}});
                attempts_.put_back(d_.clock.now().steady, rows);
            });
        };
        if (d_.catalogue.submit({.recordings = {}, .attempts = rows}, committed)) continue;
        attempts_.put_back(now, std::move(rows));
    }
}

// ---- journal ------------------------------------------------------------------------------------

void Signalling::store(Call& call, journal::RecordType type, base::Bytes payload,
                       base::WallTime when, std::uint16_t stream) {
    capture::JournalEntry entry{.type = type,
                                .recording = call.recording,
                                .stream = stream,
                                .arrival_ns = base::to_ns(when),
                                .payload = std::move(payload)};
    if (call.is_journalled)
        append(std::move(entry));
    else
        call.early.push_back(std::move(entry));
}

void Signalling::store_received(Call& call, const sip::Flow& flow, sip::Message& message) {
    auto without = siprec::drop_metadata(message, config_.dropped_metadata);
    // Blanks in the body alone: it is as readable as before.
    if (without) message = sip::parse_message(std::move(*without)).message;
    // What is typed while the recording is paused must not be recorded by the way of signalling.
    const base::ByteView raw = message.raw();
    const base::ByteView body = message.body();
    const bool is_typed =
        message.method() == sip::Method::Info && !body.empty() &&
        (call.session->is_paused() || (!call.keeps_digits && siprec::carries_digits(message)));
    const auto masked = is_typed ? raw.data() + raw.size() - body.data() : 0;
    store_sip(call, false, flow, raw, static_cast<std::size_t>(masked));
    if (!without) return;
    // That something is missing, not what: the list may itself tell about the call.
    siprec::Event event = siprec::make_event("metadata_dropped", siprec::kNoStream);
    carry_out(call, event);
}

void Signalling::store_sip(Call& call, bool outgoing, const sip::Flow& flow, base::ByteView message,
                           std::size_t masked_body) {
    base::Bytes payload;
    payload.reserve(journal::kSourceSize + 2 + message.size());
    payload.push_back(outgoing ? 1 : 0);
    payload.push_back(static_cast<std::uint8_t>(flow.transport));
    base::append(payload, flow.remote.ip);
    base::append_u16(payload, flow.remote.port);
    const std::size_t head = payload.size();
    base::append(payload, message);
    std::fill(payload.end() - static_cast<std::ptrdiff_t>(masked_body), payload.end(),
              std::uint8_t{'*'});
    sip::redact_secrets(std::span(payload).subspan(head));
    store(call, journal::RecordType::SipMessage, std::move(payload), d_.clock.now().wall);
}

void Signalling::append(capture::JournalEntry&& entry) {
    const base::Uuid recording = entry.recording;
    if (d_.capture.append(std::move(entry))) return;
    ++journal_refusals_;
    d_.log.error("the capture queue is full; a signalling record is lost",
                 {{"recording", base::to_string(recording)}});
}

}  // namespace earshot::server
