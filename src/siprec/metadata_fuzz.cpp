// Metadata from the network: read, merged twice, written and read again.
#include <cstdlib>

#include "base/bytes.h"
#include "siprec/metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace earshot::siprec;
    const std::string_view text = earshot::base::as_text({bytes, size});
    const auto document = parse_metadata(text);
    if (!document) return 0;
    MetadataModel model;
    model.apply(*document, {});
    const MetadataModel once = model;
    model.apply(*document, {});
    if (!(once == model)) std::abort();                            // applying twice changes nothing
    if (!parse_metadata(write_metadata(*document))) std::abort();  // what we write can be read
    return 0;
}
