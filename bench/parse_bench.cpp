// What reading one SIPREC INVITE costs (goal: whole, without the metadata's XML, <= 3 us): the SIP
// part alone, then with its multipart body and SDP; beside them what its metadata costs, its tree
// alone and merged into a model. The message has the form and size of OpenSIPS' ones.
#include <benchmark/benchmark.h>

#include <string>

#include "mime/multipart.h"
#include "sdp/session_description.h"
#include "sip/builder.h"
#include "sip/parser.h"
#include "siprec/metadata.h"
#include "xml/xml_document.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own

std::string make_sdp() {
    std::string sdp =
        "v=0\r\no=- 1735230982 0 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    for (const char* label : {"0", "1"}) {
        sdp +=
            "m=audio 35000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendonly\r\n"
            "a=label:";
        sdp.append(label).append("\r\n");
    }
    return sdp;
}

constexpr std::string_view kMetadata =
    R"(<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns='urn:ietf:params:xml:ns:recording:1'>
	<datamode>complete</datamode>
	<session session_id="dG8Fz7d9QPGTSAP3sEkTXg=="/>
	<participant participant_id="xVCe0C8sTr2Ma7TGrBUaDw==">
		<nameID aor="sip:ann@pbx.example"><name>Ann</name></nameID>
	</participant>
	<participant participant_id="Pz2ehSTKQ+O4vHwZbFQ5Lw==">
		<nameID aor="sip:bob@pbx.example"/>
	</participant>
	<stream stream_id="gWqT/0ZwSHqgq4bG0eDRZw==" session_id="dG8Fz7d9QPGTSAP3sEkTXg==">
		<label>0</label>
	</stream>
	<stream stream_id="5V5ZUhnzRCuxFXqH5pYkXw==" session_id="dG8Fz7d9QPGTSAP3sEkTXg==">
		<label>1</label>
	</stream>
	<participantstreamassoc participant_id="xVCe0C8sTr2Ma7TGrBUaDw==">
		<send>gWqT/0ZwSHqgq4bG0eDRZw==</send>
	</participantstreamassoc>
	<participantstreamassoc participant_id="Pz2ehSTKQ+O4vHwZbFQ5Lw==">
		<send>5V5ZUhnzRCuxFXqH5pYkXw==</send>
	</participantstreamassoc>
</recording>)";

base::Bytes make_invite() {
    const std::string body =
        "--OSS-unique-boundary-42\r\nContent-Type: application/sdp\r\n\r\n" + make_sdp() +
        "\r\n--OSS-unique-boundary-42\r\nContent-Type: application/rs-metadata+xml\r\n"
        "Content-Disposition: recording-session\r\n\r\n" +
        std::string(kMetadata) + "\r\n--OSS-unique-boundary-42--\r\n";
    const std::string text =
        sip::MessageBuilder::request("INVITE", "sip:srs@192.0.2.7:5060;transport=tcp")
            .add("Via", "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKdf8f.7a1b2c3.0;rport")
            .add("To", "<sip:srs@192.0.2.7:5060>")
            .add("From", "<sip:srs@192.0.2.7:5060>;tag=7f1cb1dd8e8c1e2b-ce21")
            .add("CSeq", "2 INVITE")
            .add("Call-ID", "B2B.394.8841522.1735230982")
            .add("Max-Forwards", "70")
            .add("User-Agent", "OpenSIPS (3.4.2 (x86_64/linux))")
            .add("Require", "siprec")
            .add("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, INFO")
            .add("Accept", "application/sdp, application/rs-metadata")
            .add("Supported", "replaces, timer")
            .add("Contact", "<sip:192.0.2.1:5060;transport=tcp>;+sip.src")
            .body("multipart/mixed;boundary=OSS-unique-boundary-42", body)
            .build();
    const base::ByteView bytes = base::as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

void require(benchmark::State& state, bool condition) {
    if (!condition) state.SkipWithError("the message was not read");
}

// Includes the one copy of the bytes that a socket's buffer costs.
void parse_sip_part(benchmark::State& state) {
    const base::Bytes invite = make_invite();
    for (auto _ : state) {
        const sip::ParsedMessage parsed = sip::parse_message(base::Bytes(invite));
        benchmark::DoNotOptimize(parsed.message.call_id());
        require(state, parsed.verdict == sip::Verdict::Good);
    }
    state.counters["bytes"] = static_cast<double>(invite.size());
}
BENCHMARK(parse_sip_part);

void parse_whole_invite(benchmark::State& state) {
    const base::Bytes invite = make_invite();
    for (auto _ : state) {
        const sip::ParsedMessage parsed = sip::parse_message(base::Bytes(invite));
        const sip::Message& message = parsed.message;
        const auto body =
            mime::parse_body(message.find(sip::HeaderId::ContentType).value_or(""),
                             message.find(sip::HeaderId::ContentDisposition).value_or(""),
                             base::as_text(message.body()));
        const mime::Part* part = body ? body->find("application/sdp") : nullptr;
        require(state, part != nullptr);
        if (part == nullptr) break;
        const auto description = sdp::parse(part->body);
        require(state, description && description->media.size() == 2);
    }
    state.counters["bytes"] = static_cast<double>(invite.size());
}
BENCHMARK(parse_whole_invite);

void parse_metadata_xml(benchmark::State& state) {
    for (auto _ : state) {
        const auto document = xml::XmlDocument::parse(kMetadata, {});
        require(state, document.has_value());
    }
    state.counters["bytes"] = static_cast<double>(kMetadata.size());
}
BENCHMARK(parse_metadata_xml);

void parse_metadata(benchmark::State& state) {
    for (auto _ : state) {
        const auto document = siprec::parse_metadata(kMetadata);
        require(state, document && document->objects.streams.size() == 2);
        if (!document) break;
        siprec::MetadataModel model;
        model.apply(*document, {});
        require(state, model.has_snapshot());
    }
}
BENCHMARK(parse_metadata);

void answer_invite(benchmark::State& state) {
    const sip::ParsedMessage parsed = sip::parse_message(make_invite());
    const std::string sdp = make_sdp();
    for (auto _ : state) {
        sip::MessageBuilder response = sip::response_to(
            parsed.message, 200, {.reason = {}, .to_tag = "a1b2c3", .source = nullptr});
        response.add(sip::HeaderId::Contact, "<sip:192.0.2.7:5060>;+sip.srs")
            .body("application/sdp", sdp);
        benchmark::DoNotOptimize(response.build());
    }
}
BENCHMARK(answer_invite);

}  // namespace
