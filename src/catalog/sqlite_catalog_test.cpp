#include "catalog/sqlite_catalog.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>

#include "catalog/schema.h"

namespace earshot::catalog {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TempDir {
public:
    TempDir() {
        std::string name = (std::filesystem::temp_directory_path() / "catalog-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) path_ = name;
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir() { std::filesystem::remove_all(path_); }
    std::string file() const { return path_ + "/catalogue.sqlite"; }

private:
    std::string path_;
};

// Ids of which the number decides the order; the first 8 characters differ.
std::string id_of(unsigned number) {
    return fmt::format("{:08x}-0000-7000-8000-000000000000", number);
}

Recording make_recording(unsigned number) {
    Recording recording;
    recording.id = id_of(number);
    recording.start = base::wall_from_ns(1'700'000'000'000'000'000 + number);
    recording.peer = "192.0.2.7:5060";
    return recording;
}

class SqliteCatalogTest : public testing::Test {
protected:
    std::unique_ptr<Catalog> open(SqliteOptions options = {}) {
        options.path = dir_.file();
        auto catalog = open_sqlite_catalog(options, log_);
        EXPECT_TRUE(catalog) << catalog.error().text;
        return std::move(*catalog);
    }
    static void put(Catalog& catalog, Recording recording) {
        Change change;
        change.recordings.push_back(std::move(recording));
        const auto failure = submit_and_wait(catalog, std::move(change));
        ASSERT_FALSE(failure) << failure->text;
    }
    static std::vector<std::string> ids(Catalog& catalog, const RecordingQuery& query) {
        std::vector<std::string> ids;
        auto found = catalog.list(query);
        EXPECT_TRUE(found);
        for (const Recording& recording : *found) ids.push_back(recording.id);
        return ids;
    }

    TempDir dir_;
    base::NullLog log_;
};

TEST_F(SqliteCatalogTest, KeepsEveryFieldOfARecordingAcrossARestart) {
    Recording written = make_recording(0x12345678);
    written.state = State::Partial;
    written.reason = base::Reason{"crash", "The server ended in mid-call."};
    written.duration_ms = 4321;
    written.call_ids = {"b@example.com", "a@example.com"};
    written.session_ids = {"s1"};
    written.summary = R"({"id":"x"})";
    written.directory = "2026/03/02/x";
    put(*open(), written);

    auto catalog = open();
    auto found = catalog->find(written.id);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->state, State::Partial);
    EXPECT_EQ(found->reason, written.reason);
    EXPECT_EQ(found->start, written.start);
    EXPECT_EQ(found->duration_ms, 4321);
    EXPECT_EQ(found->peer, "192.0.2.7:5060");
    EXPECT_THAT(found->call_ids, ElementsAre("b@example.com", "a@example.com"));
    EXPECT_THAT(found->session_ids, ElementsAre("s1"));
    EXPECT_EQ(found->summary, written.summary);
    EXPECT_EQ(found->directory, written.directory);
}

TEST_F(SqliteCatalogTest, ReplacesARowAndItsIds) {
    auto catalog = open();
    Recording recording = make_recording(1 << 28);
    recording.call_ids = {"first", "second"};
    put(*catalog, recording);
    recording.state = State::Complete;
    recording.duration_ms = 10;
    recording.call_ids = {"third"};
    put(*catalog, recording);

    auto found = catalog->find(recording.id);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->state, State::Complete);
    EXPECT_THAT(found->call_ids, ElementsAre("third"));
    EXPECT_TRUE(ids(*catalog, {.call_id = "first"}).empty());
    EXPECT_THAT(ids(*catalog, {.call_id = "third"}), ElementsAre(recording.id));
}

// ---- pieces -------------------------------------------------------------------------------------

// A piece of ten seconds that begins so many seconds after the first.
Recording make_piece(unsigned number, std::int64_t at_s, std::vector<JoinKey> keys) {
    Recording piece = make_recording(number);
    piece.start = base::wall_from_ns(1'700'000'000'000'000'000) + std::chrono::seconds(at_s);
    piece.state = State::Complete;
    piece.duration_ms = 10'000;
    piece.join_group = "sbc";
    piece.join_keys = std::move(keys);
    return piece;
}

std::vector<std::string> piece_ids(const Recording& recording) {
    std::vector<std::string> ids;
    for (const Recording& piece : recording.pieces) ids.push_back(piece.id);
    return ids;
}

TEST_F(SqliteCatalogTest, PiecesWithOneKeyAreOneRecordingAndSayWhy) {
    auto catalog = open();
    put(*catalog, make_piece(0x10, 0, {{"session_id", "S"}}));
    std::vector<Join> told;
    Change change;
    change.recordings.push_back(make_piece(0x20, 5, {{"session_id", "S"}}));
    change.on_join = [&](const Join& join) { told.push_back(join); };
    ASSERT_FALSE(submit_and_wait(*catalog, std::move(change)));

    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].recording, id_of(0x10));
    EXPECT_EQ(told[0].piece, id_of(0x20));
    EXPECT_EQ(told[0].other, id_of(0x10));
    EXPECT_EQ(told[0].key, (JoinKey{"session_id", "S"}));
    EXPECT_THAT(ids(*catalog, {}), ElementsAre(id_of(0x10)));
    for (const unsigned number : {0x10U, 0x20U}) {  // the younger id stays as an alias
        const auto found = catalog->find(id_of(number));
        ASSERT_TRUE(found);
        EXPECT_EQ(found->id, id_of(0x10));
        EXPECT_THAT(piece_ids(*found), ElementsAre(id_of(0x10), id_of(0x20)));
        EXPECT_EQ(found->duration_ms, 15'000);
        ASSERT_EQ(found->pieces[1].joins.size(), 1U);
        EXPECT_EQ(found->pieces[1].joins[0].other, id_of(0x10));
        EXPECT_EQ(found->pieces[1].joins[0].key, (JoinKey{"session_id", "S"}));
    }
    const auto piece = catalog->find_piece(id_of(0x20));
    ASSERT_TRUE(piece);
    EXPECT_EQ(piece->id, id_of(0x20));
    EXPECT_TRUE(piece->pieces.empty());
}

