// Who may ask. Programs carry the token; a browser trades a link that works once for a session
// cookie. Lives on the http thread.
#pragma once

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "http/message.h"

namespace earshot::api {

class AccessControl {
public:
    enum class Who { Nobody, Token, Session };

    static constexpr std::chrono::minutes kCodeLife{10};
    static constexpr std::chrono::hours kSessionLife{12};  // after its last use
    static constexpr std::size_t kMaxCodes = 16;           // the oldest makes room
    static constexpr std::size_t kMaxSessions = 64;

    // `cookie_name` differs between servers of one host: browsers share cookies between ports.
    AccessControl(std::string token, std::string cookie_name, std::vector<std::string> extra_hosts,
                  base::Random& random);

    // Against DNS rebinding: a page of another name that resolves to us must get nothing.
    bool is_host_allowed(const http::Request& request) const;
    // A session counts only for requests of our own page: another port of this host is the same
    // "site" to a browser and would bring the cookie along.
    Who who_asks(const http::Request& request, base::TimePoint now);

    // Of who asks: private messages are read with the token, and in a session that it opened for
    // that.
    bool may_read_private(const http::Request& request, base::TimePoint now);

    // `reads_private`: so does the session that it is traded for.
    std::string make_code(base::TimePoint now, bool reads_private);
    // The value for Set-Cookie when the code is good; empty otherwise. A code is good once.
    std::string trade_code(std::string_view code, base::TimePoint now);

private:
    struct Secret {
        std::string text;
        base::TimePoint expires;
        bool reads_private = false;
    };
    Secret* find_session(const http::Request& request, base::TimePoint now);
    static Secret* find(std::vector<Secret>& secrets, std::string_view text, base::TimePoint now);

    const std::string token_;
    const std::string cookie_name_;
    const std::vector<std::string> extra_hosts_;
    base::Random& random_;
    std::vector<Secret> codes_;
    std::vector<Secret> sessions_;
};

// Takes the same time wherever the texts differ.
bool is_equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace earshot::api
