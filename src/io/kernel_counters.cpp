#include "io/kernel_counters.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "base/text.h"
#include "io/kernel_text.h"

namespace earshot::io {

namespace {

std::string_view next_word(std::string_view& line) {
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(end);
    return word;
}

std::uint64_t number(std::string_view word, int base = 10) {
    std::uint64_t value = 0;
    std::from_chars(word.data(), word.data() + word.size(), value, base);
    return value;
}

void add(KernelCounters& counters, std::string_view name, std::uint64_t value) {
    if (name == "RcvbufErrors") counters.full_buffers += value;
    if (name == "MemErrors") counters.no_memory += value;
}

// Two lines for each protocol: its names, then their values.
void parse_snmp(std::string_view text, KernelCounters& counters) {
    while (!text.empty()) {
        std::string_view names = base::take_until(text, '\n');
        const std::string_view protocol = next_word(names);
        if (protocol != "Udp:" && protocol != "UdpLite:") continue;
        std::string_view values = base::take_until(text, '\n');
        if (next_word(values) != protocol) return;
        for (std::string_view name = next_word(names); !name.empty(); name = next_word(names))
            add(counters, name, number(next_word(values)));
    }
}

// A line for each counter: Udp6RcvbufErrors 0.
void parse_snmp6(std::string_view text, KernelCounters& counters) {
    while (!text.empty()) {
        std::string_view line = base::take_until(text, '\n');
        std::string_view name = next_word(line);
        for (const std::string_view protocol : {"Udp6", "UdpLite6"}) {
            if (!name.starts_with(protocol)) continue;
            name.remove_prefix(protocol.size());
            add(counters, name, number(next_word(line)));
        }
    }
}

std::uint64_t since(std::uint64_t now, std::uint64_t earlier) {
    return now > earlier ? now - earlier : 0;
}

}  // namespace

KernelCounters KernelCounters::operator-(const KernelCounters& earlier) const {
    return {.full_buffers = since(full_buffers, earlier.full_buffers),
            .no_memory = since(no_memory, earlier.no_memory),
            .full_backlogs = since(full_backlogs, earlier.full_backlogs)};
}

KernelCounters parse_kernel_counters(std::string_view snmp, std::string_view snmp6,
                                     std::string_view softnet) {
    KernelCounters counters;
    parse_snmp(snmp, counters);
    parse_snmp6(snmp6, counters);
    while (!softnet.empty()) {  // a line for each CPU, in hexadecimal: processed, dropped, ...
        std::string_view line = base::take_until(softnet, '\n');
        next_word(line);
        counters.full_backlogs += number(next_word(line), 16);
    }
    return counters;
}

KernelCounters read_kernel_counters() {
    return parse_kernel_counters(read_kernel_text("/proc/net/snmp"),
                                 read_kernel_text("/proc/net/snmp6"),
                                 read_kernel_text("/proc/net/softnet_stat"));
}

}  // namespace earshot::io
