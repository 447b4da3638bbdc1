#include "api/api.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "api/access_control.h"
#include "api/views.h"
#include "archive/summary.h"
#include "http/response_head.h"
#include "siprec/limits.h"

namespace earshot::api {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kId = "0199c0de-0000-7000-8000-000000000001";
constexpr const char* kOther = "0199c0de-0000-7000-8000-000000000002";

// Rows in memory, found by the rules of the real one that matter here.
class FakeCatalog : public catalog::Catalog {
public:
    bool submit(catalog::Change change, catalog::Committed committed) override {
        changes.push_back(std::move(change));
        committed(std::nullopt);
        return true;
    }
    base::Result<std::vector<catalog::Recording>, base::Reason> list(
        const catalog::RecordingQuery& query) override {
        last_query = query;
        if (is_broken) return base::Reason{"catalogue_busy", "Locked."};
        return rows;
    }
    base::Result<std::vector<catalog::Attempt>, base::Reason> list_attempts(
        const catalog::AttemptQuery&) override {
        catalog::Attempt attempt;
        attempt.id = kOther;
        attempt.outcome = "refused";
        attempt.sip_status = 488;
        attempt.is_ours = true;
        attempt.from = "sip:\xff@example.com";
        attempt.reason = base::Reason{"no_media", "No audio."};
        return std::vector{attempt};
    }
    base::Result<catalog::Recording, catalog::FindError> find(std::string_view prefix) override {
        using Kind = catalog::FindError::Kind;
        if (prefix.size() < catalog::kMinPrefix)
            return catalog::FindError{Kind::TooShort, {}, {"id_too_short", "Too short."}};
        std::vector<catalog::Recording> found;
        for (const auto& row : rows)
            if (row.id.starts_with(prefix)) found.push_back(row);
        if (found.empty())
            return catalog::FindError{Kind::NotFound, {}, {"not_found", "No such recording."}};
        if (found.size() == 1) return found.front();
        return catalog::FindError{Kind::Ambiguous, {kId, kOther}, {"ambiguous_id", "Two."}};
    }
    base::Result<catalog::Recording, catalog::FindError> find_piece(std::string_view id) override {
        return find(id);
    }
    base::Result<std::vector<catalog::PeerCount>, base::Reason> count_by_peer(
        base::WallTime) override {
        return std::vector<catalog::PeerCount>{{"192.0.2.7", "declined", "", "declined_by_rule", 3},
                                               {"192.0.2.7", "recorded", "complete", "", 5},
                                               {"192.0.2.7", "", "complete", "one_sided", 2},
                                               {"192.0.2.9", "recorded", "failed", "no_media", 1}};
    }
    base::Result<std::vector<catalog::Recording>, base::Reason> list_unfinished() override {
        return rows;
    }
    catalog::Health health() const override { return health_now; }

    std::vector<catalog::Recording> rows;
    catalog::RecordingQuery last_query;
    catalog::Health health_now;
    bool is_broken = false;
    std::vector<catalog::Change> changes;
};

class TextRendering : public archive::Rendering {
public:
    TextRendering(std::string text, bool has_size) : text_(std::move(text)), has_size_(has_size) {}
    std::optional<std::uint64_t> size() const override {
        return has_size_ ? std::optional<std::uint64_t>(text_.size()) : std::nullopt;
    }
    base::Result<bool, base::Reason> next(std::string& chunk) override {
        chunk = text_.substr(place_, 3);
        place_ += chunk.size();
        return !chunk.empty();
    }

private:
    const std::string text_;
    const bool has_size_;
    std::size_t place_ = 0;
};

class TextContent : public http::ByteSource {
public:
    explicit TextContent(std::string text) : text_(std::move(text)) {}
    std::uint64_t size() const override { return text_.size(); }
    base::Result<std::size_t, base::Reason> read(std::uint64_t offset,
                                                 std::span<std::uint8_t> out) override {
        const std::string part = text_.substr(offset, out.size());
        std::copy(part.begin(), part.end(), out.begin());
        return part.size();
    }

private:
    const std::string text_;
};

class FakeFiles : public RecordingFiles {
public:
    base::Result<std::unique_ptr<archive::Rendering>, base::Reason> render(
        const catalog::Recording&, archive::Format format, archive::Reading reading,
        std::chrono::minutes offset) const override {
        if (format == archive::Format::Chat)
            return make(reading == archive::Reading::Everything ? "all" : "not all", false);
        if (format == archive::Format::Text)
            return make(std::to_string(offset.count()) + " minutes", false);
        if (format == archive::Format::Xml) return base::Reason{"no_metadata", "None."};
        if (format == archive::Format::Json)
            return make(R"({"summary":{},"events":[{"type":"dtmf"}],"manifest":{"parts":[1]}})",
                        false);
        return make("0123456789",
                    format == archive::Format::Wav || format == archive::Format::Stereo);
    }
    base::Result<std::unique_ptr<http::ByteSource>, base::Reason> open_track(
        const catalog::Recording&, std::string_view) const override {
        return base::Reason{"not_found", "No such track."};
    }
    base::Result<Message, base::Reason> open_message(const catalog::Recording&,
                                                     std::uint64_t number,
                                                     archive::Reading reading) const override {
        if (reading == archive::Reading::WithoutPrivate)
            return base::Reason{"private_message", "Not for you."};
        if (number == kSentMessage)
            return Message{std::make_unique<TextContent>("<script>alert(1)</script>"), sent_as};
        return base::Reason{"not_found", "No such message."};
    }
    base::Result<std::string, base::Reason> read_peaks(const catalog::Recording&) const override {
        return std::string(
            R"({"interval_ms":100,"tracks":[{"label":"1","min":[-16384,0],"max":[16384,0]}]})");
    }
    base::Result<archive::Verification, base::Reason> verify(
        const catalog::Recording& recording) const override {
        if (recording.directory.empty()) return base::Reason{"not_archived", "Still running."};
        archive::Verification verification;
        verification.faults.push_back({"hash", "packets", "The part packets was changed.", {}, {}});
        return verification;
    }

