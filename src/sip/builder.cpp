#include "sip/builder.h"

#include <algorithm>

#include "base/text.h"
#include "sip/chars.h"

namespace earshot::sip {
namespace {

void append_param(std::string& out, const Param& param) {
    out += ';';
    out += param.name;
    if (!param.has_value) return;
    const bool needs_quotes = param.value.find_first_of(" \t;,\"\\<>") != std::string_view::npos;
    out += needs_quotes ? "=\"" : "=";
    out += param.value;
    if (needs_quotes) out += '"';
}

// RFC 3261 §18.2.1, RFC 3581 §4: notes in our topmost Via where the request really came from.
std::string stamp_via(std::string_view element, const base::NetAddress& source) {
    const auto via = parse_via(element);
    if (!via) return std::string(element);
    const bool asks_for_port = via->has_rport();
    const auto sent_by = base::parse_host(via->host, source.port);
    if (!asks_for_port && sent_by && sent_by->same_host(source)) return std::string(element);

    std::string stamped(element.substr(0, element.size() - via->params.size()));
    std::string_view params = via->params;
    Param param;
    while (take_param(params, param)) {
        // What the sender claims about itself is replaced by what we saw.
        if (base::iequals(param.name, "rport") || base::iequals(param.name, "received")) continue;
        append_param(stamped, param);
    }
    if (asks_for_port) stamped += ";rport=" + std::to_string(source.port);
    stamped += ";received=" + base::host_to_string(source);
    return stamped;
}

void copy_vias(const Message& request, const base::NetAddress* source, MessageBuilder& response) {
    bool is_top = true;
    for (std::size_t i = 0; i < request.header_count(); ++i) {
        const HeaderView via = request.header(i);
        if (via.id != HeaderId::Via) continue;
        std::string_view rest = via.value;
        std::string_view top;
        if (!is_top || source == nullptr || !take_list_element(rest, top)) {
            response.add(HeaderId::Via, via.value);
            continue;
        }
        is_top = false;
        response.add(HeaderId::Via, stamp_via(top, *source));
        rest = trim_lws(rest);
        if (!rest.empty()) response.add(HeaderId::Via, rest);
    }
}

void copy_record_routes(const Message& request, MessageBuilder& response) {
    for (std::size_t i = 0; i < request.header_count(); ++i) {
        const HeaderView route = request.header(i);
        if (route.id == HeaderId::RecordRoute) response.add(route.id, route.value);
    }
}

bool can_make_dialog(const Message& request, int status) {
    const Method method = request.method();
    return status > 100 && status < 300 &&
           (method == Method::Invite || method == Method::Subscribe || method == Method::Refer);
}

}  // namespace

// Room for most messages without a body.
MessageBuilder::MessageBuilder() {
    text_.reserve(768);
    fields_.reserve(16);
}

// A value can never end its line, whoever wrote it.
void MessageBuilder::append_value(std::string_view value) {
    const std::size_t begin = text_.size();
    text_.append(trim_lws(value));
    for (const char end : {'\r', '\n', '\0'}) {
        for (std::size_t at = text_.find(end, begin); at != std::string::npos;
             at = text_.find(end, at)) {
            text_[at] = ' ';
        }
    }
}

MessageBuilder::Line MessageBuilder::append_field(HeaderId id, std::string_view name,
                                                  std::string_view value) {
    const std::size_t at = text_.size();
    text_.append(name).append(": ");
    append_value(value);
    text_.append("\r\n");
    return {.id = id,
            .at = static_cast<std::uint32_t>(at),
            .size = static_cast<std::uint32_t>(text_.size() - at)};
}

MessageBuilder MessageBuilder::request(std::string_view method, std::string_view uri) {
    MessageBuilder builder;
    builder.append_value(method);
    builder.text_ += ' ';
    builder.append_value(uri);
    builder.text_.append(" SIP/2.0\r\n");
    builder.start_line_size_ = builder.text_.size();
    return builder;
}

MessageBuilder MessageBuilder::response(int status, std::string_view reason) {
    MessageBuilder builder;
    builder.text_.append("SIP/2.0 ").append(std::to_string(status)).append(" ");
    builder.append_value(reason.empty() ? default_reason(status) : reason);
    builder.text_.append("\r\n");
    builder.start_line_size_ = builder.text_.size();
    return builder;
}

MessageBuilder& MessageBuilder::add(HeaderId id, std::string_view value) {
    if (id != HeaderId::ContentLength) fields_.push_back(append_field(id, to_string(id), value));
    return *this;
}

MessageBuilder& MessageBuilder::add(std::string_view name, std::string_view value) {
    const HeaderId id = find_header_id(name);
    if (id != HeaderId::Other) return add(id, value);
    if (is_token(name)) fields_.push_back(append_field(id, name, value));
    return *this;
}

MessageBuilder& MessageBuilder::prepend(HeaderId id, std::string_view value) {
    fields_.insert(fields_.begin(), append_field(id, to_string(id), value));
    return *this;
}

MessageBuilder& MessageBuilder::set(HeaderId id, std::string_view value) {
    remove(id);
    return add(id, value);
}

MessageBuilder& MessageBuilder::remove(HeaderId id) {
    fields_.erase(std::remove_if(fields_.begin(), fields_.end(),
                                 [&](const Line& field) { return field.id == id; }),
                  fields_.end());
    return *this;
}

MessageBuilder& MessageBuilder::body(std::string_view content_type, base::ByteView bytes) {
    body_ = base::as_text(bytes);
    return set(HeaderId::ContentType, content_type);
}

std::string MessageBuilder::build() const {
    const std::string_view text = text_;
    std::string out;
    out.reserve(text.size() + body_.size() + 40);
    out.append(text.substr(0, start_line_size_));
    for (const Line& field : fields_) out.append(text.substr(field.at, field.size));
    out.append("Content-Length: ").append(std::to_string(body_.size())).append("\r\n\r\n");
    out.append(body_);
    return out;
}

MessageBuilder response_to(const Message& request, int status, const ResponseOptions& options) {
    MessageBuilder response = MessageBuilder::response(status, options.reason);
    copy_vias(request, options.source, response);
    if (can_make_dialog(request, status) && !options.is_routed)
        copy_record_routes(request, response);
    if (const auto from = request.find(HeaderId::From)) response.add(HeaderId::From, *from);
    if (const auto to = request.find(HeaderId::To)) {
        std::string value(*to);
        if (status != 100 && !options.to_tag.empty() && request.to_tag().empty()) {
            value.append(";tag=").append(options.to_tag);
        }
        response.add(HeaderId::To, value);
    }
    if (const auto id = request.find(HeaderId::CallId)) response.add(HeaderId::CallId, *id);
    if (const auto cseq = request.find(HeaderId::Cseq)) response.add(HeaderId::Cseq, *cseq);
    const auto timestamp = request.find(HeaderId::Timestamp);
    if (status == 100 && timestamp) response.add(HeaderId::Timestamp, *timestamp);
    return response;
}

}  // namespace earshot::sip
