#include "scenario.h"

#include <algorithm>
#include <map>
#include <set>

#include "media.h"
#include "recording_client.h"
#include "recording_server.h"
#include "sip/parser.h"

namespace earshot::simulation {

namespace {

// Longer than all of SIP's timers, a session interval and the longest call in a row.
constexpr std::chrono::hours kLongestRun{2};

class Scenario {
public:
    Scenario(std::uint64_t seed, bool is_traced)
        : random_(seed),
          draws_(random_),
          network_(draw_faults(), draws_),
          world_{.random = random_, .draws = draws_, .network = network_, .timers = {}},
          server_faults_(draw_server_faults()),
          server_(world_, server_faults_) {
        world_.is_traced = is_traced;
        for (const char* address : {"198.51.100.10:5060", "198.51.100.20:5060"})
            clients_.push_back(std::make_unique<RecordingClient>(
                world_, *base::parse_net_address(address), server_.address()));
        plan_calls();
        plan_misfortunes();
    }

    RunFigures run() {
        const base::TimePoint begin = world_.now.steady;
        while (step()) {
            require(world_.now.steady - begin < kLongestRun, "both sides come to rest");
            require(server_.capture().pairs_in_use() == server_.capture().open_streams(),
                    "each pair of ports in use has its stream");
        }
        check_rest();
        check_rows();
        check_packets();
        figures_.milliseconds = static_cast<std::uint64_t>(
            std::chrono::duration_cast<milliseconds>(world_.now.steady - begin).count());
        return figures_;
    }

private:
    NetworkFaults draw_faults() {
        NetworkFaults faults;
        if (draws_.chance(70)) {
            faults.loss_percent = static_cast<unsigned>(draws_.between(0, 30));
            faults.duplicate_percent = static_cast<unsigned>(draws_.between(0, 20));
            faults.max_delay_ms = draws_.between(1, draws_.chance(30) ? 900 : 150);
        }
        return faults;
    }

    ServerFaults draw_server_faults() {
        ServerFaults faults;
        if (draws_.chance(30)) faults.slow_row_percent = 30;
        if (draws_.chance(10)) faults.failed_row_percent = 20;
        faults.asks_policy = draws_.chance(20);
        faults.refreshes_always = is_client_lost_;
        if (draws_.chance(20)) faults.port_pairs = static_cast<std::uint16_t>(draws_.between(1, 8));
        return faults;
    }

    void plan_calls() {
        const std::uint64_t calls = draws_.between(1, 6);
        for (std::uint32_t number = 0; number < calls; ++number) {
            CallPlan plan;
            plan.number = number;
            plan.start = draws_.time(0, 3000);
            plan.talk = draws_.chance(30) ? draws_.time(0, 400) : draws_.time(400, 8000);
            plan.ending = Ending{static_cast<std::uint8_t>(draws_.between(0, 3))};
            if (plan.ending == Ending::Cancel) plan.talk = draws_.time(0, 300);
            if (plan.ending == Ending::NoAck && draws_.chance(50)) plan.ending = Ending::Bye;
            for (std::uint64_t left = draws_.between(0, 6); left > 0; --left) {
                const milliseconds at =
                    draws_.time(0, static_cast<std::uint64_t>(plan.talk.count()));
                plan.steps.emplace_back(at, Step{static_cast<std::uint8_t>(draws_.between(0, 7))});
            }
            plan.is_offerless = draws_.chance(10);
            plan.has_session_timer = draws_.chance(30);
            plan.has_broken_metadata = draws_.chance(10);
            plan.sends_while_held = draws_.chance(50);
            plan.sends_from_elsewhere = draws_.chance(20);
            plan.is_repeated = draws_.chance(30);
            const bool changes_source =
                std::any_of(plan.steps.begin(), plan.steps.end(),
                            [](const auto& step) { return step.second == Step::NewSource; });
            if (plan.is_repeated || changes_source) is_orderly_ = false;
            clients_[number % clients_.size()]->plan(plan);
        }
    }