    std::optional<base::Reason> find_obstacle(const catalog::Recording& piece) const override {
        const auto found = obstacles.find(piece.id);
        return found == obstacles.end() ? std::nullopt : std::optional(found->second);
    }
    std::optional<base::Reason> erase(const catalog::Recording& piece) const override {
        const auto found = failures.find(piece.id);
        if (found != failures.end()) return found->second;
        erased.push_back(piece.id);
        return std::nullopt;
    }
    static constexpr std::uint64_t kSentMessage = 7;
    std::string sent_as;  // the name of that message's file
    mutable std::vector<std::string> erased;
    std::map<std::string, base::Reason> obstacles;  // by piece
    std::map<std::string, base::Reason> failures;

private:
    static base::Result<std::unique_ptr<archive::Rendering>, base::Reason> make(std::string text,
                                                                                bool has_size) {
        return std::unique_ptr<archive::Rendering>(
            std::make_unique<TextRendering>(std::move(text), has_size));
    }
};

class FakeStatus : public Status {
public:
    std::vector<LiveCall> live_calls() const override {
        LiveCall call;
        call.id = kId;
        call.streams.push_back({.stream = 0,
                                .label = "1",
                                .codec = "PCMU/8000",
                                .suite = "AEAD_AES_128_GCM",
                                .dtls_role = "passive",
                                .packets = 7});
        return {call};
    }
    std::vector<Check> checks() const override {
        return {{"disk", Check::State::Warning, "Only 1 GB is left."}};
    }
    Clients clients() const override {
        Client client;
        client.peer = "sbc1";
        client.user_agent = "SBC \"7\"";
        client.calls = 12;
        client.faults.push_back(
            {"no_option_tag", "Q24", "no Require: siprec", "taken", 11, {}, {}});
        return {{}, {client}};
    }
    bool is_ready() const override { return is_ready_now; }
    bool is_ready_now = true;
};

class FakeControl : public Control {
public:
    std::optional<base::Reason> control(const ControlRequest& request) override {
        asked.push_back(request);
        return refusal;
    }
    base::Result<Started, base::Reason> start(const StartRequest& request) override {
        started.push_back(request);
        if (refusal) return *refusal;
        return Started{"the-recording", "the-attempt"};
    }
    std::vector<ControlRequest> asked;
    std::vector<StartRequest> started;
    std::optional<base::Reason> refusal;
};

class FakeKeys : public KeyControl {
public:
    class Job : public KeyRotationJob {
    public:
        std::optional<Progress> step() override {
            if (done_ == 2) return std::nullopt;
            return Progress{.key = "k2", .done = ++done_, .total = 2, .wrapped = done_};
        }

    private:
        std::size_t done_ = 0;
    };
    base::Result<KeyList, base::Reason> list() override {
        KeyList list{.unreadable = 1, .missing = 2};
        list.keys.push_back({.id = "k1", .is_current = true, .recordings = 7});
        return list;
    }
    base::Result<std::unique_ptr<KeyRotationJob>, base::Reason> rotate() override {
        if (refusal) return *refusal;
        return std::unique_ptr<KeyRotationJob>(std::make_unique<Job>());
    }
    std::optional<base::Reason> remove(const std::string& id) override {
        removed.push_back(id);
        return refusal;
    }
    std::vector<std::string> removed;
    std::optional<base::Reason> refusal;
};

class NotingLog : public base::Log {
public:
    void write(base::LogLevel /*level*/, std::string_view message,
               std::initializer_list<base::LogField> fields) override {
        lines += std::string(message);
        for (const base::LogField& field : fields)
            lines += fmt::format(" {}={}", field.key, field.value);
        lines += '\n';
    }
    std::string lines;
};

class ApiTest : public testing::Test {
protected:
    ApiTest() {
        catalog::Recording row;
        row.id = kId;
        row.state = catalog::State::Complete;
        row.duration_ms = 1500;
        row.call_ids = {"c1"};
        row.directory = "2026/03/02/x";
        row.summary = R"({"participants":[{"aor":"sip:a@example.com","name":"A"}],"state":"old"})";
        catalog_.rows.push_back(row);
    }

    static http::Request make_request(std::string_view method, std::string_view target) {
        http::Request request = *http::parse_target(target);
        request.method = std::string(method);
        request.headers.push_back({"Host", "127.0.0.1:8080"});
        return request;
    }
    // As the server does: runs what was deferred or parked.
    http::Response send(const http::Request& request) {
        http::Response response = api_.handle(request);
        while (true) {
            http::Deferred work;
            if (auto* deferred = std::get_if<http::Deferred>(&response.body))
                work = std::move(*deferred);
            else if (auto* parked = std::get_if<http::Parked>(&response.body))
                work = std::move(parked->then);
            else
                return response;
            response = work();
        }
    }
    http::Response ask(std::string_view target, std::string_view method = "GET") {
        http::Request request = make_request(method, target);
        request.headers.push_back({"Authorization", "Bearer the-token"});
        return send(request);
    }
    // A body that is made piece by piece.
    static std::string drain(http::Response response) {
        const auto* producer = std::get_if<http::Producer>(&response.body);
        if (producer == nullptr) return {};
        std::string all;
        for (std::string chunk; *(*producer)(chunk); chunk.clear()) all += chunk;
        return all;
    }
    json ask_json(std::string_view target, std::string_view method = "GET") {
        return json::parse(ask(target, method).text());
    }

