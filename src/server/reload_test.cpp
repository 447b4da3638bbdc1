#include "server/reload.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

namespace earshot::server {
namespace {

using Change = std::function<void(ServerConfig&)>;

const std::pair<const char*, Change> kKept[] = {
    {"sip.listen", [](ServerConfig& c) { c.sip_listen.resize(1); }},
    {"sip.advertised_address", [](ServerConfig& c) { c.advertised.resize(1); }},
    {"sip.dns_servers", [](ServerConfig& c) { c.dns_servers = "192.0.2.53"; }},
    {"http.listen", [](ServerConfig& c) { c.http_listen.port = 8081; }},
    {"media.ports", [](ServerConfig& c) { c.media_ports.high = 11'000; }},
    {"media.workers", [](ServerConfig& c) { c.media_workers = 3; }},
    {"media.reader", [](ServerConfig& c) { c.media_reader = capture::ReaderKind::IoUring; }},
    {"media.keep_alive_s", [](ServerConfig& c) { c.keep_alive = std::chrono::seconds{1}; }},
    {"storage.data", [](ServerConfig& c) { c.data = "/elsewhere"; }},
    {"storage.encrypt", [](ServerConfig& c) { c.encrypt = false; }},
    {"storage.key_command", [](ServerConfig& c) { c.key_command = {"/usr/local/bin/kms"}; }},
    {"storage.commit_interval_ms",
     [](ServerConfig& c) { c.commit_interval = std::chrono::milliseconds{1}; }},
    {"storage.too_short_ms", [](ServerConfig& c) { c.too_short = std::chrono::milliseconds{1}; }},
    {"join.window_s", [](ServerConfig& c) { c.join.window = std::chrono::seconds{1}; }},
};

TEST(Reload, EachKeyThatWaitsForARestartIsNamedAndPutBack) {
    const ServerConfig running;
    for (const auto& [key, change] : kKept) {
        ServerConfig next = running;
        change(next);
        EXPECT_EQ(keep_until_restart(next, running), key);
        EXPECT_EQ(keep_until_restart(next, running), "") << key << " was not put back";
    }
}

TEST(Reload, TheKeysThatWaitAreNamedTogetherAndTheRestIsTaken) {
    const ServerConfig running;
    ServerConfig next = running;
    next.max_calls = 7;
    EXPECT_EQ(keep_until_restart(next, running), "");
    std::string all;
    for (const auto& [key, change] : kKept) {
        change(next);
        all += (all.empty() ? "" : ", ") + std::string(key);
    }
    EXPECT_EQ(keep_until_restart(next, running), all);
    EXPECT_EQ(next.max_calls, 7U);
}

}  // namespace
}  // namespace earshot::server
