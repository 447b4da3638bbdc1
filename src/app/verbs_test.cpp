#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/player.h"
#include "app/rest_client.h"
#include "app/tables.h"

namespace earshot::app {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class VerbsTest : public testing::Test {
protected:
    VerbsTest() {
        std::string name = (std::filesystem::temp_directory_path() / "verbs-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) dir_ = name;
    }
    ~VerbsTest() override { std::filesystem::remove_all(dir_); }

    std::optional<std::string> variable(const std::string& name) const {
        const auto found = environment_.find(name);
        return found == environment_.end() ? std::nullopt : std::optional(found->second);
    }
    Outcome<Access> find(const AccessOptions& options) const {
        return find_access(options, [this](const std::string& name) { return variable(name); });
    }

    std::string dir_;
    std::map<std::string, std::string> environment_;
};

TEST_F(VerbsTest, FindTheServerByItsDirectory) {
    std::ofstream(dir_ + "/cli.json") << R"({"url":"http://127.0.0.1:8080/","token":"t"})";
    environment_["EARSHOT_DATA"] = dir_;
    for (const AccessOptions& options : {AccessOptions{.data = dir_}, AccessOptions{}}) {
        const auto access = find(options);
        ASSERT_TRUE(access);
        EXPECT_EQ(access->url, "http://127.0.0.1:8080");
        EXPECT_EQ(access->token, "t");
        EXPECT_THAT(access->hint, HasSubstr("--data " + dir_));
    }
}

TEST_F(VerbsTest, PreferFlagsToTheEnvironment) {
    environment_ = {{"EARSHOT_URL", "http://env"}, {"EARSHOT_TOKEN", "t"}};
    EXPECT_EQ(find({.url = "http://flag"})->url, "http://flag");
    EXPECT_EQ(find({.url = "http://flag"})->token, "t");
    EXPECT_EQ(find({})->url, "http://env");
    EXPECT_EQ(find({.data = dir_}).error().code, Exit::Unreachable);
}

TEST_F(VerbsTest, TellHowToStartAServerThatNeverRan) {
    const auto access = find({.data = "/nonexistent"});
    ASSERT_FALSE(access);
    EXPECT_THAT(access.error().text, HasSubstr("earshot server --data /nonexistent"));
}

TEST_F(VerbsTest, TellWhenNobodyAnswers) {
    // Port 1 of the loopback address: refused without leaving the machine.
    const Access access{"http://127.0.0.1:1", "t", "Is it running?"};
    const auto answer = request_json(access, "GET", "/recordings");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Exit::Unreachable);
    EXPECT_THAT(answer.error().text, HasSubstr("Is it running?"));
    EXPECT_EQ(request_json({"ftp://x", "", ""}, "GET", "/").error().code, Exit::Usage);
}

TEST_F(VerbsTest, FindPlayersInOrderOfPreference) {
    for (const char* name : {"play", "aplay"}) {
        std::ofstream(dir_ + "/" + name) << "#!/bin/sh\nexit 0\n";
        std::filesystem::permissions(dir_ + "/" + name, std::filesystem::perms::owner_all);
    }
    const auto players = find_players("/nonexistent:" + dir_);
    ASSERT_EQ(players.size(), 2U);
    EXPECT_EQ(players.front().program, "aplay");
    EXPECT_TRUE(find_players("").empty());
}

TEST(Printable, LetsNothingMoveTheCursor) {
    EXPECT_EQ(printable("a\x1b[2Jb\r\nc\x7f"), "a?[2Jb??c?");
    EXPECT_EQ(printable("J\xc3\xbcrgen\xc2\x9b"), "J\xc3\xbcrgen?");
}

TEST(PrintTable, AlignsColumns) {
    std::ostringstream out;
    print_table(out, {{"NAME", "LOST", "X"}, {"J\xc3\xbc", "5", ""}, {"abcdef", "123", "y"}});
    EXPECT_EQ(out.str(), "NAME    LOST  X\nJ\xc3\xbc         5\nabcdef   123  y\n");
}

TEST(DurationText, GrowsWithTheCall) {
    EXPECT_EQ(duration_text(json(999)), "0:00.9");
    EXPECT_EQ(duration_text(json(65'250)), "1:05.2");
    EXPECT_EQ(duration_text(json(3'661'000)), "1:01:01.0");
    EXPECT_EQ(duration_text(json(nullptr)), "-");
}

TEST(PrintRecordings, ShowsSpeakersLossAndGaps) {
    std::ostringstream out;
    print_recordings(out, json::parse(R"([{"id":"0199c0de-1234-7abc-8000-000000000001",
        "start":"2026-03-02T09:15:00.120Z","duration_ms":null,"state":"recording",
        "participants":[{"aor":"sip:a@example.com","name":""},{"aor":"sip:b@x","name":"Bob"}],
        "streams":[{"label":"1","codec":"PCMU/8000","lost":3,"gaps":[{}]},
                   {"label":"2","codec":"PCMU/8000","lost":1,"gaps":[]}]}, {}])"));
    EXPECT_THAT(out.str(), HasSubstr("0199c0de-1234-7abc  2026-03-02 09:15:00"));
    EXPECT_THAT(out.str(), HasSubstr("sip:a@example.com, Bob"));
    EXPECT_THAT(out.str(), HasSubstr("PCMU/8000     4     1\n"));
    std::ostringstream none;
    print_recordings(none, json::array());
    EXPECT_EQ(none.str(), "No recordings.\n");
}

TEST(PrintRecording, SurvivesAnAnswerThatLacksEverything) {
    std::ostringstream out;
    print_recording(out, json::object());
    print_health(out, json::object());
    print_attempts(out, json::parse("[{}]"));
    EXPECT_THAT(out.str(), HasSubstr("In all:"));
}

}  // namespace
}  // namespace earshot::app
