#include "siprec/media_lines.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/text.h"
#include "sdp/crypto_attribute.h"
#include "siprec/limits.h"

namespace earshot::siprec {
namespace {

std::uint64_t fingerprint_of(const StreamFacts& facts) {
    std::uint64_t hash = 0;
    const auto mix = [&](std::uint64_t value) {
        hash = (hash ^ value) * 0x9e3779b97f4a7c15U;  // 2^64 / the golden ratio
        hash ^= hash >> 32U;
    };
    const auto mix_text = [&](const std::string& text) { mix(std::hash<std::string>{}(text)); };
    mix_text(facts.media);
    mix_text(facts.protocol);
    mix_text(facts.content);
    for (const HeaderExtension& extension : facts.header_extensions) {
        mix(extension.id);
        mix_text(extension.uri);
        mix_text(extension.attributes);
    }
    mix(facts.sdes ? 1 + static_cast<std::uint64_t>(facts.sdes->suite()) : 0);
    mix(facts.dtls ? 1 + std::uint64_t{facts.dtls->are_we_active} : 0);
    mix(facts.rtcp_mux ? 1 : 0);
    if (facts.is_bundled) {
        mix_text(facts.mid);
        for (const std::uint32_t ssrc : facts.ssrcs) mix(ssrc);
    }
    for (const PayloadType& type : facts.payload_types) {
        mix(std::uint64_t{type.number} << 48U | std::uint64_t{type.channels} << 32U |
            type.clock_rate);
        mix_text(type.encoding);
        mix_text(type.fmtp);
    }
    mix(std::uint64_t{facts.feedback.nack} | std::uint64_t{facts.feedback.pli} << 1U |
        std::uint64_t{facts.feedback.fir} << 2U);
    return hash;
}

// A session that either side began anew has other URIs (RFC 4975 section 8.2): it is another
// stream, of the same label.
bool is_other_session(const MediaLines::Line& line, const StreamFacts& facts) {
    if ((line.messages != nullptr) != facts.messages.has_value()) return true;
    return facts.messages && line.messages->facts.path != facts.messages->path;
}

void keep_transport(MediaLines::Line& line, const StreamFacts& facts) {
    line.transport = facts.transport;
    line.is_bundled = facts.is_bundled;
    if (!facts.messages)
        line.messages = nullptr;
    else if (line.messages == nullptr)
        line.messages = std::make_unique<MessageLine>(MessageLine{*facts.messages, {}});
    else
        line.messages->facts = *facts.messages;
    line.sdes = facts.sdes ? std::make_unique<SdesKeys>(*facts.sdes) : nullptr;
    line.dtls = facts.dtls ? std::make_unique<DtlsFacts>(*facts.dtls) : nullptr;
    line.rtcp_mux = facts.rtcp_mux;
}

// The stream whose session has ended is not held: it is over.
bool has_stopped(const MetadataModel& model, const MediaStream& stream) {
    const CommunicationSession* session = model.find_session(stream.session);
    return session != nullptr && session->stop.has_value();
}

}  // namespace

const base::NetAddress& MediaLines::address_of(const Line& line, const MediaAddresses& ours) {
    return ours.usual.is_v4() == line.ipv6 ? ours.other : ours.usual;
}

void MediaLines::set_policy(Declines declines, bool withhold) {
    if (declines) declines_ = std::make_unique<Declines>(std::move(declines));
    withheld_ = withhold;
}

void MediaLines::open(Line& line, StreamFacts facts, Actions& out) {
    if (line.stream == kNoStream) line.stream = next_stream_++;
    facts.stream = line.stream;
    line.state = Line::State::Opening;
    line.held = line.had_sender = false;
    line.rtp_port = line.rtcp_port = 0;
    line.refusal = sdp::Refusal::None;
    line.label = facts.label;
    line.paused = facts.paused;
    line.ipv6 = facts.ipv6;
    line.peer_rtp = facts.peer_rtp;
    line.peer_rtcp = facts.peer_rtcp;
    line.fingerprint = fingerprint_of(facts);
    line.media = media_kind(facts.media);
    line.content = sdp::parse_content(facts.content);
    keep_transport(line, facts);
    facts.paused = facts.paused || paused_by_us_;
    opening_.push_back(facts);
    out.emplace_back(OpenStream{std::move(facts)});
}

void MediaLines::change(Line& line, StreamFacts facts, Actions& out) {
    const std::uint64_t fingerprint = fingerprint_of(facts);
    // While paused the address is 0.0.0.0 or stale: what it was before stays.
    const bool is_own_address = !facts.is_bundled && !line.is_bundled;
    if (is_own_address && facts.paused && line.had_address && facts.peer_rtp != line.peer_rtp) {
        facts.peer_rtp = line.peer_rtp;
        facts.peer_rtcp = line.peer_rtcp;
    }
    const bool changed = fingerprint != line.fingerprint || facts.label != line.label ||
                         facts.peer_rtp != line.peer_rtp || facts.peer_rtcp != line.peer_rtcp;
    const bool is_rekeyed = (facts.sdes && line.sdes && facts.sdes->peer != line.sdes->peer) ||
                            (facts.dtls && line.dtls && *facts.dtls != *line.dtls);
    // Masking must hold (E-25): pause before anything else, resume after everything else.
    const bool was_paused = std::exchange(line.paused, facts.paused);
    if (line.paused && !was_paused && !is_discarded_by_us(line))
        set_effective_pause(line, true, out);
    const bool is_moved = facts.transport != line.transport;
    if (changed || is_rekeyed || is_moved || facts.is_bundled != line.is_bundled) {
        keep_transport(line, facts);
        line.fingerprint = fingerprint;
        line.media = media_kind(facts.media);
        line.content = sdp::parse_content(facts.content);
        line.label = facts.label;
        line.peer_rtp = facts.peer_rtp;
        line.peer_rtcp = facts.peer_rtcp;
        facts.paused = facts.paused || is_discarded_by_us(line);
        if (is_moved) {  // told by stream_changed once its port is known
            line.state = Line::State::Moving;
            line.ipv6 = facts.ipv6;
            opening_.push_back(facts);
            out.emplace_back(MoveStream{facts});
        } else {
            out.emplace_back(UpdateStream{facts});
        }
        if (changed && !is_moved)
            out.emplace_back(make_stream_event("stream_changed", facts, line.rtp_port));
        if (is_rekeyed) out.emplace_back(make_event("key_changed", line.stream));
    }
    if (line.sdes && facts.sdes) line.sdes->tag = facts.sdes->tag;
    if (!line.paused && was_paused && !is_discarded_by_us(line))
        set_effective_pause(line, false, out);
}

void MediaLines::set_effective_pause(const Line& line, bool paused, Actions& out) {
    if (paused) {
        out.emplace_back(PauseStream{line.stream});
    } else {
        out.emplace_back(ResumeStream{line.stream});
    }
    // A stream that is still opening is told, with its pause, by stream_added.
    for (StreamFacts& facts : opening_) {
        if (line.state != Line::State::Opening) break;
        if (facts.stream != line.stream) continue;
        facts.paused = paused;
        return;
    }
    out.emplace_back(make_event(paused ? "stream_paused" : "stream_resumed", line.stream));
}

void MediaLines::pause_by_us(Actions& out) {
    if (std::exchange(paused_by_us_, true)) return;
    for (const Line& line : lines_)
        if (line.state != Line::State::Off && !line.paused && !line.dropped)
            set_effective_pause(line, true, out);
}

void MediaLines::resume_by_us(Actions& out) {
    if (!std::exchange(paused_by_us_, false)) return;
    for (const Line& line : lines_)
        if (line.state != Line::State::Off && !line.paused && !line.dropped)
            set_effective_pause(line, false, out);
}

void MediaLines::close(Line& line, Actions& out) {
    if (line.state == Line::State::Off) return;
    opening_.erase(
        std::remove_if(opening_.begin(), opening_.end(),
                       [&](const StreamFacts& facts) { return facts.stream == line.stream; }),
        opening_.end());
    out.emplace_back(CloseStream{line.stream});
    out.emplace_back(make_event("stream_removed", line.stream));
    const bool dropped = line.dropped;
    line = Line{};
    line.dropped = dropped;
}

std::uint16_t MediaLines::drop(std::string_view label, Actions& out) {
    const auto line = std::find_if(lines_.begin(), lines_.end(), [&](const Line& one) {
        return one.state == Line::State::Open && !one.dropped && one.label == label;
    });
    if (line == lines_.end()) return kNoStream;
    // No stream_paused: nothing will resume it.
    if (!line->paused && !paused_by_us_) out.emplace_back(PauseStream{line->stream});
    line->dropped = true;
    return line->stream;
}

// A line that is refused from its first offer on is a stream all the same, of which nothing was
// recorded: it has a number, and keeps it if it is taken later.
void MediaLines::refuse(Line& line, std::size_t index, std::string label, std::string media,
                        sdp::Refusal refusal, Actions& out) {
    const bool was_open = line.state != Line::State::Off;
    close(line, out);
    if (line.refusal == refusal) return;
    line.refusal = refusal;
    if (!was_open && line.stream == kNoStream && next_stream_ < kMaxStreams)
        line.stream = next_stream_++;
    out.emplace_back(make_event("stream_refused", line.stream,
                                {{"media_line", static_cast<std::int64_t>(index)},
                                 {"label", std::move(label)},
                                 {"media", std::move(media)},
                                 {"reason", std::string{sdp::to_string(refusal)}}}));
}

void MediaLines::apply(const sdp::SessionDescription& description, Role role,
                       const base::NetAddress& peer, const MediaAddresses& ours, Actions& out) {
    // An offer with fewer lines than before is a fault (RFC 3264 section 8): the rest is removed.
    for (std::size_t i = description.media.size(); i < lines_.size(); ++i) close(lines_[i], out);
    if (role == Role::Offer) lines_.resize(std::min(description.media.size(), kMaxMediaLines));
    const std::vector<Plan> plans = plan(description, role, ours);
    std::vector<std::pair<std::size_t, sdp::Refusal>> refused;
    for (std::size_t i = 0; i < plans.size(); ++i) {
        Line& line = lines_[i];
        sdp::Refusal refusal = plans[i].refusal;
        if (refusal == sdp::Refusal::PortZero) {
            close(line, out);
            line.refusal = sdp::Refusal::None;
            line.stream = kNoStream;  // what is offered here afterwards is another one (P-34)
            if (role == Role::Offer) line.dropped = false;
            continue;
        }
        if (line.dropped && role != Role::Offer) continue;  // it did not agree
        if (line.state == Line::State::Off && refusal == sdp::Refusal::None &&
            next_stream_ >= kMaxStreams)
            refusal = sdp::Refusal::TooManyStreams;
        if (refusal != sdp::Refusal::None && line.state != Line::State::Off) {
            refuse(line, i, label_of(description, i), base::to_lower(description.media[i].media),
                   refusal, out);
            continue;
        }
        if (refusal != sdp::Refusal::None) {
            refused.emplace_back(i, refusal);
            continue;
        }
        StreamFacts facts = facts_of(description, i, plans[i], role, peer, ours);
        // The peer went over to the other IP family: nothing of it can reach the open port. (In a
        // BUNDLE group it has been given another transport.)
        const bool is_moved = facts.ipv6 != line.ipv6 && !facts.paused && !facts.is_bundled;
        const bool is_other = line.state != Line::State::Off && is_other_session(line, facts);
        if (role == Role::Offer && (is_moved || is_other)) {
            if (line.state != Line::State::Off && next_stream_ >= kMaxStreams) {
                refused.emplace_back(i, sdp::Refusal::TooManyStreams);
                continue;
            }
            if (line.state != Line::State::Off) facts.transport = ++last_transport_;
            close(line, out);
        }
        if (line.state != Line::State::Off) {
            change(line, std::move(facts), out);
        } else if (role == Role::Offer) {
            open(line, std::move(facts), out);
        }
        line.carrier = static_cast<std::uint16_t>(plans[i].carrier);
        line.had_address = line.had_address ||
                           !description.is_held_by_address(description.media[plans[i].carrier]);
    }
    // Those that never ran: last, so that what is recorded has the first numbers.
    for (const auto& [i, refusal] : refused)
        refuse(lines_[i], i, label_of(description, i), base::to_lower(description.media[i].media),
               refusal, out);
    if (role == Role::Offer) tell_excess(description, out);
}

// They get port 0 and are no streams: what lacks in the recording is told once, by their number.
void MediaLines::tell_excess(const sdp::SessionDescription& offer, Actions& out) {
    const std::size_t count = sdp::count_excess_media(offer);
    if (std::exchange(excess_, count) == count || count == 0) return;
    out.emplace_back(make_event("stream_refused", kNoStream,
                                {{"media_line", static_cast<std::int64_t>(offer.media.size())},
                                 {"media_lines", static_cast<std::int64_t>(count)},
                                 {"reason", std::string{sdp::to_string(sdp::Refusal::TooMany)}}}));
}

void MediaLines::open_default(std::size_t count, const MediaAddresses& ours, Actions& out) {
    lines_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        StreamFacts facts;
        facts.label = std::to_string(i + 1);
        facts.protocol = "RTP/AVP";
        facts.direction = withheld_ ? "inactive" : "recvonly";
        facts.paused = withheld_;
        facts.ipv6 = !ours.usual.is_v4();
        facts.transport = ++last_transport_;
        open(lines_[i], std::move(facts), out);
    }
}

