// Recordings, not dialogs: what belongs to one conversation becomes one recording, and nothing else
// does. The real binary; messages of our own making, written after what the products send.
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "integration/harness.h"
#include "integration/udp_client.h"

namespace earshot::integration {
namespace {

using nlohmann::json;

constexpr const char* kSessionS = "hVpd7YQgRW2nD22h7q60JQ==";
constexpr const char* kSessionT = "UAAMm5GRQKSCMVvLyl4rFw==";
constexpr const char* kGroupG = "i1Pz3to5hGk8fuXl+PbwCw==";
constexpr const char* kHalfA = "ab30317f1a784dc48ff824d0d3715d86";
constexpr const char* kHalfB = "47755a9de7794ba387653f2099600ef2";
constexpr const char* kHalfC = "2209d2a5f1e54fa1b3a1c2d3e4f50617";
constexpr const char* kNilHalf = "00000000000000000000000000000000";

std::string metadata(const std::string& inside) {
    return "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>complete</datamode>" +
           inside + "</recording>";
}
std::string session(const std::string& id, const std::string& inside = "") {
    return "<session session_id=\"" + id + "\">" + inside + "</session>";
}
std::string participant(const std::string& aor) {
    return "<participant participant_id=\"srfBElmCRp2QB23b7Mpk0w==\"><nameID aor=\"" + aor +
           "\"/></participant>";
}
std::string multipart(const std::string& xml) {
    return std::string("--b\nContent-Type: application/sdp\n\n") + kSdp +
           "\n--b\nContent-Type: application/rs-metadata+xml\n"
           "Content-Disposition: recording-session\n\n" +
           xml + "\n--b--\n";
}

// A recording client whose calls are dialogs by hand.
class PiecesClient {
public:
    explicit PiecesClient(const TestServer& server) : client_(server.sip_port()) {}

    // The 200, acknowledged.
    std::string call(const std::string& call_id, const std::string& xml,
                     const std::string& headers = {}) {
        const bool has_metadata = !xml.empty();
        client_.send(invite(client_, call_id,
                            has_metadata ? "multipart/mixed;boundary=b" : "application/sdp",
                            has_metadata ? multipart(xml) : kSdp, headers));
        const std::string answer = client_.receive();
        EXPECT_EQ(answer.rfind("SIP/2.0 200", 0), 0U) << answer;
        client_.send(in_dialog(client_, answer, "ACK", 1));
        return answer;
    }
    void update(const std::string& answer, const std::string& xml) {
        client_.send(in_dialog(client_, answer, "UPDATE", 2,
                               "Content-Type: application/rs-metadata+xml\n"
                               "Content-Disposition: recording-session\n",
                               xml));
        const std::string updated = client_.receive();
        EXPECT_EQ(updated.rfind("SIP/2.0 200", 0), 0U) << updated;
    }
    void bye(const std::string& answer) {
        client_.send(in_dialog(client_, answer, "BYE", 3));
        const std::string ended = client_.receive();
        EXPECT_EQ(ended.rfind("SIP/2.0 200", 0), 0U) << ended;
    }
    // An INVITE of Cisco's built-in bridge: who is recorded stands in From, the offer is left to
    // the server (Q20).
    std::string call_of_phone(const std::string& call_id, const std::string& end,
                              const std::string& refci) {
        std::string text = invite(client_, call_id, "application/sdp", "");
        const std::string from = "<sip:client@127.0.0.1:" + std::to_string(client_.port()) + ">";
        text.replace(text.find(from), from.size(),
                     "<sip:2001@127.0.0.1;" + end + ";x-refci=" + refci + ">");
        text.erase(text.find("Content-Type: application/sdp\r\n"), 31);
        client_.send(text);
        const std::string offer = client_.receive();
        EXPECT_EQ(offer.rfind("SIP/2.0 200", 0), 0U) << offer;
        client_.send(in_dialog(client_, offer, "ACK", 1, "Content-Type: application/sdp\n",
                               "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
                               "m=audio 40000 RTP/AVP 0\na=sendonly\nm=audio 0 RTP/AVP 0\n"));
        return offer;
    }

private:
    UdpClient client_;
};

class Pieces : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(server_.start()) << server_.log(); }

    // The list when it has so many recordings.
    json list(std::size_t count) {
        json found;
        EXPECT_TRUE(eventually([&] {
            found = server_.list();
            return found.is_array() && found.size() == count;
        })) << found.dump(1);
        return found;
    }
    json show(const json& recording) {
        const std::string id = recording["id"];
        return json::parse(server_.run({"show", id, "--json"}).out, nullptr, false);
    }
    // The one recording, when it has so many pieces.
    json whole(std::size_t pieces) {
        json found;
        EXPECT_TRUE(eventually([&] {
            found = server_.list();
            return found.is_array() && found.size() == 1 && found[0]["pieces"].size() == pieces;
        })) << found.dump(1);
        return found.is_array() && !found.empty() ? show(found[0]) : json();
    }
    static json joined(const json& recording, std::size_t piece) {
        return recording["pieces"][piece]["joined"];
    }

