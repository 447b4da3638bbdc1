#include "api/rendition_resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/recording_files.h"
#include "api/recording_resources.h"
#include "api/refusal.h"
#include "api/views.h"
#include "api/whole_view.h"
#include "archive/media_job.h"
#include "rendition/report.h"

namespace earshot::api {
namespace {

using archive::RenditionContent;
using archive::RenditionRequest;
using archive::RenditionStatus;
using nlohmann::json;
using rendition::Product;

json view_of(const RenditionStatus& status) {
    json view{{"name", status.name},
              {"state", archive::to_string(status.state)},
              {"percent", status.percent},
              {"bytes", status.bytes},
              {"content_type", status.content_type},
              {"reason", nullptr}};
    if (status.reason)
        view["reason"] = {{"code", status.reason->code}, {"text", status.reason->text}};
    if (status.report) view["report"] = json::parse(rendition::to_json(*status.report));
    return view;
}

// What is whole, at any place.
class WholeSource : public http::ByteSource {
public:
    WholeSource(std::unique_ptr<RenditionContent> content, std::uint64_t size)
        : content_(std::move(content)), size_(size) {}
    std::uint64_t size() const override { return size_; }
    base::Result<std::size_t, base::Reason> read(std::uint64_t offset,
                                                 std::span<std::uint8_t> out) override {
        const auto count = content_->read(offset, out);
        if (!count) return count.error();
        return count->value_or(0);
    }

private:
    std::unique_ptr<RenditionContent> content_;
    const std::uint64_t size_;
};

// What still grows, as it comes. A piece is empty while nothing new is there.
class GrowingBody {
public:
    explicit GrowingBody(std::shared_ptr<RenditionContent> content)
        : content_(std::move(content)) {}

