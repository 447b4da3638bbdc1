#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/cli.h"
#include "app/commands.h"
#include "app/output_file.h"
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

TEST_F(VerbsTest, RefuseAnIdThatIsTooShortBeforeTheyAsk) {
    const Access nobody{"http://127.0.0.1:1", "t", ""};
    for (const char* id : {"", "0199c0d"}) {
        std::ostringstream out;
        std::ostringstream err;
        EXPECT_EQ(run_show(nobody, id, false, out, err), Exit::Usage);
        EXPECT_EQ(run_export(nobody, {.id = id, .file = "-"}, out, err), Exit::Usage);
        EXPECT_EQ(run_play(nobody, id, false, "", out, err), Exit::Usage);
        EXPECT_EQ(run_verify(nobody, id, false, out, err), Exit::Usage);
        EXPECT_THAT(err.str(), HasSubstr("too short"));
    }
}

TEST_F(VerbsTest, RefuseWhatMakesNoSenseForAList) {
    const auto parse = [](const std::string& line) {
        CLI::App app;
        const auto verbs = make_rest_verbs(app);
        try {
            app.parse(line);
        } catch (const CLI::ParseError&) {
            return false;
        }
        return verbs->was_chosen();
    };
    EXPECT_TRUE(parse("ls alice"));
    EXPECT_TRUE(parse("ls --attempts"));
    EXPECT_FALSE(parse("ls --attempts alice"));
    EXPECT_TRUE(parse("ls --after 0199c0de-1234-7abc-8000-000000000001"));
    EXPECT_FALSE(parse("ls --after WRONG"));
    EXPECT_FALSE(parse("ls --attempts --after 0199c0de-1234-7abc"));
}

class OutputFileTest : public VerbsTest {
protected:
    static bool save(const std::string& path, std::string_view text) {
        auto file = OutputFile::open(path, OutputFile::Existing::Replace);
        return file && file->write(text) && file->finish();
    }
    static std::string read(const std::string& path) {
        std::ifstream stream(path);
        return {std::istreambuf_iterator<char>(stream), {}};
    }
    std::size_t count_files() const {
        const std::filesystem::directory_iterator files(dir_);
        return static_cast<std::size_t>(std::distance(begin(files), end(files)));
    }
};

TEST_F(OutputFileTest, AppearsOnlyWhenItIsWhole) {
    const std::string path = dir_ + "/a.wav";
    EXPECT_TRUE(save(path, "old"));
    {
        auto file = OutputFile::open(path, OutputFile::Existing::Replace);
        ASSERT_TRUE(file);
        EXPECT_TRUE(file->write("new"));
        EXPECT_EQ(read(path), "old");
    }
    EXPECT_EQ(read(path), "old");
    EXPECT_EQ(count_files(), 1U);
    EXPECT_TRUE(save(path, "new"));
    EXPECT_EQ(read(path), "new");
    EXPECT_EQ(count_files(), 1U);
}

TEST_F(OutputFileTest, KeepsAFileThatIsThere) {
    const std::string path = dir_ + "/a.wav";
    EXPECT_TRUE(save(path, "old"));
    const auto refused = OutputFile::open(path, OutputFile::Existing::Keep);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Exit::Refused);
    EXPECT_THAT(refused.error().text, HasSubstr("--force"));
    EXPECT_EQ(read(path), "old");
    EXPECT_EQ(count_files(), 1U);
}

TEST_F(OutputFileTest, KeepsAFileThatCameWhileItWasWritten) {
    const std::string path = dir_ + "/a.wav";
    {
        auto file = OutputFile::open(path, OutputFile::Existing::Keep);
        ASSERT_TRUE(file);
        EXPECT_TRUE(file->write("new"));
        EXPECT_TRUE(save(path + "2", "other"));
        std::filesystem::rename(path + "2", path);
        EXPECT_FALSE(file->finish());
        EXPECT_THAT(file->failure().text, HasSubstr("exists already"));
    }
    EXPECT_EQ(read(path), "other");
    EXPECT_EQ(count_files(), 1U);
}

TEST(DefaultFileName, IsAnotherOneForEachPieceAndFormat) {
    const auto name = [](const char* format, const char* piece) {
        return default_file_name({.id = "0199c0de-1234", .format = format, .piece = piece});
    };
    EXPECT_EQ(name("wav", ""), "earshot-0199c0de-1234.wav");
    EXPECT_EQ(name("stereo", ""), "earshot-0199c0de-1234-stereo.wav");
    EXPECT_EQ(name("pcap", "2"), "earshot-0199c0de-1234-piece-2.pcap");
    EXPECT_EQ(default_file_name({.id = "../../etc"}), "earshot-.._.._etc.wav");
}

