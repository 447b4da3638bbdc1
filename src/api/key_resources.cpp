#include "api/key_resources.h"

#include <nlohmann/json.hpp>

#include "api/views.h"

namespace earshot::api {
namespace {

using nlohmann::json;

http::Response no_keys() {
    return http::problem(503, "not_ready", "This server controls no keys.");
}

http::Response refuse(const base::Reason& reason) {
    const bool is_conflict = reason.code == "key_in_use" || reason.code == "rotation_running";
    return http::problem(reason.code == "not_found" ? 404 : (is_conflict ? 409 : 500), reason.code,
                         reason.text);
}

json view_of(const KeyView& key) {
    return {{"id", key.id},
            {"made", base::to_rfc3339(key.made)},
            {"sealed", key.is_sealed},
            {"current", key.is_current},
            {"in_use", key.is_in_use},
            {"recordings", key.recordings},
            {"segments", key.segments}};
}

}  // namespace

http::Response list_keys(KeyControl* keys) {
    if (keys == nullptr) return no_keys();
    const auto list = keys->list();
    if (!list) return refuse(list.error());
    json body{{"keys", json::array()},
              {"unreadable", list->unreadable},
              {"missing_recordings", list->missing}};
    for (const KeyView& key : list->keys) body["keys"].push_back(view_of(key));
    return json_response(200, body);
}

http::Response rotate_keys(KeyControl* keys) {
    if (keys == nullptr) return no_keys();
    auto job = keys->rotate();
    if (!job) return refuse(job.error());
    http::Response response = http::make_response(200, "application/x-ndjson", "");
    // std::function copies its target, so the job has to be shared.
    response.body = http::Producer([shared = std::shared_ptr<KeyRotationJob>(std::move(*job))](
                                       std::string& chunk) -> base::Result<bool, base::Reason> {
        const auto progress = shared->step();
        if (!progress) return false;
        const json line{{"key", progress->key},       {"done", progress->done},
                        {"total", progress->total},   {"wrapped", progress->wrapped},
                        {"failed", progress->failed}, {"failure", progress->failure}};
        chunk = line.dump() + "\n";
        return true;
    });
    return response;
}

http::Response remove_key(KeyControl* keys, std::string_view id) {
    if (keys == nullptr) return no_keys();
    const std::string name(id);
    if (const auto refused = keys->remove(name)) return refuse(*refused);
    return json_response(200, {{"id", name}});
}

}  // namespace earshot::api
