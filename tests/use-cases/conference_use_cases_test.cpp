// The use cases of draft-kyzivat-siprec-conference-use-cases, in its order, by the commands that
// docs/conference-recording.md names: what the phones of `earshot call` write, show and say is in
// the recording.
#include <fstream>
#include <set>

#include "use-cases/use_case.h"

namespace earshot::use_cases {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ConferenceUseCase : public UseCase {
protected:
    // As a recording client of its own, without ours in between.
    json record(std::vector<std::string> flags, const std::string& seconds = "3") {
        flags.insert(flags.begin(), {integration::earshot_binary(), "call", "--to",
                                     server_.sip_uri(), "--json", "--duration", seconds});
        const auto ran = integration::run_command(flags);
        const json calls = json::parse(ran.out, nullptr, false);
        EXPECT_TRUE(calls.is_array() && calls.size() == 1) << ran.out << ran.err;
        EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
        return calls.is_array() && !calls.empty() ? calls[0] : json::object();
    }
    json exported(const json& recording, const std::string& format) const {
        const auto got = server_.run(
            {"export", recording["id"].get<std::string>(), "--format", format, "-o", "-"});
        EXPECT_EQ(got.exit_code, 0) << got.err;
        return json::parse(got.out, nullptr, false);
    }
    // Messages of a kind, in their order.
    json messages(const json& recording, const std::string& kind) const {
        json found = json::array();
        const json chat = exported(recording, "chat");
        for (const json& message : chat["messages"])
            if (message["kind"] == kind) found.push_back(message);
        return found;
    }
    std::vector<std::string> texts(const json& recording) const {
        std::vector<std::string> all;
        for (const json& message : messages(recording, "text"))
            all.push_back(message["from"]["uri"].get<std::string>() + " " +
                          message["text"].get<std::string>());
        return all;
    }
    static std::vector<json> streams(const json& recording, const std::string& media,
                                     const std::string& role = {}) {
        std::vector<json> found;
        for (const json& stream : recording["streams"])
            if (stream["media"] == media && (role.empty() || stream.value("role", "") == role))
                found.push_back(stream);
        return found;
    }
    std::string file(const std::string& name, const std::string& content) const {
        const std::string path = (server_.scratch() / name).string();
        std::ofstream(path) << content;
        return path;
    }
    // What was shown of it: whole pictures of the size that is shared.
    static void expect_pages(const json& stream, const json& sent) {
        EXPECT_EQ(stream["packets"], sent["packets"]) << stream.dump(1);
        EXPECT_EQ(stream["lost"], 0);
        EXPECT_EQ(stream["video"]["pictures"], sent["pictures"]);
        EXPECT_GE(stream["video"]["pictures"].get<int>(), 5);
        EXPECT_EQ(stream["video"]["damaged"], 0);
        EXPECT_EQ(stream["video"]["changes"][0]["width"], 320);
    }
    void share(const std::string& kind, const std::string& title) {
        start();
        const json sent = record({"--share", kind});
        const json direct = recordings(1)[0];
        ASSERT_EQ(streams(direct, "video", "content").size(), 1U) << direct.dump(1);
        expect_pages(streams(direct, "video", "content")[0], sent["video"][0]);
        const json sharing = exported(direct, "timeline")["sharing"];
        ASSERT_EQ(sharing.size(), 1U);
        EXPECT_EQ(sharing[0]["kind"], kind);
        EXPECT_EQ(sharing[0]["title"], title);
        EXPECT_EQ(sharing[0]["presenter"], "sip:ada@example.test");

        const json run = call({"--share", kind}, "3");
        const json relayed = recordings(2)[0];
        ASSERT_EQ(streams(relayed, "video", "content").size(), 1U) << relayed.dump(1);
        expect_pages(streams(relayed, "video", "content")[0], run["calls"][0]["a"]["video"][1]);
        EXPECT_GT(run["calls"][0]["b"]["video"][1]["heard"].get<int>(), 5);  // B has seen it
    }
};

// 1: a chat of two, and a file; without voice.
TEST_F(ConferenceUseCase, PointToPointChatIsInTheTranscript) {
    start();
    const std::string lines = file("talk.txt", "A: Is it here?\nB: Not yet.\nA: Thank you.\n");
    const std::string note = file("note.txt", "four boxes\n");
    const json run =
        call({"--chat", "--no-audio", "--chat-lines", lines, "--chat-file", note}, "3");
    const json& a = run["calls"][0]["a"]["chats"];
    const json& b = run["calls"][0]["b"]["chats"];
    EXPECT_EQ(a[0]["receipted"], 2) << run.dump(1);
    EXPECT_EQ(b[0]["receipted"], 1);
    EXPECT_EQ(b[0]["received"], 2);
    EXPECT_EQ(b[1]["heard"][0]["text"], "four boxes\n");
    const json recording = recordings(1)[0];
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1);
    EXPECT_THAT(texts(recording),
                ElementsAre("sip:ada@example.test Is it here?", "sip:bo@example.test Not yet.",
                            "sip:ada@example.test Thank you."));
    const json files = messages(recording, "file");
    ASSERT_EQ(files.size(), 1U);
    EXPECT_EQ(files[0]["file_name"], "note.txt");
    EXPECT_EQ(files[0]["from"]["uri"], "sip:ada@example.test") << files.dump(1);
    const integration::Output transcript =
        server_.run({"export", recording["id"].get<std::string>(), "--format", "txt", "-o", "-"});
    EXPECT_THAT(transcript.out, HasSubstr(" Ada: [file \"note.txt\", text/plain, 11 octets"));
    EXPECT_EQ(files[0]["octets"], 11);
    EXPECT_EQ(files[0]["state"], "complete");
}

