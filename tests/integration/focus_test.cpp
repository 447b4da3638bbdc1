// Conferences whose focus is the recording client: phones dial into a room, hear each other, and
// what they say is recorded with who said it; client, server and phones by the real binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <numbers>
#include <set>

#include "audio/wav.h"
#include "base/bytes.h"
#include "integration/harness.h"
#include "integration/udp_client.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

// Of each so many milliseconds of a WAV file, whether a tone is in it. What is 1000 / window_ms Hz
// away is another one.
std::vector<bool> sounds_of(const std::string& octets, double hz, double above = 2000,
                            std::uint32_t window_ms = 20) {
    std::vector<bool> found;
    const auto wav = audio::parse_wav(base::as_bytes(octets));
    if (!wav) return found;
    const std::vector<std::int16_t> samples = audio::to_mono(*wav);
    const auto window = static_cast<std::size_t>(wav->format.rate * window_ms / 1000);
    for (std::size_t at = 0; at + window <= samples.size(); at += window) {
        double real = 0;
        double imaginary = 0;
        for (std::size_t i = 0; i < window; ++i) {
            const double phase =
                2 * std::numbers::pi * hz * static_cast<double>(i) / wav->format.rate;
            real += samples[at + i] * std::cos(phase);
            imaginary += samples[at + i] * std::sin(phase);
        }
        found.push_back(2 * std::hypot(real, imaginary) / static_cast<double>(window) > above);
    }
    return found;
}

// Of a phone's voice in one word of a WAV file.
std::size_t windows_with(const std::filesystem::path& file, double hz) {
    const std::vector<bool> sounds = sounds_of(read_file(file), hz);
    return static_cast<std::size_t>(std::count(sounds.begin(), sounds.end(), true));
}

// How often one tone was followed by the other, within a tenth of a second.
std::size_t count_pairs(const std::filesystem::path& file, double first_hz, double then_hz) {
    constexpr std::size_t kTenth = 5;
    const std::string octets = read_file(file);
    const std::vector<bool> first = sounds_of(octets, first_hz, 1500);
    const std::vector<bool> then = sounds_of(octets, then_hz, 1500);
    std::size_t found = 0;
    for (std::size_t i = 1; i < then.size(); ++i) {
        if (!then[i] || then[i - 1]) continue;
        const std::size_t from = i < kTenth ? 0 : i - kTenth;
        const auto at = first.begin() + static_cast<std::ptrdiff_t>(from);
        found += std::count(at, at + static_cast<std::ptrdiff_t>(i - from), true) > 0 ? 1U : 0U;
    }
    return found;
}

class Focus : public testing::Test {
protected:
    // `client`: of its other settings; `others`: servers after the first.
    void start(const std::string& focus, const std::string& client = {},
               const std::string& others = {}) {
        ASSERT_TRUE(server_.start()) << server_.log();
        ASSERT_TRUE(client_.start("[client]\nservers = [\"" + server_.sip_uri() + "\"" + others +
                                  "]\n" + client + "[focus]\nrooms = [\"conf-*\"]\n" + focus))
            << client_.log();
    }
    std::string room(const std::string& name = "conf-1") const {
        return "sip:" + name + "@" + client_.sip();
    }
    std::vector<std::string> phones(std::vector<std::string> more,
                                    const std::string& name = "conf-1") const {
        std::vector<std::string> command{earshot_binary(), "call", "--json", "--to", room(name)};
        command.insert(command.end(), more.begin(), more.end());
        return command;
    }
    std::unique_ptr<Process> dial_in(std::vector<std::string> more) {
        const std::string name = "phone" + std::to_string(++dialled_);
        more.insert(more.begin(), {"--phones", "--duration", "60"});
        return std::make_unique<Process>(phones(std::move(more)), client_.scratch() / name,
                                         client_.scratch() / (name + ".err"));
    }
    static void hang_up(Process& phone) {
        phone.signal(SIGINT);
        phone.wait();
    }
    // What the phone that dialled in as that one says of its call, once it has hung up.
    json said_by(int number) const {
        const std::string text = read_file(client_.scratch() / ("phone" + std::to_string(number)));
        const json all = json::parse(text, nullptr, false);
        return all.is_object() ? all["calls"][0]["a"] : json{};
    }
    // Those who are in it, by the client's own word.
    json participants() const {
        const Output got = run_command(
            {"curl", "-s", "-H", "Authorization: Bearer " + token(),
             "http://127.0.0.1:" + std::to_string(client_.http_port()) + "/api/v1/conferences"});
        const json all = json::parse(got.out, nullptr, false);
        if (!all.is_object() || all["conferences"].empty()) return json::array();
        return all["conferences"][0]["participants"];
    }
    std::string token() const {
        const json access = json::parse(read_file(client_.data() / "cli.json"), nullptr, false);
        return access.value("token", "");
    }
    bool are_in(std::size_t count) const {
        return eventually([&] { return participants().size() == count; });
    }
    // The server's recording once it fulfils that; null when it never does.
    json recording(const std::function<bool(const json&)>& condition) const {
        json found;
        eventually([&] {
            const json all = server_.list();
            if (all.is_array() && !all.empty() && condition(all[0])) found = all[0];
            return !found.is_null();
        });
        return found;
    }
    static std::size_t count(std::string_view text, std::string_view what) {
        std::size_t found = 0;
        for (std::size_t at = text.find(what); at != std::string_view::npos;
             at = text.find(what, at + 1))
            ++found;
        return found;
    }
    std::string track(const json& recording, const json& stream) const {
        const json access = json::parse(read_file(server_.data() / "cli.json"), nullptr, false);
        return run_command({"curl", "-s", "-H",
                            "Authorization: Bearer " + access.value("token", ""),
                            "http://127.0.0.1:" + std::to_string(server_.http_port()) +
                                "/api/v1/recordings/" + recording["id"].get<std::string>() +
                                "/audio/" + stream["label"].get<std::string>() + ".wav"})
            .out;
    }
    static std::size_t streams_with_media(const json& recording) {
        std::size_t count = 0;
        for (const json& stream : recording["streams"]) count += stream["packets"] > 0 ? 1 : 0;
        return count;
    }

