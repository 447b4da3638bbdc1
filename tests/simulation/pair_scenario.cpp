#include "pair_scenario.h"

#include "client_sessions.h"
#include "recording_server.h"

namespace earshot::simulation {

namespace {

constexpr std::chrono::hours kLongestRun{2};

class PairScenario {
public:
    PairScenario(std::uint64_t seed, bool is_traced)
        : random_(seed),
          draws_(random_),
          network_(draw_faults(), draws_),
          world_{.random = random_, .draws = draws_, .network = network_, .timers = {}},
          server_(world_, draw_server_faults()),
          clients_(world_, server_) {
        world_.is_traced = is_traced;
        for (std::uint64_t calls = draws_.between(1, 4); calls > 0; --calls) {
            const milliseconds start = draws_.time(0, 3000);
            const milliseconds talk = draws_.time(0, draws_.chance(30) ? 300 : 8000);
            clients_.plan(start, talk);
        }
        if (draws_.chance(30))
            for (std::uint64_t wishes = draws_.between(1, 4); wishes > 0; --wishes) {
                const auto wish =
                    RecordingServer::Wish{static_cast<std::uint8_t>(draws_.between(0, 3))};
                world_.later(draws_.time(300, 8000),
                             [this, wish] { server_.control_some_call(wish); });
            }
    }

    RunFigures run() {
        const base::TimePoint begin = world_.now.steady;
        while (step()) require(world_.now.steady - begin < kLongestRun, "both sides come to rest");
        clients_.check_rest();
        require(server_.calls() == 0, "no call stays at the server");
        require(server_.transactions() == 0, "no transaction stays at the server");
        require(server_.dialogs() == 0, "no dialog stays at the server");
        require(server_.capture().open_streams() == 0, "no stream stays open");
        RunFigures figures;
        figures.sessions = clients_.recorded();
        figures.compared = clients_.compared();
        figures.milliseconds = static_cast<std::uint64_t>(
            std::chrono::duration_cast<milliseconds>(world_.now.steady - begin).count());
        return figures;
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
        faults.refreshes_always = draws_.chance(20);
        if (draws_.chance(20)) faults.port_pairs = static_cast<std::uint16_t>(draws_.between(1, 8));
        return faults;
    }

    bool step() {
        std::optional<base::TimePoint> next;
        const auto consider = [&next](std::optional<base::TimePoint> when) {
            if (when && (!next || *when < *next)) next = when;
        };
        consider(network_.deadline());
        consider(world_.timers.deadline());
        consider(server_.deadline());
        consider(clients_.deadline());
        if (!next) return false;
        if (*next > world_.now.steady) {
            world_.now.wall += *next - world_.now.steady;
            world_.now.steady = *next;
        }
        while (const auto datagram = network_.take(world_.now.steady)) {
            if (datagram->to.same_host(server_.address())) server_.on_datagram(*datagram);
            clients_.on_datagram(*datagram);
        }
        world_.timers.on_time(world_.now.steady);
        if (server_.deadline() && *server_.deadline() <= world_.now.steady) server_.on_time();
        if (clients_.deadline() && *clients_.deadline() <= world_.now.steady) clients_.on_time();
        return true;
    }

    base::SeededRandom random_;
    Draws draws_;
    Network network_;
    World world_;
    RecordingServer server_;
    ClientSessions clients_;
};

}  // namespace

RunFigures run_pair_scenario(std::uint64_t seed, bool is_traced) {
    return PairScenario(seed, is_traced).run();
}

}  // namespace earshot::simulation
