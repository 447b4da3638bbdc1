#include "siprec/client_session_fixture.h"

namespace earshot::siprec {
namespace {

std::string codes_of(const std::string& expression) {
    const auto codes = SkipCodes::parse(expression);
    if (!codes) return codes.error().code;
    std::string all;
    for (int code = 0; code < 1100; ++code)
        if (codes->has(code)) all += (all.empty() ? "" : " ") + std::to_string(code);
    return all;
}

TEST(SkipCodes, AreAnUnanchoredExtendedExpression) {
    EXPECT_EQ(codes_of(""), "");
    EXPECT_EQ(codes_of("408"), "408");
    EXPECT_EQ(codes_of("408|487"), "408 487");
    EXPECT_EQ(codes_of("^60[03]$"), "600 603");
    EXPECT_EQ(codes_of("48"), "348 448 480 481 482 483 484 485 486 487 488 489 548 648");
    const auto codes = SkipCodes::parse("[34][0-9][0-9]");
    for (int code = 300; code < 700; ++code) EXPECT_EQ(codes->has(code), code < 500) << code;
    EXPECT_FALSE(codes->has(-1));
}

TEST(SkipCodes, ABrokenExpressionIsRefused) {
    EXPECT_EQ(codes_of("(408"), "bad_expression");
    EXPECT_EQ(codes_of("[4"), "bad_expression");
}

std::string fault_of(const ClientSessionSettings& settings) {
    const auto fault = find_fault(settings);
    return fault ? fault->code : "";
}

TEST(ClientSessionSettings, NeedServersThatAreSipUris) {
    ClientSessionSettings settings;
    EXPECT_EQ(fault_of(settings), "no_server");
    settings.servers = {"sip:rec@srs.example", "sips:rec@srs.example;x=1"};
    EXPECT_EQ(fault_of(settings), "");
    for (const char* server : {"tel:+461", "<sip:a.example>", "sip:a b", ""}) {
        settings.servers.resize(2);
        settings.servers.emplace_back(server);
        EXPECT_EQ(fault_of(settings), "bad_uri") << server;
    }
    settings.servers.assign(kMaxServers, "sip:a.example");
    EXPECT_EQ(fault_of(settings), "");
    settings.servers.push_back("sip:a.example");
    EXPECT_EQ(fault_of(settings), "too_many_servers");
}

TEST(ClientSessionSettings, RefuseHeadersThatAreOursOrBreakALine) {
    ClientSessionSettings settings;
    settings.servers = {"sip:rec@srs.example"};
    settings.headers = {{"X-Agent", "7"}, {"P-Asserted-Identity", "<sip:a@b>"}, {"Subject", ""}};
    EXPECT_EQ(fault_of(settings), "");
    for (const char* name :
         {"Via", "v", "CONTACT", "m", "Require", "Content-Type", "c", "From", "i", "Supported",
          "Authorization", "Session-Expires", "l", "Route", "a b", "", "x:", "\xc3\xa9"}) {
        settings.headers = {{name, "1"}};
        EXPECT_EQ(fault_of(settings), "bad_header") << name;
    }
    const std::vector<std::string> values{"1\r\nVia: x", "1\n", "\r", std::string(1, '\0')};
    for (const std::string& value : values) {
        settings.headers = {{"X-A", value}};
        EXPECT_EQ(fault_of(settings), "bad_header");
    }
    settings.headers.assign(kMaxClientHeaders, {"X-A", "1"});
    EXPECT_EQ(fault_of(settings), "");
    settings.headers.push_back({"X-A", "1"});
    EXPECT_EQ(fault_of(settings), "too_many_headers");
}

TEST(ClientSessionSettings, RefuseAddressesAndTimesThatAreNone) {
    ClientSessionSettings settings;
    settings.servers = {"sip:rec@srs.example"};
    settings.from_uri = "\"A\" <sip:a@b;x=1>";
    EXPECT_EQ(fault_of(settings), "");
    for (const char* from : {"<sip:a@b>;tag=1", "<tel:+1>", "<sip:a@b", "<sip:a@b>\r\nVia: x"}) {
        settings.from_uri = from;
        EXPECT_EQ(fault_of(settings), "bad_uri") << from;
    }
    settings.from_uri.clear();
    settings.to_uri = "nobody";
    EXPECT_EQ(fault_of(settings), "bad_uri");
    settings.to_uri = "sip:nobody@invalid";
    settings.answer_time = std::chrono::milliseconds{0};
    EXPECT_EQ(fault_of(settings), "bad_time");
}

TEST(ClientRequests, OfTheUserAreNotTheSessionsOwn) {
    EXPECT_FALSE(find_request_fault({"INFO", {{"X-A", "1"}}, "text/plain", "x"}));
    EXPECT_FALSE(find_request_fault({"MESSAGE", {}, {}, {}}));
    EXPECT_FALSE(find_request_fault({"INFO", {{"Content-Disposition", "render"}}, "a/b", "x"}));
    EXPECT_FALSE(find_request_fault({"VENDOR", {}, {}, {}}));
    for (const char* method : {"INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "", "A B"})
        EXPECT_EQ(find_request_fault({method, {}, {}, {}})->code, "bad_method") << method;
    EXPECT_EQ(find_request_fault({"INFO", {{"Via", "x"}}, {}, {}})->code, "bad_header");
    EXPECT_EQ(find_request_fault({"INFO", {}, {}, "x"})->code, "bad_body");
    EXPECT_EQ(find_request_fault({"INFO", {}, "a/b\r\nX: y", "x"})->code, "bad_body");
}

}  // namespace
}  // namespace earshot::siprec
