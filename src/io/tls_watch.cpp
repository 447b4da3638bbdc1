#include "io/tls_watch.h"

namespace earshot::io {

namespace {

constexpr std::chrono::hours kLookTime{24};

}  // namespace

void TlsWatch::set(std::shared_ptr<const TlsContext> context) {
    context_ = std::move(context);
    next_look_ = {};
}

void TlsWatch::look(base::WallTime now) {
    if (context_ == nullptr || now < next_look_) return;
    next_look_ = now + kLookTime;
    for (const TlsCertificate& certificate : context_->certificates())
        if (const auto what = find_expiry(certificate, now))
            log_.warning("a TLS certificate of ours has to be renewed",
                         {{"certificate", certificate.subject}, {"reason", *what}});
}

std::string TlsWatch::describe(base::WallTime now, bool& has_ended) const {
    std::string text;
    has_ended = false;
    if (context_ == nullptr) return text;
    for (const TlsCertificate& certificate : context_->certificates()) {
        const auto what = find_expiry(certificate, now);
        if (!what) continue;
        text += (text.empty() ? "" : "; ") + *what;
        has_ended = has_ended || now >= certificate.not_after || now < certificate.not_before;
    }
    return text;
}

bool TlsWatch::has_certificates() const {
    return context_ != nullptr && !context_->certificates().empty();
}

}  // namespace earshot::io
