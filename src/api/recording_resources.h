// The resources of stored recordings and attempts. Each function reads the disk: it is called on
// worker threads, several at once, and keeps nothing between calls.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/api.h"
#include "api/recording_files.h"
#include "api/rendition_resources.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "http/message.h"

namespace earshot::api {

class RecordingResources {
public:
    RecordingResources(catalog::Catalog& catalog, const RecordingFiles& files, base::Log& log,
                       const RenditionResources* renditions = nullptr)
        : catalog_(catalog), files_(files), log_(log), renditions_(renditions) {}

    // The recording, or the piece of it that the request names, or the answer why there is none.
    std::variant<catalog::Recording, http::Response> find_named(const http::Request& request,
                                                                std::string_view id) const;
    // The same, where one piece must be meant.
    std::variant<catalog::Recording, http::Response> find_named_piece(const http::Request& request,
                                                                      std::string_view id) const;

    // `live`: the calls that run now, whose counts the rows do not have yet.
    http::Response list(const http::Request& request, const std::vector<LiveCall>& live) const;
    http::Response list_attempts(const http::Request& request) const;
    // `since` of the query, or a week before `now`.
    http::Response count_by_peer(const http::Request& request, base::WallTime now) const;
    // With the recordings of its group as "related".
    http::Response show(std::string_view id, const std::vector<LiveCall>& live) const;

    // Of the piece that the query's `piece` names; without it of the whole recording, or, where the
    // pieces cannot be put together, 409 `several_pieces`.
    http::Response events(const http::Request& request, std::string_view id) const;
    http::Response manifest(const http::Request& request, std::string_view id) const;
    http::Response parts(const http::Request& request, std::string_view id) const;
    http::Response render(const http::Request& request, std::string_view id,
                          std::string_view format, bool as_download,
                          archive::Reading reading) const;
    http::Response audio(const http::Request& request, std::string_view id,
                         std::string_view file) const;
    // What a message held: always as a download, whatever its sender called it.
    http::Response message(const http::Request& request, std::string_view id,
                           std::string_view number, archive::Reading reading) const;
    http::Response peaks(const http::Request& request, std::string_view id) const;
    http::Response verify(const http::Request& request, std::string_view id) const;
    // Asks a client to be recorded; `body`: {"at", "call", "who", "reason"}.
    static http::Response start(StartRequest wish, const std::string& body, Control* control);
    // Does to the running recording what `wish` says; `body`: {"who", "reason"}, or empty.
    http::Response control(std::string_view id, ControlRequest wish, const std::string& body,
                           Control* control) const;

    // All pieces, or nothing where one of them cannot be erased (api/erasure.h). `wish` names who
    // asks; `body`: {"who", "reason"}, or empty.
    http::Response erase(std::string_view id, ErasureRequest wish, const std::string& body) const;

private:
    catalog::Catalog& catalog_;
    const RecordingFiles& files_;
    base::Log& log_;
    const RenditionResources* renditions_;  // null: earshot-media makes nothing here
};

}  // namespace earshot::api
