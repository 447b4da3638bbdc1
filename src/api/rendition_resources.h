// The resources of renditions: what earshot-media makes of a recording when it is asked for. Each
// function reads the disk: it is called on worker threads, several at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "archive/rendition_desk.h"
#include "catalog/catalog.h"
#include "http/message.h"

namespace earshot::api {

class RecordingFiles;
class RecordingResources;

class RenditionResources {
public:
    RenditionResources(archive::RenditionDesk& desk, const RecordingFiles& files)
        : desk_(desk), files_(files) {}

    enum class Verb { Ask, Look, Drop, Content };
    // `name`: "mkv", "mp4", "webm", "ogg", "wav", "stereo", "peaks", "sheet", "marks", or "track"
    // of the stream that the query's `label` names, in one piece.
    http::Response serve(const RecordingResources& recordings, const http::Request& request,
                         std::string_view id, std::string_view name, Verb verb) const;

    // An export that the server cannot make itself; nullopt: it can, or `format` is none of ours.
    std::optional<http::Response> export_of(const RecordingResources& recordings,
                                            const http::Request& request, std::string_view id,
                                            std::string_view format, bool as_download) const;
    void forget(const std::string& id) const { desk_.forget(id); }

private:
    base::Result<std::vector<archive::RenditionRequest::Piece>, base::Reason> find_pieces(
        const catalog::Recording& recording) const;
    http::Response content(const archive::RenditionRequest& wanted, bool as_download) const;

    archive::RenditionDesk& desk_;
    const RecordingFiles& files_;
};

}  // namespace earshot::api
