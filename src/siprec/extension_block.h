// Blocks of XML that an operator's rule adds to metadata: any number of elements, well-formed or
// not, with a namespace or without. Made into extensions that the schema of RFC 7865 takes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "siprec/metadata.h"

namespace earshot::siprec {

// The namespace by which an extension says that its text is to go out as it is (see
// write_metadata).
inline constexpr std::string_view kRawNamespace = "urn:earshot:as-it-stands";

struct ExtensionBlock {
    std::vector<NameId> names;  // of nameID elements, where the block is a participant's content
    std::vector<Extension> extensions;
};

// Elements without a namespace are put into `name_space`. With `is_raw` all but nameID goes out
// exactly as it stands. Text between elements, comments and processing instructions are left out.
// The error is what is wrong, as part of a sentence: not well-formed, a prefix that nothing
// declares, an element of RFC 7865's own namespace, more than limits.h allows.
base::Result<ExtensionBlock, std::string> read_extension_block(std::string_view xml,
                                                               std::string_view name_space,
                                                               bool is_raw, bool takes_names);

}  // namespace earshot::siprec