// The same as a recording client tells it, by the wrapper.
TEST_F(ConferenceUseCase, PointToPointChatOfAnotherClientIsInTheTranscript) {
    start();
    const std::string lines = file("talk.txt", "A: Is it here?\nB: Not yet.\n");
    const json sent = record({"--chat", "--no-audio", "--chat-lines", lines});
    EXPECT_EQ(sent["chats"][0]["receipted"], 2) << sent.dump(1);
    const json recording = recordings(1)[0];
    EXPECT_THAT(texts(recording),
                ElementsAre("sip:ada@example.test Is it here?", "sip:bo@example.test Not yet."));
    for (const json& message : messages(recording, "text"))
        EXPECT_FALSE(message.value("cs_message_id", "").empty()) << message.dump(1);
}

// 2
TEST_F(ConferenceUseCase, ScreenSharingIsAStreamOfItsOwn) { share("screen", "Desktop"); }
// 3
TEST_F(ConferenceUseCase, ApplicationSharingIsAStreamOfItsOwn) {
    share("application", "Orders by week");
}
// 4
TEST_F(ConferenceUseCase, DocumentSharingIsAStreamOfItsOwn) {
    share("document", "Quarterly report");
}

TEST_F(ConferenceUseCase, WhatIsSharedLaterBeginsLater) {
    start();
    const json sent = record({"--share", "document", "--share-at", "2"}, "5");
    const json recording = recordings(1)[0];
    const auto shared = streams(recording, "video", "content");
    ASSERT_EQ(shared.size(), 1U) << recording.dump(1);
    EXPECT_EQ(shared[0]["packets"], sent["video"][0]["packets"]);
    const json sharing = exported(recording, "timeline")["sharing"];
    ASSERT_EQ(sharing.size(), 1U);
    EXPECT_GE(sharing[0]["start_ms"].get<int>(), 1500) << sharing.dump(1);
}

// What the other side does not take is told, and the call goes on.
TEST_F(ConferenceUseCase, ALineThatIsRefusedMakesNoCallFailButIsTold) {
    ASSERT_TRUE(server_.start({"--config", file("no-messages.toml", "msrp.enabled = false\n")}))
        << server_.log();
    const auto ran =
        integration::run_command({integration::earshot_binary(), "call", "--to", server_.sip_uri(),
                                  "--json", "--duration", "1", "--chat"});
    EXPECT_EQ(ran.exit_code, 1);
    const json calls = json::parse(ran.out, nullptr, false);
    ASSERT_EQ(calls.size(), 1U) << ran.out << ran.err;
    EXPECT_EQ(calls[0]["sip_status"], 200);
    EXPECT_EQ(calls[0]["reason"]["code"], "line_refused") << calls.dump(1);
    EXPECT_EQ(calls[0]["chats"][0]["sent"], 0);
    const json recording = recordings(1)[0];
    EXPECT_EQ(streams(recording, "audio").size(), 2U);
    EXPECT_EQ(streams(recording, "audio")[0]["packets"], 50);
}

