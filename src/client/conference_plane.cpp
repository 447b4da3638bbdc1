#include "client/conference_plane.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "sdp/session_description.h"

namespace earshot::client {

using base::Done;
using base::Reason;
using base::Result;
using relay::CallKey;

namespace {

Reason unknown() { return {"unknown_call", "There is no such conference."}; }

std::vector<JointPart> joint_parts(const auto& parts) {
    std::vector<JointPart> joint;
    for (const auto& part : parts)
        if (part.is_offered)
            joint.push_back(
                {.member = part.member.number, .state = &part.state, .is_paused = false});
    return joint;
}

// What both want; of nothing in common what no line is.
std::vector<std::string> narrowed(const std::vector<std::string>& all,
                                  const std::vector<std::string>& some) {
    if (all.empty() || some.empty()) return all.empty() ? some : all;
    std::vector<std::string> both;
    for (const std::string& media : some)
        if (std::any_of(all.begin(), all.end(),
                        [&](const auto& one) { return base::iequals(one, media); }))
            both.push_back(media);
    if (both.empty()) both.emplace_back("none");
    return both;
}

// Of several answers one: that all have come, and the first fault where none was good.
struct Gathered {
    relay::PlaneDone done;
    std::size_t open = 1;
    bool has_any = false;
    std::optional<Reason> fault{};

