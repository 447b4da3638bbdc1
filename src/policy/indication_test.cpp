#include "policy/indication.h"

#include <gtest/gtest.h>

#include "policy/limits.h"

namespace earshot::policy {
namespace {

TEST(IndicationSettings, BeginWithATone) {
    const IndicationSettings settings;
    EXPECT_EQ(settings.by, IndicateBy::Tone);
    EXPECT_EQ(find_fault(settings), "");
}

TEST(IndicationSettings, AreSetByTheirNames) {
    IndicationSettings settings;
    EXPECT_EQ(set_indication(settings, "indication", "announcement"), "");
    EXPECT_EQ(set_indication(settings, "tone_level_db", "-30"), "");
    EXPECT_EQ(set_indication(settings, "tone_interval_s", "5"), "");
    EXPECT_EQ(set_indication(settings, "announcement", "/etc/told.wav"), "");
    EXPECT_EQ(set_indication(settings, "agreed_reason", "contract"), "");
    EXPECT_EQ(set_indication(settings, "recordpref", "restrict"), "");
    EXPECT_EQ(settings, (IndicationSettings{.by = IndicateBy::Announcement,
                                            .tone_level_db = -30,
                                            .tone_interval = std::chrono::seconds{5},
                                            .announcement = "/etc/told.wav",
                                            .announce_first = false,
                                            .agreed_reason = "contract",
                                            .preference = PreferencePolicy::Restrict}));
}

TEST(IndicationSettings, NoneOfThemTurnsTheIndicationOff) {
    IndicationSettings settings;
    for (const char* word : {"none", "off", "false", ""})
        EXPECT_NE(set_indication(settings, "indication", word), "") << word;
    EXPECT_NE(set_indication(settings, "tone_level_db", std::to_string(kMinToneLevelDb - 1)), "");
    EXPECT_EQ(set_indication(settings, "tone_level_db", std::to_string(kMinToneLevelDb)), "");
    EXPECT_EQ(set_indication(settings, "tone_level_db", std::to_string(kMaxToneLevelDb)), "");
    EXPECT_NE(set_indication(settings, "tone_level_db", std::to_string(kMaxToneLevelDb + 1)), "");
    EXPECT_NE(set_indication(settings, "tone_interval_s", "0"), "");
    EXPECT_EQ(set_indication(settings, "tone_interval_s", std::to_string(kMaxToneIntervalS)), "");
    EXPECT_NE(set_indication(settings, "tone_interval_s", std::to_string(kMaxToneIntervalS + 1)),
              "");
}

TEST(IndicationSettings, WhoSaysThatItIsAgreedHasToSayHow) {
    IndicationSettings settings;
    settings.by = IndicateBy::Agreed;
    settings.agreed_reason = "  ";
    EXPECT_NE(find_fault(settings), "");
    settings.agreed_reason = "A notice at the door.";
    EXPECT_EQ(find_fault(settings), "");
    settings.by = IndicateBy::Announcement;
    EXPECT_NE(find_fault(settings), "");
}

}  // namespace
}  // namespace earshot::policy