// ---- conferences, whose focus is our recording client

class RoomUseCase : public ConferenceUseCase {
protected:
    // Three in a room; all of them must have had what they wanted.
    json meet(std::vector<std::string> flags, const std::string& seconds) {
        start("[focus]\nrooms = [\"conf-*\"]\n");
        flags.insert(flags.begin(),
                     {integration::earshot_binary(), "call", "--to", "sip:conf-1@" + client_.sip(),
                      "--conference", "3", "--json", "--duration", seconds});
        const auto ran = integration::run_command(flags);
        EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err << client_.log();
        return json::parse(ran.out, nullptr, false);
    }
    static std::set<std::string> roster(const json& recording) {
        std::set<std::string> all;
        for (const json& participant : recording["participants"])
            all.insert(participant["aor"].get<std::string>());
        return all;
    }
    static void expect_roster(const json& recording) {
        EXPECT_EQ(recording["state"], "complete") << recording.dump(1);
        const std::set<std::string> all = roster(recording);
        EXPECT_EQ(all.size(), 4U) << recording.dump(1);  // and the focus
        for (const char* number : {"1", "2", "3"})
            EXPECT_EQ(all.count("sip:speaker" + std::string{number} + "@example.test"), 1U);
        EXPECT_EQ(streams(recording, "audio").size(), 3U);
        for (const json& voice : streams(recording, "audio")) EXPECT_EQ(voice["lost"], 0);
    }
    void expect_chat(const json& recording) const {
        std::set<std::string> authors;
        std::size_t hidden = 0;
        std::set<std::string> nicknames;
        const json all = messages(recording, "text");
        for (const json& message : all) {
            authors.insert(message["from"]["uri"].get<std::string>());
            if (message.value("private", false)) ++hidden;
            nicknames.insert(message.value("nickname", ""));
        }
        EXPECT_EQ(all.size(), 4U) << all.dump(1);
        EXPECT_EQ(authors.size(), 3U) << all.dump(1);
        EXPECT_EQ(hidden, 1U) << all.dump(1);
        EXPECT_EQ(nicknames.count("chair"), 1U) << all.dump(1);
    }
};

// 5
TEST_F(RoomUseCase, AudioAndVideoOfAConferenceAreRecordedWithItsRoster) {
    const json run = meet({"--video"}, "8");
    const json recording = recordings(1)[0];
    expect_roster(recording);
    const auto cameras = streams(recording, "video");
    ASSERT_GE(cameras.size(), 1U) << recording.dump(1);
    EXPECT_GT(cameras[0]["packets"], 200) << recording.dump(1);
    EXPECT_GE(cameras[0]["video"]["key_pictures"].get<int>(), 1);
    for (const json& one : run["calls"])  // everybody has seen somebody
        EXPECT_GT(one["a"]["video"][0]["heard"], 100) << run.dump(1);
}

// 6
TEST_F(RoomUseCase, AChatConferenceIsReadWithItsNicknamesAndPrivateMessages) {
    const json run = meet({"--chat"}, "8");
    EXPECT_EQ(run["calls"][0]["a"]["chats"][0]["nickname_status"], 200) << run.dump(1);
    const json recording = recordings(1)[0];
    expect_roster(recording);
    expect_chat(recording);
}

// 7
TEST_F(RoomUseCase, AMultimediaConferenceIsOneRecordingOfEverything) {
    const json run = meet({"--video", "--share", "document", "--chat"}, "10");
    const json recording = recordings(1)[0];
    expect_roster(recording);
    expect_chat(recording);
    const auto shared = streams(recording, "video", "content");
    ASSERT_EQ(shared.size(), 1U) << recording.dump(1);
    EXPECT_GT(shared[0]["video"]["pictures"].get<int>(), 15) << shared[0].dump(1);
    EXPECT_EQ(shared[0]["video"]["damaged"], 0);
    EXPECT_GE(streams(recording, "video", "camera").size(), 1U) << recording.dump(1);
    const json sharing = exported(recording, "timeline")["sharing"];
    ASSERT_GE(sharing.size(), 1U);
    EXPECT_EQ(sharing[0]["presenter"], "sip:speaker1@example.test");
    for (std::size_t viewer : {1U, 2U})
        EXPECT_GT(run["calls"][viewer]["a"]["video"][1]["heard"], 10) << run.dump(1);
}

}  // namespace
}  // namespace earshot::use_cases
