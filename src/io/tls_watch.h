// Looks after the age of our certificates: a line in the log at the start, after each reload and
// once a day while one ends soon, and a sentence for `earshot doctor`. One thread.
#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "base/time.h"
#include "io/tls_context.h"

namespace earshot::io {

class TlsWatch {
public:
    explicit TlsWatch(base::Log& log) : log_(log) {}

    void set(std::shared_ptr<const TlsContext> context);  // null: none
    void look(base::WallTime now);                        // once a second or so
    // Of those that end soon or have ended; empty: of none. `has_ended`: at least one has.
    std::string describe(base::WallTime now, bool& has_ended) const;
    bool has_certificates() const;

private:
    base::Log& log_;
    std::shared_ptr<const TlsContext> context_;
    base::WallTime next_look_{};
};

}  // namespace earshot::io