    base::Result<bool, base::Reason> next(std::string& chunk) {
        constexpr std::size_t kPieceBytes = 64UL * 1024;
        std::array<std::uint8_t, kPieceBytes> piece{};
        const auto count = content_->read(offset_, piece);
        if (!count) return count.error();
        if (!count->has_value()) return true;
        chunk.assign(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(**count));
        offset_ += **count;
        return **count > 0;
    }

private:
    std::shared_ptr<RenditionContent> content_;
    std::uint64_t offset_ = 0;
};

// An answer can say why there is nothing, a body that was begun cannot: so the answer waits for the
// first byte, and so long at most.
constexpr int kFirstByteLooks = 100;  // kParkTime apart

http::Response answer_when_it_grows(std::shared_ptr<RenditionContent> content,
                                    const std::string& type, const http::Fields& fields,
                                    int looks) {
    std::array<std::uint8_t, 1> byte{};
    const auto count = content->read(0, byte);
    if (!count) return refuse(count.error());
    http::Response response = http::make_response(200, type, "");
    if (!count->has_value() && looks < kFirstByteLooks) {
        response.body = http::Parked{[content = std::move(content), type, fields, looks] {
            return answer_when_it_grows(content, type, fields, looks + 1);
        }};
        return response;
    }
    response.headers.insert(response.headers.end(), fields.begin(), fields.end());
    // std::function copies its target, so what it reads has to be shared.
    response.body = http::Producer([body = std::make_shared<GrowingBody>(std::move(content))](
                                       std::string& chunk) { return body->next(chunk); });
    return response;
}

}  // namespace

http::Response RenditionResources::serve(const RecordingResources& recordings,
                                         const http::Request& request, std::string_view id,
                                         std::string_view name, Verb verb) const {
    const auto product = rendition::parse_product(name);
    if (!product)
        return http::problem(404, "not_found",
                             fmt::format("\"{}\" is no rendition; use mkv, mp4, webm, ogg, wav, "
                                         "stereo, peaks, sheet, marks or track.",
                                         name));
    // A track is of one stream, and its label of one piece.
    auto found = product == Product::Track ? recordings.find_named_piece(request, id)
                                           : recordings.find_named(request, id);
    if (auto* answer = std::get_if<http::Response>(&found)) return std::move(*answer);
    auto pieces = find_pieces(std::get<catalog::Recording>(found));
    if (!pieces) return refuse(pieces.error());
    const RenditionRequest wanted{.pieces = *std::move(pieces),
                                  .product = *product,
                                  .label = std::string(request.query_value("label").value_or(""))};
    if (verb == Verb::Content) return content(wanted, false);
    if (verb == Verb::Drop) {
        if (desk_.drop(wanted)) return json_response(200, {{"name", name}, {"dropped", true}});
        return refuse({"not_found", "There is no such rendition."});
    }
    const auto status = verb == Verb::Ask ? desk_.ask(wanted) : desk_.look(wanted);
    if (!status) return refuse(status.error());
    const bool is_made = status->state == RenditionStatus::State::Ready;
    return json_response(verb == Verb::Ask && !is_made ? 202 : 200, view_of(*status));
}

base::Result<std::vector<RenditionRequest::Piece>, base::Reason> RenditionResources::find_pieces(
    const catalog::Recording& recording) const {
    std::vector<RenditionRequest::Piece> pieces;
    for (const catalog::Recording& piece : pieces_of(recording)) {
        // One that never brought anything to store does not hide the others.
        if (!recording.pieces.empty() && was_never_written(piece)) continue;
        auto directory = files_.find_directory(piece);
        if (!directory) return directory.error();
        pieces.push_back({piece.id, *std::move(directory)});
    }
    if (pieces.empty())
        return base::Reason{"not_archived", "No piece of it was ever written to its folder."};
    return pieces;
}

http::Response RenditionResources::content(const RenditionRequest& wanted, bool as_download) const {
    const auto status = desk_.look(wanted);
    if (!status) return refuse(status.error());
    auto content = desk_.open(wanted);
    if (!content) return refuse(content.error());
    http::Fields fields;
    if (as_download)
        fields.push_back(
            {"Content-Disposition", fmt::format("attachment; filename=\"earshot-{}.{}\"",
                                                wanted.id(), status->extension)});
    const auto size = (*content)->size();
    if (!size) {
        fields.push_back({"Cache-Control", "no-store"});
        return answer_when_it_grows(std::move(*content), status->content_type, fields, 0);
    }
    fields.push_back({"ETag", fmt::format("\"{}-{}-{}-{}\"", wanted.id(), wanted.pieces.size(),
                                          status->name, *size)});
    http::Response response = http::make_response(200, status->content_type, "");
    response.headers.insert(response.headers.end(), fields.begin(), fields.end());
    response.body = std::make_unique<WholeSource>(std::move(*content), *size);
    return response;
}

std::optional<http::Response> RenditionResources::export_of(const RecordingResources& recordings,
                                                            const http::Request& request,
                                                            std::string_view id,
                                                            std::string_view format,
                                                            bool as_download) const {
    const auto product = rendition::parse_product(format);
    if (!product || product == Product::Track) return std::nullopt;
    auto found = recordings.find_named(request, id);
    const bool is_sound = product == Product::Wav || product == Product::Stereo;
    if (auto* answer = std::get_if<http::Response>(&found)) return std::move(*answer);
    auto pieces = find_pieces(std::get<catalog::Recording>(found));
    const auto has_more_sound = [&] {
        return pieces && std::any_of(pieces->begin(), pieces->end(), [&](const auto& piece) {
                   return desk_.has_more_sound(piece.directory);
               });
    };
    if (is_sound && !has_more_sound()) return std::nullopt;  // the server's tracks have all of it
    if (!pieces) return refuse(pieces.error());
    const RenditionRequest wanted{.pieces = *std::move(pieces), .product = *product};
    if (const auto asked = desk_.ask(wanted); !asked) return refuse(asked.error());
    return content(wanted, as_download);
}

}  // namespace earshot::api
