#include "client/conference.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/call_facts.h"
#include "client/inside.h"
#include "client/instance_plan.h"
#include "client/limits.h"
#include "sdp/session_description.h"

namespace earshot::client {

using base::Reason;
using base::Result;
using sdp::RecordState;

namespace {

constexpr int kUnavailable = 503;
// After the last word of an announcement has left, so that it is heard before the voice is.
constexpr std::chrono::milliseconds kAfterAnnouncement{100};

bool runs(const Recording* recording) {
    return recording != nullptr && recording->is_engaged() && !recording->is_stopping();
}

conference::MediaStatus media_status(bool sends, bool receives) {
    using conference::MediaStatus;
    if (sends) return receives ? MediaStatus::SendRecv : MediaStatus::SendOnly;
    return receives ? MediaStatus::RecvOnly : MediaStatus::Inactive;
}

// A medium of each of its lines of video; what is shared is named so.
void append_pictures(const ConferenceLeg& leg, conference::Endpoint& endpoint) {
    for (const focus::Picture picture : focus::kAllPictures) {
        if (leg.picture(picture) == nullptr) continue;
        const bool is_camera = picture == focus::Picture::Camera;
        conference::Media& video = endpoint.media.emplace_back();
        video.id = is_camera ? "2" : "3";
        video.type = "video";
        video.display_text = is_camera ? "camera" : "slides";
        video.src_id = std::to_string(leg.csrc());
        video.status =
            media_status(leg.shows(picture) && !(is_camera && leg.is_muted()), leg.sees(picture));
    }
}

}  // namespace

Conference::Conference(base::Now now, Surroundings surroundings, std::string room, std::string uri)
    : s_(std::move(surroundings)),
      key_(s_.next_key()),
      room_(std::move(room)),
      uri_(std::move(uri)),
      begun_(now.wall),
      counters_(s_.leg.desk.open(key_.value)),
      chat_(s_.chat, s_.next_key(), uri_,
            {.is_offered = s_.config.focus.chat,
             .takes_tls = s_.config.focus.tls_chat,
             .takes_private = s_.config.focus.private_messages,
             .records_private = s_.config.focus.record_private}),
      mix_({.plane = s_.leg.plane,
            .desk = s_.leg.desk,
            .next_key = s_.next_key,
            .on_fault =
                [this](const Reason& fault) {
                    tell(s_.leg.clock.now(), "media_fault", nullptr, fault);
                }},
           key_.value, "mix of " + uri_),
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
    seat.number = arrival_number(cs_, leg.names());
    for (const auto& [other, one] : seats_)  // those that have not joined, too
        if (!one.leg->is_over() && is_same_name(one.leg->names(), leg.names()))
            seat.number = std::max(seat.number, one.number + 1);
    // Its id in the metadata names its voice also in a mix (RFC 3550 section 6.5.1).
    const policy::RecordingSettings settings =
        plans_.empty() ? policy::RecordingSettings{} : plans_.front().settings;
    const std::string id =
        participant_text(cs_, settings, {.names = leg.names(), .number = seat.number});
    seats_.emplace(number, std::move(seat));
    leg.begin(now, id);
}