    TestServer server_;
    TestClient client_;
    int dialled_ = 0;
};

// REST: who is muted is heard by nobody, and recorded by nobody.
TEST_F(Focus, WhoIsMutedIsNotRecorded) {
    start("chimes = false\n");
    const auto ada = dial_in({"--party-a", "sip:ada@desk.example"});
    ASSERT_TRUE(are_in(1)) << client_.log();
    const auto bo = dial_in({"--party-a", "sip:bo@desk.example", "--not-aware", "--dtmf", "*6"});
    ASSERT_TRUE(are_in(2)) << client_.log();
    ASSERT_TRUE(eventually([&] {
        const json all = participants();
        return all.size() == 2 && all[1]["muted"] == true && all[1]["told"] == "tone";
    })) << participants().dump(1)
        << client_.log();
    EXPECT_FALSE(recording([](const json& it) {
                     return it["streams"].size() == 2 && it["streams"][1]["state"] == "paused";
                 }).is_null())
        << server_.list().dump(1);
    hang_up(*ada);
    hang_up(*bo);
}

// By the verbs for calls: a room is shown beside them, and obeys as they do.
TEST_F(Focus, ARoomIsShownAndControlledAsACallIs) {
    start("chimes = false\n");
    const auto ada = dial_in({"--party-a", "Ada <sip:ada@desk.example>"});
    ASSERT_TRUE(are_in(1)) << client_.log();
    const auto bo = dial_in({"--party-a", "sip:bo@desk.example", "--not-aware"});
    ASSERT_TRUE(are_in(2)) << client_.log();
    json shown;
    const auto becomes = [&](const std::string& state) {
        return eventually([&] {
            const json all = client_.calls();
            shown = all.is_array() && all.size() == 1 ? all[0] : json{};
            return shown.is_object() && shown["recordings"].size() == 1 &&
                   shown["recordings"][0]["state"] == state;
        });
    };
    EXPECT_TRUE(becomes("recording")) << client_.calls().dump(1);
    EXPECT_EQ(shown["kind"], "room");
    EXPECT_EQ(shown["room"], "conf-1");
    const std::string number = shown["conference"];
    const Output table = client_.run({"calls"});
    EXPECT_THAT(table.out, HasSubstr("1 Ada; 2 sip:bo@desk.example"));
    EXPECT_THAT(table.out, Not(HasSubstr("No calls")));

    EXPECT_EQ(client_.run({"pause", "conf-2", "--client"}).exit_code, 3);
    const Output paused = client_.run({"pause", "conf-1", "--client", "--reason", "card number"});
    EXPECT_EQ(paused.exit_code, 0) << paused.err;
    EXPECT_TRUE(becomes("paused")) << client_.calls().dump(1);
    EXPECT_TRUE(eventually([&] {
        const json all = participants();
        return all.size() == 2 && all[1]["told"] == "none";
    })) << participants().dump(1);
    EXPECT_FALSE(recording([](const json& it) {
                     return it["streams"].size() == 2 &&
                            it["streams"][0].value("state", "") == "paused" &&
                            it["streams"][1].value("state", "") == "paused";
                 }).is_null())
        << server_.list().dump(1);
    EXPECT_EQ(client_.run({"resume", number, "--client"}).exit_code, 0);
    EXPECT_TRUE(becomes("recording")) << client_.calls().dump(1);
    EXPECT_FALSE(recording([](const json& it) {
                     return it["streams"].size() == 2 &&
                            it["streams"][0].value("state", "") == "active";
                 }).is_null())
        << server_.list().dump(1);

    EXPECT_EQ(client_.run({"stop", "conf-1", "--client"}).exit_code, 0);
    EXPECT_TRUE(becomes("ended")) << client_.calls().dump(1);
    EXPECT_EQ(participants().size(), 2U);  // the conference goes on
    EXPECT_EQ(client_.run({"pause", "conf-1", "--client"}).exit_code, 5);
    const Output again = client_.run({"start", "conf-1", "--client"});
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_TRUE(becomes("recording")) << client_.calls().dump(1);

    const Output ended = client_.run({"hangup", "conf-1"});
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_TRUE(are_in(0)) << client_.log();
    EXPECT_EQ(client_.calls(), json::array());
    EXPECT_THAT(client_.log(), HasSubstr("An operator ended the conference."));
    hang_up(*ada);
    hang_up(*bo);
}

