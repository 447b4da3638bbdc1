// What the agent keeps: little for an idle dialog, nothing for what has ended.
#include <malloc.h>

#include "sip/agent_fixture.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;

class AgentMemory : public AgentFixture {
protected:
    static std::string request(std::string_view method, int call, std::string_view to_tag,
                               const std::string& body = {}) {
        return fmt::format(
            "{0} sip:srs@192.0.2.1:5060 SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK{0}.proxy.{1};rport\r\n"
            "Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK{0}.{1}\r\n"
            "Record-Route: <sip:192.0.2.20;lr;ftag=peer-tag-{1};did=123.456>\r\n"
            "From: \"A recording client\" <sip:src@client.example.com>;tag=peer-tag-{1}\r\n"
            "To: <sip:srs@server.example.com>{2}\r\n"
            "Call-ID: 2c7a6e0e-4b0b-4b8f-9a52-{1}@client.example.com\r\n"
            "CSeq: 1 {0}\r\nMax-Forwards: 69\r\n"
            "Contact: <sip:src@192.0.2.9:5070;transport=udp>;+sip.src\r\n"
            "Content-Type: application/sdp\r\nContent-Length: {3}\r\n\r\n{4}",
            method, call, to_tag.empty() ? "" : fmt::format(";tag={}", to_tag), body.size(), body);
    }

    void establish(int call) {
        receive(request("INVITE", call, "", std::string(1500, 'x')));
        const DialogId dialog = respond(
            take_heard<RequestArrived>().transaction,
            {.status = 200, .content_type = "application/sdp", .body = std::string(800, 'y')});
        receive(request("ACK", call, agent.find_dialog(dialog)->local_tag));
        heard.clear();
        sent.clear();
    }

    // Bytes in use on the heap; always 0 under a sanitizer, whose allocator does not count here.
    static std::size_t heap_bytes() { return mallinfo2().uordblks; }
};

TEST_F(AgentMemory, AnIdleDialogStaysBelowFourKilobytes) {
    constexpr int kCalls = 2000;
    establish(0);
    wait(33s);
    const std::size_t before = heap_bytes();
    for (int call = 1; call <= kCalls; ++call) establish(call);
    wait(33s);
    ASSERT_EQ(agent.dialog_count(), kCalls + 1U);
    ASSERT_EQ(agent.transaction_count(), 0U);
    const std::size_t each = (heap_bytes() - before) / kCalls;
    RecordProperty("bytes_per_dialog", static_cast<int>(each));
    EXPECT_LE(each, 4096U);
}

}  // namespace
}  // namespace earshot::sip
