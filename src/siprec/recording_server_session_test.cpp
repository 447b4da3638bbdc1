// The protocol rules of RFC 7866 and our own for odd input, by their ids in the conformance list.
#include "siprec/recording_server_session.h"

#include "siprec/limits.h"
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::HasSubstr;
using testing::Not;

class RecordingServer : public SessionTest {
protected:
    static std::string offer(const std::string& first, const std::string& second,
                             const std::string& version = "1") {
        return "v=0\no=- 1 " + version + " IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n" +
               first + second;
    }
    static std::string line(int port, const std::string& label,
                            const std::string& direction = "sendonly") {
        return "m=audio " + std::to_string(port) + " RTP/AVP 8 0 101\na=rtpmap:8 PCMA/8000\n" +
               "a=rtpmap:101 telephone-event/8000\na=" + direction + "\na=label:" + label + "\n";
    }
    void offer_again(const std::string& sdp, std::string_view method = "INVITE") {
        request(method, "Require: siprec\nContent-Type: application/sdp\n", sdp);
    }
    void metadata_update(const std::string& document, std::string_view method = "UPDATE") {
        request(method,
                "Require: siprec\nContent-Type: application/rs-metadata+xml\n"
                "Content-Disposition: recording-session\n",
                document);
    }
    void establish() {
        start(message_from("two-party.sip"));
        ack();
    }
    // An INVITE outside a dialog with these headers and this body.
    sip::Message invite(std::string_view headers, std::string_view body) {
        return message_of(in_dialog("INVITE", headers, body));
    }
    std::vector<std::string> media_lines() const {
        std::vector<std::string> lines;
        std::istringstream text{response().body};
        for (std::string one; std::getline(text, one);)
            if (one.starts_with("m=")) lines.push_back(one);
        return lines;
    }
};

// ---- how a recording starts -------------------------------------------------------------------

