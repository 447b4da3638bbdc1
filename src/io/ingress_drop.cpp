#include "io/ingress_drop.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/bytes.h"

namespace earshot::io {

namespace {

constexpr std::uint8_t kUdp = 17;
constexpr std::string_view kChain = "media";
constexpr std::uint32_t kRegister = NFT_REG_1;

// Big-endian, as nftables wants most numbers.
template <class T>
base::Bytes be(T value) {
    base::Bytes bytes(sizeof value);
    for (std::size_t i = 0; i < sizeof value; ++i)
        bytes[sizeof value - 1 - i] = static_cast<std::uint8_t>(value >> (8 * i));
    return bytes;
}

// nfnetlink messages one after the other (linux/netlink.h): each a header, a family, and attributes
// of two u16 (length, type) and a value padded to 4 bytes.
class Batch {
public:
    void begin_message(std::uint16_t type, std::uint16_t flags, std::uint8_t family,
                       std::uint16_t resource = 0) {
        message_ = bytes_.size();
        nlmsghdr header{};
        header.nlmsg_type = type;
        header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        header.nlmsg_seq = ++sequence_;
        append(&header, sizeof header);
        const nfgenmsg generic{family, NFNETLINK_V0, htons(resource)};
        append(&generic, sizeof generic);
    }
    void begin_table_message(int type, int flags) {
        begin_message(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type),
                      static_cast<std::uint16_t>(flags | NLM_F_ACK), NFPROTO_NETDEV);
    }
    void end_message() {
        const auto size = static_cast<std::uint32_t>(bytes_.size() - message_);
        std::memcpy(bytes_.data() + message_, &size, sizeof size);
    }
    std::size_t begin_nested(int type) {
        const std::size_t start = bytes_.size();
        const nlattr attribute{0, static_cast<std::uint16_t>(type | NLA_F_NESTED)};
        append(&attribute, sizeof attribute);
        return start;
    }
    void end_nested(std::size_t start) {
        const auto size = static_cast<std::uint16_t>(bytes_.size() - start);
        std::memcpy(bytes_.data() + start, &size, sizeof size);
    }
    void attribute(int type, base::ByteView value) {
        const nlattr attribute{static_cast<std::uint16_t>(sizeof(nlattr) + value.size()),
                               static_cast<std::uint16_t>(type)};
        append(&attribute, sizeof attribute);
        append(value.data(), value.size());
        while (bytes_.size() % NLA_ALIGNTO != 0) bytes_.push_back(0);
    }
    void attribute(int type, std::uint32_t value) { attribute(type, be(value)); }
    void text(int type, std::string_view value) {
        base::Bytes bytes(value.begin(), value.end());
        bytes.push_back(0);
        attribute(type, bytes);
    }

    const base::Bytes& bytes() const { return bytes_; }
    std::uint32_t messages() const { return sequence_; }

private:
    void append(const void* data, std::size_t size) {
        const auto* from = static_cast<const std::uint8_t*>(data);
        bytes_.insert(bytes_.end(), from, from + size);
    }

    base::Bytes bytes_;
    std::size_t message_ = 0;
    std::uint32_t sequence_ = 0;
};

// The expressions of one rule: each loads or tests a register; all must hold for the verdict.
class Rule {
public:
    Rule(Batch& batch, const std::string& table) : batch_(batch) {
        batch_.begin_table_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
        batch_.text(NFTA_RULE_TABLE, table);
        batch_.text(NFTA_RULE_CHAIN, kChain);
        list_ = batch_.begin_nested(NFTA_RULE_EXPRESSIONS);
    }

