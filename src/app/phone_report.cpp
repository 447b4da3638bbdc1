#include "app/phone_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "app/tables.h"
#include "siprec/record_awareness.h"

namespace earshot::app {
namespace {

using loadgen::Phone;
using nlohmann::json;

constexpr std::size_t kPrintedCalls = 20;

double to_ms(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}
json to_ms(const std::optional<std::chrono::nanoseconds>& time) {
    return time ? json(to_ms(*time)) : json();
}

std::string state_text(sdp::RecordState state) {
    return state == sdp::RecordState::Absent ? "none" : std::string{siprec::to_string(state)};
}

json reason_json(const base::Reason& reason) {
    if (reason.code.empty()) return {};
    return {{"code", reason.code}, {"text", reason.text}};
}

json recording_json(const loadgen::RecordingResult& recording) {
    if (recording.server.empty()) return {};
    return {{"server", recording.server},
            {"call_id", recording.rs_call_id},
            {"session_id", recording.session_id},
            {"was_started", recording.was_started},
            {"status", recording.status},
            {"reason", reason_json(recording.reason)},
            {"sent", recording.sent}};
}

json leg_json(const loadgen::PhoneLegResult& leg) {
    if (leg.result.empty()) return {};
    json changes = json::array();
    for (const auto& change : leg.record_changes)
        changes.push_back({{"at_ms", to_ms(change.at)},
                           {"line", change.line},
                           {"media", change.media},
                           {"state", state_text(change.state)}});
    json record = json::array();
    for (const auto state : leg.record) record.push_back(state_text(state));
    json video = json::array();
    for (const loadgen::VideoFigures& one : leg.video)
        video.push_back({{"packets", one.packets},
                         {"pictures", one.pictures},
                         {"key_pictures", one.key_pictures},
                         {"key_requests", one.key_requests},
                         {"heard", one.heard}});
    json chats = json::array();
    for (const loadgen::ChatFigures& one : leg.chats) chats.push_back(to_json(one));
    return {{"call_id", leg.call_id},
            {"result", leg.result},
            {"sip_status", leg.sip_status},
            {"reason", reason_json(leg.reason)},
            {"ringing_ms", to_ms(leg.ringing)},
            {"answered_ms", to_ms(leg.answered)},
            {"first_packet_ms", to_ms(leg.first_packet)},
            {"sent", leg.sent},
            {"heard", leg.heard.packets},
            {"lost", leg.heard.lost},
            {"duplicates", leg.heard.duplicates},
            {"reordered", leg.heard.reordered},
            {"strays", leg.heard.strays},
            {"sources", leg.heard.sources},
            {"rtcp", leg.heard.reports},
            {"digits", leg.heard.digits},
            {"info_digits", leg.info_digits},
            {"transfer_status", leg.transfer_status},
            {"video", std::move(video)},
            {"chats", std::move(chats)},
            {"recording", recording_json(leg.recording)},
            {"record", std::move(record)},
            {"record_changes", std::move(changes)}};
}

json call_json(const loadgen::PhoneCallResult& call) {
    const auto unheard = [&call](Phone phone) {
        const auto& count = call.unheard[static_cast<std::size_t>(phone)];
        return count ? json(*count) : json();
    };
    return {{"result", call.result},
            {"sip_status", call.sip_status},
            {"reason", reason_json(call.reason)},
            {"unheard", {{"of_a", unheard(Phone::Caller)}, {"of_b", unheard(Phone::Callee)}}},
            {"a", leg_json(call.phones[0])},
            {"b", leg_json(call.phones[1])}};
}

using Times = std::vector<std::chrono::nanoseconds>;

json quantiles(Times times) {
    if (times.empty()) return {};
    std::sort(times.begin(), times.end());
    const auto at = [&times](double part) {  // the smallest that `part` of all do not exceed
        const auto rank =
            static_cast<std::size_t>(part * static_cast<double>(times.size()) + 0.999);
        return to_ms(times[std::clamp<std::size_t>(rank, 1, times.size()) - 1]);
    };
    return {{"p50", at(0.5)}, {"p90", at(0.9)}, {"p99", at(0.99)}, {"max", at(1)}};
}

json delay_json(const loadgen::DelayHistogram& delays) {
    if (delays.count() == 0) return {};
    return {{"p50", to_ms(delays.quantile(0.5))},
            {"p99", to_ms(delays.quantile(0.99))},
            {"max", to_ms(delays.max())}};
}

json summary_json(const loadgen::PhoneRunResult& run) {
    std::map<std::string, std::size_t> results;
    Times ringing;
    Times answered;
    std::uint64_t sent = 0;
    std::uint64_t heard = 0;
    std::uint64_t lost = 0;
    std::uint64_t unheard = 0;
    std::uint64_t strays = 0;
    for (const auto& call : run.calls) {
        ++results[call.result];
        if (call.phones[0].ringing) ringing.push_back(*call.phones[0].ringing);
        if (call.phones[0].answered) answered.push_back(*call.phones[0].answered);
        for (const auto& leg : call.phones) {
            sent += leg.sent;
            heard += leg.heard.packets;
            lost += leg.heard.lost;
            strays += leg.heard.strays;
        }
        for (const auto& count : call.unheard) unheard += count.value_or(0);
    }
    return {{"calls", run.calls.size()},
            {"results", results},
            {"ringing_ms", quantiles(std::move(ringing))},
            {"answered_ms", quantiles(std::move(answered))},
            {"packets",
             {{"sent", sent},
              {"heard", heard},
              {"lost", lost},
              {"unheard", unheard},
              {"strays", strays}}},
            {"delay_ms", delay_json(run.delays)}};
}

void print_leg(std::ostream& out, char name, const loadgen::PhoneLegResult& leg) {
    if (leg.result.empty()) return;
    out << fmt::format("           {}: {} packets sent, {} heard, {} lost", name, leg.sent,
                       leg.heard.packets, leg.heard.lost);
    if (leg.heard.strays != 0) out << fmt::format(", {} of others", leg.heard.strays);
    const std::string digits = leg.heard.digits + leg.info_digits;
    if (!digits.empty()) out << fmt::format("; heard the digits {}", digits);
    std::set<std::string> told;  // of several lines usually the same
    for (const auto state : leg.record)
        if (state != sdp::RecordState::Absent && told.insert(state_text(state)).second)
            out << "; recording " << state_text(state);
    out << '\n';
    for (const loadgen::VideoFigures& one : leg.video)
        if (one.packets != 0 || one.heard != 0)
            out << fmt::format("           {}: video: {} pictures sent, {} packets heard\n", name,
                               one.pictures, one.heard);
    for (const loadgen::ChatFigures& one : leg.chats)
        if (one.was_connected) out << fmt::format("           {}: {}\n", name, describe(one));
    if (leg.recording.was_started)
        out << fmt::format("           {}: {} packets to {}, session {}\n", name,
                           leg.recording.sent, printable(leg.recording.server),
                           leg.recording.session_id);
}

void print_call(std::ostream& out, const loadgen::PhoneCallResult& call) {
    const auto& main = call.phones[call.phones[0].result.empty() ? 1 : 0];
    out << fmt::format("{:10} {}  {}\n", call.result, call.sip_status, printable(main.call_id));
    if (main.answered)
        out << fmt::format("           answered after {:.1f} ms\n", to_ms(*main.answered));
    print_leg(out, 'A', call.phones[0]);
    print_leg(out, 'B', call.phones[1]);
    if (!call.reason.text.empty())
        out << fmt::format("           {}\n", printable(call.reason.text));
}

}  // namespace

json to_json(const loadgen::ChatFigures& chat) {
    json heard = json::array();
    for (const loadgen::HeardMessage& one : chat.heard)
        heard.push_back({{"from", one.from},
                         {"to", one.to},
                         {"content_type", one.content_type},
                         {"text", one.text},
                         {"octets", one.octets}});
    json fault;
    if (chat.fault) fault = {{"code", chat.fault->code}, {"text", chat.fault->text}};
    return {{"label", chat.label},
            {"was_connected", chat.was_connected},
            {"sent", chat.sent},
            {"acknowledged", chat.acknowledged},
            {"receipted", chat.receipted},
            {"failed", chat.failed},
            {"unsent", chat.unsent},
            {"received", chat.received},
            {"nickname_status", chat.nickname_status ? json(*chat.nickname_status) : json()},
            {"heard", std::move(heard)},
            {"fault", std::move(fault)}};
}

std::string describe(const loadgen::ChatFigures& chat) {
    std::string text = fmt::format("chat: {} sent, {} acknowledged, {} receipted, {} received",
                                   chat.sent, chat.acknowledged, chat.receipted, chat.received);
    if (chat.unsent != 0) text += fmt::format(", {} not sent", chat.unsent);
    if (chat.nickname_status)
        text += fmt::format("; nickname answered by {}", *chat.nickname_status);
    return text;
}

json to_json(const loadgen::PhoneRunResult& run) {
    json calls = json::array();
    for (const auto& call : run.calls) calls.push_back(call_json(call));
    return {{"calls", std::move(calls)}, {"summary", summary_json(run)}};
}

void print(std::ostream& out, const loadgen::PhoneRunResult& run) {
    for (std::size_t i = 0; i < std::min(run.calls.size(), kPrintedCalls); ++i)
        print_call(out, run.calls[i]);
    if (run.calls.size() == 1) return;
    if (run.calls.size() > kPrintedCalls)
        out << fmt::format("... {} more; --json has them all\n", run.calls.size() - kPrintedCalls);
    const json summary = summary_json(run);
    for (const auto& [result, count] : summary["results"].items())
        out << fmt::format("{} {}  ", count.get<std::size_t>(), result);
    if (const json& times = summary["answered_ms"]; times.is_object())
        out << fmt::format("answered after {:.1f} ms (p50), {:.1f} ms (p99)",
                           times["p50"].get<double>(), times["p99"].get<double>());
    const json& packets = summary["packets"];
    out << fmt::format("\n{} packets sent, {} heard, {} lost\n",
                       packets["sent"].get<std::uint64_t>(), packets["heard"].get<std::uint64_t>(),
                       packets["unheard"].get<std::uint64_t>());
}

void print(std::ostream& out, std::uint32_t call, Phone phone,
           const loadgen::RecordNotice& notice) {
    out << fmt::format("{:8.3f} s  call {}  {}  {} (line {}): recording {}\n",
                       std::chrono::duration<double>(notice.at).count(), call + 1,
                       phone == Phone::Caller ? 'A' : 'B', printable(notice.media), notice.line + 1,
                       state_text(notice.state))
        << std::flush;
}

}  // namespace earshot::app