TEST_F(RecordingServer, P7_TakesAnInviteWithBothMarks) {
    start(message_from("two-party.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(count("sip_leniency"), 0U);
    EXPECT_TRUE(session_->is_established());
}

TEST_F(RecordingServer, M6_StoresTheRowAndTheMetadataBeforeItOpensStreams) {
    start(message_from("two-party.sip"));
    std::vector<std::size_t> kinds;
    for (const Action& action : actions_) kinds.push_back(action.index());
    const auto place = [&](const Action& like) {
        return std::find(kinds.begin(), kinds.end(), like.index()) - kinds.begin();
    };
    EXPECT_EQ(place(CreateRow{}), 0);
    EXPECT_EQ(place(Event{}), 1);
    EXPECT_LT(place(StoreMetadata{}), place(OpenStream{}));
    EXPECT_LT(place(OpenStream{}), place(Respond{}));
    EXPECT_EQ(all<Event>()[0].type, "recording_started");
    EXPECT_THAT(all<Event>()[0].json, HasSubstr("\"call_id\":\"5b0e6a1c44d14b0c@src.example\""));
    EXPECT_THAT(all<Event>()[0].json, HasSubstr("qEbCRn6VSyiBFRWXA50jzA=="));
    EXPECT_THAT(all<Event>()[0].json, HasSubstr("Mon, 02 Mar 2026 09:15:00 GMT"));  // M-6
}

TEST_F(RecordingServer, TellsTheRowWhoTakesPartAndWhichHeadersAreNotSips) {
    start(message_from("two-party.sip"));
    const RowFacts facts = all<CreateRow>().at(0).facts;
    EXPECT_EQ(facts.call_id, "5b0e6a1c44d14b0c@src.example");
    EXPECT_EQ(facts.session_ids, std::vector<std::string>{"qEbCRn6VSyiBFRWXA50jzA=="});
    ASSERT_EQ(facts.participants.size(), 2U);
    EXPECT_EQ(facts.participants[0].aor, "sip:ada@desk.example");
    EXPECT_EQ(facts.participants[1].name, "Bo Åkesson");
    EXPECT_EQ(facts.group, "zFS8ZIR+TNaOeo3lGxU6Og==");
    ASSERT_EQ(facts.headers.size(), 1U);
    EXPECT_EQ(facts.headers[0].first, "X-Customer-Case");
    EXPECT_EQ(facts.headers[0].second, "4711");
}

TEST_F(RecordingServer, WaitsForTheRowBeforeItAnswers) {
    stores_rows_ = false;
    start(message_from("two-party.sip"));
    EXPECT_TRUE(all<Respond>().empty());
    session_->on_row_durable(now_);
    drain();
    EXPECT_EQ(response().status, 200);
}

TEST_F(RecordingServer, Point5_AnswersOnlyWhenAllPortsAreOpen) {
    opens_ports_ = false;
    start(message_from("two-party.sip"));
    EXPECT_TRUE(all<Respond>().empty());
    session_->on_stream_opened(now_, 1, 10002, 10003);
    drain();
    EXPECT_TRUE(all<Respond>().empty());
    session_->on_stream_opened(now_, 0, 10000, 10001);
    drain();
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(count("stream_added"), 2U);
}

TEST_F(RecordingServer, AnswersUnavailableWhenTheRowCannotBeStored) {
    stores_rows_ = false;
    start(message_from("two-party.sip"));
    session_->on_row_failed(now_, {"storage_full", "The disk is full."});
    drain();
    EXPECT_EQ(response().status, 503);
    EXPECT_NE(header(response(), "Retry-After"), "");
    EXPECT_EQ(all<CloseStream>().size(), 2U);
    EXPECT_EQ(all<End>().at(0).reason.code, "storage_full");
    EXPECT_FALSE(all<End>().at(0).accepted);
}

TEST_F(RecordingServer, P8_P14_E3_TheMatrixOfMarks) {
    const std::string sdp = offer(line(40000, "1", "sendrecv"), "");
    struct Case {
        const char* option;
        const char* contact;
        int lenient;
        int strict;
    };
    const Case cases[] = {
        {"Require: siprec\n", "Contact: <sip:a@192.0.2.10>;+sip.src\n", 200, 200},
        {"Require: siprec\n", "Contact: <sip:a@192.0.2.10>\n", 200, 403},
        {"", "Contact: <sip:a@192.0.2.10>;+sip.src=\"TRUE\"\n", 200, 403},  // P-14
        {"", "Contact: <sip:a@192.0.2.10>\n", 403, 403},
        {"", "Contact: <sip:a@192.0.2.10>;src\n", 200, 403},
        {"X-Cisco-Recording-Participant: sip:1@x.example;media-index=\"0\"\n", "", 200, 403},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(std::string{one.option} + one.contact);
        const std::string text =
            "INVITE sip:srs@192.0.2.80 SIP/2.0\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\n"
            "From: <sip:a@a.example>;tag=1\nTo: <sip:srs@192.0.2.80>\nCall-ID: 1\nCSeq: 1 "
            "INVITE\n" +
            std::string{one.contact} + one.option + "Content-Type: application/sdp\n\n" + sdp;
        for (const bool strict : {false, true}) {
            config_.strict = strict;
            actions_.clear();
            start(message_of(to_wire(text)));
            EXPECT_EQ(response().status, strict ? one.strict : one.lenient);
            EXPECT_EQ(all<CreateRow>().size(), 1U);  // every INVITE becomes a row
            if (response().status == 403) {
                EXPECT_EQ(all<End>().at(0).reason.code, "not_a_recording_session");
            }
        }
    }
}

TEST_F(RecordingServer, E3_RecordsAnUnmarkedInviteWhoseLinesAreAllSendonly) {
    std::string text =
        "INVITE sip:srs@192.0.2.80 SIP/2.0\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\n"
        "From: <sip:a@a.example>;tag=1\nTo: <sip:srs@192.0.2.80>\nCall-ID: 1\nCSeq: 1 INVITE\n"
        "Contact: <sip:a@192.0.2.10>\nContent-Type: application/sdp\n\n";
    start(message_of(to_wire(text + offer(line(40000, "1"), line(40002, "2")))));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(count("sip_leniency"), 2U);
    actions_.clear();
    start(message_of(to_wire(text + offer(line(40000, "1"), line(40002, "2", "sendrecv")))));
    EXPECT_EQ(response().status, 403);
    config_.profile_records_unmarked = true;
    actions_.clear();
    start(message_of(to_wire(text + offer(line(40000, "1"), line(40002, "2", "sendrecv")))));
    EXPECT_EQ(response().status, 200);
}

TEST_F(RecordingServer, E2_Q40_RefusesUnknownExtensionsButNeverSiprec) {
    start(invite("Require: siprec, timer, x-magic\nContent-Type: application/sdp\n",
                 offer(line(40000, "1"), "")));
    EXPECT_EQ(response().status, 420);
    EXPECT_EQ(header(response(), "Unsupported"), "x-magic");
    actions_.clear();
    establish();
    for (const char* method : {"UPDATE", "INFO", "OPTIONS", "BYE"}) {
        request(method, "Require: siprec\n");
        EXPECT_EQ(response().status, 200) << method;
    }
}

TEST_F(RecordingServer, E7_RefusesAnOfferWithNothingToRecord) {
    start(invite("Require: siprec\nContent-Type: application/sdp\n",
                 offer("m=message 9000 TCP/MSRP *\n", "m=image 5000 udptl t38\n")));
    EXPECT_EQ(response().status, 488);
    EXPECT_EQ(all<End>().at(0).reason.code, "no_common_media");
}

TEST_F(RecordingServer, P53_E7_E8_RefusesSomeLinesByPortZeroAndKeepsTheirPlaces) {
    start(invite("Require: siprec\nContent-Type: application/sdp\n",
                 offer("m=image 5000 udptl t38\na=label:9\n" + line(40000, "1"),
                       "m=audio 40002 RTP/SAVP 0\na=sendonly\na=label:2\n" + line(40004, "3"))));
    EXPECT_EQ(response().status, 200);
    ASSERT_EQ(media_lines().size(), 4U);
    EXPECT_THAT(media_lines()[0], HasSubstr("m=image 0 udptl t38"));
    EXPECT_THAT(media_lines()[1], HasSubstr("m=audio 10000 RTP/AVP"));
    EXPECT_THAT(media_lines()[2], HasSubstr("m=audio 0 RTP/SAVP"));
    EXPECT_THAT(media_lines()[3], HasSubstr("m=audio 10002 RTP/AVP"));
    EXPECT_EQ(count("stream_refused"), 2U);
    EXPECT_THAT(events("stream_refused")[1], HasSubstr("no_usable_key"));
}

TEST_F(RecordingServer, P53_LinesPastTheLimitAreToldByTheirNumber) {
    std::string lines;
    for (std::size_t i = 1; i < kMaxMediaLines + 2; ++i) lines += line(40000, std::to_string(i));
    start(
        invite("Require: siprec\nContent-Type: application/sdp\n", offer(line(40000, "0"), lines)));
    EXPECT_EQ(response().status, 200);
    ASSERT_EQ(media_lines().size(), kMaxMediaLines + 2);
    EXPECT_THAT(media_lines()[kMaxMediaLines], HasSubstr("m=audio 0 "));
    ASSERT_EQ(count("stream_refused"), 1U);
    EXPECT_THAT(events("stream_refused")[0],
                HasSubstr(R"("media_line":64,"media_lines":2,"reason":"too_many_media")"));
    request("INVITE", "Content-Type: application/sdp\n", offer(line(40000, "0"), lines));
    EXPECT_EQ(count("stream_refused"), 0U);  // told once
}

TEST_F(RecordingServer, ARefusedLineIsAStreamThatKeepsItsNumberWhenItIsTakenLater) {
    const std::string first = line(40000, "1");
    start(invite("Require: siprec\nContent-Type: application/sdp\n",
                 offer("m=audio 40002 RTP/SAVP 0\na=sendonly\na=label:2\n", first)));
    ASSERT_EQ(count("stream_refused"), 1U);
    EXPECT_EQ(all<OpenStream>().at(0).facts.stream, 0);
    EXPECT_THAT(events("stream_refused")[0], HasSubstr(R"("stream":1)"));
    EXPECT_THAT(events("stream_refused")[0], HasSubstr(R"("label":"2","media":"audio")"));
    request("INVITE", "Content-Type: application/sdp\n", offer(line(40002, "2"), first));
    ASSERT_EQ(all<OpenStream>().size(), 1U);
    EXPECT_EQ(all<OpenStream>()[0].facts.stream, 1);
}

TEST_F(RecordingServer, TelepresencePartsGetPortZeroAndAnEventAndTheMainStreamsAreRecorded) {
    start(invite("Require: siprec\nContent-Type: application/sdp\n",
                 offer("a=group:CLUE c s\n" + line(40000, "1"),
                       "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:c\n"
                       "m=video 40006 RTP/AVP 96\na=sendonly\na=label:4\na=mid:s\n")));
    EXPECT_EQ(response().status, 200);
    ASSERT_EQ(media_lines().size(), 3U);
    EXPECT_THAT(media_lines()[0], HasSubstr("m=audio 10000 RTP/AVP"));
    EXPECT_THAT(media_lines()[1], HasSubstr("m=application 0 "));
    EXPECT_THAT(media_lines()[2], HasSubstr("m=video 0 "));
    ASSERT_EQ(count("stream_refused"), 2U);
    EXPECT_THAT(events("stream_refused")[0], HasSubstr("clue_not_supported"));
}

TEST_F(RecordingServer, ALineWithoutAPortIsAnsweredByPortZeroAndTheCallGoesOn) {
    failing_stream_ = 1;
    start(message_from("two-party.sip"));
    EXPECT_EQ(response().status, 200);
    EXPECT_THAT(media_lines()[1], HasSubstr("m=audio 0 "));
    EXPECT_EQ(count("stream_refused"), 1U);
}

TEST_F(RecordingServer, E16_AnswersUnavailableWhenNoLineGetsAPort) {
    failing_stream_ = 0;
    start(invite("Require: siprec\nContent-Type: application/sdp\n", offer(line(40000, "1"), "")));
    EXPECT_EQ(response().status, 503);
    EXPECT_EQ(all<End>().at(0).reason.code, "no_ports");
}

TEST_F(RecordingServer, P86_P87_TakesTwoFourAndSixteenLines) {
    for (const int count : {2, 4, 16}) {
        std::string lines;
        for (int i = 0; i < count; ++i) lines += line(40000 + 2 * i, std::to_string(i));
        actions_.clear();
        start(invite("Require: siprec\nContent-Type: application/sdp\n", offer(lines, "")));
        EXPECT_EQ(all<OpenStream>().size(), static_cast<std::size_t>(count));
        EXPECT_EQ(media_lines().size(), static_cast<std::size_t>(count));
    }
}

TEST_F(RecordingServer, TakesNoMoreLinesThanItsLimitAndAnswersTheRestByPortZero) {
    std::string lines;
    for (std::size_t i = 0; i <= kMaxMediaLines; ++i)
        lines += line(20000 + 2 * static_cast<int>(i), std::to_string(i));
    start(invite("Require: siprec\nContent-Type: application/sdp\n", offer(lines, "")));
    EXPECT_EQ(all<OpenStream>().size(), kMaxMediaLines);
    ASSERT_EQ(media_lines().size(), kMaxMediaLines + 1);
    EXPECT_THAT(media_lines().back(), HasSubstr("m=audio 0 "));
}

TEST_F(RecordingServer, TakesNoMoreStreamsThanItsLimitAndTellsThatFromADecision) {
    std::string lines;
    std::string none;
    for (std::size_t i = 0; i < kMaxMediaLines; ++i) {
        lines += line(20000 + 2 * static_cast<int>(i), std::to_string(i));
        none += line(0, std::to_string(i));
    }
    start(invite("Require: siprec\nContent-Type: application/sdp\n", offer(lines, "")));
    ack();
    for (std::size_t streams = kMaxMediaLines; streams < kMaxStreams; streams += kMaxMediaLines) {
        request("INVITE", "Content-Type: application/sdp\n", offer(none, ""));
        ack();
        request("INVITE", "Content-Type: application/sdp\n", offer(lines, ""));
        ASSERT_EQ(all<OpenStream>().size(), kMaxMediaLines) << streams;
        ASSERT_EQ(count("stream_refused"), 0U);
        ack();
    }
    request("INVITE", "Content-Type: application/sdp\n", offer(none, ""));
    ack();
    request("INVITE", "Content-Type: application/sdp\n", offer(lines, ""));
    EXPECT_TRUE(all<OpenStream>().empty());
    ASSERT_EQ(count("stream_refused"), kMaxMediaLines);
    EXPECT_THAT(events("stream_refused")[0], HasSubstr(R"("reason":"too_many_streams")"));
}

TEST_F(RecordingServer, P42_E27_AnswersRecvonlyAsPlainSdp) {
    start(message_from("two-party.sip"));
    EXPECT_EQ(response().content_type, "application/sdp");
    EXPECT_THAT(response().body, HasSubstr("a=recvonly"));
    EXPECT_THAT(response().body, HasSubstr("c=IN IP4 192.0.2.80"));
    EXPECT_THAT(header(response(), "Allow"), HasSubstr("UPDATE"));
    EXPECT_THAT(header(response(), "Accept"), HasSubstr("application/rs-metadata+xml"));
}

TEST_F(RecordingServer, P13_NeverNamesSiprecAsSupported) {
    establish();
    EXPECT_EQ(header(response(), "Supported"), "");
    request("OPTIONS");
    EXPECT_THAT(header(response(), "Supported"), Not(HasSubstr("siprec")));
}

TEST_F(RecordingServer, E12_KeepsGoingWithAnUnknownBodyPart) {
    const std::string body = "--b\nContent-Type: application/sdp\n\n" +
                             offer(line(40000, "1"), "") +
                             "--b\nContent-Type: application/gtd\nContent-Disposition: "
                             "signal;handling=optional\n\nIAM\n--b\nContent-Type: "
                             "application/x-vendor\n\nx\n--b--\n";
    const std::string headers = "Require: siprec\nContent-Type: multipart/mixed;boundary=b\n";
    start(invite(headers, body));
    EXPECT_EQ(response().status, 200);
    EXPECT_THAT(events("sip_leniency").back(), HasSubstr("application/x-vendor"));
    config_.strict = true;
    actions_.clear();
    start(invite(headers, body));
    EXPECT_EQ(response().status, 415);
    EXPECT_THAT(header(response(), "Accept"), HasSubstr("application/sdp"));
}

TEST_F(RecordingServer, E13_ReadsAMultipartWithoutAnEnd) {
    start(invite("Require: siprec\nContent-Type: multipart/mixed;boundary=b\n",
                 "--b\nContent-Type:application/sdp\n\n" + offer(line(40000, "1"), "")));
    EXPECT_EQ(response().status, 200);
    EXPECT_THAT(events("sip_leniency")[0], HasSubstr("closing boundary"));
}

TEST_F(RecordingServer, RefusesAMultipartThatCannotBeTakenApart) {
    start(invite("Require: siprec\nContent-Type: multipart/mixed;boundary=b\n", "no parts\n"));
    EXPECT_EQ(response().status, 400);
}

TEST_F(RecordingServer, E14_KnowsLinesWithoutLabelOrWithADoubleOneByTheirIndex) {
    start(invite(
        "Require: siprec\nContent-Type: application/sdp\n",
        offer("m=audio 40000 RTP/AVP 0\na=sendonly\n" + line(40002, "1"), line(40004, "1"))));
    const auto opened = all<OpenStream>();
    ASSERT_EQ(opened.size(), 3U);
    EXPECT_EQ(opened[0].facts.label, "0");
    EXPECT_EQ(opened[1].facts.label, "1");
    EXPECT_EQ(opened[2].facts.label, "2");
}

// ---- an INVITE without an offer ---------------------------------------------------------------

TEST_F(RecordingServer, E4_Q20_OffersItsOwnLinesWhenTheInviteHasNone) {
    start(invite("Require: siprec\n", ""));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(media_lines().size(), 2U);
    EXPECT_THAT(response().body, HasSubstr("a=recvonly"));
    EXPECT_THAT(response().body, HasSubstr("a=label:1"));
    EXPECT_TRUE(all<OpenStream>()[0].facts.peer_rtp.is_unspecified());
    actions_.clear();
    session_->on_ack(now_, message_of(in_dialog("ACK", "Content-Type: application/sdp\n",
                                                offer(line(40000, "1"), line(0, "2")))));
    drain();
    ASSERT_EQ(all<UpdateStream>().size(), 1U);
    EXPECT_EQ(base::to_string(all<UpdateStream>()[0].facts.peer_rtp), "192.0.2.10:40000");
    EXPECT_EQ(all<CloseStream>().size(), 1U);
    EXPECT_TRUE(all<Respond>().empty());
}

TEST_F(RecordingServer, E4_HangsUpWhenTheAckHasNoAnswer) {
    start(invite("Require: siprec\n", ""));
    actions_.clear();
    ack();
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    EXPECT_EQ(all<SendRequest>()[0].request.method, "BYE");
    EXPECT_EQ(all<End>().at(0).reason.code, "no_answer");
}

TEST_F(RecordingServer, E4_StrictRefusesAnInviteWithoutAnOffer) {
    config_.strict = true;
    start(invite("Require: siprec\n", ""));
    EXPECT_EQ(response().status, 488);
    EXPECT_THAT(header(response(), "Warning"), HasSubstr("399"));
}

TEST_F(RecordingServer, E6_KeepsTheMetadataOfAnInviteWithoutAnOffer) {
    start(invite("Require: siprec\nContent-Type: application/rs-metadata+xml\n",
                 read_data("metadata/01-two-party-complete.xml")));
    EXPECT_EQ(all<StoreMetadata>().size(), 1U);
    EXPECT_EQ(response().status, 200);
}

TEST_F(RecordingServer, E4_P44_RepeatsItsLinesForAReinviteWithoutAnOffer) {
    establish();
    const std::string before = response().body;
    request("INVITE");
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(media_lines().size(), 2U);
    EXPECT_THAT(response().body, HasSubstr("o=earshot 42 1 IN"));
    EXPECT_THAT(before, HasSubstr("o=earshot 42 0 IN"));
    actions_.clear();
    ack();
    EXPECT_TRUE(all<End>().empty());
}

// ---- changes of the media ---------------------------------------------------------------------

TEST_F(RecordingServer, P35_InactivePausesAndSendonlyResumes) {
    establish();
    offer_again(offer(line(40000, "1"), line(40002, "2")));
    offer_again(offer(line(40000, "1", "inactive"), line(40002, "2", "inactive")));
    EXPECT_EQ(all<PauseStream>().size(), 2U);
    EXPECT_EQ(count("stream_paused"), 2U);
    EXPECT_TRUE(all<UpdateStream>().empty());
    EXPECT_TRUE(session_->is_paused());
    EXPECT_THAT(response().body, HasSubstr("a=inactive"));
    offer_again(offer(line(40000, "1"), line(40002, "2", "inactive")));
    EXPECT_EQ(all<ResumeStream>().size(), 1U);
    EXPECT_EQ(count("stream_resumed"), 1U);
    EXPECT_FALSE(session_->is_paused());
}

TEST_F(RecordingServer, Q25_AnAddressOfZeroPausesAndTheOldOneResumes) {
    establish();
    const std::string lines =
        "m=audio 40000 RTP/AVP 0\na=label:1\nm=audio 40002 RTP/AVP 0\na=label:2\n";
    std::string held = offer(lines, "");
    offer_again(held);
    held.replace(held.find("c=IN IP4 192.0.2.10"), 19, "c=IN IP4 0.0.0.0");
    offer_again(held);
    EXPECT_EQ(all<PauseStream>().size(), 2U);
    EXPECT_TRUE(all<UpdateStream>().empty());  // the old address is kept
    offer_again(offer(lines, ""));
    EXPECT_EQ(all<ResumeStream>().size(), 2U);
}

TEST_F(RecordingServer, Q8_AnUnsetAddressBesideSendonlyIsNoPause) {
    std::string sdp = offer(line(40000, "1"), "");
    sdp.replace(sdp.find("c=IN IP4 192.0.2.10"), 19, "c=IN IP4 0.0.0.0");
    start(invite("Require: siprec\nContent-Type: application/sdp\n", sdp));
    EXPECT_FALSE(all<OpenStream>().at(0).facts.paused);
    EXPECT_EQ(base::to_string(all<OpenStream>()[0].facts.peer_rtp), "198.51.100.7:40000");
}

TEST_F(RecordingServer, E25_AStreamThatStartsInactiveStartsPaused) {
    start(invite("Require: siprec\nContent-Type: application/sdp\n",
                 offer(line(40000, "1", "inactive"), "")));
    EXPECT_TRUE(all<OpenStream>().at(0).facts.paused);
    EXPECT_EQ(count("stream_paused"), 1U);
}

TEST_F(RecordingServer, P33_APortOfZeroClosesOneStreamAndTheOthersGoOn) {
    establish();
    offer_again(offer(line(0, "1"), line(40002, "2")));
    ASSERT_EQ(all<CloseStream>().size(), 1U);
    EXPECT_EQ(all<CloseStream>()[0].stream, 0);
    EXPECT_EQ(count("stream_removed"), 1U);
    EXPECT_THAT(media_lines()[0], HasSubstr("m=audio 0 "));
    EXPECT_THAT(media_lines()[1], HasSubstr("m=audio 10002 "));
}

TEST_F(RecordingServer, P34_AddsALineAndTakesAReusedPlaceAsANewStream) {
    establish();
    offer_again(offer(line(40000, "1"), line(40002, "2") + line(40004, "3")));
    ASSERT_EQ(all<OpenStream>().size(), 1U);
    EXPECT_EQ(all<OpenStream>()[0].facts.stream, 2);
    EXPECT_EQ(media_lines().size(), 3U);
    offer_again(offer(line(0, "1"), line(40002, "2") + line(40004, "3")));
    offer_again(offer(line(40010, "1"), line(40002, "2") + line(40004, "3")));
    ASSERT_EQ(all<OpenStream>().size(), 1U);
    EXPECT_EQ(all<OpenStream>()[0].facts.stream, 3);  // never the old number
    EXPECT_TRUE(all<UpdateStream>().empty());
}

TEST_F(RecordingServer, P32_BindsLabelsAnewInEachMessage) {
    establish();
    offer_again(offer(line(40000, "2"), line(40002, "1")));
    const auto updates = all<UpdateStream>();
    ASSERT_EQ(updates.size(), 2U);
    EXPECT_EQ(updates[0].facts.stream, 0);
    EXPECT_EQ(updates[0].facts.label, "2");
    EXPECT_EQ(updates[1].facts.label, "1");
    EXPECT_TRUE(all<OpenStream>().empty());
    EXPECT_TRUE(all<CloseStream>().empty());
}

TEST_F(RecordingServer, ComparesTheBodyAndNotTheVersionOfTheOffer) {
    establish();
    // The same o= line as in the INVITE, another port and another codec (interop 3.5).
    offer_again(
        "v=0\no=src1 20260302091500 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n"
        "m=audio 41000 RTP/AVP 8 0 101\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n"
        "a=sendonly\na=label:1\nm=audio 40002 RTP/AVP 9\na=sendonly\na=label:2\n");
    EXPECT_EQ(all<UpdateStream>().size(), 2U);
    ASSERT_EQ(count("stream_changed"), 2U);
    EXPECT_THAT(events("stream_changed")[0], HasSubstr("\"peer_address\":\"192.0.2.10:41000\""));
    EXPECT_THAT(events("stream_changed")[1], HasSubstr("\"encoding\":\"G722\""));
    EXPECT_THAT(response().body, HasSubstr("o=earshot 42 1 IN"));
}

TEST_F(RecordingServer, ARefreshChangesNothingAndKeepsOurVersion) {
    const std::string same = offer(line(40000, "1"), line(40002, "2"));
    start(invite("Require: siprec\nContent-Type: application/sdp\n", same));
    const std::string first = response().body;
    ack();
    offer_again(same);
    EXPECT_EQ(actions_.size(), 1U);
    EXPECT_EQ(response().body, first);
}

TEST_F(RecordingServer, E7_AReinviteWithNothingToRecordLeavesTheSessionStanding) {
    establish();
    offer_again(offer("m=image 5000 udptl t38\n", "m=image 5002 udptl t38\n"));
    EXPECT_EQ(response().status, 488);
    EXPECT_TRUE(all<CloseStream>().empty());
    EXPECT_FALSE(session_->is_ended());
}

TEST_F(RecordingServer, P110_AllLinesMayBeDisabledAndTheSessionStays) {
    establish();
    offer_again(offer(line(0, "1"), line(0, "2")));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<CloseStream>().size(), 2U);
    EXPECT_FALSE(session_->is_ended());
}

TEST_F(RecordingServer, E18_RefusesAnOfferWhileOneIsBeingAnswered) {
    establish();
    opens_ports_ = false;
    offer_again(offer(line(40000, "1"), line(40002, "2") + line(40004, "3")));
    EXPECT_TRUE(all<Respond>().empty());
    offer_again(offer(line(40000, "1"), line(40002, "2")), "UPDATE");
    EXPECT_EQ(response().status, 500);
    EXPECT_NE(header(response(), "Retry-After"), "");
    session_->on_stream_opened(now_, 2, 10004, 10005);
    actions_.clear();
    drain();
    EXPECT_EQ(response().status, 200);
}

TEST_F(RecordingServer, E18_RefusesAnOfferWhileItsOwnWaitsForTheAnswerInTheAck) {
    start(invite("Require: siprec\n", ""));
    offer_again(offer(line(40000, "1"), line(40002, "2") + line(40004, "3")), "UPDATE");
    EXPECT_EQ(response().status, 491);
    EXPECT_TRUE(all<OpenStream>().empty());
    actions_.clear();
    session_->on_ack(now_, message_of(in_dialog("ACK", "Content-Type: application/sdp\n",
                                                offer(line(40000, "1"), line(40002, "2")))));
    drain();
    offer_again(offer(line(40000, "1"), line(40002, "2") + line(40004, "3")), "UPDATE");
    EXPECT_EQ(response().status, 200);
}

TEST_F(RecordingServer, TakesAnOfferInAnUpdate) {
    establish();
    offer_again(offer(line(40000, "1", "inactive"), line(40002, "2")), "UPDATE");
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<PauseStream>().size(), 1U);
}

