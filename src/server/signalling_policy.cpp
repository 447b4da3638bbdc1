// Signalling, continued: what the rules and the decision hook make of an INVITE.
#include <fmt/format.h>

#include "base/text.h"
#include "server/signalling.h"
#include "sip/dialog.h"

namespace earshot::server {

using base::Reason;

namespace {

// The URI of a From or To; the whole value where there is none to be found.
std::string readable_uri(std::string_view value) { return base::to_valid_utf8(sip::uri_of(value)); }

policy::OfferedStream to_policy(const siprec::OfferedStream& stream) {
    return {.label = stream.label, .medium = stream.media, .codecs = stream.encodings};
}

policy::InviteFacts to_facts(const siprec::Decide& question, policy::InviteFacts facts) {
    facts.call_id = question.facts.call_id;
    facts.from = readable_uri(question.facts.from);
    facts.to = readable_uri(question.facts.to);
    for (const auto& party : question.facts.participants)
        facts.participants.push_back({.aor = party.aor, .name = party.name});
    facts.group = question.facts.group;
    facts.session_ids = question.facts.session_ids;
    facts.headers = question.facts.headers;
    for (const auto& stream : question.streams) facts.streams.push_back(to_policy(stream));
    return facts;
}

// Who decided, as the event on the timeline and the reason of a declined row have it.
struct Decider {
    std::string_view by;  // "rule", "hook", "failure"
    std::string rule;
    std::string text;
};

Reason reason_of_decline(const Decider& decider, const policy::Outcome& outcome) {
    if (decider.by == "rule")
        return {kDeclinedByRule, fmt::format("The rule \"{}\" declines it.", decider.rule)};
    if (decider.by == "failure")
        return {"declined_without_decision",
                fmt::format("There was no decision: {} decision.on_failure is \"decline\".",
                            decider.text)};
    return {"declined_by_hook", outcome.phrase.empty()
                                    ? std::string("The decision hook declines it.")
                                    : fmt::format("The decision hook declines it: {}",
                                                  base::to_valid_utf8(outcome.phrase))};
}

siprec::Ruling to_ruling(const policy::Outcome& outcome, const Decider& decider) {
    siprec::Ruling ruling;
    ruling.event = siprec::make_event("policy_decision", siprec::kNoStream,
                                      {{"by", std::string(decider.by)},
                                       {"rule", decider.rule},
                                       {"action", std::string(to_string(outcome.action))},
                                       {"text", decider.text}});
    switch (outcome.action) {
        case policy::Action::Record:
            break;
        case policy::Action::Decline:
            ruling.kind = siprec::Ruling::Kind::Decline;
            ruling.status = outcome.code;
            ruling.phrase = outcome.phrase;
            ruling.reason = reason_of_decline(decider, outcome);
            break;
        case policy::Action::Inactive:
            ruling.kind = siprec::Ruling::Kind::Inactive;
            ruling.release_after = outcome.record_after;
            break;
        case policy::Action::Streams:
            ruling.declines = [outcome](const siprec::OfferedStream& stream) {
                return policy::declines(outcome, to_policy(stream));
            };
            break;
    }
    return ruling;
}

siprec::Ruling rule_of(const policy::Rule& rule, const policy::InviteFacts& facts) {
    return to_ruling(policy::resolve(rule.outcome, facts),
                     {.by = "rule", .rule = rule.name, .text = {}});
}

siprec::Ruling without_decision(const DecisionHookConfig& config, const Reason& why) {
    policy::Outcome outcome;
    if (!config.records_on_failure) outcome.action = policy::Action::Decline;
    return to_ruling(outcome, {.by = "failure", .rule = {}, .text = why.text});
}

}  // namespace

bool Signalling::asks_policy() const {
    return !config_.rules.empty() || !config_.decision.url.empty();
}

// Who sends the INVITE, or is sent it, and when: known before a word of it is read.
policy::InviteFacts Signalling::envelope_of(const Call& call, const sip::Flow& flow) const {
    policy::InviteFacts facts;
    const Peer* peer = find_peer(config_, flow.remote, call.username, &call.certificate);
    if (peer != nullptr) facts.peer = peer->name;
    facts.peer_address = base::to_string(flow.remote);
    facts.time = call.arrived.wall;
    facts.is_outgoing = call.is_ours;
    return facts;
}

// Why a rule declines an INVITE of ours to `flow` whatever the client would offer, so that it need
// not be asked. What depends on the offer or its metadata is decided when the client has sent it.
std::optional<Reason> Signalling::find_certain_decline(const Call& call,
                                                       const sip::Flow& flow) const {
    policy::InviteFacts facts = envelope_of(call, flow);
    facts.from = sip::uri_of(call.attempt.from);
    facts.to = sip::uri_of(call.attempt.to);
    const policy::Rule* rule = policy::find_certain_rule(config_.rules, facts);
    if (rule == nullptr || rule->outcome.action != policy::Action::Decline) return std::nullopt;
    return reason_of_decline({.by = "rule", .rule = rule->name, .text = {}}, rule->outcome);
}

void Signalling::carry_out(Call& call, siprec::Decide& action) {
    policy::InviteFacts facts = to_facts(action, envelope_of(call, call.flow));
    if (const policy::Rule* rule = policy::find_rule(config_.rules, facts))
        return rule_on(call, rule_of(*rule, facts));
    if (config_.decision.url.empty()) return rule_on(call, {});

    const auto answered = [this, serial = call.serial, facts, config = config_.decision](
                              base::Result<policy::Outcome, Reason> outcome) {  // its own thread
        siprec::Ruling ruling = outcome ? to_ruling(policy::resolve(*std::move(outcome), facts),
                                                    {.by = "hook", .rule = {}, .text = {}})
                                        : without_decision(config, outcome.error());
        d_.loop.post([this, serial, ruling = std::move(ruling),
                      failure = outcome ? std::nullopt : std::optional(outcome.error())] {
            on_hook_answer(serial, ruling, failure);
            drain();
        });
    };
    if (const auto busy = d_.hook.ask(config_.decision, facts, answered)) {
        note_hook_failure(*busy);
        rule_on(call, without_decision(config_.decision, *busy));
    }
}

void Signalling::on_hook_answer(std::uint64_t serial, const siprec::Ruling& ruling,
                                const std::optional<Reason>& failure) {
    if (failure) note_hook_failure(*failure);
    Call* call = find(serial);
    if (call == nullptr || call->session->is_ended()) return;  // cancelled meanwhile
    rule_on(*call, ruling);
    run_session(*call);
}

void Signalling::rule_on(Call& call, siprec::Ruling ruling) {
    call.is_declined = ruling.kind == siprec::Ruling::Kind::Decline;
    call.session->on_decision(d_.clock.now(), std::move(ruling));
}

// The first of a series at once, then once a second at most: a dead hook fails for every call.
void Signalling::note_hook_failure(const Reason& why) {
    ++hook_failures_;
    const base::TimePoint now = d_.clock.now().steady;
    if (hook_failures_ > 1 && now - hook_told_at_ < std::chrono::seconds{1}) return;
    hook_told_at_ = now;
    d_.log.warning("the decision hook gave no decision",
                   {{"reason", why.code},
                    {"text", why.text},
                    {"on_failure", config_.decision.records_on_failure ? "record" : "decline"},
                    {"failures", std::to_string(hook_failures_)}});
}

}  // namespace earshot::server
