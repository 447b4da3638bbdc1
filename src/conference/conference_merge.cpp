// RFC 4575 section 4.6: how a document is put into what is known, and the other way round.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "conference/conference_info.h"
#include "conference/limits.h"

namespace earshot::conference {
namespace {

template <class T>
void take(T& local, const T& update) {
    if (update) local = update;
}
template <class Enum>
void take_word(Enum& local, Enum update) {
    if (update != Enum::None) local = update;
}

std::size_t size_of(const Text& text) { return text ? text->size() : 0; }

// About what it holds in memory.
std::size_t size_of(const Endpoint& endpoint) {
    std::size_t size = sizeof(Endpoint) + endpoint.entity.size() + size_of(endpoint.display_text) +
                       size_of(endpoint.call_id);
    for (const auto* info : {&endpoint.joining_info, &endpoint.disconnection_info})
        if (*info) size += size_of((*info)->reason) + size_of((*info)->by);
    for (const Media& media : endpoint.media)
        size += sizeof(Media) + media.id.size() + size_of(media.display_text) +
                size_of(media.type) + size_of(media.label) + size_of(media.src_id);
    return size;
}

std::size_t size_of(const User& user) {
    std::size_t size = sizeof(User) + user.entity.size() + size_of(user.display_text) +
                       size_of(user.nickname) + size_of(user.cascaded_focus);
    if (user.associated_aors)
        for (const UriEntry& entry : user.associated_aors->entries)
            size += sizeof(UriEntry) + entry.uri.size() + size_of(entry.display_text) +
                    size_of(entry.purpose);
    if (user.roles)
        for (const std::string& role : *user.roles) size += sizeof(role) + role.size();
    for (const Endpoint& endpoint : user.endpoints) size += size_of(endpoint);
    return size;
}

// Elements of `local` by their key.
template <class List, class Key>
auto find_in(List& list, const Key& key, std::string List::value_type::*member) {
    return std::find_if(list.begin(), list.end(),
                        [&](const auto& item) { return item.*member == key; });
}

void merge_uris(std::optional<UriList>& local, const std::optional<UriList>& update) {
    if (!update) return;
    if (update->state == State::Deleted) return local.reset();
    if (update->state == State::Full || !local) {
        local = update;
        local->state = State::Full;
        return;
    }
    for (const UriEntry& entry : update->entries) {
        const auto found = find_in(local->entries, entry.uri, &UriEntry::uri);
        if (found != local->entries.end()) {
            *found = entry;
        } else if (local->entries.size() < kMaxUris) {
            local->entries.push_back(entry);
        }
    }
}

void merge_media(Media& local, const Media& update) {
    take(local.display_text, update.display_text);
    take(local.type, update.type);
    take(local.label, update.label);
    take(local.src_id, update.src_id);
    take_word(local.status, update.status);
}

// Full: as it came. A partial one that is new here has all that is known of it. Children of a full
// element are full themselves, whatever they say; deleted ones among them were never there.
template <class T>
void settle(std::vector<T>& list) {
    std::erase_if(list, [](const T& item) { return item.state == State::Deleted; });
    for (T& item : list) item.state = State::Full;
}
Endpoint settled(Endpoint endpoint) {
    endpoint.state = State::Full;
    settle(endpoint.media);
    return endpoint;
}
User settled(User user) {
    user.state = State::Full;
    if (user.associated_aors) user.associated_aors->state = State::Full;
    settle(user.endpoints);
    for (Endpoint& endpoint : user.endpoints) settle(endpoint.media);
    return user;
}

void merge_endpoint(Endpoint& local, const Endpoint& update) {
    take(local.display_text, update.display_text);
    take_word(local.status, update.status);
    take_word(local.joining_method, update.joining_method);
    take(local.joining_info, update.joining_info);
    take_word(local.disconnection_method, update.disconnection_method);
    take(local.disconnection_info, update.disconnection_info);
    take(local.call_id, update.call_id);
    for (const Media& media : update.media) {
        const auto found = find_in(local.media, media.id, &Media::id);
        if (media.state == State::Deleted) {
            if (found != local.media.end()) local.media.erase(found);
        } else if (found == local.media.end()) {
            if (local.media.size() == kMaxEndpointMedia) continue;
            local.media.push_back(media);
            local.media.back().state = State::Full;
        } else if (media.state == State::Partial) {
            merge_media(*found, media);
        } else {
            *found = media;
        }
    }
}

void merge_user(User& local, const User& update) {
    take(local.display_text, update.display_text);
    take(local.nickname, update.nickname);
    merge_uris(local.associated_aors, update.associated_aors);
    take(local.roles, update.roles);
    take(local.cascaded_focus, update.cascaded_focus);
    for (const Endpoint& endpoint : update.endpoints) {
        const auto found = find_in(local.endpoints, endpoint.entity, &Endpoint::entity);
        if (endpoint.state == State::Deleted) {
            if (found != local.endpoints.end()) local.endpoints.erase(found);
        } else if (found == local.endpoints.end()) {
            if (local.endpoints.size() == kMaxEndpoints) continue;
            local.endpoints.push_back(settled(endpoint));
        } else if (endpoint.state == State::Partial) {
            merge_endpoint(*found, endpoint);
        } else {
            *found = settled(endpoint);
        }
    }
}

// Keeps within the number of users and their memory; what does not fit stays as it was.
class UserMerger {
public:
    explicit UserMerger(UserList& local) : local_(local) {
        for (std::size_t i = 0; i < local_.users.size(); ++i) {
            place_.emplace(local_.users[i].entity, i);
            bytes_ += size_of(local_.users[i]);
        }
    }

