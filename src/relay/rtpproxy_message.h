// The control protocol of RTPProxy (http://www.rtpproxy.org/wiki/RTPproxy/Protocol): a line of text
// each way, in UDP behind a cookie by which the answer is known. Pure.
//
//   COOKIE SP COMMAND LF                    what we send
//   VF YYYYMMDD                             has it this extension?       1 or 0
//   U  CALL ADDRESS PORT FROM;N [TO;N]      offer of FROM's media N      PORT [ADDRESS [6]]
//   L  CALL ADDRESS PORT FROM;N TO;N        answer of FROM               the same; 0: no such call
//   D  CALL FROM [TO]                       delete                       0
//   C  CALL udp:HOST:PORT FROM;N TO;N       copy what FROM sends         0
//   N  CALL FROM;N TO;N                     stop that copy               0
//   Q  CALL FROM;N TO;N                     figures                      TTL IN IN RELAYED DROPPED
//   any                                     refused                      E<number>
//
// The number that answers U and L is the port that the other side is to be told. RTPProxy knows a
// stream by CALL, N and the FROM of the U that made it, and finds it with the tags in either order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/net_address.h"
#include "base/result.h"

namespace earshot::relay {

// Extensions by their date.
inline constexpr std::string_view kRtpproxyCopies = "20071218";       // C
inline constexpr std::string_view kRtpproxyStopsCopies = "20200226";  // N

// One m-line of a call as seen from `from`. Borrowed.
struct RtpproxyStream {
    std::string_view call;
    std::string_view from;
    std::string_view to;  // empty: there is no other side yet
    std::size_t number = 1;
};

// Commands, without cookie and line end. An unspecified `media` address means that nothing is known
// of it, or that it is on hold: RTPProxy keeps the one that it has.
std::string rtpproxy_feature(std::string_view date);
std::string rtpproxy_update(const RtpproxyStream& stream, const base::NetAddress& media);
std::string rtpproxy_lookup(const RtpproxyStream& stream, const base::NetAddress& media);
std::string rtpproxy_delete(const RtpproxyStream& stream);
std::string rtpproxy_delete_call(std::string_view call, std::string_view from, std::string_view to);
std::string rtpproxy_copy(const RtpproxyStream& stream, const base::NetAddress& target);
std::string rtpproxy_stop_copy(const RtpproxyStream& stream);
std::string rtpproxy_query(const RtpproxyStream& stream);

struct RtpproxyReply {
    std::string_view cookie;  // these borrow from the datagram
    std::string_view body;
};
// Malformed: no cookie, no body, or what is no text.
base::Result<RtpproxyReply> parse_rtpproxy_reply(std::string_view datagram);

// What a body says. Errors of all: NotFound (it has no such call), Full (it takes no more), Refused
// (any other E; `detail` is its number), Malformed.
struct RtpproxyPort {
    std::uint16_t port = 0;
    std::optional<base::NetAddress> address;  // without one: that of RTPProxy itself
};
base::Result<RtpproxyPort> parse_rtpproxy_port(std::string_view body);
base::Result<base::Done> parse_rtpproxy_done(std::string_view body);
base::Result<bool> parse_rtpproxy_feature(std::string_view body);

struct RtpproxyFigures {
    std::uint64_t from = 0;  // packets from the stream's `from`
    std::uint64_t to = 0;    // packets from the other side
    std::uint64_t relayed = 0;
    std::uint64_t dropped = 0;
};
base::Result<RtpproxyFigures> parse_rtpproxy_figures(std::string_view body);

}  // namespace earshot::relay