// On demand: a room is recorded once somebody says so.
TEST_F(Focus, ARoomIsRecordedOnDemand) {
    start("chimes = false\n", "on_demand = true\n");
    const auto ada = dial_in({"--party-a", "sip:ada@desk.example", "--not-aware"});
    ASSERT_TRUE(are_in(1)) << client_.log();
    EXPECT_EQ(participants()[0]["told"], "none");
    EXPECT_EQ(client_.calls()[0]["recordings"][0]["state"], "waiting") << client_.calls().dump(1);
    const Output begun = client_.run({"start", "conf-1", "--client"});
    EXPECT_EQ(begun.exit_code, 0) << begun.err << client_.log();
    EXPECT_EQ(client_.calls()[0]["recordings"][0]["state"], "recording") << client_.calls().dump(1);
    EXPECT_TRUE(eventually([&] {
        const json all = participants();
        return all.size() == 1 && all[0]["told"] == "tone";
    })) << participants().dump(1);
    EXPECT_FALSE(recording([](const json& it) { return it["state"] == "recording"; }).is_null());
    hang_up(*ada);
}

TEST_F(Focus, EachParticipantIsRecordedByItselfAndWhoIsTooManyIsRefused) {
    start("max_participants = 3\nchimes = false\n");
    const std::string heard = (client_.scratch() / "heard.wav").string();
    const auto ada = dial_in({"--party-a", "sip:ada@desk.example", "--heard-a", heard});
    ASSERT_TRUE(are_in(1)) << client_.log();
    const auto bo = dial_in({"--party-a", "sip:bo@desk.example"});
    ASSERT_TRUE(are_in(2)) << client_.log();
    const auto cleo = dial_in({"--party-a", "sip:cleo@desk.example"});
    ASSERT_TRUE(are_in(3)) << client_.log();
    for (const json& one : participants()) EXPECT_EQ(one["told"], "a=record") << one.dump(1);

    const Output refused = run_command(phones({"--phones", "--duration", "1"}));
    EXPECT_NE(refused.exit_code, 0);
    const json fourth = json::parse(refused.out, nullptr, false);
    EXPECT_EQ(fourth["calls"][0]["a"]["sip_status"], 486) << refused.out;
    EXPECT_THAT(client_.log(), HasSubstr("as many participants as it may have (3)"));

    const json three = recording([](const json& it) { return streams_with_media(it) == 3; });
    ASSERT_FALSE(three.is_null()) << server_.list().dump(1) << client_.log();
    EXPECT_EQ(server_.list().size(), 1U);
    hang_up(*bo);
    ASSERT_TRUE(are_in(2)) << client_.log();
    // It is told at once: its stream has ended, and those of the others have not.
    EXPECT_FALSE(recording([](const json& it) {
                     std::size_t active = 0;
                     for (const json& stream : it["streams"])
                         active += stream.value("state", "") == "active" ? 1 : 0;
                     return it["state"] == "recording" && active == 2;
                 }).is_null())
        << server_.list().dump(1);
    hang_up(*ada);
    hang_up(*cleo);

    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    EXPECT_EQ(all[0]["state"], "complete") << all[0].dump(1);
    std::set<std::string> parties;
    for (const json& one : all[0]["participants"]) parties.insert(one["aor"].get<std::string>());
    for (const char* const aor : {"sip:ada@desk.example", "sip:bo@desk.example",
                                  "sip:cleo@desk.example", "sip:conf-1@127.0.0.1"})
        EXPECT_TRUE(parties.contains(aor)) << aor << all[0].dump(1);
    ASSERT_EQ(all[0]["streams"].size(), 3U) << all[0].dump(1);
    for (const json& stream : all[0]["streams"]) EXPECT_EQ(stream["lost"], 0) << stream.dump(1);
    const std::string id = all[0]["id"];
    const Output xml = server_.run({"export", id, "--format", "xml", "-o", "-"});
    ASSERT_EQ(xml.exit_code, 0) << xml.err;
    EXPECT_THAT(xml.out, HasSubstr("isfocus"));
    EXPECT_THAT(xml.out, HasSubstr("sip:conf-1@"));
    EXPECT_EQ(count(xml.out, "<label"), 3U) << xml.out;
    // Of the focus and the three, in the session; and of the three as to media.
    EXPECT_GE(count(xml.out, "<disassociate-time>"), 7U) << xml.out;
    // All of them say the same tone, and each hears it by the others' mouths.
    EXPECT_GT(windows_with(heard, 440), 20U);
}

