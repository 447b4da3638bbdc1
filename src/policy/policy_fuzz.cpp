// What comes from outside the configuration: addresses and texts that globs are tried on, and the
// decision hook's answers. The first line is a pattern or a window, the rest a text or JSON.
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/text.h"
#include "policy/call_hook.h"
#include "policy/glob.h"
#include "policy/hook.h"
#include "policy/time_window.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace earshot;  // NOLINT(google-build-using-namespace): a whole file of one function
    std::string_view text = base::as_text({bytes, size});
    const std::string_view first = base::take_until(text, '\n');
    const bool matched = policy::glob_matches(first, text);
    if (policy::glob_matches(std::string(first) + "*", text) < matched) __builtin_trap();
    if (!policy::glob_matches("*", text)) __builtin_trap();
    if (policy::address_of(text).size() > text.size()) __builtin_trap();
    for (const char c : policy::number_of(text))
        if (!base::is_digit(c) && c != '+' && c != '*' && c != '#') __builtin_trap();
    if (const auto window = policy::TimeWindow::parse(first)) {
        bool ever = false;
        for (int minute = 0; minute < policy::kWeekMinutes; ++minute)
            ever = window->contains(minute) || ever;
        if (!ever) __builtin_trap();
    }
    const auto answer = policy::parse_answer(text);
    if (answer && (answer->code < 400 || answer->code > 699)) __builtin_trap();
    policy::InviteFacts facts;
    facts.from = text;
    facts.headers = {{std::string(first), std::string(text)}};
    if (policy::parse_answer(policy::make_question(facts))) __builtin_trap();  // it has no action
    policy::CallFacts call;
    call.from.name = text;
    call.headers = facts.headers;
    if (policy::expand(first, call, policy::Escape::Xml).find_first_of("\"'") !=
            std::string::npos &&
        first.find_first_of("\"'") == std::string::npos)
        __builtin_trap();
    static_cast<void>(policy::parse_call_answer(text, {}, call));
    return 0;
}
