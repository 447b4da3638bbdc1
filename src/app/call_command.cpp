#include "app/call_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "app/commands.h"
#include "app/phone_flags.h"
#include "app/phone_report.h"
#include "app/secret_file.h"
#include "app/tables.h"
#include "io/stderr_log.h"
#include "loadgen/call_client.h"
#include "siprec/metadata.h"

namespace earshot::app {

namespace {

// Those of phone_report.h beside those of here.
using app::print;
using app::to_json;

// Set by SIGINT and SIGTERM: running calls end with BYE. A signal handler can reach nothing but a
// global. NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_interrupt(int /*signal*/) { interrupted = true; }

nlohmann::json to_json(const loadgen::CallResult& result) {
    nlohmann::json sent = nlohmann::json::array();
    for (const loadgen::SentStream& stream : result.sent)
        sent.push_back({{"label", stream.label}, {"packets", stream.packets}});
    nlohmann::json video = nlohmann::json::array();
    for (const loadgen::VideoFigures& one : result.video)
        video.push_back({{"packets", one.packets},
                         {"pictures", one.pictures},
                         {"key_pictures", one.key_pictures},
                         {"key_requests", one.key_requests},
                         {"nacks", one.nacks},
                         {"retransmitted", one.retransmitted},
                         {"withheld", one.withheld}});
    nlohmann::json chats = nlohmann::json::array();
    for (const loadgen::ChatFigures& one : result.chats) chats.push_back(to_json(one));
    nlohmann::json reason;
    if (!result.reason.code.empty())
        reason = {{"code", result.reason.code}, {"text", result.reason.text}};
    return {{"call_id", result.call_id},   {"session_id", result.session_id},
            {"result", result.result},     {"sip_status", result.sip_status},
            {"reason", std::move(reason)}, {"sent", std::move(sent)},
            {"video", std::move(video)},   {"chats", std::move(chats)}};
}

// A UDP socket does not tell that nobody listens at the other end: the INVITE is repeated for 32 s
// (RFC 3261 §17.1.1.2, timer B). Who watches is told once that it is not stuck.
class SilenceNotice {
public:
    bool is_due(const loadgen::CallProgress& progress, std::chrono::steady_clock::time_point now) {
        constexpr std::chrono::seconds kPatience{2};
        if (was_given_ || progress.started == 0) return false;
        if (!since_) since_ = now;
        was_given_ = progress.answered > 0 || progress.ended > 0;
        if (was_given_ || now - *since_ < kPatience) return false;
        return was_given_ = true;
    }

private:
    std::optional<std::chrono::steady_clock::time_point> since_;
    bool was_given_ = false;
};

void print(std::ostream& out, const loadgen::CallResult& result) {
    out << fmt::format("{:10} {}  {}\n", result.result, result.sip_status, result.call_id);
    for (const loadgen::SentStream& stream : result.sent)
        out << fmt::format("           label {}: {} packets sent\n", stream.label, stream.packets);
    for (const loadgen::VideoFigures& one : result.video)
        out << fmt::format(
            "           video: {} pictures, {} of them key pictures, {} asked for; {} packets "
            "sent again\n",
            one.pictures, one.key_pictures, one.key_requests, one.retransmitted);
    for (const loadgen::ChatFigures& one : result.chats)
        out << fmt::format("           {}\n", describe(one));
    if (!result.reason.text.empty())
        out << fmt::format("           {}\n", printable(result.reason.text));
}

class CallCommand : public Command {
public:
    explicit CallCommand(CLI::App& app) {
        call_ = app.add_subcommand(
            "call", "Place recorded calls against a recording server, or calls between two phones");
        call_->add_option("--to", options_.to, "The recording server; with --phones a phone")
            ->type_name("SIP-URI");
        of_client_.push_back(
            call_->add_option("--from", options_.from, "The recording client's own URI")
                ->type_name("URI"));
        call_->add_option("--party-a", options_.party_a, "First participant: URI or \"Name\" <URI>")
            ->type_name("URI");
        call_->add_option("--party-b", options_.party_b, "Second participant")->type_name("URI");
        call_->add_option("--audio-a", options_.audio_a, "What the first says (default: tones)")
            ->type_name("WAV");
        call_->add_option("--audio-b", options_.audio_b, "What the second says (default: tones)")
            ->type_name("WAV");
        of_client_.push_back(
            call_
                ->add_option("--group", options_.group,
                             "group_id of all calls, as it stands (default: a fresh UUID each)")
                ->type_name("TEXT"));
        of_client_.push_back(
            call_
                ->add_option("--session-id", session_id_,
                             "session_id of all calls, a UUID or as `show` prints it: they become "
                             "pieces of one recording (default: a fresh one each)")
                ->type_name("ID"));
        call_->add_option("--duration", duration_, "Seconds of each call (default 10)")
            ->type_name("S")
            ->check(CLI::Range(0.1, 86400.0));
        call_
            ->add_option("--hold-at", hold_at_,
                         "Hold for 2 s after so many seconds: the metadata says so and the "
                         "streams are inactive; of phones, A holds")
            ->type_name("S");
        call_->add_option("--count", options_.count, "How many calls (default 1)")
            ->type_name("N")
            ->check(CLI::Range(1, 100000));
        call_->add_option("--rate", options_.rate, "Calls started per second (default 1)")
            ->type_name("R")
            ->check(CLI::Range(0.01, 5000.0));
        call_
            ->add_option("--user", options_.credentials.username,
                         "Username for a server that asks for one (digest)")
            ->type_name("NAME");
        call_
            ->add_option("--password-file", password_file_, "File whose first line is its password")
            ->type_name("FILE");
        of_client_.push_back(
            call_
                ->add_option("--srtp", suite_,
                             "Protect the media (SRTP) with keys in the offer, of this suite: "
                             "AES_CM_128_HMAC_SHA1_80, AEAD_AES_256_GCM, ...")
                ->type_name("SUITE"));
        of_client_.push_back(call_->add_flag("--dtls", options_.dtls,
                                             "Protect the media (SRTP) with keys agreed by DTLS"));
        of_client_.push_back(call_
                                 ->add_option("--rekey-at", rekey_at_,
                                              "With --srtp: offer new keys after so many seconds")
                                 ->type_name("S"));
        call_->add_flag("--tls", options_.is_tls,
                        "By TLS; so are sips: URIs and those with transport=tls");
        call_
            ->add_option("--ca-file", options_.tls.ca_file,
                         "CAs that the server's certificate must come from (default: the system's)")
            ->type_name("PEM");
        call_
            ->add_option("--certificate-file", identity_.certificate_file,
                         "Certificate to show where one is asked for")
            ->type_name("PEM");
        call_->add_option("--private-key-file", identity_.private_key_file, "Its key")
            ->type_name("PEM");
        call_->add_flag(
            "--keyed-payload", options_.keyed_payload,
            "Number every packet inside its payload, for load runs that check each one");
        call_->add_flag("--video", options_.video,
                        "A camera of each party, too: H.264, 176x144, 25 a second");
        add_sharing();
        add_chat();
        of_cameras_.push_back(
            call_
                ->add_option("--video-rate", options_.video_rate,
                             "Of each camera, in bit/s: 2M, 500k (default 1M)")
                ->option_text("RATE")
                ->transform(CLI::AsNumberWithUnit(
                    std::map<std::string, std::uint32_t>{{"k", 1000}, {"M", 1'000'000}}))
                ->check(CLI::Range(10'000U, 7'000'000U)));
        of_video_.push_back(
            call_
                ->add_option("--video-lose", options_.video_lose_every,
                             "Send one video packet of so many only when it is asked for again")
                ->type_name("N")
                ->check(CLI::Range(2U, 1'000'000U)));
        of_video_.push_back(call_->add_flag_callback(
            "--video-without-feedback", [this] { options_.video_feedback = false; },
            "Offer neither NACK nor PLI nor FIR: who wants a key picture asks by INFO"));
        of_client_.insert(of_client_.end(), of_video_.begin(), of_video_.end());
        of_cameras_.insert(of_cameras_.end(), of_video_.begin(), of_video_.end());
        call_->add_flag("--json", json_,
                        "Print one JSON object a call, in an array; of phones an object with "
                        "calls and summary");
        phones_ = std::make_unique<PhoneFlags>(*call_);
        call_->footer(
            "Examples:\n"
            "  earshot call --to sip:rec@127.0.0.1:5060\n"
            "  earshot call --to 'sip:rec@127.0.0.1:5060;transport=tcp' --audio-a ada.wav "
            "--audio-b bo.wav\n"
            "  earshot call --to sips:rec@recorder.example.com --ca-file ca.pem\n"
            "  earshot call --to sip:rec@127.0.0.1:5060 --count 500 --rate 50 --duration 30 "
            "--json\n"
            "  earshot call --to sip:rec@127.0.0.1:5060 --count 2 --session-id "
            "5f0c1d7e-3a52-4c1b-9f0e-6f1f0a3f9d11\n"
            "      two pieces of one recording\n"
            "  earshot call --to sip:rec@127.0.0.1:5060 --video --video-rate 2M\n"
            "  earshot call --to sip:rec@127.0.0.1:5060 --video --dtls\n"
            "  earshot call --to sip:rec@127.0.0.1:5060 --chat --no-audio --chat-file offer.pdf\n"
            "      a chat of two, and a file\n"
            "  earshot call --to sip:rec@127.0.0.1:5060 --share document --share-at 2\n"
            "      a document that is shared, from the third second on\n"
            "  earshot call --through 127.0.0.1:5062 --recordpref pause --dtmf 42#\n"
            "      two phones, through the recording client that listens there\n"
            "  earshot call --through 127.0.0.1:5062 --count 500 --rate 50 --keyed-payload --json\n"
            "      a load run: set-up times, and whether every packet was heard\n"
            "  earshot call --phones --to sip:1000@192.0.2.9 --heard-a heard.wav\n"
            "      a call to somebody else's phone\n"
            "  earshot call --phones --record-to sip:rec@127.0.0.1:5060\n"
            "      a call that its caller records by itself\n"
            "  earshot call --through 127.0.0.1:5062 --chat --no-audio\n"
            "  earshot call --through 127.0.0.1:5062 --share screen\n"
            "  earshot call --to sip:conf-1@127.0.0.1:5062 --conference 3 --video --share document "
            "--chat\n"
            "      three in a room of the recording client's: voices, cameras, slides, chat");
    }

    bool was_chosen() const override { return call_->parsed(); }

    Exit run(std::ostream& out, std::ostream& err) override {
        options_.duration = to_ms(duration_);
        if (hold_at_) options_.hold_at = to_ms(*hold_at_);
        if (const std::string stray = stray_option(); !stray.empty()) {
            err << "error: " << stray
                << (phones_->was_chosen() ? " is not for phones\n"
                                          : " needs --through, --phones or --answer\n");
            return Exit::Usage;
        }
        if (const std::string lonely = lonely_option(); !lonely.empty()) {
            err << "error: " << lonely << '\n';
            return Exit::Usage;
        }
        options_.has_audio = !has_no_audio_;
        if (!sharing_.empty()) options_.share = *loadgen::find_sharing(sharing_);
        if (share_at_) options_.share_at = to_ms(*share_at_);
        if (options_.to.empty() && !phones_->was_chosen()) {
            err << "error: --to, --through, --phones or --answer is required\n";
            return Exit::Usage;
        }
        if (!session_id_.empty()) {
            options_.session_id = siprec::MetadataId{session_id_}.uuid();
            if (!options_.session_id) {
                err << "error: --session-id is neither a UUID nor base64 of one\n";
                return Exit::Usage;
            }
        }
        if (!suite_.empty()) {
            options_.srtp = base::find_srtp_suite(suite_);
            if (!options_.srtp) {
                err << "error: --srtp takes one of";
                for (const base::SrtpSuiteFacts& facts : base::srtp_suites())
                    err << ' ' << facts.name;
                err << '\n';
                return Exit::Usage;
            }
        }
        if (rekey_at_) options_.rekey_at = to_ms(*rekey_at_);
        if (password_file_.empty() != options_.credentials.username.empty()) {
            err << "error: --user and --password-file belong together\n";
            return Exit::Usage;
        }
        if (!password_file_.empty()) {
            auto password = read_secret(password_file_);
            if (!password) {
                err << "error: " << password_file_ << " cannot be read or is empty\n";
                return Exit::Usage;
            }
            options_.credentials.password = *std::move(password);
        }
        if (identity_.certificate_file.empty() != identity_.private_key_file.empty()) {
            err << "error: --certificate-file and --private-key-file belong together\n";
            return Exit::Usage;
        }
        if (!identity_.certificate_file.empty()) options_.tls.identities = {identity_};
        std::signal(SIGINT, on_interrupt);
        std::signal(SIGTERM, on_interrupt);
        io::StderrLog log({.level = base::LogLevel::Warning});
        const bool shows_progress = ::isatty(STDERR_FILENO) == 1;
        SilenceNotice silence;
        const auto on_progress = [&](const loadgen::CallProgress& p) {
            if (silence.is_due(p, std::chrono::steady_clock::now()))
                err << "no answer yet, trying for 32 s\n" << std::flush;
            if (!shows_progress) return;
            err << fmt::format("\r{} of {} calls started, {} answered, {} ended, {} packets sent ",
                               p.started, options_.count, p.answered, p.ended, p.packets_sent)
                << std::flush;
        };
        if (phones_->was_chosen()) return run_phones(log, on_progress, out, err);
        const auto results = loadgen::run_calls(options_, log, on_progress, interrupted);
        if (shows_progress) err << '\n';
        if (!results) {
            err << "error: " << results.error().text << '\n';
            return Exit::Usage;
        }
        const Exit code = report(*results, out);
        const bool was_asked = std::any_of(results->begin(), results->end(),
                                           [](const auto& call) { return call.sip_status == 401; });
        if (was_asked && options_.credentials.username.empty())
            err << "The server asks for a password: give --user NAME and --password-file FILE, "
                   "whose first line it is.\n";
        else if (was_asked)
            err << "The server does not take this user and password: compare them with username "
                   "and "
                   "password_file of its [[peer]].\n";
        return code;
    }

private:
    static std::chrono::milliseconds to_ms(double seconds) {
        return std::chrono::milliseconds{static_cast<std::int64_t>(seconds * 1000)};
    }

    // An option of the other kind of call; empty: none.
    std::string stray_option() const {
        if (!phones_->was_chosen()) return phones_->stray();
        for (const CLI::Option* option : of_client_)
            if (option->count() > 0) return option->get_name();
        return "";
    }

    void add_sharing() {
        call_
            ->add_option("--share", sharing_,
                         "A shares this: a video line more (a=content:slides), a page each 4 s")
            ->type_name("KIND")
            ->check(CLI::IsMember({"screen", "application", "document"}));
        of_sharing_.push_back(
            call_
                ->add_option("--share-at", share_at_,
                             "Begin it only after so many seconds, by a re-INVITE")
                ->type_name("S")
                ->check(CLI::Range(0.0, 86400.0)));
        of_client_.push_back(of_sharing_.back());
    }

    void add_chat() {
        call_->add_flag("--chat", options_.chat.has_chat,
                        "The parties write to each other, too: an MSRP session (m=message)");
        of_chat_.push_back(
            call_
                ->add_option("--chat-lines", options_.chat.lines_path,
                             "What they write: lines of 'A: text' and 'B: text' (default: a short "
                             "dialogue)")
                ->type_name("FILE"));
        call_
            ->add_option("--chat-file", options_.chat.file_path,
                         "A hands this to B, by an MSRP session of its own (RFC 5547)")
            ->type_name("FILE");
        call_->add_flag("--no-audio", has_no_audio_,
                        "No voice: for calls of --chat, --share or --video alone");
    }

    // An option without the one that it belongs to, as a sentence; empty: none.
    std::string lonely_option() const {
        const auto find = [](const std::vector<CLI::Option*>& options, bool is_there,
                             const std::string& needed) -> std::string {
            for (const CLI::Option* option : options)
                if (option->count() > 0 && !is_there)
                    return option->get_name() + " needs " + needed;
            return "";
        };
        for (const std::string& found : {find(of_cameras_, options_.video, "--video"),
                                         find(of_sharing_, !sharing_.empty(), "--share"),
                                         find(of_chat_, options_.chat.has_chat, "--chat")})
            if (!found.empty()) return found;
        return "";
    }

    Exit run_phones(base::Log& log, const loadgen::ProgressCallback& on_progress, std::ostream& out,
                    std::ostream& err) {
        auto options = phones_->read();
        if (!options) {
            err << "error: " << options.error().text << '\n';
            return Exit::Usage;
        }
        options->to = options_.to;
        options->party_a = options_.party_a;
        options->party_b = options_.party_b;
        options->audio_a = options_.audio_a;
        options->audio_b = options_.audio_b;
        // Who only answers is hung up on, unless a time was given.
        const bool is_open = options->is_answering_only && call_->count("--duration") == 0;
        options->duration = is_open ? std::chrono::milliseconds{0} : options_.duration;
        options->hold_at = options_.hold_at;
        constexpr double kSpeakersPerSecond = 5;
        if (!options->is_conference) options->count = options_.count;
        options->rate = options->is_conference && call_->count("--rate") == 0 ? kSpeakersPerSecond
                                                                              : options_.rate;
        options->keyed_payload = options_.keyed_payload;
        options->has_audio = options_.has_audio;
        options->video = options_.video;
        options->video_rate = options_.video_rate;
        options->share = options_.share;
        options->chat = options_.chat;
        options->credentials = options_.credentials;
        options->tls = options_.tls;
        if (options_.is_tls) options->transport = "tls";
        loadgen::PhoneObserver observer;
        observer.on_progress = on_progress;
        if (!json_)
            observer.on_record_change = [&out](std::uint32_t call, loadgen::Phone phone,
                                               const loadgen::RecordNotice& notice) {
                print(out, call, phone, notice);
            };
        if (options->is_answering_only)
            observer.on_listening = [&err](const std::string& uri) {
                err << "answering at " << uri << '\n' << std::flush;
            };
        const auto run = loadgen::run_phones(*options, log, observer, interrupted);
        if (::isatty(STDERR_FILENO) == 1) err << '\n';
        if (!run) {
            err << "error: " << run.error().text << '\n';
            return Exit::Usage;
        }
        if (json_)
            print_json(out, to_json(*run));
        else
            print(out, *run);
        out.flush();
        return std::all_of(run->calls.begin(), run->calls.end(),
                           [](const auto& call) { return call.result == "ok"; })
                   ? Exit::Ok
                   : Exit::FoundBad;
    }

    Exit report(const std::vector<loadgen::CallResult>& results, std::ostream& out) const {
        nlohmann::json all = nlohmann::json::array();
        bool all_ok = true;
        for (const loadgen::CallResult& result : results) {
            all_ok = all_ok && result.result == "ok";
            if (json_)
                all.push_back(to_json(result));
            else
                print(out, result);
        }
        if (json_) print_json(out, all);
        out.flush();
        return all_ok ? Exit::Ok : Exit::FoundBad;
    }

    CLI::App* call_ = nullptr;
    std::vector<CLI::Option*> of_client_;   // that phones do not have
    std::vector<CLI::Option*> of_video_;    // of these, those that want --video
    std::vector<CLI::Option*> of_cameras_;  // all that want --video
    std::vector<CLI::Option*> of_sharing_;  // those that want --share
    std::vector<CLI::Option*> of_chat_;     // and --chat
    std::unique_ptr<PhoneFlags> phones_;
    loadgen::CallOptions options_;
    double duration_ = 10;
    std::optional<double> hold_at_;
    bool has_no_audio_ = false;
    std::string sharing_;
    std::optional<double> share_at_;
    std::string suite_;
    std::optional<double> rekey_at_;
    std::string password_file_;
    io::TlsIdentity identity_;
    std::string session_id_;
    bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_call_command(CLI::App& app) {
    return std::make_unique<CallCommand>(app);
}

}  // namespace earshot::app
