// The two test phones of `earshot call --through` and `--phones`: a caller and a callee that talk
// G.711 both ways through whatever is between them, and as many calls at once as asked for. They
// are recording-aware (RFC 7866 section 6.3). run_phones() owns its threads: one signalling loop
// and one for media.
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
#include "loadgen/call_client.h"
#include "loadgen/chat_script.h"
#include "loadgen/delay_histogram.h"
#include "loadgen/phone_receiver.h"
#include "sdp/session_description.h"
#include "sip/agent.h"
#include "sip/digest.h"

namespace earshot::loadgen {

enum class Phone : std::uint8_t { Caller, Callee };
inline constexpr std::size_t kPhones = 2;

struct PhoneOptions {
    std::string through;  // HOST:PORT that all calls are sent to; empty: straight to the callee
    std::string to;       // URI of somebody else's phone; empty: our callee
    // All calls are of participants of one conference (`to`), who speak one after another.
    bool is_conference = false;
    bool is_answering_only = false;  // no caller: the callee waits for calls of somebody else
    std::string transport = "udp";   // or "tcp", "tls"
    std::string sip_a;               // HOST[:PORT] of the caller; empty: by the route, any port
    std::string sip_b;               // the same of the callee
    std::string party_a = "\"Ada\" <sip:ada@example.test>";
    std::string party_b = "\"Bo\" <sip:bo@example.test>";
    std::string audio_a;  // PCM WAV, said once; empty: the tones of voice.h
    std::string audio_b;
    std::string heard_a;  // WAV of what the caller heard; for one call
    std::string heard_b;
    std::chrono::milliseconds duration{10'000};  // from the answer; 0 with is_answering_only: open
    std::optional<std::chrono::milliseconds> hold_at{};  // the caller holds for 2 s
    std::chrono::milliseconds ring{0};                   // from INVITE to 200
    std::optional<std::chrono::milliseconds> give_up{};  // the caller cancels
    bool is_early = false;                               // 183 with media before the 200
    bool is_reliable = false;                            // provisional responses by 100rel
    bool is_late_offer = false;                          // INVITE without SDP
    int reject = 0;                                      // the callee's answer, 300-699
    std::string digits{};                                // the caller dials, 1 s after the answer
    bool has_digits_by_info = false;                     // by SIP INFO, else RFC 4733
    bool is_aware = true;                                // Supported: record-aware
    // Of the caller; of the callee where the caller records itself, or there is none.
    sdp::RecordPreference preference = sdp::RecordPreference::Absent;
    std::optional<std::chrono::milliseconds> preference_at{};  // by re-INVITE; else in the INVITE
    std::string transfer_to{};  // URI: half-way the caller refers the callee there (RFC 3515)
    std::string record_to{};    // URI of a recording server: the caller records itself
    std::vector<sip::ExtraHeader> headers{};  // of the caller's INVITE
    bool has_audio = true;
    bool video = false;                    // a camera of each phone
    std::uint32_t video_rate = 1'000'000;  // bit/s of each, beside key pictures of 38 kB
    std::optional<Sharing> share{};        // the caller shares this; of a conference the first one
    ChatOptions chat{};                    // the phones write to each other; the room, in one
    std::uint32_t count = 1;
    double rate = 1.0;           // calls started per second
    bool keyed_payload = false;  // see keyed_payload.h
    sip::Credentials credentials{};
    io::TlsSettings tls{};   // of transport "tls": what the phones show and whom they trust
    std::uint64_t seed = 0;  // 0: from the system; else ids repeat
};

// A change of what a phone was told by a=record (P-25, P-26).
struct RecordNotice {
    std::chrono::nanoseconds at{0};  // since its INVITE
    std::size_t line = 0;            // m-line, from 0
    std::string media;               // "audio"
    sdp::RecordState state = sdp::RecordState::Absent;
};

// The recording session of a phone that records itself.
struct RecordingResult {
    std::string server;  // empty: there was none
    std::string rs_call_id;
    std::string session_id;    // of the call, as in the metadata: base64 of a UUID
    bool was_started = false;  // the server accepted it
    int status = 0;            // of a refusal
    base::Reason reason;       // of a refusal, or of an end that was not ours
    std::uint64_t sent = 0;    // RTP packets, both streams
};

// What one phone saw of one call.
struct PhoneLegResult {
    std::string call_id;
    std::string result;  // as in CallResult; empty: it never had a part in the call
    int sip_status = 0;  // final status of the INVITE
    base::Reason reason;
    std::optional<std::chrono::nanoseconds> ringing{};       // from INVITE to the first 180-199
    std::optional<std::chrono::nanoseconds> answered{};      // from INVITE to the 2xx
    std::optional<std::chrono::nanoseconds> first_packet{};  // from INVITE to the first RTP heard
    std::vector<RecordNotice> record_changes;
    std::vector<sdp::RecordState> record;  // by m-line, at the end
    std::string info_digits;               // heard by SIP INFO
    int transfer_status = 0;  // of the call that the callee was referred to; 0: not told
    RecordingResult recording;
    std::uint64_t sent = 0;  // RTP packets
    HeardMedia heard;
    std::vector<VideoFigures> video{};  // the camera and what is shared, where there is video
    std::vector<ChatFigures> chats{};   // the dialogue and the file, where there are chats
};

struct PhoneCallResult {
    std::array<PhoneLegResult, kPhones> phones;  // by Phone
    std::string result;                          // of the whole: of the caller, where there is one
    int sip_status = 0;
    base::Reason reason;
    // Packets that one phone sent and the other did not hear; only when both are ours.
    std::array<std::optional<std::uint64_t>, kPhones> unheard{};  // by who sent them
};

struct PhoneRunResult {
    std::vector<PhoneCallResult> calls;  // in the order of their start
    DelayHistogram delays;               // of keyed payloads: from sending to arrival
};

// Called from the signalling thread.
struct PhoneObserver {
    std::function<void(const CallProgress&)> on_progress;
    std::function<void(std::uint32_t call, Phone phone, const RecordNotice&)> on_record_change;
    std::function<void(const std::string& uri)> on_listening;  // the callee's, before any call
};

// Blocks until every call has ended, or `stop` is set: then running calls end with BYE or CANCEL.
// Fails, before anything is sent, for an unusable URI, address or WAV file; the Reason names it.
base::Result<PhoneRunResult, base::Reason> run_phones(const PhoneOptions& options, base::Log& log,
                                                      const PhoneObserver& observer,
                                                      const std::atomic<bool>& stop);

}  // namespace earshot::loadgen
