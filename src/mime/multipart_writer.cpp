#include "mime/multipart_writer.h"

#include <algorithm>

#include "mime/limits.h"

namespace earshot::mime {
namespace {

using base::Errc;
using base::Error;

bool is_token_boundary(std::string_view boundary) {
    constexpr std::string_view kSpecials = "()<>@,;:\\\"/[]?=";  // RFC 2045 §5.1
    return !boundary.empty() && boundary.size() <= kMaxBoundaryBytes &&
           std::all_of(boundary.begin(), boundary.end(), [&](char c) {
               return c > 0x20 && c < 0x7f && kSpecials.find(c) == std::string_view::npos;
           });
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

base::Result<std::string> write_multipart(std::span<const OutgoingPart> parts,
                                          std::string_view boundary) {
    if (!is_token_boundary(boundary)) return Error{Errc::Malformed, "multipart: bad boundary"};
    const std::string delimiter = "--" + std::string{boundary};
    std::size_t size = delimiter.size() + 4;
    for (const OutgoingPart& part : parts) {
        if (part.body.find(delimiter) != std::string_view::npos) {
            return Error{Errc::Malformed, "multipart: the boundary occurs in a body"};
        }
        size += delimiter.size() + part.content_type.size() + part.disposition.size() +
                part.content_id.size() + part.body.size() + 80;
    }

    std::string out;
    out.reserve(size);
    for (const OutgoingPart& part : parts) {
        out.append(delimiter).append("\r\n");
        append_field(out, "Content-Type", part.content_type);
        if (!part.disposition.empty()) append_field(out, "Content-Disposition", part.disposition);
        if (!part.content_id.empty()) {
            out.append("Content-ID: <").append(part.content_id).append(">\r\n");
        }
        out.append("\r\n").append(part.body).append("\r\n");
    }
    out.append(delimiter).append("--\r\n");
    return out;
}

std::string multipart_mixed_type(std::string_view boundary) {
    return "multipart/mixed;boundary=" + std::string{boundary};
}

}  // namespace earshot::mime