    void put(const User& update) {
        const auto known = place_.find(update.entity);
        if (update.state == State::Deleted) {
            if (known != place_.end()) erase(known->second, update.entity);
            return;
        }
        const bool is_new = known == place_.end();
        User user;
        if (is_new || update.state == State::Full) {
            user = settled(update);
        } else {
            user = local_.users[known->second];
            merge_user(user, update);
        }
        const std::size_t before = is_new ? 0 : size_of(local_.users[known->second]);
        const std::size_t bytes = bytes_ - before + size_of(user);
        if ((is_new && place_.size() == kMaxUsers) || (bytes > kMaxRosterBytes && bytes > bytes_)) {
            ++local_.left_out;
            return;
        }
        bytes_ = bytes;
        if (is_new) {
            place_.emplace(user.entity, local_.users.size());
            local_.users.push_back(std::move(user));
        } else {
            local_.users[known->second] = std::move(user);
        }
    }

    // Gone users leave their places empty until now, so that a long list costs no square.
    void finish() {
        std::erase_if(local_.users, [](const User& user) { return user.entity.empty(); });
    }

private:
    void erase(std::size_t place, const std::string& entity) {
        bytes_ -= size_of(local_.users[place]);
        local_.users[place] = {};
        place_.erase(entity);
    }

