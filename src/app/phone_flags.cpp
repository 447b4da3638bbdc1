#include "app/phone_flags.h"

#include <CLI/CLI.hpp>
#include <chrono>

#include "siprec/record_awareness.h"

namespace earshot::app {
namespace {

std::chrono::milliseconds to_ms(double seconds) {
    return std::chrono::milliseconds{static_cast<std::int64_t>(seconds * 1000)};
}

std::string trimmed(const std::string& text) {
    const std::size_t from = text.find_first_not_of(' ');
    return from == std::string::npos ? ""
                                     : text.substr(from, text.find_last_not_of(' ') + 1 - from);
}

}  // namespace

PhoneFlags::PhoneFlags(CLI::App& call) {
    CLI::App* group = call.add_option_group(
        "Phones", "Two telephones instead of a recording client: A calls B, both speak and listen");
    const auto keep = [this](CLI::Option* option) {
        options_.push_back(option);
        return option;
    };
    keep(group->add_option("--through", values_.through,
                           "The calls go through this: a recording client, a proxy, a PBX"))
        ->type_name("HOST:PORT");
    keep(group->add_flag("--phones", has_phones_,
                         "The same, but straight from A to B, or to the phone that --to names"));
    keep(group->add_flag("--answer", values_.is_answering_only,
                         "B alone: answers calls of somebody else, --count of them"));
    keep(group->add_option("--conference", speakers_,
                           "So many phones dial into the room that --to names, five a second, and "
                           "speak one after another"))
        ->type_name("N")
        ->check(CLI::Range(1, 64));
    keep(group->add_option("--transport", values_.transport, "udp (default), tcp or tls"))
        ->type_name("T")
        ->check(CLI::IsMember({"udp", "tcp", "tls"}));
    keep(group->add_option("--sip-a", values_.sip_a, "Where A is (default: any free port)"))
        ->type_name("HOST[:PORT]");
    keep(group->add_option("--sip-b", values_.sip_b, "Where B is"))->type_name("HOST[:PORT]");
    keep(group->add_option("--heard-a", values_.heard_a, "Write what A heard; for one call"))
        ->type_name("WAV");
    keep(group->add_option("--heard-b", values_.heard_b, "Write what B heard"))->type_name("WAV");
    keep(group->add_option("--ring", ring_, "B rings so many seconds (default 0)"))
        ->type_name("S")
        ->check(CLI::Range(0.0, 170.0));
    keep(group->add_flag("--early", values_.is_early, "B rings by 183 with media of its own"));
    keep(group->add_flag("--reliable", values_.is_reliable, "B rings by 100rel (RFC 3262)"));
    keep(group->add_option("--reject", values_.reject, "B refuses with this status"))
        ->type_name("CODE")
        ->check(CLI::Range(300, 699));
    keep(group->add_option("--give-up", give_up_, "A cancels after so many seconds"))
        ->type_name("S")
        ->check(CLI::Range(0.0, 3600.0));
    keep(group->add_flag("--late-offer", values_.is_late_offer, "A's INVITE has no SDP"));
    keep(group->add_option("--dtmf", values_.digits,
                           "A dials these 1 s after the answer: RFC 4733, or INFO where B has "
                           "none; a comma waits 1 s"))
        ->type_name("DIGITS");
    keep(group->add_option("--dtmf-info", digits_by_info_, "The same by SIP INFO"))
        ->type_name("DIGITS");
    keep(group->add_option("--transfer", values_.transfer_to,
                           "Half-way A refers B there, who has to know REFER (ours does not)"))
        ->type_name("SIP-URI");
    keep(group->add_option("--header", headers_, "Of A's INVITE; may be repeated"))
        ->type_name("'NAME: VALUE'")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    keep(group->add_option("--recordpref", preference_,
                           "A's wish (RFC 7866): on, off, pause or nopreference; B's, where A "
                           "records or is somebody else"))
        ->type_name("P")
        ->check(CLI::IsMember({"on", "off", "pause", "nopreference"}));
    keep(group->add_option("--recordpref-at", preference_at_,
                           "A says so only after so many seconds, by re-INVITE"))
        ->type_name("S")
        ->check(CLI::Range(0.0, 86400.0));
    keep(group->add_option("--record-to", values_.record_to,
                           "A records itself at this recording server, and tells B"))
        ->type_name("SIP-URI");
    keep(group->add_flag("--not-aware", is_not_aware_,
                         "Both phones do not claim to show that they are recorded"));
}

bool PhoneFlags::was_chosen() const {
    return has_phones_ || speakers_ > 0 || values_.is_answering_only || !values_.through.empty();
}

std::string PhoneFlags::stray() const {
    if (was_chosen()) return "";
    for (const CLI::Option* option : options_)
        if (option->count() > 0) return option->get_name();
    return "";
}

base::Result<loadgen::PhoneOptions, base::Reason> PhoneFlags::read() const {
    loadgen::PhoneOptions options = values_;
    options.ring = to_ms(ring_);
    if (give_up_) options.give_up = to_ms(*give_up_);
    options.is_aware = !is_not_aware_;
    options.is_conference = speakers_ > 0;
    options.count = speakers_;
    if (!preference_.empty()) options.preference = *siprec::find_record_preference(preference_);
    if (preference_at_) options.preference_at = to_ms(*preference_at_);
    if (preference_at_ && preference_.empty())
        return base::Reason{"bad_preference", "--recordpref-at needs --recordpref"};
    if (!digits_by_info_.empty()) {
        if (!options.digits.empty())
            return base::Reason{"bad_digits", "give --dtmf or --dtmf-info, not both"};
        options.digits = digits_by_info_;
        options.has_digits_by_info = true;
    }
    for (const std::string& header : headers_) {
        const std::size_t colon = header.find(':');
        if (colon == std::string::npos || colon == 0)
            return base::Reason{"bad_header", "--header is not 'NAME: VALUE': " + header};
        options.headers.push_back(
            {trimmed(header.substr(0, colon)), trimmed(header.substr(colon + 1))});
    }
    return options;
}

}  // namespace earshot::app