    TestServer server_{3000};
};

TEST_F(Pieces, TheTwoLegsOfACiscoPhoneAreOneRecordingByTheirReference) {
    PiecesClient cucm(server_);
    cucm.call_of_phone("near", "x-nearend", "27298698");
    cucm.call_of_phone("far", "x-farend", "27298698");
    cucm.call_of_phone("another", "x-nearend", "27298777");
    const json all = list(2);
    EXPECT_EQ(all[0]["pieces"].size(), 0U);
    const json call = show(all[1]);
    ASSERT_EQ(call["pieces"].size(), 2U) << call;
    EXPECT_EQ(call["call_ids"], json({"near", "far"}));
    EXPECT_EQ(joined(call, 1)[0]["key"], "from:x-refci");
    EXPECT_EQ(joined(call, 1)[0]["value"], "27298698");
}

TEST_F(Pieces, ACallThatMetaswitchSendsOnceForEachSubscriberIsOneRecording) {
    PiecesClient metaswitch(server_);
    const auto document = [](const char* aor) {
        return "<recording xmlns=\"urn:ietf:params:xml:ns:recording\">" + session(kSessionS) +
               participant(aor) + "</recording>";
    };
    metaswitch.call("caller", document("2125550100"));
    metaswitch.call("callee", document("2125550101"));
    const json call = whole(2);
    EXPECT_EQ(call["participants"].size(), 2U);
    EXPECT_EQ(joined(call, 1)[0]["key"], "session_id");
    const Output shown = server_.run({"show", call["id"].get<std::string>()});
    EXPECT_NE(shown.out.find("of piece 1"), std::string::npos) << shown.out;
}

TEST_F(Pieces, ATransferKeepsOneHalfOfTheSessionId) {
    PiecesClient sbc(server_);
    const std::string first =
        sbc.call("before", "", std::string("Session-ID: ") + kHalfA + ";remote=" + kHalfB + "\n");
    sbc.bye(first);
    sbc.call("after", "", std::string("Session-ID: ") + kHalfA + ";remote=" + kHalfC + "\n");
    const json call = whole(2);
    EXPECT_EQ(joined(call, 1)[0]["key"], "sip_session_id");
    EXPECT_EQ(joined(call, 1)[0]["value"], kHalfA);
    EXPECT_EQ(call["state"], "recording");  // while any piece runs
}

TEST_F(Pieces, AParkedCallThatAnotherPicksUpIsOneRecording) {
    PiecesClient pbx(server_);
    const std::string parked =
        pbx.call("parked", metadata(session(kSessionS) + participant("sip:ada@desk.example")));
    pbx.bye(parked);
    const std::string picked =
        pbx.call("picked", metadata(session(kSessionS) + participant("sip:cy@desk.example")));
    pbx.bye(picked);
    const json ended = server_.wait_for_recordings(1);
    ASSERT_EQ(ended.size(), 1U);
    const json call = show(ended[0]);
    ASSERT_EQ(call["pieces"].size(), 2U);
    EXPECT_EQ(call["participants"][1]["aor"], "sip:cy@desk.example");
    EXPECT_EQ(call["state"], "failed");  // the worst of its pieces: neither brought media
    // The reason stands on the timeline of the piece that joined.
    const Output events = server_.run(
        {"export", call["id"].get<std::string>(), "--format", "json", "--piece", "2", "-o", "-"});
    const json stored = json::parse(events.out, nullptr, false);
    ASSERT_TRUE(stored.is_object()) << events.out << events.err << call.dump(1);
    bool is_told = false;
    for (const json& event : stored["events"])
        if (event["type"] == "piece_joined") {
            is_told = true;
            EXPECT_EQ(event["key"], "session_id");
            EXPECT_EQ(event["with"], call["id"]);
        }
    EXPECT_TRUE(is_told) << stored["events"].dump(1);
}

TEST_F(Pieces, TheOtherEndOfACallHasTheSessionIdTheOtherWayRound) {
    PiecesClient sbc(server_);
    sbc.call("one", "", std::string("Session-ID: ") + kHalfA + ";remote=" + kHalfB + "\n");
    sbc.call("two", metadata(session(kSessionT, std::string("<sipSessionID>") + kHalfB +
                                                    ";remote=" + kHalfA + "</sipSessionID>")));
    EXPECT_EQ(joined(whole(2), 1)[0]["key"], "sip_session_id");
}