    FakeCatalog catalog_;
    FakeFiles files_;
    FakeStatus status_;
    FakeControl control_;
    FakeKeys keys_;
    std::unique_ptr<Assets> assets_ = make_minimal_assets();
    io::ManualClock clock_;
    base::SeededRandom random_{1};
    NotingLog log_;
    Api api_{{.token = "the-token", .url = "http://127.0.0.1:8080"},
             {catalog_, files_, status_, *assets_, clock_, random_, log_, &control_, &keys_}};
};

TEST_F(ApiTest, ControlsARunningRecordingAndTellsWhoAsked) {
    catalog_.rows[0].state = catalog::State::Recording;
    http::Request request =
        make_request("POST", std::string("/api/v1/recordings/") + kId + "/pause");
    request.headers.push_back({"Authorization", "Bearer the-token"});
    request.peer = "127.0.0.1:9";
    request.body = R"({"who":"ada","reason":"card number","later":1})";
    const http::Response response = send(request);
    EXPECT_EQ(response.status, 202) << response.text();
    EXPECT_EQ(json::parse(response.text())["id"], kId);
    ASSERT_EQ(control_.asked.size(), 1U);
    const ControlRequest& asked = control_.asked[0];
    EXPECT_EQ(asked.verb, ControlRequest::Verb::Pause);
    EXPECT_EQ(asked.recording, kId);
    EXPECT_EQ(asked.who, "ada");
    EXPECT_EQ(asked.access, "token");
    EXPECT_EQ(asked.from, "127.0.0.1:9");
    EXPECT_EQ(asked.reason, "card number");

    // Both go into log lines and rows: cut at the door.
    const std::string edge(siprec::kMaxControlTextBytes, 'x');
    request.body = json({{"who", edge}, {"reason", edge + "y"}}).dump();
    EXPECT_EQ(send(request).status, 202);
    EXPECT_EQ(control_.asked[1].who, edge);
    EXPECT_EQ(control_.asked[1].reason, edge);

    request.body = "[1";
    EXPECT_EQ(send(request).status, 400);
    control_.refusal = base::Reason{"not_running", "Gone."};
    request.body.clear();
    EXPECT_EQ(send(request).status, 409);
}

TEST_F(ApiTest, P9_StartsARecordingAtAClientAndTellsWhereItsOutcomeWillStand) {
    http::Request request = make_request("POST", "/api/v1/recordings");
    request.headers.push_back({"Authorization", "Bearer the-token"});
    request.body = R"({"at":"sip:sbc@192.0.2.10","call":"abc@x","who":"ada","reason":"audit"})";
    const http::Response response = send(request);
    EXPECT_EQ(response.status, 202) << response.text();
    EXPECT_EQ(json::parse(response.text()),
              json({{"id", "the-recording"}, {"attempt_id", "the-attempt"}}));
    ASSERT_EQ(control_.started.size(), 1U);
    EXPECT_EQ(control_.started[0].at, "sip:sbc@192.0.2.10");
    EXPECT_EQ(control_.started[0].call, "abc@x");
    EXPECT_EQ(control_.started[0].who, "ada");
    EXPECT_EQ(control_.started[0].access, "token");
    EXPECT_EQ(control_.started[0].reason, "audit");
    for (const auto& [code, status] : {std::pair{"bad_request", 400},
                                       {"unknown_peer", 403},
                                       {"too_many_calls", 503},
                                       {"stopping", 503}}) {
        control_.refusal = base::Reason{code, "No."};
        EXPECT_EQ(send(request).status, status) << code;
    }
    request.body = "sip:sbc@192.0.2.10";
    EXPECT_EQ(send(request).status, 400);
    EXPECT_EQ(send(make_request("POST", "/api/v1/recordings")).status, 401);
}

TEST_F(ApiTest, ErasesTheKeyAndThenWhatTheRowsTellOfPersons) {
    catalog_.rows[0].search = "alice";
    catalog_.rows[0].group = "sales";
    catalog_.rows[0].summary =
        R"({"id":"0199c0de-0000-7000-8000-000000000001","state":"complete","reason":null,)"
        R"("start":"2026-03-02T09:15:00.120Z","duration_ms":1500,"call_ids":["c1"],)"
        R"("session_ids":[],"participants":[{"aor":"sip:a@example.com","name":"A"}],)"
        R"("streams":[{"label":"1","media":"audio","codec":"PCMU/8000","packets":7,"lost":0,)"
        R"("gaps":[]}],"group":null,"profile":null,"headers":{"X-A":"b"},"extensions":{},)"
        R"("warnings":[]})";
    http::Request request =
        make_request("POST", std::string("/api/v1/recordings/") + kId + "/erase");
    request.headers.push_back({"Authorization", "Bearer the-token"});
    request.peer = "127.0.0.1:9";
    request.body = R"({"who":"ada","reason":"GDPR art. 17"})";
    const http::Response response = send(request);
    ASSERT_EQ(response.status, 200) << response.text();
    EXPECT_EQ(files_.erased, std::vector<std::string>{kId});
    EXPECT_THAT(log_.lines, HasSubstr("by ada (token, 127.0.0.1:9): GDPR art. 17"));
    ASSERT_EQ(catalog_.changes.size(), 1U);
    const catalog::Recording& row = catalog_.changes[0].recordings.at(0);
    EXPECT_EQ(row.reason->code, "erased");
    EXPECT_THAT(row.reason->text, HasSubstr("by ada (token, 127.0.0.1:9): GDPR art. 17"));
    EXPECT_EQ(row.state, catalog::State::Complete);
    EXPECT_TRUE(row.search.empty() && row.group.empty() && row.call_ids.empty());
    const auto kept = archive::parse_summary(row.summary);
    ASSERT_TRUE(kept) << row.summary;
    EXPECT_TRUE(kept->participants.empty() && kept->headers.empty() && kept->call_ids.empty());
    EXPECT_EQ(kept->duration_ms, 1500);
    EXPECT_EQ(kept->streams.at(0).packets, 7U);
    EXPECT_TRUE(catalog_.changes[0].attempts.at(0).from.empty());
}

TEST_F(ApiTest, ErasesNothingThatRunsAndForgetsNothingThatCanBeRead) {
    const std::string path = std::string("/api/v1/recordings/") + kId + "/erase";
    EXPECT_EQ(send(make_request("POST", path)).status, 401);
    files_.failures[kId] = {"io", "The disk."};
    EXPECT_EQ(ask(path, "POST").status, 500);
    EXPECT_THAT(log_.lines, HasSubstr("failure=The disk."));
    files_.obstacles[kId] = {"not_encrypted", "Delete its folder."};
    EXPECT_EQ(ask(path, "POST").status, 409);
    files_.obstacles.clear();
    files_.failures.clear();
    catalog_.rows[0].state = catalog::State::Recording;
    EXPECT_EQ(ask(path, "POST").status, 409);
    EXPECT_TRUE(files_.erased.empty());
    EXPECT_TRUE(catalog_.changes.empty());
}

TEST_F(ApiTest, ListsKeysAndWhatNeedsThem) {
    const json list = ask_json("/api/v1/keys");
    ASSERT_EQ(list["keys"].size(), 1U);
    EXPECT_EQ(list["keys"][0]["id"], "k1");
    EXPECT_EQ(list["keys"][0]["current"], true);
    EXPECT_EQ(list["keys"][0]["recordings"], 7);
    EXPECT_EQ(list["unreadable"], 1);
    EXPECT_EQ(list["missing_recordings"], 2);
}

TEST_F(ApiTest, RotatesKeysWhileItsProgressIsRead) {
    http::Response response = ask("/api/v1/keys/rotate", "POST");
    ASSERT_EQ(response.status, 200);
    auto& producer = std::get<http::Producer>(response.body);
    std::string chunk;
    for (const int done : {1, 2}) {
        ASSERT_TRUE(*producer(chunk));
        EXPECT_EQ(chunk.back(), '\n');
        EXPECT_EQ(json::parse(chunk)["done"], done);
    }
    EXPECT_FALSE(*producer(chunk));
    keys_.refusal = base::Reason{"rotation_running", "Wait."};
    EXPECT_EQ(ask("/api/v1/keys/rotate", "POST").status, 409);
}

TEST_F(ApiTest, RemovesAKeyForWhoHasTheToken) {
    EXPECT_EQ(ask("/api/v1/keys/k1", "DELETE").status, 200);
    EXPECT_EQ(keys_.removed, std::vector<std::string>{"k1"});
    keys_.refusal = base::Reason{"key_in_use", "7 recordings need it."};
    EXPECT_EQ(ask("/api/v1/keys/k1", "DELETE").status, 409);
    keys_.refusal = base::Reason{"not_found", "There is none."};
    EXPECT_EQ(ask("/api/v1/keys/k9", "DELETE").status, 404);
    EXPECT_EQ(send(make_request("DELETE", "/api/v1/keys/k1")).status, 401);
    EXPECT_EQ(keys_.removed.size(), 3U);
}

TEST_F(ApiTest, P43_StopsOneStreamByItsLabel) {
    catalog_.rows[0].state = catalog::State::Recording;
    const std::string one = std::string("/api/v1/recordings/") + kId;
    EXPECT_EQ(ask(one + "/streams/a%20b/stop", "POST").status, 202);
    ASSERT_EQ(control_.asked.size(), 1U);
    EXPECT_EQ(control_.asked[0].verb, ControlRequest::Verb::StopStream);
    EXPECT_EQ(control_.asked[0].stream, "a b");
    control_.refusal = base::Reason{"no_such_stream", "None."};
    EXPECT_EQ(ask(one + "/streams/9/stop", "POST").status, 409);
}

TEST_F(ApiTest, ACallWhoseRowIsLateIsControlledByItsFullId) {
    catalog_.rows.clear();
    EXPECT_EQ(ask(std::string("/api/v1/recordings/") + kId + "/pause", "POST").status, 202);
    ASSERT_EQ(control_.asked.size(), 1U);
    EXPECT_EQ(control_.asked[0].recording, kId);
    EXPECT_EQ(ask("/api/v1/recordings/01900000-0000-7000/pause", "POST").status, 404);
}

TEST_F(ApiTest, WhatRunsNoMoreCannotBeControlled) {
    for (const char* verb : {"pause", "resume", "stop"}) {
        const std::string target = std::string("/api/v1/recordings/") + kId + "/" + verb;
        EXPECT_EQ(ask(target, "POST").status, 409) << verb;
        EXPECT_EQ(ask(target, "GET").status, 405) << verb;
        EXPECT_EQ(send(make_request("POST", target)).status, 401) << verb;
    }
    EXPECT_TRUE(control_.asked.empty());
}

TEST_F(ApiTest, RefusesWhoHasNoToken) {
    for (const char* target : {"/api/v1/recordings", "/api/v1/live", "/api/v1/events",
                               "/api/v1/health", "/api/v1/clients", "/api/v1/nothing"}) {
        const http::Response response = send(make_request("GET", target));
        EXPECT_EQ(response.status, 401) << target;
        EXPECT_EQ(response.header("content-type"), "application/problem+json");
        EXPECT_THAT(response.header("www-authenticate"), HasSubstr("Bearer"));
    }
    for (const char* field : {"Bearer", "Bearer ", "Bearer the-toke", "Bearer the-tokens",
                              "Basic dGhlLXRva2Vu", "the-token"}) {
        http::Request request = make_request("GET", "/api/v1/live");
        request.headers.push_back({"Authorization", field});
        EXPECT_EQ(send(request).status, 401) << field;
    }
    EXPECT_EQ(ask("/api/v1/live").status, 200);
}

TEST_F(ApiTest, AnswersToLoopbackNamesOnly) {
    const struct {
        const char* host;
        int status;
    } cases[] = {{"localhost:8080", 200},
                 {"127.0.0.1", 200},
                 {"[::1]:8080", 200},
                 {"LOCALHOST", 200},
                 {"127.9.9.9:1", 200},
                 {"evil.example", 421},
                 {"", 421},
                 {"127.0.0.1.nip.io", 421},
                 {"192.0.2.1:8080", 421}};
    for (const auto& [host, status] : cases) {
        http::Request request = *http::parse_target("/livez");
        request.headers.push_back({"Host", host});
        EXPECT_EQ(send(request).status, status) << host;
    }
}

TEST_F(ApiTest, OpensThePageOnceByItsLink) {
    EXPECT_EQ(send(make_request("GET", "/")).status, 401);
    const std::string link = api_.make_login_link();
    ASSERT_TRUE(link.starts_with("http://127.0.0.1:8080/login?code="));
    const std::string target = link.substr(21);

    EXPECT_EQ(send(make_request("HEAD", target)).status, 405);  // a preview uses nothing up
    const http::Response opened = send(make_request("GET", target));
    EXPECT_EQ(opened.status, 303);
    EXPECT_EQ(opened.header("location"), "/");
    const std::string cookie(opened.header("set-cookie"));
    EXPECT_THAT(cookie, HasSubstr("earshot_8080="));
    EXPECT_THAT(cookie, HasSubstr("HttpOnly; SameSite=Strict"));

    http::Request page = make_request("GET", "/");
    page.headers.push_back({"Cookie", cookie.substr(0, cookie.find(';'))});
    EXPECT_EQ(send(page).status, 200);
    EXPECT_EQ(send(make_request("GET", target)).status, 403);
}

TEST_F(ApiTest, ForgetsALinkAfterTenMinutes) {
    const std::string target = api_.make_login_link().substr(21);
    clock_.advance(std::chrono::minutes(10));
    EXPECT_EQ(send(make_request("GET", target)).status, 403);
}

TEST_F(ApiTest, TakesASessionFromItsOwnPageOnly) {
    const http::Response opened = send(make_request("GET", api_.make_login_link().substr(21)));
    const std::string cookie(opened.header("set-cookie"));
    http::Request request = make_request("POST", fmt::format("/api/v1/recordings/{}/verify", kId));
    request.headers.push_back({"Cookie", cookie.substr(0, cookie.find(';'))});
    EXPECT_EQ(send(request).status, 200);

    http::Request other_port = request;
    other_port.headers.push_back({"Sec-Fetch-Site", "same-site"});
    EXPECT_EQ(send(other_port).status, 401);
    http::Request other_origin = request;
    other_origin.headers.push_back({"Origin", "http://127.0.0.1:9999"});
    EXPECT_EQ(send(other_origin).status, 401);

    http::Request link = make_request("POST", "/api/v1/login-link");
    link.headers = request.headers;
    EXPECT_EQ(send(link).status, 403);  // a session makes no sessions
    clock_.advance(AccessControl::kSessionLife);
    EXPECT_EQ(send(request).status, 401);
}

TEST_F(ApiTest, MakesALoginLinkForTheToken) {
    const json body = ask_json("/api/v1/login-link", "POST");
    EXPECT_THAT(body["url"], HasSubstr("/login?code="));
    EXPECT_EQ(body["expires_in_s"], 600);
}

// RFC 7701 section 6.3: what is said to one person of a room is for the two.
TEST_F(ApiTest, PrivateMessagesAreReadWithTheTokenOrBySessionsThatItOpenedForThat) {
    const std::string chat = fmt::format("/api/v1/recordings/{}/chat", kId);
    const std::string message = fmt::format("/api/v1/recordings/{}/messages/4", kId);
    EXPECT_EQ(drain(ask(chat)), "all");
    EXPECT_EQ(ask(message).status, 404);
    for (const bool is_opened : {false, true}) {
        http::Request link = make_request("POST", "/api/v1/login-link");
        link.headers.push_back({"Authorization", "Bearer the-token"});
        if (is_opened) link.body = R"({"private_messages": true})";
        const json made = json::parse(send(link).text());
        const std::string url = made["url"];
        const std::string cookie(send(make_request("GET", url.substr(21))).header("set-cookie"));
        http::Request request = make_request("GET", chat);
        request.headers.push_back({"Cookie", cookie.substr(0, cookie.find(';'))});
        EXPECT_EQ(drain(send(request)), is_opened ? "all" : "not all");
        http::Request one = make_request("GET", message);
        one.headers = request.headers;
        EXPECT_EQ(send(one).status, is_opened ? 404 : 403);
    }
    http::Request link = make_request("POST", "/api/v1/login-link");
    link.headers.push_back({"Authorization", "Bearer the-token"});
    for (const std::string body : {"[]", R"({"private_messages": 1})", "{"}) {
        link.body = body;
        EXPECT_EQ(send(link).status, 400) << body;
    }
}

// Whatever somebody wrote or sent, HTML above all, a browser saves it and shows none of it, also
// where the link is opened by itself.
TEST_F(ApiTest, WhatWasSentInAChatIsServedAsAnAttachmentThatRunsNothing) {
    const std::string target =
        fmt::format("/api/v1/recordings/{}/messages/{}", kId, FakeFiles::kSentMessage);
    const std::map<std::string, std::string> names{
        {"", R"(filename="message-7"; filename*=UTF-8''message-7)"},
        {"page.html", R"(filename="page.html"; filename*=UTF-8''page.html)"},
        {"../../etc/passwd", R"(filename="passwd"; filename*=UTF-8''passwd)"},
        {R"(C:\x\"><b>.html)", R"(filename="_><b>.html"; filename*=UTF-8''%22%3E%3Cb%3E.html)"},
        {"a\r\nContent-Type: text/html", R"(filename="html"; filename*=UTF-8''html)"},
        {"a\r\nSet-Cookie: b",
         R"(filename="a__Set-Cookie: b"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20b)"}};
    for (const auto& [name, told] : names) {
        files_.sent_as = name;
        const http::Response response = ask(target);
        ASSERT_EQ(response.status, 200) << name;
        const std::string head = http::write_head(response, {.length = 25},
                                                  base::wall_from_ns(1'770'000'000'000'000'000));
        EXPECT_THAT(head, HasSubstr("\r\nContent-Type: application/octet-stream\r\n")) << name;
        EXPECT_THAT(head, HasSubstr("\r\nContent-Disposition: attachment; " + told + "\r\n"));
        EXPECT_THAT(head,
                    HasSubstr("\r\nContent-Security-Policy: default-src 'none'; sandbox\r\n"));
        EXPECT_THAT(head, Not(HasSubstr("script-src"))) << "the page's own policy";
        EXPECT_THAT(head, HasSubstr("\r\nX-Content-Type-Options: nosniff\r\n"));
        auto* content = std::get_if<std::unique_ptr<http::ByteSource>>(&response.body);
        ASSERT_NE(content, nullptr);
        std::array<std::uint8_t, 64> octets{};
        EXPECT_EQ(*(*content)->read(0, octets), 25U);
    }
    EXPECT_EQ(ask(fmt::format("/api/v1/recordings/{}/messages/x", kId)).status, 404);
}

TEST_F(ApiTest, ListsWithWhatTheRowKnowsBetter) {
    const std::string after = "0199C0DE-0000-7000-8000-000000000009";
    const json body = ask_json("/api/v1/recordings?limit=1&q=alice&call_id=c1&after=" + after);
    ASSERT_EQ(body["recordings"].size(), 1U);
    const json& one = body["recordings"][0];
    EXPECT_EQ(one["id"], kId);
    EXPECT_EQ(one["state"], "complete");
    EXPECT_EQ(one["reason"], nullptr);
    EXPECT_EQ(one["duration_ms"], 1500);
    EXPECT_EQ(one["participants"][0]["name"], "A");
    for (const char* name : {"start", "call_ids", "session_ids", "streams", "group", "headers",
                             "extensions", "warnings"})
        EXPECT_TRUE(one.contains(name)) << name;
    EXPECT_EQ(body["next"], kId);
    EXPECT_EQ(catalog_.last_query.text, "alice");
    EXPECT_EQ(catalog_.last_query.after, "0199c0de-0000-7000-8000-000000000009");
    EXPECT_EQ(catalog_.last_query.call_id, "c1");
    EXPECT_EQ(ask_json("/api/v1/recordings")["next"], nullptr);
}

TEST_F(ApiTest, CountsByPeerWhatBecameOfItsInvites) {
    const json body = ask_json("/api/v1/peers?since=2026-03-02T09:15:00Z");
    EXPECT_EQ(body["since"], "2026-03-02T09:15:00.000Z");
    ASSERT_EQ(body["peers"].size(), 2U);
    const json& one = body["peers"][0];
    EXPECT_EQ(one["peer"], "192.0.2.7");
    EXPECT_EQ(one["attempts"], 8);
    EXPECT_EQ(one["outcomes"], json({{"declined", 3}, {"recorded", 5}}));
    EXPECT_EQ(one["states"], json({{"complete", 5}}));
    EXPECT_EQ(one["reasons"], json({{"declined_by_rule", 3}}));
    EXPECT_EQ(one["warnings"], json({{"one_sided", 2}}));
    EXPECT_EQ(body["peers"][1]["reasons"], json({{"no_media", 1}}));
    EXPECT_EQ(ask("/api/v1/peers?since=yesterday").status, 400);
}

TEST_F(ApiTest, RefusesPagesThatMakeNoSense) {
    for (const char* query :
         {"limit=0", "limit=1001", "limit=x", "limit=-1",
          "after=0123456789012345678901234567890123456", "after=", "after=WRONG",
          "after=0199c0de-0000-7000", "after=0199c0de00007000800000000000001",
          "after=0199c0de-0000-7000-8000-00000000000g"})
        for (const char* list : {"recordings", "attempts"})
            EXPECT_EQ(ask(fmt::format("/api/v1/{}?{}", list, query)).status, 400) << query;
}

TEST_F(ApiTest, CountsThePacketsOfARunningCall) {
    catalog_.rows.front().state = catalog::State::Recording;
    catalog_.rows.front().summary =
        R"({"streams":[{"label":"x","packets":0},{"label":"1","packets":0},null]})";
    const std::string one = fmt::format("/api/v1/recordings/{}", kId);
    for (const json& view : {ask_json("/api/v1/recordings")["recordings"][0], ask_json(one)}) {
        EXPECT_EQ(view["streams"][0]["packets"], 0);
        EXPECT_EQ(view["streams"][1]["packets"], 7);
    }
    catalog_.rows.front().state = catalog::State::Complete;
    EXPECT_EQ(ask_json(one)["streams"][1]["packets"], 0);
    catalog_.rows.front().state = catalog::State::Recording;
    catalog_.rows.front().id = kOther;
    EXPECT_EQ(ask_json(fmt::format("/api/v1/recordings/{}", kOther))["streams"][1]["packets"], 0);
}

TEST_F(ApiTest, FindsByIdAndPrefixAndSaysWhyNot) {
    EXPECT_EQ(ask(fmt::format("/api/v1/recordings/{}", kId)).status, 200);
    EXPECT_EQ(ask("/api/v1/recordings/0199c0de").status, 200);
    EXPECT_EQ(ask_json("/api/v1/recordings/0199c0de")["direction"], "outgoing");
    EXPECT_EQ(ask("/api/v1/recordings/0199c0d").status, 400);
    EXPECT_EQ(ask("/api/v1/recordings/ffffffff").status, 404);
    catalog_.rows.push_back(catalog_.rows.front());
    catalog_.rows.back().id = kOther;
    const http::Response ambiguous = ask("/api/v1/recordings/0199c0de");
    EXPECT_EQ(ambiguous.status, 409);
    EXPECT_EQ(json::parse(ambiguous.text())["matches"], json({kId, kOther}));
}

TEST_F(ApiTest, ListsAttemptsWhateverBytesPeersSent) {
    const json body = ask_json("/api/v1/attempts");
    EXPECT_EQ(body["attempts"][0]["outcome"], "refused");
    EXPECT_EQ(body["attempts"][0]["recording_id"], nullptr);
    EXPECT_EQ(body["attempts"][0]["direction"], "outgoing");
    EXPECT_EQ(body["attempts"][0]["reason"]["code"], "no_media");
}

TEST_F(ApiTest, StreamsAnExportAndLetsPlayersSeek) {
    http::Response wav = ask(fmt::format("/api/v1/recordings/{}/export?format=wav", kId));
    EXPECT_EQ(wav.header("content-type"), "audio/wav");
    EXPECT_THAT(wav.header("content-disposition"), HasSubstr(".wav"));
    auto& source = std::get<std::unique_ptr<http::ByteSource>>(wav.body);
    EXPECT_EQ(source->size(), 10U);
    const auto read = [&](std::uint64_t offset) {
        std::array<std::uint8_t, 4> out{};
        const auto count = source->read(offset, out);
        return std::string(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*count));
    };
    EXPECT_EQ(read(0), "012");
    EXPECT_EQ(read(7), "78");
    EXPECT_EQ(read(1), "12");  // behind: rendered anew
    EXPECT_EQ(read(10), "");

