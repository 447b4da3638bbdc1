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
    Entry entry{now + kChallengeTime, key_of(from, invite), std::move(row)};
    answered_.erase(entry.row);  // challenged once more: the nonce was used up
    rows_[entry.key] = entry.row;
    entries_.push_back(std::move(entry));
}

std::optional<std::string> ChallengeBook::take(base::TimePoint now, const base::NetAddress& from,
                                               const sip::Message& invite) {
    forget_old(now);
    const auto found = rows_.find(key_of(from, invite));
    if (found == rows_.end()) return std::nullopt;
    std::string row = std::move(found->second);
    rows_.erase(found);
    answered_.insert(row);
    return row;
}

bool ChallengeBook::is_outdated(const catalog::Attempt& row) const {
    return row.outcome == kChallenged && answered_.contains(row.id);
}

void ChallengeBook::forget_old(base::TimePoint now) {
    while (!entries_.empty() &&
           (entries_.front().until <= now || entries_.size() >= kMaxChallenges)) {
        const Entry& old = entries_.front();
        const auto found = rows_.find(old.key);
        if (found != rows_.end() && found->second == old.row) rows_.erase(found);
        answered_.erase(old.row);
        entries_.pop_front();
    }
}

}  // namespace earshot::server