// ---- metadata ---------------------------------------------------------------------------------

TEST_F(RecordingServer, P90_P97_TakesMetadataAloneAndInAMultipart) {
    establish();
    metadata_update(read_data("metadata/02-hold-partial.xml"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(response().body, "");
    EXPECT_EQ(all<StoreMetadata>().size(), 1U);
    EXPECT_THAT(events("metadata_received")[0], HasSubstr("\"mode\":\"partial\""));
    EXPECT_TRUE(all<PauseStream>().empty());  // hold is told by metadata, the media stays
}

TEST_F(RecordingServer, P36_M19_TellsHoldAndResume) {
    establish();
    metadata_update(read_data("metadata/02-hold-partial.xml"));
    ASSERT_EQ(count("stream_held"), 1U);
    EXPECT_THAT(events("stream_held")[0], HasSubstr("\"stream\":0"));
    metadata_update(read_data("metadata/02-hold-partial.xml"));
    EXPECT_EQ(count("stream_held"), 0U);  // told once
    metadata_update(read_data("metadata/01-two-party-complete.xml"));
    EXPECT_EQ(count("stream_unheld"), 1U);
}

TEST_F(RecordingServer, E5_P98_P102_AsksOnceForASnapshotWhenNoMetadataCame) {
    start(invite("Require: siprec\nContent-Type: application/sdp\n",
                 offer(line(40000, "1"), line(40002, "2"))));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(session_->deadline(), std::nullopt);  // not before the ACK
    ack();
    EXPECT_EQ(session_->deadline(), now_.steady + kSnapshotDelay);
    wait(kSnapshotDelay - std::chrono::milliseconds{1});
    EXPECT_TRUE(actions_.empty());
    wait(std::chrono::milliseconds{1});
    ASSERT_EQ(all<SendRequest>().size(), 1U);
    EXPECT_EQ(count("snapshot_requested"), 1U);
    session_->on_request_timed_out(now_);
    wait(std::chrono::hours{1});
    EXPECT_TRUE(all<SendRequest>().empty());
    EXPECT_FALSE(session_->is_ended());
}

TEST_F(RecordingServer, P103_P104_X4_TheSnapshotRequestIsMetadataWithoutSdp) {
    start(invite("Require: siprec\nContent-Type: application/sdp\n", offer(line(40000, "1"), "")));
    ack();
    wait(kSnapshotDelay);
    const sip::RequestSpec request = all<SendRequest>().at(0).request;
    EXPECT_EQ(request.method, "UPDATE");
    EXPECT_EQ(request.content_type, "application/rs-metadata+xml");
    EXPECT_EQ(request.headers[0].name, "Content-Disposition");
    EXPECT_EQ(request.headers[0].value, "recording-session");
    const auto document = parse_metadata(request.body);
    ASSERT_TRUE(document);
    EXPECT_EQ(document->kind, MetadataDocument::Kind::SnapshotRequest);
}

TEST_F(RecordingServer, P105_NoRequestRidesInAnotherTransaction) {
    start(invite("Require: siprec\nContent-Type: application/sdp\n", offer(line(40000, "1"), "")));
    ack();
    now_.steady += kSnapshotDelay;
    opens_ports_ = false;
    offer_again(offer(line(40000, "1"), line(40002, "2")));  // open: waits for a port
    EXPECT_EQ(session_->deadline(), std::nullopt);
    wait(std::chrono::seconds{1});
    EXPECT_TRUE(all<SendRequest>().empty());
}

TEST_F(RecordingServer, AsksForNothingWhenThePeerTakesNoUpdate) {
    start(invite("Require: siprec\nAllow: INVITE, ACK, BYE\nContent-Type: application/sdp\n",
                 offer(line(40000, "1"), "")));
    ack();
    wait(kSnapshotDelay);
    EXPECT_TRUE(all<SendRequest>().empty());
}

TEST_F(RecordingServer, E9_P101_RecordsOnWithBadMetadataAndAsksOnce) {
    establish();
    metadata_update("<recording xmlns='urn:ietf:params:xml:ns:recording:1'><session>\n</oops>");
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<StoreMetadata>().size(), 1U);  // the bytes are kept
    ASSERT_EQ(count("metadata_error"), 1U);
    EXPECT_THAT(events("metadata_error")[0], HasSubstr("\"line\":2"));
    wait(std::chrono::seconds{1});
    EXPECT_EQ(all<SendRequest>().size(), 1U);
    session_->on_response(
        now_, message_of("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: "
                         "<sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>;tag=2\r\nCall-ID: 1\r\n"
                         "CSeq: 1 UPDATE\r\nContent-Length: 0\r\n\r\n"));
    metadata_update("<again");
    EXPECT_EQ(response().status, 200);
    wait(std::chrono::seconds{1});
    EXPECT_TRUE(all<SendRequest>().empty());
    EXPECT_FALSE(session_->is_ended());
}

TEST_F(RecordingServer, E9_StrictModeEndsAfterTheSecondFailure) {
    config_.strict = true;
    establish();
    metadata_update("<bad");
    EXPECT_FALSE(session_->is_ended());
    metadata_update("<worse");
    EXPECT_TRUE(session_->is_ended());
    EXPECT_EQ(all<SendRequest>().at(0).request.method, "BYE");
}

TEST_F(RecordingServer, E9_BadMetadataInTheInviteDoesNotHinderTheMedia) {
    start(invite("Require: siprec\nContent-Type: multipart/mixed;boundary=b\n",
                 "--b\nContent-Type: application/sdp\n\n" + offer(line(40000, "1"), "") +
                     "--b\nContent-Type: application/rs-metadata+xml\n\n<recording\n--b--\n"));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<OpenStream>().size(), 1U);
    EXPECT_EQ(count("metadata_error"), 1U);
    EXPECT_EQ(all<CreateRow>().size(), 1U);
}

