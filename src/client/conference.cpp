#include "client/conference.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/call_facts.h"
#include "client/inside.h"
#include "client/limits.h"
#include "sdp/session_description.h"

namespace earshot::client {

using base::Reason;
using base::Result;
using sdp::RecordState;

namespace {

constexpr int kUnavailable = 503;
// Of the mixer's members; participants' numbers stay below it.
constexpr focus::MemberId kMixMember = focus::MemberId{1} << 40U;
constexpr focus::MixFormat kMixFormat{.payload_type = 0, .codec = focus::MixCodec::Pcmu};
// After the last word of an announcement has left, so that it is heard before the voice is.
constexpr std::chrono::milliseconds kAfterAnnouncement{100};

bool runs(const Recording* recording) {
    return recording != nullptr && recording->is_engaged() && !recording->is_stopping();
}

std::string mix_sdp(const base::NetAddress& at, std::string_view direction) {
    const char* const family = at.is_v4() ? "IP4" : "IP6";
    const std::string host = base::host_to_string(at);
    return fmt::format(
        "v=0\r\no=- 1 1 IN {} {}\r\ns=mix\r\nc=IN {} {}\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na={}\r\n",
        family, host, family, host, at.port, direction);
}

}  // namespace

Conference::Conference(base::Now now, Surroundings surroundings, std::string room, std::string uri)
    : s_(std::move(surroundings)),
      key_(s_.next_key()),
      room_(std::move(room)),
      uri_(std::move(uri)),
      begun_(now.wall),
      counters_(s_.leg.desk.open(key_.value)),
      subscribers_(s_.leg.agent, info(),
                   [this](const sip::Flow& flow) { return s_.contact(room_, flow); }) {
    cs_ = CsRecord{.session_id = base::make_uuid_v4(s_.leg.random),
                   .installation = s_.installation,
                   .start = now.wall,
                   .own_conference = OwnConference{.uri = uri_}};
    cs_.participant_space = cs_.session_id;
    // The focus takes part as well (RFC 4353), and sends and hears nothing of its own.
    cs_.parties.push_back(
        {.names = {{.aor = uri_, .name = "Conference focus", .language = {}}}, .joined = now.wall});
}

Conference::~Conference() {
    *lives_ = false;
    s_.leg.desk.close(key_.value);
    s_.plane.remove(key_);
}

Conference::Seat* Conference::find(const ConferenceLeg& leg) {
    const auto found = seats_.find(leg.number());
    return found == seats_.end() ? nullptr : &found->second;
}

bool Conference::has_leg(relay::CallKey leg) const {
    return std::any_of(seats_.begin(), seats_.end(),
                       [&](const auto& seat) { return seat.second.leg->key() == leg; });
}

std::size_t Conference::participants() const {
    return static_cast<std::size_t>(
        std::count_if(seats_.begin(), seats_.end(),
                      [](const auto& seat) { return !seat.second.leg->is_over(); }));
}

std::size_t Conference::legs_of(std::string_view host) const {
    return static_cast<std::size_t>(
        std::count_if(seats_.begin(), seats_.end(), [&](const auto& seat) {
            return !seat.second.leg->is_over() && seat.second.leg->host_name() == host;
        }));
}

// ---- who comes and goes -------------------------------------------------------------------------

std::optional<Reason> Conference::find_limit() const {
    if (participants() < s_.config.focus.max_participants) return std::nullopt;
    return Reason{"conference_full",
                  fmt::format("The conference {} has as many participants as it may have ({}).",
                              room_, s_.config.focus.max_participants)};
}

void Conference::add(base::Now now, sip::RequestArrived invite) {
    if (last_number_ == 0) plan(now, invite);
    const std::uint32_t number = ++last_number_;
    Seat seat;
    seat.leg = std::make_unique<ConferenceLeg>(s_.leg, *this, key_.value, number, s_.next_key(),
                                               std::move(invite));
    ConferenceLeg& leg = *seat.leg;
    seats_.emplace(number, std::move(seat));
    // Its id in the metadata names its voice also in a mix (RFC 3550 section 6.5.1).
    CsRecord with = cs_;
    with.parties.push_back({.names = leg.names(), .joined = now.wall, .member = number});
    const policy::RecordingSettings settings =
        plans_.empty() ? policy::RecordingSettings{} : plans_.front().settings;
    leg.begin(now, participant_text(with, settings, with.parties.size() - 1));
}

void Conference::on_joined(ConferenceLeg& leg) {
    const base::Now now = s_.leg.clock.now();
    Seat& seat = *find(leg);
    seat.party = cs_.parties.size();
    cs_.parties.push_back({.names = leg.names(), .joined = now.wall, .member = leg.number()});
    if (cs_.call_id.empty()) cs_.call_id = leg.call_id();
    cs_.own_conference->session_ids.push_back(leg.session_id());
    set_party(seat);
    tell(now, "participant_joined", &leg,
         {"joined", fmt::format("Participant {} is in the conference {}.", leg.number(), room_)});
    if (s_.config.focus.chimes) s_.leg.desk.chime(key_.value, focus::make_chime(true));
    announce(now, seat);
    if (is_planned_) begin_recordings(now);
    refresh(now);
    indicate(now);
    notify(now);
}

// Who is in it, as RFC 4575 says it: a person is a user, each of its phones an endpoint.
conference::ConferenceInfo Conference::info() const {
    using conference::EndpointStatus;
    using conference::MediaStatus;
    conference::ConferenceInfo info;
    info.entity = uri_;
    info.description.emplace();
    info.description->display_text = room_;
    info.description->maximum_user_count = s_.config.focus.max_participants;
    conference::UserList& users = info.users.emplace();
    std::uint32_t count = 0;
    for (const auto& [number, seat] : seats_) {
        const ConferenceLeg& leg = *seat.leg;
        if (!leg.is_in() || leg.names().empty()) continue;
        ++count;
        const siprec::NameId& name = leg.names().front();
        const bool speaks = leg.may_speak() && !leg.is_muted();
        const bool hears = !leg.is_on_hold();
        conference::Endpoint endpoint;
        endpoint.entity = fmt::format("{};member={}", name.aor, number);
        endpoint.status = !hears           ? EndpointStatus::OnHold
                          : leg.is_muted() ? EndpointStatus::MutedViaFocus
                                           : EndpointStatus::Connected;
        endpoint.joining_method = conference::JoiningMethod::DialedIn;
        endpoint.joining_info.emplace().when = leg.joined_at();
        endpoint.call_id = leg.call_id();
        conference::Media& audio = endpoint.media.emplace_back();
        audio.id = "1";
        audio.type = "audio";
        audio.status = speaks ? (hears ? MediaStatus::SendRecv : MediaStatus::SendOnly)
                              : (hears ? MediaStatus::RecvOnly : MediaStatus::Inactive);
        auto user = std::find_if(users.users.begin(), users.users.end(),
                                 [&](const auto& one) { return one.entity == name.aor; });
        if (user == users.users.end()) {
            users.users.emplace_back().entity = name.aor;
            user = users.users.end() - 1;
            if (!name.name.empty()) user->display_text = name.name;
        }
        user->endpoints.push_back(std::move(endpoint));
    }
    info.conference_state.emplace();
    info.conference_state->user_count = count;
    info.conference_state->active = count > 0;
    return info;
}

void Conference::notify(base::Now now) {
    if (!is_ending_) subscribers_.change(now.steady, info());
}

void Conference::set_party(const Seat& seat) {
    if (!seat.party) return;
    CsParty& party = cs_.parties[*seat.party];
    party.is_speaking = seat.leg->may_speak() && !seat.leg->is_muted();
    party.is_hearing = !seat.leg->is_on_hold();
}

void Conference::on_changed(ConferenceLeg& leg) {
    const base::Now now = s_.leg.clock.now();
    set_party(*find(leg));
    refresh(now);
    indicate(now);
    notify(now);
}

void Conference::on_gone(ConferenceLeg& leg, bool was_in, const Reason& why) {
    const base::Now now = s_.leg.clock.now();
    const bool is_last = participants() == 0;
    Seat& seat = *find(leg);
    if (was_in) {
        if (seat.party) cs_.parties[*seat.party].left = now.wall;
        std::erase(cs_.own_conference->session_ids, leg.session_id());
        tell(now, "participant_left", &leg, why);
        if (s_.config.focus.chimes) s_.leg.desk.chime(key_.value, focus::make_chime(false));
    } else {
        tell(now, "participant_refused", &leg, why);
    }
    // Its streams end with all that came before, and those of the whole conference with its own
    // last words.
    if (is_last) finish(now, why);
    s_.leg.plane.remove(leg.key());
    if (is_last || !was_in) return;
    refresh(now);
    notify(now);
}

void Conference::finish(base::Now now, const Reason& why) {
    if (std::exchange(is_ending_, true)) return;
    cs_.stop = now.wall;
    for (CsParty& party : cs_.parties)
        if (!party.left) party.left = now.wall;
    for (const auto& recording : recordings_) recording->end(now);
    close_mix();
    subscribers_.end(now.steady);
    if (cs_.parties.size() > 1) tell(now, "conference_ended", nullptr, why);
}

void Conference::end(base::Now now, int status, const Reason& why) {
    is_within_ = true;
    for (auto& [number, seat] : seats_) seat.leg->end(now, status, why);
    is_within_ = false;
    finish(now, why);
}

bool Conference::is_over() const {
    return is_ending_ && seats_.empty() &&
           std::all_of(recordings_.begin(), recordings_.end(),
                       [](const auto& recording) { return recording->is_done(); });
}

void Conference::tidy() {
    if (is_within_) return;
    std::erase_if(seats_, [](const auto& seat) { return seat.second.leg->is_done(); });
}

// ---- what is recorded ---------------------------------------------------------------------------

// By the INVITE of the first, as if it were a call to the room.
void Conference::plan(base::Now now, const sip::RequestArrived& invite) {
    const ClientConfig& config = s_.config;
    facts_ =
        make_call_facts(invite.message, invite.flow.remote, config.inside, now.wall, s_.leg.random);
    std::vector<policy::RecordingPlan> plans =
        policy::plan_recordings(config.rules, config.recording, facts_);
    const bool was_decided =
        std::any_of(config.rules.begin(), config.rules.end(),
                    [&](const auto& rule) { return matches(rule.conditions, facts_); });
    if (was_decided || config.decision.url.empty()) return take_plans(now, std::move(plans));
    s_.decision.ask(config.decision, config.recording, facts_,
                    [this, lives = lives_, records = config.decision.records_on_failure,
                     plans = std::move(plans)](CallDecision::Plans answer) {
                        if (!*lives) return;
                        const base::Now at = s_.leg.clock.now();
                        if (answer) return take_plans(at, *std::move(answer));
                        tell(at, "hook_failed", nullptr, answer.error());
                        take_plans(at, records ? plans : decltype(plans){});
                    });
}

void Conference::take_plans(base::Now now, std::vector<policy::RecordingPlan> plans) {
    plans_ = policy::spread_parallel(std::move(plans));
    is_planned_ = true;
    if (is_ending_ || cs_.parties.size() == 1) return;
    for (auto& [number, seat] : seats_)
        if (seat.leg->is_in()) announce(now, seat);
    begin_recordings(now);
    indicate(now);
}

void Conference::begin_recordings(base::Now now) {
    const bool has_voice = std::any_of(seats_.begin(), seats_.end(), [](const auto& seat) {
        return seat.second.leg->is_in() && !seat.second.heard_from;
    });
    if (!has_voice || is_ending_) return;
    for (const policy::RecordingPlan& plan : plans_)
        if (!plan.settings.on_demand && find(plan) == nullptr) begin(now, plan);
}

Recording* Conference::find(const policy::RecordingPlan& plan) const {
    const auto found =
        std::find_if(recordings_.rbegin(), recordings_.rend(), [&](const auto& recording) {
            return recording->plan().instance == plan.instance &&
                   recording->plan().copy == plan.copy;
        });
    return found == recordings_.rend() ? nullptr : found->get();
}

bool Conference::has_sibling(const Recording& one,
                             const std::function<bool(const Recording&)>& condition) const {
    return std::any_of(recordings_.begin(), recordings_.end(), [&](const auto& other) {
        return other.get() != &one && other->plan().instance == one.plan().instance &&
               other->is_engaged() && condition(*other);
    });
}

void Conference::begin(base::Now now, const policy::RecordingPlan& plan) {
    refresh(now);  // who is in it
    const auto flow = s_.find_socket(plan.settings.socket);
    recordings_.push_back(
        std::make_unique<Recording>(Recording::Dependencies{.agent = s_.leg.agent,
                                                            .plane = s_.plane,
                                                            .clock = s_.leg.clock,
                                                            .random = s_.leg.random,
                                                            .index = s_.index,
                                                            .events = s_.events,
                                                            .servers = s_.servers},
                                    cs_, key_, static_cast<std::uint32_t>(recordings_.size() + 1),
                                    as_servers_see_us(s_.config, plan),
                                    SessionCommon{.credentials = s_.config.credentials,
                                                  .server_silence = s_.config.server_silence,
                                                  .media_ring = s_.config.media_ring,
                                                  .flow = flow.value_or(sip::Flow{}),
                                                  .fails_over = s_.config.fails_over,
                                                  .failover_time = s_.config.failover_time}));
    Recording& recording = *recordings_.back();
    recording.when_choosing([this, &recording](const std::string& server) {
        return has_sibling(recording,
                           [&](const Recording& other) { return other.server() == server; });
    });
    if (plan.settings.mandatory)
        recording.when_lost([this, &recording](const Reason& failure) {
            if (is_ending_ || has_sibling(recording, [](const Recording&) { return true; })) return;
            end(s_.leg.clock.now(), kUnavailable,
                {"not_recorded", "The conference must be recorded and cannot be: " + failure.text});
        });
    recording.start(now);
}

bool Conference::records_mix() {
    using Record = FocusConfig::Record;
    const FocusConfig& config = s_.config.focus;
    // Who was recorded as part of a mix stays so, though others leave: streams do not come and go.
    if (config.record == Record::Auto && participants() > config.separate_up_to) is_mixed_ = true;
    return is_mixed_ || config.record == Record::Mixed || config.record == Record::Both;
}

// Brings what is recorded up to date with who is there.
void Conference::refresh(base::Now now) {
    if (is_ending_) return;
    std::vector<ConferencePlane::Member> members;
    const bool has_mix = records_mix() && open_mix();
    const bool has_each = !has_mix || s_.config.focus.record == FocusConfig::Record::Both;
    if (has_mix) members.push_back({.number = 0, .key = *mix_});
    for (const auto& [number, seat] : seats_)
        if (has_each && seat.leg->is_in() && !seat.heard_from)
            members.push_back(
                {.number = number, .key = seat.leg->key(), .is_paused = seat.leg->is_muted()});
    s_.plane.set_members(key_, std::move(members));
    for (std::size_t i = 0; i < recordings_.size(); ++i) recordings_[i]->refresh(now);
}

// The mix is to the media plane a call whose caller is the mixer; nobody hears it but recordings.
bool Conference::open_mix() {
    if (mix_) return true;
    const auto seat = s_.leg.desk.add_recorder(key_.value, kMixMember,
                                               base::to_base64(cs_.session_id), kMixFormat);
    if (!seat) {
        tell(s_.leg.clock.now(), "media_fault", nullptr, seat.error());
        return false;
    }
    mix_ = s_.next_key();
    const std::string from = mix_sdp(*seat, "sendonly");
    const std::string to = mix_sdp(*seat, "recvonly");
    const auto take = [this, lives = lives_](const Result<std::string, Reason>& told) {
        if (!*lives || !mix_) return;
        const auto sdp =
            told ? sdp::parse(*told)
                 : base::Result<sdp::SessionDescription>(base::Error{base::Errc::Malformed, ""});
        if (!sdp || sdp->media.empty()) {
            tell(s_.leg.clock.now(), "media_fault", nullptr,
                 told ? Reason{"sdp_malformed", "The media plane's answer cannot be read."}
                      : told.error());
            return;
        }
        const sdp::MediaDescription& line = sdp->media.front();
        s_.leg.desk.set(key_.value, kMixMember,
                        {.rtp = sdp::rtp_address(*sdp, line).value_or(base::NetAddress{}),
                         .rtcp = sdp::rtcp_address(*sdp, line, false).value_or(base::NetAddress{}),
                         .line = {.hears = kMixFormat}});
    };
    const auto answer = [this, to, take, lives = lives_](const Result<std::string, Reason>& told) {
        if (!*lives || !mix_) return;
        if (!told) return take(told);
        s_.leg.plane.answer(*mix_, {.from = relay::Leg::B, .text = to}, take);
    };
    s_.leg.plane.offer(*mix_, {.from = relay::Leg::A, .text = from}, answer);
    return true;
}

void Conference::close_mix() {
    if (!mix_) return;
    s_.leg.desk.remove(key_.value, kMixMember);
    s_.leg.plane.remove(*std::exchange(mix_, std::nullopt));
}

void Conference::on_server_silent(base::Now now, std::uint32_t subscription, Reason reason) {
    if (subscription == 0 || subscription > recordings_.size()) return;
    recordings_[subscription - 1]->on_server_silent(now, std::move(reason));
}

void Conference::probe(base::Now now, const std::string& server) {
    for (const auto& recording : recordings_)
        if (recording->server() == server) recording->probe(now);
}

// ---- how they are told --------------------------------------------------------------------------

// What is planned counts as recorded already: who joins is told before the first word.
std::vector<RecordingShare> Conference::shares() const {
    std::vector<RecordingShare> all;
    if (is_ending_) return all;
    for (const policy::RecordingPlan& plan : plans_) {
        const Recording* recording = find(plan);
        RecordingShare share{.media = plan.settings.streams,
                             .how = &plan.settings.indication,
                             .instance = plan.instance};
        if (recording == nullptr)
            share.state = plan.settings.on_demand ? RecordState::Absent : RecordState::On;
        else if (!runs(recording))
            share.state = RecordState::Off;
        else
            share.state = recording->is_paused() ? RecordState::Paused : RecordState::On;
        share.is_running = runs(recording) && recording->is_running();
        all.push_back(std::move(share));
    }
    return all;
}

std::vector<RecordState> Conference::record_states(const ConferenceLeg& leg,
                                                   const std::vector<ToldLine>& lines) const {
    const bool is_aware = leg.awareness() == Awareness::Aware;
    return states_for(lines, is_aware ? shares() : std::vector<RecordingShare>{}, {});
}

relay::SoundPtr Conference::sound_for(const policy::IndicationSettings& how, Means means) {
    if (means == Means::Announcement) {
        const auto found = s_.config.announcements.find({how.announcement, how.announce_first});
        if (found != s_.config.announcements.end()) return found->second;
    } else if (means != Means::Tone) {
        return nullptr;
    }
    relay::SoundPtr& tone = tones_[{how.tone_level_db, how.tone_interval.count()}];
    if (tone == nullptr) tone = relay::make_tone(how.tone_level_db, how.tone_interval);
    return tone;
}

void Conference::indicate(base::Now now) {
    if (is_ending_) return;
    const std::vector<RecordingShare> all = shares();
    for (auto& [number, seat] : seats_) {
        ConferenceLeg& leg = *seat.leg;
        if (!leg.is_in()) continue;
        leg.tell_anew(now);
        const Indication wanted = indication_of(leg.awareness(), leg.takes_attribute(), all);
        relay::SoundPtr sound;
        if (wanted.because_of != nullptr) sound = sound_for(*wanted.because_of->how, wanted.means);
        const bool is_once = seat.sound != nullptr && seat.sound->interval.count() == 0;
        // An announcement is heard once, and not broken off.
        if (sound != seat.sound && !is_once) leg.play(seat.sound = sound);
        if (wanted.means == seat.means) continue;
        seat.means = wanted.means;
        if (wanted.means != Means::None)
            tell(now, "indication", &leg,
                 {std::string(to_string(wanted.means)),
                  wanted.means == Means::Agreed
                      ? "The participant is told by what was agreed: " +
                            wanted.because_of->how->agreed_reason
                      : fmt::format("The participant is told by {}.", to_string(wanted.means))});
    }
}

// Alone, and before anything that it says is heard or recorded.
void Conference::announce(base::Now now, Seat& seat) {
    const auto plan = std::find_if(plans_.begin(), plans_.end(), [](const auto& one) {
        return one.settings.indication.by == policy::IndicateBy::Announcement &&
               one.settings.indication.announce_first && !one.settings.on_demand;
    });
    const bool is_reached =
        seat.leg->awareness() == Awareness::Aware && seat.leg->takes_attribute();
    if (plan == plans_.end() || is_reached || seat.sound != nullptr) return;
    seat.sound = sound_for(plan->settings.indication, Means::Announcement);
    if (seat.sound == nullptr) return;
    seat.leg->play(seat.sound);
    seat.heard_from = now.steady + seat.sound->length() + kAfterAnnouncement;
    s_.leg.desk.mute(key_.value, seat.leg->number(), true);
}

// ---- keys ---------------------------------------------------------------------------------------

void Conference::on_key(base::Now now, relay::CallKey leg, char digit) {
    for (auto& [number, seat] : seats_)
        if (seat.leg->key() == leg && seat.leg->is_in())
            return press(now, seat, KeyWay::Rtp, digit);
}

void Conference::on_key(ConferenceLeg& leg, char digit) {
    if (leg.is_in()) press(s_.leg.clock.now(), *find(leg), KeyWay::Info, digit);
}

void Conference::press(base::Now now, Seat& seat, KeyWay way, char digit) {
    const std::string& code = s_.config.focus.mute_keys;
    if (!seat.keys.add(now.steady, way, digit) || code.empty()) return;
    if (std::string_view(seat.keys.digits()).ends_with(code))
        set_muted(now, seat, !seat.leg->is_muted());
}

void Conference::set_muted(base::Now now, Seat& seat, bool is_muted) {
    if (seat.leg->is_muted() == is_muted) return;
    seat.leg->mute(is_muted);
    if (seat.heard_from) s_.leg.desk.mute(key_.value, seat.leg->number(), true);
    set_party(seat);
    tell(now, is_muted ? "participant_muted" : "participant_unmuted", seat.leg.get(),
         {is_muted ? "muted" : "unmuted",
          is_muted ? "Nobody hears it, and nothing of it is recorded." : "It is heard again."});
    refresh(now);
    notify(now);
}

std::optional<Reason> Conference::mute(base::Now now, std::uint32_t number, bool is_muted) {
    const auto found = seats_.find(number);
    if (found == seats_.end() || !found->second.leg->is_in())
        return Reason{"unknown_participant",
                      fmt::format("The conference has no participant {}.", number)};
    set_muted(now, found->second, is_muted);
    return std::nullopt;
}

// ---- time, views --------------------------------------------------------------------------------

void Conference::on_time(base::Now now) {
    subscribers_.on_time(now.steady);
    is_within_ = true;
    bool is_heard = false;
    for (auto& [number, seat] : seats_) {
        seat.leg->on_time(now);
        if (!seat.heard_from || *seat.heard_from > now.steady || !seat.leg->is_in()) continue;
        seat.heard_from.reset();
        s_.leg.desk.mute(key_.value, number, seat.leg->is_muted());
        is_heard = true;
    }
    is_within_ = false;
    if (!is_heard || is_ending_) return;
    begin_recordings(now);
    refresh(now);
    indicate(now);
}

std::optional<base::TimePoint> Conference::deadline() const {
    std::optional<base::TimePoint> next = subscribers_.deadline();
    for (const auto& [number, seat] : seats_)
        for (const auto& when : {seat.leg->deadline(), seat.heard_from})
            if (when && seat.leg->is_in() && (!next || *when < *next)) next = when;
    return next;
}

void Conference::tell(base::Now now, std::string kind, const ConferenceLeg* leg, Reason reason) {
    s_.events.tell({.kind = std::move(kind),
                    .at = now.wall,
                    .call = key_.value,
                    .call_id = leg == nullptr ? cs_.call_id : leg->call_id(),
                    .session_id = base::to_base64(cs_.session_id),
                    .reason = std::move(reason)});
}

ConferenceView Conference::view() const {
    ConferenceView view{.conference = key_.value,
                        .room = room_,
                        .uri = uri_,
                        .recorded_as = !mix_ ? "separate" : "mixed",
                        .begun = begun_,
                        .late = counters_->late.load(std::memory_order_relaxed)};
    if (mix_ && s_.config.focus.record == FocusConfig::Record::Both) view.recorded_as = "both";
    const focus::MemberId speaker = counters_->speaker.load(std::memory_order_relaxed);
    for (const auto& [number, seat] : seats_) {
        const ConferenceLeg& leg = *seat.leg;
        if (!leg.is_in()) continue;
        view.participants.push_back(
            {.number = number,
             .uri = leg.names().empty() ? std::string{} : leg.names().front().aor,
             .name = leg.names().empty() ? std::string{} : leg.names().front().name,
             .call_id = leg.call_id(),
             .codec = leg.codec(),
             .told = std::string(to_string(seat.means)),
             .joined = leg.joined_at(),
             .is_muted = leg.is_muted(),
             .is_on_hold = leg.is_on_hold(),
             .is_speaker = number == speaker});
    }
    for (const policy::RecordingPlan& plan : plans_)
        if (const Recording* recording = find(plan)) view.recordings.push_back(recording->view());
    return view;
}

}  // namespace earshot::client
