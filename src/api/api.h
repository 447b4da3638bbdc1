// The resources under /api/v1, the page, and who may see them (docs/rest-api.md). Pure: a request
// in, a response out; slow work is returned as a Deferred body. Lives on the http thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/key_control.h"
#include "api/recording_files.h"
#include "archive/rendition_desk.h"
#include "base/log.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/time.h"
#include "catalog/catalog.h"
#include "http/message.h"
#include "io/clock.h"

namespace earshot::api {

// ---- What server/ tells about itself. Called on the http thread; must not block.

struct LiveStream {
    std::uint16_t stream = 0;  // its number within the recording
    std::string label{};
    std::string media{};      // "audio", "video", ...
    std::string codec{};      // "PCMU/8000"
    std::string suite{};      // of SRTP; empty: in the clear, or no DTLS handshake has ended yet
    std::string dtls_role{};  // ours, "active" or "passive"; empty: not keyed by DTLS
    std::string state{};      // "active", "paused", "removed", "dropped", "waiting"
    std::uint64_t packets = 0;
    std::uint64_t rejected = 0;
    std::optional<std::uint64_t> messages{};  // of a chat
};

// An operator's pause of a running call, and what the client said to it.
struct LivePause {
    std::string who{};
    std::string reason{};
    std::string client{};  // "untold", "agreed", "refused": discarded all the same
    int status = 0;        // of its answer; 0: none yet
};

struct LiveCall {
    std::string id{};  // of the recording
    std::string call_id{};
    std::string from{};
    std::string to{};
    std::string peer{};
    bool is_ours = false;  // the INVITE was ours
    base::WallTime start{};
    bool is_withheld = false;  // accepted without media, by a rule, until it is released
    std::vector<LiveStream> streams{};
    std::optional<LivePause> operator_pause{};
};

// One line of `earshot doctor`.
struct Check {
    enum class State { Ok, Warning, Failed };
    std::string name{};  // snake_case: "journal", "disk", "media_ports", "kernel_drops", "sip_udp"
    State state = State::Ok;
    std::string text{};  // a sentence with the figures; what to do about it when not Ok
};

// What one client sends that is not as the standards have it (siprec/leniency.h).
struct ClientFault {
    std::string code{};
    std::string quirks{};  // "Q19 Q24", of docs/siprec-conformance.md
    std::string fault{};
    std::string done{};
    std::uint64_t count = 0;  // calls in which it was seen
    base::WallTime first{};
    base::WallTime last{};
};
struct Client {
    std::string peer{};        // the configured name, else the host
    std::string user_agent{};  // of its INVITEs; empty: it names none
    std::uint64_t calls = 0;
    base::WallTime first{};
    base::WallTime last{};
    std::vector<ClientFault> faults{};
};
struct Clients {
    base::WallTime since{};  // the start of the server
    std::vector<Client> list{};
};

class Status {
public:
    Status() = default;
    Status(const Status&) = delete;
    Status& operator=(const Status&) = delete;
    virtual ~Status() = default;
    virtual std::vector<LiveCall> live_calls() const = 0;
    virtual std::vector<Check> checks() const = 0;  // the catalogue's own is added by the API
    virtual Clients clients() const = 0;
    virtual bool is_ready() const = 0;  // takes new calls: /readyz
};

// ---- What an operator may do to running calls.

struct ControlRequest {
    enum class Verb { Pause, Resume, Stop, StopStream };
    Verb verb = Verb::Pause;
    std::string recording{};  // its full id
    std::string stream{};     // StopStream: its label
    std::string who{};        // as the asker calls itself
    std::string access{};     // "token", "session"
    std::string from{};       // "127.0.0.1:53412"
    std::string reason{};
};

// A recording that the server is to begin at a client (RFC 7866 section 6.2).
struct StartRequest {
    std::string at{};    // the client: "sip:sbc@192.0.2.10;transport=tcp"
    std::string call{};  // which of its calls: a Call-ID (Target-Dialog); empty: it knows
    std::string who{};   // as of ControlRequest
    std::string access{};
    std::string from{};
    std::string reason{};
};
struct Started {
    std::string recording{};  // its id, if the client takes the INVITE
    std::string attempt{};    // the row that tells
};

// Who has a recording erased.
struct ErasureRequest {
    base::WallTime at{};
    std::string who{};  // as of ControlRequest
    std::string access{};
    std::string from{};
    std::string reason{};
};

class Control {
public:
    Control() = default;
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;
    virtual ~Control() = default;
    // Called on a worker thread, where it waits until it is done. Nullopt: it is; codes:
    // "not_running", "no_such_stream", "not_ready".
    virtual std::optional<base::Reason> control(const ControlRequest& request) = 0;
    // The same; returns when the INVITE is under way. Codes: "bad_request", "unknown_peer", what
    // keeps new calls out, "not_ready".
    virtual base::Result<Started, base::Reason> start(const StartRequest& request) = 0;
};

// ---- The page's files.

struct Asset {
    std::string_view content_type{};
    std::string_view content{};   // lives as long as the process
    std::string_view encoding{};  // "gzip" or empty
    std::string_view etag{};      // quoted; may be empty
};

class Assets {
public:
    Assets() = default;
    Assets(const Assets&) = delete;
    Assets& operator=(const Assets&) = delete;
    virtual ~Assets() = default;
    virtual std::optional<Asset> find(std::string_view path) const = 0;  // "/", "/assets/x.js"
};
// One page that says that the UI was left out of this build, and how to use the command line.
std::unique_ptr<Assets> make_minimal_assets();

// ---- The API.

struct ApiOptions {
    std::string token{};                     // the bearer token; see access_file.h
    std::string url{};                       // "http://127.0.0.1:8080", for printed links
    std::vector<std::string> extra_hosts{};  // Host names allowed beyond the loopback ones
    std::string version = "0.1.0";
};

// All borrowed; they must outlive the API. Its answers hold on to it: stop the HTTP server first.
struct ApiParts {
    catalog::Catalog& catalog;
    const RecordingFiles& files;  // make_recording_files(data_dir)
    const Status& status;
    const Assets& assets;
    const io::Clock& clock;
    base::Random& random;                          // the API's own: used on the http thread
    base::Log& log;                                // of what is erased
    Control* control = nullptr;                    // null: running calls cannot be touched
    KeyControl* keys = nullptr;                    // null: nor can the keys
    archive::RenditionDesk* renditions = nullptr;  // null: none are made
};

class Api {
public:
    Api(ApiOptions options, ApiParts parts);
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;
    ~Api();

    http::Response handle(const http::Request& request);

    // A link that opens the page once, within 10 minutes. Call it before the server runs, or on the
    // http thread.
    std::string make_login_link();

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::api
