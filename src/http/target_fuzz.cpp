// What of a request our own code parses: target, cookies, ranges; and the client's URLs.
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "http/message.h"
#include "http/range.h"
#include "http/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace earshot;  // NOLINT(google-build-using-namespace): a whole file of one function
    const std::string_view text = base::as_text({bytes, size});
    if (auto request = http::parse_target(text)) {
        request->headers.push_back({"Cookie", std::string(text)});
        (void)request->cookie("earshot_8080");
        (void)request->query_value("limit");
    }
    const http::Range range = http::parse_range(text, 1000);
    if (range.offset + range.size > 1000) __builtin_trap();
    (void)http::parse_url(text);
    if (http::percent_decode(http::percent_encode(text)) != std::string(text) &&
        text.find('\0') == std::string_view::npos)
        __builtin_trap();
    return 0;
}
