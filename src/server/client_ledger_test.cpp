#include "server/client_ledger.h"

#include <gtest/gtest.h>

namespace earshot::server {
namespace {

using siprec::Leniency;

base::WallTime at(int seconds) { return base::WallTime{std::chrono::seconds{seconds}}; }

TEST(ClientLedger, CountsTheFaultsOfEachPeerAndProgram) {
    ClientLedger ledger(at(1));
    const std::size_t first = ledger.on_call("sbc1", "SBC/1", at(2));
    ledger.on_leniency(first, Leniency::NoLabel, at(2));
    EXPECT_EQ(ledger.on_call("sbc1", "SBC/1", at(3)), first);
    ledger.on_leniency(first, Leniency::NoLabel, at(4));
    ledger.on_leniency(first, Leniency::TimeForm, at(4));
    const std::size_t second = ledger.on_call("sbc1", "SBC/2", at(5));
    EXPECT_NE(second, first);

    const api::Clients& clients = ledger.clients();
    EXPECT_EQ(clients.since, at(1));
    ASSERT_EQ(clients.list.size(), 2U);
    EXPECT_EQ(clients.list[0].calls, 2U);
    EXPECT_EQ(clients.list[0].last, at(3));
    ASSERT_EQ(clients.list[0].faults.size(), 2U);
    EXPECT_EQ(clients.list[0].faults[0].code, "no_label");
    EXPECT_EQ(clients.list[0].faults[0].count, 2U);
    EXPECT_EQ(clients.list[0].faults[0].first, at(2));
    EXPECT_EQ(clients.list[0].faults[0].last, at(4));
    EXPECT_TRUE(clients.list[1].faults.empty());
}

TEST(ClientLedger, PutsTheClientsPastItsLimitIntoOneEntry) {
    ClientLedger ledger(at(0));
    for (std::size_t i = 0; i < kMaxClients; ++i) {
        EXPECT_EQ(ledger.on_call(std::to_string(i), "", at(1)), i);
    }
    for (int i = 0; i < 3; ++i) {
        const std::size_t place = ledger.on_call("new" + std::to_string(i), "x", at(2));
        EXPECT_EQ(place, kMaxClients);
        ledger.on_leniency(place, Leniency::NoLabel, at(2));
    }
    EXPECT_EQ(ledger.on_call("7", "", at(3)), 7U);  // who is known stays known
    EXPECT_EQ(ledger.clients().list.size(), kMaxClients + 1);
    EXPECT_EQ(ledger.clients().list.back().peer, "others");
    EXPECT_EQ(ledger.clients().list.back().calls, 3U);
    EXPECT_EQ(ledger.clients().list.back().faults.at(0).count, 3U);
}

TEST(ClientLedger, CutsWhatAClientCallsItself) {
    ClientLedger ledger(at(0));
    ledger.on_call("p", std::string(kMaxUserAgentBytes, 'a'), at(1));
    ledger.on_call("p", std::string(kMaxUserAgentBytes + 1, 'a'), at(1));
    EXPECT_EQ(ledger.clients().list.size(), 1U);
    EXPECT_EQ(ledger.clients().list[0].user_agent.size(), kMaxUserAgentBytes);
}

}  // namespace
}  // namespace earshot::server