TEST_F(OutputFileTest, WritesToWhereALinkLeads) {
    std::filesystem::create_directory(dir_ + "/far");
    std::filesystem::create_symlink("far/a.wav", dir_ + "/link");
    for (const char* text : {"new", "again"}) {  // the link leads nowhere at first
        EXPECT_TRUE(save(dir_ + "/link", text));
        EXPECT_TRUE(std::filesystem::is_symlink(dir_ + "/link"));
        EXPECT_EQ(read(dir_ + "/far/a.wav"), text);
    }
    std::filesystem::create_symlink("loop", dir_ + "/loop");
    EXPECT_FALSE(save(dir_ + "/loop", "x"));
}

TEST_F(OutputFileTest, WritesStraightIntoAFifoBehindALink) {
    const std::string fifo = dir_ + "/fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    std::filesystem::create_symlink("fifo", dir_ + "/link");
    const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
    ASSERT_GE(reader, 0);
    for (const std::string& path : {fifo, dir_ + "/link"}) {
        EXPECT_TRUE(save(path, "text"));
        std::array<char, 8> got{};
        EXPECT_EQ(::read(reader, got.data(), got.size()), 4);
    }
    ::close(reader);
    EXPECT_TRUE(std::filesystem::is_fifo(fifo));
    EXPECT_EQ(count_files(), 2U);
}

TEST_F(OutputFileTest, TellsWhyItCannotBeWritten) {
    const auto folder = OutputFile::open(dir_, OutputFile::Existing::Replace);
    ASSERT_FALSE(folder);
    EXPECT_EQ(folder.error().code, Exit::Usage);
    EXPECT_THAT(folder.error().text, HasSubstr("is a directory"));
    const auto nowhere = OutputFile::open(dir_ + "/none/a.wav", OutputFile::Existing::Keep);
    ASSERT_FALSE(nowhere);
    EXPECT_THAT(nowhere.error().text, HasSubstr("No such file"));
}

TEST(PrintVerification, NamesThePartInEachLine) {
    std::ostringstream out;
    print_verification(out, json::parse(R"({"ok":false,"faults":[
        {"part":"packets","text":"Changed."},{"part":"","text":"Odd\u001b."}]})"));
    EXPECT_THAT(out.str(), HasSubstr("  packets: Changed.\n  recording: Odd?.\n"));
    std::ostringstream good;
    print_verification(good, json::parse(R"({"ok":true,"parts":7,"bytes":1234,"faults":[]})"));
    EXPECT_EQ(good.str(), "ok: 7 parts, 1234 bytes, as they were signed.\n");
}

TEST(MoreRowsNote, TellsHowToGoOn) {
    EXPECT_EQ(more_rows_note(json::array()), "");
    const json rows{{{"id", "a"}}, {{"id", "b"}}};
    EXPECT_EQ(more_rows_note(rows), "There may be more: the same again with --after b\n");
}

TEST(Printable, LetsNothingMoveTheCursor) {
    EXPECT_EQ(printable("a\x1b[2Jb\r\nc\x7f"), "a?[2Jb??c?");
    EXPECT_EQ(printable("J\xc3\xbcrgen\xc2\x9b"), "J\xc3\xbcrgen?");
}

TEST(Printable, MakesVisibleWhatTurnsOrHidesText) {
    EXPECT_EQ(printable("a\xe2\x80\xae"
                        "b"),
              "a<U+202E>b");
    EXPECT_EQ(printable("\xe2\x81\xa6x\xe2\x80\x8b\xef\xbb\xbf"), "<U+2066>x<U+200B><U+FEFF>");
    EXPECT_EQ(printable("\xf3\xa0\x81\x81"), "<U+E0041>");
    EXPECT_EQ(printable("\xd8\x9c"), "<U+061C>");
    // What names are made of stays: Persian with its joiner, an emoji.
    const std::string name = "\xd9\x85\xdb\x8c\xe2\x80\x8c\xf0\x9f\x98\x80";
    EXPECT_EQ(printable(name), name);
}

TEST(Printable, SurvivesEveryCutAndWhatIsNoUtf8) {
    const std::string text = "\xc3\xbc\xe2\x80\xae\xf0\x9f\x98\x80";
    for (std::size_t size = 0; size <= text.size(); ++size)
        EXPECT_LE(printable(std::string_view(text).substr(0, size)).size(), 2 * size + 8);
    EXPECT_EQ(printable("\xff\xc0\x80z"), "???z");
    EXPECT_EQ(printable("\xe2\x28\xa1"), "?(?");
}

