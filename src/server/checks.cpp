#include "server/checks.h"

#include <fmt/format.h>

namespace earshot::server {

namespace {

using State = api::Check::State;

void add_media_checks(const CheckInput& input, std::vector<api::Check>& checks) {
    const capture::ReaderState& reader = input.reader;
    std::string text = fmt::format("Media is read by {}.", capture::to_string(reader.kind));
    if (!reader.fallback.empty()) text += " " + reader.fallback + ".";
    if (reader.kind == capture::ReaderKind::PacketRing)
        text += fmt::format(
            " {} packets to its ports were damaged, {} were no call's; the sockets never saw them.",
            reader.counters.ring_invalid, reader.counters.ring_unclaimed);
    const std::uint64_t direct = reader.counters.direct_sockets;
    const std::uint64_t broken = reader.counters.broken_rings;
    if (direct > 0 || broken > 0)
        text += fmt::format(
            " It failed for {} sockets since the start, which were read one by one; {} rings could "
            "not be enabled.",
            direct, broken);
    const bool is_as_asked = reader.fallback.empty() && direct == 0 && broken == 0;
    checks.push_back({.name = "media_reader",
                      .state = is_as_asked ? State::Ok : State::Warning,
                      .text = std::move(text)});
    const io::KernelCounters& kernel = input.kernel_drops;
    const std::uint64_t ring = reader.counters.ring_drops;
    checks.push_back(
        {.name = "kernel_drops",
         .state = kernel.any() || ring > 0 ? State::Warning : State::Ok,
         .text = fmt::format(
             "Since the start the kernel dropped {} UDP packets of this host at full socket "
             "buffers (RcvbufErrors), {} for want of UDP memory (MemErrors), {} packets at full "
             "backlogs of its CPUs (softnet_stat), {} at full packet rings.",
             kernel.full_buffers, kernel.no_memory, kernel.full_backlogs, ring)});
}

void add_tls_check(const CheckInput& input, std::vector<api::Check>& checks) {
    if (!input.certificates.has_certificates()) return;
    bool has_ended = false;
    const std::string ending = input.certificates.describe(input.now, has_ended);
    checks.push_back({.name = "tls",
                      .state = has_ended        ? State::Failed
                               : ending.empty() ? State::Ok
                                                : State::Warning,
                      .text = fmt::format(
                          "{} TLS handshakes were done since the start, {} connections failed.{}",
                          input.sockets.tls_handshakes.load(), input.sockets.tls_failures.load(),
                          ending.empty() ? "" : " To be renewed: " + ending + ".")});
}

void add_messages_check(const CheckInput& input, std::vector<api::Check>& checks) {
    if (!input.messages_fault.empty())
        checks.push_back({.name = "messages",
                          .state = State::Warning,
                          .text = fmt::format("Chats and files (MSRP) are refused (no_listener): "
                                              "{} Set msrp.listen to a free port.",
                                              input.messages_fault)});
    else if (!input.messages_at.empty())
        checks.push_back(
            {.name = "messages",
             .state = State::Ok,
             .text = fmt::format("Chats and files (MSRP) are taken at {}.", input.messages_at)});
}

}  // namespace

std::vector<api::Check> make_checks(const CheckInput& input) {
    const ServerConfig& config = input.config;
    const Load& now = input.load;
    std::vector<api::Check> checks;
    const auto room = check_room(config, now);
    checks.push_back(
        {.name = "new_calls",
         .state = !room                 ? State::Ok
                  : room->status == 302 ? State::Warning
                                        : State::Failed,
         .text = room ? (room->status == 302 ? "" : "New calls are refused: ") + room->reason.text
                      : fmt::format("New calls are taken; {} of {} are running.", now.calls,
                                    config.max_calls)});
    checks.push_back(
        {.name = "journal",
         .state = now.journal.ok ? State::Ok : State::Failed,
         .text = now.journal.ok
                     ? fmt::format("The journal is written{}; {} frames wait for the disk; what "
                                   "arrives is durable after {} ms (p99).",
                                   now.journal.is_direct
                                       ? ""
                                       : " by way of the page cache, as its file system refuses "
                                         "direct writes",
                                   now.journal.frames_waiting, now.journal.durable_p99.count())
                     : fmt::format("The journal cannot be written since {}: {}",
                                   base::to_rfc3339(now.journal.failing_since),
                                   now.journal.reason.text)});
    if (now.journal.poisoned_segments > 0)
        checks.push_back(
            {.name = "journal_segments",
             .state = State::Warning,
             .text = fmt::format(
                 "{} journal segments were given up, after a failed write or because their "
                 "file was removed; what was not durable was written anew. The disk needs a look.",
                 now.journal.poisoned_segments)});
    const auto free = now.journal.free_bytes;
    const bool is_low = free && *free < 4 * config.min_free_bytes;
    checks.push_back(
        {.name = "disk",
         .state = is_low ? State::Warning : State::Ok,
         .text = free ? fmt::format("{} MiB are free; below {} MiB new calls are refused.",
                                    *free >> 20, config.min_free_bytes >> 20)
                      : std::string("The free space of the disk was not looked at yet.")});
    checks.push_back({.name = "media_ports",
                      .state = now.capture.port_pairs_in_use * 10 > now.capture.port_pairs * 9
                                   ? State::Warning
                                   : State::Ok,
                      .text = fmt::format("{} of {} port pairs are in use.",
                                          now.capture.port_pairs_in_use, now.capture.port_pairs)});
    add_media_checks(input, checks);
    add_tls_check(input, checks);
    add_messages_check(input, checks);
    checks.push_back(
        {.name = "media_load",
         .state = now.dropping_streams > 0 ? State::Warning : State::Ok,
         .text = fmt::format(
             "The busiest media thread uses {} % of its time; the kernel dropped {} "
             "media packets since the start{}.",
             now.capture.busy_percent, now.capture.kernel_drops,
             now.free_memory ? fmt::format("; {} MiB of memory are free", *now.free_memory >> 20)
                             : "")});
    checks.push_back({.name = "archive",
                      .state = input.archive_failures > 0 ? State::Warning : State::Ok,
                      .text = fmt::format(
                          "{} recordings wait to be stored; {} attempts to store one failed since "
                          "the start.",
                          input.archive_backlog, input.archive_failures)});
    if (!now.data_is_in_place)
        checks.push_back({.name = "data_directory",
                          .state = State::Failed,
                          .text = fmt::format("{} was removed or replaced while the server runs.",
                                              config.data.string())});
    if (!input.reload_fault.empty())
        checks.push_back(
            {.name = "configuration", .state = State::Warning, .text = input.reload_fault});
    if (input.lost_records > 0)
        checks.push_back({.name = "overload",
                          .state = State::Warning,
                          .text = fmt::format(
                              "{} signalling records were lost because the capture thread did not "
                              "keep up.",
                              input.lost_records)});
    const AttemptLedger::Counters& attempts = input.attempts;
    checks.push_back(
        {.name = "attempts",
         .state = attempts.waiting > 0 || attempts.lost > 0 ? State::Warning : State::Ok,
         .text = fmt::format("{} INVITEs were refused since the start, {} of them share a row with "
                             "others like them; {} rows wait for the catalogue, {} were lost.",
                             attempts.refused, attempts.merged, attempts.waiting, attempts.lost)});
    const auto& sockets = input.sockets;
    checks.push_back(
        {.name = "sip",
         .state = State::Ok,
         .text =
             fmt::format("{} TCP connections are open, {} were refused over a limit, {} closed for "
                         "want of a whole message; {} messages were no SIP.",
                         sockets.connections.load(), sockets.connections_refused.load(),
                         sockets.connections_timed_out.load(), input.dropped_messages)});
    return checks;
}

}  // namespace earshot::server