TEST_F(RecordingServer, E10_APartialBeforeAnySnapshotIsKeptAndASnapshotAskedFor) {
    start(invite("Require: siprec\nContent-Type: application/sdp\n",
                 offer(line(40000, "1"), line(40002, "2"))));
    ack();
    metadata_update(read_data("metadata/04-conference-leave-partial.xml"));
    EXPECT_EQ(session_->metadata().objects().sessions.size(), 1U);
    wait(kSnapshotDelay);
    EXPECT_EQ(all<SendRequest>().size(), 1U);
}

TEST_F(RecordingServer, E11_NotesAnIdThatNobodyDefinesAfterTwoSeconds) {
    establish();
    metadata_update(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>partial</datamode>"
        "<participantstreamassoc participant_id='viVQjiiHQGmjtkEyhA2Liw=='/></recording>");
    EXPECT_EQ(count("metadata_error"), 0U);
    wait(kReferenceDelay - std::chrono::milliseconds{1});
    EXPECT_EQ(count("metadata_error"), 0U);
    wait(std::chrono::milliseconds{1});
    EXPECT_EQ(count("metadata_error"), 1U);
    EXPECT_EQ(session_->deadline(), std::nullopt);
}

TEST_F(RecordingServer, E15_AStreamOfTheMetadataWithoutALineIsKnownAndNotRecorded) {
    start(message_from("two-party.sip"));
    EXPECT_EQ(all<OpenStream>().size(), 2U);
    metadata_update(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>partial</datamode>"
        "<stream stream_id='z5PiEIAQQgSfwoTgA9ORVQ=='><label>99</label></stream></recording>");
    EXPECT_EQ(response().status, 200);
    EXPECT_NE(session_->metadata().find_stream_by_label("99"), nullptr);
    EXPECT_TRUE(all<OpenStream>().empty());
}