TEST_F(SqliteCatalogTest, AJoinSurvivesARestartAndTheFinalRow) {
    Recording second = make_piece(0x20, 5, {{"k", "v"}});
    {
        auto catalog = open();
        put(*catalog, make_piece(0x10, 0, {{"k", "v"}}));
        second.state = State::Recording;
        second.duration_ms.reset();
        put(*catalog, second);
        EXPECT_EQ(catalog->find(id_of(0x10))->state, State::Recording);
    }
    auto catalog = open();
    second.state = State::Partial;
    second.duration_ms = 7'000;
    put(*catalog, second);
    const auto found = catalog->find(id_of(0x10));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->pieces.size(), 2U);
    EXPECT_EQ(found->state, State::Partial);  // the worst of its pieces
    EXPECT_EQ(found->duration_ms, 12'000);
}

TEST_F(SqliteCatalogTest, APieceInWhichNothingWasWrittenIsNoFault) {
    auto catalog = open();
    for (const unsigned first : {0x10U, 0x30U}) {  // it is the second piece, and the first
        const bool comes_first = first == 0x30;
        const std::vector<JoinKey> keys{{"k", std::to_string(first)}};
        Recording silent = make_piece(comes_first ? first : first + 1, comes_first ? 0 : 5, keys);
        Recording spoken = make_piece(comes_first ? first + 1 : first, comes_first ? 5 : 0, keys);
        silent.state = State::Failed;
        silent.reason = base::Reason{"no_messages", "Nothing was written."};
        put(*catalog, comes_first ? silent : spoken);
        EXPECT_EQ(catalog->find(id_of(first))->state,
                  comes_first ? State::Failed : State::Complete);
        put(*catalog, comes_first ? spoken : silent);
        const auto whole = catalog->find(id_of(first));
        ASSERT_EQ(whole->pieces.size(), 2U);
        EXPECT_EQ(whole->state, State::Complete);
        EXPECT_FALSE(whole->reason);
        silent.reason = base::Reason{"no_media", "The call brought no media packet."};
        put(*catalog, silent);
        EXPECT_EQ(catalog->find(id_of(first))->state, State::Failed);
    }
}

