#include "server/client_ledger.h"

#include <algorithm>

#include "base/text.h"

namespace earshot::server {

std::size_t ClientLedger::on_call(std::string_view peer, std::string_view user_agent,
                                  base::WallTime now) {
    std::vector<api::Client>& list = clients_.list;
    std::string name = base::to_valid_utf8(user_agent.substr(0, kMaxUserAgentBytes));
    const auto is_same = [&](const api::Client& client) {
        return client.peer == peer && client.user_agent == name;
    };
    auto found = std::find_if(list.begin(), list.end(), is_same);
    if (found == list.end() && list.size() > kMaxClients) found = list.end() - 1;
    if (found == list.end()) {
        const bool is_last = list.size() == kMaxClients;
        api::Client client;
        client.peer = is_last ? std::string("others") : std::string(peer);
        client.user_agent = is_last ? std::string{} : std::move(name);
        client.first = now;
        found = list.insert(list.end(), std::move(client));
    }
    ++found->calls;
    found->last = now;
    return static_cast<std::size_t>(found - list.begin());
}

void ClientLedger::on_leniency(std::size_t client, siprec::Leniency leniency, base::WallTime now) {
    const siprec::LeniencyFacts& facts = siprec::facts_of(leniency);
    std::vector<api::ClientFault>& faults = clients_.list.at(client).faults;
    auto found = std::find_if(faults.begin(), faults.end(), [&](const api::ClientFault& fault) {
        return fault.code == facts.code;
    });
    if (found == faults.end()) {
        api::ClientFault fault;
        fault.code = facts.code;
        fault.quirks = facts.quirks;
        fault.fault = facts.fault;
        fault.done = facts.done;
        fault.first = now;
        found = faults.insert(faults.end(), std::move(fault));
    }
    ++found->count;
    found->last = now;
}

}  // namespace earshot::server
