#include "sip/server_location.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "sip/agent_limits.h"
#include "sip/uri.h"

namespace earshot::sip {

namespace {

std::string srv_name(Transport transport, std::string_view host) {
    switch (transport) {
        case Transport::Tcp:
            return "_sip._tcp." + std::string(host);
        case Transport::Tls:
            return "_sips._tcp." + std::string(host);
        case Transport::Udp:
            break;
    }
    return "_sip._udp." + std::string(host);
}

std::optional<Transport> transport_of_service(std::string_view service) {
    if (base::iequals(service, "SIP+D2U")) return Transport::Udp;
    if (base::iequals(service, "SIP+D2T")) return Transport::Tcp;
    if (base::iequals(service, "SIPS+D2T")) return Transport::Tls;
    return std::nullopt;
}

std::optional<Transport> transport_of_param(std::string_view name) {
    for (const Transport transport : {Transport::Udp, Transport::Tcp, Transport::Tls})
        if (base::iequals(name, via_name(transport))) return transport;
    return std::nullopt;
}

// One record of those of equal priority: each as likely as its weight says; 0 has a small chance
// where others have more (RFC 2782).
std::size_t choose(const std::vector<SrvRecord>& records, base::Random& random) {
    const auto sum = std::accumulate(
        records.begin(), records.end(), std::uint64_t{0},
        [](std::uint64_t total, const SrvRecord& record) { return total + record.weight; });
    const std::uint64_t point = random.u64() % (sum + 1);
    std::uint64_t passed = 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
        passed += records[i].weight;
        if (passed >= point) return i;
    }
    return 0;
}

}  // namespace

std::vector<SrvRecord> in_srv_order(std::vector<SrvRecord> records, base::Random& random) {
    // Weight 0 first within a priority, as RFC 2782 wants it before the choice.
    std::sort(records.begin(), records.end(), [](const SrvRecord& a, const SrvRecord& b) {
        return std::tie(a.priority, a.weight) < std::tie(b.priority, b.weight);
    });
    std::vector<SrvRecord> ordered;
    for (auto first = records.begin(); first != records.end();) {
        const auto last = std::find_if(first, records.end(), [&](const SrvRecord& record) {
            return record.priority != first->priority;
        });
        std::vector<SrvRecord> equals(first, last);
        while (!equals.empty()) {
            const auto chosen =
                equals.begin() + static_cast<std::ptrdiff_t>(choose(equals, random));
            ordered.push_back(std::move(*chosen));
            equals.erase(chosen);
        }
        first = last;
    }
    return ordered;
}

ServerLocation::ServerLocation(std::string host, bool is_secure, std::vector<Transport> transports,
                               base::Random& random)
    : host_(std::move(host)),
      is_secure_(is_secure),
      transports_(std::move(transports)),
      random_(&random) {}

base::Result<ServerLocation> ServerLocation::start(std::string_view uri,
                                                   std::vector<Transport> transports,
                                                   base::Random& random) {
    const auto parsed = parse_uri(uri);
    if (!parsed || !parsed->is_sip()) return base::Error{base::Errc::Malformed, "SIP: no SIP URI"};
    std::string_view host = parsed->host;
    if (!host.empty() && host.back() == '.') host.remove_suffix(1);
    if (host.empty() || host.size() > kMaxHostBytes)
        return base::Error{base::Errc::Malformed, "SIP: no host to look for"};
    const bool is_secure = parsed->scheme == UriScheme::Sips;
    ServerLocation location(std::string(host), is_secure, std::move(transports), random);

    std::optional<Transport> asked;  // by the URI
    if (const auto name = parsed->param("transport")) asked = transport_of_param(*name);
    if (is_secure) asked = Transport::Tls;
    location.default_transport_ = asked.value_or(Transport::Udp);
    const std::uint16_t port = parsed->port.value_or(default_port(location.default_transport_));
    if (const auto literal = base::parse_host(host, port)) {
        location.fell_back_ = true;
        location.add_target({location.default_transport_, *literal});
    } else if (parsed->port) {  // section 4.2: a port says that the host itself is meant
        location.fell_back_ = true;
        location.ask_address(location.default_transport_, port);
    } else if (asked) {
        location.steps_.push_back(
            {{DnsQuestion::Type::Srv, srv_name(*asked, host)}, *asked, default_port(*asked)});
    } else {
        location.steps_.push_back({{DnsQuestion::Type::Naptr, std::string(host)}});
    }
    return location;
}

bool ServerLocation::has(Transport transport) const {
    if (is_secure_ && transport != Transport::Tls) return false;
    return std::find(transports_.begin(), transports_.end(), transport) != transports_.end();
}

const DnsQuestion* ServerLocation::question() const {
    return steps_.empty() ? nullptr : &steps_.front().question;
}

void ServerLocation::ask_address(Transport transport, std::uint16_t port) {
    if (has(transport)) steps_.push_back({{DnsQuestion::Type::Address, host_}, transport, port});
}

// Without NAPTR records SRV is asked for each transport that we have (section 4.1).
void ServerLocation::ask_srv_of_all() {
    for (const Transport transport : transports_)
        steps_.push_back({{DnsQuestion::Type::Srv, srv_name(transport, host_)},
                          transport,
                          default_port(transport)});
}

void ServerLocation::on_answer(const DnsAnswer& answer) {
    if (steps_.empty()) return;
    const Step step = std::move(steps_.front());
    steps_.pop_front();
    switch (step.question.type) {
        case DnsQuestion::Type::Naptr:
            on_naptr(answer.naptr);
            break;
        case DnsQuestion::Type::Srv:
            on_srv(step, answer.srv);
            break;
        case DnsQuestion::Type::Address:
            for (base::NetAddress address : answer.addresses) {
                address.port = step.port;
                add_target({step.transport, address});
            }
            break;
    }
    // However deep a zone leads us, it ends.
    if (++asked_ >= kMaxDnsQuestions) steps_.clear();
    if (!steps_.empty() || !targets_.empty() || std::exchange(fell_back_, true)) return;
    ask_address(default_transport_, default_port(default_transport_));
}

void ServerLocation::on_naptr(std::vector<NaptrRecord> records) {
    std::stable_sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
        return std::tie(a.order, a.preference) < std::tie(b.order, b.preference);
    });
    for (NaptrRecord& record : records) {
        const auto transport = transport_of_service(record.service);
        if (!transport || !has(*transport) || !base::iequals(record.flags, "s")) continue;
        if (record.replacement.empty() || record.replacement == ".") continue;
        steps_.push_back({{DnsQuestion::Type::Srv, std::move(record.replacement)},
                          *transport,
                          default_port(*transport)});
    }
    if (steps_.empty()) ask_srv_of_all();
}

void ServerLocation::on_srv(const Step& step, std::vector<SrvRecord> records) {
    std::vector<SrvRecord> ordered = in_srv_order(std::move(records), *random_);
    if (ordered.size() > kMaxTargets) ordered.resize(kMaxTargets);
    // Before the other questions, so that targets come in the order of preference.
    for (auto record = ordered.rbegin(); record != ordered.rend(); ++record) {
        if (record->target.empty() || record->target == "." || record->port == 0) continue;
        steps_.push_front({{DnsQuestion::Type::Address, std::move(record->target)},
                           step.transport,
                           record->port});
    }
}

void ServerLocation::add_target(const Target& target) {
    if (!has(target.transport) || targets_.size() >= kMaxTargets) return;
    if (std::find(targets_.begin(), targets_.end(), target) != targets_.end()) return;
    targets_.push_back(target);
}

}  // namespace earshot::sip