    http::Response pcap = ask(fmt::format("/api/v1/recordings/{}/export?format=pcap", kId));
    std::string chunk;
    EXPECT_TRUE(*std::get<http::Producer>(pcap.body)(chunk));
    EXPECT_EQ(chunk, "012");
}

TEST_F(ApiTest, SaysWhyAnExportIsNotThere) {
    EXPECT_EQ(ask(fmt::format("/api/v1/recordings/{}/export?format=mp3", kId)).status, 400);
    const std::string text = fmt::format("/api/v1/recordings/{}/export?format=txt", kId);
    EXPECT_EQ(drain(ask(text)), "0 minutes");
    EXPECT_EQ(drain(ask(text + "&tz=%2B02:00")), "120 minutes");
    EXPECT_EQ(drain(ask(text + "&tz=-0930")), "-570 minutes");
    EXPECT_EQ(ask(text + "&tz=Europe/Berlin").status, 400);
    const http::Response xml = ask(fmt::format("/api/v1/recordings/{}/export?format=xml", kId));
    EXPECT_EQ(xml.status, 404);
    EXPECT_EQ(json::parse(xml.text())["code"], "no_metadata");
    EXPECT_EQ(ask(fmt::format("/api/v1/recordings/{}/audio/1.wav", kId)).status, 404);
    EXPECT_EQ(ask(fmt::format("/api/v1/recordings/{}/audio/1.mp3", kId)).status, 404);
    EXPECT_EQ(ask(fmt::format("/api/v1/recordings/{}/audio/stereo.wav", kId)).status, 200);
}