void Conference::on_joined(ConferenceLeg& leg) {
    const base::Now now = s_.leg.clock.now();
    Seat& seat = *find(leg);
    arrive(
        cs_,
        {.names = leg.names(), .joined = now.wall, .number = seat.number, .member = leg.number()});
    forget_gone(cs_, now.wall);
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
        const bool hears = !leg.is_on_hold() || !leg.has_audio();
        conference::Endpoint endpoint;
        endpoint.entity = fmt::format("{};member={}", name.aor, number);
        endpoint.status = !hears           ? EndpointStatus::OnHold
                          : leg.is_muted() ? EndpointStatus::MutedViaFocus
                                           : EndpointStatus::Connected;
        endpoint.joining_method = conference::JoiningMethod::DialedIn;
        endpoint.joining_info.emplace().when = leg.joined_at();
        endpoint.call_id = leg.call_id();
        if (leg.has_audio()) {
            conference::Media& audio = endpoint.media.emplace_back();
            audio.id = "1";
            audio.type = "audio";
            audio.src_id = std::to_string(leg.csrc());
            audio.status = media_status(speaks, hears);
        }
        append_pictures(leg, endpoint);
        if (chat_.line_of(number)) {
            conference::Media& messages = endpoint.media.emplace_back();
            messages.id = "message";
            messages.type = "message";
            messages.status = conference::MediaStatus::SendRecv;
        }
        auto user = std::find_if(users.users.begin(), users.users.end(),
                                 [&](const auto& one) { return one.entity == name.aor; });
        if (user == users.users.end()) {
            users.users.emplace_back().entity = name.aor;
            user = users.users.end() - 1;
            if (!name.name.empty()) user->display_text = name.name;
        }
        if (number == presenter_) user->roles = std::vector<std::string>{"presenter"};
        if (const std::string nickname = chat_.nickname(number); !nickname.empty())
            user->nickname = nickname;
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

CsParty* Conference::find_party(const ConferenceLeg& leg) {
    const auto found =
        std::find_if(cs_.parties.begin(), cs_.parties.end(),
                     [&](const CsParty& party) { return party.member == leg.number(); });
    return found == cs_.parties.end() ? nullptr : &*found;
}

void Conference::set_party(const Seat& seat) {
    CsParty* const known = find_party(*seat.leg);
    if (known == nullptr) return;
    CsParty& party = *known;
    party.is_speaking = seat.leg->may_speak() && !seat.leg->is_muted();
    party.is_hearing = !seat.leg->is_on_hold();
    using focus::Picture;
    party.shows_camera = seat.leg->shows(Picture::Camera) && !seat.leg->is_muted();
    party.sees_cameras = seat.leg->sees(Picture::Camera);
    party.sees_content = seat.leg->sees(Picture::Content);
    const bool presents = presenter_ == seat.leg->number();
    if (presents || party.presents) party.presents = presents;
    party.is_chatting = chat_.line_of(seat.leg->number()).has_value();
    std::string nickname = chat_.recorded_nickname(seat.leg->number());
    if (party.nickname || !nickname.empty()) party.nickname = std::move(nickname);
}

void Conference::on_picture_refused(ConferenceLeg& leg, const Reason& why) {
    tell(s_.leg.clock.now(), "picture_refused", &leg, why);
}

void Conference::describe_pictures(const ConferenceLeg& leg, focus::Picture picture,
                                   focus::OwnPicture& own) const {
    own.only.reset();
    own.watchers.clear();
    for (const auto& [number, seat] : seats_) {
        const ConferenceLeg& other = *seat.leg;
        if (&other == &leg || other.is_over() || other.picture(picture) == nullptr) continue;
        if (other.shows(picture)) {
            if (!own.only) own.only = other.picture(picture)->format();
            continue;
        }
        std::vector<focus::PictureFormat>& takes = own.watchers.emplace_back();
        for (const focus::PictureType& type : other.picture(picture)->place.line.types)
            takes.push_back(type.format);
    }
}

std::optional<focus::PictureFormat> Conference::shown_format(focus::Picture picture) const {
    for (const auto& [number, seat] : seats_)
        if (seat.leg->is_in() && seat.leg->shows(picture))
            return seat.leg->picture(picture)->format();
    return std::nullopt;
}

// Who only sees did not decide what is shown, and may not be able to see it.
void Conference::tell_unseen(base::Now now) {
    for (const focus::Picture picture : focus::kAllPictures) {
        const auto shown = shown_format(picture);
        for (auto& [number, seat] : seats_) {
            const ConferenceLeg& leg = *seat.leg;
            auto& told = seat.unseen[focus::index_of(picture)];
            const bool is_unseen = shown && leg.is_in() && leg.sees(picture) &&
                                   leg.picture(picture)->place.line.find(*shown) == nullptr;
            if (!is_unseen) {
                told.reset();
                continue;
            }
            if (told == shown) continue;
            told = shown;
            tell(now, "picture_refused", &leg,
                 {"not_seen", fmt::format("What is shown is {}, which the participant does not "
                                          "take: it sees nothing of that.",
                                          to_string(*shown))});
        }
    }
}

void Conference::on_shown(base::Now now, focus::Picture picture, focus::MemberId shown) {
    if (is_ending_) return;
    const bool is_first = shown != 0 && !std::exchange(were_shown_[focus::index_of(picture)], true);
    if (picture == focus::Picture::Camera) {
        if (is_first) refresh(now);
        return;
    }
    const auto number = static_cast<std::uint32_t>(shown);
    const auto seat = seats_.find(number);
    if (std::exchange(presenter_, number) == number) return;
    for (const auto& [other, one] : seats_) set_party(one);
    if (seat != seats_.end())
        tell(now, "presenter_changed", seat->second.leg.get(),
             {"presents", fmt::format("Participant {} presents.", number)});
    else
        tell(now, "presenter_changed", nullptr, {"nobody", "Nobody presents any more."});
    refresh(now);
    notify(now);
}

// ---- the chat -----------------------------------------------------------------------------------

ConferenceChat::Taken Conference::take_chat(ConferenceLeg& leg, std::string_view sdp,
                                            bool is_answer) {
    chat_.add_alias(contact(leg.flow()));
    ConferenceChat::Taken taken = chat_.take(leg.number(), sdp, is_answer, leg.names());
    for (const Reason& why : taken.refusals) tell(s_.leg.clock.now(), "chat_refused", &leg, why);
    return taken;
}

bool Conference::on_room(base::Now now, const chat::RoomEvent& event) {
    using Kind = chat::RoomEvent::Kind;
    if (!chat_.on_event(event)) return false;
    const auto found = seats_.find(event.member);
    if (found == seats_.end() || !found->second.leg->is_in() || is_ending_) return true;
    Seat& seat = found->second;
    const ConferenceLeg* leg = seat.leg.get();
    switch (event.kind) {
        case Kind::Connected:
            tell(now, "chat_connected", leg, {"connected", "The participant is in the chat."});
            break;
        case Kind::Disconnected:
            tell(now, "chat_ended", leg,
                 {"chat_connection_lost", "The participant's connection for the chat was closed."});
            break;
        case Kind::NotConnected:
            tell(now, "chat_not_connected", leg, event.reason);
            break;
        case Kind::Refused:
            tell(now, "chat_peer_refused", leg, event.reason);
            break;
        case Kind::File:
            tell(now, "chat_file", leg, event.reason);
            break;
        case Kind::FileNotTaken:
            tell(now, "chat_file_not_taken", leg, event.reason);
            break;
        case Kind::NotDelivered:
            tell(now, "chat_not_delivered", leg, event.reason);
            break;
        case Kind::Nickname:
            tell(now, "participant_nickname", leg,
                 {"nickname", event.is_withheld
                                  ? "Another nickname, told when the recording goes on."
                                  : event.nickname});
            set_party(seat);
            refresh(now);
            notify(now);
            break;
    }
    return true;
}

bool Conference::on_chat(base::Now now, relay::CallKey call, const relay::ChatEvent& event) {
    if (call != chat_.key()) return false;
    if (event.kind == relay::ChatEvent::Kind::NotRecorded)
        tell(now, "chat_not_recorded", nullptr, event.reason);
    return true;
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
        if (CsParty* const party = find_party(leg)) party->left = now.wall;
        if (presenter_ == leg.number()) {
            presenter_ = 0;
            set_party(seat);
        }
        std::erase(cs_.own_conference->session_ids, leg.session_id());
        tell(now, "participant_left", &leg, why);
        if (s_.config.focus.chimes) s_.leg.desk.chime(key_.value, focus::make_chime(false));
    } else {
        tell(now, "participant_refused", &leg, why);
    }
    // Its streams end with all that came before, and those of the whole conference with its own
    // last words.
    chat_.remove(leg.number());
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
    mix_.close();
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
    for (const policy::RecordingPlan& plan : std::vector(plans_)) {
        const auto wished = wished_.find(plan.instance);
        const bool is_due = wished != wished_.end() && wished->second.is_due;
        if (is_to_begin(plan) && (is_due || find(plan) == nullptr)) begin(now, plan);
    }
    for (auto& [instance, wished] : wished_) wished.is_due = false;
}

