#include "api/rendition_resources.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/recording_files.h"
#include "api/recording_resources.h"
#include "api/views.h"
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

// What still grows, as it comes. A piece may be empty: the worker is then free for others.
class GrowingBody {
public:
    explicit GrowingBody(std::unique_ptr<RenditionContent> content)
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
    std::unique_ptr<RenditionContent> content_;
    std::uint64_t offset_ = 0;
};

// Until something can be sent, or it fails: an answer can say why, a body that was begun cannot.
std::optional<base::Reason> wait_for_first_byte(RenditionContent& content) {
    constexpr int kLooks = 5;  // of 200 ms each: a worker of the API waits meanwhile
    std::array<std::uint8_t, 1> byte{};
    for (int i = 0; i < kLooks; ++i) {
        const auto count = content.read(0, byte);
        if (!count) return count.error();
        if (count->has_value()) break;
    }
    return std::nullopt;
}

}  // namespace

http::Response RenditionResources::serve(const RecordingResources& recordings,
                                         const http::Request& request, std::string_view id,
                                         std::string_view name, Verb verb) const {
    const auto product = rendition::parse_product(name);
    if (!product)
        return http::problem(404, "not_found",
                             fmt::format("\"{}\" is no rendition; use mkv, mp4, webm, ogg, wav, "
                                         "stereo, peaks, sheet or track.",
                                         name));
    auto piece = recordings.find_named_piece(request, id);
    if (auto* answer = std::get_if<http::Response>(&piece)) return std::move(*answer);
    const auto& recording = std::get<catalog::Recording>(piece);
    const auto directory = files_.find_directory(recording);
    if (!directory) return refuse(directory.error());
    const RenditionRequest wanted{.id = recording.id,
                                  .directory = *directory,
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

http::Response RenditionResources::content(const RenditionRequest& wanted, bool as_download) const {
    const auto status = desk_.look(wanted);
    if (!status) return refuse(status.error());
    auto content = desk_.open(wanted);
    if (!content) return refuse(content.error());
    http::Response response = http::make_response(200, status->content_type, "");
    if (as_download)
        response.headers.push_back(
            {"Content-Disposition",
             fmt::format("attachment; filename=\"earshot-{}.{}\"", wanted.id, status->extension)});
    if (const auto size = (*content)->size()) {
        response.headers.push_back(
            {"ETag", fmt::format("\"{}-{}-{}\"", wanted.id, status->name, *size)});
        response.body = std::make_unique<WholeSource>(std::move(*content), *size);
        return response;
    }
    if (const auto failure = wait_for_first_byte(**content)) return refuse(*failure);
    response.headers.push_back({"Cache-Control", "no-store"});
    // std::function copies its target, so what it reads has to be shared.
    response.body = http::Producer([body = std::make_shared<GrowingBody>(std::move(*content))](
                                       std::string& chunk) { return body->next(chunk); });
    return response;
}

std::optional<http::Response> RenditionResources::export_of(const RecordingResources& recordings,
                                                            const http::Request& request,
                                                            std::string_view id,
                                                            std::string_view format,
                                                            bool as_download) const {
    const auto product = rendition::parse_product(format);
    if (!product || product == Product::Track) return std::nullopt;
    auto piece = recordings.find_named_piece(request, id);
    const bool is_sound = product == Product::Wav || product == Product::Stereo;
    if (auto* answer = std::get_if<http::Response>(&piece)) {
        if (is_sound) return std::nullopt;  // several pieces: the server puts their tracks together
        return std::move(*answer);
    }
    const auto& recording = std::get<catalog::Recording>(piece);
    const auto directory = files_.find_directory(recording);
    if (is_sound && (!directory || !desk_.has_more_sound(*directory))) return std::nullopt;
    if (!directory) return refuse(directory.error());
    const RenditionRequest wanted{.id = recording.id, .directory = *directory, .product = *product};
    if (const auto asked = desk_.ask(wanted); !asked) return refuse(asked.error());
    return content(wanted, as_download);
}

}  // namespace earshot::api
