#include "server/reload.h"

#include <gtest/gtest.h>

namespace earshot::server {
namespace {

TEST(Reload, NamesWhatWaitsForARestartAndTakesTheRest) {
    const ServerConfig running;
    ServerConfig next = running;
    next.max_calls = 7;
    EXPECT_EQ(keep_until_restart(next, running), "");
    EXPECT_EQ(next.max_calls, 7U);

    next.http_listen.port = 8081;
    next.data = "/elsewhere";
    next.join.window = std::chrono::seconds{1};
    EXPECT_EQ(keep_until_restart(next, running), "http.listen, storage.data, join.window_s");
    EXPECT_EQ(next.data, running.data);
    EXPECT_EQ(next.join.window, running.join.window);
    EXPECT_EQ(next.max_calls, 7U);
}

}  // namespace
}  // namespace earshot::server
