#include "client/indicator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace earshot::client {

using b2bua::Leg;
using base::Reason;
using sdp::RecordPreference;

namespace {

relay::CallKey media_key(b2bua::CallKey call) { return {call.value}; }
relay::Leg media_leg(Leg leg) { return leg == Leg::A ? relay::Leg::A : relay::Leg::B; }
std::size_t index_of(Leg leg) { return static_cast<std::size_t>(leg); }
// Where there is nothing to hear the party reads it (tell_readers()).
bool is_chat_alone(const std::vector<ToldLine>& lines) {
    const auto has = [&](std::string_view media) {
        return std::any_of(lines.begin(), lines.end(), [&](const ToldLine& line) {
            return line.is_used && line.media == media;
        });
    };
    return has("message") && !has("audio");
}

std::string_view name_of(Leg leg) { return leg == Leg::A ? "caller" : "callee"; }

}  // namespace

Indicator::LegState& Indicator::state(b2bua::CallKey call, Leg leg) {
    return calls_[call.value][index_of(leg)];
}

// ---- descriptions -------------------------------------------------------------------------------

// Who is not known yet is told as well: the attribute harms nobody who does not know it (RFC 8866
// section 5.13), and who does is told before a word is said.
std::string Indicator::describe(b2bua::CallKey call, Leg to, std::string sdp) {
    const b2bua::CallFacts* facts = d_.switchboard.find_call(call);
    const auto description = sdp::parse(sdp);
    const bool is_over = facts == nullptr || facts->state == b2bua::CallFacts::State::Ended;
    if (is_over || !description) return sdp;
    LegState& leg = state(call, to);
    leg.lines = lines_of(*description);
    for (std::size_t i = 0; i < leg.lines.size(); ++i)
        if (d_.plane.takes_chat(media_key(call), i))
            leg.lines[i].is_used = description->media[i].port != 0;
    const bool is_for_us = awareness_of(*facts, to) != Awareness::Unaware;
    const std::vector<RecordingShare> shares =
        is_for_us ? d_.shares(call) : std::vector<RecordingShare>{};
    leg.before = std::move(leg.states);
    leg.states = states_for(leg.lines, shares, state(call, b2bua::other(to)).behind.states());
    return leg.told.tell(sdp, leg.states);
}

std::optional<RecordPreference> Indicator::on_description(b2bua::CallKey call, Leg from,
                                                          std::string_view sdp) {
    const auto description = sdp::parse(sdp);
    if (!description) return std::nullopt;
    LegState& leg = state(call, from);
    leg.behind.on_description(*description);
    const RecordPreference wish = preference_of(*description);
    // Absence says nothing (P-50), and what was said once need not be said in each description.
    if (wish == RecordPreference::Absent || wish == leg.wish) return std::nullopt;
    leg.wish = wish;
    return wish;
}

void Indicator::on_rollback(b2bua::CallKey call, Leg offerer) {
    const auto found = calls_.find(call.value);
    if (found == calls_.end()) return;
    LegState& leg = found->second[index_of(b2bua::other(offerer))];
    leg.states = leg.before;
}

void Indicator::on_told_anew(base::Now now, b2bua::CallKey call, const b2bua::ToldAnew& told) {
    const auto found = calls_.find(call.value);
    if (found == calls_.end()) return;
    LegState& leg = found->second[index_of(told.leg)];
    if (told.is_own_fault) {
        leg.takes_attribute = false;
        leg.is_own_fault = true;
        return tell_event(
            now, call, "indication_failed",
            {"not_told", fmt::format("There is no description that could tell the {} anew; it is "
                                     "told otherwise until there is one.",
                                     name_of(told.leg))});
    }
    if (!told.is_taken) {
        // It may still learn of it by descriptions that others send, but that is nothing to rely
        // on.
        leg.takes_attribute = false;
        leg.is_own_fault = false;
        return tell_event(
            now, call, "indication_failed",
            {"not_taken", fmt::format("The {} did not take the description that tells it "
                                      "(status {}), and is told otherwise from now on.",
                                      name_of(told.leg), told.status)});
    }
    if (std::exchange(leg.is_own_fault, false)) leg.takes_attribute = true;
    std::string states;
    for (const sdp::RecordState state : leg.states) {
        if (state == sdp::RecordState::Absent) continue;
        states += fmt::format("{}{}", states.empty() ? "" : ", ", siprec::to_string(state));
    }
    tell_event(
        now, call, "indication",
        {"told_anew", fmt::format("The {} has been told anew: {}.", name_of(told.leg), states)});
}

