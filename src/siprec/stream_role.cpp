#include "siprec/stream_role.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "siprec/cs_description.h"
#include "siprec/limits.h"
#include "xml/xml_document.h"

namespace earshot::siprec {
namespace {

using sdp::Content;
using xml::xml_escape;
using xml::XmlDocument;

std::string presenter_of(const MetadataModel& model, std::string_view label) {
    for (const Participant* sender : model.senders_of(label))
        if (!sender->names.empty()) return sender->names.front().aor;
    return {};
}

void append_told(std::vector<EventField>& fields, std::string_view name, const std::string& text) {
    if (!text.empty()) fields.emplace_back(name, text);
}

bool is_unmarked_video(const ShownStream& shown, const MetadataModel& model) {
    if (shown.media != MediaKind::Video || !shown.content.empty()) return false;
    const MediaStream* stream = model.find_stream_by_label(shown.label);
    return stream == nullptr || !find_sharing(*stream);
}

}  // namespace

MediaKind media_kind(std::string_view media) {
    if (base::iequals(media, "video")) return MediaKind::Video;
    return base::iequals(media, "audio") ? MediaKind::Audio : MediaKind::Other;
}

std::optional<SharingElement> find_sharing(const MediaStream& stream) {
    for (const Extension& extension : stream.extensions) {
        if (extension.name != "sharing" || extension.name_space != kExtensionNamespace) continue;
        const auto document = XmlDocument::parse(extension.xml, "utf-8");
        if (!document) continue;
        const auto attribute = [&](std::string_view name) {
            const std::string_view text = document->root().attribute(name).value_or("");
            return std::string{base::trim(text.substr(0, kMaxSharingTextBytes))};
        };
        SharingElement sharing{.kind = base::to_lower(attribute("kind")),
                               .title = base::to_valid_utf8(attribute("title"))};
        const bool is_known =
            sharing.kind == "screen" || sharing.kind == "application" || sharing.kind == "document";
        if (!is_known) sharing.kind.clear();
        return sharing;
    }
    return std::nullopt;
}

std::string write_sharing(const SharingElement& sharing) {
    std::string xml = "<e:sharing xmlns:e=\"" + std::string{kExtensionNamespace} + "\"";
    if (!sharing.kind.empty()) xml.append(" kind=\"").append(xml_escape(sharing.kind)).append("\"");
    if (!sharing.title.empty())
        xml.append(" title=\"").append(xml_escape(sharing.title)).append("\"");
    return xml + "/>";
}

RoleWatch::Role RoleWatch::role_of(const ShownStream& shown, const std::vector<ShownStream>& all,
                                   const MetadataModel& model, bool has_element) const {
    if (shown.media == MediaKind::Other) return {};
    if (has_element) return {"content", "metadata"};
    if (shown.content.has(Content::Slides)) return {"content", "a=content"};
    if (shown.media == MediaKind::Audio) return {};
    if (shown.content.has(Content::SignLanguage)) return {"sign_language", "a=content"};
    if (!shown.content.empty()) return {"camera", "a=content"};
    const auto senders = model.senders_of(shown.label);
    const bool is_second = std::any_of(all.begin(), all.end(), [&](const ShownStream& other) {
        return other.stream < shown.stream && is_unmarked_video(other, model) &&
               model.senders_of(other.label) == senders;
    });
    if (!is_second) return {"camera", "default"};
    return {second_video_ == SecondVideo::Content ? "content" : "camera", "configuration"};
}

void RoleWatch::update(const std::vector<ShownStream>& streams, const MetadataModel& model,
                       std::vector<Event>& out) {
    for (Known& known : known_) {
        const bool is_there = std::any_of(streams.begin(), streams.end(), [&](const auto& shown) {
            return shown.stream == known.stream;
        });
        if (is_there || !std::exchange(known.is_shared, false)) continue;
        out.push_back(make_event("sharing_stopped", known.stream));
    }
    for (const ShownStream& shown : streams) {
        const MediaStream* stream = model.find_stream_by_label(shown.label);
        auto element = stream != nullptr ? find_sharing(*stream) : std::nullopt;
        const Role role = role_of(shown, streams, model, element.has_value());
        auto known = std::find_if(known_.begin(), known_.end(),
                                  [&](const Known& one) { return one.stream == shown.stream; });
        if (known == known_.end()) {
            if (role.name.empty()) continue;
            known = known_.insert(known_.end(), Known{});
            known->stream = shown.stream;
        }
        if (known->role != role) {
            known->role = role;
            // Sound that is no content any more is sound again.
            out.push_back(
                make_event("stream_role", shown.stream,
                           {{"role", std::string{role.name.empty() ? "sound" : role.name}},
                            {"by", std::string{role.by.empty() ? "default" : role.by}}}));
        }
        tell_sharing(*known, shown, model, std::move(element).value_or(SharingElement{}), out);
    }
}

void RoleWatch::tell_sharing(Known& known, const ShownStream& shown, const MetadataModel& model,
                             SharingElement&& element, std::vector<Event>& out) {
    std::string presenter = presenter_of(model, shown.label);
    known.had_presenter = known.had_presenter || !presenter.empty();
    // Some clients never fill the associations: only who has been named can have stopped.
    const bool has_stopped = known.had_presenter ? presenter.empty() : shown.is_inactive;
    const bool is_shared = known.role.name == "content" && !has_stopped;
    const bool was_shared = std::exchange(known.is_shared, is_shared);
    if (was_shared && !is_shared) out.push_back(make_event("sharing_stopped", shown.stream));
    if (!is_shared) return;
    if (was_shared && known.sharing == element && known.presenter == presenter) return;
    std::vector<EventField> fields;
    append_told(fields, "kind", element.kind);
    append_told(fields, "title", element.title);
    append_told(fields, "presenter", presenter);
    out.push_back(
        make_event(was_shared ? "sharing_changed" : "sharing_started", shown.stream, fields));
    known.sharing = std::move(element);
    known.presenter = std::move(presenter);
}

}  // namespace earshot::siprec