// RFC 7865 section 6.6: who leaves and comes back is one participant with two times of being there.
TEST_F(Focus, WhoComesBackIsTheSameParticipant) {
    start("chimes = false\n");
    const auto ada = dial_in({"--party-a", "sip:ada@desk.example"});
    ASSERT_TRUE(are_in(1)) << client_.log();
    for (const std::size_t streams : {2U, 3U}) {
        const auto bo = dial_in({"--party-a", "Bo <sip:bo@desk.example>"});
        ASSERT_TRUE(are_in(2)) << client_.log();
        EXPECT_FALSE(
            recording([&](const json& it) { return streams_with_media(it) == streams; }).is_null())
            << server_.list().dump(1) << client_.log();
        hang_up(*bo);
        ASSERT_TRUE(are_in(1)) << client_.log();
    }
    hang_up(*ada);
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    EXPECT_EQ(all[0]["state"], "complete") << all[0].dump(1);
    ASSERT_EQ(all[0]["streams"].size(), 3U) << all[0].dump(1);
    for (const json& stream : all[0]["streams"]) EXPECT_GT(stream["packets"], 0) << stream.dump(1);
    const std::string id = all[0]["id"];
    const Output xml = server_.run({"export", id, "--format", "xml", "-o", "-"});
    EXPECT_EQ(count(xml.out, "aor=\"sip:bo@desk.example\""), 1U) << xml.out;
    const std::size_t name = xml.out.find("aor=\"sip:bo@desk.example\"");
    ASSERT_NE(name, std::string::npos);
    const std::string key = "participant_id=\"";
    const std::size_t at = xml.out.rfind(key, name) + key.size();
    const std::string bo = xml.out.substr(at, xml.out.find('"', at) - at);
    EXPECT_EQ(count(xml.out, "<participantsessionassoc participant_id=\"" + bo + "\""), 2U)
        << xml.out;

    const Output text = server_.run({"export", id, "--format", "timeline", "-o", "-"});
    const json timeline = json::parse(text.out, nullptr, false);
    ASSERT_TRUE(timeline.is_object()) << text.out << text.err;
    json presence;
    for (const json& one : timeline["participants"])
        if (one["aor"] == "sip:bo@desk.example") presence = one["presence"];
    ASSERT_EQ(presence.size(), 2U) << timeline["participants"].dump(1);
    EXPECT_LT(presence[0]["left_ms"], presence[1]["joined_ms"]) << presence.dump(1);
    EXPECT_LT(presence[1]["joined_ms"], presence[1]["left_ms"]) << presence.dump(1);
    const Output events = server_.run({"export", id, "--format", "json", "-o", "-"});
    const json recorded = json::parse(events.out, nullptr, false);
    ASSERT_TRUE(recorded.is_object()) << events.out << events.err;
    std::string told;
    for (const json& event : recorded["events"])
        if (event.value("participant", "") == "sip:bo@desk.example")
            told += event["type"].get<std::string>().substr(12) + " ";
    EXPECT_EQ(told, "joined left joined left ") << events.out;
}

