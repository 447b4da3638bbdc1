// What the tests of RFC 6341's use cases share: a recording client that phones call through, and a
// recording server behind it, both the real binary.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "integration/harness.h"

namespace earshot::use_cases {

using integration::TestClient;
using integration::TestServer;
using nlohmann::json;

class UseCase : public testing::Test {
protected:
    static std::string servers(const std::vector<std::string>& uris) {
        std::string list;
        for (const std::string& uri : uris) list += (list.empty() ? "\"" : ", \"") + uri + "\"";
        return "servers = [" + list + "]\n";
    }
    // Server and client, all calls recorded here but for what `more` says.
    void start(const std::string& more = {}) {
        ASSERT_TRUE(server_.start()) << server_.log();
        ASSERT_TRUE(client_.start("[client]\n" + servers({server_.sip_uri()}) + more))
            << client_.log();
    }
    // A call, from Ada to Bo unless `flags` say otherwise, that both sides hear undisturbed.
    json call(std::vector<std::string> flags = {}, const std::string& seconds = "2") {
        flags.insert(flags.begin(), {"--duration", seconds});
        json run = client_.call(std::move(flags));
        EXPECT_EQ(run["summary"]["packets"]["lost"], 0U) << run.dump(1);
        for (const auto& [result, count] : run["summary"]["results"].items())
            EXPECT_EQ(result, "ok") << count << run.dump(1);
        return run;
    }
    // The recordings that are finished, newest first; there must be so many.
    json recordings(std::size_t count) const {
        json all = server_.wait_for_recordings(count);
        EXPECT_EQ(all.size(), count) << all.dump(1) << client_.log();
        return all;
    }
    static void expect_whole(const json& recording, std::size_t streams = 2) {
        EXPECT_EQ(recording["state"], "complete") << recording.dump(1);
        EXPECT_EQ(recording["streams"].size(), streams) << recording.dump(1);
        for (const json& stream : recording["streams"]) {
            EXPECT_GT(stream["packets"], 50U) << recording.dump(1);
            EXPECT_EQ(stream["lost"], 0U) << recording.dump(1);
        }
    }
    static std::uint64_t packets_of(const json& recording) {
        std::uint64_t sum = 0;
        for (const json& stream : recording["streams"])
            sum += stream["packets"].get<std::uint64_t>();
        return sum;
    }
    // The gaps of all streams that have this reason, in ms.
    static std::int64_t gaps_of(const json& recording, std::string_view reason) {
        std::int64_t sum = 0;
        for (const json& stream : recording["streams"])
            for (const json& gap : stream["gaps"])
                if (gap["reason"] == reason) sum += gap["duration_ms"].get<std::int64_t>();
        return sum;
    }
    // The first running call with a recording in that state; null when none comes to be.
    json wait_for_state(std::string_view state) const {
        json found;
        integration::eventually([&] {
            for (const json& call : client_.calls())
                for (const json& recording : call["recordings"])
                    if (recording["state"] == state) found = call;
            return !found.is_null();
        });
        return found;
    }
    // `earshot VERB CALL --client`.
    int tell(const std::string& verb, const json& call) const {
        return client_.run({verb, call["call_id"].get<std::string>(), "--client"}).exit_code;
    }
    json events_of(const json& recording) const {
        const auto exported = server_.run(
            {"export", recording["id"].get<std::string>(), "--format", "json", "-o", "-"});
        return json::parse(exported.out, nullptr, false).value("events", json::array());
    }

    TestServer server_;
    TestClient client_;
};

}  // namespace earshot::use_cases