    void plan_misfortunes() {
        if (draws_.chance(30)) {
            is_orderly_ = false;
            has_steady_clock_ = false;
            step_clock_later();
        }
        if (draws_.chance(20)) {
            is_orderly_ = false;
            forge_later(static_cast<unsigned>(draws_.between(10, 200)));
        }
        // Where ports are scarce they rest for 2 s only, and a client that has lost our BYE may
        // still send to one that belongs to another call by then.
        const bool has_few_ports = server_faults_.port_pairs < kPlentyOfPairs;
        if (!has_few_ports && draws_.chance(30))
            for (std::uint64_t wishes = draws_.between(1, 4); wishes > 0; --wishes) {
                const auto wish =
                    RecordingServer::Wish{static_cast<std::uint8_t>(draws_.between(0, 3))};
                world_.later(draws_.time(300, 8000),
                             [this, wish] { server_.control_some_call(wish); });
            }
        if (is_client_lost_)
            world_.later(draws_.time(0, 8000), [this] {
                clients_.back()->switch_off();
                network_.cut_off(clients_.back()->address());
            });
    }

    // Somebody at a client's host sends to the ports of calls, from a port that no SDP names.
    void forge_later(unsigned packets) {
        if (packets == 0) return;
        world_.later(draws_.time(5, 50), [this, packets] {
            const auto open = server_.capture().open_addresses();
            if (!open.empty()) {
                const base::NetAddress& target = open[draws_.between(0, open.size() - 1)];
                base::NetAddress forger = clients_[draws_.between(0, 1)]->address();
                forger.port = 31000;
                const std::uint64_t number = forged_[target.port]++;
                base::Bytes packet =
                    make_packet(0xf0000000U + target.port, static_cast<std::uint16_t>(number),
                                static_cast<std::uint32_t>(number * 320), {kForged, 0, number});
                network_.send(
                    world_.now.steady,
                    {forger, target, std::make_shared<const base::Bytes>(std::move(packet))});
            }
            forge_later(packets - 1);
        });
    }

    // Backwards as often as forwards.
    void step_clock_later() {
        world_.later(draws_.time(0, 4000), [this] {
            if (server_.capture().is_waiting()) return step_clock_later();
            const milliseconds by = draws_.time(1, draws_.chance(50) ? 500 : 3'600'000);
            world_.now.wall += draws_.chance(50) ? by : -by;
            world_.trace("the clock steps");
            if (draws_.chance(30)) {
                is_orderly_ = false;
                has_steady_clock_ = false;
                step_clock_later();
            }
            if (draws_.chance(20)) {
                is_orderly_ = false;
                forge_later(static_cast<unsigned>(draws_.between(10, 200)));
            }
        });
    }

    // The next thing that happens anywhere; false when nothing will.
    bool step() {
        std::optional<base::TimePoint> next;
        const auto consider = [&next](std::optional<base::TimePoint> when) {
            if (when && (!next || *when < *next)) next = when;
        };
        consider(network_.deadline());
        consider(world_.timers.deadline());
        consider(server_.deadline());
        for (const auto& client : clients_)
            if (!client->is_off()) consider(client->deadline());
        if (!next) return false;
        if (*next > world_.now.steady) {
            world_.now.wall += *next - world_.now.steady;
            world_.now.steady = *next;
        }
        while (const auto datagram = network_.take(world_.now.steady)) {
            if (datagram->to.same_host(server_.address())) {
                note_invite(*datagram);
                server_.on_datagram(*datagram);
            }
            for (const auto& client : clients_)
                if (datagram->to.same_host(client->address())) client->on_datagram(*datagram);
        }
        world_.timers.on_time(world_.now.steady);
        if (server_.deadline() && *server_.deadline() <= world_.now.steady) server_.on_time();
        for (const auto& client : clients_)
            if (client->deadline() && *client->deadline() <= world_.now.steady) client->on_time();
        return true;
    }

    // Each INVITE outside a dialog that reaches the server, once: by Call-ID and From tag.
    void note_invite(const Datagram& datagram) {
        if (datagram.to != server_.address()) return;
        const auto parsed = sip::parse_message(*datagram.bytes);
        if (parsed.message.method() == sip::Method::Invite && parsed.message.to_tag().empty())
            invites_.emplace(parsed.message.call_id(), parsed.message.from_tag());
    }

    // ---- when all is quiet ----

    void check_rest() const {
        require(server_.calls() == 0, "no call stays at the server");
        require(server_.transactions() == 0, "no transaction stays at the server");
        require(server_.dialogs() == 0, "no dialog stays at the server");
        require(server_.capture().open_streams() == 0, "no stream stays open");
        require(server_.capture().pairs_in_use() == 0, "all ports come back");
        for (const auto& client : clients_) {
            if (client->is_off()) continue;
            require(client->open_calls() == 0, "each call of a client ends");
            require(client->transactions() == 0, "no transaction stays at a client");
            require(client->dialogs() == 0, "no dialog stays at a client");
        }
        for (const auto& [id, recording] : server_.capture().recordings())
            require(recording.is_closed, "each recording is closed");
    }