// RFC 4575 by hand: the whole state at once, then what changed, the end at the end.
TEST_F(Focus, WhoSubscribesIsToldWhoIsThere) {
    start("chimes = false\n");
    const auto ada = dial_in({"--party-a", "sip:ada@desk.example"});
    ASSERT_TRUE(are_in(1)) << client_.log();
    const UdpClient watcher(
        static_cast<std::uint16_t>(std::stoul(client_.sip().substr(client_.sip().find(':') + 1))));
    const std::string here = "127.0.0.1:" + std::to_string(watcher.port());
    watcher.send("SUBSCRIBE " + room() + " SIP/2.0\r\nVia: SIP/2.0/UDP " + here +
                 ";branch=z9hG4bKw1\r\nMax-Forwards: 70\r\nFrom: <sip:w@" + here +
                 ">;tag=w\r\nTo: <" + room() +
                 ">\r\nCall-ID: watch\r\nCSeq: 1 SUBSCRIBE\r\n"
                 "Contact: <sip:w@" +
                 here +
                 ">\r\nEvent: conference\r\nExpires: 600\r\n"
                 "Content-Length: 0\r\n\r\n");
    // Answers each NOTIFY until one holds that.
    const auto notified = [&](std::string_view what) {
        for (int i = 0; i < 20; ++i) {
            const std::string got = watcher.receive(20'000);
            if (got.empty()) break;
            if (got.rfind("NOTIFY", 0) != 0) continue;
            std::string answer = "SIP/2.0 200 OK\r\n";
            for (std::size_t at = 0; at < got.find("\r\n\r\n");) {
                const std::size_t end = got.find("\r\n", at);
                const std::string line = got.substr(at, end - at);
                for (const char* const name : {"Via:", "From:", "To:", "Call-ID:", "CSeq:"})
                    if (line.rfind(name, 0) == 0) answer += line + "\r\n";
                at = end + 2;
            }
            watcher.send(answer + "Content-Length: 0\r\n\r\n");
            if (got.find(what) != std::string::npos) return got;
        }
        return std::string{};
    };
    const std::string first = notified("state=\"full\"");
    EXPECT_THAT(first, HasSubstr("Subscription-State: active"));
    EXPECT_THAT(first, HasSubstr("sip:ada@desk.example"));
    EXPECT_THAT(first, HasSubstr("<src-id>"));
    const auto bo = dial_in({"--party-a", "sip:bo@desk.example"});
    const std::string second = notified("sip:bo@desk.example");
    EXPECT_THAT(second, HasSubstr("state=\"partial\""));
    EXPECT_THAT(second, Not(HasSubstr("sip:ada@desk.example")));
    hang_up(*bo);
    EXPECT_THAT(notified("<status>disconnected</status>"), HasSubstr("sip:bo@desk.example"));
    hang_up(*ada);
    EXPECT_THAT(notified("terminated"), HasSubstr("noresource"));
}

// By hand: each is refused by what it is, and told why.
TEST_F(Focus, WhatCannotBeTakenIsRefusedWithItsReason) {
    start("domains = [\"conf.example\"]\n");
    const UdpClient phone(
        static_cast<std::uint16_t>(std::stoul(client_.sip().substr(client_.sip().find(':') + 1))));
    const std::string here = "127.0.0.1:" + std::to_string(phone.port());
    int calls = 0;
    const auto invite = [&](const std::string& to, const std::string& sdp) {
        const std::string number = std::to_string(++calls);
        const auto request = [&](const std::string& method, const std::string& to_tag,
                                 const std::string& body) {
            return method + " " + to + " SIP/2.0\r\nVia: SIP/2.0/UDP " + here + ";branch=z9hG4bKi" +
                   number + "\r\nMax-Forwards: 70\r\nFrom: <sip:ada@" + here + ">;tag=a" + number +
                   "\r\nTo: <" + to + ">" + to_tag + "\r\nCall-ID: refused-" + number + "@" + here +
                   "\r\nCSeq: 1 " + method + "\r\nContact: <sip:ada@" + here + ">\r\n" +
                   (body.empty() ? "" : "Content-Type: application/sdp\r\n") +
                   "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
        };
        phone.send(request("INVITE", "", sdp));
        std::string answer = phone.receive();
        while (answer.rfind("SIP/2.0 1", 0) == 0) answer = phone.receive();
        const std::size_t tag = answer.find(";tag=", answer.find("\r\nTo:"));
        if (tag != std::string::npos)
            phone.send(request("ACK", answer.substr(tag, answer.find("\r\n", tag) - tag), ""));
        return answer;
    };
    const auto sdp = [](const std::string& address, const std::string& more = {}) {
        return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 " + address +
               "\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n" + more;
    };
    for (const std::string& unknown : {room("sales"), std::string("sip:sales@conf.example")}) {
        const std::string answer = invite(unknown, sdp("127.0.0.1"));
        EXPECT_THAT(answer, testing::StartsWith("SIP/2.0 404")) << unknown;
        EXPECT_THAT(answer, HasSubstr("'sales' matches no focus.rooms"));
    }
    for (const char* const group : {"233.252.0.7/127", "255.255.255.255"}) {
        const std::string answer = invite(room(), sdp(group));
        EXPECT_THAT(answer, testing::StartsWith("SIP/2.0 488")) << group;
        EXPECT_THAT(answer, HasSubstr("single addresses alone"));
    }
    std::string lines;
    for (int i = 0; i < 64; ++i) lines += "m=video 40002 RTP/AVP 97\r\n";
    const std::string many = invite(room(), sdp("127.0.0.1", lines));
    EXPECT_THAT(many, testing::StartsWith("SIP/2.0 488"));
    EXPECT_THAT(many, HasSubstr("more lines of media than are read (64)"));
    // One less is answered, line by line.
    const std::string just =
        invite(room(), sdp("127.0.0.1", lines.substr(0, lines.size() - lines.size() / 64)));
    EXPECT_THAT(just, testing::StartsWith("SIP/2.0 200")) << client_.log();
    EXPECT_EQ(count(just, "\r\nm="), 64U);
}

TEST_F(Focus, OneRoomMoreThanMayBeIsRefused) {
    start("max_rooms = 1\nchimes = false\n");
    const auto ada = dial_in({"--party-a", "sip:ada@desk.example"});
    ASSERT_TRUE(are_in(1)) << client_.log();
    const json refused = json::parse(
        run_command(phones({"--phones", "--duration", "1"}, "conf-2")).out, nullptr, false);
    EXPECT_EQ(refused["calls"][0]["a"]["sip_status"], 503) << refused.dump(1);
    EXPECT_THAT(client_.log(), HasSubstr("As many conferences run as may (1)."));
    // The one that runs has room, and a place is free again when it ends.
    const auto bo = dial_in({"--party-a", "sip:bo@desk.example"});
    EXPECT_TRUE(are_in(2)) << client_.log();
    hang_up(*ada);
    hang_up(*bo);
    ASSERT_TRUE(are_in(0));
    const Output other = run_command(phones({"--phones", "--duration", "1"}, "conf-2"));
    EXPECT_EQ(other.exit_code, 0) << other.out;
}

// Nothing of who does not know yet is heard or recorded.
TEST_F(Focus, AnAnnouncementGoesBeforeTheFirstWord) {
    constexpr double kWordsHz = 2000;
    constexpr double kVoiceHz = 440;
    const std::filesystem::path words = client_.scratch() / "told.wav";
    std::vector<std::int16_t> samples(8000);
    for (std::size_t i = 0; i < samples.size(); ++i)
        samples[i] = static_cast<std::int16_t>(
            9000 * std::sin(2 * std::numbers::pi * kWordsHz * static_cast<double>(i) / 8000));
    base::Bytes wav = audio::make_wav_header({}, samples.size());
    audio::append_samples(samples, wav);
    write_file(words, base::as_text(wav));
    start("chimes = false\n", "indication = \"announcement\"\nannouncement = \"" + words.string() +
                                  "\"\nannounce_first = true\n");
    const std::string heard = (client_.scratch() / "heard.wav").string();
    const auto ada = dial_in({"--party-a", "sip:ada@desk.example"});
    ASSERT_TRUE(are_in(1)) << client_.log();
    const json run =
        json::parse(run_command(phones({"--phones", "--duration", "4", "--party-a",
                                        "sip:bo@desk.example", "--not-aware", "--heard-a", heard}))
                        .out,
                    nullptr, false);
    ASSERT_TRUE(run.is_object());
    hang_up(*ada);
    EXPECT_GE(windows_with(heard, kWordsHz), 40U);
    EXPECT_GT(windows_with(heard, kVoiceHz), 10U);
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    // A second of what it said is missing: it did not know yet.
    ASSERT_EQ(all[0]["streams"].size(), 2U) << all[0].dump(1);
    const auto recorded = all[0]["streams"][1]["packets"].get<std::uint64_t>();
    EXPECT_GT(recorded, 50U) << all[0].dump(1);
    EXPECT_LE(recorded + 50, run["calls"][0]["a"]["sent"].get<std::uint64_t>()) << run.dump(1);
}

// Who is recorded knows it at each moment: not any more when the last server is gone.
TEST_F(Focus, ThatTheServerFailedIsToldOnceNoOtherOneGoesOn) {
    TestServer other;
    ASSERT_TRUE(other.start()) << other.log();
    start("chimes = false\n", "probe_interval_ms = 500\nserver_silence_ms = 2000\n",
          ", \"" + other.sip_uri() + "\"");
    const auto ada = dial_in({"--party-a", "sip:ada@desk.example"});
    const auto bo = dial_in({"--party-a", "sip:bo@desk.example", "--not-aware"});
    ASSERT_TRUE(are_in(2)) << client_.log();
    ASSERT_FALSE(recording([](const json& it) { return streams_with_media(it) == 2; }).is_null())
        << client_.log();
    server_.kill();
    ASSERT_TRUE(eventually([&] {
        const json all = other.list();
        return all.is_array() && !all.empty() && streams_with_media(all[0]) == 2;
    })) << client_.log();
    EXPECT_THAT(other.list()[0].dump(), HasSubstr("conf-1"));
    for (const json& one : participants()) EXPECT_NE(one["told"], "") << one.dump(1);
    other.kill();
    ASSERT_TRUE(eventually([&] {
        const json all = participants();
        return all.size() == 2 && std::all_of(all.begin(), all.end(), [](const json& one) {
                   return one["told"] != "tone" && one["told"] != "a=record";
               });
    })) << participants().dump(1)
        << client_.log();
    hang_up(*ada);
    hang_up(*bo);
    const json changes = said_by(1)["record_changes"];
    ASSERT_GE(changes.size(), 2U) << said_by(1).dump(1);
    EXPECT_EQ(changes.front()["state"], "on");
    EXPECT_EQ(changes.back()["state"], "off") << changes.dump(1);
}

TEST_F(Focus, AMixTellsWhoSpokeWhen) {
    start("record = \"mixed\"\nchimes = false\n");
    const Output run = run_command(phones({"--conference", "3", "--duration", "6"}));
    EXPECT_EQ(run.exit_code, 0) << run.out << client_.log();
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log() << server_.log();
    EXPECT_EQ(all[0]["state"], "complete") << all[0].dump(1);
    ASSERT_EQ(all[0]["streams"].size(), 1U) << all[0].dump(1);
    const std::string id = all[0]["id"];
    const Output timeline = server_.run({"export", id, "--format", "timeline", "-o", "-"});
    ASSERT_EQ(timeline.exit_code, 0) << timeline.err;
    for (const char* const speaker : {"Speaker 1", "Speaker 2", "Speaker 3"})
        EXPECT_THAT(timeline.out, HasSubstr(speaker));
    const std::string wav = (server_.scratch() / "mix.wav").string();
    ASSERT_EQ(server_.run({"export", id, "--format", "wav", "-o", wav}).exit_code, 0);
    for (const double hz : {300, 340, 380}) EXPECT_GT(windows_with(wav, hz), 5U) << hz;
}

// Those who speak one after another: each alone in one stream, all of them in one more.
TEST_F(Focus, EachVoiceAndTheMixAreRecordedWhereBothAreWanted) {
    start("record = \"both\"\nchimes = false\n");
    const Output run = run_command(phones({"--conference", "3", "--duration", "6"}));
    EXPECT_EQ(run.exit_code, 0) << run.out << client_.log();
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log() << server_.log();
    EXPECT_EQ(all[0]["state"], "complete") << all[0].dump(1);
    ASSERT_EQ(all[0]["streams"].size(), 4U) << all[0].dump(1);
    std::multiset<std::string> voices;
    for (const json& stream : all[0]["streams"]) {
        EXPECT_EQ(stream["lost"], 0) << stream.dump(1);
        const std::string wav = track(all[0], stream);
        std::string heard;
        for (const int hz : {300, 340, 380}) {
            const std::vector<bool> sounds = sounds_of(wav, hz, 2000, 100);
            const auto windows = std::count(sounds.begin(), sounds.end(), true);
            if (windows > 3) heard += std::to_string(hz) + " ";
        }
        voices.insert(heard);
    }
    const std::multiset<std::string> wanted{"300 ", "300 340 380 ", "340 ", "380 "};
    EXPECT_EQ(voices, wanted) << all[0].dump(1);
}

// The one who is more makes it a mix, and that stays one when there is room again: what is in it of
// whom does not change back and forth.
TEST_F(Focus, AboveItsLimitARoomIsRecordedAsOneMixUntilItEnds) {
    start("separate_up_to = 2\nchimes = false\n");
    const auto active = [](const json& it) {
        std::size_t count = 0;
        for (const json& stream : it["streams"])
            count += stream.value("state", "") == "active" ? 1U : 0U;
        return count;
    };
    const auto ada = dial_in({"--party-a", "sip:ada@desk.example"});
    const auto bo = dial_in({"--party-a", "sip:bo@desk.example"});
    ASSERT_TRUE(are_in(2)) << client_.log();
    const json two =
        recording([&](const json& it) { return streams_with_media(it) == 2 && active(it) == 2; });
    ASSERT_FALSE(two.is_null()) << server_.list().dump(1) << client_.log();

    const auto cleo = dial_in({"--party-a", "sip:cleo@desk.example"});
    ASSERT_TRUE(are_in(3)) << client_.log();
    const json mixed =
        recording([&](const json& it) { return streams_with_media(it) == 3 && active(it) == 1; });
    ASSERT_FALSE(mixed.is_null()) << server_.list().dump(1) << client_.log();

    hang_up(*cleo);
    hang_up(*bo);
    ASSERT_TRUE(are_in(1)) << client_.log();
    const auto packets_of_mix = [&](const json& it) {
        std::int64_t packets = 0;
        for (const json& stream : it["streams"])
            if (stream.value("state", "") == "active") packets += stream["packets"].get<int>();
        return packets;
    };
    const std::int64_t before = packets_of_mix(server_.list()[0]);
    const json later = recording([&](const json& it) { return packets_of_mix(it) > before + 50; });
    ASSERT_FALSE(later.is_null()) << server_.list().dump(1) << client_.log();
    EXPECT_EQ(active(later), 1U) << later.dump(1);
    hang_up(*ada);
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    EXPECT_EQ(all[0]["state"], "complete") << all[0].dump(1);
    EXPECT_EQ(all[0]["streams"].size(), 3U) << all[0].dump(1);
    EXPECT_EQ(all[0]["participants"].size(), 4U) << all[0].dump(1);
}

// Two notes, upwards for who comes and downwards for who leaves; of these who stays hears each.
TEST_F(Focus, WhoStaysHearsThatSomebodyCameAndLeft) {
    start("");
    const std::string heard = (client_.scratch() / "heard.wav").string();
    const auto ada = dial_in({"--party-a", "sip:ada@desk.example", "--heard-a", heard});
    ASSERT_TRUE(are_in(1)) << client_.log();
    const auto bo = dial_in({"--party-a", "sip:bo@desk.example"});
    ASSERT_TRUE(are_in(2)) << client_.log();
    hang_up(*bo);
    ASSERT_TRUE(are_in(1)) << client_.log();
    // By the time that this one has come and gone all of that has been heard.
    EXPECT_EQ(run_command(phones({"--phones", "--duration", "1"})).exit_code, 0) << client_.log();
    hang_up(*ada);
    EXPECT_GE(count_pairs(heard, 660, 880), 2U);
    EXPECT_GE(count_pairs(heard, 880, 660), 1U);
    // None of it is in the recording.
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    for (const json& stream : all[0]["streams"]) {
        const std::vector<bool> notes = sounds_of(track(all[0], stream), 880, 1500);
        EXPECT_GT(notes.size(), 20U) << stream.dump(1);
        EXPECT_EQ(std::count(notes.begin(), notes.end(), true), 0) << stream.dump(1);
    }
}

}  // namespace
}  // namespace earshot::integration