void Indicator::on_party_changed(b2bua::CallKey call, Leg leg) {
    const auto found = calls_.find(call.value);
    if (found == calls_.end()) return;
    LegState& state = found->second[index_of(leg)];
    state.is_announced = false;
    state.read = sdp::RecordState::Absent;
    if (std::exchange(state.sound, nullptr) != nullptr)
        static_cast<void>(d_.plane.play(media_key(call), media_leg(leg), nullptr));
}

void Indicator::tell_states(base::Now now, b2bua::CallKey call, Leg leg, Awareness awareness,
                            const std::vector<RecordingShare>& shares) {
    LegState& told = state(call, leg);
    const bool may_take = told.takes_attribute || told.is_own_fault;
    if (awareness != Awareness::Aware || !may_take || told.lines.empty()) return;
    auto states = states_for(told.lines, shares, state(call, b2bua::other(leg)).behind.states());
    // What could not be told is not tried again until there is something else to tell.
    const bool is_vain = told.is_own_fault && states == told.asked;
    if (states == told.states || is_vain) return;
    told.asked = std::move(states);
    d_.switchboard.tell_anew(now, call, leg);
}

// Who does not understand a=record reads it in the chat (P-22: what a tone is to a voice).
void Indicator::tell_readers(b2bua::CallKey call, Leg leg, Awareness awareness,
                             const std::vector<RecordingShare>& shares) {
    LegState& told = state(call, leg);
    using sdp::RecordState;
    const bool is_reached = awareness == Awareness::Aware && told.takes_attribute;
    if (awareness == Awareness::Unknown || is_reached) return;
    const RecordState wanted = state_to_read(shares);
    if (wanted == told.read) return;
    const RecordState before = std::exchange(told.read, wanted);
    d_.plane.say(media_key(call), media_leg(leg), line_to_read(before, wanted));
}

// ---- what is heard ------------------------------------------------------------------------------

relay::SoundPtr Indicator::sound_for(const policy::IndicationSettings& how, Means means,
                                     const ClientConfig& config) {
    if (means == Means::Announcement) {
        const auto found = config.announcements.find({how.announcement, how.announce_first});
        if (found != config.announcements.end()) return found->second;
    } else if (means != Means::Tone) {
        return nullptr;
    }
    // Also in place of an announcement whose file a reload has taken away.
    relay::SoundPtr& tone = tones_[{how.tone_level_db, how.tone_interval.count()}];
    if (tone == nullptr) tone = relay::make_tone(how.tone_level_db, how.tone_interval);
    return tone;
}

std::optional<Reason> Indicator::update(base::Now now, b2bua::CallKey call,
                                        const ClientConfig& config) {
    const b2bua::CallFacts* facts = d_.switchboard.find_call(call);
    if (facts == nullptr || facts->state == b2bua::CallFacts::State::Ended) return std::nullopt;
    const std::vector<RecordingShare> shares = d_.shares(call);
    std::optional<Reason> fault;
    for (const Leg leg : {Leg::A, Leg::B}) {
        const Awareness awareness = awareness_of(*facts, leg);
        LegState& told = state(call, leg);
        tell_states(now, call, leg, awareness, shares);
        tell_readers(call, leg, awareness, shares);
        // Before it has been answered a caller listens to nobody.
        const bool can_hear = !facts->leg(leg).local_sdp.empty();
        Indication wanted =
            indication_of(can_hear ? awareness : Awareness::Unknown, told.takes_attribute, shares);
        const bool is_sound = wanted.means == Means::Tone || wanted.means == Means::Announcement;
        if (is_sound && is_chat_alone(told.lines)) wanted.means = Means::Line;
        const auto failed = play(call, leg, wanted, config);
        if (failed) tell_event(now, call, leg, "indication_failed", wanted, failed->text);
        if (failed) fault = failed;
        if (wanted.means == told.means) continue;
        told.means = wanted.means;
        if (wanted.means == Means::None || failed) continue;
        const bool is_agreed = wanted.means == Means::Agreed;
        tell_event(now, call, leg, "indication", wanted,
                   is_agreed ? wanted.because_of->how->agreed_reason : std::string{});
    }
    return fault;
}