    void take(const Result<Done, Reason>& one) {
        if (one)
            has_any = true;
        else if (!fault)
            fault = one.error();
        settle();
    }
    void settle() {
        if (--open > 0) return;
        if (fault && !has_any) return done(*fault);
        done(Done{});
    }
};

}  // namespace

ConferencePlane::Conference* ConferencePlane::find(CallKey call) {
    const auto found = conferences_.find(call.value);
    return found == conferences_.end() ? nullptr : &found->second;
}
const ConferencePlane::Conference* ConferencePlane::find(CallKey call) const {
    const auto found = conferences_.find(call.value);
    return found == conferences_.end() ? nullptr : &found->second;
}

void ConferencePlane::set_members(CallKey conference, std::vector<Member> members) {
    conferences_[conference.value].members = std::move(members);
}

std::optional<CallKey> ConferencePlane::conference_of(CallKey member) const {
    for (const auto& [key, conference] : conferences_)
        for (const Member& one : conference.members)
            if (one.key == member) return CallKey{key};
    return std::nullopt;
}

void ConferencePlane::offer(CallKey /*call*/, const relay::LegSdp& /*sdp*/, relay::SdpDone done) {
    done(Reason{"not_ours", "A conference has no legs of its own."});
}
void ConferencePlane::answer(CallKey /*call*/, const relay::LegSdp& /*sdp*/, relay::SdpDone done) {
    done(Reason{"not_ours", "A conference has no legs of its own."});
}

// ---- what is offered ----------------------------------------------------------------------------

void ConferencePlane::subscribe(CallKey call, std::uint32_t subscription,
                                const relay::SubscribeOptions& options,
                                relay::SubscriptionDone done) {
    Conference* conference = find(call);
    if (conference == nullptr) return done(unknown());
    auto& kept = conference->subscriptions[subscription];
    if (kept == nullptr)
        kept = std::make_shared<Subscription>(
            JointLines(fmt::format("{}{}", call.value, subscription), host_));
    const std::shared_ptr<Subscription> asked = kept;
    std::vector<Part> before = std::exchange(asked->parts, {});
    for (const Member& member : conference->members) {
        const auto known = std::find_if(before.begin(), before.end(), [&](const Part& part) {
            return part.member.key == member.key;
        });
        asked->parts.push_back(known == before.end() ? Part{} : *known);
        asked->parts.back().member = member;
        if (known != before.end()) before.erase(known);
    }
    // Members that are recorded by themselves no more; of those that have left nothing is there.
    for (const Part& gone : before)
        plane_of(gone.member).unsubscribe(gone.member.key, subscription);
    const std::uint64_t serial = ++asked->serial;
    asked->fault = {};
    asked->asked = asked->parts.size() + 1;
    relay::SubscribeOptions each = options;
    each.only = relay::Leg::A;
    for (std::size_t i = 0; i < asked->parts.size(); ++i) {
        const Member& member = asked->parts[i].member;
        each.is_paused = options.is_paused || member.is_paused;
        each.media = narrowed(options.media, member.media);
        each.leaves_content = member.leaves_content;
        plane_of(member).subscribe(
            member.key, subscription, each,
            [asked, serial, i, done](Result<relay::Subscription, Reason> offered) {
                if (serial != asked->serial) return;
                Part& part = asked->parts[i];
                part.is_offered = offered.has_value();
                if (!offered) {
                    // Of that kind of media it has none: that is no fault.
                    if (offered.error().code != "no_media") asked->fault = offered.error();
                } else {
                    part.state.offer = std::move(offered->offer);
                    part.streams = std::move(offered->streams);
                    if (!offered->left_out.code.empty()) asked->fault = offered->left_out;
                }
                finish(*asked, done);
            });
    }
    finish(*asked, done);
}

void ConferencePlane::finish(Subscription& asked, const relay::SubscriptionDone& done) {
    if (--asked.asked > 0) return;
    const std::vector<JointPart> parts = joint_parts(asked.parts);
    if (parts.empty())
        return done(asked.fault.code.empty()
                        ? Reason{"no_media", "Nobody is in the conference who can be recorded."}
                        : asked.fault);
    relay::Subscription joint{.offer = asked.lines.offer(parts), .streams = {}};
    joint.left_out = asked.fault;
    const auto offer = sdp::parse(joint.offer);
    for (const Part& part : asked.parts) {
        if (!part.is_offered) continue;
        for (relay::SubscribedStream stream : part.streams) {
            stream.label = joint_label(part.member.number, stream.label);
            bool has_line = false;
            for (std::size_t i = 0; offer && i < offer->media.size(); ++i) {
                if (offer->media[i].label != stream.label || offer->media[i].port == 0) continue;
                stream.place = i;
                has_line = true;
            }
            if (has_line)
                joint.streams.push_back(std::move(stream));
            else
                joint.left_out = {"too_many_streams",
                                  "The recording session has no line for one more stream."};
        }
    }
    done(std::move(joint));
}

// ---- what becomes of it -------------------------------------------------------------------------

void ConferencePlane::answer_subscription(CallKey call, std::uint32_t subscription,
                                          std::string_view sdp, relay::PlaneDone done) {
    Conference* conference = find(call);
    if (conference == nullptr) return done(unknown());
    const auto found = conference->subscriptions.find(subscription);
    if (found == conference->subscriptions.end())
        return done(Reason{"unknown_subscription", "There is no such subscription."});
    if (!sdp::parse(sdp)) return done(Reason{"bad_answer", "The answer cannot be read."});
    const std::shared_ptr<Subscription> asked = found->second;
    asked->lines.on_answer(sdp);
    const auto all = std::make_shared<Gathered>();
    all->done = std::move(done);
    for (const JointPart& part : joint_parts(asked->parts)) {
        const JointLines::Share share = asked->lines.share_of(part);
        if (share.known == 0) continue;  // joined after the offer that was answered
        const auto part_of =
            std::find_if(asked->parts.begin(), asked->parts.end(),
                         [&](const Part& one) { return &one.state == part.state; });
        ++all->open;
        plane_of(part_of->member)
            .answer_subscription(part_of->member.key, subscription, share.sdp,
                                 [all](const Result<Done, Reason>& one) { all->take(one); });
    }
    all->settle();
}

void ConferencePlane::stop_subscription(CallKey call, std::uint32_t subscription, relay::Stop why) {
    Conference* conference = find(call);
    if (conference == nullptr) return;
    const auto found = conference->subscriptions.find(subscription);
    if (found == conference->subscriptions.end()) return;
    if (why == relay::Stop::ServerLost) found->second->lines.on_new_dialog();
    for (const Part& part : found->second->parts)
        plane_of(part.member).stop_subscription(part.member.key, subscription, why);
}

void ConferencePlane::unsubscribe(CallKey call, std::uint32_t subscription) {
    Conference* conference = find(call);
    if (conference == nullptr) return;
    const auto found = conference->subscriptions.find(subscription);
    if (found == conference->subscriptions.end()) return;
    for (const Part& part : found->second->parts)
        plane_of(part.member).unsubscribe(part.member.key, subscription);
    ++found->second->serial;
    conference->subscriptions.erase(found);
}

Result<relay::CallMedia, Reason> ConferencePlane::query(CallKey call) const {
    const Conference* conference = find(call);
    if (conference == nullptr) return unknown();
    relay::CallMedia all;
    for (const Member& member : conference->members) {
        auto media = plane_of(member).query(member.key);
        if (!media) continue;
        for (relay::LineMedia& line : media->lines) all.lines.push_back(std::move(line));
        for (relay::ForkMedia& fork : media->forks) {
            fork.label = joint_label(member.number, fork.label);
            all.forks.push_back(std::move(fork));
        }
    }
    return all;
}

}  // namespace earshot::client
