#include "siprec/client_documents.h"

#include "base/text.h"
#include "sdp/fingerprint.h"
#include "sdp/session_description.h"
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

class ClientDocuments : public SessionTest {
protected:
    ClientDocuments() {
        const char* names[] = {"Ada", "Bo"};
        for (std::size_t i = 0; i < 2; ++i) {
            call_.parties[i].name = names[i];
            call_.parties[i].aor = "sip:" + base::to_lower(names[i]) + "@desk.example";
            const auto port = static_cast<std::uint16_t>(40000 + 2 * i);
            call_.parties[i].rtp = *base::parse_host("192.0.2.10", port);
            call_.parties[i].rtcp =
                *base::parse_host("192.0.2.10", static_cast<std::uint16_t>(port + 1));
        }
    }
    MetadataDocument parse(const std::string& text) {
        const auto document = parse_metadata(text);
        EXPECT_TRUE(document);
        EXPECT_TRUE(document && document->issues.empty());
        return document ? *document : MetadataDocument{};
    }
    sip::Message invite(const ClientBody& body) {
        const std::string text =
            "INVITE sip:srs@192.0.2.80 SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n"
            "From: <sip:a@a.example>;tag=1\r\nTo: <sip:srs@192.0.2.80>\r\nCall-ID: 1\r\n"
            "CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.10>;+sip.src\r\nRequire: siprec\r\n"
            "Content-Type: " +
            body.content_type + "\r\nContent-Length: " + std::to_string(body.bytes.size()) +
            "\r\n\r\n" + body.bytes;
        return message_of(text);
    }

    base::SeededRandom random_{7};
    ClientCall call_ = make_client_call(random_, now_.wall, 2);
};

TEST_F(ClientDocuments, OurServerTakesOurInviteWithoutAFault) {
    start(invite(client_invite_body(call_, now_.wall)));
    EXPECT_EQ(response().status, 200);
    EXPECT_EQ(count("sip_leniency"), 0U);
    EXPECT_EQ(count("metadata_error"), 0U);
    EXPECT_EQ(all<OpenStream>().size(), 2U);
    EXPECT_EQ(all<CreateRow>()[0].facts.participants[1].name, "Bo");
    EXPECT_TRUE(session_->metadata().unresolved().empty());
    EXPECT_EQ(session_->metadata().senders_of("2")[0]->names[0].aor, "sip:bo@desk.example");
}

TEST_F(ClientDocuments, P30_P31_OffersSendonlyLinesWithLabels) {
    const std::string text = client_offer(call_);
    const auto offer = sdp::parse(text);
    ASSERT_TRUE(offer);
    ASSERT_EQ(offer->media.size(), 2U);
    EXPECT_EQ(offer->media[1].label, "2");
    EXPECT_EQ(offer->media[0].direction, sdp::Direction::SendOnly);
    EXPECT_EQ(offer->media[0].payload_types.size(), 3U);
    const std::string paused = client_offer(call_, ClientMedia::Inactive);
    EXPECT_EQ(sdp::parse(paused)->media[0].direction, sdp::Direction::Inactive);
}

TEST_F(ClientDocuments, P127_OffersKeysByDtls) {
    base::CertificateFingerprint fingerprint;
    fingerprint.function = base::HashFunction::Sha256;
    fingerprint.digest.assign(32, 0x5a);
    for (ClientParty& party : call_.parties)
        party.dtls = ClientDtls{fingerprint, "0123456789abcdef0123"};
    const std::string text = client_offer(call_);
    const auto offer = sdp::parse(text);
    ASSERT_TRUE(offer);
    for (const sdp::MediaDescription& medium : offer->media) {
        EXPECT_EQ(medium.proto, "UDP/TLS/RTP/SAVPF");
        EXPECT_EQ(sdp::fingerprints_of(*offer, medium), std::vector{fingerprint});
        EXPECT_EQ(sdp::setup_of(*offer, medium), sdp::Setup::ActPass);
    }
    EXPECT_NE(text.find("a=rtcp-mux\r\n"), std::string::npos);
    EXPECT_NE(text.find("a=tls-id:0123456789abcdef0123\r\n"), std::string::npos);
}

TEST_F(ClientDocuments, HoldResumeAndEndMoveTheModel) {
    MetadataModel model;
    model.apply(parse(client_complete_metadata(call_, now_.wall)), now_.wall);
    EXPECT_FALSE(model.is_held("1"));
    model.apply(parse(client_hold_metadata(call_, now_.wall)), now_.wall);
    EXPECT_TRUE(model.is_held("1"));
    EXPECT_FALSE(model.is_held("2"));
    model.apply(parse(client_resume_metadata(call_, now_.wall)), now_.wall);
    EXPECT_FALSE(model.is_held("1"));
    model.apply(parse(client_end_metadata(call_, now_.wall)), now_.wall);
    EXPECT_EQ(model.objects().sessions[0].stop, now_.wall);
    EXPECT_EQ(model.objects().sessions[0].sip_session_ids.size(), 1U);
}

}  // namespace
}  // namespace earshot::siprec