MediaLines::Line* MediaLines::find(std::uint16_t stream) {
    const auto found = std::find_if(lines_.begin(), lines_.end(),
                                    [&](const Line& line) { return line.stream == stream; });
    return stream == kNoStream || found == lines_.end() ? nullptr : &*found;
}

void MediaLines::on_opened(std::uint16_t stream, std::uint16_t rtp_port, std::uint16_t rtcp_port,
                           Actions& out) {
    Line* line = find(stream);
    if (line == nullptr) return;
    const bool is_new = line->state == Line::State::Opening;
    if (!is_new && line->state != Line::State::Moving) return;
    line->state = Line::State::Open;
    line->rtp_port = rtp_port;
    line->rtcp_port = rtcp_port;
    if (line->messages) line->rtcp_port = 0;
    const auto facts = std::find_if(opening_.begin(), opening_.end(),
                                    [&](const StreamFacts& one) { return one.stream == stream; });
    if (facts != opening_.end()) {
        out.emplace_back(
            make_stream_event(is_new ? "stream_added" : "stream_changed", *facts, rtp_port));
        if (facts->paused && is_new) out.emplace_back(make_event("stream_paused", stream));
        if (line->held && is_new) out.emplace_back(make_event("stream_held", stream));
        opening_.erase(facts);
    }
    if (opening_.empty()) opening_.shrink_to_fit();
}

