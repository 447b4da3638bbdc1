#include "archive/message_body.h"

#include "base/text.h"
#include "mime/media_type.h"
#include "xml/xml_document.h"

namespace earshot::archive {
namespace {

constexpr std::string_view kWrapperPrefix = "rs.";
constexpr std::string_view kImdn = "urn:ietf:params:imdn";

bool is_type(std::string_view content_type, std::string_view type) {
    return base::iequals(mime::split_parameters(content_type).value, type);
}

// The header of the wrapper's namespace, or with its usual prefix where no namespace was declared
// (the draft fixes none), or in any other namespace: these names are nobody else's.
std::vector<std::string_view> find_all(const mime::CpimHead& head, std::string_view name) {
    std::vector<std::string_view> values;
    for (const mime::CpimHeader& header : head.others) {
        std::string_view own = header.name;
        if (base::istarts_with(own, kWrapperPrefix)) own.remove_prefix(kWrapperPrefix.size());
        if (base::iequals(own, name)) values.push_back(base::trim(header.value));
    }
    return values;
}

std::string find_one(const mime::CpimHead& head, std::string_view name) {
    const auto values = find_all(head, name);
    return values.empty() ? std::string{} : std::string(values.front());
}

void read_wrapper(const mime::CpimHead& head, MessageBody& body) {
    body.is_wrapped = true;
    body.content = base::to_lower(find_one(head, "Content"));
    if (body.content.empty()) body.content = "send";
    body.stream_id = find_one(head, "Stream-ID");
    body.cs_message_id = find_one(head, "Message-ID");
    body.nickname = find_one(head, "Nickname");
    for (const std::string_view type : find_all(head, "Unsupported-Type"))
        body.unsupported_types.emplace_back(type);
    body.dropped_size = base::parse_number<std::uint64_t>(find_one(head, "Size"));
    body.file_selector = find_one(head, "File-Selector");
}

void read_layer(mime::CpimHead&& head, bool is_wrapper, MessageBody& body) {
    if (is_wrapper) {
        read_wrapper(head, body);
        body.wrapper_from = head.from;
        body.wrapper_to = head.to;
    } else if (const std::string_view id = head.find(kImdn, "Message-ID"); !id.empty()) {
        body.imdn_id = id;
    }
    if (head.from) body.inner_from = head.from;
    if (!body.from) body.from = std::move(head.from);
    if (!head.to.empty()) body.to = std::move(head.to);
    if (body.date_time.empty()) body.date_time = std::move(head.date_time);
    if (!head.subject.empty()) body.subject = std::move(head.subject);
    body.content_type = std::move(head.content_type);
    body.content_disposition = std::move(head.content_disposition);
    body.content_at += head.content_at;
}

}  // namespace

MessageBody read_message_body(std::string_view content_type, std::string_view begin) {
    MessageBody body;
    body.content_type = content_type;
    for (std::size_t layer = 0; layer < kMaxLayers; ++layer) {
        // Further in it is what somebody sent, and says nothing of the client.
        const bool is_wrapper =
            layer == 0 && is_type(body.content_type, "application/msrp-recording");
        if (!is_wrapper && !is_type(body.content_type, "message/cpim")) break;
        auto head = mime::parse_cpim(begin.substr(body.content_at));
        if (!head) {
            body.fault = head.error().what;
            break;
        }
        read_layer(*std::move(head), is_wrapper, body);
        // What a dropped message had been is told by its headers alone.
        if (is_wrapper && body.content == "drop") break;
    }
    return body;
}

std::optional<ImdnNotice> read_imdn(std::string_view text) {
    const auto document = xml::XmlDocument::parse(text, {});
    if (!document || document->root().name() != "imdn") return std::nullopt;
    ImdnNotice notice;
    for (auto part = document->root().first_child(); part; part = part->next_sibling()) {
        if (part->name() == "message-id") notice.message_id = part->text();
        if (part->name() == "recipient-uri") notice.recipient = part->text();
        // <delivery-notification><status><delivered/></status></delivery-notification>
        for (auto status = part->first_child(); status; status = status->next_sibling()) {
            if (status->name() != "status") continue;
            if (const auto what = status->first_child()) notice.status = what->name();
        }
    }
    if (notice.message_id.empty()) return std::nullopt;
    return notice;
}

base::Result<msrp::Head> parse_head_text(std::string_view text) {
    const auto take_line = [&text] {
        const std::size_t end = text.find("\r\n");
        const std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 2);
        return line;
    };
    auto head = msrp::parse_start_line(take_line());
    if (!head) return head;
    while (!text.empty()) msrp::add_header(*head, take_line());
    msrp::finish_head(*head);
    return head;
}

}  // namespace earshot::archive
