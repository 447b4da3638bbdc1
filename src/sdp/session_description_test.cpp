#include "sdp/session_description.h"

#include <gtest/gtest.h>

#include <string>

namespace earshot::sdp {
namespace {

SessionDescription must_parse(std::string_view text) {
    auto parsed = parse(text);
    EXPECT_TRUE(parsed.has_value()) << text;
    return parsed ? *parsed : SessionDescription{};
}

// A recording offer in the style of spec/metadata-model.md section 9.1.
constexpr std::string_view kOffer =
    "v=0\r\n"
    "o=src1 20260302091500 1 IN IP4 192.0.2.10\r\n"
    "s=-\r\n"
    "c=IN IP4 192.0.2.10\r\n"
    "b=AS:128\r\n"
    "t=0 0\r\n"
    "a=recordpref:pause\r\n"
    "m=audio 40000 RTP/AVP 8 0 101\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\n"
    "a=ptime:20\r\n"
    "a=sendonly\r\n"
    "a=label:1\r\n"
    "a=record:on\r\n"
    "a=ssrc:3735928559 cname:x@y\r\n"
    "a=ssrc:3735928559 msid:a b\r\n"
    "m=video 40002/2 RTP/AVPF 96 34\r\n"
    "c=IN IP6 2001:db8::1\r\n"
    "b=TIAS:500000\r\n"
    "a=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 profile-level-id=42e01f;packetization-mode=1\r\n"
    "a=rtcp:50000 IN IP4 192.0.2.11\r\n"
    "a=rtcp-mux\r\n"
    "a=mid:v\r\n"
    "a=content:slides,main\r\n"
    "a=recordpref:off\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=label:screen two\r\n";

TEST(SessionDescription, ReadsAndWritesTheTitleOfALine) {
    const std::string text =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\ni=of the session\r\nc=IN IP4 192.0.2.1\r\n"
        "t=0 0\r\nm=video 4000 RTP/AVP 99\r\ni=Plan B\r\na=content:slides\r\n"
        "m=audio 4002 RTP/AVP 0\r\n";
    const auto parsed = parse(text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->media[0].title, "Plan B");
    EXPECT_EQ(parsed->media[1].title, "");
    EXPECT_FALSE(parsed->has_odd_order);
    const std::string written = write(*parsed);
    EXPECT_NE(written.find("RTP/AVP 99\r\ni=Plan B\r\n"), std::string::npos);
    EXPECT_EQ(written.find("of the session"), std::string::npos);
}

TEST(SdpParser, ReadsTheSessionLevel) {
    const SessionDescription sdp = must_parse(kOffer);
    ASSERT_TRUE(sdp.origin);
    EXPECT_EQ(sdp.origin->username, "src1");
    EXPECT_EQ(sdp.origin->session_id, "20260302091500");
    EXPECT_EQ(sdp.origin->session_version, "1");
    EXPECT_EQ(sdp.origin->address, "192.0.2.10");
    EXPECT_EQ(sdp.name, "-");
    EXPECT_EQ(sdp.timing, "0 0");
    ASSERT_TRUE(sdp.connection);
    EXPECT_EQ(sdp.connection->address, "192.0.2.10");
    ASSERT_EQ(sdp.bandwidths.size(), 1U);
    EXPECT_EQ(sdp.bandwidths[0], (Bandwidth{"AS", 128}));
    ASSERT_EQ(sdp.session_attributes().size(), 1U);
    EXPECT_EQ(sdp.session_attributes()[0], (Attribute{"recordpref", "pause", true}));
    EXPECT_FALSE(sdp.has_bare_line_ends || sdp.lacks_lines || sdp.has_odd_order);
    EXPECT_EQ(sdp.unreadable_lines, 0U);
}

TEST(SdpParser, ReadsMediaWithPayloadTypesAndAttributes) {
    const SessionDescription sdp = must_parse(kOffer);
    ASSERT_EQ(sdp.media.size(), 2U);
    const MediaDescription& audio = sdp.media[0];
    EXPECT_EQ(audio.media, "audio");
    EXPECT_EQ(audio.port, 40000);
    EXPECT_EQ(audio.proto, "RTP/AVP");
    ASSERT_EQ(audio.payload_types.size(), 3U);
    EXPECT_EQ(audio.payload_types[0], (PayloadType{8, "PCMA", 8000, 1, "", true}));
    EXPECT_EQ(audio.payload_types[1], (PayloadType{0, "PCMU", 8000, 1, "", false}));
    EXPECT_EQ(audio.payload_types[2], (PayloadType{101, "telephone-event", 8000, 1, "0-15", true}));
    EXPECT_EQ(audio.ptime_ms, 20U);
    EXPECT_EQ(audio.direction, Direction::SendOnly);
    EXPECT_EQ(audio.label, "1");
    EXPECT_EQ(audio.record, RecordState::On);
    EXPECT_EQ(audio.record_preference, RecordPreference::Pause);  // from the session level
    EXPECT_EQ(audio.ssrcs, std::vector<std::uint32_t>{0xdeadbeef});

    const MediaDescription& video = sdp.media[1];
    EXPECT_EQ(video.port_count, 2);
    EXPECT_TRUE(video.is_rtp());
    EXPECT_FALSE(video.is_secure_rtp());
    EXPECT_EQ(video.payload_types[0].fmtp, "profile-level-id=42e01f;packetization-mode=1");
    EXPECT_TRUE(video.payload_types[1].is("h263"));
    EXPECT_EQ(video.direction, Direction::SendRecv);
    EXPECT_EQ(video.label, "screen two");
    EXPECT_EQ(video.mid, "v");
    EXPECT_EQ(video.content, "slides,main");
    EXPECT_TRUE(video.has_rtcp_mux);
    EXPECT_EQ(video.record_preference, RecordPreference::Off);
    ASSERT_NE(sdp.find_attribute(video, "extmap"), nullptr);
    EXPECT_EQ(sdp.find_attribute(audio, "extmap"), nullptr);
    EXPECT_EQ(sdp.attributes_of(audio).size(), 9U);
}

TEST(SdpParser, TellsWhereRtpAndRtcpGo) {
    const SessionDescription sdp = must_parse(kOffer);
    EXPECT_EQ(to_string(*rtp_address(sdp, sdp.media[0])), "192.0.2.10:40000");
    EXPECT_EQ(to_string(*rtcp_address(sdp, sdp.media[0], false)), "192.0.2.10:40001");
    EXPECT_EQ(to_string(*rtp_address(sdp, sdp.media[1])), "[2001:db8::1]:40002");
    EXPECT_EQ(to_string(*rtcp_address(sdp, sdp.media[1], false)), "192.0.2.11:50000");
    EXPECT_EQ(to_string(*rtcp_address(sdp, sdp.media[1], true)), "[2001:db8::1]:40002");

    const auto last = must_parse("c=IN IP4 192.0.2.1\nm=audio 65535 RTP/AVP 0\n");
    EXPECT_EQ(rtcp_address(last, last.media[0], false), std::nullopt);
    const auto name = must_parse("c=IN IP4 media.example\nm=audio 4 RTP/AVP 0\n");
    EXPECT_EQ(rtp_address(name, name.media[0]), std::nullopt);
    const auto none = must_parse("m=audio 4 RTP/AVP 0\n");
    EXPECT_EQ(rtp_address(none, none.media[0]), std::nullopt);
}

// RFC 8866 section 5, the description in its text.
TEST(SdpParser, ExampleFromRfc8866Section5) {
    const SessionDescription sdp = must_parse(
        "v=0\r\n"
        "o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\n"
        "s=Call to John Smith\r\n"
        "i=SDP Offer #1\r\n"
        "u=http://www.jdoe.example.com/home.html\r\n"
        "e=Jane Doe <jane@jdoe.example.com>\r\n"
        "p=+1 617 555-6011\r\n"
        "c=IN IP4 198.51.100.1\r\n"
        "t=0 0\r\n"
        "m=audio 49170 RTP/AVP 0\r\n"
        "m=audio 49180 RTP/AVP 0\r\n"
        "m=video 51372 RTP/AVP 99\r\n"
        "c=IN IP6 2001:db8::2\r\n"
        "a=rtpmap:99 h263-1998/90000\r\n");
    EXPECT_FALSE(sdp.has_odd_order || sdp.lacks_lines);
    ASSERT_EQ(sdp.media.size(), 3U);
    EXPECT_EQ(sdp.name, "Call to John Smith");
    EXPECT_EQ(sdp.media[1].payload_types[0].encoding, "PCMU");
    EXPECT_EQ(sdp.connection_of(sdp.media[1])->address, "198.51.100.1");
    EXPECT_EQ(sdp.connection_of(sdp.media[2])->address, "2001:db8::2");
    EXPECT_EQ(sdp.media[2].payload_types[0].encoding, "h263-1998");
}

struct DirectionCase {
    const char* session;
    const char* media;
    Direction expected;
};

TEST(SdpParser, TakesTheDirectionOfTheMediumThenOfTheSession) {
    const DirectionCase cases[] = {
        {"", "", Direction::SendRecv},
        {"", "a=sendonly\n", Direction::SendOnly},
        {"a=inactive\n", "", Direction::Inactive},
        {"a=inactive\n", "a=recvonly\n", Direction::RecvOnly},
        {"a=sendonly\n", "a=direction:both\n", Direction::SendRecv},
        {"", "a=direction:both\na=sendonly\n", Direction::SendOnly},  // interop Q32
        {"", "a=sendonly\na=direction:both\n", Direction::SendOnly},
        {"", "a=direction:active\na=SendOnly \n", Direction::SendOnly},
        {"", "a=sendrecv\na=sendonly\n", Direction::SendOnly},
    };
    for (const DirectionCase& c : cases) {
        const std::string text =
            "v=0\n" + std::string{c.session} + "m=audio 4 RTP/AVP 0\n" + c.media;
        EXPECT_EQ(must_parse(text).media.at(0).direction, c.expected) << text;
    }
}

TEST(SdpParser, ReadsEachRecordValue) {
    const auto state = [](std::string_view value) {
        const std::string text = "m=audio 4 RTP/AVP 0\na=record:" + std::string{value};
        return must_parse(text).media.at(0).record;
    };
    EXPECT_EQ(state("on"), RecordState::On);
    EXPECT_EQ(state("off"), RecordState::Off);
    EXPECT_EQ(state("paused"), RecordState::Paused);
    EXPECT_EQ(state("else"), RecordState::Absent);
    const auto preference = [](std::string_view line) {
        const std::string text = "m=audio 4 RTP/AVP 0\n" + std::string{line};
        return must_parse(text).media.at(0).record_preference;
    };
    EXPECT_EQ(preference("a=recordpref:on"), RecordPreference::On);
    EXPECT_EQ(preference("a=recordpref:nopref"), RecordPreference::NoPreference);
    EXPECT_EQ(preference("a=recordpref:nopreference"), RecordPreference::NoPreference);
    EXPECT_EQ(preference("a=a=recordpref:off"), RecordPreference::Off);  // spec X-3
}

TEST(SdpParser, SeesHoldByAddress) {
    const auto held = must_parse("c=IN IP4 0.0.0.0\nm=audio 4 RTP/AVP 0\n");  // interop Q25
    EXPECT_TRUE(held.is_held_by_address(held.media[0]));
    const auto media_level =
        must_parse("c=IN IP4 0.0.0.0\nm=audio 4 RTP/AVP 0\nc=IN IP4 192.0.2.1\n");
    EXPECT_FALSE(media_level.is_held_by_address(media_level.media[0]));
}

TEST(SdpParser, TakesOddFormsAndNotesThem) {
    const auto lf =
        must_parse("v=0\no=- 1 1 IN IP4 h\ns=-\nt=0 0\nc=IN IP4 192.0.2.1\nm=audio 4 RTP/AVP 0");
    EXPECT_TRUE(lf.has_bare_line_ends);
    EXPECT_TRUE(lf.has_odd_order);  // c= after t=
    EXPECT_FALSE(lf.lacks_lines);
    EXPECT_EQ(lf.media.at(0).formats, "0");

    const auto cr = must_parse("v=0\rm=audio 4 RTP/AVP 0\ra=label:x\r");
    EXPECT_EQ(cr.media.at(0).label, "x");
    EXPECT_TRUE(cr.lacks_lines);

    const auto media_first = must_parse("m=audio 4 RTP/AVP 0\r\nt=0 0\r\ns=-\r\nv=0\r\n");
    EXPECT_TRUE(media_first.has_odd_order);
    EXPECT_EQ(media_first.timing, "0 0");

    const auto bad = must_parse("v=0\r\nnonsense\r\nb=AS\r\nb=AS:-1\r\nc=IN\r\no=x\r\n\r\n = \r\n");
    EXPECT_EQ(bad.unreadable_lines, 6U);
    EXPECT_TRUE(bad.bandwidths.empty());
    EXPECT_FALSE(bad.connection || bad.origin);

    const auto spaced = must_parse("o=my user 1 2 IN IP4 192.0.2.1\n");
    EXPECT_EQ(spaced.origin->username, "my user");
    EXPECT_EQ(spaced.origin->session_version, "2");
}

// interop Q15: a second description after the first one is noise.
TEST(SdpParser, StopsAtASecondDescription) {
    const auto sdp = must_parse("v=0\nm=audio 4 RTP/AVP 0\nv=0\nm=audio 6 RTP/AVP 0\n");
    EXPECT_EQ(sdp.media.size(), 1U);
    EXPECT_EQ(sdp.unreadable_lines, 1U);
}

TEST(SdpParser, MarksMediaLinesThatCannotBeRead) {
    for (const std::string_view line :
         {"m=", "m=audio", "m=audio 4", "m=audio 65536 RTP/AVP 0", "m=audio 4294967296 RTP/AVP 0",
          "m=audio -1 RTP/AVP 0", "m=audio x RTP/AVP 0", "m=audio 4/0 RTP/AVP 0",
          "m=audio 4/x RTP/AVP 0", "m=audio 4/65536 RTP/AVP 0"}) {
        const SessionDescription sdp = must_parse(line);
        ASSERT_EQ(sdp.media.size(), 1U) << line;
        EXPECT_TRUE(sdp.media[0].is_malformed) << line;
        EXPECT_EQ(sdp.media[0].port, 0) << line;
    }
    EXPECT_FALSE(must_parse("m=audio 65535 RTP/AVP 0").media[0].is_malformed);
}

TEST(SdpParser, KeepsEachReadablePayloadTypeOnce) {
    const auto sdp = must_parse("m=audio 4 RTP/AVP 0 0 127 128 -1 x 8 256 4294967296\n");
    ASSERT_EQ(sdp.media[0].payload_types.size(), 3U);
    EXPECT_EQ(sdp.media[0].payload_types[1].number, 127);
    EXPECT_EQ(sdp.media[0].payload_types[2].number, 8);
    EXPECT_TRUE(must_parse("m=message 4 TCP/MSRP *\n").media[0].payload_types.empty());
}

TEST(SdpParser, ParsesSixtyFourMediaAndKeepsTheRestAsText) {
    std::string text = "v=0\r\n";
    for (std::size_t i = 0; i < kMaxMedia; ++i) text += "m=audio 4 RTP/AVP 0\r\n";
    EXPECT_TRUE(must_parse(text).excess_media.empty());
    text += "m=video 6 RTP/AVP 34\r\na=label:x\r\n";
    const SessionDescription sdp = must_parse(text);
    EXPECT_EQ(sdp.media.size(), kMaxMedia);
    EXPECT_EQ(sdp.excess_media, "m=video 6 RTP/AVP 34\r\na=label:x\r\n");
}

TEST(SdpParser, CapsAttributesBandwidthsAndSsrcs) {
    std::string text = "m=audio 4 RTP/AVP 0\n";
    for (std::size_t i = 0; i <= kMaxAttributes; ++i) text += "a=ssrc:" + std::to_string(i) + "\n";
    for (std::size_t i = 0; i <= kMaxBandwidths; ++i) text += "b=AS:1\n";
    const SessionDescription sdp = must_parse(text);
    EXPECT_EQ(sdp.all_attributes.size(), kMaxAttributes);
    EXPECT_EQ(sdp.attributes_dropped, 1U);
    EXPECT_EQ(sdp.media[0].ssrcs.size(), kMaxSsrcs);
    EXPECT_EQ(sdp.media[0].bandwidths.size(), kMaxBandwidths);
}

TEST(SdpParser, RefusesWhatIsTooLongOrNoSdp) {
    std::string text = "v=0\n";
    text.resize(kMaxSdpBytes, 'x');
    EXPECT_TRUE(parse(text));
    text.push_back('x');
    EXPECT_EQ(parse(text).error().code, base::Errc::TooLarge);
    for (const std::string_view other : {"", "\r\n\r\n", "hello", "<xml/>"}) {
        EXPECT_EQ(parse(other).error().code, base::Errc::Malformed);
    }
}

TEST(SdpParser, SurvivesEveryTruncation) {
    for (std::size_t size = 0; size < kOffer.size(); ++size) {
        const std::string cut(kOffer.substr(0, size));  // exact, for AddressSanitizer
        const auto sdp = parse(cut);
        ASSERT_EQ(sdp.has_value(), size >= 2) << size;
        if (sdp) {
            const auto again = parse(write(*sdp));
            ASSERT_TRUE(again);
        }
    }
}

TEST(SdpWriter, WritesWhatReadsTheSame) {
    for (const std::string_view text :
         {kOffer,
          std::string_view{"m=\nm=audio\nm=audio 4\nm=audio x RTP/AVP 0\nm=audio 4/2 x y z\n"},
          std::string_view{"o=a b 1 2 IN IP4 h\nc=IN IP4 h/127\na=\na=:\na=x:\n a=y:z "
                           "\nb=X:18446744073709551615"},
          std::string_view{
              "a=a=record:on\nm=audio 4 RTP/AVP 8 0\na=fmtp:0 a b \na=rtpmap:0 X/1/2"}}) {
        const SessionDescription first = must_parse(text);
        const std::string written = write(first);
        const SessionDescription second = must_parse(written);
        EXPECT_TRUE(has_same_content(first, second)) << written;
        EXPECT_EQ(write(second), written);
        EXPECT_FALSE(second.has_bare_line_ends);
    }
}

TEST(SdpContent, DiffersWhenOneLabelOrPortDiffers) {
    std::string other{kOffer};
    EXPECT_TRUE(has_same_content(must_parse(kOffer), must_parse(other)));
    other.replace(other.find("label:1"), 7, "label:2");
    EXPECT_FALSE(has_same_content(must_parse(kOffer), must_parse(other)));
}

TEST(KeptDescription, SurvivesAMoveOfAShortText) {
    auto kept = KeptDescription::parse("s=x");
    ASSERT_TRUE(kept);
    const KeptDescription moved = *std::move(kept);
    EXPECT_EQ(moved->name, "x");
    EXPECT_EQ(moved.text(), "s=x");
    EXPECT_FALSE(KeptDescription::parse("no"));
}

TEST(PayloadTypes, NamesTheStaticOnesOfRfc3551) {
    EXPECT_EQ(static_payload_type(9)->clock_rate, 8000U);
    EXPECT_EQ(static_payload_type(10)->channels, 2);
    EXPECT_EQ(static_payload_type(34)->encoding, "H263");
    for (const int number : {1, 2, 19, 20, 24, 27, 29, 30, 35, 72, 95, 96, 127, 255}) {
        EXPECT_FALSE(static_payload_type(static_cast<std::uint8_t>(number))) << number;
    }
}

TEST(PayloadTypes, ReadsRtpmapsStrictly) {
    EXPECT_EQ(parse_rtpmap("96 opus/48000/2"), (PayloadType{96, "opus", 48000, 2, "", true}));
    EXPECT_EQ(parse_rtpmap("96  L16/8000"), (PayloadType{96, "L16", 8000, 1, "", true}));
    for (const std::string_view bad :
         {"", "96", "96 ", "96 x", "96 x/", "96 /8000", "128 x/8000", "-1 x/8000", "96 x/-8000",
          "96 x/4294967296", "96 x/8000/0", "96 x/8000/65536", "96 x/8000/a"}) {
        EXPECT_FALSE(parse_rtpmap(bad)) << bad;
    }
}

TEST(CryptoAttributes, AreTakenApart) {
    const auto crypto = parse_crypto("1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20 KDR=1 WSH=60");
    ASSERT_TRUE(crypto);
    EXPECT_EQ(crypto->tag, 1U);
    EXPECT_EQ(crypto->suite, "AES_CM_128_HMAC_SHA1_80");
    EXPECT_EQ(crypto->key_parameters, "inline:abc|2^20");
    EXPECT_EQ(crypto->session_parameters, "KDR=1 WSH=60");
    for (const std::string_view bad : {"", "1", "1 X", "x X inline:a"}) {
        EXPECT_FALSE(parse_crypto(bad)) << bad;
    }
}

}  // namespace
}  // namespace earshot::sdp
