#include "loadgen/phone_client.h"

#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "audio/wav.h"
#include "base/text.h"
#include "io/linux_file.h"
#include "io/route.h"
#include "io/tls_context.h"
#include "loadgen/limits.h"
#include "loadgen/phone_run.h"
#include "loadgen/target.h"
#include "sip/headers.h"

namespace earshot::loadgen {
namespace {

using base::Reason;

constexpr std::size_t kCaller = static_cast<std::size_t>(Phone::Caller);
constexpr std::size_t kCallee = static_cast<std::size_t>(Phone::Callee);

std::optional<sip::Transport> transport_of(std::string_view name) {
    for (const auto transport : {sip::Transport::Udp, sip::Transport::Tcp, sip::Transport::Tls})
        if (base::iequals(name, sip::via_name(transport))) return transport;
    return std::nullopt;
}

std::optional<Reason> check(const PhoneOptions& options) {
    if (options.count == 0 || options.count > kMaxCalls)
        return Reason{"bad_count", "The number of calls must be 1 to 100000."};
    if (!(options.rate > 0)) return Reason{"bad_rate", "The rate must be above 0."};
    if (options.duration < kPacketTime && !options.is_answering_only)
        return Reason{"bad_duration", "The duration must be 20 ms or more."};
    if (options.is_conference && options.to.empty())
        return Reason{"bad_conference", "A conference needs its room: give --to SIP-URI."};
    if (options.is_conference && options.count > kMaxSpeakers)
        return Reason{"bad_conference", "A conference has 1 to 64 participants."};
    if (!options.has_audio && !options.video && !options.share && !options.chat.is_wanted())
        return Reason{"no_media",
                      "Without voice a call needs a camera, something shared or a chat."};
    const bool is_voice_alone =
        options.has_audio && !options.video && !options.share && !options.chat.is_wanted();
    if (!options.record_to.empty() && !is_voice_alone)
        return Reason{"bad_recording",
                      "A phone that records itself records voices alone: leave out --record-to."};
    if (options.is_conference && !options.chat.file_path.empty())
        return Reason{"bad_chat_file", "Files are handed over in calls of two."};
    if (options.hold_at && *options.hold_at >= options.duration)
        return Reason{"bad_hold", "The hold must begin within the duration of the call."};
    if (options.is_early && options.is_late_offer)
        return Reason{"bad_early", "Early media needs an offer in the INVITE."};
    if (options.count > 1 && !(options.heard_a.empty() && options.heard_b.empty()))
        return Reason{"bad_heard", "What was heard can be kept of one call only."};
    if (options.digits.size() > kMaxDigits ||
        options.digits.find_first_not_of("0123456789*#ABCD,") != std::string::npos)
        return Reason{"bad_digits", "Not DTMF, or more than 64 digits: " + options.digits};
    if (!transport_of(options.transport))
        return Reason{"unsupported_transport", "Only udp, tcp and tls are built."};
    return std::nullopt;
}

// HOST[:PORT] of a phone: a literal, or by the route to where the calls go; port 0 is any.
base::Result<base::NetAddress, Reason> local_address(const std::string& text,
                                                     const base::NetAddress& toward) {
    if (text.empty()) {
        const auto routed = io::local_address_toward(toward);
        if (!routed)
            return Reason{"no_route", "There is no route to " + base::to_string(toward) + "."};
        return *routed;
    }
    auto literal = base::parse_net_address(text);
    if (!literal) literal = base::parse_host(text, 0);
    if (!literal) return Reason{"bad_address", "Not an address: " + text};
    return *literal;
}

std::string with_transport(const std::string& uri, const std::string& transport) {
    return uri.find(";transport=") == std::string::npos && transport != "udp"
               ? uri + ";transport=" + transport
               : uri;
}

base::Result<std::string, Reason> as_name_addr(const std::string& text) {
    if (!sip::parse_uri(typed_uri(text))) return Reason{"bad_uri", "Not a URI: " + text};
    return text.find('<') == std::string::npos ? "<" + text + ">" : text;
}

// sip:bo@192.0.2.1:5060;transport=tcp of "Bo" <sip:bo@example.test>.
std::string contact_of(const std::string& party, const base::NetAddress& address,
                       const std::string& transport) {
    const auto uri = sip::parse_uri(typed_uri(party));
    const std::string user{uri && !uri->user.empty() ? uri->user : "phone"};
    return with_transport("sip:" + user + "@" + base::to_string(address), transport);
}

base::Result<Voice, Reason> make_voice(const std::string& wav_path, unsigned party) {
    if (!wav_path.empty()) return load_voice(wav_path);
    return Voice{make_tone_speech(party), Voice::AtEnd::Repeat};
}

// Of a conference: who dials in later begins to speak later.
std::vector<Voice> make_speakers(const PhoneOptions& options) {
    std::vector<Voice> speakers;
    if (!options.is_conference) return speakers;
    speakers.reserve(options.count);
    for (std::uint32_t i = 0; i < options.count; ++i) {
        const std::chrono::milliseconds late{static_cast<std::int64_t>(1000.0 * i / options.rate)};
        speakers.emplace_back(make_turn_speech(i, options.count, late), Voice::AtEnd::Repeat);
    }
    return speakers;
}

// Four descriptors a call: the usual soft limit of 1024 would end a run at 250 calls.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

std::optional<Reason> write_wav(const std::string& path, const std::vector<std::int16_t>& sound) {
    base::Bytes bytes = audio::make_wav_header({}, sound.size());
    audio::append_samples(sound, bytes);
    io::LinuxFileSystem files;
    static_cast<void>(files.remove(path));  // of an earlier run
    auto file = files.create(path);
    if (file && (*file)->write_at(0, bytes) && (*file)->truncate(bytes.size())) return std::nullopt;
    return Reason{"cannot_write", path + " cannot be written."};
}

std::optional<Reason> write_heard(const PhoneOptions& options, const PhoneCallResult& call) {
    for (const auto& [path, phone] :
         {std::pair{options.heard_a, kCaller}, std::pair{options.heard_b, kCallee}}) {
        if (path.empty()) continue;
        if (auto reason = write_wav(path, call.phones[phone].heard.sound)) return reason;
    }
    return std::nullopt;
}

std::unique_ptr<base::Random> make_random(std::uint64_t seed) {
    if (seed != 0) return std::make_unique<base::SeededRandom>(seed);
    return std::make_unique<base::SystemRandom>();
}

base::Result<std::unique_ptr<VideoSender>, Reason> make_video(const PhoneOptions& options,
                                                              const PhoneRunPlan& plan,
                                                              base::Random& random) {
    if (!options.video && !options.share) return std::unique_ptr<VideoSender>{};
    VideoSender::Settings settings;
    for (std::uint32_t call = 0; call < options.count; ++call) {
        for (unsigned phone = 0; phone < kPhones; ++phone) {
            const base::NetAddress& local = plan.sip.at(phone);
            const unsigned party = options.is_conference ? call : phone;
            settings.streams.push_back({.party = party, .local = local});
            settings.streams.push_back(
                {.sharing = options.share.value_or(Sharing::Document), .local = local});
        }
    }
    settings.bits_per_second = options.video_rate;
    return VideoSender::create(settings, random, {[](std::uint32_t) {}, {}});
}

// Where all calls go when it is not straight to our callee.
base::Result<std::optional<Target>, Reason> find_next_hop(const PhoneOptions& options) {
    const std::string uri = options.through.empty() ? options.to : "sip:" + options.through;
    if (uri.empty()) return std::optional<Target>{};
    auto target = find_target(with_transport(uri, options.transport));
    if (!target) return target.error();
    return std::optional<Target>{*std::move(target)};
}

}  // namespace

base::Result<PhoneRunResult, Reason> run_phones(const PhoneOptions& options, base::Log& log,
                                                const PhoneObserver& observer,
                                                const std::atomic<bool>& stop) {
    if (auto reason = check(options)) return *reason;
    PhoneRunPlan plan;
    for (const auto& [party, phone] :
         {std::pair{options.party_a, kCaller}, std::pair{options.party_b, kCallee}}) {
        auto name_addr = as_name_addr(party);
        if (!name_addr) return name_addr.error();
        plan.parties[phone] = *std::move(name_addr);
    }
    auto voice_a = make_voice(options.audio_a, 0);
    if (!voice_a) return voice_a.error();
    auto voice_b = make_voice(options.audio_b, 1);
    if (!voice_b) return voice_b.error();
    plan.voices = {&*voice_a, &*voice_b};
    const std::vector<Voice> speakers = make_speakers(options);
    for (const Voice& speaker : speakers) plan.speakers.push_back(&speaker);

    const auto next_hop = find_next_hop(options);
    if (!next_hop) return next_hop.error();
    const base::NetAddress toward =
        *next_hop ? (*next_hop)->address : *base::parse_host("127.0.0.1", 5060);
    const auto local_a = local_address(options.sip_a, toward);
    if (!local_a) return local_a.error();
    const auto local_b = local_address(options.sip_b, toward);
    if (!local_b) return local_b.error();
    plan.transport = *transport_of(options.transport);
    transport::SipLoopOptions loop_options;
    if (plan.transport == sip::Transport::Tls) {
        auto tls = io::TlsContext::load(options.tls);
        if (!tls) return tls.error();
        loop_options.tls = *std::move(tls);
        // What is between them knows a phone by its certificate; rooms take no TLS.
        plan.has_secure_chats =
            !options.through.empty() && !options.is_conference && !options.tls.identities.empty();
    }
    auto loop = transport::SipLoop::create(
        {{plan.transport, *local_a, true}, {plan.transport, *local_b, true}}, log, loop_options);
    if (!loop) return loop.error();

    for (std::uint16_t phone = 0; phone < kPhones; ++phone) {
        plan.sip[phone] = (*loop)->local_address(phone);
        plan.contacts[phone] = contact_of(plan.parties[phone], plan.sip[phone], options.transport);
    }
    plan.request_uri = plan.contacts[kCallee];
    plan.target = *next_hop ? (*next_hop)->address : plan.sip[kCallee];
    if (!options.to.empty()) {
        plan.request_uri = std::string{typed_uri(options.to)};
        plan.parties[kCallee] = "<" + plan.request_uri + ">";
    }
    if (!options.record_to.empty()) {
        auto recorder = find_target(options.record_to);
        if (!recorder) return recorder.error();
        if (recorder->transport != plan.transport)
            return Reason{"unsupported_transport",
                          "The recording server is reached by the transport of the phones: give "
                          "--transport."};
        plan.recorder = recorder->address;
    }
    if (observer.on_listening) observer.on_listening(plan.contacts[kCallee]);

    raise_descriptor_limit();
    const auto random = make_random(options.seed);
    const auto made_video = make_video(options, plan, *random);
    if (!made_video) return made_video.error();
    auto chat = load_chat(options.chat);
    if (!chat) return chat.error();
    std::unique_ptr<ChatThread> chats;
    if (options.chat.is_wanted()) {
        auto made = ChatThread::create(
            {.locals = {plan.sip[kCaller], plan.sip[kCallee]}, .tls = loop_options.tls}, log,
            [](ChatId) {});
        if (!made) return made.error();
        chats = *std::move(made);
    }
    plan.chat = *std::move(chat);
    plan.video = made_video->get();
    plan.chats = chats.get();
    PhoneRun run{options, std::move(plan), **loop, *random, log, observer, stop};
    PhoneRunResult result;
    {
        PhoneMedia media{*random, [&run](LegId leg, LegMedia figures) {
                             run.on_media_closed(leg, std::move(figures));
                         }};
        run.run(media);
        result.delays = media.delays();
    }
    result.calls = run.results();
    run.add_lines(result.calls);
    if (result.calls.size() == 1)
        if (auto reason = write_heard(options, result.calls.front())) return *reason;
    return result;
}

}  // namespace earshot::loadgen
