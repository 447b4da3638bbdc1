// Phones behind a NAT at the recording client, by the real binary: on loopback, a phone that calls
// itself by an address that is not the one it sends from. Real NATs: client_firewall_check.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/harness.h"
#include "integration/udp_client.h"

namespace earshot::integration {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ClientNat : public testing::Test {
protected:
    static std::uint16_t port_of(const std::string& address) {
        return static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
    }
    bool start(const std::string& more = {}) {
        return client_.start("sip.keep_alive_s = 1\nclient.next_hop = \"sip:127.0.0.1:" +
                             std::to_string(registrar_.port()) + "\"\n" + more);
    }
    static std::string registration(const std::string& call_id) {
        return crlf(
            "REGISTER sip:pbx.example SIP/2.0\n"
            "Via: SIP/2.0/UDP 10.0.0.7:5071;branch=z9hG4bK" +
            call_id +
            "\n"
            "Max-Forwards: 70\nFrom: <sip:ann@pbx.example>;tag=a\n"
            "To: <sip:ann@pbx.example>\nCall-ID: " +
            call_id +
            "\nCSeq: 1 REGISTER\nContact: <sip:ann@10.0.0.7:5071>\nExpires: 600\n"
            "Content-Length: 0\n\n");
    }
    // The phone registers; what it is answered.
    std::string register_phone() {
        phone_.send(registration("reg1"));
        const std::string arrived = registrar_.receive();
        EXPECT_THAT(header_of(arrived, "Contact"), HasSubstr("earshot-"));
        registrar_.send(answer_to(arrived, "200 OK",
                                  "Contact: " + header_of(arrived, "Contact") + ";expires=600\n"));
        return phone_.receive();
    }

    TestClient client_;
    UdpClient phone_{port_of(client_.sip())};
    UdpClient registrar_{port_of(client_.sip())};
};

TEST_F(ClientNat, AnswersAPhoneWhereItIsAndAsksItNowAndThen) {
    ASSERT_TRUE(start()) << client_.log();
    const std::string ok = register_phone();
    ASSERT_THAT(ok, StartsWith("SIP/2.0 200")) << client_.log();
    EXPECT_THAT(header_of(ok, "Via"), HasSubstr("received=127.0.0.1"));
    EXPECT_THAT(header_of(ok, "Contact"), StartsWith("<sip:ann@10.0.0.7:5071>"));

    const std::string first = phone_.receive(20'000);
    ASSERT_THAT(first, StartsWith("OPTIONS sip:ann@10.0.0.7:5071 SIP/2.0\r\n"));
    phone_.send(answer_to(first, "200 OK"));
    std::string next;
    do next = phone_.receive(20'000);
    while (header_of(next, "Call-ID") == header_of(first, "Call-ID"));  // the answer was late
    EXPECT_THAT(next, StartsWith("OPTIONS "));
    EXPECT_EQ(client_.stop(), 0);
}

TEST_F(ClientNat, SendsCrlfInsteadWhereItIsToldSo) {
    ASSERT_TRUE(start("sip.keep_alive_by = \"crlf\"\n")) << client_.log();
    ASSERT_THAT(register_phone(), StartsWith("SIP/2.0 200")) << client_.log();
    EXPECT_EQ(phone_.receive(20'000), "\r\n\r\n");
}

TEST_F(ClientNat, SaysNothingToAPhoneThatHasUnregistered) {
    ASSERT_TRUE(start()) << client_.log();
    ASSERT_THAT(register_phone(), StartsWith("SIP/2.0 200")) << client_.log();
    phone_.send(registration("reg2"));
    const std::string arrived = registrar_.receive();
    registrar_.send(answer_to(arrived, "200 OK"));
    // What was on its way, or is said again, may still come; then there is silence.
    bool is_quiet = false;
    for (int i = 0; i < 20 && !is_quiet; ++i) is_quiet = phone_.receive(3000).empty();
    EXPECT_TRUE(is_quiet);
}

}  // namespace
}  // namespace earshot::integration
