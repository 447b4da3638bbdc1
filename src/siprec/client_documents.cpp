#include "siprec/client_documents.h"

#include <array>
#include <deque>

#include "mime/multipart_writer.h"
#include "sdp/crypto_attribute.h"
#include "sdp/fingerprint.h"
#include "sdp/offer_answer.h"

namespace earshot::siprec {
namespace {

enum class Flow { All, Held, None };

ParticipantStreamAssoc stream_assoc(const ClientCall& call, std::size_t index, Flow flow,
                                    base::WallTime since) {
    ParticipantStreamAssoc assoc;
    assoc.participant = MetadataId{call.parties[index].participant_id};
    // On hold party 0 is heard by nobody, and party 1 (its music) still reaches party 0.
    const bool sends = flow == Flow::All || (flow == Flow::Held && index != 0);
    const bool receives = flow == Flow::All || (flow == Flow::Held && index == 0);
    if (sends) assoc.send = {MetadataId{call.parties[index].stream_id}};
    for (std::size_t other = 0; receives && other < call.parties.size(); ++other)
        if (other != index) assoc.recv.emplace_back(call.parties[other].stream_id);
    assoc.periods = {{since, std::nullopt}};
    return assoc;
}

CommunicationSession session_of(const ClientCall& call) {
    CommunicationSession session;
    session.id = MetadataId{call.session_id};
    session.group = call.group_id;
    session.sip_session_ids = {call.sip_session_id};
    session.start = call.started;
    return session;
}

std::string partial(const ClientCall& call, Flow flow, base::WallTime now) {
    MetadataDocument document;
    document.mode = DataMode::Partial;
    for (std::size_t i = 0; i < call.parties.size(); ++i)
        document.objects.participant_streams.push_back(stream_assoc(call, i, flow, now));
    return write_metadata(document);
}

// "101 telephone-event/8000": telephone-event alone needs parameters.
std::vector<sdp::PayloadType> payload_types(const ClientCall& call) {
    std::vector<sdp::PayloadType> types;
    for (const std::string& format : call.rtp_formats) {
        auto type = sdp::parse_rtpmap(format);
        if (!type) continue;
        if (type->is("telephone-event")) type->fmtp = "0-15";
        type->has_rtpmap = true;
        types.push_back(*type);
    }
    return types;
}

}  // namespace

ClientCall make_client_call(base::Random& random, base::WallTime now, std::size_t parties) {
    ClientCall call;
    call.session_id = base::make_uuid_v4(random);
    call.group_id = MetadataId{base::make_uuid_v4(random)};
    call.sip_session_id = random.token(16) + ";remote=" + random.token(16);
    call.started = now;
    call.sdp_session = random.u32();
    call.rtp_formats = {"0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"};
    for (std::size_t i = 0; i < parties; ++i) {
        ClientParty party;
        party.label = std::to_string(i + 1);
        party.participant_id = base::make_uuid_v4(random);
        party.stream_id = base::make_uuid_v4(random);
        call.parties.push_back(std::move(party));
    }
    return call;
}

std::string client_offer(const ClientCall& call, ClientMedia media) {
    const std::vector<sdp::PayloadType> types = payload_types(call);
    std::vector<sdp::OfferedMedia> lines;
    std::deque<std::string> values;  // that the attributes borrow
    std::deque<std::vector<sdp::Attribute>> attributes;
    const auto add = [&](std::string_view name, std::string value) {
        values.push_back(std::move(value));
        attributes.back().push_back({.name = name, .value = values.back(), .has_value = true});
    };
    for (const ClientParty& party : call.parties) {
        attributes.emplace_back();
        sdp::OfferedMedia line;
        line.port = party.rtp.port;
        line.rtcp_port = party.rtcp.port;
        line.payload_types = types;
        line.direction =
            media == ClientMedia::Sending ? sdp::Direction::SendOnly : sdp::Direction::Inactive;
        line.label = party.label;
        line.ptime_ms = 20;
        if (party.key) {
            line.proto = "RTP/SAVP";
            add("crypto", sdp::write_crypto(1, *party.key));
        } else if (party.dtls) {
            line.proto = "UDP/TLS/RTP/SAVPF";
            line.rtcp_mux = true;
            add("fingerprint", sdp::to_string(party.dtls->fingerprint));
            add("setup", "actpass");  // RFC 5763 section 5
            add("tls-id", party.dtls->tls_id);
        }
        line.attributes = attributes.back();
        lines.push_back(line);
    }
    sdp::LocalOrigin origin;
    origin.username = "earshot";
    origin.session_id = call.sdp_session;
    origin.session_version = call.sdp_version;
    if (!call.parties.empty()) origin.address = call.parties.front().rtp;
    return sdp::make_offer(origin, lines);
}

std::string client_complete_metadata(const ClientCall& call, base::WallTime now) {
    MetadataDocument document;
    MetadataObjects& all = document.objects;
    Group group;
    group.id = call.group_id;
    group.period.associate = call.started;
    all.groups.push_back(std::move(group));
    all.sessions.push_back(session_of(call));
    SessionRecordingAssoc recording;
    recording.session = MetadataId{call.session_id};
    recording.periods = {{call.started, std::nullopt}};
    all.session_recordings.push_back(std::move(recording));
    for (std::size_t i = 0; i < call.parties.size(); ++i) {
        const ClientParty& party = call.parties[i];
        Participant participant;
        participant.id = MetadataId{party.participant_id};
        participant.names = {{party.aor, party.name, {}}};
        all.participants.push_back(std::move(participant));
        MediaStream stream;
        stream.id = MetadataId{party.stream_id};
        stream.session = MetadataId{call.session_id};
        stream.label = party.label;
        all.streams.push_back(std::move(stream));
        ParticipantSessionAssoc in_session;
        in_session.participant = MetadataId{party.participant_id};
        in_session.session = MetadataId{call.session_id};
        in_session.periods = {{call.started, std::nullopt}};
        all.participant_sessions.push_back(std::move(in_session));
        all.participant_streams.push_back(stream_assoc(call, i, Flow::All, now));
    }
    return write_metadata(document);
}

std::string client_hold_metadata(const ClientCall& call, base::WallTime now) {
    return partial(call, Flow::Held, now);
}

std::string client_resume_metadata(const ClientCall& call, base::WallTime now) {
    return partial(call, Flow::All, now);
}

std::string client_end_metadata(const ClientCall& call, base::WallTime now) {
    MetadataDocument document;
    document.mode = DataMode::Partial;
    document.objects.sessions.push_back(session_of(call));
    document.objects.sessions.back().stop = now;
    SessionRecordingAssoc recording;
    recording.session = MetadataId{call.session_id};
    recording.periods = {{call.started, now}};
    document.objects.session_recordings.push_back(std::move(recording));
    return write_metadata(document);
}

ClientBody client_invite_body(const ClientCall& call, base::WallTime now, ClientMedia media) {
    const std::string offer = client_offer(call, media);
    const std::string metadata = client_complete_metadata(call, now);
    const std::array<mime::OutgoingPart, 2> parts = {{
        {"application/sdp", {}, {}, offer},
        {kMetadataContentType, kMetadataDisposition, {}, metadata},
    }};
    // The session's id is random: no body can hold it after two hyphens but by chance of 2^-122.
    const std::string boundary = "earshot-" + base::to_string(call.session_id);
    auto body = mime::write_multipart(parts, boundary);
    return {mime::multipart_mixed_type(boundary), body ? *std::move(body) : std::string{}};
}

}  // namespace earshot::siprec
