#include "client/conferences.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>
#include "client/call_keys.h"

#include "mime/same_user.h"
#include "policy/glob.h"
#include "sip/headers.h"
#include "sip/uri.h"

namespace earshot::client {

using base::Reason;

namespace {

constexpr int kBusyHere = 486;
constexpr int kUnavailable = 503;
constexpr std::string_view kAllow = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, SUBSCRIBE";

bool matches_any(const std::vector<std::string>& globs, std::string_view text) {
    return std::any_of(globs.begin(), globs.end(),
                       [&](const std::string& glob) { return policy::glob_matches(glob, text); });
}

// What comes from its own address would be taken for its own words.
bool is_called_by_itself(const sip::Message& invite) {
    const auto is_room = [&](const sip::NameAddr& one) {
        return mime::is_same_user(one.uri, invite.request_uri());
    };
    for (const std::string_view value : invite.values(sip::HeaderId::PAssertedIdentity))
        if (const auto asserted = sip::parse_name_addr(value); asserted && is_room(*asserted))
            return true;
    return is_room(invite.from());
}

}  // namespace

Conferences::Conferences(const ClientConfig& config, const base::Uuid& installation,
                         Dependencies dependencies)
    : config_(config),
      installation_(installation),
      d_(std::move(dependencies)),
      plane_(d_.plane, d_.media_host),
      last_key_(kConferenceKeys) {}

Conferences::~Conferences() = default;

// ---- who asks -----------------------------------------------------------------------------------

std::optional<std::string> Conferences::room_of(const sip::Message& request) const {
    if (config_.focus.rooms.empty()) return std::nullopt;
    const auto uri = sip::parse_uri(request.request_uri());
    if (!uri || !uri->is_sip() || uri->user.empty()) return std::nullopt;
    if (!matches_any(config_.focus.rooms, uri->user)) return std::nullopt;
    const bool is_ours = d_.own_names.is_ours(request.request_uri()) ||
                         matches_any(config_.focus.domains, uri->host);
    return is_ours ? std::optional(std::string(uri->user)) : std::nullopt;
}

bool Conferences::is_of_domains(std::string_view text) const {
    const auto uri = sip::parse_uri(text);
    return uri && uri->is_sip() && matches_any(config_.focus.domains, uri->host);
}

bool Conferences::take(base::Now now, sip::Action& action) {
    const auto by_id = [](const auto& map, std::uint64_t id) -> ConferenceLeg* {
        const auto found = id == 0 ? map.end() : map.find(id);
        return found == map.end() ? nullptr : found->second;
    };
    ConferenceLeg* leg = std::visit(
        [&](const auto& it) -> ConferenceLeg* {
            ConferenceLeg* owner = nullptr;
            if constexpr (requires { it.dialog; }) owner = by_id(by_dialog_, it.dialog.value);
            if constexpr (requires { it.invite; })
                owner = owner != nullptr ? owner : by_id(by_transaction_, it.invite.value);
            return owner;
        },
        action);
    if (leg != nullptr) {
        leg->on_action(now, action);
        return true;
    }
    for (const auto& [key, conference] : conferences_)
        if (conference->subscribers().on_action(action)) return true;
    auto* request = std::get_if<sip::RequestArrived>(&action);
    return request != nullptr && !request->dialog && take_new(now, *request);
}

bool Conferences::take_new(base::Now now, sip::RequestArrived& request) {
    const sip::Method method = request.message.method();
    if (method != sip::Method::Invite && method != sip::Method::Options &&
        method != sip::Method::Subscribe)
        return false;
    const auto room = room_of(request.message);
    if (!room) return false;
    if (auto refusal = d_.find_refusal(request)) {
        d_.agent.respond_and_forget(now.steady, request.transaction, *refusal);
        return true;
    }
    if (method == sip::Method::Invite) {
        dial_in(now, request, *room);
        return true;
    }
    if (method == sip::Method::Subscribe) {
        subscribe(now, request, *room);
        return true;
    }
    // RFC 4579 section 5.13: who asks learns that a focus is here.
    static_cast<void>(
        d_.agent.respond(now.steady, request.transaction,
                         {.status = 200,
                          .headers = {{"Contact", contact(*room, request.flow)},
                                      {"Allow", std::string(kAllow)},
                                      {"Allow-Events", std::string(conference::kEventPackage)},
                                      {"Accept", "application/sdp"}}}));
    return true;
}

// A room in which nobody is has no state that could be told.
void Conferences::subscribe(base::Now now, sip::RequestArrived& request, const std::string& room) {
    Conference* conference = find(room);
    if (conference != nullptr) return conference->subscribers().on_subscribe(now.steady, request);
    constexpr int kNotFound = 404;
    d_.agent.respond_and_forget(
        now.steady, request.transaction,
        {.status = kNotFound,
         .headers = {{"Warning", "399 earshot \"nobody is in this conference\""}}});
}

void Conferences::dial_in(base::Now now, sip::RequestArrived& request, const std::string& room) {
    constexpr int kForbidden = 403;
    if (is_called_by_itself(request.message))
        return refuse(now, request, kForbidden,
                      {"from_is_the_room", "From is the address of the conference itself."});
    Conference* conference = find(room);
    if (conference == nullptr) {
        const auto running = std::count_if(conferences_.begin(), conferences_.end(),
                                           [](const auto& it) { return !it.second->is_ending(); });
        if (static_cast<std::uint32_t>(running) >= config_.focus.max_rooms)
            return refuse(now, request, kUnavailable,
                          {"too_many_rooms", fmt::format("As many conferences run as may ({}).",
                                                         config_.focus.max_rooms)});
        const auto uri = sip::parse_uri(request.message.request_uri());
        auto made = std::make_unique<Conference>(now, surroundings(), room,
                                                 fmt::format("sip:{}@{}", room, uri->host));
        conference = made.get();
        conferences_.emplace(made->key().value, std::move(made));
    }
    if (const auto full = conference->find_limit()) return refuse(now, request, kBusyHere, *full);
    d_.log.info("somebody dials into a conference",
                {{"room", room},
                 {"conference", std::to_string(conference->key().value)},
                 {"call_id", std::string(request.message.call_id())}});
    conference->add(now, std::move(request));
}

void Conferences::refuse(base::Now now, const sip::RequestArrived& request, int status,
                         const Reason& why) {
    sip::ResponseSpec response{
        .status = status, .headers = {{"Warning", fmt::format("399 earshot \"{}\"", why.text)}}};
    if (status == kUnavailable) response.headers.push_back({"Retry-After", "30"});
    d_.events.tell({.kind = "participant_refused",
                    .at = now.wall,
                    .call_id = std::string(request.message.call_id()),
                    .status = status,
                    .reason = why});
    d_.agent.respond_and_forget(now.steady, request.transaction, response);
}

Conference::Surroundings Conferences::surroundings() {
    return {.leg = {.agent = d_.agent,
                    .plane = d_.plane,
                    .desk = d_.desk,
                    .clock = d_.clock,
                    .random = d_.random},
            .plane = plane_,
            .chat = {.plane = d_.chats, .link = d_.chat_link, .random = &d_.random},
            .index = d_.index,
            .events = outlet_,
            .servers = d_.servers,
            .decision = d_.decision,
            .config = config_,
            .installation = installation_,
            .find_socket = d_.find_socket,
            .next_key = [this] { return relay::CallKey{++last_key_}; },
            .contact = [this](const std::string& room,
                              const sip::Flow& flow) { return contact(room, flow); },
            .own_transaction =
                [this](ConferenceLeg& leg, sip::TransactionId transaction) {
                    by_transaction_[transaction.value] = &leg;
                },
            .own_dialog = [this](ConferenceLeg& leg,
                                 sip::DialogId dialog) { by_dialog_[dialog.value] = &leg; }};
}

// RFC 4579 section 5.1: the conference's URI, which says that it is one.
std::string Conferences::contact(const std::string& room, const sip::Flow& flow) const {
    std::string uri = d_.contact(flow);
    const std::size_t colon = uri.find(':');
    uri.insert(colon + 1, room + "@");
    return fmt::format("<{}>;isfocus;+sip.src", uri);
}

// ---- which one ----------------------------------------------------------------------------------

Conference* Conferences::find(std::string_view room) const {
    for (const auto& [key, conference] : conferences_)
        if (!conference->is_ending() && conference->room() == room) return conference.get();
    return nullptr;
}

Conference* Conferences::conference_of(relay::CallKey leg) const {
    if (leg.value <= kConferenceKeys) return nullptr;
    for (const auto& [key, conference] : conferences_)
        if (conference->has_leg(leg)) return conference.get();
    return nullptr;
}

void Conferences::on_shown(base::Now now, focus::RoomId room, focus::Picture picture,
                           focus::MemberId shown) {
    const auto found = conferences_.find(room);
    if (found != conferences_.end()) found->second->on_shown(now, picture, shown);
}

bool Conferences::on_key(base::Now now, relay::CallKey leg, char digit) {
    Conference* conference = conference_of(leg);
    if (conference != nullptr) conference->on_key(now, leg, digit);
    return conference != nullptr || leg.value > kConferenceKeys;
}

bool Conferences::on_server_silent(base::Now now, relay::CallKey leg, std::uint32_t subscription,
                                   const Reason& reason) {
    if (leg.value <= kConferenceKeys) return false;
    const auto key = plane_.conference_of(leg);
    const auto found = key ? conferences_.find(key->value) : conferences_.end();
    if (found != conferences_.end()) found->second->on_server_silent(now, subscription, reason);
    return true;
}

void Conferences::probe(base::Now now, const std::string& server) {
    for (const auto& [key, conference] : conferences_) conference->probe(now, server);
}

void Conferences::on_room(base::Now now, const chat::RoomEvent& event) {
    for (const auto& [key, conference] : conferences_)
        if (conference->on_room(now, event)) return;
}

bool Conferences::on_chat(base::Now now, relay::CallKey call, const relay::ChatEvent& event) {
    for (const auto& [key, conference] : conferences_)
        if (conference->on_chat(now, call, event)) return true;
    return false;
}

std::optional<Reason> Conferences::mute(base::Now now, std::string_view room, std::uint32_t number,
                                        bool is_muted) {
    Conference* conference = find(room);
    if (conference == nullptr)
        return Reason{"unknown_conference", fmt::format("No conference \"{}\" runs.", room)};
    return conference->mute(now, number, is_muted);
}

void Conferences::control(base::Now now, const CallControl& wish, const ControlDone& done) {
    Conference* conference = find(wish.call);
    for (const auto& [key, one] : conferences_)
        if (conference == nullptr && !one->is_ending() && std::to_string(key) == wish.call)
            conference = one.get();
    if (conference == nullptr)
        return done(
            Reason{"unknown_conference", fmt::format("No conference \"{}\" runs.", wish.call)});
    conference->control(now, wish, done);
}

std::size_t Conferences::legs_of(std::string_view host) const {
    std::size_t legs = 0;
    for (const auto& [key, conference] : conferences_) legs += conference->legs_of(host);
    return legs;
}

// ---- time ---------------------------------------------------------------------------------------

void Conferences::on_time(base::Now now) {
    for (const auto& [key, conference] : conferences_) conference->on_time(now);
}

std::optional<base::TimePoint> Conferences::deadline() const {
    std::optional<base::TimePoint> next;
    for (const auto& [key, conference] : conferences_)
        if (const auto when = conference->deadline(); when && (!next || *when < *next)) next = when;
    return next;
}

bool Conferences::indicate(base::Now now) {
    if (changed_.empty()) return false;
    for (const std::uint64_t key : std::exchange(changed_, {})) {
        const auto found = conferences_.find(key);
        if (found != conferences_.end()) found->second->indicate(now);
    }
    return true;
}

void Conferences::end_all(base::Now now, const Reason& why) {
    for (const auto& [key, conference] : conferences_) conference->end(now, kUnavailable, why);
}

void Conferences::tidy() {
    const auto forget = [](auto& map) {
        std::erase_if(map, [](const auto& entry) { return entry.second->is_done(); });
    };
    forget(by_transaction_);
    forget(by_dialog_);
    for (const auto& [key, conference] : conferences_) conference->tidy();
    std::erase_if(conferences_, [](const auto& it) { return it.second->is_over(); });
}

std::vector<ConferenceView> Conferences::views() const {
    std::vector<ConferenceView> views;
    for (const auto& [key, conference] : conferences_)
        if (!conference->is_ending()) views.push_back(conference->view());
    return views;
}

}  // namespace earshot::client
