// The options with which `earshot call` is two telephones instead of a recording client.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "loadgen/phone_client.h"

// CLI11's own name. NOLINTNEXTLINE(readability-identifier-naming)
namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace earshot::app {

class PhoneFlags {
public:
    // Registers them on the verb; the object must live as long as it is parsed.
    explicit PhoneFlags(CLI::App& call);

    // Whether phones were asked for.
    bool was_chosen() const;
    // An option that was given without that; empty: none.
    std::string stray() const;
    // What was given; all that both kinds of call share is the caller's to add.
    base::Result<loadgen::PhoneOptions, base::Reason> read() const;

private:
    std::vector<CLI::Option*> options_;
    loadgen::PhoneOptions values_;
    bool has_phones_ = false;
    bool is_not_aware_ = false;
    std::uint32_t speakers_ = 0;  // of a conference; 0: it is none
    double ring_ = 0;
    std::optional<double> give_up_;
    std::string preference_;
    std::optional<double> preference_at_;
    std::string digits_by_info_;
    std::vector<std::string> headers_;
};

}  // namespace earshot::app