TEST_F(ApiTest, GivesEventsManifestPartsAndPeaks) {
    const std::string one = fmt::format("/api/v1/recordings/{}", kId);
    EXPECT_EQ(ask_json(one + "/events")["events"][0]["type"], "dtmf");
    EXPECT_EQ(ask_json(one + "/manifest")["parts"], json({1}));
    EXPECT_EQ(ask_json(one + "/parts")["parts"], json({1}));
    EXPECT_EQ(ask_json(one + "/peaks")["tracks"][0]["peaks"], json({-0.5, 0.5, 0.0, 0.0}));
}

TEST_F(ApiTest, TellsWhatVerifyingFound) {
    const std::string path = fmt::format("/api/v1/recordings/{}/verify", kId);
    const json body = ask_json(path, "POST");
    EXPECT_EQ(body["ok"], false);
    EXPECT_EQ(body["problems"][0], "The part packets was changed.");
    EXPECT_EQ(ask(path).status, 405);
    catalog_.rows.front().directory.clear();
    EXPECT_EQ(ask(path, "POST").status, 409);
}

TEST_F(ApiTest, TellsHowTheServerIs) {
    json body = ask_json("/api/v1/health");
    EXPECT_EQ(body["state"], "warning");
    EXPECT_EQ(body["checks"].size(), 2U);
    EXPECT_EQ(send(make_request("GET", "/readyz")).status, 200);

    catalog_.health_now.is_writable = false;
    catalog_.health_now.reason = base::Reason{"catalogue_full", "Make room."};
    body = ask_json("/api/v1/health");
    EXPECT_EQ(body["state"], "failed");
    EXPECT_EQ(body["checks"][1]["text"], "Make room.");
    EXPECT_EQ(send(make_request("GET", "/readyz")).status, 503);
    EXPECT_EQ(send(make_request("GET", "/livez")).status, 200);
    catalog_.is_broken = true;
    EXPECT_EQ(ask("/api/v1/recordings").status, 503);
}

