// Digest access authentication (RFC 7616, RFC 3261 §22) with SHA-256 and MD5 (RFC 8760), qop=auth.
// Both sides: what a challenge and an answer to it say, and DigestGuard, which challenges and
// judges. No I/O, no clock. Passwords and hashes of them stay in here: nothing is logged.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "sip/agent.h"
#include "sip/message.h"

namespace earshot::sip {

enum class DigestAlgorithm : std::uint8_t { Sha256, Md5 };

struct Credentials {
    std::string username{};
    std::string password{};
    friend bool operator==(const Credentials&, const Credentials&) = default;
};

// WWW-Authenticate, Proxy-Authenticate.
struct DigestChallenge {
    std::string realm{};
    std::string nonce{};
    std::string opaque{};
    DigestAlgorithm algorithm = DigestAlgorithm::Md5;
    bool offers_auth = false;  // qop=auth; without a qop RFC 2069 is meant
    bool is_stale = false;
};
// Unsupported: another scheme, algorithm or qop.
base::Result<DigestChallenge> parse_digest_challenge(std::string_view value);

// Authorization, Proxy-Authorization.
struct DigestAnswer {
    std::string username{};
    std::string realm{};
    std::string nonce{};
    std::string uri{};
    std::string response{};
    std::string cnonce{};
    std::string nonce_count{};  // eight hex digits, as they are hashed
    DigestAlgorithm algorithm = DigestAlgorithm::Md5;
};
base::Result<DigestAnswer> parse_digest_answer(std::string_view value);

// RFC 7616 §3.4.1 as lower-case hex. An empty nonce_count is RFC 2069's form, without qop. Empty
// when the library refuses the algorithm (MD5 under FIPS).
std::string digest_response(const DigestAnswer& answer, std::string_view password,
                            std::string_view method);

// The header that answers a 401 or 407 to a request of ours: of the challenges the first that we
// can answer (RFC 8760 §2.4); nullopt when there is none. To be tried once: who challenges the
// answer again means that the credentials are wrong (E-22).
std::optional<ExtraHeader> answer_challenge(const Message& response, const Credentials& credentials,
                                            std::string_view method, std::string_view uri,
                                            std::string_view cnonce);

// Challenges requests and judges what comes back. A nonce carries its time and an HMAC, so nothing
// is kept for those who only ask; of nonces that were used with the right password their counts are
// kept against replay, kMaxUsedNonces at most: the oldest then become stale.
class DigestGuard {
public:
    enum class Verdict : std::uint8_t { Accepted, NoAnswer, Wrong, Stale };
    struct Judgement {
        Verdict verdict = Verdict::NoAnswer;
        std::string username{};  // of an accepted answer
    };

    // Draws its key and the nonces from `random`, which it borrows.
    DigestGuard(std::string realm, base::Random& random);

    // WWW-Authenticate twice, SHA-256 first (RFC 8760 §2.3); for a 401.
    std::vector<ExtraHeader> challenge(base::TimePoint now, bool is_stale);
    Judgement judge(base::TimePoint now, const Message& request,
                    const std::vector<Credentials>& users);

    std::size_t used_nonces() const { return used_.size(); }

private:
    // Which counts of one nonce have been seen: the highest and the 63 below it, since datagrams
    // overtake each other.
    struct Counts {
        std::uint32_t highest = 0;
        std::uint64_t seen = 0;
        bool take(std::uint32_t count);
    };
    struct Nonce {
        std::uint64_t second = 0;  // of its making, on the steady clock
        std::uint64_t number = 0;  // random
        friend auto operator<=>(const Nonce&, const Nonce&) = default;
    };
    std::string write(const Nonce& nonce) const;
    std::optional<Nonce> read(std::string_view text) const;  // nullopt: not made here
    bool is_fresh(base::TimePoint now, const Nonce& nonce) const;
    bool take_count(base::TimePoint now, const Nonce& nonce, std::uint32_t count);

    std::string realm_;
    base::Random& random_;
    std::array<std::uint8_t, 32> key_{};
    std::uint64_t oldest_valid_ = 0;  // nonces from before this second are stale
    std::map<Nonce, Counts> used_;
};

}  // namespace earshot::sip
