// An HTTP service for tests: what a decision hook or a webhook is to the daemons.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/log.h"
#include "http/server.h"

namespace earshot::integration {

// A decision hook or webhook that answers as it is told and keeps what it was asked.
class FakeHook {
public:
    using Answer = std::function<http::Response()>;

    explicit FakeHook(Answer answer) : answer_(std::move(answer)) {
        auto server = http::start_server(
            {.port = 0, .workers = 4},
            [this](const http::Request& request) {
                const std::lock_guard lock(mutex_);
                questions_.push_back(request);
                http::Response response;
                response.body = http::Deferred(answer_);  // may sleep: not on the http thread
                return response;
            },
            log_);
        EXPECT_TRUE(server) << server.error().text;
        if (server) server_ = std::move(*server);
    }
    FakeHook(const FakeHook&) = delete;
    FakeHook& operator=(const FakeHook&) = delete;
    ~FakeHook() { server_->stop(std::chrono::milliseconds{100}); }

    std::string url() const {
        return "http://127.0.0.1:" + std::to_string(server_->port()) + "/decide";
    }
    nlohmann::json question() {  // the last one
        const std::lock_guard lock(mutex_);
        return questions_.empty() ? nlohmann::json()
                                  : nlohmann::json::parse(questions_.back().body, nullptr, false);
    }
    int questions() {
        const std::lock_guard lock(mutex_);
        return static_cast<int>(questions_.size());
    }
    std::vector<http::Request> all() {
        const std::lock_guard lock(mutex_);
        return questions_;
    }

private:
    base::NullLog log_;
    Answer answer_;
    std::mutex mutex_;
    std::vector<http::Request> questions_;
    std::unique_ptr<http::Server> server_;
};

inline FakeHook::Answer says(std::string body, int status = 200) {
    return [=] { return http::make_response(status, "application/json", body); };
}

}  // namespace earshot::integration