// By itself, or because an operator wished so.
bool Conference::is_to_begin(const policy::RecordingPlan& plan) const {
    const auto wished = wished_.find(plan.instance);
    if (wished == wished_.end()) return !plan.settings.on_demand;
    return !wished->second.is_declined && (wished->second.is_on || !plan.settings.on_demand);
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
    const auto wished = wished_.find(plan.instance);
    if (wished != wished_.end() && wished->second.is_paused)
        recording.pause(now, "It was paused before it began.");
}

// ---- what an operator wants ---------------------------------------------------------------------

void Conference::control(base::Now now, const CallControl& wish, const ControlDone& done) {
    if (wish.verb == CallControl::Verb::Hangup) {
        constexpr int kDeclined = 603;
        end(now, kDeclined, {"hung_up", "An operator ended the conference. " + wish.reason});
        return done(std::nullopt);
    }
    const bool is_start = wish.verb == CallControl::Verb::Start;
    if (auto fault = is_start ? start(now, wish) : obey_all(now, wish))
        return done(std::move(fault));
    indicate(now);
    if (!is_start || !wish.waits) return done(std::nullopt);
    std::vector<Recording*> begun;
    for (const policy::RecordingPlan& plan : plans_) {
        Recording* const recording = find(plan);
        if (recording != nullptr && (wish.instance.empty() || wish.instance == plan.instance))
            begun.push_back(recording);
    }
    when_all_settled(begun, done);
}