TEST_F(ApiTest, ShowsLiveCallsAndOpensTheEventStream) {
    const json body = ask_json("/api/v1/live");
    EXPECT_EQ(body["calls"][0]["streams"][0]["packets"], 7);
    EXPECT_EQ(body["calls"][0]["streams"][0]["suite"], "AEAD_AES_128_GCM");
    EXPECT_EQ(body["calls"][0]["streams"][0]["dtls_role"], "passive");
    const http::Response events = ask("/api/v1/events");
    EXPECT_TRUE(std::holds_alternative<http::EventStream>(events.body));
}

TEST(ViewOfPeaks, RefusesWhatIsDamaged) {
    for (const char* bad :
         {"", "[]", "{}", R"({"tracks":1})", R"({"tracks":[1]})", R"({"tracks":[{"min":[1]}]})",
          R"({"tracks":[{"min":["x"],"max":[1]}]})"})
        EXPECT_FALSE(view_of_peaks(bad)) << bad;
}

TEST_F(ApiTest, ClientsTellWhatEachSendsAndWhatWasDone) {
    const json body = ask_json("/api/v1/clients");
    ASSERT_EQ(body["clients"].size(), 1U);
    const json& client = body["clients"][0];
    EXPECT_EQ(client["peer"], "sbc1");
    EXPECT_EQ(client["user_agent"], "SBC \"7\"");
    EXPECT_EQ(client["calls"], 12);
    EXPECT_EQ(client["faults"][0]["code"], "no_option_tag");
    EXPECT_EQ(client["faults"][0]["count"], 11);
    EXPECT_TRUE(body.contains("since"));
}

