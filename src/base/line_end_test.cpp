#include "base/line_end.h"

#include <gtest/gtest.h>

#include <string>

namespace earshot::base {
namespace {

TEST(LineEnd, IsFoundAtEachPlaceOfEachLength) {
    for (const char filler : {'a', '\t', '\0', '\x0e', '\x8d', '\xff'}) {
        for (std::size_t size = 0; size <= 40; ++size) {
            const std::string plain(size, filler);
            EXPECT_EQ(find_line_end(plain), size);
            for (std::size_t at = 0; at < size; ++at) {
                std::string text = plain;
                text[at] = at % 2 == 0 ? '\n' : '\r';
                EXPECT_EQ(find_line_end(text), at);
                text.back() = '\n';  // a later one changes nothing
                EXPECT_EQ(find_line_end(text), at);
            }
        }
    }
}

}  // namespace
}  // namespace earshot::base
