// What an end of a session says of MSRP itself (RFC 4975 section 7): the SEND by which a connection
// becomes a session's, answers and reports. For those who have sessions of their own: what passes
// from party to party is answered by them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "chat/ports.h"
#include "msrp/head.h"
#include "msrp/uri.h"

namespace earshot::chat {

inline constexpr int kOk = 200;
inline constexpr int kFirstError = 300;
inline constexpr int kBad = 400;
inline constexpr int kForbidden = 403;
inline constexpr int kNoRecipient = 404;
inline constexpr int kTimeout = 408;
inline constexpr int kTooLarge = 413;
inline constexpr int kBadType = 415;
inline constexpr int kBadNickname = 424;  // RFC 7701 section 7.1, as those below
inline constexpr int kNicknameTaken = 425;
inline constexpr int kNoPrivate = 428;
inline constexpr int kNoSession = 481;
inline constexpr int kBadMethod = 501;
inline constexpr int kOtherConnection = 506;

// Why something is not taken; status 0: it is. The phrase is static text.
struct Refusal {
    int status = 0;
    std::string_view phrase{};
};

// RFC 4975 section 5.4: who connects speaks at once, so that the other end knows whose connection
// it is. `peer`: the whole path to it.
std::string empty_send(base::Random& random, std::string transaction,
                       const std::vector<msrp::Uri>& peer, const msrp::Uri& own);

// Section 7.2: a REPORT gets no answer, a SEND as it wishes. Nothing: it gets none.
std::optional<std::string> answer_to(const msrp::Head& request, int status,
                                     std::string_view phrase);
void send_answer(Network& network, ConnectionId connection, const msrp::Head& request,
                 const Refusal& refusal);
void send_ok(Network& network, ConnectionId connection, const msrp::Head& request);

// That all octets of the message have arrived (section 7.1.2), the whole way back.
void send_success_report(Network& network, base::Random& random, ConnectionId connection,
                         const msrp::Head& request, std::uint64_t octets);

}  // namespace earshot::chat