    void check_rows() {
        std::set<std::pair<std::string, std::string>> told;
        for (const Row& row : server_.rows()) {
            require(row.outcome != "recording", "no row is without an outcome");
            require(told.emplace(row.call_id, row.from_tag).second, "an INVITE has one row");
            if (row.outcome == "recorded") ++figures_.recorded;
        }
        require(told == invites_, "each INVITE that arrived has its row");
        for (const auto& client : clients_)
            for (const auto& one_result : client->results()) {
                const auto& result = one_result.second;  // no binding: lambdas capture it
                ++figures_.calls;
                if (!result.was_running) continue;
                const auto row =
                    std::find_if(server_.rows().begin(), server_.rows().end(), [&](const Row& one) {
                        return one.call_id == result.call_id && one.from_tag == result.from_tag;
                    });
                require(row != server_.rows().end() && row->outcome == "recorded",
                        "what a client saw answered was recorded");
            }
    }

    // A packet lies in the recording of its own call, and in no other; a stream is of one voice.
    void check_packets() {
        for (const auto& [id, recording] : server_.capture().recordings()) {
            require(!is_orderly_ || recording.rejected == 0,
                    "no packet of a client that keeps to the rules is refused");
            std::map<std::uint16_t, std::vector<const StoredPacket*>> streams;
            for (const StoredPacket& packet : recording.packets)
                streams[packet.stream].push_back(&packet);
            for (const auto& [number, packets] : streams)
                check_stream(server_.call_ids().at(id), packets);
            figures_.packets += recording.packets.size();
        }
    }

    void check_stream(const std::string& call_id, const std::vector<const StoredPacket*>& packets) {
        constexpr std::int64_t kSilenceNs = 500'000'000;
        std::optional<std::uint32_t> voice;
        std::optional<std::int64_t> heard_at;   // at the address of the SDP
        std::optional<std::int64_t> forged_at;  // the newest since then
        // Who begins to speak when the voice has fallen silent is held until that is certain, and
        // stored from its beginning.
        const auto check_silence = [&](std::int64_t until) {
            require(
                !has_steady_clock_ || !forged_at || !heard_at || until - *heard_at >= kSilenceNs,
                "no forged packet is stored while the address of the SDP speaks");
        };
        for (const StoredPacket* packet : packets) {
            const auto key = key_of(packet->bytes);
            require(key.has_value(), "only what was sent is stored");
            if (key->call == kForged) {
                ++figures_.forged;
                forged_at = packet->arrival_ns;
                continue;
            }
            require(call_id_of(*key) == call_id, "a packet is stored in the recording of its call");
            require(!voice || *voice == key->stream, "a stream is of one voice");
            voice = key->stream;
            if (!is_heard_where_sdp_says(*key)) continue;
            check_silence(packet->arrival_ns);
            forged_at.reset();
            heard_at = packet->arrival_ns;
        }
        check_silence(forged_at.value_or(0));
    }

    bool is_heard_where_sdp_says(const loadgen::PayloadKey& key) const {
        return std::any_of(clients_.begin(), clients_.end(), [&](const auto& client) {
            return client->is_heard_where_sdp_says(key.call);
        });
    }

    std::string call_id_of(const loadgen::PayloadKey& key) const {
        for (const auto& client : clients_)
            if (std::string id = client->call_id(key.call); !id.empty()) return id;
        return {};
    }

    base::SeededRandom random_;
    Draws draws_;
    // One client's host fails. Its calls end because the server asks whether it still is there.
    bool is_client_lost_ = draws_.chance(10);
    Network network_;
    World world_;
    ServerFaults server_faults_;
    RecordingServer server_;
    std::vector<std::unique_ptr<RecordingClient>> clients_;
    std::set<std::pair<std::string, std::string>> invites_;
    std::map<std::uint16_t, std::uint64_t> forged_;  // packets to each port
    bool is_orderly_ = true;  // no client, clock or stranger does what may cost a packet
    bool has_steady_clock_ = true;
    RunFigures figures_;
};

}  // namespace

RunFigures run_scenario(std::uint64_t seed, bool is_traced) {
    return Scenario(seed, is_traced).run();
}

}  // namespace earshot::simulation
