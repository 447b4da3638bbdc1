#include "mime/same_user.h"

#include <gtest/gtest.h>

namespace earshot::mime {
namespace {

TEST(SameUser, SchemePortAndParametersDoNotCount) {
    EXPECT_TRUE(is_same_user("sip:ana@Desk.example", "sips:ana@desk.example:5061;transport=tcp"));
    EXPECT_TRUE(is_same_user("ana@desk.example", "im:ana@desk.example"));
    EXPECT_FALSE(is_same_user("sip:ana@desk.example", "sip:Ana@desk.example"));
    EXPECT_FALSE(is_same_user("sip:desk.example", "sip:desk.example:5062"));
    EXPECT_FALSE(is_same_user("", ""));
    EXPECT_TRUE(
        is_same_user("sip:+12;ext=3@desk.example", "sip:+12;ext=3@desk.example;user=phone"));
    EXPECT_TRUE(is_same_user("sip:a@[2001:db8::1]:5060", "sip:a@[2001:db8::1]"));
    EXPECT_TRUE(is_anonymous("sip:anonymous@anonymous.invalid"));
    EXPECT_TRUE(is_anonymous("sip:Anonymous@192.0.2.1:5060"));
    EXPECT_FALSE(is_anonymous("sip:anonymous.invalid@desk.example"));
}

}  // namespace
}  // namespace earshot::mime
