#include "io/kernel_counters.h"

#include <gtest/gtest.h>

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

TEST(KernelCounters, ThisKernelHasThem) {
    EXPECT_FALSE((read_kernel_counters() - read_kernel_counters()).any());
}

}  // namespace
}  // namespace earshot::io
