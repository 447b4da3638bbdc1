// The real binary on loopback: starts servers in directories of their own, runs the command line
// against them, and ends what it started. For tests that span processes; they wait for states,
// never assert on times.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace earshot::integration {

// A child process; killed when the object goes.
class Process {
public:
    // Output goes to the named files. An empty working directory is the caller's.
    Process(std::vector<std::string> command, const std::filesystem::path& out,
            const std::filesystem::path& err, std::vector<std::string> environment = {});
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    pid_t pid() const { return pid_; }
    void signal(int number) const;
    int wait();  // the exit code, or 128 + signal
    bool is_running();

private:
    pid_t pid_ = -1;
    int status_ = -1;  // once waited for
};

struct Output {
    int exit_code = -1;
    std::string out;
    std::string err;
};

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view text);

// Looks every 50 ms until `condition` holds; false after `limit`.
bool eventually(const std::function<bool()>& condition,
                std::chrono::seconds limit = std::chrono::seconds{30});

// A fresh directory, removed at the end.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

// `earshot server` on free ports. Not started by the constructor.
class TestServer {
public:
    // `media_ports`: two for each stream, and a freed one rests for 2 s before it is used again.
    explicit TestServer(std::uint16_t media_ports = 400);

    // SIP hosts, separated by commas, instead of 127.0.0.1; before start().
    void listen_at(std::string hosts) { sip_hosts_ = std::move(hosts); }
    // Another program than the one that was built; before start().
    void run_as(std::string program) { program_ = std::move(program); }
    // Starts it and waits until it is ready. `extra`: flags; `environment`: "NAME=value".
    // False when it ended instead: see log().
    bool start(std::vector<std::string> extra = {}, std::vector<std::string> environment = {});
    int stop();   // SIGTERM; the exit code
    void kill();  // SIGKILL, as a crash
    Process& process() { return *process_; }

    // Runs `earshot ARGUMENTS` against this server.
    Output run(std::vector<std::string> arguments) const;
    nlohmann::json list() const;  // `ls --json`
    // Waits until `count` recordings are in a final state; returns the list (newest first), or
    // null.
    nlohmann::json wait_for_recordings(std::size_t count) const;
    // Waits until there are as many attempts and all have their outcome (the rows are written soon
    // after the answer); returns them (newest first), or null.
    nlohmann::json wait_for_attempts(std::size_t count) const;

    std::string sip_uri(const std::string& transport = "udp",
                        const std::string& host = "127.0.0.1") const;
    std::uint16_t sip_port() const { return sip_port_; }
    std::uint16_t http_port() const { return http_port_; }
    std::filesystem::path data() const { return directory_.path() / "data"; }
    std::filesystem::path scratch() const { return directory_.path(); }
    std::string log() const;

private:
    TemporaryDirectory directory_;
    std::string sip_hosts_ = "127.0.0.1";
    std::string program_;  // empty: the one that was built
    std::uint16_t sip_port_;
    std::uint16_t http_port_;
    std::uint16_t media_ports_;
    std::uint16_t media_port_;
    std::unique_ptr<Process> process_;
};

// `earshot client` on free ports. Not started by the constructor.
class TestClient {
public:
    TestClient();

    // Starts it and waits until it is ready. `config`: its file. False when it ended instead.
    bool start(const std::string& config, std::vector<std::string> extra = {});
    int stop();  // SIGTERM; the exit code
    Process& process() { return *process_; }

    // Runs `earshot ARGUMENTS` against this client.
    Output run(std::vector<std::string> arguments) const;
    nlohmann::json calls() const;  // `calls --json`
    // Two phones that call each other through it; `earshot call --json ARGUMENTS`.
    nlohmann::json call(std::vector<std::string> arguments) const;
    std::unique_ptr<Process> begin_call(std::vector<std::string> arguments) const;

    std::string sip() const;  // HOST:PORT
    std::uint16_t http_port() const { return http_port_; }
    std::filesystem::path scratch() const { return directory_.path(); }
    std::filesystem::path data() const { return directory_.path() / "data"; }
    std::string log() const;

private:
    std::vector<std::string> call_command(std::vector<std::string> arguments) const;

    TemporaryDirectory directory_;
    std::uint16_t sip_port_;
    std::uint16_t http_port_;
    std::uint16_t media_port_;
    std::unique_ptr<Process> process_;
};

// A port that is free for UDP and TCP on loopback now.
std::uint16_t free_port();

// Paths that CMake tells: EARSHOT_BINARY, EARSHOT_TOOLS, EARSHOT_SIPP_SCENARIOS.
std::string earshot_binary();
std::string tool(const std::string& name);
std::string scenario(const std::string& name);

Output run_command(const std::vector<std::string>& command,
                   const std::vector<std::string>& environment = {});

}  // namespace earshot::integration
