// The first line of the input is the Content-Type, the rest the body. Every view must lie inside.
#include <cstdlib>

#include "base/bytes.h"
#include "base/text.h"
#include "mime/media_type.h"
#include "mime/multipart.h"

namespace {

void check_inside(std::string_view view, std::string_view whole) {
    if (view.empty()) return;
    if (view.data() < whole.data() || view.data() + view.size() > whole.data() + whole.size()) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    std::string_view body = earshot::base::as_text({input, size});
    const std::string_view content_type = earshot::base::take_until(body, '\n');
    const auto parsed = earshot::mime::parse_body(content_type, content_type, body);
    if (!parsed) return 0;
    if (parsed->parts.size() > earshot::mime::kMaxParts) std::abort();
    check_inside(parsed->unparsed, body);
    for (const earshot::mime::Part& part : parsed->parts) {
        if (part.depth > earshot::mime::kMaxDepth) std::abort();
        check_inside(part.headers, body);
        check_inside(part.body, body);
        check_inside(part.disposition, earshot::base::as_text({input, size}));
        check_inside(part.content_id, body);
        static_cast<void>(earshot::mime::find_header(part, "content-length"));
        static_cast<void>(earshot::mime::find_parameter(part.content_type_parameters, "boundary"));
    }
    return 0;
}
