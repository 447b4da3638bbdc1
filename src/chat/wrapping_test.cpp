// What goes to recording servers, held against the examples of docs/msrp-recording.md.
#include "chat/wrapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "msrp/stream_parser.h"
#include "msrp/wire_example.h"

namespace earshot::chat {
namespace {

const std::array<std::string, 2> kRoom{"Ana Reis <sip:ana@desk.example>",
                                       "<sip:review-42@conf.example>"};
const std::array<std::string, 2> kTwo{"Ana Reis <sip:ana@desk.example>", "<sip:ben@desk.example>"};
const base::WallTime kAt = base::wall_from_ns(1'772'460'371'250'000'000);

// What is between the head and the end-line.
std::string body_of(std::string_view name) {
    const std::string wire = msrp::wire_example(name);
    msrp::StreamParser parser;
    parser.feed(base::as_bytes(wire));
    std::string body;
    while (const auto event = parser.poll_event())
        if (const auto* piece = std::get_if<msrp::BodyPiece>(&*event))
            body += base::as_text(piece->bytes);
    return body;
}
MessageFacts message(std::string id, std::string type = "text/plain") {
    return {
        .from = Side::A, .message_id = std::move(id), .content_type = std::move(type), .at = kAt};
}
std::string wrapped(const MessageFacts& facts, const std::array<std::string, 2>& parties,
                    const std::string& content,
                    const std::string& types = "message/cpim application/msrp-recording *") {
    const auto made = wrap(facts, {.accept_types = types}, parties);
    return made ? made->prefix + content : std::string{};
}

TEST(Wrapping, MakesTheExamplesOfTheDocument) {
    MessageFacts facts = message("8cT91kQz", "text/plain; charset=utf-8");
    facts.nickname = "ana_r";
    facts.stream_id = "z5PiEIAQQgSfwoTgA9ORVQ==";
    EXPECT_EQ(wrapped(facts, kRoom, "Slide 4 has the old figures."), body_of("wrapper"));

    facts = message("8cT91kR0", "message/cpim");
    facts.nickname = "ana_r";
    const std::string inner =
        "From: <sip:ana@desk.example>\r\nTo: <sip:ben@desk.example>\r\n\r\nContent-Type: "
        "text/plain\r\n\r\nDo you have the new ones?";
    EXPECT_EQ(wrapped(facts, kRoom, inner), body_of("private"));

    facts = message("8cT91kR1", "image/tiff");
    facts.nickname = "ana_r";
    EXPECT_EQ(write_drop(facts, kRoom, "image/tiff", 734'003'200), body_of("drop"));

    EXPECT_EQ(write_forwarded(
                  Side::A, kAt, kRoom,
                  "MSRP w8Xk2h7T NICKNAME\r\nUse-Nickname: \"ana_r\"\r\n-------w8Xk2h7T$\r\n"),
              body_of("request"));

    EXPECT_EQ(wrapped(message("x"), kTwo, "Good morning.", "message/cpim text/plain"),
              body_of("native"));

    const auto file = wrap(message("x", "application/pdf"),
                           {.accept_types = "application/msrp-recording *", .is_file = true}, kTwo);
    ASSERT_TRUE(file);
    EXPECT_EQ(file->prefix + "%PDF-1.7 ...", body_of("file"));
}

// By name and alone: "*" takes any type, but nobody who writes it need know the wrapper.
TEST(Wrapping, OnlyWhoListsTheWrapperGetsIt) {
    for (const char* const types : {"*", "message/cpim *", "application/*", ""})
        EXPECT_FALSE(ServerTypes{.accept_types = types}.takes_wrapper()) << types;
    EXPECT_TRUE(
        ServerTypes{.accept_types = "text/plain Application/MSRP-Recording"}.takes_wrapper());
}

// Types that a server takes inside something else alone are not sent bare.
TEST(Wrapping, WrappedTypesAreForWhatIsInside) {
    const ServerTypes server{.accept_types = "message/cpim", .accept_wrapped_types = "text/plain"};
    EXPECT_EQ(wrap(message("x"), server, kTwo)->content_type, "message/cpim");
    EXPECT_FALSE(wrap(message("x", "text/html"), server, kTwo));
    const ServerTypes wrapper{.accept_types = "application/msrp-recording",
                              .accept_wrapped_types = "text/plain image/*"};
    EXPECT_EQ(wrap(message("x", "image/png"), wrapper, kTwo)->content_type, kWrapperType);
    EXPECT_FALSE(wrap(message("x", "text/html"), wrapper, kTwo));
}

}  // namespace
}  // namespace earshot::chat