TEST_F(SqliteCatalogTest, AKeyThatComesBackAfterTheWindowMakesANewRecording) {
    auto catalog = open();
    put(*catalog, make_piece(0x10, 0, {{"k", "v"}}));      // ends at 10 s
    put(*catalog, make_piece(0x20, 610, {{"k", "v"}}));    // at the window's edge
    put(*catalog, make_piece(0x30, 1'221, {{"k", "v"}}));  // a second past that of the newer one
    EXPECT_THAT(ids(*catalog, {}), ElementsAre(id_of(0x30), id_of(0x10)));
    EXPECT_THAT(piece_ids(*catalog->find(id_of(0x10))), ElementsAre(id_of(0x10), id_of(0x20)));
}

TEST_F(SqliteCatalogTest, ARunningPieceTakesOthersHoweverLongItRuns) {
    auto catalog = open();
    Recording running = make_piece(0x10, 0, {{"k", "v"}});
    running.state = State::Recording;
    running.duration_ms.reset();
    put(*catalog, running);
    put(*catalog, make_piece(0x20, 86'400, {{"k", "v"}}));
    EXPECT_EQ(catalog->find(id_of(0x10))->pieces.size(), 2U);
}

TEST_F(SqliteCatalogTest, OtherJoinGroupsOtherNamesAndOtherValuesDoNotJoin) {
    auto catalog = open();
    put(*catalog, make_piece(0x10, 0, {{"k", "v"}}));
    Recording stranger = make_piece(0x20, 0, {{"k", "v"}});
    stranger.join_group = "another client that guessed it";
    put(*catalog, stranger);
    put(*catalog, make_piece(0x30, 0, {{"K", "v"}}));
    put(*catalog, make_piece(0x40, 0, {{"k", "V"}}));
    put(*catalog, make_piece(0x50, 0, {}));
    EXPECT_EQ(ids(*catalog, {}).size(), 5U);
}

TEST_F(SqliteCatalogTest, AKeyThatComesLaterMergesWholeRecordings) {
    auto catalog = open();
    put(*catalog, make_piece(0x10, 0, {{"k", "1"}}));
    put(*catalog, make_piece(0x20, 1, {{"k", "1"}}));
    put(*catalog, make_piece(0x30, 2, {{"k", "2"}}));
    put(*catalog, make_piece(0x40, 3, {{"k", "2"}}));
    EXPECT_THAT(ids(*catalog, {}), ElementsAre(id_of(0x30), id_of(0x10)));
    put(*catalog, make_piece(0x20, 1, {{"k", "1"}, {"k", "2"}}));
    EXPECT_THAT(ids(*catalog, {}), ElementsAre(id_of(0x10)));
    EXPECT_THAT(piece_ids(*catalog->find(id_of(0x40))),
                ElementsAre(id_of(0x10), id_of(0x20), id_of(0x30), id_of(0x40)));
}

TEST_F(SqliteCatalogTest, ARecordingHasSoManyPiecesAndTheNextOneBeginsAnother) {
    auto catalog = open();
    constexpr unsigned kFirst = 0x1000;
    for (unsigned i = 0; i < kMaxPieces; ++i)
        put(*catalog, make_piece(kFirst + i, i, {{"k", "the same for all"}}));
    EXPECT_THAT(ids(*catalog, {}), ElementsAre(id_of(kFirst)));
    EXPECT_EQ(catalog->find(id_of(kFirst))->pieces.size(), kMaxPieces);
    for (unsigned i = kMaxPieces; i < kMaxPieces + 3; ++i)
        put(*catalog, make_piece(kFirst + i, i, {{"k", "the same for all"}}));
    EXPECT_THAT(ids(*catalog, {}), ElementsAre(id_of(kFirst + kMaxPieces), id_of(kFirst)));
}

TEST_F(SqliteCatalogTest, AQueryFindsARecordingByAnyOfItsPieces) {
    auto catalog = open();
    Recording first = make_piece(0x10, 0, {{"k", "v"}});
    first.search = "alice";
    first.call_ids = {"c1"};
    Recording second = make_piece(0x20, 0, {{"k", "v"}});
    second.search = "bob";
    second.call_ids = {"c2"};
    second.session_ids = {"s2"};
    put(*catalog, first);
    put(*catalog, second);
    put(*catalog, make_piece(0x30, 0, {}));
    for (const RecordingQuery& query :
         {RecordingQuery{.text = "alice bob"}, RecordingQuery{.call_id = "c2"},
          RecordingQuery{.session_id = "s2"}, RecordingQuery{.text = "00000020"}})
        EXPECT_THAT(ids(*catalog, query), ElementsAre(id_of(0x10)));
    EXPECT_THAT(catalog->find(id_of(0x10))->call_ids, ElementsAre("c1", "c2"));
}

TEST_F(SqliteCatalogTest, APrefixThatPiecesOfOneRecordingShareIsNotAmbiguous) {
    auto catalog = open();
    Recording first = make_piece(0x10, 0, {{"k", "v"}});
    Recording second = first;
    second.id.back() = '1';
    put(*catalog, first);
    put(*catalog, second);
    const auto found = catalog->find("00000010-0000");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->id, first.id);
}

TEST_F(SqliteCatalogTest, AGroupRelatesRecordingsAndJoinsNone) {
    auto catalog = open();
    for (const unsigned number : {0x10U, 0x20U, 0x30U}) {
        Recording recording = make_piece(number, 0, {});
        recording.group = number == 0x30 ? "other" : "g";
        put(*catalog, recording);
    }
    EXPECT_THAT(ids(*catalog, {.group = "g"}), ElementsAre(id_of(0x20), id_of(0x10)));
    EXPECT_EQ(ids(*catalog, {}).size(), 3U);
}

TEST_F(SqliteCatalogTest, ListsNewestFirstInPages) {
    auto catalog = open();
    for (const unsigned number : {0x20U, 0x40U, 0x10U, 0x30U})
        put(*catalog, make_recording(number));
    EXPECT_THAT(ids(*catalog, {.limit = 3}), ElementsAre(id_of(0x40), id_of(0x30), id_of(0x20)));
    EXPECT_THAT(ids(*catalog, {.limit = 3, .after = id_of(0x20)}), ElementsAre(id_of(0x10)));
    EXPECT_TRUE(ids(*catalog, {.after = id_of(0x10)}).empty());
}

TEST_F(SqliteCatalogTest, FindsByWordsInAnyCaseAndByIdsOfTheCall) {
    auto catalog = open();
    Recording recording = make_recording(0x50);
    recording.search = "Alice Liddell sip:alice@example.com";
    recording.call_ids = {"Abc%27_@10.0.0.1"};
    recording.session_ids = {"hVpd7YQgRW2nD22h7q60JQ=="};
    put(*catalog, recording);
    put(*catalog, make_recording(0x60));

    for (const char* text : {"alice", "LIDDELL sip:alice", "abc%27_", "hVpd7YQ", "00000050-0000"})
        EXPECT_THAT(ids(*catalog, {.text = text}), ElementsAre(recording.id)) << text;
    EXPECT_TRUE(ids(*catalog, {.text = "alice bob"}).empty());
    EXPECT_TRUE(ids(*catalog, {.text = "abc_27"}).empty());
    EXPECT_THAT(ids(*catalog, {.session_id = "hVpd7YQgRW2nD22h7q60JQ=="}),
                ElementsAre(recording.id));
}

TEST_F(SqliteCatalogTest, FindsByAUniquePrefixOnly) {
    auto catalog = open();
    Recording one = make_recording(0x77);
    Recording two = one;
    two.id.back() = '1';
    put(*catalog, one);
    put(*catalog, two);
    put(*catalog, make_recording(0xabcdef12));

    EXPECT_EQ(catalog->find("ABCDEF12")->id, id_of(0xabcdef12));
    EXPECT_EQ(catalog->find("abcdef1").error().kind, FindError::Kind::TooShort);
    EXPECT_EQ(catalog->find("abcdef13").error().kind, FindError::Kind::NotFound);
    const auto ambiguous = catalog->find("00000077-");
    ASSERT_FALSE(ambiguous);
    EXPECT_EQ(ambiguous.error().kind, FindError::Kind::Ambiguous);
    EXPECT_THAT(ambiguous.error().matches, ElementsAre(two.id, one.id));
    EXPECT_EQ(catalog->find(two.id)->id, two.id);
}

TEST_F(SqliteCatalogTest, ListsWhatACrashLeftRecordingOldestFirst) {
    auto catalog = open();
    for (const unsigned number : {0x90U, 0x80U}) put(*catalog, make_recording(number));
    Recording done = make_recording(0x70);
    done.state = State::Complete;
    put(*catalog, done);
    auto unfinished = catalog->list_unfinished();
    ASSERT_TRUE(unfinished);
    ASSERT_EQ(unfinished->size(), 2U);
    EXPECT_EQ(unfinished->front().id, id_of(0x80));
}

TEST_F(SqliteCatalogTest, KeepsAttemptsWithAndWithoutARecording) {
    auto catalog = open();
    Change change;
    change.attempts.push_back({.id = id_of(1),
                               .time = base::wall_from_ns(5),
                               .call_id = "c1",
                               .from = "sip:a@example.com",
                               .to = "sip:b@example.com",
                               .peer = "192.0.2.1:5060",
                               .transport = "udp",
                               .outcome = "refused",
                               .sip_status = 488,
                               .reason = base::Reason{"no_media", "The offer has no audio."}});
    change.attempts.push_back({.id = id_of(2),
                               .recording_id = id_of(9),
                               .outcome = "recorded",
                               .sip_status = 200,
                               .is_ours = true});
    ASSERT_FALSE(submit_and_wait(*catalog, change));

    auto attempts = catalog->list_attempts({});
    ASSERT_TRUE(attempts);
    ASSERT_EQ(attempts->size(), 2U);
    EXPECT_EQ((*attempts)[0].recording_id, id_of(9));
    EXPECT_TRUE((*attempts)[0].is_ours);
    EXPECT_FALSE((*attempts)[1].is_ours);
    EXPECT_EQ((*attempts)[1].recording_id, std::nullopt);
    EXPECT_EQ((*attempts)[1].sip_status, 488);
    EXPECT_EQ((*attempts)[1].reason->code, "no_media");
    EXPECT_EQ(catalog->list_attempts({.after = id_of(2)})->size(), 1U);
    EXPECT_EQ(catalog->list_attempts({.id = id_of(2)})->size(), 1U);
    EXPECT_TRUE(catalog->list_attempts({.id = id_of(99)})->empty());
    EXPECT_TRUE(catalog->list_attempts({.recording_id = id_of(99)})->empty());
}

TEST_F(SqliteCatalogTest, FindsTheAttemptsThatHaveNoOutcomeHoweverOldTheyAre) {
    auto catalog = open();
    Change change;
    for (unsigned number = 1; number <= kMaxPage + 5; ++number)
        change.attempts.push_back(
            {.id = id_of(number), .outcome = number == 2 ? "asked" : "refused"});
    ASSERT_FALSE(submit_and_wait(*catalog, change));
    const auto asked = catalog->list_attempts({.limit = kMaxPage, .only_asked = true});
    ASSERT_TRUE(asked);
    ASSERT_EQ(asked->size(), 1U);
    EXPECT_EQ((*asked)[0].id, id_of(2));
}

TEST_F(SqliteCatalogTest, CountsWhatBecameOfTheAttemptsOfEachHost) {
    auto catalog = open();
    Change change;
    const auto attempt = [&](unsigned number, const char* peer, const char* outcome,
                             const char* reason, std::optional<std::string> recording = {}) {
        Attempt row{.id = id_of(number), .recording_id = std::move(recording)};
        row.peer = peer;
        row.outcome = outcome;
        if (*reason != 0) row.reason = base::Reason{reason, "."};
        change.attempts.push_back(std::move(row));
    };
    const auto recording = [&](unsigned number, State state, const char* summary) {
        Recording row = make_recording(number);
        row.state = state;
        if (state == State::Failed) row.reason = base::Reason{"no_media", "."};
        row.summary = summary;
        change.recordings.push_back(std::move(row));
    };
    recording(10, State::Complete,
              R"({"warnings":[{"code":"silent"},{"code":"silent"},{"code":"too_short"}]})");
    recording(11, State::Failed, R"({"warnings":[{"code":"no_media"}]})");
    recording(12, State::Complete, "no JSON");
    attempt(1, "192.0.2.7:5060", "refused", "old");  // before `since`
    attempt(10, "192.0.2.7:5060", "recorded", "", id_of(10));
    attempt(11, "192.0.2.7:49152", "recorded", "", id_of(11));
    attempt(12, "[2001:db8::1]:5060", "recorded", "", id_of(12));
    attempt(13, "192.0.2.7:5061", "declined", "declined_by_rule");
    attempt(14, "192.0.2.7:5062", "declined", "declined_by_rule");
    ASSERT_FALSE(submit_and_wait(*catalog, std::move(change)));

    // id_of(number) is the time number << 16 in ms.
    const auto since = base::wall_from_ns((std::int64_t{2} << 16) * 1'000'000);
    const auto counts = catalog->count_by_peer(since);
    ASSERT_TRUE(counts);
    std::vector<std::string> lines;
    for (const PeerCount& row : *counts)
        lines.push_back(
            fmt::format("{} {}/{}/{} {}", row.peer, row.outcome, row.state, row.reason, row.count));
    EXPECT_EQ(lines, (std::vector<std::string>{
                         "192.0.2.7 /complete/silent 1", "192.0.2.7 /complete/too_short 1",
                         "192.0.2.7 /failed/no_media 1", "192.0.2.7 declined//declined_by_rule 2",
                         "192.0.2.7 recorded/complete/ 1", "192.0.2.7 recorded/failed/no_media 1",
                         "[2001:db8::1] recorded/complete/ 1"}));
}

TEST_F(SqliteCatalogTest, SharesACommitAmongManyChanges) {
    auto catalog = open();
    constexpr std::size_t kCount = 2000;
    std::atomic<std::size_t> done{0};
    for (std::size_t i = 0; i < kCount; ++i) {
        Change change;
        change.recordings.push_back(make_recording(static_cast<unsigned>(i)));
        ASSERT_TRUE(catalog->submit(std::move(change), [&](std::optional<base::Reason> failure) {
            if (!failure) done.fetch_add(1);
        }));
    }
    ASSERT_FALSE(submit_and_wait(*catalog, {}));
    EXPECT_EQ(done.load(), kCount);
    EXPECT_LT(catalog->health().commits, kCount / 10);
    EXPECT_EQ(catalog->health().changes, kCount + 1);
}

TEST_F(SqliteCatalogTest, CommitsWhatWasAcceptedBeforeItCloses) {
    std::atomic<int> done{0};
    {
        auto catalog = open();
        for (unsigned i = 0; i < 50; ++i) {
            Change change;
            change.recordings.push_back(make_recording(i));
            ASSERT_TRUE(catalog->submit(std::move(change), [&](auto) { done.fetch_add(1); }));
        }
    }
    EXPECT_EQ(done.load(), 50);
    EXPECT_EQ(open()->list({})->size(), 50U);
}

TEST_F(SqliteCatalogTest, RefusesBeyondItsBacklog) {
    // Before the catalogue, whose writer uses them until the catalogue is gone.
    std::promise<void> blocked;
    std::promise<void> release;
    auto catalog = open({.path = {}, .backlog_limit = 2});
    ASSERT_TRUE(catalog->submit({}, [&](auto) {
        blocked.set_value();
        release.get_future().wait();
    }));
    blocked.get_future().wait();  // the writer now stands still
    EXPECT_TRUE(catalog->submit({}, {}));
    EXPECT_TRUE(catalog->submit({}, {}));
    EXPECT_FALSE(catalog->submit({}, {}));
    EXPECT_EQ(catalog->health().backlog, 3U);
    release.set_value();
}

TEST_F(SqliteCatalogTest, TellsWhenAnotherProgramHoldsTheLockAndRecovers) {
    auto catalog = open({.path = {}, .busy_timeout = std::chrono::milliseconds(1)});
    auto other = Database::open(dir_.file(), Database::Mode::Write, std::chrono::milliseconds(0));
    ASSERT_TRUE(other);
    ASSERT_EQ(other->execute("BEGIN IMMEDIATE"), kSqliteOk);

    Change change;
    change.recordings.push_back(make_recording(1));
    const auto failure = submit_and_wait(*catalog, change);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code, "catalogue_busy");
    EXPECT_FALSE(catalog->health().is_writable);
    EXPECT_EQ(catalog->health().failed_changes, 1U);
    EXPECT_TRUE(catalog->list({}));  // reading goes on

    ASSERT_EQ(other->execute("ROLLBACK"), kSqliteOk);
    EXPECT_FALSE(submit_and_wait(*catalog, change));
    EXPECT_TRUE(catalog->health().is_writable);
}

TEST_F(SqliteCatalogTest, TellsWhenTheDiskIsFullAndKeepsWhatItHas) {
    auto catalog = open({.path = {}, .max_pages = 40});
    std::optional<base::Reason> failure;
    int stored = 0;
    for (unsigned i = 0; i < 200 && !failure; ++i) {
        Change change;
        change.recordings.push_back(make_recording(i));
        change.recordings.back().summary = std::string(2000, 's');
        failure = submit_and_wait(*catalog, std::move(change));
        if (!failure) ++stored;
    }
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code, "catalogue_full");
    EXPECT_GT(stored, 0);
    EXPECT_EQ(catalog->list({.limit = 1000})->size(), static_cast<std::size_t>(stored));
    EXPECT_EQ(catalog->health().reason->code, "catalogue_full");
}

TEST_F(SqliteCatalogTest, RefusesANewerSchemaAndAForeignFile) {
    open();
    auto database = Database::open(dir_.file(), Database::Mode::Write, {});
    ASSERT_EQ(database->execute("PRAGMA user_version = 999"), kSqliteOk);
    const auto newer = open_sqlite_catalog({.path = dir_.file()}, log_);
    ASSERT_FALSE(newer);
    EXPECT_EQ(newer.error().code, "catalogue_newer");
    EXPECT_THAT(newer.error().text, HasSubstr("999"));

    ASSERT_EQ(database->execute("PRAGMA application_id = 7"), kSqliteOk);
    EXPECT_EQ(open_sqlite_catalog({.path = dir_.file()}, log_).error().code, "catalogue_foreign");
}

TEST_F(SqliteCatalogTest, SaysWhyItCannotOpen) {
    const auto missing = open_sqlite_catalog({.path = "/nonexistent/catalogue.sqlite"}, log_);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, "catalogue_not_writable");
    EXPECT_THAT(missing.error().text, HasSubstr("/nonexistent/catalogue.sqlite"));
}