std::optional<Reason> Conference::obey_all(base::Now now, const CallControl& wish) {
    using Verb = CallControl::Verb;
    auto [has_any, fault] = obey(now, recordings_, wish);
    // What will begin by itself is stopped or paused before its first word.
    for (const policy::RecordingPlan& plan : plans_) {
        if (wish.verb == Verb::Send || find(plan) != nullptr || !is_to_begin(plan)) continue;
        if (!wish.instance.empty() && wish.instance != plan.instance) continue;
        has_any = true;
        Wished& wished = wished_[plan.instance];
        wished.is_declined = wish.verb == Verb::Stop;
        if (wish.verb != Verb::Stop) wished.is_paused = wish.verb == Verb::Pause;
    }
    if (has_any) return fault;
    return Reason{
        "not_recording",
        wish.instance.empty()
            ? "The conference is not being recorded."
            : fmt::format("The conference has no running recording \"{}\".", wish.instance)};
}

std::optional<Reason> Conference::start(base::Now now, const CallControl& wish) {
    if (!is_planned_)
        return Reason{"not_ready", "The decision hook has not answered about this conference yet."};
    const auto is_wanted = [&](const policy::RecordingPlan& plan) {
        return wish.instance.empty() || plan.instance == wish.instance;
    };
    if (std::none_of(plans_.begin(), plans_.end(), is_wanted)) {
        auto plan = plan_instance(s_.config, wish.instance, {}, facts_);
        if (!plan) return plan.error();
        for (policy::RecordingPlan& one : policy::spread_parallel({*std::move(plan)}))
            plans_.push_back(std::move(one));
    }
    if (recordings_.size() + plans_.size() > kMaxRecordingsPerCall)
        return Reason{"too_many_recordings",
                      "The conference has had as many recordings as it may have."};
    std::vector<policy::RecordingPlan> due;
    for (const policy::RecordingPlan& plan : plans_) {
        if (!is_wanted(plan)) continue;
        const Recording* const recording = find(plan);
        if (recording == nullptr || !recording->is_engaged() || recording->is_stopping())
            due.push_back(plan);
    }
    if (due.empty()) return std::nullopt;
    for (const policy::RecordingPlan& plan : due) wished_[plan.instance] = {.is_on = true};
    // Who has not heard yet what is to be heard first hears it now (announce_first).
    for (auto& [number, seat] : seats_)
        if (seat.leg->is_in()) announce(now, seat);
    const bool has_voice = std::any_of(seats_.begin(), seats_.end(), [](const auto& seat) {
        return seat.second.leg->is_in() && !seat.second.heard_from;
    });
    for (const policy::RecordingPlan& plan : due)
        if (has_voice && !is_ending_)
            begin(now, plan);
        else
            wished_[plan.instance].is_due = true;  // begin_recordings() does, then
    return std::nullopt;
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
    tell_unseen(now);
    const ConferenceMix::Wanted wanted = wanted_of_mix();
    mix_.want(wanted);
    if (mix_.key()) members.push_back({.number = 0, .key = *mix_.key()});
    const bool has_each = !mix_.has_voices() || s_.config.focus.record == FocusConfig::Record::Both;
    for (const auto& [number, seat] : seats_)
        if (has_each && seat.leg->is_in() && !seat.heard_from && seat.leg->has_audio())
            members.push_back(recorded_of(number, *seat.leg));
    // The room's line is nobody's own, as that of the mix.
    if (chat_.is_open())
        members.push_back({.number = 0, .key = chat_.key(), .plane = chat_.plane()});
    s_.plane.set_members(key_, std::move(members));
    for (std::size_t i = 0; i < recordings_.size(); ++i) recordings_[i]->refresh(now);
}

