#include "sip/builder.h"

#include <algorithm>

#include "base/text.h"
#include "sip/chars.h"

namespace earshot::sip {
namespace {

// A value can never end its line, whoever wrote it.
std::string single_line(std::string_view value) {
    std::string safe(trim_lws(value));
    std::replace_if(
        safe.begin(), safe.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
    return safe;
}

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
    for (const std::string_view value : request.all(HeaderId::Via)) {
        std::string_view rest = value;
        std::string_view top;
        if (!is_top || source == nullptr || !take_list_element(rest, top)) {
            response.add(HeaderId::Via, value);
            continue;
        }
        is_top = false;
        response.add(HeaderId::Via, stamp_via(top, *source));
        rest = trim_lws(rest);
        if (!rest.empty()) response.add(HeaderId::Via, rest);
    }
}

bool can_make_dialog(const Message& request, int status) {
    const Method method = request.method();
    return status > 100 && status < 300 &&
           (method == Method::Invite || method == Method::Subscribe || method == Method::Refer);
}

}  // namespace

MessageBuilder MessageBuilder::request(std::string_view method, std::string_view uri) {
    MessageBuilder builder;
    builder.start_line_ = single_line(method) + ' ' + single_line(uri) + " SIP/2.0";
    return builder;
}

MessageBuilder MessageBuilder::response(int status, std::string_view reason) {
    MessageBuilder builder;
    builder.start_line_ = "SIP/2.0 " + std::to_string(status) + ' ' +
                          single_line(reason.empty() ? default_reason(status) : reason);
    return builder;
}

MessageBuilder& MessageBuilder::add(HeaderId id, std::string_view value) {
    fields_.push_back({.id = id, .name = std::string(to_string(id)), .value = single_line(value)});
    return *this;
}

MessageBuilder& MessageBuilder::add(std::string_view name, std::string_view value) {
    const HeaderId id = find_header_id(name);
    if (id != HeaderId::Other) return add(id, value);
    if (is_token(name)) {
        fields_.push_back({.id = id, .name = std::string(name), .value = single_line(value)});
    }
    return *this;
}

MessageBuilder& MessageBuilder::prepend(HeaderId id, std::string_view value) {
    fields_.insert(fields_.begin(),
                   {.id = id, .name = std::string(to_string(id)), .value = single_line(value)});
    return *this;
}

MessageBuilder& MessageBuilder::set(HeaderId id, std::string_view value) {
    remove(id);
    return add(id, value);
}

MessageBuilder& MessageBuilder::remove(HeaderId id) {
    fields_.erase(std::remove_if(fields_.begin(), fields_.end(),
                                 [&](const Field& field) { return field.id == id; }),
                  fields_.end());
    return *this;
}

MessageBuilder& MessageBuilder::body(std::string_view content_type, base::ByteView bytes) {
    body_ = base::as_text(bytes);
    return set(HeaderId::ContentType, content_type);
}

std::string MessageBuilder::build() const {
    constexpr std::string_view kEnd = "\r\n";
    std::size_t size = start_line_.size() + body_.size() + 40;
    for (const Field& field : fields_) size += field.name.size() + field.value.size() + 4;

    std::string out;
    out.reserve(size);
    out.append(start_line_).append(kEnd);
    for (const Field& field : fields_) {
        if (field.id == HeaderId::ContentLength) continue;
        out.append(field.name).append(": ").append(field.value).append(kEnd);
    }
    out.append("Content-Length: ").append(std::to_string(body_.size())).append(kEnd).append(kEnd);
    out.append(body_);
    return out;
}

MessageBuilder response_to(const Message& request, int status, const ResponseOptions& options) {
    MessageBuilder response = MessageBuilder::response(status, options.reason);
    copy_vias(request, options.source, response);
    if (can_make_dialog(request, status)) {
        for (const std::string_view route : request.all(HeaderId::RecordRoute)) {
            response.add(HeaderId::RecordRoute, route);
        }
    }
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