    void meta(std::uint32_t key) {
        expression("meta", [&] {
            batch_.attribute(NFTA_META_KEY, key);
            batch_.attribute(NFTA_META_DREG, kRegister);
        });
    }
    void payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length) {
        expression("payload", [&] {
            batch_.attribute(NFTA_PAYLOAD_DREG, kRegister);
            batch_.attribute(NFTA_PAYLOAD_BASE, base);
            batch_.attribute(NFTA_PAYLOAD_OFFSET, offset);
            batch_.attribute(NFTA_PAYLOAD_LEN, length);
        });
    }
    void mask(base::ByteView bits) {
        expression("bitwise", [&] {
            batch_.attribute(NFTA_BITWISE_SREG, kRegister);
            batch_.attribute(NFTA_BITWISE_DREG, kRegister);
            batch_.attribute(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(bits.size()));
            value(NFTA_BITWISE_MASK, bits);
            value(NFTA_BITWISE_XOR, base::Bytes(bits.size()));
        });
    }
    void compare(std::uint32_t operation, base::ByteView with) {
        expression("cmp", [&] {
            batch_.attribute(NFTA_CMP_SREG, kRegister);
            batch_.attribute(NFTA_CMP_OP, operation);
            value(NFTA_CMP_DATA, with);
        });
    }
    void count_and_drop() {
        expression("counter", [] {});
        end(NF_DROP);
    }
    void end(std::uint32_t verdict_code) {
        expression("immediate", [&] {
            batch_.attribute(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
            const std::size_t data = batch_.begin_nested(NFTA_IMMEDIATE_DATA);
            const std::size_t verdict = batch_.begin_nested(NFTA_DATA_VERDICT);
            batch_.attribute(NFTA_VERDICT_CODE, verdict_code);
            batch_.end_nested(verdict);
            batch_.end_nested(data);
        });
        batch_.end_nested(list_);
        batch_.end_message();
    }

private:
    template <class Fields>
    void expression(std::string_view name, const Fields& fields) {
        const std::size_t element = batch_.begin_nested(NFTA_LIST_ELEM);
        batch_.text(NFTA_EXPR_NAME, name);
        const std::size_t data = batch_.begin_nested(NFTA_EXPR_DATA);
        fields();
        batch_.end_nested(data);
        batch_.end_nested(element);
    }
    void value(int type, base::ByteView bytes) {
        const std::size_t data = batch_.begin_nested(type);
        batch_.attribute(NFTA_DATA_VALUE, bytes);
        batch_.end_nested(data);
    }

    Batch& batch_;
    std::size_t list_;
};

// A tag that the card took off shows in the Ethernet header alone, where nftables puts it back; the
// protocol is the inner one. Interfaces without such a header know no VLANs: the rule is passed.
void add_vlan_rule(Batch& batch, const std::string& table, std::uint16_t tag) {
    constexpr std::uint32_t kEtherType = 12;
    Rule rule(batch, table);
    rule.payload(NFT_PAYLOAD_LL_HEADER, kEtherType, sizeof tag);
    rule.compare(NFT_CMP_EQ, be(tag));
    rule.end(NF_ACCEPT);
}

// The same as make_filter().
void add_rule(Batch& batch, const std::string& table, const MediaTraffic& traffic,
              const base::NetAddress& address) {
    constexpr auto kIp = NFT_PAYLOAD_NETWORK_HEADER;
    constexpr std::uint16_t kIpv6Header = 40;
    constexpr std::uint16_t kFragment = 0x3fff;
    const bool is_v4 = address.is_v4();
    Rule rule(batch, table);
    rule.meta(NFT_META_PROTOCOL);
    rule.compare(NFT_CMP_EQ, be<std::uint16_t>(is_v4 ? ETH_P_IP : ETH_P_IPV6));
    rule.meta(NFT_META_PKTTYPE);
    rule.compare(NFT_CMP_EQ, be<std::uint8_t>(PACKET_HOST));
    if (is_v4) {
        rule.payload(kIp, 9, 1);
        rule.compare(NFT_CMP_EQ, be(kUdp));
        rule.payload(kIp, 6, 2);
        rule.mask(be(kFragment));
        rule.compare(NFT_CMP_EQ, be<std::uint16_t>(0));
        rule.payload(kIp, 2, 2);
        rule.compare(NFT_CMP_LTE, be(traffic.max_ip_bytes));
        rule.payload(kIp, 16, 4);
        rule.compare(NFT_CMP_EQ, base::ByteView(address.ip).last(4));
    } else {
        rule.payload(kIp, 6, 1);
        rule.compare(NFT_CMP_EQ, be(kUdp));
        rule.payload(kIp, 4, 2);
        rule.compare(NFT_CMP_LTE,
                     be(static_cast<std::uint16_t>(traffic.max_ip_bytes - kIpv6Header)));
        rule.payload(kIp, 24, 16);
        rule.compare(NFT_CMP_EQ, address.ip);
    }
    rule.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
    rule.compare(NFT_CMP_GTE, be(traffic.first_port));
    rule.compare(NFT_CMP_LTE, be(traffic.last_port));
    rule.count_and_drop();
}

void add_chain(Batch& batch, const std::string& table, const MediaTraffic& traffic) {
    batch.begin_table_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    batch.text(NFTA_CHAIN_TABLE, table);
    batch.text(NFTA_CHAIN_NAME, kChain);
    const std::size_t hook = batch.begin_nested(NFTA_CHAIN_HOOK);
    batch.attribute(NFTA_HOOK_HOOKNUM, std::uint32_t{NF_NETDEV_INGRESS});
    batch.attribute(NFTA_HOOK_PRIORITY, std::uint32_t{0});
    const std::size_t devices = batch.begin_nested(NFTA_HOOK_DEVS);
    for (const NetworkInterface& interface : traffic.interfaces)
        batch.text(NFTA_DEVICE_NAME, interface.name);
    batch.end_nested(devices);
    batch.end_nested(hook);
    batch.text(NFTA_CHAIN_TYPE, "filter");
    batch.attribute(NFTA_CHAIN_POLICY, std::uint32_t{NF_ACCEPT});
    batch.end_message();
}

Batch make_batch(const std::string& table, const MediaTraffic& traffic) {
    Batch batch;
    batch.begin_message(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    batch.end_message();
    batch.begin_table_message(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    batch.text(NFTA_TABLE_NAME, table);
    batch.attribute(NFTA_TABLE_FLAGS, std::uint32_t{NFT_TABLE_F_OWNER});
    batch.end_message();
    add_chain(batch, table, traffic);
    for (const int tag : {ETH_P_8021Q, ETH_P_8021AD})
        add_vlan_rule(batch, table, static_cast<std::uint16_t>(tag));
    for (const base::NetAddress& address : traffic.addresses)
        add_rule(batch, table, traffic, address);
    batch.begin_message(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    batch.end_message();
    return batch;
}

// 0 when each message between the two of the batch was taken, else the first errno.
int wait_for_answers(int socket, std::uint32_t wanted) {
    alignas(nlmsghdr) std::array<char, 8192> answers{};
    while (wanted > 0) {
        const ssize_t got = ::recv(socket, answers.data(), answers.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        auto left = static_cast<unsigned>(got);
        for (auto* answer = reinterpret_cast<nlmsghdr*>(answers.data()); NLMSG_OK(answer, left);
             answer = NLMSG_NEXT(answer, left)) {
            if (answer->nlmsg_type != NLMSG_ERROR) continue;
            const int failed = static_cast<const nlmsgerr*>(NLMSG_DATA(answer))->error;
            if (failed != 0) return -failed;
            --wanted;
        }
    }
    return 0;
}

base::Reason refused(int code) {
    const char* hint = code == EPERM ? " (it takes CAP_NET_ADMIN)"
                       : code == EOPNOTSUPP || code == EINVAL || code == EPROTONOSUPPORT
                           ? " (it takes nf_tables of Linux 5.12)"
                           : "";
    return {
        "ingress_rule",
        fmt::format("The nftables rule that keeps media from the kernel's UDP was refused: {}{}.",
                    std::generic_category().message(code), hint)};
}

}  // namespace

base::Result<IngressDrop, base::Reason> IngressDrop::install(const MediaTraffic& traffic) {
    FileDescriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!socket.is_open()) return refused(errno);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return refused(errno);
    // The kernel's name of the socket is one that nobody else has, in this network namespace.
    socklen_t size = sizeof address;
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return refused(errno);
    std::string table = fmt::format("earshot-{}", address.nl_pid);
    const Batch batch = make_batch(table, traffic);
    if (::send(socket.get(), batch.bytes().data(), batch.bytes().size(), 0) < 0)
        return refused(errno);
    if (const int failed = wait_for_answers(socket.get(), batch.messages() - 2); failed != 0)
        return refused(failed);
    return IngressDrop(std::move(socket), std::move(table));
}

}  // namespace earshot::io