TEST(PrintableJson, EscapesWhatMovesTurnsOrHidesAndMeansWhatItMeant) {
    const std::string name =
        "J\xc3\xbc\xc2\x9b[2J\x7f\xe2\x80\xae\xe2\x81\xa6\xf3\xa0\x81\x81\xf0\x9f\x98\x80";
    const std::string safe = base::printable_json(json(name).dump());
    EXPECT_EQ(safe, "\"J\xc3\xbc\\u009b[2J\\u007f\\u202e\\u2066\\udb40\\udc41\xf0\x9f\x98\x80\"");
    EXPECT_EQ(json::parse(safe), name);
    std::ostringstream out;
    print_json(out, {{"from", name + "\x1b[2J"}});
    EXPECT_THAT(out.str(), HasSubstr("\\u009b[2J\\u007f\\u202e"));
    EXPECT_THAT(out.str(), HasSubstr("\\u001b[2J"));
    EXPECT_EQ(json::parse(out.str())["from"], name + "\x1b[2J");
}

TEST(PrintableTables, ShowNothingOfStrangersAsItCame) {
    const std::string evil = "A\x1b[31m\xc2\x9b\xe2\x80\xae\xe2\x81\xa9";
    const json recording{{"id", evil},
                         {"state", "complete"},
                         {"peer", evil},
                         {"participants", json::array({{{"aor", evil}, {"name", evil}}})},
                         {"streams", json::array({{{"label", evil}, {"codec", evil}}})},
                         {"headers", {{evil, evil}}},
                         {"warnings", json::array({{{"code", evil}, {"text", evil}}})}};
    std::ostringstream out;
    print_recordings(out, json::array({recording}));
    print_recording(out, recording);
    print_attempts(out, json::array({{{"from", evil}, {"reason", {{"text", evil}}}}}));
    print_calls(out, json::array({{{"from", evil},
                                   {"to", evil},
                                   {"state", evil},
                                   {"recordings", json::array({{{"state", evil}}})}}}));
    print_health(out, {{"checks", json::array({{{"name", evil}, {"text", evil}}})}});
    for (const char* raw : {"\x1b", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa9"})
        EXPECT_EQ(out.str().find(raw), std::string::npos) << out.str();
    EXPECT_THAT(out.str(), HasSubstr("A?[31m?<U+202E><U+2069>"));
}

TEST(PrintEvents, TellsTimeWhatAndWhyInTheirOrder) {
    std::ostringstream out;
    print_events(out, json::parse(R"({"events":[
        {"type":"call_ended","time":"2026-03-02T09:15:09.000Z","by":"peer","code":"bye","text":""},
        {"type":"stream_counters","time":"2026-03-02T09:15:09.100Z","packets":3},
        {"type":"sip_leniency","time":"2026-03-02T09:15:00.120Z","stream":1,"label":"a","code":"no_label",
         "what":"no a=label","done":"the index is taken","peer":"192.0.2.1:5060"},
        {"type":"recording_paused","time":"2026-03-02T09:15:05.000Z","who":"ada",
         "reason":"card\u202e","paused":false,"labels":["1","2"],"payload_types":[{"pt":0}]}]})"));
    EXPECT_EQ(out.str(),
              "\n  TIME (UTC)  EVENT             STREAM  WHAT\n"
              "09:15:00.120  sip_leniency      a (#1)  no_label: no a=label; the index is taken\n"
              "09:15:05.000  recording_paused          labels 1, 2, reason card<U+202E>, who ada\n"
              "09:15:09.000  call_ended                bye, by peer\n");
}

TEST(PrintEvents, TellsOfARowOfContributorsTheLast) {
    std::ostringstream out;
    print_events(out, json::parse(R"({"events":[
        {"type":"contributors","time":"2026-03-02T09:15:01.000Z","stream":0,"csrcs":[17]},
        {"type":"contributors","time":"2026-03-02T09:15:02.000Z","stream":0,"csrcs":[17,18]},
        {"type":"held","time":"2026-03-02T09:15:03.000Z","stream":0},
        {"type":"contributors","time":"2026-03-02T09:15:04.000Z","stream":0,"csrcs":[18]}]})"));
    EXPECT_EQ(out.str(),
              "\n  TIME (UTC)  EVENT         STREAM  WHAT\n"
              "09:15:02.000  contributors  #0      csrcs 17, 18\n"
              "09:15:03.000  held          #0\n"
              "09:15:04.000  contributors  #0      csrcs 18\n");
}

TEST(PrintEvents, TellsThePieceWhereThereAreSeveral) {
    std::ostringstream out;
    print_events(out, json::parse(R"({"events":[
        {"type":"stream_added","time":"2026-03-02T09:15:00.120Z","stream":0,"piece":2}]})"));
    EXPECT_EQ(out.str(),
              "\n  TIME (UTC)  EVENT         PIECE  STREAM  WHAT\n"
              "09:15:00.120  stream_added      2  #0\n");
}

