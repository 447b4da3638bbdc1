#include "integration/harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <thread>

extern char** environ;  // NOLINT: POSIX

namespace earshot::integration {

namespace fs = std::filesystem;

namespace {

int open_for_writing(const fs::path& path) {
    return ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
}

// The first of a range of its own below the ephemeral ports; single ports that are taken are
// skipped.
std::uint16_t random_media_port(std::uint16_t ports) {
    std::random_device random;
    return static_cast<std::uint16_t>(20000 + 2 * (random() % (6100U - ports / 2)));
}

// Waits until a daemon has printed its page, or ended instead.
bool wait_until_ready(Process& process, const fs::path& out) {
    eventually([&] {
        return read_file(out).find("page: ") != std::string::npos || !process.is_running();
    });
    return process.is_running();
}

}  // namespace

// Not from the kernel, which gives the same one to the next socket of any program that asks for
// none; and above those that it gives away (net.ipv4.ip_local_port_range).
std::uint16_t free_port() {
    constexpr unsigned kFirst = 61'000;
    constexpr unsigned kCount = 4500;
    static unsigned next = std::random_device{}() % kCount;
    for (unsigned attempt = 0; attempt < kCount; ++attempt) {
        const auto port = static_cast<std::uint16_t>(kFirst + next++ % kCount);
        const int tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        const bool is_free =
            ::bind(tcp, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
            ::bind(udp, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        ::close(tcp);
        ::close(udp);
        if (is_free) return port;
    }
    std::abort();
}

Process::Process(std::vector<std::string> command, const fs::path& out, const fs::path& err,
                 std::vector<std::string> environment) {
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    std::vector<char*> variables;
    for (std::string& variable : environment) variables.push_back(variable.data());
    for (char** inherited = environ; *inherited != nullptr; ++inherited)
        if (std::strncmp(*inherited, "EARSHOT_", 8) != 0) variables.push_back(*inherited);
    variables.push_back(nullptr);
    const int out_fd = open_for_writing(out);
    const int err_fd = open_for_writing(err);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::dup2(out_fd, STDOUT_FILENO);
        ::dup2(err_fd, STDERR_FILENO);
        ::execvpe(arguments[0], arguments.data(), variables.data());
        ::_exit(127);
    }
    ::close(out_fd);
    ::close(err_fd);
}

Process::~Process() {
    if (status_ != -1) return;
    signal(SIGKILL);
    wait();
}

void Process::signal(int number) const {
    if (status_ == -1) ::kill(pid_, number);
}

int Process::wait() {
    if (status_ == -1) {
        int raw = 0;
        ::waitpid(pid_, &raw, 0);
        status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    }
    return status_;
}

bool Process::is_running() {
    if (status_ != -1) return false;
    int raw = 0;
    if (::waitpid(pid_, &raw, WNOHANG) == 0) return true;
    status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return false;
}

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const fs::path& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
}

bool eventually(const std::function<bool()>& condition, std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    return true;
}

TemporaryDirectory::TemporaryDirectory() {
    std::string name = (fs::temp_directory_path() / "earshot-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

TestServer::TestServer(std::uint16_t media_ports)
    : sip_port_(free_port()), http_port_(free_port()), media_ports_(media_ports) {
    media_port_ = random_media_port(media_ports);
}

bool TestServer::start(std::vector<std::string> extra, std::vector<std::string> environment) {
    std::string listens;
    std::stringstream hosts(sip_hosts_);
    for (std::string host; std::getline(hosts, host, ',');)
        listens += (listens.empty() ? "" : ",") + host + ":" + std::to_string(sip_port_);
    std::vector<std::string> command{
        program_.empty() ? earshot_binary() : program_,
        "server",
        "--data",
        data().string(),
        "--sip",
        listens,
        "--http",
        "127.0.0.1:" + std::to_string(http_port_),
        "--media-ports",
        std::to_string(media_port_) + "-" + std::to_string(media_port_ + media_ports_ - 1)};
    command.insert(command.end(), extra.begin(), extra.end());
    // Servers run side by side. Of two the first counts.
    environment.emplace_back("EARSHOT_MSRP_LISTEN=127.0.0.1:0");
    const fs::path out = scratch() / "server.out";
    process_ = std::make_unique<Process>(std::move(command), out, scratch() / "server.log",
                                         std::move(environment));
    return wait_until_ready(*process_, out);
}

int TestServer::stop() {
    process_->signal(SIGTERM);
    return process_->wait();
}

void TestServer::kill() {
    process_->signal(SIGKILL);
    process_->wait();
}

Output TestServer::run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), earshot_binary());
    return run_command(arguments, {"EARSHOT_DATA=" + data().string()});
}

