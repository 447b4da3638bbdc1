// prove_storage nth|power RUNS SEED: journal, archive and store over a disk in memory, with a fault
// at a file call drawn anew for each run.
//   nth    that call, and up to four more, fail (EIO or ENOSPC), then the disk works again
//   power  from that call on nothing happens any more; then everything that was not synced is
//          forgotten or torn
// Afterwards a new process starts: it recovers, archives what it finds, and then every packet whose
// durability was confirmed must be in a stored recording, once and in order, and no recording may
// be called complete that lacks a packet. Prints the figures; exit 0 only when that held in all
// runs.
#include <algorithm>
#include <cerrno>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "archive/stored_recording.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "catalog/memory_catalog.h"
#include "crypto/key_wrap.h"
#include "io/clock.h"
#include "io/faulty_file.h"
#include "journal/committer.h"
#include "journal/journal.h"
#include "objects/directory_store.h"
#include "rtp/rtp_packet.h"
#include "server/archiver.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of its own

constexpr std::uint8_t kRecordings = 4;
constexpr const char* kJournal = "data/journal/0";
constexpr const char* kStore = "data/recordings";

base::Uuid uuid_of(std::uint8_t number) {
    base::Uuid uuid = *base::parse_uuid("01a20000-0000-7000-8000-000000000000");
    uuid.bytes[15] = number;
    return uuid;
}

base::Bytes packet_of(std::uint8_t recording, std::uint16_t number) {
    base::Bytes packet;
    rtp::write_rtp({.sequence = number, .timestamp = number * 160U, .ssrc = recording},
                   base::Bytes(160, static_cast<std::uint8_t>(number)), packet);
    base::Bytes payload(journal::kSourceSize + packet.size());
    std::copy(packet.begin(), packet.end(), payload.begin() + journal::kSourceSize);
    return payload;
}

// What the test remembers of one recording.
struct Known {
    std::vector<base::Bytes> appended;
    std::size_t durable = 0;  // so many of them were confirmed
    bool is_ended = false;
};

class Listener : public journal::Listener {
public:
    void on_durable(std::uint64_t token) override { durable.push_back(token); }
    void on_closed(journal::ClosedRecording one) override { closed.push_back(std::move(one)); }
    std::vector<std::uint64_t> durable;
    std::vector<journal::ClosedRecording> closed;
};

// Rows that are written after the machine has died are not written.
class MortalCatalog : public catalog::MemoryCatalog {
public:
    bool submit(catalog::Change change, catalog::Committed committed) override {
        return !is_dead && MemoryCatalog::submit(std::move(change), std::move(committed));
    }
    bool is_dead = false;
};

// What outlives a process: its disk and its catalogue.
struct Machine {
    explicit Machine(std::uint64_t seed) : disk(seed) {}
    io::FaultyFileSystem disk;
    MortalCatalog catalogue;
    archive::SigningKey key{archive::Ed25519Bytes{1, 2, 3}};
    crypto::KeyRing keys{base::Uuid{}, crypto::SecretKey::from(base::Bytes(crypto::kKeyBytes, 1))};
    std::map<std::uint8_t, Known> known;
    std::uint64_t dies_at_call = ~std::uint64_t{0};
};

// One life of the server's storage, in one thread: the archive thread works while we wait for it.
class Server {
public:
    Server(Machine& machine, std::uint64_t run_id)
        : machine_(machine),
          store_(machine.disk, kStore),
          options_{.directories = {kJournal},
                   .worker = 0,
                   .segment_bytes = 64 * 1024,
                   .ring_bytes = 8 * journal::kMaxFrameBytes,
                   .run_id = run_id,
                   .boot_id = {}},
          recovery_(recover_all()),
          journal_(machine.disk, options_, recovery_, listener_) {}

    void live(base::Random& random) {
        std::map<std::uint8_t, journal::RecordingHandle> open;
        for (std::uint8_t r = 1; r <= kRecordings; ++r) {
            open[r] = journal_.writer().open(uuid_of(r));
            append_event(open[r], R"({"type":"recording_started","call_id":"c"})");
            append_event(open[r],
                         R"({"type":"stream_added","stream":0,"label":"1","media":"audio",)"
                         R"("payload_types":[{"pt":0,"encoding":"PCMU","clock_rate":8000,)"
                         R"("channels":1,"fmtp":""}]})");
        }
        for (std::uint64_t round = 1; round <= 16; ++round) {
            for (auto& [r, handle] : open)
                for (std::uint64_t i = random.u64() % 6; i > 0; --i) append_packet(r, handle);
            if (round > 6 && !open.empty() && random.u64() % 3 == 0) end(open, open.begin()->first);
            commit(round);
            archive_closed();
        }
        while (!open.empty()) end(open, open.begin()->first);
        for (int late = 0; late < 4; ++late) commit(100 + static_cast<std::uint64_t>(late));
        archive_closed();
    }