// Why the leg cannot hear what it should.
std::optional<Reason> Indicator::play(b2bua::CallKey call, Leg leg, const Indication& wanted,
                                      const ClientConfig& config) {
    LegState& told = state(call, leg);
    const auto is_once = [](const relay::SoundPtr& sound) {
        return sound != nullptr && sound->interval.count() == 0;
    };
    relay::SoundPtr sound;
    if (wanted.because_of != nullptr)
        sound = sound_for(*wanted.because_of->how, wanted.means, config);
    if (is_once(sound) && told.is_announced) sound = told.sound;  // once, and to its end
    // An announcement is not broken off by a pause of the recording.
    if (sound == nullptr && (told.sound == nullptr || is_once(told.sound))) return std::nullopt;
    const auto played = d_.plane.play(media_key(call), media_leg(leg), sound);
    told.sound = played ? sound : nullptr;
    if (!played) return played.error();
    told.is_announced = told.is_announced || is_once(sound);
    return std::nullopt;
}

std::chrono::milliseconds Indicator::announce(base::Now now, b2bua::CallKey call,
                                              const policy::IndicationSettings& how,
                                              const ClientConfig& config) {
    std::chrono::milliseconds length{0};
    const b2bua::CallFacts* facts = d_.switchboard.find_call(call);
    if (facts == nullptr) return length;
    const relay::SoundPtr sound = sound_for(how, Means::Announcement, config);
    for (const Leg leg : {Leg::A, Leg::B}) {
        LegState& told = state(call, leg);
        const bool is_reached =
            awareness_of(*facts, leg) == Awareness::Aware && told.takes_attribute;
        if (is_reached || told.is_announced) continue;
        // One that cannot be played fails once more when the recording has begun, and ends it.
        if (!d_.plane.play(media_key(call), media_leg(leg), sound)) continue;
        told.sound = sound;
        told.is_announced = true;
        length = sound->length();
        const RecordingShare share{.how = &how};
        tell_event(now, call, leg, "indication", {Means::Announcement, &share}, {});
        told.means = Means::Announcement;
    }
    return length;
}

void Indicator::tell_event(base::Now now, b2bua::CallKey call, Leg leg, std::string kind,
                           const Indication& indication, const std::string& text) {
    const std::string_view means = to_string(indication.means);
    const std::string said =
        fmt::format("The {} {} told by {}", name_of(leg), kind == "indication" ? "is" : "cannot be",
                    indication.means == Means::Agreed ? "what was agreed" : means);
    tell_event(now, call, std::move(kind),
               {std::string(means), text.empty() ? said + "." : fmt::format("{}: {}", said, text)},
               indication.because_of == nullptr ? std::string{} : indication.because_of->instance);
}

void Indicator::tell_event(base::Now now, b2bua::CallKey call, std::string kind, Reason reason,
                           std::string instance) {
    const b2bua::CallFacts* facts = d_.switchboard.find_call(call);
    d_.events.tell({.kind = std::move(kind),
                    .at = now.wall,
                    .call = call.value,
                    .call_id = facts == nullptr ? std::string{} : facts->leg(Leg::A).call_id,
                    .instance = std::move(instance),
                    .reason = std::move(reason)});
}

std::array<Means, 2> Indicator::means(b2bua::CallKey call) const {
    const auto found = calls_.find(call.value);
    if (found == calls_.end()) return {};
    return {found->second[0].means, found->second[1].means};
}

}  // namespace earshot::client
