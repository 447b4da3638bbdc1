// The examples of docs/msrp-recording.md, from the wire to what is read out of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "archive/message_body.h"
#include "msrp/stream_parser.h"
#include "msrp/wire_example.h"

namespace earshot::archive {
namespace {

struct Example {
    msrp::Head head{};
    std::string content{};
    char flag = '?';
    MessageBody body{};
    std::string text() const { return content.substr(body.content_at); }
};

Example read_example(std::string_view name) {
    const std::string wire = msrp::wire_example(name);
    EXPECT_FALSE(wire.empty()) << name;
    Example example;
    msrp::StreamParser parser;
    parser.feed(base::as_bytes(wire));
    while (const auto event = parser.poll_event()) {
        if (const auto* head = std::get_if<msrp::Head>(&*event)) example.head = *head;
        if (const auto* piece = std::get_if<msrp::BodyPiece>(&*event))
            example.content += base::as_text(piece->bytes);
        if (const auto* end = std::get_if<msrp::MessageEnd>(&*event))
            example.flag = static_cast<char>(end->continuation);
    }
    EXPECT_EQ(example.head.fault, "") << name;
    EXPECT_TRUE(example.head.byte_range.has_value()) << name;
    // Each whole message says how long it is.
    if (example.flag == '$' && !example.content.empty()) {
        EXPECT_EQ(example.head.byte_range->total, example.content.size()) << name;
    }
    if (!example.head.content_type.empty())
        example.body = read_message_body(example.head.content_type, example.content);
    EXPECT_EQ(example.body.fault, "") << name;
    return example;
}

TEST(MessageBody, ReadsTheExamplesOfTheDocument) {
    const Example wrapper = read_example("wrapper");
    EXPECT_EQ(wrapper.flag, '$');
    EXPECT_EQ(wrapper.body.content, "send");
    EXPECT_EQ(wrapper.body.stream_id, "z5PiEIAQQgSfwoTgA9ORVQ==");
    EXPECT_EQ(wrapper.body.cs_message_id, "8cT91kQz");
    EXPECT_EQ(wrapper.body.nickname, "ana_r");
    EXPECT_EQ(wrapper.body.from->name, "Ana Reis");
    EXPECT_EQ(wrapper.body.to.at(0).uri, "sip:review-42@conf.example");
    EXPECT_EQ(wrapper.body.content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(wrapper.text(), "Slide 4 has the old figures.");

    const Example hidden = read_example("private");
    EXPECT_EQ(hidden.body.wrapper_to.at(0).uri, "sip:review-42@conf.example");
    EXPECT_EQ(hidden.body.to.at(0).uri, "sip:ben@desk.example");
    EXPECT_EQ(hidden.body.inner_from->uri, "sip:ana@desk.example");
    EXPECT_EQ(hidden.body.content_type, "text/plain");
    EXPECT_EQ(hidden.text(), "Do you have the new ones?");

    const Example drop = read_example("drop");
    EXPECT_EQ(drop.flag, '#');
    EXPECT_EQ(drop.body.content, "drop");
    EXPECT_EQ(drop.body.cs_message_id, "8cT91kR1");
    EXPECT_EQ(drop.body.dropped_size, 734'003'200U);
    EXPECT_THAT(drop.body.unsupported_types, testing::ElementsAre("image/tiff"));
    EXPECT_EQ(drop.text(), "");

    const Example request = read_example("request");
    EXPECT_EQ(request.body.content, "msrp");
    EXPECT_EQ(request.body.content_type, "message/msrp");
    EXPECT_EQ(request.text(),
              "MSRP w8Xk2h7T NICKNAME\r\nUse-Nickname: \"ana_r\"\r\n-------w8Xk2h7T$\r\n");

    const Example native = read_example("native");
    EXPECT_FALSE(native.body.is_wrapped);
    EXPECT_EQ(native.body.from->uri, "sip:ana@desk.example");
    EXPECT_EQ(native.body.date_time, "2026-03-02T14:06:11.250Z");
    EXPECT_EQ(native.text(), "Good morning.");

    const Example file = read_example("file");
    EXPECT_EQ(file.flag, '+');
    EXPECT_EQ(file.head.byte_range->total, 482'113U);
    EXPECT_EQ(file.body.content_at, 0U);
    EXPECT_EQ(file.content, "%PDF-1.7 ...");

    const Example receipt = read_example("receipt");
    EXPECT_EQ(receipt.head.method, "REPORT");
    EXPECT_EQ(receipt.head.report_status->code, 200);
    EXPECT_EQ(receipt.head.message_id, wrapper.head.message_id);
    EXPECT_EQ(*receipt.head.byte_range->total, wrapper.content.size());
}

}  // namespace
}  // namespace earshot::archive
