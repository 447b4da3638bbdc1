// SharedSession, continued: all voices in one stream. The copies of what the parties of each call
// send go to the MixDesk, which answers for them as a recording server would.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/shared_member.h"
#include "sdp/session_description.h"

namespace earshot::client {

using siprec::ClientEvent;

namespace {

std::optional<relay::MixCodec> codec_of(const sdp::PayloadType& type) {
    if (type.clock_rate != 8000 || type.channels != 1) return std::nullopt;
    if (type.is("PCMU")) return relay::MixCodec::Pcmu;
    if (type.is("PCMA")) return relay::MixCodec::Pcma;
    if (type.is("G722")) return relay::MixCodec::G722;
    return std::nullopt;
}

// Of an m-line those payload types that can be mixed.
std::vector<relay::MixFormat> mixable(const sdp::MediaDescription& line) {
    std::vector<relay::MixFormat> formats;
    if (line.port == 0 || line.media != "audio" || !line.is_rtp() || line.is_secure_rtp())
        return formats;
    for (const sdp::PayloadType& type : line.payload_types)
        if (const auto codec = codec_of(type))
            formats.push_back({.payload_type = type.number, .codec = *codec});
    return formats;
}

// Who speaks in a stream, by the metadata: its participant's id names the voice by RTCP, too.
std::string speaker_of(const siprec::MetadataObjects& objects, std::string_view label) {
    for (const siprec::MediaStream& stream : objects.streams) {
        if (stream.label != label) continue;
        for (const siprec::ParticipantStreamAssoc& assoc : objects.participant_streams)
            if (std::find(assoc.send.begin(), assoc.send.end(), stream.id) != assoc.send.end())
                return assoc.participant.text();
        return stream.id.text();
    }
    return std::string(label);
}

void append_line(std::string& answer, const sdp::MediaDescription& line,
                 const std::vector<relay::MixFormat>& formats, const base::NetAddress* to) {
    if (to == nullptr) {
        answer += fmt::format("m={} 0 {} {}\r\n", line.media, line.proto,
                              line.formats.empty() ? "0" : line.formats);
        return;
    }
    answer += fmt::format("m={} {} {}", line.media, to->port, line.proto);
    for (const relay::MixFormat& format : formats)
        answer += fmt::format(" {}", format.payload_type);
    answer +=
        fmt::format("\r\nc=IN {} {}\r\n", to->is_v4() ? "IP4" : "IP6", base::host_to_string(*to));
    for (const relay::MixFormat& format : formats)
        answer += fmt::format("a=rtpmap:{} {}/8000\r\n", format.payload_type,
                              line.find_payload_type(format.payload_type)->encoding);
    const bool is_sent =
        line.direction == sdp::Direction::SendOnly || line.direction == sdp::Direction::SendRecv;
    answer += fmt::format("a={}\r\na=label:{}\r\n", is_sent ? "recvonly" : "inactive",
                          line.label.value_or(""));
}

}  // namespace

// Where the server wants the mix.
void SharedSession::send_mix() {
    const JointLines::Share share = lines_.share_of(own_part());
    const auto answer = sdp::parse(share.sdp);
    if (!answer || answer->media.empty() || share.accepted == 0)
        return s_.desk->send_to(mix_->mix, {}, {}, {});
    const sdp::MediaDescription& line = answer->media.front();
    const auto formats = mixable(line);
    const auto rtp = sdp::rtp_address(*answer, line);
    const bool is_wanted = line.direction == sdp::Direction::RecvOnly && rtp && !formats.empty();
    if (!is_wanted) return s_.desk->send_to(mix_->mix, {}, {}, {});
    s_.desk->send_to(mix_->mix, *rtp, sdp::rtcp_address(*answer, line, false).value_or(*rtp),
                     formats.front());
}

// The voices of a call as its lines are now.
void SharedSession::set_voices(Member& member) {
    if (member.state.offer == member.mixed_offer) return;
    member.mixed_offer = member.state.offer;
    const auto offer = sdp::parse(member.mixed_offer);
    if (!offer) return;
    std::vector<Member::Voice> before = std::exchange(member.voices, {});
    std::string answer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
    std::string left_out;
    for (const sdp::MediaDescription& line : offer->media) {
        const std::vector<relay::MixFormat> formats = mixable(line);
        const std::string label(line.label.value_or(""));
        const auto same = std::find_if(before.begin(), before.end(), [&](const auto& voice) {
            return voice.label == label && voice.formats == line.formats;
        });
        if (!formats.empty() && same != before.end()) {
            member.voices.push_back(*same);
            before.erase(same);
        } else if (!formats.empty()) {
            auto voice =
                s_.desk->add_voice(mix_->mix, formats, speaker_of(member.state.objects, label));
            if (voice)
                member.voices.push_back(
                    {.label = label, .formats = std::string(line.formats), .voice = *voice});
            else
                left_out = voice.error().text;
        } else if (line.port != 0) {
            left_out = fmt::format("A stream ({} {}) is neither G.711 nor G.722 in the clear.",
                                   line.media, line.formats);
        }
        const bool is_mixed =
            !member.voices.empty() && member.voices.back().label == label && !formats.empty();
        append_line(answer, line, formats, is_mixed ? &member.voices.back().voice.rtp : nullptr);
    }
    for (const Member::Voice& voice : before) s_.desk->end_voice(mix_->mix, voice.voice.input);
    if (member.voices.empty())
        return fail(member, {"cannot_mix", left_out.empty() ? "The call has no voice." : left_out});
    if (!left_out.empty()) push(member, ClientEvent::Kind::AnswerFault, {"not_mixed", left_out});
    member.mixed_answer = std::move(answer);
    if (!member.is_paused) member.host->apply_answer(member.mixed_answer);
}

void SharedSession::end_voices(Member& member) {
    if (!mix_) return;
    for (const Member::Voice& voice : std::exchange(member.voices, {}))
        s_.desk->end_voice(mix_->mix, voice.voice.input);
}

}  // namespace earshot::client
