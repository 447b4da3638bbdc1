#include "client/companion.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include "client/call_keys.h"

#include "base/text.h"
#include "policy/limits.h"

namespace earshot::client {

using base::Reason;
using base::Result;

namespace {

CsParty party_of(relay::Leg leg, const policy::CallFacts::Party& who, base::WallTime now) {
    CsParty party{.leg = leg, .names = {}, .joined = now, .left = {}};
    if (!who.uri.empty()) party.names.push_back({.aor = who.uri, .name = who.name, .language = {}});
    return party;
}

}  // namespace

struct Companion::TappedCall {
    std::uint64_t key = 0;
    CompanionWish wish;
    CsRecord cs;
    policy::RecordingPlan plan;
    base::WallTime begun{};
    std::optional<base::TimePoint> ends{};
    StartDone when_begun;                  // until it is known who has the call
    bool is_over = false;                  // nothing begins any more
    std::unique_ptr<Recording> recording;  // null: it is still asked who has the call
};

Companion::Companion(const ClientConfig& config, const base::Uuid& installation,
                     Dependencies dependencies)
    : config_(config),
      installation_(installation),
      d_(std::move(dependencies)),
      last_key_(kCompanionKeys) {
    d_.tap.when_gone([this](relay::CallKey call, const Reason& why) { on_gone(call, why); });
    d_.tap.when_changed([this](relay::CallKey key) {
        const TappedCall* call = find(key.value);
        if (call != nullptr && call->recording != nullptr) call->recording->refresh(d_.clock.now());
    });
}

Companion::~Companion() = default;

Companion::TappedCall* Companion::find(std::uint64_t key) const {
    const auto found = calls_.find(key);
    return found == calls_.end() ? nullptr : found->second.get();
}

// ---- a recording begins -------------------------------------------------------------------------

Result<policy::RecordingPlan, Reason> Companion::plan(const CompanionWish& wish,
                                                      const policy::CallFacts& facts) const {
    const std::string instance =
        wish.instance.empty() ? std::string(policy::kDefaultInstance) : wish.instance;
    const auto rule =
        std::find_if(config_.rules.begin(), config_.rules.end(),
                     [&](const auto& one) { return one.instance == instance && one.records; });
    const bool is_known = rule != config_.rules.end();
    if (!is_known && instance != policy::kDefaultInstance && wish.servers.empty())
        return Reason{"bad_request",
                      fmt::format("No rule has the instance \"{}\": name servers.", instance)};
    policy::RecordingSettings settings = is_known ? rule->settings : config_.recording;
    if (!wish.servers.empty()) settings.servers = wish.servers;
    if (!wish.group.empty()) settings.group = wish.group;
    settings.headers.insert(settings.headers.end(), wish.headers.begin(), wish.headers.end());
    settings.mandatory = false;  // the call is not ours to end
    if (settings.servers.empty())
        return Reason{"bad_request",
                      fmt::format("No recording server is configured for \"{}\".", instance)};
    return policy::RecordingPlan{.instance = instance,
                                 .rule = is_known ? rule->name : std::string{},
                                 .settings = policy::resolve(std::move(settings), facts)};
}

void Companion::start(base::Now now, CompanionWish wish, StartDone done) {
    if (wish.call_id.empty() || wish.from_tag.empty() || wish.to_tag.empty())
        return done(Reason{"bad_request", "call_id, from_tag and to_tag must be told."});
    const policy::CallFacts facts{.call_id = wish.call_id,
                                  .from = wish.from,
                                  .to = wish.to,
                                  .request_uri = wish.to.uri,
                                  .source = wish.rtpengine,
                                  .time = now.wall};
    auto planned = plan(wish, facts);
    if (!planned) return done(planned.error());
    for (const auto& [key, other] : calls_) {
        if (other->is_over || other->wish.call_id != wish.call_id ||
            other->plan.instance != planned->instance)
            continue;
        if (other->recording != nullptr) other->recording->refresh(now);  // a re-INVITE, perhaps
        return done(std::to_string(key));
    }
    if (calls_.size() >= config_.companion.max_recordings)
        return done(
            Reason{"too_many_recordings", fmt::format("{} calls are recorded so already (companion."
                                                      "max_recordings).",
                                                      calls_.size())});
    auto call = std::make_unique<TappedCall>();
    call->key = ++last_key_;
    call->plan = *std::move(planned);
    call->begun = now.wall;
    call->cs = CsRecord{.session_id = base::make_uuid_v4(d_.random),
                        .installation = installation_,
                        .call_id = wish.call_id,
                        .session_ids = wish.session_ids.empty() ? wish.call_id : wish.session_ids,
                        .start = now.wall};
    add_party(call->cs, party_of(relay::Leg::A, wish.from, now.wall));
    add_party(call->cs, party_of(relay::Leg::B, wish.to, now.wall));
    call->cs.participant_space = call->cs.session_id;
    call->wish = std::move(wish);
    call->when_begun = std::move(done);
    const std::uint64_t key = call->key;
    TappedCall& asked = *calls_.emplace(key, std::move(call)).first->second;
    const std::chrono::seconds longest = asked.wish.longest > std::chrono::seconds{0}
                                             ? asked.wish.longest
                                             : config_.companion.longest;
    if (longest > std::chrono::seconds{0}) {
        asked.ends = now.steady + longest;
        ends_.emplace(*asked.ends, key);
    }
    d_.tap.adopt({key},
                 {.call_id = asked.wish.call_id,
                  .tags = {asked.wish.from_tag, asked.wish.to_tag},
                  .instance = asked.wish.rtpengine},
                 [this, key](const Result<base::Done, Reason>& found) {
                     TappedCall* sought = find(key);
                     if (sought == nullptr || sought->is_over) return;
                     if (found) return begin(d_.clock.now(), *sought);
                     std::exchange(sought->when_begun, nullptr)(found.error());
                     set_over(*sought);
                 });
}

void Companion::begin(base::Now now, TappedCall& call) {
    const StartDone done = std::exchange(call.when_begun, nullptr);
    const auto flow = d_.find_socket(call.plan.settings.socket);
    call.recording =
        std::make_unique<Recording>(Recording::Dependencies{.agent = d_.agent,
                                                            .plane = d_.tap,
                                                            .clock = d_.clock,
                                                            .random = d_.random,
                                                            .index = d_.index,
                                                            .events = d_.events,
                                                            .servers = d_.servers},
                                    call.cs, relay::CallKey{call.key}, 1, call.plan,
                                    Recording::Common{.credentials = config_.credentials,
                                                      .server_silence = config_.server_silence,
                                                      .flow = flow.value_or(sip::Flow{}),
                                                      .fails_over = config_.fails_over,
                                                      .failover_time = config_.failover_time});
    call.recording->when_lost([this, key = call.key](const Reason&) {
        if (TappedCall* lost = find(key)) set_over(*lost);
    });
    const std::string id = std::to_string(call.key);
    call.recording->start(now);
    if (!call.wish.waits) return done(id);
    call.recording->when_settled([id, done](const std::optional<Reason>& failure) {
        if (!failure) return done(id);
        done(Reason{"recording_failed",
                    failure->text.empty() ? "The recording ended at once." : failure->text});
    });
}

// ---- and ends -----------------------------------------------------------------------------------

// True once: nothing begins any more, and what is under way comes to its end.
bool Companion::set_over(TappedCall& call) {
    if (std::exchange(call.is_over, true)) return false;
    over_.push_back(call.key);
    if (const StartDone done = std::exchange(call.when_begun, nullptr))
        done(Reason{"recording_failed", "It was ended before it began."});
    return true;
}

// The recording ends with the call: its last metadata tell when that was.
void Companion::end(base::Now now, TappedCall& call, const Reason& why) {
    if (!set_over(call)) return;
    call.cs.stop = now.wall;
    if (call.recording != nullptr && call.recording->is_engaged()) {
        RecordingEvent event{.kind = "call_ended",
                             .at = now.wall,
                             .call = call.key,
                             .call_id = call.wish.call_id,
                             .instance = call.plan.instance,
                             .reason = why};
        d_.events.tell(event);
        call.recording->end(now);
    }
    d_.tap.remove({call.key});
}

void Companion::end_all(base::Now now, const Reason& why) {
    for (const auto& [key, call] : calls_) end(now, *call, why);
}

void Companion::on_gone(relay::CallKey key, const Reason& why) {
    if (TappedCall* call = find(key.value)) end(d_.clock.now(), *call, why);
}

std::optional<Reason> Companion::control(base::Now now, CompanionVerb verb, std::string_view which,
                                         const std::string& why) {
    // Numbers first: a Call-ID is the caller's choice, and could be another one's id.
    std::vector<TappedCall*> meant;
    const auto number = base::parse_number<std::uint64_t>(which);
    TappedCall* named = number ? find(*number) : nullptr;
    if (named != nullptr && !named->is_over) meant.push_back(named);
    if (meant.empty())
        for (const auto& [key, call] : calls_)
            if (!call->is_over && call->wish.call_id == which) meant.push_back(call.get());
    if (meant.empty())
        return Reason{"unknown_recording",
                      fmt::format("No running recording has the id or Call-ID \"{}\".", which)};
    for (TappedCall* call : meant) {
        Recording* recording = call->recording.get();
        if (verb == CompanionVerb::End) {
            end(now, *call, {"ended", why.empty() ? "The call has ended." : why});
        } else if (verb == CompanionVerb::Stop) {
            set_over(*call);
            if (recording != nullptr) recording->stop(now, {"stopped", why});
        } else if (recording != nullptr) {
            if (verb == CompanionVerb::Pause) recording->pause(now, why);
            if (verb == CompanionVerb::Resume) recording->resume(now, why);
            if (verb == CompanionVerb::Look) recording->refresh(now);
        }
    }
    return std::nullopt;
}

// ---- time, views --------------------------------------------------------------------------------

void Companion::on_time(base::Now now) {
    while (!ends_.empty() && ends_.begin()->first <= now.steady) {
        TappedCall* call = find(ends_.begin()->second);
        ends_.erase(ends_.begin());
        if (call != nullptr)
            end(now, *call, {"too_long", "The recording has lasted as long as it may."});
    }
}

std::optional<base::TimePoint> Companion::deadline() const {
    if (ends_.empty()) return std::nullopt;
    return ends_.begin()->first;
}

void Companion::tidy() {
    std::erase_if(over_, [&](std::uint64_t key) {
        const TappedCall& call = *calls_.at(key);
        if (call.recording != nullptr && !call.recording->is_done()) return false;
        d_.tap.remove({key});
        if (call.ends) ends_.erase({*call.ends, key});
        calls_.erase(key);
        return true;
    });
}

std::vector<CompanionView> Companion::views() const {
    std::vector<CompanionView> views;
    for (const auto& [key, call] : calls_) {
        CompanionView view{.id = std::to_string(key),
                           .call_id = call->wish.call_id,
                           .from = call->wish.from.uri,
                           .to = call->wish.to.uri,
                           .rtpengine = d_.tap.instance_of({key}),
                           .begun = call->begun};
        if (call->recording != nullptr)
            view.recording = call->recording->view();
        else
            view.recording = {
                .instance = call->plan.instance, .rule = call->plan.rule, .state = "starting"};
        views.push_back(std::move(view));
    }
    return views;
}

}  // namespace earshot::client