    UserList& local_;
    std::unordered_map<std::string, std::size_t> place_;
    std::size_t bytes_ = 0;
};

void merge_users(std::optional<UserList>& local, const UserList& update) {
    if (update.state == State::Deleted) return local.reset();
    if (!local || update.state == State::Full) local.emplace();
    local->left_out += update.left_out;
    UserMerger merger{*local};
    for (const User& user : update.users) merger.put(user);
    merger.finish();
}

void merge_description(std::optional<Description>& local, const Description& update) {
    if (update.state == State::Deleted) return local.reset();
    if (!local || update.state == State::Full) local.emplace();
    take(local->display_text, update.display_text);
    take(local->subject, update.subject);
    take(local->free_text, update.free_text);
    take(local->keywords, update.keywords);
    merge_uris(local->conf_uris, update.conf_uris);
    merge_uris(local->service_uris, update.service_uris);
    take(local->maximum_user_count, update.maximum_user_count);
    take(local->available_media, update.available_media);
}

void merge_state(std::optional<ConferenceState>& local, const ConferenceState& update) {
    if (update.state == State::Deleted) return local.reset();
    if (!local || update.state == State::Full) local.emplace();
    take(local->user_count, update.user_count);
    take(local->active, update.active);
    take(local->locked, update.locked);
}

void merge_sidebars(ConferenceInfo& local, const ConferenceInfo& update) {
    if (!update.sidebars_state) return;
    if (*update.sidebars_state == State::Deleted) {
        local.sidebars_state.reset();
        local.sidebars.clear();
        return;
    }
    if (*update.sidebars_state == State::Full) local.sidebars.clear();
    local.sidebars_state = State::Full;
    for (const ConferenceInfo& sidebar : update.sidebars) {
        const auto found = find_in(local.sidebars, sidebar.entity, &ConferenceInfo::entity);
        if (sidebar.state == State::Deleted) {
            if (found != local.sidebars.end()) local.sidebars.erase(found);
        } else if (found != local.sidebars.end()) {
            merge(*found, sidebar);
        } else if (local.sidebars.size() < kMaxSidebars) {
            ConferenceInfo& added = local.sidebars.emplace_back();
            added.entity = sidebar.entity;
            merge(added, sidebar);
        }
    }
}

template <class T>
bool differs(std::optional<T> before, const std::optional<T>& after) {
    return after && before != after;
}

UserList changed_users(const UserList& before, const UserList& after) {
    UserList changed;
    changed.state = State::Partial;
    std::unordered_map<std::string_view, const User*> old;
    for (const User& user : before.users) old.emplace(user.entity, &user);
    std::unordered_set<std::string_view> kept;
    for (const User& user : after.users) kept.insert(user.entity);
    // First, so that who comes has room at a subscriber whose list is as long as it may be.
    for (const User& user : before.users) {
        if (kept.count(user.entity) != 0) continue;
        User& gone = changed.users.emplace_back();
        gone.entity = user.entity;
        gone.state = State::Deleted;
    }
    for (const User& user : after.users) {
        const auto known = old.find(user.entity);
        if (known == old.end() || *known->second != user) changed.users.push_back(user);
    }
    return changed;
}

}  // namespace

const User* ConferenceInfo::find_user(std::string_view user) const {
    if (!users) return nullptr;
    const auto found = std::find_if(users->users.begin(), users->users.end(),
                                    [&](const User& known) { return known.entity == user; });
    return found == users->users.end() ? nullptr : &*found;
}

void merge(ConferenceInfo& local, const ConferenceInfo& update) {
    if (update.state != State::Partial) {
        ConferenceInfo empty;
        empty.entity = update.entity;
        empty.version = update.version;
        local = std::move(empty);
        if (update.state == State::Deleted) return;
    }
    if (update.version) local.version = update.version;
    if (update.description) merge_description(local.description, *update.description);
    if (update.conference_state) merge_state(local.conference_state, *update.conference_state);
    if (update.users) merge_users(local.users, *update.users);
    merge_uris(local.sidebars_by_ref, update.sidebars_by_ref);
    merge_sidebars(local, update);
}

std::optional<ConferenceInfo> make_partial(const ConferenceInfo& before,
                                           const ConferenceInfo& after) {
    ConferenceInfo partial;
    partial.entity = after.entity;
    partial.state = State::Partial;
    if (differs(before.description, after.description)) partial.description = after.description;
    if (differs(before.conference_state, after.conference_state))
        partial.conference_state = after.conference_state;
    if (differs(before.users, after.users)) {
        partial.users = before.users ? changed_users(*before.users, *after.users) : *after.users;
    }
    if (differs(before.sidebars_by_ref, after.sidebars_by_ref))
        partial.sidebars_by_ref = after.sidebars_by_ref;
    if (after.sidebars_state && before.sidebars != after.sidebars) {
        partial.sidebars_state = State::Full;
        partial.sidebars = after.sidebars;
    }
    const bool is_changed = partial.description || partial.conference_state || partial.users ||
                            partial.sidebars_by_ref || partial.sidebars_state;
    if (!is_changed) return std::nullopt;
    return partial;
}

}  // namespace earshot::conference
