// How the parties of a recorded call are told of it, and what their wishes count (RFC 7866 sections
// 6.1.2 and 6.3). Who says that it understands a=record is told by that; these settings are about
// all others. None of them turns the indication off. Plain values and their texts.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace earshot::policy {

enum class IndicateBy : std::uint8_t {
    Tone,
    Announcement,
    Agreed,  // they know by other means: a contract, a sign at the door
};
std::string_view to_string(IndicateBy by);  // "tone", "announcement", "agreed"

// What a=recordpref of a party counts.
enum class PreferencePolicy : std::uint8_t {
    Ignore,
    Honour,
    Restrict,  // off and pause; on takes back what the party itself wished for
};
std::string_view to_string(PreferencePolicy policy);  // "ignore", "honour", "restrict"

struct IndicationSettings {
    IndicateBy by = IndicateBy::Tone;
    int tone_level_db = -20;                 // of its peak, below full scale
    std::chrono::seconds tone_interval{15};  // from one tone to the next
    std::string announcement{};              // WAV file
    // It is heard alone, before anything is recorded.
    bool announce_first = false;
    std::string agreed_reason{};  // goes into metadata and events
    PreferencePolicy preference = PreferencePolicy::Ignore;
    friend bool operator==(const IndicationSettings&, const IndicationSettings&) = default;
};

// Sets what a key of the configuration or of a decision hook says: "indication", "tone_level_db",
// "tone_interval_s", "announcement", "agreed_reason", "recordpref". Returns what is wrong with the
// text, as the rest of a sentence that begins with it; empty: nothing.
std::string set_indication(IndicationSettings& settings, std::string_view key,
                           std::string_view text);
// What is wrong with them together; empty: nothing.
std::string find_fault(const IndicationSettings& settings);

}  // namespace earshot::policy