TEST_F(SqliteCatalogTest, MigratesStepByStepAfterACopy) {
    const std::vector<std::string_view> one{"CREATE TABLE t(a INTEGER) STRICT"};
    const std::vector<std::string_view> three{one[0], "ALTER TABLE t ADD COLUMN b TEXT",
                                              "INSERT INTO t VALUES(1, 'x')"};
    auto database = Database::open(dir_.file(), Database::Mode::Write, {});
    ASSERT_TRUE(database);
    ASSERT_FALSE(migrate(*database, one));
    EXPECT_FALSE(std::filesystem::exists(dir_.file() + ".before-1"));  // there was nothing to copy
    ASSERT_FALSE(migrate(*database, three));
    EXPECT_EQ(database->query_number("PRAGMA user_version"), 3);
    EXPECT_EQ(database->query_number("SELECT count(*) FROM t"), 1);

    auto copy = Database::open(dir_.file() + ".before-2", Database::Mode::ReadOnly, {});
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->query_number("PRAGMA user_version"), 1);
}

TEST_F(SqliteCatalogTest, LeavesTheSchemaAloneWhenAStepFails) {
    const std::vector<std::string_view> one{"CREATE TABLE t(a INTEGER) STRICT"};
    const std::vector<std::string_view> broken{one[0], "CREATE TABLE u(a INTEGER) STRICT",
                                               "NONSENSE"};
    auto database = Database::open(dir_.file(), Database::Mode::Write, {});
    ASSERT_FALSE(migrate(*database, one));
    EXPECT_TRUE(migrate(*database, broken));
    EXPECT_EQ(database->query_number("PRAGMA user_version"), 1);
    EXPECT_EQ(database->query_number("SELECT count(*) FROM sqlite_schema WHERE name='u'"), 0);
}

}  // namespace
}  // namespace earshot::catalog
