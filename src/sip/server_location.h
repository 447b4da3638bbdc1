// Where a request for a SIP URI goes: RFC 3263 section 4, by the DNS records NAPTR, SRV, A and
// AAAA. Without I/O: asks one question at a time, takes its answer, and in the end has the targets
// in the order in which they are to be tried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "base/result.h"
#include "sip/flow.h"

namespace earshot::sip {

struct Target {
    Transport transport = Transport::Udp;
    base::NetAddress address{};
    friend auto operator<=>(const Target&, const Target&) = default;
};

struct DnsQuestion {
    enum class Type : std::uint8_t { Naptr, Srv, Address };  // Address: A and AAAA
    Type type = Type::Address;
    std::string name{};
    friend bool operator==(const DnsQuestion&, const DnsQuestion&) = default;
};

struct NaptrRecord {  // RFC 3403 section 4.1; without the regular expression, which SIP leaves
                      // empty
    std::uint16_t order = 0;
    std::uint16_t preference = 0;
    std::string flags{};        // "s": an SRV record follows
    std::string service{};      // "SIP+D2U"
    std::string replacement{};  // the SRV record's name
};

struct SrvRecord {  // RFC 2782
    std::uint16_t priority = 0;
    std::uint16_t weight = 0;
    std::uint16_t port = 0;
    std::string target{};  // ".": there is no such service
};

// Of the question's type; empty when there is none, or the question failed.
struct DnsAnswer {
    std::vector<NaptrRecord> naptr{};
    std::vector<SrvRecord> srv{};
    std::vector<base::NetAddress> addresses{};  // their port is not used
};

class ServerLocation {
public:
    // For a URI whose host is a name or a literal address. `transports`: those that we have, the
    // one to prefer first; where neither the URI nor DNS says anything it is UDP (section 4.1).
    // Borrows `random` (weights of SRV) for its life. Error: no SIP URI.
    static base::Result<ServerLocation> start(std::string_view uri,
                                              std::vector<Transport> transports,
                                              base::Random& random);

    // The open question; none when targets() is complete. Answer it by on_answer().
    const DnsQuestion* question() const;
    void on_answer(const DnsAnswer& answer);
    // At most kMaxTargets, each once.
    const std::vector<Target>& targets() const { return targets_; }

private:
    // A question, and what is known of the targets that it leads to.
    struct Step {
        DnsQuestion question{};
        Transport transport = Transport::Udp;
        std::uint16_t port = 0;
    };

    ServerLocation(std::string host, bool is_secure, std::vector<Transport> transports,
                   base::Random& random);
    bool has(Transport transport) const;
    void ask_address(Transport transport, std::uint16_t port);
    void ask_srv_of_all();
    void on_naptr(std::vector<NaptrRecord> records);
    void on_srv(const Step& step, std::vector<SrvRecord> records);
    void add_target(const Target& target);

    std::string host_;
    bool is_secure_;  // sips: TLS only
    std::vector<Transport> transports_;
    base::Random* random_;  // not owned; never null
    Transport default_transport_ = Transport::Udp;
    std::deque<Step> steps_{};
    std::size_t asked_ = 0;
    bool fell_back_ = false;
    std::vector<Target> targets_{};
};

// Records of one SRV name in the order in which they are to be tried (RFC 2782).
std::vector<SrvRecord> in_srv_order(std::vector<SrvRecord> records, base::Random& random);

}  // namespace earshot::sip
