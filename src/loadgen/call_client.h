// `earshot call`: a recording client (SRC) for tests. It places real recording sessions (RFC 7866)
// with two audio streams each against any recording server, and as many at once as asked for, so it
// is the load generator too. run_calls() owns its threads: one signalling loop and one media
// sender.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/srtp_key.h"
#include "base/uuid.h"
#include "io/tls_settings.h"
#include "loadgen/chat_desk.h"
#include "loadgen/video_stream.h"
#include "sip/digest.h"

namespace earshot::loadgen {

struct CallOptions {
    std::string to;                                          // sip:rec@host:port[;transport=tcp]
    std::string from = "sip:earshot-call@localhost";         // the recording client's own URI
    std::string party_a = "\"Ada\" <sip:ada@example.test>";  // name-addr or bare URI
    std::string party_b = "\"Bo\" <sip:bo@example.test>";
    std::string audio_a;  // PCM WAV, any usual rate, said once; empty: the tones of voice.h
    std::string audio_b;
    std::string group;  // group_id of all calls, as it stands; empty: a fresh one each
    std::optional<base::Uuid> session_id{};            // of all calls; absent: a fresh one each
    std::chrono::milliseconds duration{10'000};        // of each call, from its first packet
    std::optional<std::chrono::milliseconds> hold_at;  // hold for 2 s from then on
    std::uint32_t count = 1;                           // calls in all
    double rate = 1.0;                                 // calls started per second
    std::string local_address;              // literal; empty: the one that routes to `to`
    std::optional<base::SrtpSuite> srtp{};  // RTP/SAVP with keys of this suite
    bool dtls = false;                      // UDP/TLS/RTP/SAVPF: keys by DTLS
    std::optional<std::chrono::milliseconds> rekey_at{};  // new keys from then on
    bool keyed_payload = false;                           // see keyed_payload.h; for load runs
    sip::Credentials credentials{};        // for a server that asks for them; empty username: none
    bool is_tls = false;                   // by TLS, although `to` does not say so
    io::TlsSettings tls{};                 // what we show and whom we trust there
    bool video = false;                    // a camera of each party, H.264
    std::uint32_t video_rate = 1'000'000;  // bit/s of each, beside key pictures of 38 kB
    bool video_feedback = true;            // offers NACK, PLI and FIR
    std::uint32_t video_lose_every = 0;  // one packet of so many is sent only when asked for again
    bool has_audio = true;
    std::optional<Sharing> share{};  // what A shares, beside cameras or without
    std::optional<std::chrono::milliseconds> share_at{};  // from then on; else at once
    ChatOptions chat{};                                   // over TLS where SIP is
    std::uint64_t seed = 0;                               // 0: from the system; else ids repeat
};

inline constexpr std::uint32_t kMaxCalls = 100'000;  // of one run

struct SentStream {
    std::string label;
    std::uint64_t packets = 0;
};

struct CallResult {
    std::string call_id;
    std::string session_id;  // of the metadata: base64 of a UUID
    std::string result;      // "ok", "refused", "timeout", "failed", "cancelled"
    int sip_status = 0;      // final status of the INVITE; 408 for our own timeout, 0: none
    base::Reason reason;     // empty code for "ok"
    std::vector<SentStream> sent;
    std::vector<VideoFigures> video{};  // cameras first, then what is shared
    std::vector<ChatFigures> chats{};   // the dialogue, the file
};

// Called from the signalling thread.
struct CallProgress {
    std::uint32_t started = 0;
    std::uint32_t answered = 0;
    std::uint32_t ended = 0;
    std::uint64_t packets_sent = 0;
};
using ProgressCallback = std::function<void(const CallProgress&)>;

// Blocks until every call has ended; one result per call, in the order of their start. Setting
// `stop` (from any thread or a signal handler) ends running calls with BYE or CANCEL and starts no
// more. Fails, before anything is sent, for an unusable URI, WAV file or local address; the Reason
// names it.
base::Result<std::vector<CallResult>, base::Reason> run_calls(const CallOptions& options,
                                                              base::Log& log,
                                                              const ProgressCallback& progress,
                                                              const std::atomic<bool>& stop);

}  // namespace earshot::loadgen
