// parse_message() on any bytes, each view it hands out, the response to it, and its redaction.
#include <cstdint>
#include <cstdlib>

#include "sip/builder.h"
#include "sip/parser.h"
#include "sip/redact.h"

namespace {

using namespace earshot;  // NOLINT(google-build-using-namespace): a program of one function

// What a fuzz target asserts must hold in every build.
void require(bool condition) {
    if (!condition) std::abort();
}

bool has_lone_cr(std::string_view text) {
    for (std::size_t at = text.find('\r'); at != std::string_view::npos; at = text.find('\r', at)) {
        if (++at == text.size() || text[at] != '\n') return true;
    }
    return false;
}

void read_values(const sip::Message& message) {
    for (std::size_t i = 0; i < message.header_count(); ++i) {
        const sip::HeaderView header = message.header(i);
        require(header.value.find('\n') == std::string_view::npos);
        for (const std::string_view value : message.values(header.id)) {
            if (const auto address = sip::parse_name_addr(value)) {
                static_cast<void>(address->has_feature("sip.src"));
                const auto uri = sip::parse_uri(address->uri);
                if (uri) require(sip::uris_equal(*uri, *uri));
            }
            static_cast<void>(sip::parse_via(value));
        }
        static_cast<void>(sip::parse_content_type(header.value));
        static_cast<void>(sip::parse_delta_seconds(header.value));
        const auto date = sip::parse_date(header.value);
        if (date) require(*sip::parse_date(sip::format_date(*date)) == *date);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const base::ByteView input(data, size);
    const sip::ParsedMessage parsed = sip::parse_message(base::as_text(input));
    const sip::Message& message = parsed.message;
    require(base::as_text(message.raw()) == base::as_text(input));
    if (parsed.verdict != sip::Verdict::Drop) {
        read_values(message);
        const base::NetAddress source{.ip = {}, .port = 9};
        const std::string response =
            sip::response_to(message, 400,
                             {.reason = parsed.reason, .to_tag = "t", .source = &source})
                .build();
        const sip::ParsedMessage again = sip::parse_message(response);
        // What was good can be answered well; a refused one may lack what a response needs, and
        // control characters inside a line are not written back.
        const std::string_view head = base::as_text(message.head());
        const bool has_control = head.find('\0') != std::string_view::npos || has_lone_cr(head);
        if (parsed.verdict == sip::Verdict::Good && message.is_request() && !has_control) {
            require(again.verdict == sip::Verdict::Good);
            require(again.message.call_id() == message.call_id());
            require(again.message.cseq().number == message.cseq().number);
        }
    }
    base::Bytes bytes(data, data + size);
    sip::redact_secrets(bytes);
    require(bytes.size() == size);
    return 0;
}
