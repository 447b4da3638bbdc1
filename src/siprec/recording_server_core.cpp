#include "siprec/recording_server_core.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "sdp/offer_answer.h"
#include "sip/headers.h"
#include "siprec/limits.h"
#include "siprec/server_answers.h"

namespace earshot::siprec {
namespace {

constexpr int kRetryAfterSeconds = 5;
constexpr int kGlareRetrySeconds = 1;
constexpr std::size_t kDefaultLines = 2;  // one for each direction: P-86

// A BYE that blames its sender (RFC 3326: SIP 5xx) cut the recording off: a client that was killed
// says so when it runs again. Without a code it is the usual end.
base::Reason reason_of(const sip::Message& bye) {
    base::Reason reason;
    if (const auto told = bye.find(sip::HeaderId::Reason)) reason.text = base::to_valid_utf8(*told);
    for (const std::string_view value : bye.values(sip::HeaderId::Reason)) {
        const sip::TokenValue why = sip::parse_token_value(value);
        const auto cause = base::parse_number<int>(why.param("cause").value_or(""));
        const bool is_fault = cause && *cause >= 500 && *cause < 600;
        if (is_fault && base::iequals(why.token, "SIP")) reason.code = "client_failed";
    }
    if (!reason.code.empty()) reason.text = "The client ended it for a fault: " + reason.text;
    return reason;
}

// The answer of strict mode to a leniency, if it has one.
std::optional<sip::ResponseSpec> find_strict_answer(const FoundLeniency& found) {
    const LeniencyFacts& facts = facts_of(found.leniency);
    switch (facts.strict) {
        case kStrictTakes:
        case kStrictFailsDocument:
            return std::nullopt;
        case 415:
            return unsupported_media();
        case 488:
            return not_acceptable(facts.fault);
        default:
            return plain_answer(facts.strict);
    }
}

// What strict mode refuses first: what is malformed (400), or else the rest.
std::optional<sip::ResponseSpec> find_strict_refusal(const std::vector<FoundLeniency>& found,
                                                     bool is_malformed, base::Reason& reason) {
    for (const FoundLeniency& one : found) {
        const LeniencyFacts& facts = facts_of(one.leniency);
        auto answer = find_strict_answer(one);
        if (!answer || (facts.strict == 400) != is_malformed) continue;
        reason = {std::string{facts.code},
                  one.detail.empty() ? std::string{facts.fault} : one.detail};
        return answer;
    }
    return std::nullopt;
}

}  // namespace

// ---- the initial INVITE -----------------------------------------------------------------------

RecordingServerSession::Core::Offer RecordingServerSession::Core::parse_offer(
    const RequestBody& body) {
    if (!body.sdp) return std::nullopt;
    return sdp::KeptDescription::parse(std::string{*body.sdp});
}

std::optional<sip::ResponseSpec> RecordingServerSession::Core::find_refusal(
    const sip::Message& invite, const RequestBody& body, const InviteMarks& marks,
    const Offer& offer, const std::vector<FoundLeniency>& found, base::Reason& reason) const {
    const auto refuse_with = [&](std::string code, std::string text, sip::ResponseSpec response) {
        reason = {std::move(code), std::move(text)};
        return response;
    };
    if (body.is_unreadable) {
        return refuse_with("bad_body", "The multipart body cannot be taken apart.",
                           plain_answer(400, "Unreadable multipart body"));
    }
    if (const auto tags = unsupported_tags(invite); !tags.empty()) {
        return refuse_with("unsupported_extension",
                           "The INVITE requires '" + tags.front() + "', which is not supported.",
                           bad_extension(tags));
    }
    const auto find_strict = [&](bool is_malformed) {
        return is_strict_ ? find_strict_refusal(found, is_malformed, reason) : std::nullopt;
    };
    if (auto refusal = find_strict(true)) return refusal;
    const bool is_recording = is_strict_
                                  ? marks.is_by_the_book()
                                  : marks.is_marked() || marks.all_send_only || records_unmarked_;
    if (!is_recording) {
        return refuse_with("not_a_recording_session",
                           "The INVITE bears no mark of a recording session (siprec, +sip.src).",
                           plain_answer(403, "Not A Recording Session"));
    }
    if (auto headers = timer_.find_refusal(sip::read_session_timer(invite))) {
        return refuse_with("session_interval_too_small",
                           "The INVITE asks for a shorter session interval than sip.min_se_s.",
                           interval_too_small(std::move(*headers)));
    }
    if (is_strict_ && !body.sdp) {
        return refuse_with("no_offer", "The INVITE carries no SDP.",
                           not_acceptable("offer needed"));
    }
    if (auto refusal = find_strict(false)) return refusal;
    if (!body.sdp) return std::nullopt;
    if (!*offer) {
        return refuse_with("bad_sdp", "The SDP cannot be read: " + std::string{offer->error().what},
                           not_acceptable("SDP unreadable"));
    }
    if (!lines_.is_acceptable(***offer)) {
        return refuse_with("no_common_media", "No media line of the offer can be recorded.",
                           not_acceptable("no media line can be recorded"));
    }
    return std::nullopt;
}

void RecordingServerSession::Core::on_invite(base::Now now, sip::TransactionId transaction,
                                             const base::NetAddress& peer,
                                             const sip::Message& invite) {
    if (state_ != State::Idle) {
        on_request(now, transaction, invite);
        return;
    }
    peer_ = peer;
    const RequestBody body = read_body(invite);
    const InviteMarks marks = find_marks(invite, body);
    RowFacts facts;
    facts.call_id = invite.call_id();
    facts.from = invite.find(sip::HeaderId::From).value_or("");
    facts.to = invite.find(sip::HeaderId::To).value_or("");
    facts.headers = foreign_headers(invite);

    Offer offer = parse_offer(body);
    base::Reason reason;
    const std::vector<FoundLeniency> found = find_all_leniencies(invite, &marks, body, offer);
    if (auto refusal = find_refusal(invite, body, marks, offer, found, reason)) {
        actions_.emplace_back(CreateRow{std::move(facts)});
        refuse(transaction, std::move(*refusal), std::move(reason));
        return;
    }
    state_ = State::Answering;
    pending_ = std::make_unique<Pending>();
    pending_->transaction = transaction;
    pending_->is_initial = true;
    pending_->timer = sip::read_session_timer(invite);
    if (offer && *offer) {
        offers_.keep(***offer, *body.sdp);
        pending_->offer.emplace(*std::move(*offer));
    }
    begin(now, facts, invite, body, found);
    if (!asks_policy_) return start_recording(now);
    ask_policy(std::move(facts));
}

void RecordingServerSession::Core::ask_policy(RowFacts facts) {
    held_ = std::make_unique<std::vector<Action>>(std::exchange(actions_, {}));
    Decide question{.facts = std::move(facts), .streams = {}};
    if (pending_->offer) question.streams = lines_.offered_streams(**pending_->offer);
    actions_.emplace_back(std::move(question));
}

// What the message that begins the session tells, be it an INVITE or the 2xx to ours.
void RecordingServerSession::Core::begin(base::Now now, RowFacts& facts,
                                         const sip::Message& message, const RequestBody& body,
                                         const std::vector<FoundLeniency>& found) {
    peer_takes_update_ =
        !message.has(sip::HeaderId::Allow) || message.lists(sip::HeaderId::Allow, "UPDATE");

    // The row and the first event come first, yet tell what the metadata says.
    std::vector<Action> before = std::move(actions_);
    actions_.clear();
    metadata_.set_peer(peer_, is_strict_);
    take_metadata(now, body);
    metadata_.fill(facts);
    if (facts.participants.empty())
        for (const HeaderParty& party : header_parties(message))
            facts.participants.push_back({party.aor, {}});
    metadata_.on_row_created(facts);
    std::vector<EventField> fields = {{"call_id", facts.call_id},
                                      {"from", facts.from},
                                      {"to", facts.to},
                                      {"peer", base::to_string(peer_)},
                                      {"session_ids", facts.session_ids}};
    if (const auto date = message.find(sip::HeaderId::Date))  // RFC 7865 section 6.1.1
        fields.emplace_back("date", std::string{*date});
    before.emplace_back(CreateRow{facts});
    before.emplace_back(make_event("recording_started", kNoStream, fields));
    actions_.insert(actions_.begin(), std::make_move_iterator(before.begin()),
                    std::make_move_iterator(before.end()));
    tell_leniencies(found);
    if (pending_->offer) tell_record_attributes(**pending_->offer);
    pending_->header_parties = header_parties(message);
}

// Nothing has been opened or answered yet: a 100 has gone, and a CANCEL may have come. The 2xx to
// our own INVITE waits for its ACK.
void RecordingServerSession::Core::on_decision(base::Now now, Ruling ruling) {
    if (held_ == nullptr || pending_ == nullptr) return;
    if (ruling.kind == Ruling::Kind::Decline) {
        create_held_row();
        give_up_pending(plain_answer(ruling.status, std::move(ruling.phrase)));
        state_ = State::Ended;
        actions_.emplace_back(End{false, std::move(ruling.reason)});
        return;
    }
    for (Action& action : *held_) actions_.push_back(std::move(action));
    held_.reset();
    if (ruling.event) actions_.emplace_back(*std::move(ruling.event));
    lines_.set_policy(std::move(ruling.declines), ruling.kind == Ruling::Kind::Inactive);
    pending_->release_after = ruling.release_after;
    start_recording(now);
}

// An INVITE that ends before the policy has spoken leaves its row all the same.
void RecordingServerSession::Core::create_held_row() {
    if (held_ == nullptr) return;
    actions_.push_back(std::move(held_->front()));
    held_.reset();
}

void RecordingServerSession::Core::start_recording(base::Now now) {
    if (pending_->offer)
        lines_.apply(**pending_->offer, MediaLines::Role::Offer, peer_, media_, actions_);
    else
        lines_.open_default(kDefaultLines, media_, actions_);
    assume_parties(std::move(pending_->header_parties));
    lines_.update_holds(metadata_.model(), actions_);
    answer_when_ready(now);
}

void RecordingServerSession::Core::on_row_durable(base::Now now) {
    row_durable_ = true;
    answer_when_ready(now);
}

void RecordingServerSession::Core::on_row_failed(base::Now /*now*/, base::Reason reason) {
    if (state_ != State::Answering || pending_ == nullptr) return;
    give_up_pending(try_later(503, kRetryAfterSeconds));
    end("local", std::move(reason));
}

void RecordingServerSession::Core::give_up_pending(sip::ResponseSpec response) {
    const std::unique_ptr<Pending> request = std::move(pending_);
    if (request == nullptr) return;
    if (!request->is_in_ack) return respond(request->transaction, std::move(response));
    refuse_in_ack(&**request->offer);
    send_bye(response.status);
}

void RecordingServerSession::Core::on_stream_opened(base::Now now, std::uint16_t stream,
                                                    std::uint16_t rtp_port,
                                                    std::uint16_t rtcp_port) {
    if (state_ == State::Ended) return;
    lines_.on_opened(stream, rtp_port, rtcp_port, actions_);
    answer_when_ready(now);
}

void RecordingServerSession::Core::on_messages_opened(base::Now now, std::uint16_t stream,
                                                      MessageEndpoint ours) {
    if (state_ == State::Ended) return;
    lines_.on_messages_opened(stream, std::move(ours), actions_);
    answer_when_ready(now);
}

void RecordingServerSession::Core::on_stream_failed(base::Now now, std::uint16_t stream,
                                                    const base::Reason& reason) {
    if (state_ == State::Ended) return;
    lines_.on_failed(stream, reason.code.empty() ? "failed" : reason.code, actions_);
    if (pending_ != nullptr) pending_->lacks_ports = true;
    answer_when_ready(now);
}

void RecordingServerSession::Core::on_stream_refused(base::Now now, std::uint16_t stream,
                                                     const base::Reason& reason) {
    if (state_ == State::Ended) return;
    lines_.on_failed(stream, reason.code, actions_);
    if (pending_ != nullptr) pending_->refusal = reason;
    answer_when_ready(now);
}

// ---- answers ----------------------------------------------------------------------------------

void RecordingServerSession::Core::answer_when_ready(base::Now now) {
    if (pending_ == nullptr || lines_.is_waiting()) return;
    if (pending_->is_initial && !row_durable_) return;
    if (pending_->is_initial && lines_.open_count() == 0) {
        const bool disabled_by_peer =
            pending_->offer &&
            std::all_of((*pending_->offer)->media.begin(), (*pending_->offer)->media.end(),
                        [](const auto& medium) { return medium.port == 0; });
        // A persistent RS may start with every line disabled or none (P-110); else the lines were
        // at fault, or no port was left.
        if (!disabled_by_peer && pending_->refusal && !pending_->lacks_ports) {
            const base::Reason why = *pending_->refusal;
            give_up_pending(not_acceptable(why.text));
            end("local", why);
            return;
        }
        if (!disabled_by_peer) {
            give_up_pending(try_later(503, kRetryAfterSeconds));
            end("local", {"no_ports", "No media port could be opened for any line of the offer."});
            return;
        }
    }
    lines_.update_roles(metadata_.model(), actions_);
    const std::unique_ptr<Pending> request = std::move(pending_);
    std::string sdp;
    if (request->offer) {
        sdp = make_answer(**request->offer);
    } else {
        sdp = last_sdp_.empty() ? make_first_offer()
                                : make_repeated_offer(lines_.is_inactive_by_us());
        awaits_answer_ = true;
        initial_was_ours_ = request->is_initial;
    }
    last_sdp_ = sdp;
    if (control_ || lines_.is_inactive_by_us()) {
        control().is_told = lines_.is_inactive_by_us();
        control_->is_in_doubt = false;
        // A wish that fell while no line was open.
        if (wants_inactive() != control_->is_told) control_->due = now.steady;
    }
    if (request->is_in_ack) {
        Acknowledge ack;
        ack.request.content_type = "application/sdp";
        ack.request.body = std::move(sdp);
        actions_.emplace_back(std::move(ack));
    } else {
        sip::ResponseSpec response = sdp_answer(std::move(sdp));
        add_headers(response.headers, timer_.accept(now.steady, request->timer));
        respond(request->transaction, std::move(response));
    }
    if (!request->is_initial) return;
    state_ = State::Established;
    was_accepted_ = true;
    awaits_ack_ = !request->is_in_ack;
    metadata_.expect_snapshot(now.steady);
    if (lines_.is_withheld() && request->release_after)
        control().release_at = now.steady + *request->release_after;
}

sdp::LocalOrigin RecordingServerSession::Core::origin() const {
    sdp::LocalOrigin origin;
    origin.username = "earshot";
    origin.session_id = session_number_;
    origin.session_version = sdp_version_;
    origin.address = lines_.session_address(media_);
    if (lines_.uses_ice()) origin.attributes = "a=ice-lite\r\n";
    return origin;
}

// RFC 3264 section 8: the version goes up by one when, and only when, the description changes.
std::string RecordingServerSession::Core::make_answer(const sdp::SessionDescription& offer) {
    const auto decisions = lines_.decisions(media_);
    std::string answer = sdp::make_recording_answer(offer, origin(), decisions);
    if (last_sdp_.empty() || answer == last_sdp_) return answer;
    ++sdp_version_;
    return sdp::make_recording_answer(offer, origin(), decisions);
}

// What we can hear, for a client that leaves the offer to us (E-4). In its offers a recording
// server only receives.
std::string RecordingServerSession::Core::make_first_offer() {
    const auto type = [](std::uint8_t number, std::string_view encoding, std::uint32_t rate,
                         std::string_view fmtp = {}) {
        sdp::PayloadType payload;
        payload.number = number;
        payload.encoding = encoding;
        payload.clock_rate = rate;
        payload.fmtp = fmtp;
        payload.has_rtpmap = true;
        return payload;
    };
    const std::array<sdp::PayloadType, 5> types = {type(0, "PCMU", 8000), type(8, "PCMA", 8000),
                                                   type(9, "G722", 8000), type(13, "CN", 8000),
                                                   type(101, "telephone-event", 8000, "0-15")};
    std::vector<sdp::OfferedMedia> media;
    for (const MediaLines::Line& line : lines_.lines()) {
        sdp::OfferedMedia one;
        one.port = line.rtp_port;
        one.rtcp_port = line.rtcp_port;
        one.payload_types = types;
        one.direction =
            lines_.is_inactive_by_us() ? sdp::Direction::Inactive : sdp::Direction::RecvOnly;
        one.label = line.label;
        media.push_back(one);
    }
    return sdp::make_offer(origin(), media);
}

// The lines that are there, no new ones (P-44): for an INVITE without an offer in a running
// session, and for our own. The directions say what we want (P-42), not what the client last said.
std::string RecordingServerSession::Core::make_repeated_offer(bool inactive) {
    auto description = sdp::parse(last_sdp_);
    if (!description) return last_sdp_;
    ++sdp_version_;
    const std::string version = std::to_string(sdp_version_);
    if (description->origin) description->origin->session_version = version;
    for (sdp::Attribute& attribute : description->all_attributes)
        if (attribute.name == "recvonly" || attribute.name == "inactive")  // all that we write
            attribute.name = inactive ? "inactive" : "recvonly";
    for (std::size_t i = 0; i < description->media.size(); ++i) {
        const auto& lines = lines_.lines();
        const bool is_open = i < lines.size() && lines[i].state == MediaLines::Line::State::Open;
        if (!is_open || lines[i].dropped) description->media[i].port = 0;
    }
    return sdp::write_bundled(*std::move(description));
}

void RecordingServerSession::Core::respond(sip::TransactionId transaction,
                                           sip::ResponseSpec response) {
    actions_.emplace_back(Respond{transaction, std::move(response)});
}

void RecordingServerSession::Core::refuse(sip::TransactionId transaction,
                                          sip::ResponseSpec response, base::Reason reason) {
    respond(transaction, std::move(response));
    state_ = State::Ended;
    actions_.emplace_back(End{false, std::move(reason)});
}

// ---- requests in the dialog -------------------------------------------------------------------

void RecordingServerSession::Core::take_metadata(base::Now now, const RequestBody& body) {
    if (!body.metadata) return;
    const auto is_voice = [this](std::string_view label) { return lines_.may_be_voice(label); };
    metadata_.take(now, *body.metadata, body.metadata_charset, is_voice, actions_);
    lines_.update_holds(metadata_.model(), actions_);
    lines_.update_roles(metadata_.model(), actions_);
}

void RecordingServerSession::Core::on_request(base::Now now, sip::TransactionId transaction,
                                              const sip::Message& request) {
    if (state_ == State::Ended || state_ == State::Idle) {
        respond(transaction, plain_answer(481));
        return;
    }
    switch (request.method()) {
        case sip::Method::Invite:
        case sip::Method::Update:
            on_modification(now, transaction, request);
            break;
        case sip::Method::Info:
            on_info(now, transaction, request);
            break;
        case sip::Method::Bye:
            on_bye(now, transaction, request);
            break;
        case sip::Method::Options:
            respond(transaction, options_answer());
            break;
        case sip::Method::Prack:  // of nothing: no provisional response of ours is reliable
            respond(transaction, plain_answer(481));
            break;
        case sip::Method::Ack:
        case sip::Method::Cancel:  // never answered here
            break;
        default:
            respond(transaction, method_refused(request.method() != sip::Method::Other));
    }
}

std::optional<sip::ResponseSpec> RecordingServerSession::Core::find_fault(
    const sip::Message& request, const RequestBody& body, const Offer& offer,
    const std::vector<FoundLeniency>& found) const {
    if (pending_ != nullptr) return try_later(500, kGlareRetrySeconds);  // RFC 3311 section 5.2
    if (const auto tags = unsupported_tags(request); !tags.empty()) return bad_extension(tags);
    // RFC 3311 section 5.2: ours, of a request or of a 2xx, has no answer yet.
    if ((is_offering_ || awaits_answer_) && offer) return plain_answer(491);
    if (auto headers = timer_.find_refusal(sip::read_session_timer(request)))
        return interval_too_small(std::move(*headers));
    if (body.is_unreadable) return plain_answer(400, "Unreadable multipart body");
    for (const FoundLeniency& one : found) {
        auto answer = is_strict_ ? find_strict_answer(one) : std::nullopt;
        if (answer) return answer;
    }
    if (!offer) return std::nullopt;
    if (!*offer) return not_acceptable("SDP unreadable");
    if (!lines_.is_acceptable(***offer)) return not_acceptable("no media line can be recorded");
    return std::nullopt;
}

// A re-INVITE or an UPDATE: an offer, metadata, both, or neither (a refresh). What is refused
// leaves the session as it was (RFC 3261 section 14.2).
void RecordingServerSession::Core::on_modification(base::Now now, sip::TransactionId transaction,
                                                   const sip::Message& request) {
    const RequestBody body = read_body(request);
    Offer offer = parse_offer(body);
    const std::vector<FoundLeniency> found = find_all_leniencies(request, nullptr, body, offer);
    if (auto fault = find_fault(request, body, offer, found)) {
        respond(transaction, std::move(*fault));
        return;
    }
    tell_leniencies(found);
    const bool is_invite = request.method() == sip::Method::Invite;
    auto pending = std::make_unique<Pending>();
    pending->transaction = transaction;
    if (offer) {
        offers_.keep(***offer, *body.sdp);
        pending->offer.emplace(*std::move(*offer));
    }
    // Labels of the metadata are those of the offer beside it (P-32): the offer goes first.
    if (pending->offer) {
        tell_record_attributes(**pending->offer);
        lines_.apply(**pending->offer, MediaLines::Role::Offer, peer_, media_, actions_);
    }
    take_metadata(now, body);
    lines_.update_holds(metadata_.model(), actions_);
    assume_parties(is_invite ? header_parties(request) : std::vector<HeaderParty>{});
    if (is_strict_ && metadata_.failure_count() > 1) {
        respond(transaction, plain_answer(200));
        stop(now, {"bad_metadata", "The metadata could not be read twice."});
        return;
    }
    const sip::SessionTimerFields timer = sip::read_session_timer(request);
    if (!pending->offer && !is_invite) {
        sip::ResponseSpec response = plain_answer(200);
        add_headers(response.headers, timer_.accept(now.steady, timer));
        respond(transaction, std::move(response));
        return;
    }
    pending->timer = timer;
    pending_ = std::move(pending);
    awaits_ack_ = awaits_ack_ || is_invite;
    answer_when_ready(now);
}

void RecordingServerSession::Core::on_info(base::Now now, sip::TransactionId transaction,
                                           const sip::Message& request) {
    const RequestBody body = read_body(request);
    const auto dtmf = parse_dtmf(body.other_type, body.other_body);
    if (dtmf && !keeps_digits_) {
        if (!std::exchange(told_digits_, true))
            actions_.emplace_back(
                make_event("digits_not_stored", kNoStream, {{"source", std::string{"info"}}}));
    } else if (dtmf) {
        std::vector<EventField> fields = {{"source", std::string{"info"}}};
        if (lines_.is_all_paused()) {
            fields.emplace_back("masked", true);  // card numbers are typed while paused
        } else {
            fields.emplace_back("digit", dtmf->digit);
            fields.emplace_back("duration_ms", std::int64_t{dtmf->duration_ms});
        }
        actions_.emplace_back(make_event("dtmf", kNoStream, fields));
    }
    take_metadata(now, body);
    respond(transaction, plain_answer(200));
}

void RecordingServerSession::Core::on_bye(base::Now now, sip::TransactionId transaction,
                                          const sip::Message& bye) {
    take_metadata(now, read_body(bye));
    if (pending_ != nullptr && pending_->is_in_ack) {
        // Too early (RFC 3261 section 15), and meant: its 2xx has to be acknowledged all the same.
        refuse_in_ack(&**pending_->offer);
        pending_.reset();  // a row that becomes durable later must not answer it again
        respond(transaction, plain_answer(200));
        return end("peer", {"ended_early", "The client hung up before its offer was answered."});
    }
    respond(transaction, plain_answer(200));
    if (pending_ != nullptr) {
        respond(pending_->transaction, plain_answer(487));
        pending_.reset();
    }
    end("peer", reason_of(bye));
}

void RecordingServerSession::Core::on_cancel(base::Now /*now*/) {
    if (pending_ == nullptr) return;
    const bool is_initial = pending_->is_initial;
    pending_.reset();  // the Agent has answered 487
    if (is_initial) {
        end("peer", {"cancelled", "The INVITE was cancelled before it was answered."});
        return;
    }
    awaits_ack_ = false;
}

void RecordingServerSession::Core::on_ack(base::Now now, const sip::Message& ack) {
    if (state_ != State::Established) return;
    awaits_ack_ = false;
    if (!std::exchange(awaits_answer_, false)) return;
    const bool is_initial = std::exchange(initial_was_ours_, false);
    const RequestBody body = read_body(ack);
    const auto answer =
        body.sdp
            ? sdp::parse(*body.sdp)
            : base::Result<sdp::SessionDescription>{base::Error{base::Errc::NotFound, "no answer"}};
    if (answer) {
        lines_.apply(
            *answer,
            is_told_inactive() ? MediaLines::Role::AnswerToInactive : MediaLines::Role::Answer,
            peer_, media_, actions_);
        lines_.update_roles(metadata_.model(), actions_);
    } else if (is_initial) {
        stop(now, {"no_answer", "The ACK carried no answer to our offer."});
        return;
    }
    take_metadata(now, body);
}

void RecordingServerSession::Core::on_no_ack(base::Now /*now*/) {
    if (state_ != State::Established) return;
    send_bye();
    end("local", {"no_ack", "The 200 to the INVITE was never acknowledged."});
}

// ---- the end ----------------------------------------------------------------------------------

void RecordingServerSession::Core::on_dialog_lost(base::Now /*now*/, base::Reason reason) {
    if (state_ == State::Ended || state_ == State::Idle) return;
    pending_.reset();
    end("local", std::move(reason));
}

void RecordingServerSession::Core::stop(base::Now /*now*/, base::Reason reason) {
    if (state_ == State::Ended || state_ == State::Idle) return;
    if (state_ == State::Inviting) actions_.emplace_back(CancelInvite{});
    give_up_pending(try_later(503, kRetryAfterSeconds));
    // Who would go on elsewhere is told that somebody here wished for the end (RFC 3326).
    constexpr int kWished = 200;
    if (state_ == State::Established) send_bye(reason.code == kStoppedByOperator ? kWished : 0);
    end("local", std::move(reason));
}

// `cause`: the status by which an INVITE would have been refused, or 200 (RFC 3326); 0: none.
void RecordingServerSession::Core::send_bye(int cause) {
    sip::RequestSpec bye;
    bye.method = "BYE";
    if (cause != 0) bye.headers.push_back({"Reason", "SIP;cause=" + std::to_string(cause)});
    actions_.emplace_back(SendRequest{std::move(bye)});
}

void RecordingServerSession::Core::end(std::string_view by, base::Reason reason) {
    create_held_row();
    lines_.close_all(actions_);
    lines_.update_roles(metadata_.model(), actions_);
    actions_.emplace_back(make_event("call_ended", kNoStream,
                                     {{"by", std::string{by}},
                                      {"code", reason.code.empty() ? "bye" : reason.code},
                                      {"text", reason.text}}));
    state_ = State::Ended;
    actions_.emplace_back(End{was_accepted_, std::move(reason)});
}

std::optional<Action> RecordingServerSession::Core::poll_action() {
    if (next_action_ == actions_.size()) {
        actions_ = std::vector<Action>{};  // "= {}" would keep the memory
        next_action_ = 0;
        return std::nullopt;
    }
    return std::move(actions_[next_action_++]);
}

}  // namespace earshot::siprec