TEST_F(RecordingServer, TellsTheRowWhenParticipantsChange) {
    establish();
    metadata_update(read_data("metadata/02-hold-partial.xml"));
    EXPECT_TRUE(all<UpdateRow>().empty());
    metadata_update(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>partial</datamode>"
        "<participant participant_id='viVQjiiHQGmjtkEyhA2Liw=='><nameID aor='sip:c@x.example'/>"
        "</participant></recording>");
    ASSERT_EQ(all<UpdateRow>().size(), 1U);
    EXPECT_EQ(all<UpdateRow>()[0].facts.participants.size(), 3U);
}

// ---- other requests ---------------------------------------------------------------------------

TEST_F(RecordingServer, E28_AnswersOptionsWithWhatItCan) {
    establish();
    request("OPTIONS");
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(header(response(), "Allow"),
              "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, OPTIONS, INFO");
    EXPECT_THAT(header(response(), "Accept"), HasSubstr("application/rs-metadata"));
}

TEST_F(RecordingServer, E28_RefusesMethodsItDoesNotHave) {
    establish();
    request("MESSAGE");
    EXPECT_EQ(response().status, 405);
    EXPECT_NE(header(response(), "Allow"), "");
    request("FROBNICATE");
    EXPECT_EQ(response().status, 501);
}

