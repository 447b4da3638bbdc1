#include "b2bua/hold.h"

#include <algorithm>

#include "sdp/session_description.h"

namespace earshot::b2bua {

namespace {

using sdp::Direction;

bool sends(const sdp::MediaDescription& medium) {
    return medium.direction == Direction::SendRecv || medium.direction == Direction::SendOnly;
}

bool hears(const sdp::SessionDescription& description, const sdp::MediaDescription& medium) {
    const bool wants =
        medium.direction == Direction::SendRecv || medium.direction == Direction::RecvOnly;
    return wants && !description.is_held_by_address(medium);
}

}  // namespace

std::optional<bool> offerer_holds(std::string_view offer) {
    const auto parsed = sdp::parse(offer);
    if (!parsed) return std::nullopt;
    bool has_line = false;
    for (const sdp::MediaDescription& medium : parsed->media) {
        if (medium.port == 0) continue;
        has_line = true;
        if (hears(*parsed, medium)) return false;
    }
    if (!has_line) return std::nullopt;
    return true;
}

std::optional<bool> answerer_holds(std::string_view offer, std::string_view answer) {
    const auto offered = sdp::parse(offer);
    const auto answered = sdp::parse(answer);
    if (!offered || !answered) return std::nullopt;
    bool has_line = false;
    const std::size_t lines = std::min(offered->media.size(), answered->media.size());
    for (std::size_t i = 0; i < lines; ++i) {
        if (offered->media[i].port == 0 || answered->media[i].port == 0) continue;
        if (!sends(offered->media[i])) continue;
        has_line = true;
        if (hears(*answered, answered->media[i])) return false;
    }
    if (!has_line) return std::nullopt;
    return true;
}

}  // namespace earshot::b2bua
