#include "server/challenge_book.h"

#include <utility>

#include "server/attempt_ledger.h"
#include "server/limits.h"

namespace earshot::server {
namespace {

std::string key_of(const base::NetAddress& from, const sip::Message& invite) {
    std::string key = base::host_to_string(from);
    key.append("\n").append(invite.call_id()).append("\n").append(invite.from_tag());
    return key;
}

}  // namespace

void ChallengeBook::add(base::TimePoint now, const base::NetAddress& from,
                        const sip::Message& invite, std::string row) {
    forget_old(now);
    if (entries_.size() >= kMaxChallenges) forget_oldest();
    Entry entry{++last_number_, now + kChallengeTime, key_of(from, invite), std::move(row)};
    answered_.erase(entry.row);  // challenged once more: the nonce was used up
    waiting_[entry.key] = {entry.number, entry.row};
    entries_.push_back(std::move(entry));
}

std::optional<std::string> ChallengeBook::take(base::TimePoint now, const base::NetAddress& from,
                                               const sip::Message& invite) {
    forget_old(now);
    const auto found = waiting_.find(key_of(from, invite));
    if (found == waiting_.end()) return std::nullopt;
    Waiting waiting = std::move(found->second);
    waiting_.erase(found);
    answered_[waiting.row] = waiting.entry;
    return std::move(waiting.row);
}

bool ChallengeBook::is_outdated(const catalog::Attempt& row) const {
    return row.outcome == kChallenged && answered_.contains(row.id);
}

void ChallengeBook::forget_old(base::TimePoint now) {
    while (!entries_.empty() && entries_.front().until <= now) forget_oldest();
}

void ChallengeBook::forget_oldest() {
    const Entry& old = entries_.front();
    const auto waiting = waiting_.find(old.key);
    if (waiting != waiting_.end() && waiting->second.entry == old.number) waiting_.erase(waiting);
    const auto answered = answered_.find(old.row);
    if (answered != answered_.end() && answered->second == old.number) answered_.erase(answered);
    entries_.pop_front();
}

}  // namespace earshot::server
