// Everything a peer controls in a document has a limit; each is tested at its edge and one past it
// (siprec/metadata_test.cpp, the first user).
#pragma once

#include <cstddef>

namespace earshot::xml {

inline constexpr std::size_t kMaxXmlBytes = 256ULL * 1024;  // one document
inline constexpr int kMaxXmlDepth = 32;                     // elements inside elements
inline constexpr std::size_t kMaxXmlNameBytes = 256;        // of an element or attribute
inline constexpr std::size_t kMaxXmlAttributes = 64;        // of one element
inline constexpr std::size_t kMaxXmlTagValues = 512;        // `="` from one '<' to the next
inline constexpr std::size_t kMaxXmlNamespaces = 64;        // declared at once; more are ignored

}  // namespace earshot::xml
