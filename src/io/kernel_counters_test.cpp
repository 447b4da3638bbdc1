#include "io/kernel_counters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

namespace earshot::io {
namespace {

const std::string kSnmp =
    "Ip: Forwarding DefaultTTL InReceives\n"
    "Ip: 1 64 1000\n"
    "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors "
    "IgnoredMulti MemErrors\n"
    "Udp: 1000 2 12 900 7 0 0 0 5\n"
    "UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors "
    "IgnoredMulti MemErrors\n"
    "UdpLite: 0 0 0 0 1 0 0 0 0\n";
const std::string kSnmp6 =
    "Ip6InReceives                   \t10\n"
    "Udp6InDatagrams                 \t10\n"
    "Udp6RcvbufErrors                \t20\n"
    "Udp6MemErrors                   \t30\n"
    "UdpLite6RcvbufErrors            \t40\n";
const std::string kSoftnet =
    "0000272d 00000010 00000003 00000000 00000000\n"
    "00000b1d 00000001 00000000 00000000 00000000\n";

TEST(KernelCounters, AddsUpBothFamiliesAndAllCpus) {
    const KernelCounters counters = parse_kernel_counters(kSnmp, kSnmp6, kSoftnet);
    EXPECT_EQ(counters.full_buffers, 7U + 1 + 20 + 40);
    EXPECT_EQ(counters.no_memory, 5U + 30);
    EXPECT_EQ(counters.full_backlogs, 17U);
}

TEST(KernelCounters, TakesEachTruncationOfTheirText) {
    const KernelCounters all = parse_kernel_counters(kSnmp, kSnmp6, kSoftnet);
    for (std::size_t size = 0; size < kSnmp.size(); ++size) {
        const KernelCounters cut = parse_kernel_counters(
            kSnmp.substr(0, size), kSnmp6.substr(0, size), kSoftnet.substr(0, size));
        EXPECT_LE(cut.full_buffers, all.full_buffers);
        EXPECT_LE(cut.no_memory, all.no_memory);
        EXPECT_LE(cut.full_backlogs, all.full_backlogs);
    }
}

TEST(KernelCounters, WhatWasLostSinceThenIsNeverNegative) {
    const KernelCounters all = parse_kernel_counters(kSnmp, kSnmp6, kSoftnet);
    EXPECT_FALSE((all - all).any());
    EXPECT_FALSE((KernelCounters{} - all).any());
    EXPECT_EQ((all - KernelCounters{}).full_buffers, all.full_buffers);
}

std::string read_file(const char* path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The text without the values of this name, in whose place stands 1000.
std::string with_a_thousand(std::string text, const std::string& name) {
    const std::size_t at = text.find(name);
    if (at == std::string::npos) return {};
    const std::size_t value = text.find_first_of("0123456789", at + name.size());
    return text.substr(0, value) + "1000\n";
}

// Its files have the names that are looked for, so that what counts is seen.
TEST(KernelCounters, ThisKernelHasThem) {
    const std::string snmp = read_file("/proc/net/snmp");
    const std::size_t names = snmp.find("\nUdp: InDatagrams");
    ASSERT_NE(names, std::string::npos);
    const std::string udp = snmp.substr(names + 1, snmp.find('\n', names + 1) - names - 1);
    std::string values = "\nUdp:";
    for (std::size_t i = 0; i < static_cast<std::size_t>(std::count(udp.begin(), udp.end(), ' '));
         ++i)
        values += " 1000";
    const KernelCounters counted = parse_kernel_counters(udp + values, "", "");
    EXPECT_EQ(counted.full_buffers, 1000U);
    EXPECT_EQ(counted.no_memory, 1000U);

    const std::string snmp6 = read_file("/proc/net/snmp6");
    const bool has_ipv6 = !snmp6.empty();
    const std::string sixth = with_a_thousand(snmp6, "Udp6RcvbufErrors");
    EXPECT_EQ(parse_kernel_counters("", sixth, "").full_buffers >= 1000, has_ipv6);
    const std::string softnet = read_file("/proc/net/softnet_stat");
    ASSERT_GE(softnet.size(), 18U);  // processed, dropped
    EXPECT_EQ(parse_kernel_counters("", "", softnet.substr(0, 9) + "0000000a\n").full_backlogs,
              10U);
    EXPECT_FALSE((read_kernel_counters() - read_kernel_counters()).any());
}

}  // namespace
}  // namespace earshot::io