TEST_F(RecordingServer, Point8_TakesDtmfFromInfo) {
    establish();
    request("INFO", "Content-Type: application/dtmf-relay\n", "Signal=5\nDuration=160\n");
    EXPECT_EQ(response().status, 200);
    EXPECT_THAT(events("dtmf").at(0), HasSubstr("\"digit\":\"5\",\"duration_ms\":160"));
    request("INFO", "Content-Type: application/dtmf\n", "#\n");
    EXPECT_THAT(events("dtmf").at(0), HasSubstr("\"digit\":\"#\""));
    request("INFO", "Content-Type: application/x-other\n", "x\n");
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(count("dtmf"), 0U);
}

TEST_F(RecordingServer, MasksDigitsWhilePaused) {
    establish();
    offer_again(offer(line(40000, "1", "inactive"), line(40002, "2", "inactive")));
    request("INFO", "Content-Type: application/dtmf-relay\n", "Signal=5\nDuration=160\n");
    EXPECT_THAT(events("dtmf").at(0), Not(HasSubstr("5")));
    EXPECT_THAT(events("dtmf").at(0), HasSubstr("\"masked\":true"));
}

// ---- the end ----------------------------------------------------------------------------------

TEST_F(RecordingServer, ByeClosesEverything) {
    establish();
    request("BYE", "Reason: Q.850;cause=16;text=\"normal\"\n");
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(all<CloseStream>().size(), 2U);
    EXPECT_THAT(events("call_ended").at(0), HasSubstr("\"by\":\"peer\""));
    EXPECT_THAT(events("call_ended").at(0), HasSubstr("cause=16"));
    EXPECT_TRUE(std::holds_alternative<End>(actions_.back()));
    EXPECT_TRUE(all<End>()[0].accepted);
    EXPECT_EQ(all<End>()[0].reason.code, "");
    request("INFO");
    EXPECT_EQ(response().status, 481);
}

