#include "stun/ice_lite.h"

#include <algorithm>
#include <utility>

namespace earshot::stun {

namespace {

bool is_ice_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

bool is_credential(std::string_view text, std::size_t min_chars) {
    return text.size() >= min_chars && text.size() <= kMaxCredentialChars &&
           std::all_of(text.begin(), text.end(), is_ice_char);
}

std::string_view phrase_of(int code) {
    switch (code) {
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthenticated";
        case 420:
            return "Unknown Attribute";
        default:
            return "Role Conflict";
    }
}

}  // namespace

// RFC 8445 section 5.3 asks for 24 and 128 random bits: these are 32 and 128.
IceCredentials make_ice_credentials(base::Random& random) {
    return {.ufrag = random.token(4), .password = random.token(16)};
}

bool is_usable(const IceCredentials& credentials) {
    return is_credential(credentials.ufrag, kMinUfragChars) &&
           is_credential(credentials.password, kMinPasswordChars);
}

IceLite::IceLite(IceCredentials local, std::string remote_ufrag)
    : local_(std::move(local)), remote_ufrag_(std::move(remote_ufrag)) {}

// RFC 8489 section 9.1.3, RFC 8445 section 7.3. The code of the error, or nothing.
std::optional<int> IceLite::find_fault(const Message& request) const {
    const Attribute* const username = request.find(AttributeType::Username);
    if (username == nullptr || request.find(AttributeType::MessageIntegrity) == nullptr) return 400;
    // RFC 8445 section 7.2.2: the receiver's fragment, a colon, the sender's.
    const std::string_view name = base::as_text(username->value);
    const std::size_t colon = name.find(':');
    if (name.size() > kMaxUsernameBytes || name.substr(0, colon) != local_.ufrag) return 401;
    const bool is_peer = remote_ufrag_.empty() || (colon != std::string_view::npos &&
                                                   name.substr(colon + 1) == remote_ufrag_);
    if (!is_peer) return 401;
    if (!has_valid_integrity(request, base::as_bytes(local_.password))) return 401;
    if (!unknown_required(request).empty()) return 420;
    // Section 7.3.1.1: a lite agent is controlled by a full one (section 6.1.1) and does not
    // switch.
    if (request.find(AttributeType::IceControlled) != nullptr) return 487;
    return std::nullopt;
}

CheckOutcome IceLite::on_datagram(base::TimePoint now, base::ByteView datagram,
                                  const base::NetAddress& source, base::Bytes& reply) {
    reply.clear();
    const auto message = parse(datagram);
    if (!message || message->message_class != MessageClass::Request ||
        message->method != kBinding || !has_valid_fingerprint(*message))
        return CheckOutcome::Ignored;
    if (const auto code = find_fault(*message)) {
        Writer error(MessageClass::Error, kBinding, message->transaction);
        error.add_error(*code, phrase_of(*code));
        if (*code == 420) error.add_unknown(unknown_required(*message));
        // Section 9.1.4: who could not be authenticated gets no proof from us either.
        if (*code == 420 || *code == 487) error.add_integrity(base::as_bytes(local_.password));
        reply = error.add_fingerprint().take();
        return CheckOutcome::Refused;
    }
    note(now, source, message->find(AttributeType::UseCandidate) != nullptr);
    reply = Writer(MessageClass::Success, kBinding, message->transaction)
                .add_mapped_address(source)
                .add_integrity(base::as_bytes(local_.password))
                .add_fingerprint()
                .take();
    return CheckOutcome::Answered;
}

void IceLite::note(base::TimePoint now, const base::NetAddress& source, bool nominates) {
    if (!is_validated(source)) validated_[next_pair_++ % kMaxPairs] = source;
    if (nominates) {
        is_nominated_ = true;
        selected_ = source;
    } else if (!is_nominated_) {
        selected_ = source;
    }
    if (selected_ == source) consent_until_ = now + kConsentLifetime;
}

bool IceLite::is_validated(const base::NetAddress& source) const {
    return source.port != 0 &&
           std::find(validated_.begin(), validated_.end(), source) != validated_.end();
}

std::optional<base::NetAddress> IceLite::selected(base::TimePoint now) const {
    if (selected_.port == 0 || now >= consent_until_) return std::nullopt;
    return selected_;
}

}  // namespace earshot::stun
