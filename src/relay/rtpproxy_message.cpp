#include "relay/rtpproxy_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "relay/limits.h"

namespace earshot::relay {

using base::Errc;
using base::Error;
using base::Result;

namespace {

// RTPProxy's numbers for its refusals. 8 was that of an unknown call up to version 1.2.
constexpr std::size_t kUnknownCallOnce = 8;
constexpr std::size_t kUnknownCall = 50;
constexpr std::size_t kFirstNoListener = 71;
constexpr std::size_t kLastNoListener = 72;
constexpr std::size_t kFirstNoMemory = 81;
constexpr std::size_t kLastNoMemory = 89;
constexpr std::size_t kOverload = 98;
constexpr std::size_t kShutsDown = 99;

std::string tags(const RtpproxyStream& stream) {
    return stream.to.empty()
               ? fmt::format("{};{}", stream.from, stream.number)
               : fmt::format("{0};{2} {1};{2}", stream.from, stream.to, stream.number);
}

std::string offer_or_answer(char verb, const RtpproxyStream& stream,
                            const base::NetAddress& media) {
    const bool is_known = !media.is_unspecified();
    return fmt::format("{}{} {} {} {} {}", verb, is_known && !media.is_v4() ? "6" : "", stream.call,
                       is_known ? base::host_to_string(media) : "0.0.0.0", media.port,
                       tags(stream));
}

Error refusal(std::size_t number) {
    const auto is_between = [&](std::size_t first, std::size_t last) {
        return number >= first && number <= last;
    };
    if (number == kUnknownCall || number == kUnknownCallOnce)
        return {Errc::NotFound, "RTPProxy does not know the call", number};
    if (is_between(kFirstNoListener, kLastNoListener) ||
        is_between(kFirstNoMemory, kLastNoMemory) || is_between(kOverload, kShutsDown))
        return {Errc::Full, "RTPProxy takes no more", number};
    return {Errc::Refused, "RTPProxy refused the command", number};
}

Error nonsense() { return {Errc::Malformed, "RTPProxy's answer is none to the command"}; }

// The refusal that the body is; else nothing.
std::optional<Error> find_refusal(std::string_view body) {
    if (!body.starts_with('E')) return std::nullopt;
    const auto number = base::parse_number<std::size_t>(body.substr(1));
    return number ? refusal(*number) : nonsense();
}

}  // namespace

std::string rtpproxy_feature(std::string_view date) { return fmt::format("VF {}", date); }

std::string rtpproxy_update(const RtpproxyStream& stream, const base::NetAddress& media) {
    return offer_or_answer('U', stream, media);
}
std::string rtpproxy_lookup(const RtpproxyStream& stream, const base::NetAddress& media) {
    return offer_or_answer('L', stream, media);
}
std::string rtpproxy_delete(const RtpproxyStream& stream) {
    return fmt::format("D {} {}", stream.call, tags(stream));
}
std::string rtpproxy_delete_call(std::string_view call, std::string_view from,
                                 std::string_view to) {
    return fmt::format("D {} {} {}", call, from, to);
}
std::string rtpproxy_copy(const RtpproxyStream& stream, const base::NetAddress& target) {
    return fmt::format("C {} udp:{} {}", stream.call, base::to_string(target), tags(stream));
}
std::string rtpproxy_stop_copy(const RtpproxyStream& stream) {
    return fmt::format("N {} {}", stream.call, tags(stream));
}
std::string rtpproxy_query(const RtpproxyStream& stream) {
    return fmt::format("Q {} {}", stream.call, tags(stream));
}

Result<RtpproxyReply> parse_rtpproxy_reply(std::string_view datagram) {
    if (datagram.size() > kMaxControlReplyBytes)
        return Error{Errc::TooLarge, "RTPProxy's answer is too long"};
    // Some versions send the zero that ends the text in their memory.
    while (!datagram.empty() && (datagram.back() == '\0' || datagram.back() == '\n' ||
                                 datagram.back() == '\r' || datagram.back() == ' '))
        datagram.remove_suffix(1);
    const auto is_odd = [](char c) { return c < ' ' || c > '~'; };
    if (std::any_of(datagram.begin(), datagram.end(), is_odd)) return nonsense();
    RtpproxyReply reply;
    reply.cookie = base::take_until(datagram, ' ');
    reply.body = base::trim(datagram);
    if (reply.cookie.empty() || reply.body.empty()) return nonsense();
    return reply;
}

Result<RtpproxyPort> parse_rtpproxy_port(std::string_view body) {
    if (const auto refused = find_refusal(body)) return *refused;
    std::string_view rest = body;
    const auto port = base::parse_number<std::uint16_t>(base::take_until(rest, ' '));
    if (!port) return nonsense();
    if (*port == 0) return Error{Errc::NotFound, "RTPProxy does not know the call"};
    RtpproxyPort told{.port = *port, .address = std::nullopt};
    if (rest.empty()) return told;
    const std::string_view host = base::take_until(rest, ' ');
    told.address = base::parse_host(host, 0);
    const bool is_good = told.address && !told.address->is_unspecified() &&
                         (rest.empty() || (rest == "6" && !told.address->is_v4()));
    if (!is_good) return nonsense();
    return told;
}

Result<base::Done> parse_rtpproxy_done(std::string_view body) {
    if (const auto refused = find_refusal(body)) return *refused;
    if (body != "0") return nonsense();
    return base::Done{};
}

Result<bool> parse_rtpproxy_feature(std::string_view body) {
    if (const auto refused = find_refusal(body)) return *refused;
    if (body != "0" && body != "1") return nonsense();
    return body == "1";
}

Result<RtpproxyFigures> parse_rtpproxy_figures(std::string_view body) {
    if (const auto refused = find_refusal(body)) return *refused;
    // The first is the time to live, which falls below zero where it is over.
    std::array<std::uint64_t, 4> counts{};
    std::string_view ttl = base::take_until(body, ' ');
    if (ttl.starts_with('-')) ttl.remove_prefix(1);
    if (!base::parse_number<std::uint64_t>(ttl)) return nonsense();
    for (std::uint64_t& count : counts) {
        const auto number = base::parse_number<std::uint64_t>(base::take_until(body, ' '));
        if (!number) return nonsense();
        count = *number;
    }
    if (!body.empty()) return nonsense();
    return RtpproxyFigures{
        .from = counts[0], .to = counts[1], .relayed = counts[2], .dropped = counts[3]};
}

}  // namespace earshot::relay