    // What a start does with what the last process left.
    void recover_and_archive() {
        server::Archiver archiver(dependencies());
        for (const journal::RecoveredRecording& found : recovery_.recordings) {
            const auto row = machine_.catalogue.find_piece(base::to_string(found.recording));
            if (row && row->state != catalog::State::Recording) {
                static_cast<void>(journal_.release(found.serial));
                continue;
            }
            archiver.submit({.journal = &journal_,
                             .serial = found.serial,
                             .recording = found.recording,
                             .extents = found.extents,
                             .clocks = found.clocks,
                             .was_closed = found.was_closed,
                             .failure = std::nullopt});
        }
        archiver.start();
        archiver.stop();
    }

private:
    journal::Recovery recover_all() {
        static_cast<void>(store_.tidy());
        return journal::recover(machine_.disk, options_.directories);
    }
    server::Archiver::Dependencies dependencies() {
        return {.files = machine_.disk,
                .objects = store_,
                .catalogue = machine_.catalogue,
                .key = machine_.key,
                .clock = clock_,
                .log = log_,
                .on_stored = [](const catalog::Recording&) {},
                .too_short = {},
                .keys = &machine_.keys};
    }
    void append_event(journal::RecordingHandle handle, std::string_view json) {
        static_cast<void>(journal_.writer().append(
            handle, {.type = journal::RecordType::Event, .arrival_ns = next_arrival()},
            base::as_bytes(json)));
    }
    void append_packet(std::uint8_t r, journal::RecordingHandle handle) {
        Known& known = machine_.known[r];
        base::Bytes payload = packet_of(r, static_cast<std::uint16_t>(known.appended.size()));
        if (journal_.writer().append(
                handle,
                {.type = journal::RecordType::Rtp, .stream = 0, .arrival_ns = next_arrival()},
                payload))
            known.appended.push_back(std::move(payload));
    }
    void end(std::map<std::uint8_t, journal::RecordingHandle>& open, std::uint8_t r) {
        append_event(open[r], R"({"type":"call_ended","by":"peer","code":"bye","text":""})");
        journal_.writer().close(open[r], next_arrival());
        open.erase(r);
        machine_.known[r].is_ended = true;
    }
    // What the timer and the committer do; late enough for what failed to be tried again.
    void commit(std::uint64_t token) {
        std::map<std::uint8_t, std::size_t> counts;
        for (const auto& [r, known] : machine_.known) counts[r] = known.appended.size();
        if (journal_.writer().notify_when_durable(token)) at_token_[token] = std::move(counts);
        clock_.advance(std::chrono::seconds{2});
        journal_.writer().commit(clock_.now());
        journal_.committer().step(clock_.now());
        machine_.catalogue.is_dead = machine_.disk.calls() >= machine_.dies_at_call;
        for (const std::uint64_t durable : std::exchange(listener_.durable, {}))
            for (const auto& [r, count] : at_token_[durable])
                machine_.known[r].durable = std::max(machine_.known[r].durable, count);
    }
    void archive_closed() {
        server::Archiver archiver(dependencies());
        for (journal::ClosedRecording& closed : std::exchange(listener_.closed, {}))
            archiver.submit({.journal = &journal_,
                             .serial = closed.serial,
                             .recording = closed.recording,
                             .extents = std::move(closed.extents),
                             .clocks = std::move(closed.clocks),
                             .was_closed = true,
                             .failure = std::nullopt});
        archiver.start();
        archiver.stop();
        machine_.catalogue.is_dead = machine_.disk.calls() >= machine_.dies_at_call;
    }
    std::int64_t next_arrival() { return base::to_ns(clock_.now().wall) + ++arrivals_; }

    Machine& machine_;
    io::ManualClock clock_;
    base::NullLog log_;
    objects::DirectoryStore store_;
    journal::Options options_;
    journal::Recovery recovery_;
    Listener listener_;
    journal::Journal journal_;
    std::map<std::uint64_t, std::map<std::uint8_t, std::size_t>> at_token_;
    std::int64_t arrivals_ = 0;
};