TEST_F(RecordingServer, Rfc3326_AByeThatBlamesTheClientIsTheReason) {
    establish();
    request("BYE", "Reason: SIP;cause=500;text=\"The recording client was interrupted\"\n");
    EXPECT_EQ(all<End>()[0].reason.code, "client_failed");
    EXPECT_THAT(all<End>()[0].reason.text, HasSubstr("was interrupted"));
    EXPECT_THAT(events("call_ended").at(0), HasSubstr("client_failed"));
}

TEST_F(RecordingServer, Rfc3326_OtherReasonsOfAByeAreTheUsualEnd) {
    for (const char* value : {"SIP;cause=486", "SIP;cause=600", "Q.850;cause=500", "SIP;cause=x"}) {
        start(message_from("two-party.sip"));
        request("BYE", std::string("Reason: ") + value + "\n");
        EXPECT_EQ(all<End>().back().reason.code, "") << value;
    }
}

TEST_F(RecordingServer, ACancelledInviteEndsTheSession) {
    stores_rows_ = false;
    start(message_from("two-party.sip"));
    actions_.clear();
    session_->on_cancel(now_);
    drain();
    EXPECT_TRUE(all<Respond>().empty());  // the 487 is the Agent's
    EXPECT_EQ(all<CloseStream>().size(), 2U);
    EXPECT_EQ(all<End>().at(0).reason.code, "cancelled");
    session_->on_row_durable(now_);
    EXPECT_FALSE(session_->poll_action().has_value());
}

