// Why a new call finds no room: the codes that server/admission.cpp gives to an INVITE, and that
// answer who asks for one by `POST /recordings` with 503.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace earshot::api::no_room {

inline constexpr std::string_view kStopping = "stopping";
inline constexpr std::string_view kRedirected = "redirected";
inline constexpr std::string_view kDataDirectoryGone = "data_directory_gone";
inline constexpr std::string_view kTooManyCalls = "too_many_calls";
inline constexpr std::string_view kTooManyUnacknowledged = "too_many_unacknowledged";
inline constexpr std::string_view kNoMediaPorts = "no_media_ports";
inline constexpr std::string_view kOverloaded = "overloaded";
inline constexpr std::string_view kNoMemory = "no_memory";
inline constexpr std::string_view kStorageSlow = "storage_slow";
inline constexpr std::string_view kStorageFull = "storage_full";
inline constexpr std::string_view kStorageError = "storage_error";  // the journal's own (journal/)

inline bool covers(std::string_view code) {
    constexpr std::array kAll{kStopping,     kRedirected,   kDataDirectoryGone,
                              kTooManyCalls, kNoMediaPorts, kTooManyUnacknowledged,
                              kStorageFull,  kStorageError, kOverloaded,
                              kNoMemory,     kStorageSlow};
    return std::find(kAll.begin(), kAll.end(), code) != kAll.end();
}

}  // namespace earshot::api::no_room
