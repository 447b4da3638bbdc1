#include "base/name_uuid.h"

#include <gtest/gtest.h>

namespace earshot::base {
namespace {

// The name space of DNS names, and the example of RFC 9562 appendix A.4.
TEST(NameUuid, ExampleFromRfc9562AppendixA4) {
    const Uuid dns = *parse_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    EXPECT_EQ(to_string(make_uuid_v5(dns, "www.example.com")),
              "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    EXPECT_EQ(make_uuid_v5(dns, "x").version(), 5);
    EXPECT_NE(make_uuid_v5(dns, "a"), make_uuid_v5(Uuid{}, "a"));
}

}  // namespace
}  // namespace earshot::base