TEST_F(Pieces, CallsWithNothingInCommonButTheUnknownHalfStayApart) {
    PiecesClient sbc(server_);
    for (const char* half : {kHalfA, kHalfB, kHalfC})
        sbc.call(half, "", std::string("Session-ID: ") + half + ";remote=" + kNilHalf + "\n");
    for (const json& recording : list(3)) EXPECT_EQ(recording["pieces"].size(), 0U);
}

TEST_F(Pieces, AKeyThatComesByUpdateJoinsRunningRecordings) {
    PiecesClient sbc(server_);
    sbc.call("one", metadata(session(kSessionS)));
    const std::string late = sbc.call("two", metadata(participant("sip:ASBCE@asbce.com")));
    list(2);
    sbc.update(late, metadata(session(kSessionS) + participant("sip:3001@avaya.example")));
    EXPECT_EQ(whole(2)["call_ids"], json({"one", "two"}));
}

TEST_F(Pieces, CallsOfOneGroupAreRelatedAndNotMerged) {
    PiecesClient src(server_);
    const auto document = [](const char* id) {
        return metadata("<group group_id=\"" + std::string(kGroupG) + "\"/>" +
                        session(id, "<group-ref>" + std::string(kGroupG) + "</group-ref>"));
    };
    src.call("one", document(kSessionS));
    src.call("two", document(kSessionT));
    const json all = list(2);
    const json shown = show(all[0]);
    EXPECT_EQ(shown["group"], kGroupG);
    ASSERT_EQ(shown["related"].size(), 1U) << shown;
    EXPECT_EQ(shown["related"][0]["id"], all[1]["id"]);
}

TEST_F(Pieces, JoinsSurviveACrashAndALostCatalogue) {
    PiecesClient sbc(server_);
    sbc.call("one", metadata(session(kSessionS)));
    sbc.call("two", metadata(session(kSessionS)));
    whole(2);
    server_.kill();
    ASSERT_TRUE(server_.start()) << server_.log();
    EXPECT_EQ(whole(2)["call_ids"], json({"one", "two"}));

    sbc.call("three", metadata(session(kSessionT)));
    sbc.call("four", metadata(session(kSessionT)));
    list(2);
    std::this_thread::sleep_for(std::chrono::seconds{1});  // the journal's commits lag the rows
    server_.kill();
    for (const char* name : {"catalogue.sqlite", "catalogue.sqlite-wal", "catalogue.sqlite-shm"})
        std::filesystem::remove(server_.data() / name);
    ASSERT_TRUE(server_.start()) << server_.log();
    EXPECT_EQ(whole(2)["call_ids"], json({"three", "four"}));  // from the journal alone
}

TEST_F(Pieces, CallsOfOurOwnClientWithOneSessionIdAreOneRecording) {
    const Output calls = server_.run({"call", "--to", server_.sip_uri(), "--session-id",
                                      "5f0c1d7e-3a52-4c1b-9f0e-6f1f0a3f9d11", "--count", "2",
                                      "--rate", "10", "--duration", "0.5", "--json"});
    EXPECT_EQ(calls.exit_code, 0) << calls.err << server_.log();
    const json sent = json::parse(calls.out, nullptr, false);
    ASSERT_EQ(sent.size(), 2U) << calls.out;
    EXPECT_EQ(sent[0]["session_id"], sent[1]["session_id"]);
    const json call = whole(2);
    EXPECT_EQ(call["session_ids"], json({sent[0]["session_id"]}));
    EXPECT_EQ(call["call_ids"].size(), 2U);
    EXPECT_EQ(joined(call, 1)[0]["key"], "session_id");
    EXPECT_EQ(server_.run({"call", "--to", server_.sip_uri(), "--session-id", "short"}).exit_code,
              2);
}

TEST_F(Pieces, AThousandUnrelatedCallsOfOneProfileAreAThousandRecordings) {
    const Output calls =
        server_.run({"call", "--to", server_.sip_uri(), "--group", "inbound", "--count", "1000",
                     "--rate", "100", "--duration", "0.2", "--json"});
    EXPECT_EQ(calls.exit_code, 0) << calls.err << server_.log();
    json all;
    ASSERT_TRUE(eventually(
        [&] {
            const Output listed = server_.run({"ls", "inbound", "--limit", "1001", "--json"});
            all = json::parse(listed.out, nullptr, false);
            return all.is_array() && all.size() == 1000;
        },
        std::chrono::seconds{60}))
        << all.size();
    for (const json& recording : all) {
        EXPECT_EQ(recording["profile"], "inbound");
        EXPECT_TRUE(recording["group"].is_null());
        EXPECT_EQ(recording["pieces"].size(), 0U);
    }
    EXPECT_EQ(show(all[0])["related"].size(), 0U);
}

}  // namespace
}  // namespace earshot::integration