TEST(PrintRecording, TellsPiecesOfStreamsAndGapsAndTheStateOfWhatRuns) {
    std::ostringstream out;
    print_recording(out, json::parse(R"({"id":"0199c0de","state":"recording",
        "pieces":[{"piece":1,"id":"a"},{"piece":2,"id":"b"}],
        "streams":[{"piece":2,"label":"1","media":"audio","codec":"PCMU/8000","packets":3,
                    "lost":0,"state":"dropped",
                    "gaps":[{"start_ms":0,"duration_ms":1000,"reason":"dropped"}]}]})"));
    EXPECT_THAT(out.str(),
                HasSubstr("PIECE  LABEL  MEDIA  CODEC      PACKETS  LOST  GAPS  STATE\n"
                          "    2      1  audio  PCMU/8000        3     0     1  dropped"));
    EXPECT_THAT(out.str(), HasSubstr("PIECE  GAP IN"));
}

TEST(PrintEvents, BoundsTheListAndSurvivesOddOnes) {
    json events = json::array({1, json::object(), {{"type", 7}}});
    for (int i = 0; i < 300; ++i) events.push_back({{"type", "dtmf"}});
    std::ostringstream out;
    print_events(out, {{"events", events}});
    EXPECT_THAT(out.str(), HasSubstr("and 101 more"));
    std::ostringstream none;
    print_events(none, json::object());
    EXPECT_EQ(none.str(), "");
}

TEST(PrintTable, AlignsColumns) {
    std::ostringstream out;
    print_table(out, {{"NAME", "LOST", "X"}, {"J\xc3\xbc", "5", ""}, {"abcdef", "123", "y"}});
    EXPECT_EQ(out.str(), "NAME    LOST  X\nJ\xc3\xbc         5\nabcdef   123  y\n");
}

TEST(DurationText, GrowsWithTheCall) {
    EXPECT_EQ(duration_text(json(999)), "999 ms");
    EXPECT_EQ(duration_text(json(9'999)), "0:09.9");
    EXPECT_EQ(duration_text(json(65'290)), "1:05.2");
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
    EXPECT_THAT(out.str(), HasSubstr("PCMU/8000     4     1         -\n"));
    std::ostringstream none;
    print_recordings(none, json::array());
    EXPECT_EQ(none.str(), "No recordings.\n");
}

TEST(PrintRecordings, TellsWhatIsInThemAndThatOneWasErased) {
    std::ostringstream out;
    print_recordings(out, json::parse(R"([
        {"id":"a","state":"complete","reason":{"code":"erased","text":"E"},"streams":[
            {"media":"audio","packets":5},{"media":"video","role":"content","packets":5},
            {"media":"video","packets":0},{"media":"message","packets":0,"messages":2}]},
        {"id":"b","state":"complete","reason":null,"streams":[{"media":"message","messages":0}]}])"));
    EXPECT_THAT(out.str(), HasSubstr("erased"));
    EXPECT_THAT(out.str(), HasSubstr("  voice, screen, chat  "));
    EXPECT_THAT(out.str(), HasSubstr("b                       -  complete         -  -  "));
}

TEST(PrintRecordings, TellsOfOneThatRunsWhatHasBeenAgreedOn) {
    std::ostringstream out;
    print_recordings(out, json::parse(R"([{"id":"a","state":"recording","streams":[
        {"media":"audio","packets":0},{"media":"video","content":"slides","packets":0},
        {"media":"message","messages":0}]}])"));
    EXPECT_THAT(out.str(), HasSubstr("  voice, screen, chat  "));
}

TEST(SafeFileName, IsOneInTheWorkingDirectory) {
    EXPECT_EQ(safe_file_name("plan.pdf"), "plan.pdf");
    EXPECT_EQ(safe_file_name("../../etc/passwd"), "passwd");
    EXPECT_EQ(safe_file_name("C:\\a\x1b.txt"), "a?.txt");
    EXPECT_EQ(safe_file_name("-rf"), "_rf");
    EXPECT_EQ(safe_file_name(".."), "");
    EXPECT_EQ(safe_file_name(".profile"), "_profile");
    EXPECT_EQ(safe_file_name(""), "");
    const std::string longest =
        safe_file_name(std::string(150, 'x') + std::string(100, '\xc3') + ".pdf");
    EXPECT_LE(longest.size(), 200U);
    EXPECT_TRUE(longest.ends_with(".pdf"));
}

TEST(PrintRecording, SurvivesAnAnswerThatLacksEverything) {
    std::ostringstream out;
    print_recording(out, json::object());
    print_peers(out,
                json::parse(R"({"peers":[{}, 1, {"outcomes":[1],"reasons":{"a\u001b":"b"}}]})"));
    print_health(out, json::object());
    print_attempts(out, json::parse("[{}]"));
    EXPECT_THAT(out.str(), HasSubstr("In all:"));
}

}  // namespace
}  // namespace earshot::app