struct Figures {
    std::uint64_t runs = 0;
    std::uint64_t durable = 0;  // packets
    std::uint64_t stored = 0;   // of recordings
    std::uint64_t lost = 0;
    std::uint64_t foreign = 0;
    std::uint64_t falsely_complete = 0;
    bool is_clean() const { return lost + foreign + falsely_complete == 0; }
};

// RTP records of the stored recording; none when it is not there.
std::vector<base::Bytes> stored_packets(Machine& machine, const std::string& folder) {
    std::vector<base::Bytes> found;
    auto part = archive::StoredRecording(machine.disk, folder, &machine.keys).open("packets");
    if (!part) return found;
    archive::PartRecords records(std::move(*part), "packets");
    while (true) {
        const auto record = records.next();
        if (!record || !record->has_value()) return found;
        if ((*record)->header.type == journal::RecordType::Rtp)
            found.emplace_back((*record)->payload.begin(), (*record)->payload.end());
    }
}

void check(Machine& machine, Figures& figures) {
    for (const auto& [r, known] : machine.known) {
        const auto row = machine.catalogue.find_piece(base::to_string(uuid_of(r)));
        std::vector<base::Bytes> packets;
        bool is_complete = false;
        if (row && !row->directory.empty()) {
            packets = stored_packets(machine, io::join_path(kStore, row->directory));
            is_complete = row->state == catalog::State::Complete;
        }
        // In order: what was confirmed first, then perhaps what was not.
        std::size_t kept = 0;
        while (kept < packets.size() && kept < known.appended.size() &&
               packets[kept] == known.appended[kept])
            ++kept;
        figures.durable += known.durable;
        figures.stored += packets.size();
        figures.foreign += packets.size() - kept;
        if (kept < known.durable) figures.lost += known.durable - kept;
        if (is_complete && kept < known.appended.size()) ++figures.falsely_complete;
    }
}

std::uint64_t calls_of_a_clean_run(std::uint64_t seed) {
    Machine machine(seed);
    base::SeededRandom random(seed);
    Server(machine, 1).live(random);
    return machine.disk.calls();
}

void run_once(bool is_power, std::uint64_t seed, Figures& figures) {
    base::SeededRandom fault(seed ^ 0x5eed);
    const std::uint64_t call = 1 + fault.u64() % calls_of_a_clean_run(seed);
    Machine machine(seed);
    if (is_power) {
        machine.dies_at_call = call;
        machine.disk.fail_call(call, EIO, ~std::uint64_t{0});
    } else {
        machine.disk.fail_call(call, fault.u64() % 2 == 0 ? EIO : ENOSPC, 1 + fault.u64() % 5);
    }
    {
        base::SeededRandom random(seed);
        Server(machine, 1).live(random);
    }
    if (is_power) machine.disk.power_loss();
    machine.disk.fail_call(0, 0, 0);
    machine.catalogue.is_dead = false;
    machine.dies_at_call = ~std::uint64_t{0};
    Server(machine, 2).recover_and_archive();
    ++figures.runs;
    check(machine, figures);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string kind = argc == 4 ? argv[1] : "";
    if (kind != "nth" && kind != "power") {
        std::cerr << "usage: prove_storage nth|power RUNS SEED\n";
        return 2;
    }
    const std::uint64_t runs = std::stoull(argv[2]);
    const std::uint64_t first = std::stoull(argv[3]);
    Figures figures;
    for (std::uint64_t seed = first; seed < first + runs; ++seed) {
        run_once(kind == "power", seed, figures);
        if (figures.is_clean()) continue;
        std::cerr << "broken at seed " << seed << ": prove_storage " << kind << " 1 " << seed
                  << '\n';
        break;
    }
    std::cout << nlohmann::json{{"kind", kind},
                                {"runs", figures.runs},
                                {"first_seed", first},
                                {"confirmed_packets", figures.durable},
                                {"stored_packets", figures.stored},
                                {"lost", figures.lost},
                                {"foreign", figures.foreign},
                                {"falsely_complete", figures.falsely_complete}}
                     .dump()
              << '\n';
    // A proof that saw nothing proves nothing.
    return figures.is_clean() && figures.durable > 0 && figures.stored > 0 ? 0 : 1;
}