// ---- a recording of several pieces --------------------------------------------------------------

class PiecesApiTest : public ApiTest {
protected:
    PiecesApiTest() {
        catalog::Recording& whole = catalog_.rows.front();
        whole.summary =
            R"({"participants":[{"aor":"sip:a@x","name":"A"}],"group":null,"profile":"inbound",)"
            R"("streams":[{"label":"1","gaps":[{"start_ms":5,"duration_ms":1,"reason":"lost"}]}],)"
            R"("headers":{"X-A":"1"},"extensions":{},"warnings":[]})";
        whole.group = "g";
        catalog::Recording second = whole;
        second.id = kOther;
        second.start += std::chrono::milliseconds(700);
        second.state = catalog::State::Partial;
        second.summary =
            R"({"participants":[{"aor":"sip:a@x","name":""},{"aor":"sip:b@x","name":"B"}],)"
            R"("streams":[{"label":"1","gaps":[{"start_ms":5,"duration_ms":1,"reason":"lost"}],)"
            R"("video":{"changes":[{"at_ms":7}]}}],)"
            R"("group":"G","headers":{"X-A":"2","X-B":"3"},"extensions":{},)"
            R"("warnings":[{"code":"silent","label":"1","text":"T"}]})";
        second.joins.push_back({.piece = kOther, .other = kId, .key = {"session_id", "s"}});
        whole.pieces = {whole, second};
        whole.state = catalog::State::Partial;
    }
};