void MediaLines::on_messages_opened(std::uint16_t stream, MessageEndpoint ours, Actions& out) {
    Line* line = find(stream);
    if (line == nullptr || line->messages == nullptr) return;
    const std::uint16_t port = ours.port;
    line->messages->ours = std::move(ours);
    on_opened(stream, port, 0, out);
}

void MediaLines::on_failed(std::uint16_t stream, std::string_view reason, Actions& out) {
    Line* line = find(stream);
    if (line == nullptr) return;
    const bool is_new = line->state == Line::State::Opening;
    if (!is_new && line->state != Line::State::Moving) return;
    std::string media = "audio";
    for (const StreamFacts& facts : opening_)
        if (facts.stream == stream) media = facts.media;
    opening_.erase(std::remove_if(opening_.begin(), opening_.end(),
                                  [&](const StreamFacts& one) { return one.stream == stream; }),
                   opening_.end());
    std::string label = std::move(line->label);
    if (!is_new) close(*line, out);  // it has no port any more
    *line = Line{};
    if (is_new) line->stream = stream;
    line->refusal = sdp::Refusal::ByDecision;
    out.emplace_back(make_event("stream_refused", stream,
                                {{"label", std::move(label)},
                                 {"media", std::move(media)},
                                 {"reason", std::string{reason}}}));
}

