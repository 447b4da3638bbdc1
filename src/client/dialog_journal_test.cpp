#include "client/dialog_journal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/log.h"
#include "io/faulty_file.h"

namespace earshot::client {
namespace {

sip::OutOfDialogSpec bye_of(const std::string& call_id) {
    sip::OutOfDialogSpec bye;
    bye.method = "BYE";
    bye.request_uri = "sip:rec@192.0.2.30;transport=tcp";
    bye.from = "\"A \\\"quoted\\\" name\" <sip:a@example.com>";
    bye.from_tag = "ours";
    bye.to = "<sip:rec@192.0.2.30>;tag=theirs";
    bye.call_id = call_id;
    bye.cseq = 1'000'002;
    bye.routes = {"<sip:proxy.example.com;lr>", "<sip:192.0.2.9;lr>"};
    bye.flow.transport = sip::Transport::Tcp;
    bye.flow.listener = 1;
    return bye;
}

std::vector<std::string> call_ids(const DialogsLeft& left) {
    std::vector<std::string> ids;
    for (const auto& bye : left.byes) ids.push_back(bye.call_id);
    return ids;
}

using Ids = std::vector<std::string>;

TEST(DialogLines, BringBackAllThatAByeNeeds) {
    const DialogsLeft left = read_dialogs(dialog_line(7, bye_of("c1")));
    ASSERT_EQ(left.byes.size(), 1U);
    EXPECT_EQ(left.broken_lines, 0U);
    const sip::OutOfDialogSpec& bye = left.byes[0];
    const sip::OutOfDialogSpec told = bye_of("c1");
    EXPECT_EQ(bye.method, "BYE");
    EXPECT_EQ(bye.request_uri, told.request_uri);
    EXPECT_EQ(bye.from, told.from);
    EXPECT_EQ(bye.from_tag, told.from_tag);
    EXPECT_EQ(bye.to, told.to);
    EXPECT_EQ(bye.call_id, told.call_id);
    EXPECT_EQ(bye.cseq, told.cseq);
    EXPECT_EQ(bye.routes, told.routes);
    EXPECT_EQ(bye.flow, told.flow);
}

TEST(DialogLines, WhatHasEndedIsNotLeft) {
    const std::string text = dialog_line(1, bye_of("a")) + dialog_line(2, bye_of("b")) +
                             dialog_line(3, bye_of("c")) + ended_line(2) +
                             dialog_line(1, bye_of("a2"));  // a re-INVITE
    EXPECT_EQ(call_ids(read_dialogs(text)), (Ids{"a2", "c"}));
}

TEST(DialogLines, ACutLineIsPassedOverAtEachOctet) {
    const std::string first = dialog_line(1, bye_of("a"));
    const std::string second = dialog_line(2, bye_of("b"));
    for (std::size_t size = 1; size < second.size(); ++size) {
        const DialogsLeft left = read_dialogs(first + second.substr(0, size));
        EXPECT_EQ(call_ids(left), Ids{"a"}) << size;
        EXPECT_EQ(left.broken_lines, 1U) << size;
    }
}

TEST(DialogLines, GarbageIsCountedAndHurtsNoOther) {
    const std::string text = "garbage\n\n[1]\n{\"n\":0}\n{\"n\":5,\"uri\":7}\n{\"n\":-1}\n" +
                             dialog_line(6, bye_of("a")) + std::string(40'000, 'x') + "\n";
    const DialogsLeft left = read_dialogs(text);
    EXPECT_EQ(call_ids(left), Ids{"a"});
    EXPECT_EQ(left.broken_lines, 7U);
}

class CountingLog : public base::Log {
public:
    void write(base::LogLevel /*level*/, std::string_view /*message*/,
               std::initializer_list<base::LogField> /*fields*/) override {
        ++lines;
    }
    std::atomic<int> lines{0};
};

class DialogJournalTest : public testing::Test {
protected:
    DialogsLeft left() {
        const auto text = files_.read_file("data/dialogs.jsonl", 1U << 30U);
        return text ? read_dialogs(base::as_text(*text)) : DialogsLeft{};
    }
    DialogJournalTest() { EXPECT_TRUE(files_.make_directories("data")); }

    io::FaultyFileSystem files_;
    CountingLog log_;
};

TEST_F(DialogJournalTest, HoldsWhatRuns) {
    {
        DialogJournal journal(files_, "data/dialogs.jsonl", log_);
        journal.begin(bye_of("a"));
        const std::uint64_t second = journal.begin(bye_of("b"));
        journal.begin(bye_of("c"));
        journal.end(second);
    }
    EXPECT_EQ(call_ids(left()), (Ids{"a", "c"}));
    EXPECT_EQ(log_.lines, 0);
}

TEST_F(DialogJournalTest, LeavesOutWhatHasEndedNowAndThen) {
    constexpr int kCalls = 20'000;
    {
        DialogJournal journal(files_, "data/dialogs.jsonl", log_);
        journal.begin(bye_of("stays"));
        for (int i = 0; i < kCalls; ++i) journal.end(journal.begin(bye_of("goes")));
    }
    EXPECT_EQ(call_ids(left()), Ids{"stays"});
    const auto size = files_.read_file("data/dialogs.jsonl", 1U << 30U);
    ASSERT_TRUE(size);
    EXPECT_LT(size->size(), kCalls * dialog_line(1, bye_of("goes")).size() / 2);
}

TEST_F(DialogJournalTest, AFileOfBeforeStaysUntilThereIsSomethingToSay) {
    ASSERT_TRUE(
        files_.write_file("data/dialogs.jsonl", base::as_bytes(dialog_line(1, bye_of("old")))));
    { DialogJournal journal(files_, "data/dialogs.jsonl", log_); }
    EXPECT_EQ(call_ids(left()), Ids{"old"});
    {
        DialogJournal journal(files_, "data/dialogs.jsonl", log_);
        journal.begin(bye_of("new"));
    }
    EXPECT_EQ(call_ids(left()), Ids{"new"});
}

}  // namespace
}  // namespace earshot::client