nlohmann::json TestServer::list() const {
    const Output output = run({"ls", "--json", "--limit", "1000"});
    return nlohmann::json::parse(output.out, nullptr, false);
}

nlohmann::json TestServer::wait_for_attempts(std::size_t count) const {
    nlohmann::json found;
    eventually([&] {
        found = nlohmann::json::parse(run({"ls", "--attempts", "--json"}).out, nullptr, false);
        return found.is_array() && found.size() >= count &&
               std::none_of(found.begin(), found.end(), [](const nlohmann::json& row) {
                   return row["outcome"] == "asked" || row["outcome"] == "recording";
               });
    });
    return found;
}

nlohmann::json TestServer::wait_for_recordings(std::size_t count) const {
    nlohmann::json found;
    eventually(
        [&] {
            found = list();
            if (!found.is_array()) return false;
            std::size_t final_ones = 0;
            for (const auto& recording : found)
                final_ones += recording["state"] != "recording" ? 1 : 0;
            return final_ones >= count;
        },
        std::chrono::seconds{60});
    return found;
}

std::string TestServer::sip_uri(const std::string& transport, const std::string& host) const {
    const std::string uri = "sip:recorder@" + host + ":" + std::to_string(sip_port_);
    return transport == "udp" ? uri : uri + ";transport=" + transport;
}

std::string TestServer::log() const {
    return read_file(scratch() / "server.log") + read_file(scratch() / "server.out");
}

TestClient::TestClient()
    : sip_port_(free_port()), http_port_(free_port()), media_port_(random_media_port(400)) {}

bool TestClient::start(const std::string& config, std::vector<std::string> extra) {
    const fs::path file = scratch() / "client.toml";
    write_file(file, config);
    constexpr int kPorts = 400;
    std::vector<std::string> command{
        earshot_binary(),
        "client",
        "--config",
        file.string(),
        "--data",
        data().string(),
        "--sip",
        sip(),
        "--http",
        "127.0.0.1:" + std::to_string(http_port_),
        "--media-ports",
        std::to_string(media_port_) + "-" + std::to_string(media_port_ + kPorts - 1)};
    command.insert(command.end(), extra.begin(), extra.end());
    const fs::path out = scratch() / "client.out";
    process_ = std::make_unique<Process>(std::move(command), out, scratch() / "client.log");
    return wait_until_ready(*process_, out);
}

int TestClient::stop() {
    process_->signal(SIGTERM);
    return process_->wait();
}

Output TestClient::run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), earshot_binary());
    return run_command(arguments, {"EARSHOT_CLIENT_DATA=" + data().string()});
}

nlohmann::json TestClient::calls() const {
    return nlohmann::json::parse(run({"calls", "--json"}).out, nullptr, false);
}

std::vector<std::string> TestClient::call_command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {earshot_binary(), "call", "--through", sip(), "--json"});
    return arguments;
}

nlohmann::json TestClient::call(std::vector<std::string> arguments) const {
    return nlohmann::json::parse(run_command(call_command(std::move(arguments))).out, nullptr,
                                 false);
}

std::unique_ptr<Process> TestClient::begin_call(std::vector<std::string> arguments) const {
    return std::make_unique<Process>(call_command(std::move(arguments)), scratch() / "call.json",
                                     scratch() / "call.log");
}

std::string TestClient::sip() const { return "127.0.0.1:" + std::to_string(sip_port_); }

std::string TestClient::log() const {
    return read_file(scratch() / "client.log") + read_file(scratch() / "client.out");
}

std::string earshot_binary() { return EARSHOT_BINARY; }
std::string tool(const std::string& name) { return std::string(EARSHOT_TOOLS) + "/" + name; }
std::string scenario(const std::string& name) {
    return std::string(EARSHOT_SIPP_SCENARIOS) + "/" + name;
}

Output run_command(const std::vector<std::string>& command,
                   const std::vector<std::string>& environment) {
    const TemporaryDirectory scratch;
    const fs::path out = scratch.path() / "out";
    const fs::path err = scratch.path() / "err";
    Process process(command, out, err, environment);
    const int exit_code = process.wait();
    return {.exit_code = exit_code, .out = read_file(out), .err = read_file(err)};
}

}  // namespace earshot::integration
