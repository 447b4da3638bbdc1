// The parts of a recording that are made of MSRP messages, without a disk: layers, pieces, JSON.
#include "archive/chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>

#include "archive/archive_test_rig.h"
#include "archive/chat_delivery.h"
#include "archive/chat_export.h"
#include "archive/file_hash.h"
#include "archive/message_body.h"
#include "archive/message_collector.h"
#include "archive/message_contents.h"
#include "archive/transcript.h"
#include "journal/message_record.h"
#include "msrp/stream_parser.h"
#include "siprec/cs_description.h"

namespace earshot::archive {
namespace {

constexpr std::string_view kInner =
    "From: <sip:ana@desk.example>\r\nTo: <sip:ben@desk.example>\r\n\r\nContent-Type: "
    "text/plain\r\n\r\npsst";

TEST(MessageBody, TakesOffTheWrapperAndTheCpimInIt) {
    const std::string text =
        "From: <sip:ana@desk.example>\r\nTo: <sip:room@conf.example>\r\nNS: rs "
        "<urn:uuid:b8a7e1d4-93c2-4f6e-8d15-7e2a4c90f6b3>\r\nrs.Content: send\r\nrs.Stream-ID: "
        "z5Pi\r\nrs.Message-ID: 8cT9\r\nrs.Nickname: ana_r\r\n\r\nContent-Type: "
        "message/cpim\r\n\r\n" +
        std::string(kInner);
    const MessageBody body = read_message_body("application/msrp-recording", text);
    EXPECT_TRUE(body.is_wrapped);
    EXPECT_EQ(body.content, "send");
    EXPECT_EQ(body.stream_id, "z5Pi");
    EXPECT_EQ(body.cs_message_id, "8cT9");
    EXPECT_EQ(body.nickname, "ana_r");
    EXPECT_EQ(body.wrapper_to.at(0).uri, "sip:room@conf.example");
    ASSERT_EQ(body.to.size(), 1U);
    EXPECT_EQ(body.to[0].uri, "sip:ben@desk.example");
    EXPECT_EQ(body.content_type, "text/plain");
    EXPECT_EQ(text.substr(body.content_at), "psst");
}

// A message to a room that has one stream, from the wire to the text.
TEST(MessageBody, ReadsTheExampleOfTheWrapper) {
    const std::string content =
        "From: Ana Reis <sip:ana@desk.example>\r\nTo: <sip:review-42@conf.example>\r\nDateTime: "
        "2026-03-02T14:06:11.250Z\r\nNS: rs "
        "<urn:uuid:b8a7e1d4-93c2-4f6e-8d15-7e2a4c90f6b3>\r\nrs.Content: send\r\nrs.Message-ID: "
        "8cT91kQz\r\nrs.Nickname: ana_r\r\n\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        "Slide 4 has the old figures.";
    const std::string wire =
        "MSRP d8K2m0x7 SEND\r\nTo-Path: msrps://192.0.2.20:2855/9dQe4wTz0k;tcp\r\nFrom-Path: "
        "msrps://192.0.2.10:49200/Zp03nnE8ab;tcp\r\nMessage-ID: rs4f.000017\r\nByte-Range: "
        "1-301/301\r\nContent-Type: application/msrp-recording\r\n\r\n" +
        content + "\r\n-------d8K2m0x7$\r\n";
    msrp::StreamParser parser;
    parser.feed(base::as_bytes(wire));
    const auto head = std::get<msrp::Head>(*parser.poll_event());
    EXPECT_EQ(head.fault, "");
    EXPECT_EQ(head.byte_range->total, content.size());
    const std::string received(
        base::as_text(std::get<msrp::BodyPiece>(*parser.poll_event()).bytes));
    EXPECT_EQ(received, content);
    const MessageBody body = read_message_body(head.content_type, received);
    EXPECT_EQ(body.fault, "");
    EXPECT_EQ(body.from->name, "Ana Reis");
    EXPECT_EQ(body.from->uri, "sip:ana@desk.example");
    EXPECT_EQ(body.to.at(0).uri, "sip:review-42@conf.example");
    EXPECT_EQ(body.date_time, "2026-03-02T14:06:11.250Z");
    EXPECT_EQ(body.cs_message_id, "8cT91kQz");
    EXPECT_EQ(body.nickname, "ana_r");
    EXPECT_EQ(body.content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(received.substr(body.content_at), "Slide 4 has the old figures.");
}

TEST(MessageBody, KnowsTheWrapperByAnyNamespaceOfItsHeaders) {
    const std::string text =
        "NS: xy <urn:example:other>\r\nxy.Content: drop\r\nxy.Message-ID: m1\r\nxy.Size: "
        "77\r\nxy.Unsupported-Type: image/png\r\n\r\n\r\n";
    const MessageBody body = read_message_body("application/msrp-recording", text);
    EXPECT_EQ(body.content, "drop");
    EXPECT_EQ(body.cs_message_id, "m1");
    EXPECT_EQ(body.dropped_size, 77U);
    EXPECT_THAT(body.unsupported_types, testing::ElementsAre("image/png"));
}

// What somebody wraps itself is what it sent: it tells nothing of what the client did.
TEST(MessageBody, AWrapperWithinAMessageIsItsContent) {
    const MessageBody body = read_message_body(
        "application/msrp-recording",
        "From: <sip:ana@x>\r\nTo: <sip:room@x>\r\nrs.Content: send\r\nrs.Message-ID: "
        "m1\r\n\r\nContent-Type: application/msrp-recording\r\n\r\nrs.Content: "
        "drop\r\nrs.Message-ID: m2\r\nrs.Size: 99\r\n\r\n\r\nwhat was said");
    EXPECT_EQ(body.content, "send");
    EXPECT_EQ(body.cs_message_id, "m1");
    EXPECT_FALSE(body.dropped_size);
    EXPECT_EQ(body.content_type, "application/msrp-recording");
}

TEST(MessageBody, WithoutFromNobodyIsInvented) {
    const MessageBody body = read_message_body(
        "message/cpim", "To: <sip:ben@desk.example>\r\n\r\nContent-Type: text/plain\r\n\r\nx");
    EXPECT_FALSE(body.from);
    EXPECT_TRUE(body.fault.empty());
}

TEST(MessageBody, EachTruncationIsSurvivedAndSaid) {
    for (std::size_t size = 0; size < kInner.size(); ++size) {
        const MessageBody body = read_message_body("message/cpim", kInner.substr(0, size));
        EXPECT_LE(body.content_at, size);
    }
    EXPECT_FALSE(read_message_body("message/cpim", kInner.substr(0, 40)).fault.empty());
}

TEST(MessageBody, LayersAreTakenOffOnlySoDeep) {
    std::string text = "x";
    for (int i = 0; i < 6; ++i)
        text = "From: <sip:a@x>\r\n\r\nContent-Type: message/cpim\r\n\r\n" + text;
    EXPECT_EQ(read_message_body("message/cpim", text).content_type, "message/cpim");
}

// ---- pieces -------------------------------------------------------------------------------------

class Pieces : public testing::Test {
protected:
    void add(std::uint64_t message, std::uint64_t offset, std::string_view octets) {
        ASSERT_TRUE(writer_.append(
            {.type = journal::RecordType::MessageContent},
            journal::write(journal::MessageContent{
                .message = message, .offset = offset, .octets = base::as_bytes(octets)})));
    }
    std::string read(std::uint64_t message, std::size_t at = 0, std::size_t count = 1000) {
        EXPECT_TRUE(writer_.finish());
        MessageContents contents(*file_);
        EXPECT_TRUE(contents.scan({message}));
        base::Bytes bytes(count);
        const auto size = contents.read(message, at, bytes);
        EXPECT_TRUE(size);
        return std::string(base::as_text(base::ByteView(bytes).first(*size)));
    }

    io::FaultyFileSystem files_;
    std::unique_ptr<io::File> file_ = *files_.create("messages");
    BlockWriter writer_{*file_, BlockFileKind::Messages, base::Uuid{}};
};

TEST_F(Pieces, LieWhereTheyBelongTheLastOnesOnTop) {
    add(1, 6, "world");
    add(2, 0, "other");
    add(1, 0, "hell ");
    add(1, 4, "o ");
    add(1, 1, "EL");
    EXPECT_EQ(read(1), "hELlo world");
}

TEST_F(Pieces, APieceWithinAnotherSplitsIt) {
    add(1, 0, "abcdefgh");
    add(1, 2, "XY");
    EXPECT_EQ(read(1), "abXYefgh");
}

TEST_F(Pieces, WhereNothingCameThereAreZeros) {
    add(1, 2, "ab");
    EXPECT_EQ(read(1), std::string("\0\0ab", 4));
}

TEST_F(Pieces, WhoWritesFarAwayMakesNoTerabytesOfZeros) {
    add(1, 0, "ab");
    add(1, 2 + kMaxHoleBytes, "cd");
    add(1, 5 + 2 * kMaxHoleBytes, "ef");
    ASSERT_TRUE(writer_.finish());
    MessageContents contents(*file_);
    ASSERT_TRUE(contents.scan({1}));
    EXPECT_EQ(contents.size(1), 4 + kMaxHoleBytes);
}

TEST_F(Pieces, AreReadFromAnyPlaceAcrossBlocks) {
    std::string all;
    for (int i = 0; i < 40; ++i) {
        const std::string piece(20'000, static_cast<char>('a' + i % 26));
        add(1, all.size(), piece);
        all += piece;
    }
    EXPECT_EQ(read(1, 0, 900'000), all);
}

// ---- the chat -----------------------------------------------------------------------------------

journal::Record record_of(journal::RecordType type, const base::Bytes& payload,
                          std::int64_t at_ns = 1'000) {
    return {.header = {.type = type, .stream = 0, .arrival_ns = at_ns}, .payload = payload};
}

constexpr std::string_view kHead =
    "MSRP abcd1234 SEND\r\nTo-Path: msrp://a:1/b;tcp\r\nFrom-Path: msrp://c:2/d;tcp\r\n"
    "Message-ID: msg00001\r\nContent-Type: text/plain\r\n";

TEST(MessageCollector, AMessageWithoutItsEndIsInterrupted) {
    MessageCollector collector;
    const auto head = journal::write(journal::MessageHead{.message = 1, .head = kHead});
    collector.add(record_of(journal::RecordType::MessageHead, head));
    const auto content =
        journal::write(journal::MessageContent{.message = 1, .octets = base::as_bytes("hal")});
    collector.add(record_of(journal::RecordType::MessageContent, content));
    const Chat chat = collector.finish(RecordingFacts{});
    ASSERT_EQ(chat.messages.size(), 1U);
    EXPECT_EQ(chat.messages[0].state, "interrupted");
    EXPECT_EQ(chat.messages[0].text, "hal");
    EXPECT_EQ(chat.messages[0].message_id, "msg00001");
    EXPECT_EQ(collector.incomplete_of(0), 1U);
}

TEST(MessageCollector, TextEndsAtTheFirstHole) {
    MessageCollector collector;
    const auto head = journal::write(journal::MessageHead{.message = 1, .head = kHead});
    collector.add(record_of(journal::RecordType::MessageHead, head));
    for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{100}}) {
        const auto content = journal::write(
            journal::MessageContent{.message = 1, .offset = at, .octets = base::as_bytes("abc")});
        collector.add(record_of(journal::RecordType::MessageContent, content));
    }
    EXPECT_EQ(collector.finish(RecordingFacts{}).messages[0].text, "abc");
}

// Sent again since its connection was lost before our REPORT; and by who uses an id twice.
TEST(MessageCollector, TheSameMessageStandsThereOnce) {
    MessageCollector collector;
    const std::vector<std::string> contents{"hal", "hallo", "hallo", "another"};
    for (std::uint64_t number = 1; number <= contents.size(); ++number) {
        const std::string& text = contents[static_cast<std::size_t>(number - 1)];
        const auto head = journal::write(journal::MessageHead{.message = number, .head = kHead});
        collector.add(record_of(journal::RecordType::MessageHead, head));
        const auto content = journal::write(
            journal::MessageContent{.message = number, .octets = base::as_bytes(text)});
        collector.add(record_of(journal::RecordType::MessageContent, content));
        const auto end = journal::write(
            journal::MessageEnd{.message = number,
                                .outcome = number == 1 ? journal::MessageOutcome::Lost
                                                       : journal::MessageOutcome::Complete,
                                .octets = text.size()});
        collector.add(record_of(journal::RecordType::MessageEnd, end));
    }
    std::vector<bool> repeated;
    for (const ChatMessage& message : collector.finish(RecordingFacts{}).messages)
        repeated.push_back(message.is_repeated);
    EXPECT_EQ(repeated, (std::vector<bool>{false, false, true, false}));
}

TEST(Chat, IsReadAsItWasWritten) {
    Chat chat;
    chat.is_cut = true;
    ChatMessage& message = chat.messages.emplace_back();
    message = {.message = 7,
               .label = "12",
               .at_ms = 5,
               .end_ms = 9,
               .kind = "file",
               .state = "complete",
               .is_private = true,
               .is_repeated = true,
               .has_conflict = true,
               .is_wrapped = true,
               .content = "send",
               .from = {.uri = "sip:a@x", .name = "A", .participant = "sip:a@x"},
               .to = {{.uri = "sip:b@x", .name = {}, .participant = {}}},
               .nickname = "a_r",
               .date_time = "2026-03-02T14:06:11.250Z",
               .message_id = "m1",
               .cs_message_id = "c1",
               .stream_id = "s1",
               .imdn_id = "i1",
               .about = "34jk",
               .status = "displayed",
               .recipient = "sip:b@x",
               .subject = "Hi",
               .content_type = "image/png",
               .fault = "bad",
               .octets = 10,
               .total = 20,
               .text = "T",
               .file_name = "../../etc/passwd",
               .content_at = 3,
               .sha256 = "ab",
               .announced_octets = 77,
               .hashes = {{.algorithm = "sha-1", .digest = "72:24", .matches = false}},
               .unsupported_types = {"a/b"},
               .dropped_size = 4};
    const auto read = parse_chat(to_json(chat));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, chat);
}

TEST(Chat, WhatIsNotOursIsRefused) {
    for (const char* text :
         {"", "[]", "{}", R"({"cut":1,"messages":[]})",
          R"({"cut":false,"messages":[{"message":"x"}]})", R"({"cut":false,"messages":[7]})"})
        EXPECT_FALSE(parse_chat(text)) << text;
}

// ---- a recording --------------------------------------------------------------------------------

class ChatRecording : public ArchiveTest {
protected:
    ChatRecording() { encryption_.emplace(Encryption{.keys = keys_, .random = random_}); }

    void begin(std::string_view more = {}) {
        records_.started();
        records_.event(0,
                       fmt::format(R"({{"type":"stream_added","stream":0,"label":"12",)"
                                   R"("media":"message","direction":"sendonly"{}}})",
                                   more),
                       0);
    }
    void message(std::uint64_t number, std::string_view type,
                 const std::vector<std::pair<std::uint64_t, std::string>>& pieces) {
        const std::string head = fmt::format(
            "MSRP abcd1234 SEND\r\nTo-Path: msrp://a:1/b;tcp\r\nFrom-Path: "
            "msrp://c:2/d;tcp\r\nMessage-ID: msg{:05}\r\nContent-Type: {}\r\n",
            number, type);
        const auto at = static_cast<std::int64_t>(number) * 100;
        records_.add(journal::RecordType::MessageHead, at, 0,
                     journal::write(journal::MessageHead{.message = number, .head = head}));
        std::uint64_t octets = 0;
        for (const auto& [offset, text] : pieces) {
            records_.add(journal::RecordType::MessageContent, at + 1, 0,
                         journal::write(journal::MessageContent{
                             .message = number, .offset = offset, .octets = base::as_bytes(text)}));
            octets += text.size();
        }
        records_.add(journal::RecordType::MessageEnd, at + 2, 0,
                     journal::write(journal::MessageEnd{.message = number, .octets = octets}));
    }
    Chat chat() { return *parse_chat(part(std::string(kChatName))); }
};

TEST_F(ChatRecording, AChatWithoutVoiceIsACompleteRecording) {
    begin();
    message(1, "text/html", {{0, "<script>alert(1)</script>"}});
    records_.ended(5'000);
    const Summary summary = build();
    EXPECT_EQ(summary.state, State::Complete) << (summary.reason ? summary.reason->text : "");
    EXPECT_TRUE(summary.warnings.empty());
    EXPECT_EQ(summary.streams.at(0).messages, 1U);
    EXPECT_EQ(chat().messages.at(0).text, "<script>alert(1)</script>");
    EXPECT_EQ(chat().messages.at(0).at_ms, 100);
    EXPECT_THAT(render_all(Format::Text),
                testing::HasSubstr("[00:00:00.100] Chat 12: <script>alert(1)</script>\n"));
    EXPECT_EQ(*parse_chat(render_all(Format::Chat)), chat());
    EXPECT_TRUE(verify_recording(files_, directory_, {}, &keys_).faults.empty());
}

TEST_F(ChatRecording, TheTextExportMovesNoCursor) {
    begin();
    message(
        1, "message/cpim",
        {{0,
          "From: Mal\x1b[2J <sip:mal@x>\r\nTo: <sip:b@x>\r\n\r\nContent-Type: text/plain\r\n\r\n"
          "a\x07\xe2\x80\xae"
          "b\r\n[00:00:09.000] Ana: forged"}});
    records_.ended(5'000);
    build();
    EXPECT_THAT(render_all(Format::Text),
                testing::HasSubstr("] Mal?[2J: a?<U+202E>b\n    [00:00:09.000] Ana: forged\n"));
}

TEST_F(ChatRecording, TheTranscriptTellsWhenWhoAndWhatIsMissing) {
    begin();
    message(1, "application/msrp-recording",
            {{0,
              "From: Ana Reis <sip:ana@x>\r\nTo: <sip:room@x>\r\nNS: rs "
              "<urn:uuid:b8a7e1d4-93c2-4f6e-8d15-7e2a4c90f6b3>\r\nrs.Content: send\r\n"
              "rs.Nickname: chair\r\n\r\nContent-Type: text/plain\r\n\r\none"}});
    records_.event(1'000, R"({"type":"stream_paused","stream":0})", 0);
    records_.event(4'000, R"({"type":"stream_resumed","stream":0})", 0);
    message(50, "text/plain", {{0, "two"}});
    records_.ended(6'000);
    build();
    EXPECT_EQ(render_all(Format::Text),
              "# Recording    0195a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b\n"
              "# Start        2026-03-02 09:15:00 UTC\n"
              "# Participant  Ana Reis <sip:ana@x>, seen in messages\n"
              "# Times        of day in UTC, then since the recording's start\n\n"
              "09:15:00 [00:00:00.100] Ana Reis \"chair\": one\n"
              "09:15:01 [00:00:01.000] [recording paused for 3 s]\n"
              "09:15:05 [00:00:05.000] Chat 12: two\n");
}

TEST(Chat, NamesThatTwoHaveAreTold) {
    const auto line_by = [](std::string uri, std::string name) {
        return ChatMessage{.label = "1",
                           .kind = "text",
                           .state = "complete",
                           .from = {.uri = std::move(uri), .name = std::move(name)},
                           .text = "x"};
    };
    const std::vector<ChatLine> lines =
        lines_of({.messages = {line_by("sip:ana@x", "Ana"), line_by("sip:mal@y", "Ana"),
                               line_by("sips:ben@x;transport=tls", ""), line_by("im:cy@x", ""),
                               line_by("sip:dan@x", "Boss <sip:boss@x>"),
                               line_by("sip:eve@x", "SIP:boss")}});
    EXPECT_EQ(lines[0].by, "Ana <sip:ana@x>");
    EXPECT_EQ(lines[1].by, "Ana <sip:mal@y>");
    EXPECT_EQ(lines[2].by, "ben");
    EXPECT_EQ(lines[3].by, "im:cy");
    EXPECT_EQ(lines[4].by, "\"Boss <sip:boss@x>\" <sip:dan@x>");
    EXPECT_EQ(lines[5].by, "\"SIP:boss\" <sip:eve@x>");
}

TEST(Chat, LinesTellOfWhichChatTheyAreWhereThereAreSeveral) {
    const auto line = [](std::string kind, std::string label, std::string stream_id) {
        return ChatMessage{.label = std::move(label),
                           .kind = std::move(kind),
                           .state = "complete",
                           .from = {.uri = "sip:ana@x", .name = "Ana"},
                           .stream_id = std::move(stream_id),
                           .text = "x"};
    };
    const auto bys = [](const Chat& chat) {
        std::vector<std::string> all;
        for (const ChatLine& one : lines_of(chat)) all.push_back(one.by);
        return all;
    };
    EXPECT_EQ(bys({.messages = {line("text", "1", "a"), line("file", "2", "b")}}),
              (std::vector<std::string>{"Ana", "Ana"}));
    EXPECT_EQ(bys({.messages = {line("text", "1", "a"), line("text", "1", "b"),
                                line("text", "1", "a"), line("file", "2", "")}}),
              (std::vector<std::string>{"Ana (chat 1)", "Ana (chat 2)", "Ana (chat 1)", "Ana"}));
}

TEST(Transcript, TellsWhoCameAndWentWhileItWasRecorded) {
    const auto at = [](std::int64_t ms) { return base::wall_from_ns(kStartNs + ms * kMs); };
    siprec::MetadataObjects metadata;
    siprec::Participant ana;
    ana.id = siprec::MetadataId("a");
    ana.names = {{.aor = "sip:ana@x", .name = "Ana", .language = {}}};
    metadata.participants.push_back(ana);
    siprec::ParticipantSessionAssoc assoc;
    assoc.participant = siprec::MetadataId("a");
    assoc.periods = {{.associate = at(-5), .disassociate = at(1'000)},
                     {.associate = at(2'000), .disassociate = at(99'000)}};
    metadata.participant_sessions.push_back(assoc);
    EXPECT_EQ(notes_of_people(metadata, at(0), at(9'000)),
              (std::vector<TranscriptNote>{{.at_ms = 1'000, .text = "Ana left"},
                                           {.at_ms = 2'000, .text = "Ana joined"}}));
}

TEST(Transcript, ReadsAndWritesOffsets) {
    using std::chrono::minutes;
    EXPECT_EQ(parse_utc_offset("UTC"), minutes{0});
    EXPECT_EQ(parse_utc_offset("Z"), minutes{0});
    EXPECT_EQ(parse_utc_offset("+02:00"), minutes{120});
    EXPECT_EQ(parse_utc_offset("-0930"), minutes{-570});
    EXPECT_EQ(parse_utc_offset("+14:00"), minutes{840});
    for (const char* none : {"", "+", "02:00", "+2", "+14:01", "+02:60", "+0a:00", "Europe/Berlin",
                             "+02:000", "++200", "+-200"})
        EXPECT_EQ(parse_utc_offset(none), std::nullopt) << none;
    EXPECT_EQ(utc_offset_text(minutes{0}), "UTC");
    EXPECT_EQ(utc_offset_text(minutes{-570}), "-09:30");
    EXPECT_EQ(utc_offset_text(minutes{330}), "+05:30");
}

TEST(Transcript, TellsTimesOfDayAtAnOffset) {
    const TranscriptHead head{.id = "i",
                              .start = base::wall_from_ns(kStartNs),
                              .participants = {},
                              .utc_offset = std::chrono::minutes{-600}};
    const std::vector<TranscriptNote> notes{{.at_ms = 1'000, .text = "Ana left"}};
    EXPECT_EQ(
        write_transcript(head, {}, {}, notes),
        "# Recording    i\n# Start        2026-03-01 23:15:00 -10:00\n# Times        of day in "
        "-10:00, then since the recording's start\n\n23:15:01 [00:00:01.000] [Ana left]\n");
}

TEST(Transcript, TellsWhoShared) {
    const CallTimeline timeline{.texts = {},
                                .speakers = {},
                                .sharing = {{.label = "3",
                                             .start_ms = 1'000,
                                             .duration_ms = 500,
                                             .kind = "screen",
                                             .title = "plan",
                                             .presenter = "sip:ana@x"},
                                            {.label = "4",
                                             .start_ms = 1'200,
                                             .duration_ms = 0,
                                             .kind = "picture",
                                             .title = "a.png",
                                             .presenter = {}}}};
    const TranscriptHead head{.id = "i",
                              .start = base::wall_from_ns(kStartNs),
                              .participants = {{.aor = "sip:ana@x", .name = "Ana"}}};
    EXPECT_THAT(write_transcript(head, timeline, {}, {}),
                testing::EndsWith("\n\n09:15:01 [00:00:01.000] [Ana shares screen \"plan\"]\n"
                                  "09:15:01 [00:00:01.500] [Ana stops sharing screen]\n"));
}

TEST_F(ChatRecording, AChatInWhichNothingWasWrittenSaysSo) {
    begin();
    records_.ended(5'000);
    const Summary summary = build();
    EXPECT_EQ(summary.state, State::Failed);
    EXPECT_EQ(summary.reason->code, "no_messages");
    EXPECT_TRUE(part(std::string(kChatName)).empty());
}

TEST_F(ChatRecording, AFileIsHashedAndReadWithoutBeingInMemory) {
    std::string file;
    for (int i = 0; i < 50; ++i) file += std::string(10'000, static_cast<char>('A' + i % 50));
    FileHash hash;
    hash.add(base::as_bytes(file));
    const FileHashes hashes = hash.finish();
    begin(fmt::format(
        R"(,"file_selector":"name:\"..%2F..%2Fetc%2Fpasswd\" type:application/pdf size:{} hash:sha-1:{}")",
        file.size(), hashes.sha1));
    message(1, "application/pdf",
            {{300'000, file.substr(300'000)},
             {0, file.substr(0, 200'000)},
             {150'000, file.substr(150'000, 150'000)}});
    records_.ended(5'000);
    EXPECT_EQ(build().state, State::Complete);
    const ChatMessage message = chat().messages.at(0);
    EXPECT_EQ(message.kind, "file");
    EXPECT_EQ(message.file_name, "../../etc/passwd");  // data, never a path
    EXPECT_EQ(message.sha256, hashes.sha256);
    ASSERT_EQ(message.hashes.size(), 1U);
    EXPECT_EQ(message.hashes[0].matches, true);
    auto opened = open_message(files_, directory_, 1, &keys_, Reading::Everything);
    ASSERT_TRUE(opened) << opened.error().text;
    base::Bytes bytes(file.size() + 1);
    const auto count = opened->file->read_at(0, bytes);
    ASSERT_TRUE(count);
    EXPECT_EQ(base::as_text(base::ByteView(bytes).first(*count)), file);
    EXPECT_EQ(open_message(files_, directory_, 2, &keys_, Reading::Everything).error().code,
              "not_found");
}

// What is said in a room has its name in the CPIM around it.
TEST_F(ChatRecording, AFileInCpimHasItsNameAndIsHashedWithoutTheLayers) {
    begin();
    const std::string head =
        "From: <sip:ana@desk.example>\r\nTo: <sip:room@conf.example>\r\n\r\nContent-Type: ";
    message(1, "message/cpim",
            {{0, head + "image/png\r\nContent-Disposition: attachment; filename=\"plan.png\"\r\n"
                        "\r\n\x89PNG"}});
    message(2, "message/cpim",
            {{0, head + "text/plain\r\nContent-Disposition: attachment; filename=\"a.txt\"\r\n"
                        "\r\nnotes"}});
    message(3, "message/cpim", {{0, head + "text/plain\r\n\r\nwords"}});
    records_.ended(5'000);
    build();
    const auto all = chat().messages;
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].kind, "file");
    EXPECT_EQ(all[0].file_name, "plan.png");
    FileHash hash;
    hash.add(base::as_bytes(std::string_view("\x89PNG")));
    EXPECT_EQ(all[0].sha256, hash.finish().sha256);
    EXPECT_EQ(all[1].kind, "file");
    EXPECT_EQ(all[1].file_name, "a.txt");
    EXPECT_FALSE(all[1].text);
    EXPECT_EQ(all[2].kind, "text");
    EXPECT_EQ(all[2].text, "words");
}

TEST_F(ChatRecording, APictureStandsAmongWhatWasShared) {
    begin(R"(,"file_selector":"name:\"floor%20plan.png\" type:image/png")");
    message(3, "image/png", {{0, "\x89PNG"}});
    records_.ended(5'000);
    build();
    const auto timeline = parse_call_timeline(part(std::string(kTimelineName)));
    ASSERT_TRUE(timeline);
    EXPECT_EQ(timeline->sharing,
              (std::vector<Sharing>{{"12", 300, 0, "picture", "floor plan.png", ""}}));
}

// RFC 7701: the room is a participant of the metadata itself, as the focus.
TEST_F(ChatRecording, PrivateIsWhatGoesToOnePersonOfARoom) {
    begin(R"(,"chatroom":"nickname private-messages")");
    records_.metadata(
        0,
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>"
        "<session session_id='AAAAAAAAAAAAAAAAAAAAAQ=='/>"
        "<participant participant_id='AAAAAAAAAAAAAAAAAAAAEQ=='>"
        "<nameID aor='sip:room@conf.example'/></participant>"
        "<participant participant_id='AAAAAAAAAAAAAAAAAAAAEg=='>"
        "<nameID aor='sip:ben@desk.example'/></participant>"
        "<participantsessionassoc participant_id='AAAAAAAAAAAAAAAAAAAAEQ==' "
        "session_id='AAAAAAAAAAAAAAAAAAAAAQ=='><param pname='isfocus' pval='true'/>"
        "</participantsessionassoc></recording>");
    const auto cpim = [](std::string_view from, std::string_view to, std::string_view type,
                         std::string_view text) {
        return fmt::format("From: <{}>\r\nTo: <{}>\r\n\r\nContent-Type: {}\r\n\r\n{}", from, to,
                           type, text);
    };
    const auto wrapped = [&](std::string_view from, std::string_view to, std::string_view message) {
        return cpim(from, to, "message/cpim", message);
    };
    const std::string to_room =
        cpim("sip:ana@desk.example", "sip:room@conf.example;transport=tcp", "text/plain", "1");
    const std::string to_ben =
        cpim("sip:ana@desk.example", "im:ben@desk.example", "text/plain", "2");
    const std::string to_cleo =
        cpim("sip:ana@desk.example", "sip:cleo@x.example", "text/plain", "3");
    const std::vector<std::pair<std::string, bool>> cases{
        {to_room, false},
        {to_ben, true},
        {wrapped("sip:ana@desk.example", "sip:room@conf.example", to_room), false},
        {wrapped("sip:ana@desk.example", "sip:room@conf.example", to_cleo), true},
        // From a room of others, on the leg of one of its people.
        {wrapped("sip:room@conf.example", "sip:ben@desk.example", to_room), false},
        {wrapped("sip:room@conf.example", "sip:ben@desk.example", to_ben), true},
        {wrapped("sip:ana@desk.example", "sip:room@conf.example",
                 cpim("sip:ana@desk.example", "sip:cleo@x.example", "message/cpim", to_cleo)),
         true},
        // What cannot be read as far as To, or names more than the room, is no way around it.
        {wrapped("sip:ana@desk.example", "sip:room@conf.example", "To: <sip:cleo@x"), true},
        {wrapped("sip:ana@desk.example", "sip:room@conf.example",
                 "From: <sip:ana@desk.example>\r\nTo: <sip:room@conf.example>\r\nTo: "
                 "<sip:ben@desk.example>\r\n\r\nContent-Type: text/plain\r\n\r\n4"),
         true}};
    for (std::size_t i = 0; i < cases.size(); ++i)
        message(i + 1, i < 2 ? "message/cpim" : "application/msrp-recording",
                {{0, cases[i].first}});
    message(cases.size() + 1, "message/cpim", {{20, to_ben.substr(20)}});  // its beginning is lost
    records_.ended(5'000);
    build();
    ASSERT_EQ(chat().messages.size(), cases.size() + 1);
    EXPECT_TRUE(chat().messages.back().is_private);
    for (std::size_t i = 0; i < cases.size(); ++i)
        EXPECT_EQ(chat().messages[i].is_private, cases[i].second) << cases[i].first;
}

TEST_F(ChatRecording, OfTwoWhoChatNothingIsPrivate) {
    begin();
    message(1, "application/msrp-recording",
            {{0,
              "From: <sip:a@x>\r\nTo: <sip:b@x>\r\n\r\nContent-Type: message/cpim\r\n\r\nFrom: "
              "<sip:anonymous@anonymous.invalid>\r\nTo: <sip:anonymous@anonymous.invalid>\r\n\r\n"
              "Content-Type: text/plain\r\n\r\nhi"}});
    records_.ended(5'000);
    build();
    EXPECT_EQ(chat().messages.at(0).text, "hi");
    EXPECT_FALSE(chat().messages.at(0).is_private);
}

TEST(Chat, OnlyWholePicturesThatAllMaySeeAreShared) {
    const ChatMessage good{.label = "1",
                           .at_ms = 5,
                           .kind = "file",
                           .state = "complete",
                           .from = {.uri = "sip:ana@x", .name = {}},
                           .content_type = "Image/JPEG",
                           .file_name = "a.jpg"};
    Chat chat{.messages = {good, good, good, good, good}};
    chat.messages[1].is_private = true;
    chat.messages[2].state = "lost";
    chat.messages[3].is_repeated = true;
    chat.messages[4].content_type = "application/pdf";
    EXPECT_EQ(pictures_of(chat),
              (std::vector<Sharing>{{"1", 5, 0, "picture", "a.jpg", "sip:ana@x"}}));
}

TEST(Chat, OfAPrivateMessageItIsToldThatItWasSent) {
    ChatMessage whole{.message = 1,
                      .label = "1",
                      .kind = "text",
                      .state = "complete",
                      .from = {.uri = "sip:ana@x", .name = "Ana"},
                      .to = {{.uri = "sip:ben@x", .name = {}}},
                      .subject = "lunch",
                      .text = "at noon",
                      .file_name = "menu.pdf",
                      .sha256 = "00",
                      .hashes = {{.algorithm = "sha-1", .digest = "AB"}}};
    Chat chat{.messages = {whole, whole}};
    chat.messages[1].is_private = true;
    chat.withhold_private();
    EXPECT_EQ(chat.messages[0], whole);
    const std::string json = to_json({.messages = {chat.messages[1]}});
    for (const char* secret : {"lunch", "at noon", "menu.pdf", "sha256", "AB"})
        EXPECT_EQ(json.find(secret), std::string::npos) << secret;
    EXPECT_THAT(json, testing::HasSubstr(R"("withheld":true)"));
    const std::vector<ChatLine> lines = lines_of(chat);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].text, "at noon");
    EXPECT_EQ(lines[1].by, "Ana to ben (private)");
    EXPECT_EQ(lines[1].text, "[a private message, not shown]");
}

// RFC 5438 section 7.2.1.2, its example; the message that it is about is known by its id.
TEST_F(ChatRecording, ANotificationSaysWhatBecameOfWhichMessage) {
    begin();
    message(1, "message/cpim",
            {{0,
              "From: Bob <im:bob@example.com>\r\nTo: Alice <im:alice@example.com>\r\nNS: imdn "
              "<urn:ietf:params:imdn>\r\nimdn.Message-ID: d834jied93rf\r\n\r\nContent-type: "
              "message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n"
              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<imdn "
              "xmlns=\"urn:ietf:params:xml:ns:imdn\">\n<message-id>34jk324j</message-id>\n"
              "<datetime>2008-04-04T12:16:49-05:00</datetime>\n<display-notification>\n<status>\n"
              "<displayed/>\n</status>\n</display-notification>\n</imdn>"}});
    message(2, "message/imdn+xml", {{0, "<imdn><status>"}});
    records_.ended(5'000);
    build();
    const Chat chat = this->chat();
    EXPECT_EQ(chat.messages.at(0).kind, "notification");
    EXPECT_EQ(chat.messages.at(0).imdn_id, "d834jied93rf");
    EXPECT_EQ(chat.messages.at(0).about, "34jk324j");
    EXPECT_EQ(chat.messages.at(0).status, "displayed");
    EXPECT_EQ(chat.messages.at(1).about, "");
}

// ---- what became of messages

std::string imdn_of(std::string_view id, std::string_view status, std::string_view more = {}) {
    return fmt::format(
        "<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\"><message-id>{}</message-id>{}"
        "<delivery-notification><status><{}/></status></delivery-notification></imdn>",
        id, more, status);
}
std::string cpim_of(std::string_view from, std::string_view to, std::string_view id,
                    std::string_view type, std::string_view text) {
    return fmt::format(
        "From: <sip:{}@x>\r\nTo: <sip:{}@x>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
        "imdn.Message-ID: {}\r\n\r\nContent-Type: {}\r\n\r\n{}",
        from, to, id, type, text);
}

// RFC 5438: the transcript tells beside a message what notifications say of it; they are no lines.
TEST_F(ChatRecording, WhoHasReadAMessageIsToldBesideIt) {
    begin();
    const auto say = [&](std::uint64_t number, const std::string& text) {
        message(number, "message/cpim", {{0, text}});
    };
    const std::string type = "message/imdn+xml";
    say(1, cpim_of("ana", "ben", "m1", "text/plain", "one"));
    say(2, cpim_of("ana", "ben", "m2", "text/plain", "two"));
    say(3, cpim_of("ben", "ana", "n1", type, imdn_of("m1", "delivered")));
    say(4, cpim_of("ben", "ana", "n2", type, imdn_of("m1", "displayed")));
    say(5, cpim_of("ben", "ana", "n3", type, imdn_of("m1", "delivered")));
    // Nobody reads its own message, nor one that nobody sent, nor what comes later.
    say(6, cpim_of("ana", "ana", "n4", type, imdn_of("m2", "displayed")));
    say(7, cpim_of("ben", "ana", "n5", type, imdn_of("m9", "displayed")));
    say(8, cpim_of("ben", "ana", "n6", type, imdn_of("m3", "displayed")));
    say(9, cpim_of("ana", "ben", "m3", "text/plain", "three"));
    // A gateway tells of whom the message did not reach.
    say(10, cpim_of("gateway", "ana", "n7", type,
                    imdn_of("m2", "failed", "<recipient-uri>sip:ben@x</recipient-uri>")));
    say(11, cpim_of("gateway", "ana", "n8", type,
                    imdn_of("m3", "displayed", "<recipient-uri>sip:ben@x</recipient-uri>")));
    records_.ended(5'000);
    build();
    EXPECT_THAT(render_all(Format::Text),
                testing::EndsWith("\n\n09:15:00 [00:00:00.100] ana (read by ben): one\n"
                                  "09:15:00 [00:00:00.200] ana (failed for ben): two\n"
                                  "09:15:01 [00:00:00.900] ana (read by gateway): three\n"));
    EXPECT_THAT(render_all(Format::Chat),
                testing::HasSubstr(R"("deliveries":[{"status":"displayed","at_ms":400,"person":)"
                                   R"({"uri":"sip:ben@x","participant":"sip:ben@x"}}])"));
    EXPECT_EQ(part(std::string(kChatName)).find("deliveries"), std::string::npos);
}

// RFC 4975 section 7.1.2, as the client's wrapper brings it (docs/msrp-recording.md).
TEST_F(ChatRecording, AReportTellsWhatBecameOfTheMessageItIsOf) {
    begin();
    const auto wrapped = [&](std::uint64_t number, std::string_view from, std::string_view to,
                             std::string_view more) {
        message(number, "application/msrp-recording",
                {{0, fmt::format("From: <sip:{}@x>\r\nTo: <sip:{}@x>\r\nrs.Content: {}", from, to,
                                 more)}});
    };
    const auto report = [](std::string_view id, std::string_view range, std::string_view status) {
        return fmt::format(
            "msrp\r\n\r\nContent-Type: message/msrp\r\n\r\nMSRP d93kswow REPORT\r\n"
            "Message-ID: {}\r\nByte-Range: {}\r\nStatus: {}\r\n-------d93kswow$\r\n",
            id, range, status);
    };
    const auto text = [](std::string_view id, std::string_view what) {
        return fmt::format("send\r\nrs.Message-ID: {}\r\n\r\nContent-Type: text/plain\r\n\r\n{}",
                           id, what);
    };
    // Both count their messages from one.
    wrapped(1, "ana", "ben", text("0001", "one"));
    wrapped(2, "ben", "ana", text("0001", "two"));
    wrapped(3, "ana", "ben", text("0002", "three"));
    wrapped(4, "ana", "ben", text("0003", "four"));
    wrapped(5, "ben", "ana", report("0001", "1-3/3", "000 413 Too large"));
    wrapped(6, "ana", "ben", report("0001", "1-3/3", "000 200 OK"));
    wrapped(7, "ben", "ana", report("0002", "1-3/5", "000 200 OK"));  // of a part alone
    wrapped(8, "ben", "ana", report("0004", "1-3/5", "000 408 Timeout"));
    wrapped(9, "ben", "ana", report("0003", "1-4/4", "001 408 not of MSRP"));
    // A refusal names no message itself.
    const std::string_view refusal =
        "\r\n\r\nContent-Type: message/msrp\r\n\r\nMSRP d93kswow 415 No\r\n-------d93kswow$\r\n";
    wrapped(10, "ana", "ben", text("0005", "five"));
    wrapped(11, "ben", "ana", fmt::format("msrp\r\nrs.Message-ID: 0005{}", refusal));
    wrapped(12, "ben", "ana", fmt::format("msrp{}", refusal));
    records_.ended(5'000);
    build();
    EXPECT_THAT(render_all(Format::Text),
                testing::EndsWith("\n\n09:15:00 [00:00:00.100] ana (failed for ben: 413): one\n"
                                  "09:15:00 [00:00:00.200] ben (delivered to ana): two\n"
                                  "09:15:00 [00:00:00.300] ana: three\n"
                                  "09:15:00 [00:00:00.400] ana: four\n"
                                  "09:15:01 [00:00:01.000] ana (failed for ben: 415): five\n"));
}

TEST(ChatDelivery, NamesAFewOfMany) {
    ChatMessage message;
    for (const char* name : {"a", "b", "c", "d", "e", "f", "g"})
        message.deliveries.push_back({.person = {.uri = {}, .name = name}, .status = "displayed"});
    message.deliveries.push_back({.person = {}, .status = "failed", .code = 408});
    EXPECT_EQ(delivery_text(message, [](const ChatPerson& person) { return person.name; }),
              "read by a, b, c, d, e and 2 more; failed: 408");
}

TEST(ChatDelivery, OfWhatIsWithheldNothingIsTold) {
    const ChatMessage said{.label = "1",
                           .kind = "text",
                           .state = "complete",
                           .is_private = true,
                           .from = {.uri = "sip:ana@x", .name = {}},
                           .imdn_id = "m1",
                           .text = "psst"};
    const ChatMessage told{.label = "1",
                           .kind = "notification",
                           .state = "complete",
                           .from = {.uri = "sip:ben@x", .name = {}},
                           .about = "m1",
                           .status = "displayed"};
    Chat chat{.messages = {said, told}};
    Chat secret = chat;
    join_deliveries(chat);
    EXPECT_EQ(chat.messages[0].deliveries.size(), 1U);
    secret.withhold_private();
    join_deliveries(secret);
    EXPECT_TRUE(secret.messages[0].deliveries.empty());
}

// RFC 5547: a server had no line for it, and the chat beside it tells of it.
TEST_F(ChatRecording, OfAFileThatWasLeftOutItIsToldWhatWasAnnounced) {
    begin();
    message(1, "application/msrp-recording",
            {{0,
              "From: <sip:ana@x>\r\nTo: <sip:ben@x>\r\nrs.Content: drop\r\nrs.File-Selector: "
              "name:\"floor plan.pdf\" type:application/pdf size:4711 hash:sha-1:72:24:5F\r\n"
              "\r\n\r\n"}});
    records_.ended(5'000);
    build();
    EXPECT_THAT(render_all(Format::Text),
                testing::HasSubstr("ana: [a file that the client did not send here: \"floor "
                                   "plan.pdf\", application/pdf, 4711 octets, sha-1 72:24:5F]\n"));
    const ChatMessage notice = chat().messages.at(0);
    EXPECT_EQ(notice.kind, "notice");
    EXPECT_EQ(notice.file_name, "floor plan.pdf");
    EXPECT_EQ(notice.dropped_size, 4711U);
}

TEST(Chat, AMessageThatWasLeftOutIsToldByItsTypeAndSize) {
    ChatMessage notice{.label = "1",
                       .kind = "notice",
                       .state = "aborted",
                       .from = {.uri = "sip:ana@x", .name = {}}};
    EXPECT_EQ(lines_of({.messages = {notice}}).at(0).text,
              "[a message that the client did not send here]");
    notice.unsupported_types = {"image/tiff"};
    notice.dropped_size = 734'003'200;
    EXPECT_EQ(lines_of({.messages = {notice}}).at(0).text,
              "[a message that the client did not send here: image/tiff, 734003200 octets]");
}

// What the fuzzer begins with is a notification, in CPIM and by itself.
TEST(MessageBody, TheSeedsOfTheFuzzTargetAreNotifications) {
    const auto read = [](const std::string& name) {
        std::ifstream file(std::string{EARSHOT_TEST_DATA} + "/chat_fuzz/" + name);
        return std::string{std::istreambuf_iterator<char>(file), {}};
    };
    const auto notice = read_imdn(read("imdn"));
    ASSERT_TRUE(notice);
    EXPECT_EQ(notice->message_id, "34jk324j");
    EXPECT_EQ(notice->status, "failed");
    const std::string wrapped = read("imdn-in-cpim");
    const MessageBody body = read_message_body("message/cpim", wrapped);
    EXPECT_EQ(body.fault, "");
    EXPECT_EQ(body.content_type, "message/imdn+xml");
    const auto inner = read_imdn(std::string_view(wrapped).substr(body.content_at));
    ASSERT_TRUE(inner);
    EXPECT_EQ(inner->status, "displayed");
}

TEST_F(ChatRecording, AFileThatIsNotTheAnnouncedOneIsFoundOut) {
    begin(R"(,"file_selector":"name:\"a.bin\" hash:sha-1:00:11:22")");
    message(1, "application/octet-stream", {{0, "other octets"}});
    records_.ended(5'000);
    build();
    EXPECT_EQ(chat().messages.at(0).hashes.at(0).matches, false);
    EXPECT_THAT(render_all(Format::Text), testing::HasSubstr("not the one announced"));
}

TEST_F(ChatRecording, AFileOfAnotherSizeThanWasAnnouncedIsTold) {
    begin(R"(,"file_selector":"name:\"a.bin\" size:500000")");
    message(1, "application/octet-stream", {{0, "twelve bytes"}});
    records_.ended(5'000);
    build();
    EXPECT_EQ(chat().messages.at(0).announced_octets, 500'000U);
    EXPECT_THAT(render_all(Format::Text),
                testing::HasSubstr(", 12 octets of 500000 announced, sha256 "));
}

TEST_F(ChatRecording, WhoWritesIsFoundAmongTheParticipants) {
    begin();
    records_.metadata(
        10,
        R"(<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1">)"
        R"(<datamode>complete</datamode><session session_id="hVpd7YQgRW2nD22h7q60JQ=="/>)"
        R"(<participant participant_id="srfBElmCRp2QB23b7Mpk0w=="><nameID aor="sip:ana@desk.example">)"
        R"(<name>Ana Reis</name></nameID></participant></recording>)");
    message(1, "message/cpim",
            {{0,
              "From: <sip:ana@desk.example;transport=tcp>\r\nTo: "
              "<sip:ben@desk.example>\r\n\r\nContent-Type: text/plain\r\n\r\nhi"}});
    records_.ended(5'000);
    build();
    const ChatMessage message = chat().messages.at(0);
    EXPECT_EQ(message.from.participant, "sip:ana@desk.example");
    EXPECT_EQ(message.to.at(0).participant, "");
    EXPECT_EQ(message.text, "hi");
}

TEST_F(ChatRecording, WhoIsKnownByMessagesAloneIsAParticipantSeenInThem) {
    begin();
    const auto cpim = [](std::string_view from) {
        return fmt::format("From: {}\r\nTo: <sip:ana@x>\r\n\r\nContent-Type: text/plain\r\n\r\nhi",
                           from);
    };
    message(1, "message/cpim", {{0, cpim("Ben <sip:ben@x>")}});
    message(2, "message/cpim", {{0, cpim("<sip:ben@x;transport=tcp>")}});
    message(3, "message/cpim", {{0, cpim("<sip:anonymous@anonymous.invalid>")}});
    records_.ended(5'000);
    const Summary summary = build();
    const std::vector<ParticipantSummary> seen{
        {.aor = "sip:ben@x", .name = "Ben", .is_seen_in_messages = true}};
    EXPECT_EQ(summary.participants, seen);
    EXPECT_EQ(parse_summary(to_stored_json(summary))->participants, seen);
    EXPECT_EQ(chat().messages.at(0).from.participant, "sip:ben@x");
    EXPECT_EQ(chat().messages.at(1).from.participant, "sip:ben@x");
    EXPECT_EQ(chat().messages.at(2).from.participant, "");
    EXPECT_THAT(render_all(Format::Text),
                testing::HasSubstr("# Participant  Ben <sip:ben@x>, seen in messages\n"));
}

TEST_F(ChatRecording, TheTranscriptTellsWhoCameAndWentByTheMetadata) {
    const auto member = [](std::string_view id, std::string_view name, std::string_view more) {
        return fmt::format(
            "<participant participant_id='{0}'><nameID aor='sip:{1}@x'><name>{1}</name></nameID>"
            "</participant><participantsessionassoc participant_id='{0}' "
            "session_id='AAAAAAAAAAAAAAAAAAAAAQ=='>{2}</participantsessionassoc>",
            id, name, more);
    };
    begin();
    records_.metadata(
        0,
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>"
        "<session session_id='AAAAAAAAAAAAAAAAAAAAAQ=='/>" +
            member("AAAAAAAAAAAAAAAAAAAAEQ==", "Ana",
                   "<associate-time>2026-03-02T09:15:02.120Z</associate-time>") +
            member("AAAAAAAAAAAAAAAAAAAAEg==", "Room",
                   "<associate-time>2026-03-02T09:15:02.120Z</associate-time>"
                   "<param pname='isfocus' pval='true'/>") +
            "</recording>");
    message(1, "text/plain", {{0, "hi"}});
    records_.metadata(
        4'000,
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>partial</datamode>" +
            member("AAAAAAAAAAAAAAAAAAAAEQ==", "Ana",
                   "<associate-time>2026-03-02T09:15:02.120Z</associate-time>"
                   "<disassociate-time>2026-03-02T09:15:04.120Z</disassociate-time>") +
            "</recording>");
    records_.ended(6'000);
    build();
    EXPECT_THAT(render_all(Format::Text),
                testing::EndsWith("\n\n09:15:00 [00:00:00.100] Chat 12: hi\n"
                                  "09:15:02 [00:00:02.000] [Ana joined]\n"
                                  "09:15:04 [00:00:04.000] [Ana left]\n"));
}

TEST_F(ChatRecording, ANicknameTellsWhoWroteAsItWasThen) {
    const auto metadata = [](std::string_view ana, std::string_view ben) {
        const auto participant = [](std::string_view id, std::string_view who,
                                    std::string_view nickname) {
            return fmt::format(
                "<participant participant_id='{}'><nameID aor='sip:{}@x'/>"
                "<nickname xmlns='{}'>{}</nickname></participant>",
                id, who, siprec::kExtensionNamespace, nickname);
        };
        return "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>"
               "<session session_id='AAAAAAAAAAAAAAAAAAAAAQ=='/>" +
               participant("AAAAAAAAAAAAAAAAAAAAEQ==", "ana", ana) +
               participant("AAAAAAAAAAAAAAAAAAAAEg==", "ben", ben) + "</recording>";
    };
    const std::string by_chair =
        "From: <sip:someone@elsewhere>\r\nTo: <sip:room@x>\r\nNS: rs "
        "<urn:uuid:b8a7e1d4-93c2-4f6e-8d15-7e2a4c90f6b3>\r\nrs.Content: send\r\nrs.Nickname: chair"
        "\r\n\r\nContent-Type: text/plain\r\n\r\nhi";
    begin();
    message(1, "application/msrp-recording", {{0, by_chair}});  // 100 ms
    records_.metadata(150, metadata("chair", "clerk"));
    message(2, "application/msrp-recording", {{0, by_chair}});  // 200 ms
    records_.metadata(250, metadata("none", "chair"));
    message(3, "application/msrp-recording", {{0, by_chair}});  // 300 ms
    records_.ended(5'000);
    build();
    const std::vector<std::string> writers{"sip:ana@x", "sip:ana@x", "sip:ben@x"};
    for (std::size_t i = 0; i < writers.size(); ++i)
        EXPECT_EQ(chat().messages.at(i).from.participant, writers[i]) << i;
}

TEST(Chat, WhatTwoClientsCopiedStandsThereOnce) {
    const ChatMessage first{.label = "1",
                            .kind = "text",
                            .state = "complete",
                            .from = {.uri = "sip:ana@x", .name = {}},
                            .date_time = "2026-03-02T14:06:11.250Z",
                            .message_id = "rs1",
                            .cs_message_id = "cs1",
                            .content_type = "text/plain",
                            .text = "hi"};
    const std::vector<std::pair<std::function<void(ChatMessage&)>, bool>> cases{
        {[](ChatMessage& m) { m.label = "2", m.message_id = "rs2"; }, true},
        {[](ChatMessage& m) { m.date_time = "2026-03-02T15:06:12.250+01:00"; }, true},
        {[](ChatMessage& m) { m.date_time = "2026-03-02T14:07:12Z"; }, false},
        {[](ChatMessage& m) { m.date_time.clear(); }, false},
        {[](ChatMessage& m) { m.cs_message_id = "cs2"; }, false},
        {[](ChatMessage& m) { m.from.uri = "sip:ben@x"; }, false},
        {[](ChatMessage& m) { m.text = "ho"; }, false},
        {[](ChatMessage& m) { m.is_private = true; }, false},
        {[](ChatMessage& m) { m.text.reset(); }, false},  // no hash: nobody knows
        {[](ChatMessage& m) { m.state = "lost"; }, false}};
    for (std::size_t i = 0; i < cases.size(); ++i) {
        Chat chat{.messages = {first, first}};
        cases[i].first(chat.messages[1]);
        chat.mark_repeated();
        EXPECT_FALSE(chat.messages[0].is_repeated);
        EXPECT_EQ(chat.messages[1].is_repeated, cases[i].second) << i;
    }
}

// The page's list of participants and the names of its lanes.
TEST_F(ChatRecording, TheTimelineTellsWhoTookPartAndWhoSendsWhat) {
    begin();
    records_.metadata(
        10,
        R"(<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1">)"
        R"(<datamode>complete</datamode><session session_id="hVpd7YQgRW2nD22h7q60JQ=="/>)"
        R"(<participant participant_id="srfBElmCRp2QB23b7Mpk0w=="><nameID aor="sip:ana@desk.example">)"
        R"(<name>Ana Reis</name></nameID></participant>)"
        R"(<participant participant_id="aaaaElmCRp2QB23b7Mpk0w=="><nameID aor="sip:ben@desk.example"/>)"
        R"(</participant><stream stream_id="bbbbElmCRp2QB23b7Mpk0w==" session_id="hVpd7YQgRW2nD22h7q60JQ==">)"
        R"(<label>12</label></stream>)"
        R"(<participantsessionassoc participant_id="srfBElmCRp2QB23b7Mpk0w==" )"
        R"(session_id="hVpd7YQgRW2nD22h7q60JQ=="><associate-time>2026-03-02T09:14:00Z</associate-time>)"
        R"(</participantsessionassoc>)"
        R"(<participantsessionassoc participant_id="aaaaElmCRp2QB23b7Mpk0w==" )"
        R"(session_id="hVpd7YQgRW2nD22h7q60JQ=="><associate-time>2026-03-02T09:15:01.120Z</associate-time>)"
        R"(<disassociate-time>2026-03-02T09:15:03.120Z</disassociate-time></participantsessionassoc>)"
        R"(<participantstreamassoc participant_id="srfBElmCRp2QB23b7Mpk0w==">)"
        R"(<send>bbbbElmCRp2QB23b7Mpk0w==</send></participantstreamassoc></recording>)");
    message(1, "text/plain", {{0, "hi"}});
    records_.ended(5'000);
    build();
    EXPECT_THAT(
        render_all(Format::Timeline),
        testing::HasSubstr(
            R"("participants":[{"aor":"sip:ana@desk.example","name":"Ana Reis","presence":[{"joined_ms":null,"left_ms":null}]},)"
            R"({"aor":"sip:ben@desk.example","name":null,"presence":[{"joined_ms":1000,"left_ms":3000}]}],)"
            R"("streams":[{"label":"12","senders":["sip:ana@desk.example"]}])"));
}

TEST_F(ChatRecording, OnlyWhatIsShownIsCounted) {
    begin();
    const std::string wrapper = "From: <sip:a@x>\r\nTo: <sip:b@x>\r\nrs.Content: ";
    const std::string wrapped = "application/msrp-recording";
    message(1, wrapped, {{0, wrapper + "send\r\n\r\nContent-Type: text/plain\r\n\r\nHello"}});
    message(2, wrapped,
            {{0, wrapper + "msrp\r\n\r\nContent-Type: message/msrp\r\n\r\nMSRP a REPORT"}});
    message(3, wrapped, {{0, wrapper + "drop\r\n\r\n\r\n"}});
    message(4, "application/im-iscomposing+xml", {{0, "<isComposing/>"}});
    message(5, "message/imdn+xml", {{0, "<imdn/>"}});
    message(6, "text/plain", {});
    message(7, "image/png", {{0, "png"}});
    records_.ended(5'000);
    EXPECT_EQ(build().streams.at(0).messages, 3U);
    EXPECT_EQ(lines_of(chat()).size(), 3U);
}

// Whatever its type says: it would not be shown else.
TEST_F(ChatRecording, WhatIsSentAsAnAttachmentIsAFile) {
    begin();
    std::uint64_t number = 0;
    for (const std::string type :
         {"application/im-iscomposing+xml", "multipart/mixed", "message/imdn+xml", "text/plain"})
        message(++number, "message/cpim",
                {{0, "From: <sip:ana@x>\r\nTo: <sip:ben@x>\r\n\r\nContent-Type: " + type +
                         "\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\n\r\n%PDF"}});
    records_.ended(5'000);
    EXPECT_EQ(build().streams.at(0).messages, 4U);
    for (const ChatMessage& one : chat().messages) {
        EXPECT_EQ(one.kind, "file") << one.content_type;
        EXPECT_EQ(one.file_name, "a.pdf");
    }
}

TEST_F(ChatRecording, AFileIsOfTheOneSenderOfItsStream) {
    begin(R"(,"file_selector":"name:\"a.bin\"")");
    records_.metadata(
        10,
        R"(<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1">)"
        R"(<datamode>complete</datamode><session session_id="hVpd7YQgRW2nD22h7q60JQ=="/>)"
        R"(<participant participant_id="srfBElmCRp2QB23b7Mpk0w=="><nameID aor="sip:ana@desk.example">)"
        R"(<name>Ana Reis</name></nameID></participant>)"
        R"(<participant participant_id="aaaaElmCRp2QB23b7Mpk0w=="><nameID aor="sip:ben@desk.example"/>)"
        R"(</participant><stream stream_id="bbbbElmCRp2QB23b7Mpk0w==" session_id="hVpd7YQgRW2nD22h7q60JQ==">)"
        R"(<label>12</label></stream>)"
        R"(<participantstreamassoc participant_id="srfBElmCRp2QB23b7Mpk0w==">)"
        R"(<send>bbbbElmCRp2QB23b7Mpk0w==</send></participantstreamassoc>)"
        R"(<participantstreamassoc participant_id="aaaaElmCRp2QB23b7Mpk0w==">)"
        R"(<recv>bbbbElmCRp2QB23b7Mpk0w==</recv></participantstreamassoc></recording>)");
    message(1, "application/octet-stream", {{0, "twelve bytes"}});
    records_.ended(5'000);
    build();
    const ChatMessage message = chat().messages.at(0);
    EXPECT_EQ(message.from.uri, "sip:ana@desk.example");
    EXPECT_EQ(message.from.name, "Ana Reis");
    EXPECT_EQ(message.from.participant, "sip:ana@desk.example");
    EXPECT_THAT(render_all(Format::Text), testing::HasSubstr(" Ana Reis: [file \"a.bin\""));
}

}  // namespace
}  // namespace earshot::archive
