// The words of RFC 4575 section 8 for the values of its enumerations. Only the parser and
// to_string() read them.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "conference/conference_info.h"

namespace earshot::conference {

template <class Enum>
inline constexpr std::array<std::pair<Enum, std::string_view>, 0> kWords{};

template <>
inline constexpr std::array<std::pair<EndpointStatus, std::string_view>, 9> kWords<EndpointStatus>{
    {{EndpointStatus::Pending, "pending"},
     {EndpointStatus::DialingOut, "dialing-out"},
     {EndpointStatus::DialingIn, "dialing-in"},
     {EndpointStatus::Alerting, "alerting"},
     {EndpointStatus::OnHold, "on-hold"},
     {EndpointStatus::Connected, "connected"},
     {EndpointStatus::MutedViaFocus, "muted-via-focus"},
     {EndpointStatus::Disconnecting, "disconnecting"},
     {EndpointStatus::Disconnected, "disconnected"}}};

template <>
inline constexpr std::array<std::pair<JoiningMethod, std::string_view>, 3> kWords<JoiningMethod>{
    {{JoiningMethod::DialedIn, "dialed-in"},
     {JoiningMethod::DialedOut, "dialed-out"},
     {JoiningMethod::FocusOwner, "focus-owner"}}};

template <>
inline constexpr std::array<std::pair<DisconnectionMethod, std::string_view>, 4>
    kWords<DisconnectionMethod>{{{DisconnectionMethod::Departed, "departed"},
                                 {DisconnectionMethod::Booted, "booted"},
                                 {DisconnectionMethod::Failed, "failed"},
                                 {DisconnectionMethod::Busy, "busy"}}};

template <>
inline constexpr std::array<std::pair<MediaStatus, std::string_view>, 4> kWords<MediaStatus>{
    {{MediaStatus::SendRecv, "sendrecv"},
     {MediaStatus::SendOnly, "sendonly"},
     {MediaStatus::RecvOnly, "recvonly"},
     {MediaStatus::Inactive, "inactive"}}};

template <class Enum>
std::string_view find_word(Enum value) {
    for (const auto& [known, word] : kWords<Enum>)
        if (known == value) return word;
    return {};
}

}  // namespace earshot::conference
