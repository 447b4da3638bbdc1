#include "capture/bundle.h"

#include <algorithm>
#include <variant>

#include "rtp/header_extension.h"
#include "rtp/rtcp.h"

namespace earshot::capture {

const char* to_string(Bundle::By by) {
    switch (by) {
        case Bundle::By::Mid:
            return "mid";
        case Bundle::By::Ssrc:
            return "ssrc";
        case Bundle::By::PayloadType:
            return "payload_type";
        case Bundle::By::Order:
            return "order";
        case Bundle::By::Nothing:
        case Bundle::By::Foreign:
            break;
    }
    return "nothing";
}

void Bundle::put(std::uint16_t stream, const StreamReceiver& receiver, const BundleTerms* terms) {
    Line* line = find(stream);
    if (line == nullptr) line = &lines_.emplace_back();
    line->stream = stream;
    line->receiver = &receiver;
    line->is_grouped = terms != nullptr;
    if (terms != nullptr) line->terms = *terms;
    sources_.erase(std::remove_if(sources_.begin(), sources_.end(),
                                  [&](const Source& source) {
                                      return source.stream == stream && source.is_signalled;
                                  }),
                   sources_.end());
    for (const std::uint32_t ssrc : line->terms.ssrcs) assign(ssrc, stream, true);
    const auto current = receiver.current_ssrc();
    if (current && find_source(*current) == nullptr) assign(*current, stream, false);
}

void Bundle::remove(std::uint16_t stream) {
    const auto is_of = [&](const auto& one) { return one.stream == stream; };
    lines_.erase(std::remove_if(lines_.begin(), lines_.end(), is_of), lines_.end());
    sources_.erase(std::remove_if(sources_.begin(), sources_.end(), is_of), sources_.end());
}

Bundle::Line* Bundle::find(std::uint16_t stream) {
    const auto found = std::find_if(lines_.begin(), lines_.end(),
                                    [&](const Line& line) { return line.stream == stream; });
    return found == lines_.end() ? nullptr : &*found;
}

const Bundle::Line* Bundle::find_by_mid(std::string_view mid) const {
    const auto found = std::find_if(lines_.begin(), lines_.end(), [&](const Line& line) {
        return !mid.empty() && line.terms.mid == mid;
    });
    return found == lines_.end() ? nullptr : &*found;
}

const Bundle::Source* Bundle::find_source(std::uint32_t ssrc) const {
    for (const Source& source : sources_)
        if (source.ssrc == ssrc) return &source;
    return nullptr;
}

bool Bundle::has_source(std::uint16_t stream) const {
    return std::any_of(sources_.begin(), sources_.end(),
                       [&](const Source& source) { return source.stream == stream; });
}

// The lines of a group have one id for it (RFC 9143 section 15); where one has another, its own
// counts for its own mid.
bool Bundle::read_mid(base::ByteView packet, const rtp::RtpHeader& header,
                      const Line*& line) const {
    if (!header.has_extension) return false;
    const rtp::RtpExtension extension = rtp::rtp_extension(packet, header);
    bool has_mid = false;
    std::uint8_t read = 0;
    for (const Line& one : lines_) {
        const std::uint8_t id = one.terms.mid_extension;
        if (id == 0 || id == read) continue;
        read = id;
        const auto element = rtp::find_element(extension, id);
        if (!element || element->empty()) continue;
        has_mid = true;
        const Line* const named = find_by_mid(base::as_text(*element));
        if (named == nullptr || named->terms.mid_extension != id) continue;
        line = named;
        return true;
    }
    const auto is_grouped = [](const Line& one) { return one.is_grouped; };
    return has_mid && std::all_of(lines_.begin(), lines_.end(), is_grouped);
}

Bundle::Sorted Bundle::sort(base::ByteView packet) const {
    const auto header = rtp::parse_rtp(packet);
    if (!header) return {.stream = first(), .by = By::Nothing, .ssrc = 0, .is_news = false};
    const Source* const known = find_source(header->ssrc);
    const Line* named = nullptr;
    if (read_mid(packet, *header, named)) {
        if (named == nullptr)
            return {.stream = first(), .by = By::Foreign, .ssrc = header->ssrc, .is_news = false};
        return {.stream = named->stream,
                .by = By::Mid,
                .ssrc = header->ssrc,
                .is_news = known == nullptr || known->stream != named->stream};
    }
    return sort_by_type(*header, known);
}

// A known source with a type that another line alone has is that line's from now on.
Bundle::Sorted Bundle::sort_by_type(const rtp::RtpHeader& header, const Source* known) const {
    const auto has_type = [&](const Line& line) {
        return line.receiver->has_payload_type(header.payload_type);
    };
    const auto count = std::count_if(lines_.begin(), lines_.end(), has_type);
    const auto sorted = [&](std::uint16_t stream, By by, bool is_news) {
        return Sorted{.stream = stream, .by = by, .ssrc = header.ssrc, .is_news = is_news};
    };
    if (count == 1) {
        const Line& line = *std::find_if(lines_.begin(), lines_.end(), has_type);
        const bool is_known = known != nullptr && known->stream == line.stream;
        return sorted(line.stream, is_known ? By::Ssrc : By::PayloadType, !is_known);
    }
    if (known != nullptr) return sorted(known->stream, By::Ssrc, false);
    if (count == 0) return sorted(first(), By::Nothing, false);
    const Line& line = pick(header.payload_type);
    // Whose it is will be seen when the line goes on.
    return sorted(line.stream, By::Order, !line.receiver->is_paused());
}

const Bundle::Line& Bundle::pick(std::uint8_t payload_type) const {
    const auto find = [&](const auto& is_wanted) -> const Line* {
        for (const Line& line : lines_)
            if (line.receiver->has_payload_type(payload_type) && is_wanted(line)) return &line;
        return nullptr;
    };
    // E-25: what may be of a line that is paused is not recorded as another one's.
    const Line* best = find([](const Line& line) { return line.receiver->is_paused(); });
    if (best == nullptr) best = find([&](const Line& line) { return !has_source(line.stream); });
    if (best != nullptr) return *best;
    best = find([](const Line& /*line*/) { return true; });
    for (const Line& line : lines_)
        if (line.receiver->has_payload_type(payload_type) &&
            line.receiver->last_arrival_ns() < best->receiver->last_arrival_ns())
            best = &line;
    return *best;
}

void Bundle::learn(const Sorted& sorted) {
    if (!sorted.is_news) return;
    assign(sorted.ssrc, sorted.stream, false);
    tell(sorted.ssrc, sorted.stream, sorted.by);
}

void Bundle::assign(std::uint32_t ssrc, std::uint16_t stream, bool is_signalled) {
    for (Source& source : sources_) {
        if (source.ssrc != ssrc) continue;
        source.stream = stream;
        source.is_signalled = is_signalled;
        return;
    }
    if (sources_.size() >= kMaxBundledSources) {
        const auto oldest = std::find_if(sources_.begin(), sources_.end(),
                                         [](const Source& source) { return !source.is_signalled; });
        if (oldest == sources_.end()) return;
        sources_.erase(oldest);
    }
    sources_.push_back({.ssrc = ssrc, .stream = stream, .is_signalled = is_signalled});
}

void Bundle::tell(std::uint32_t ssrc, std::uint16_t stream, By by) {
    if (told_ == kMaxAssignedEvents) return;
    ++told_;
    assigned_.push_back({.stream = stream, .ssrc = ssrc, .by = by});
}

void Bundle::sort_rtcp(base::ByteView datagram, std::vector<std::uint16_t>& streams) {
    const auto packets = rtp::parse_rtcp(datagram);
    const auto note = [&](std::uint32_t ssrc) {
        const Source* const source = find_source(ssrc);
        if (source == nullptr) return;
        if (std::find(streams.begin(), streams.end(), source->stream) == streams.end())
            streams.push_back(source->stream);
    };
    for (std::size_t i = 0; packets && i < packets->size(); ++i) {
        const rtp::RtcpPacket& packet = (*packets)[i];
        if (const auto* described = std::get_if<rtp::SourceDescriptions>(&packet)) {
            for (const rtp::SourceDescription& chunk : described->chunks) {
                const Line* const line = find_by_mid(chunk.mid);
                const Source* const known = find_source(chunk.ssrc);
                if (line != nullptr)
                    learn({.stream = line->stream,
                           .by = By::Mid,
                           .ssrc = chunk.ssrc,
                           .is_news = known == nullptr || known->stream != line->stream});
                note(chunk.ssrc);
            }
        } else if (const auto* sent = std::get_if<rtp::SenderReport>(&packet)) {
            note(sent->ssrc);
        } else if (const auto* received = std::get_if<rtp::ReceiverReport>(&packet)) {
            note(received->ssrc);
        } else if (const auto* goodbye = std::get_if<rtp::Goodbye>(&packet)) {
            for (const std::uint32_t ssrc : goodbye->ssrcs) note(ssrc);
        } else if (const auto* other = std::get_if<rtp::OtherRtcp>(&packet);
                   other != nullptr && other->body.size() >= 4) {
            note(base::load_u32(other->body, 0));
        }
    }
    if (streams.empty()) streams.push_back(first());
}

std::optional<Bundle::SourceAssigned> Bundle::poll_assigned() {
    if (assigned_.empty()) return std::nullopt;
    return assigned_.take_front();
}

}  // namespace earshot::capture