void MediaLines::close_all(Actions& out) {
    for (Line& line : lines_) close(line, out);
}

void MediaLines::update_holds(const MetadataModel& model, Actions& out) {
    for (Line& line : lines_) {
        const MediaStream* stream = model.find_stream_by_label(line.label);
        if (line.state == Line::State::Off || stream == nullptr) continue;
        const bool silent = model.is_held(line.label);
        line.had_sender = line.had_sender || !model.senders_of(line.label).empty();
        // Some clients never fill the associations: only who has sent can be put on hold, or who
        // is inactive where others are told to send.
        const bool is_nobodys = line.paused && model.names_senders();
        const bool held = silent && (line.had_sender || is_nobodys) && !has_stopped(model, *stream);
        if (held == line.held || has_stopped(model, *stream)) continue;
        line.held = held;
        if (line.state != Line::State::Opening)  // else it is told when the stream is
            out.emplace_back(make_event(held ? "stream_held" : "stream_unheld", line.stream));
    }
}

bool MediaLines::may_be_voice(std::string_view label) const {
    return std::none_of(lines_.begin(), lines_.end(), [&](const Line& line) {
        return line.state != Line::State::Off && line.label == label &&
               line.media != MediaKind::Audio;
    });
}

void MediaLines::update_roles(const MetadataModel& model, Actions& out) {
    // Where the client pauses all, it pauses the recording and shares on.
    const bool is_all_paused = std::all_of(lines_.begin(), lines_.end(), [](const Line& line) {
        return line.state == Line::State::Off || line.paused;
    });
    std::vector<ShownStream> shown;
    for (const Line& line : lines_)
        if (line.state == Line::State::Open && !line.dropped && line.media != MediaKind::Other)
            shown.push_back({.stream = line.stream,
                             .label = line.label,
                             .media = line.media,
                             .content = line.content,
                             .is_inactive = line.paused && !is_all_paused});
    std::vector<Event> events;
    roles_.update(shown, model, events);
    for (Event& event : events) out.emplace_back(std::move(event));
}