TEST_F(PiecesApiTest, ShowsOneRecordingWithItsPiecesOnOneTimeline) {
    const json whole = ask_json(fmt::format("/api/v1/recordings/{}", kId));
    EXPECT_EQ(whole["state"], "partial");
    ASSERT_EQ(whole["pieces"].size(), 2U);
    EXPECT_EQ(whole["pieces"][1]["id"], kOther);
    EXPECT_EQ(whole["pieces"][1]["offset_ms"], 700);
    EXPECT_EQ(whole["pieces"][1]["joined"],
              json::parse(fmt::format(R"([{{"with":"{}","key":"session_id","value":"s"}}])", kId)));
    ASSERT_EQ(whole["streams"].size(), 2U);
    EXPECT_EQ(whole["streams"][0]["piece"], 1);
    EXPECT_EQ(whole["streams"][1]["piece"], 2);
    EXPECT_EQ(whole["streams"][1]["gaps"][0]["start_ms"], 705);
    EXPECT_EQ(whole["streams"][1]["video"]["changes"][0]["at_ms"], 707);
    ASSERT_EQ(whole["participants"].size(), 2U);  // A once, by the AOR
    EXPECT_EQ(whole["participants"][0]["name"], "A");
    EXPECT_EQ(whole["headers"], json::parse(R"({"X-A":"1","X-B":"3"})"));
    EXPECT_EQ(whole["warnings"][0]["piece"], 2);
    EXPECT_EQ(whole["group"], "G");
    EXPECT_EQ(whole["profile"], "inbound");
}

TEST_F(PiecesApiTest, AsksWhichPieceWhereTheyCannotBePutTogether) {
    const std::string one = fmt::format("/api/v1/recordings/{}", kId);
    for (const char* below : {"/manifest", "/parts", "/audio/1.wav"}) {
        EXPECT_EQ(ask(one + below).status, 409) << below;
        EXPECT_EQ(ask_json(one + below)["code"], "several_pieces");
        EXPECT_NE(ask(one + below + "?piece=2").status, 409) << below;
    }
    EXPECT_EQ(ask(one + "/manifest?piece=" + kOther).status, 200);
    EXPECT_EQ(ask(one + "/manifest?piece=" + std::string(kOther).substr(0, 35)).status, 404)
        << "both begin like this";
    for (const char* wrong : {"0", "3", "-1", "x", "0199c0de"})
        EXPECT_EQ(ask(one + "/manifest?piece=" + wrong).status, 404) << wrong;
    EXPECT_EQ(ask(one + "/export?format=wav").status, 200);
}

TEST_F(PiecesApiTest, ErasesAllPiecesOrNone) {
    const std::string path = fmt::format("/api/v1/recordings/{}/erase", kId);
    catalog_.rows.push_back(catalog_.rows.front().pieces[1]);
    files_.obstacles[kOther] = {"not_encrypted", "Delete its folder."};
    EXPECT_EQ(ask(path, "POST").status, 409);
    EXPECT_TRUE(files_.erased.empty());
    EXPECT_TRUE(catalog_.changes.empty());
    EXPECT_EQ(log_.lines, "");

    files_.obstacles.clear();
    EXPECT_EQ(ask(path, "POST").status, 200);
    EXPECT_EQ(files_.erased, (std::vector<std::string>{kId, kOther}));
    ASSERT_EQ(catalog_.changes.size(), 1U);
    EXPECT_EQ(catalog_.changes[0].recordings.size(), 2U);
    EXPECT_EQ(catalog_.changes[0].attempts.size(), 2U);
}

// The disk failed on the way: what is gone is told in its row.
TEST_F(PiecesApiTest, TellsOfThePiecesThatWereErasedWhereOneCouldNotBe) {
    catalog_.rows.push_back(catalog_.rows.front().pieces[1]);
    files_.failures[kOther] = {"io", "The disk."};
    EXPECT_EQ(ask(fmt::format("/api/v1/recordings/{}/erase", kId), "POST").status, 500);
    ASSERT_EQ(catalog_.changes.size(), 1U);
    ASSERT_EQ(catalog_.changes[0].recordings.size(), 1U);
    EXPECT_EQ(catalog_.changes[0].recordings[0].id, kId);
    EXPECT_EQ(catalog_.changes[0].recordings[0].reason->code, "erased");
    EXPECT_THAT(log_.lines, HasSubstr("pieces=1 of 2"));
}

TEST_F(PiecesApiTest, EventsPeaksAndVerificationAreThoseOfAllPieces) {
    const std::string one = fmt::format("/api/v1/recordings/{}", kId);
    const json events = ask_json(one + "/events")["events"];
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[1]["piece"], 2);
    EXPECT_FALSE(ask_json(one + "/events?piece=1")["events"][0].contains("piece"));

    const json peaks = ask_json(one + "/peaks")["tracks"];
    ASSERT_EQ(peaks.size(), 2U);
    EXPECT_EQ(peaks[0]["peaks"].size(), 4U);
    EXPECT_EQ(peaks[1]["peaks"].size(), 4U + 2 * 7);  // 700 ms later
    EXPECT_EQ(peaks[1]["piece"], 2);

    const json verified = ask_json(one + "/verify", "POST");
    EXPECT_EQ(verified["ok"], false);
    ASSERT_EQ(verified["faults"].size(), 2U);
    EXPECT_EQ(verified["faults"][1]["piece"], 2);
    EXPECT_EQ(verified["problems"][1], "piece 2: The part packets was changed.");
}

TEST_F(PiecesApiTest, OthersOfItsGroupAreRelated) {
    catalog::Recording other;
    other.id = "0199c0de-0000-7000-8000-000000000003";
    other.group = "g";
    catalog_.rows.push_back(other);
    const json whole = ask_json(fmt::format("/api/v1/recordings/{}", kId));
    EXPECT_EQ(catalog_.last_query.group, "g");
    ASSERT_EQ(whole["related"].size(), 1U);
    EXPECT_EQ(whole["related"][0]["id"], other.id);
    ask("/api/v1/recordings?group=hVpd7YQgRW2nD22h7q60JQ%3D%3D");
    EXPECT_EQ(catalog_.last_query.group, "855a5ded-8420-456d-a70f-6da1eeaeb425");
}

}  // namespace
}  // namespace earshot::api