TEST_F(RecordingServer, Point3_EndsWhenThe200IsNeverAcknowledged) {
    start(message_from("two-party.sip"));
    actions_.clear();
    session_->on_no_ack(now_);
    drain();
    EXPECT_EQ(all<SendRequest>().at(0).request.method, "BYE");
    EXPECT_EQ(all<End>().at(0).reason.code, "no_ack");
}

TEST_F(RecordingServer, E26_OnlySipEndsASession) {
    establish();
    for (int hour = 0; hour < 24; ++hour) wait(std::chrono::hours{1});
    EXPECT_FALSE(session_->is_ended());
    EXPECT_EQ(session_->deadline(), std::nullopt);
}

TEST_F(RecordingServer, P61_P62_TakesBothClearProfiles) {
    std::string feedback = line(40002, "2");
    feedback.replace(feedback.find("RTP/AVP"), 7, "RTP/AVPF");
    start(invite("Require: siprec\nContent-Type: application/sdp\n",
                 offer(line(40000, "1"), feedback)));
    EXPECT_THAT(media_lines().at(0), HasSubstr("RTP/AVP 8"));
    EXPECT_THAT(media_lines().at(1), HasSubstr("RTP/AVPF 8"));
}

// RFC 3262 section 3: we send no reliable provisional response, so no PRACK matches one.
TEST_F(RecordingServer, TakesAnInviteThatRequires100relAndNoPrack) {
    start(invite("Require: siprec, 100rel\nContent-Type: application/sdp\n",
                 offer(line(40000, "1"), "")));
    EXPECT_EQ(response().status, 200);
    ack();
    request("PRACK", "RAck: 1 2 INVITE\n");
    EXPECT_EQ(response().status, 481);
    EXPECT_FALSE(session_->is_ended());
}

TEST_F(RecordingServer, E21_ALostDialogClosesTheStreams) {
    establish();
    actions_.clear();
    session_->on_dialog_lost(now_, {"dialog_lost", "The session timer ran out."});
    drain();
    EXPECT_EQ(all<CloseStream>().size(), 2U);
    EXPECT_EQ(all<End>().at(0).reason.code, "dialog_lost");
}

TEST_F(RecordingServer, StopSendsByeOrRefusesWhatIsBeingAnswered) {
    establish();
    actions_.clear();
    session_->stop(now_, {"stopped", "The server is going down."});
    drain();
    EXPECT_EQ(all<SendRequest>().at(0).request.method, "BYE");
    EXPECT_THAT(events("call_ended").at(0), HasSubstr("\"by\":\"local\""));

    actions_.clear();
    stores_rows_ = false;
    start(message_from("two-party.sip"));
    session_->stop(now_, {"stopped", "The server is going down."});
    drain();
    EXPECT_EQ(response().status, 503);
}

TEST_F(RecordingServer, ASnapshotRequestThatIsRefusedEndsNothing) {
    start(invite("Require: siprec\nContent-Type: application/sdp\n", offer(line(40000, "1"), "")));
    ack();
    wait(kSnapshotDelay);
    actions_.clear();
    session_->on_response(
        now_, message_of("SIP/2.0 405 No\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: "
                         "<sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>;tag=2\r\nCall-ID: 1\r\n"
                         "CSeq: 1 UPDATE\r\nContent-Length: 0\r\n\r\n"));
    drain();
    EXPECT_THAT(events("snapshot_refused").at(0), HasSubstr("405"));
    EXPECT_FALSE(session_->is_ended());
}

}  // namespace
}  // namespace earshot::siprec