// What is shared is one stream, whoever presents; so are the cameras, where not each is recorded.
// From the first picture on: a line on which nothing came would count as a fault of the recording.
ConferenceMix::Wanted Conference::wanted_of_mix() {
    using Record = FocusConfig::Record;
    ConferenceMix::Wanted wanted{.voices = records_mix()};
    for (const focus::Picture picture : focus::kAllPictures) {
        const bool is_each =
            picture == focus::Picture::Camera && s_.config.focus.record == Record::Separate;
        auto& shown = wanted.pictures[focus::index_of(picture)];
        for (const auto& [number, seat] : seats_) {
            const ConferenceLeg& leg = *seat.leg;
            if (is_each || !leg.is_in() || !leg.shows(picture)) continue;
            if (!were_shown_[focus::index_of(picture)]) continue;
            wanted.are_shown[focus::index_of(picture)] = true;
            if (!shown || number == presenter_) shown = *leg.picture(picture);
        }
        if (shown && picture == focus::Picture::Camera) shown->title.clear();
    }
    return wanted;
}

ConferencePlane::Member Conference::recorded_of(std::uint32_t number,
                                                const ConferenceLeg& leg) const {
    using Record = FocusConfig::Record;
    ConferencePlane::Member member{
        .number = number, .key = leg.key(), .is_paused = leg.is_muted(), .leaves_content = true};
    const Record record = s_.config.focus.record;
    if (record != Record::Separate && record != Record::Both) member.media = {"audio"};
    return member;
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
        const auto wished = wished_.find(plan.instance);
        if (recording == nullptr && wished != wished_.end() && wished->second.is_paused)
            share.state = RecordState::Paused;
        else if (recording == nullptr)
            share.state = is_to_begin(plan) ? RecordState::On : RecordState::Absent;
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
        chat_.indicate(number, leg.awareness(), leg.takes_attribute(), all);
        Indication wanted = indication_of(leg.awareness(), leg.takes_attribute(), all);
        const bool is_sound = wanted.means == Means::Tone || wanted.means == Means::Announcement;
        if (is_sound && !leg.has_audio()) wanted.means = Means::Line;
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
    const auto plan = std::find_if(plans_.begin(), plans_.end(), [&](const auto& one) {
        return one.settings.indication.by == policy::IndicateBy::Announcement &&
               one.settings.indication.announce_first && is_to_begin(one);
    });
    const bool is_reached =
        seat.leg->awareness() == Awareness::Aware && seat.leg->takes_attribute();
    if (plan == plans_.end() || is_reached || seat.sound != nullptr || !seat.leg->has_audio())
        return;
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
                        .recorded_as = mix_.has_voices() ? "mixed" : "separate",
                        .begun = begun_,
                        .late = counters_->late.load(std::memory_order_relaxed)};
    if (mix_.has_voices() && s_.config.focus.record == FocusConfig::Record::Both)
        view.recorded_as = "both";
    const focus::MemberId speaker = counters_->speaker.load(std::memory_order_relaxed);
    const auto shown_as = [](const ConferenceLeg& leg, focus::Picture picture) {
        const auto* const agreed = leg.picture(picture);
        std::string all;
        if (agreed == nullptr) return all;
        for (const focus::PictureType& type : agreed->place.line.types)
            all += (all.empty() ? "" : ", ") + to_string(type.format);
        return all;
    };
    const focus::MemberId seen =
        counters_->stages[focus::index_of(focus::Picture::Camera)].shown.load(
            std::memory_order_relaxed);
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
             .nickname = chat_.nickname(number),
             .is_chatting = chat_.line_of(number).has_value(),
             .joined = leg.joined_at(),
             .is_muted = leg.is_muted(),
             .is_on_hold = leg.is_on_hold() && leg.has_audio(),
             .is_speaker = number == speaker,
             .camera = shown_as(leg, focus::Picture::Camera),
             .content = shown_as(leg, focus::Picture::Content),
             .is_seen = number == seen,
             .is_presenter = number == presenter_});
    }
    for (const policy::RecordingPlan& plan : plans_) {
        if (const Recording* recording = find(plan))
            view.recordings.push_back(recording->view());
        else
            view.recordings.push_back({.instance = plan.instance,
                                       .rule = plan.rule,
                                       .state = "waiting",
                                       .copy = plan.copy,
                                       .is_mandatory = plan.settings.mandatory});
    }
    return view;
}

}  // namespace earshot::client