bool MediaLines::is_waiting() const { return !opening_.empty(); }

std::size_t MediaLines::open_count() const {
    return static_cast<std::size_t>(
        std::count_if(lines_.begin(), lines_.end(),
                      [](const Line& line) { return line.state == Line::State::Open; }));
}

bool MediaLines::is_all_paused() const {
    if (is_inactive_by_us()) return true;  // also while the client has closed all lines
    return open_count() > 0 && std::all_of(lines_.begin(), lines_.end(), [](const Line& line) {
               return line.state != Line::State::Open || line.paused || line.dropped;
           });
}

const base::NetAddress& MediaLines::session_address(const MediaAddresses& ours) const {
    const auto open = std::find_if(lines_.begin(), lines_.end(), [](const Line& line) {
        return line.state == Line::State::Open;
    });
    return open == lines_.end() ? ours.usual : address_of(*open, ours);
}

// Nothing: it is in no group, or not open.
std::optional<std::size_t> MediaLines::tagged_line_of(const Line& line) const {
    const auto is_of_group = [&](const Line& one) {
        return one.state == Line::State::Open && !one.dropped && one.is_bundled &&
               one.transport == line.transport;
    };
    if (!is_of_group(line)) return std::nullopt;
    if (line.carrier < lines_.size() && is_of_group(lines_[line.carrier])) return line.carrier;
    return static_cast<std::size_t>(std::find_if(lines_.begin(), lines_.end(), is_of_group) -
                                    lines_.begin());
}

std::vector<sdp::MediaDecision> MediaLines::decisions(const MediaAddresses& ours) const {
    std::vector<sdp::MediaDecision> decisions(lines_.size());
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        decisions[i].accept = lines_[i].state == Line::State::Open && !lines_[i].dropped;
        decisions[i].rtp_port = lines_[i].rtp_port;
        decisions[i].rtcp_port = lines_[i].rtcp_port;
        decisions[i].inactive = is_inactive_by_us();
        if (decisions[i].accept) decisions[i].address = address_of(lines_[i], ours);
        if (lines_[i].rtcp_mux) decisions[i].rtcp_port = lines_[i].rtp_port;
        decisions[i].carrier = lines_[i].carrier;
        decisions[i].bundle = tagged_line_of(lines_[i]);
        if (decisions[i].bundle.value_or(i) != i) continue;
        if (const SdesKeys* const keys = lines_[i].sdes.get(); keys != nullptr)
            decisions[i].security = "a=crypto:" + sdp::write_crypto(keys->tag, keys->ours) + "\r\n";
        if (lines_[i].dtls && dtls_.fingerprint != nullptr)
            decisions[i].security = dtls_attributes(lines_[i], ours);
        decisions[i].is_message = lines_[i].messages != nullptr;
        if (lines_[i].messages)
            decisions[i].security = write_message_attributes(*lines_[i].messages);
    }
    return decisions;
}

}  // namespace earshot::siprec
