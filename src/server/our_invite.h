// The INVITE by which the server begins a recording (RFC 7866 section 6.2), up to the client's 2xx:
// where it goes now, and whether another one follows a refusal, at the place that the client names
// (3xx, RFC 3261 section 8.1.3.4) or with a password (401, 407, section 22). No I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "sip/agent.h"
#include "sip/digest.h"
#include "sip/message.h"

namespace earshot::server {

class OurInvite {
public:
    // `from`: name-addr of ours; `uri`: the client's, as the operator gave it.
    OurInvite(std::string uri, std::string from, std::string from_tag, std::string call_id,
              std::vector<sip::ExtraHeader> headers);

    // What is to be sent now. Its flow is open, so that the agent asks where the URI leads, but for
    // an answer to a challenge: that is for the place that challenged.
    sip::OutOfDialogSpec request() const;
    const std::string& uri() const { return uri_; }
    const std::vector<sip::ExtraHeader>& credentials() const { return credentials_; }
    bool is_redirected() const { return asked_.size() > 1; }

    // Whether on_refused() has an answer to that status; others end the attempt.
    static bool can_go_on(int status);
    // Done: request() is another one, which is to be sent. Else why it ends. `asked`: where the
    // INVITE went; `ours`: our credentials there (an empty username: none).
    base::Result<base::Done, base::Reason> on_refused(const sip::Message& response,
                                                      const sip::Flow& asked,
                                                      const sip::Credentials& ours,
                                                      std::string_view cnonce);

private:
    base::Result<base::Done, base::Reason> follow(const sip::Message& response);
    base::Result<base::Done, base::Reason> authenticate(const sip::Message& response,
                                                        const sip::Flow& asked,
                                                        const sip::Credentials& ours,
                                                        std::string_view cnonce);

    std::string uri_;
    std::string from_;
    std::string to_;
    std::string call_id_;
    std::string from_tag_;
    std::uint32_t cseq_ = 1;
    sip::Flow flow_;  // to whom the credentials go; open without any
    std::vector<sip::ExtraHeader> headers_;
    std::vector<sip::ExtraHeader> credentials_;  // answers to challenges, at most one of each kind
    std::vector<std::string> asked_;             // URIs, the operator's first
    std::size_t challenges_ = 0;                 // of this URI
};

}  // namespace earshot::server
