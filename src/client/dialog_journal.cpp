#include "client/dialog_journal.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "base/json_writer.h"
#include "base/text.h"
#include "io/thread_name.h"

namespace earshot::client {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxQueued = 65'536;
constexpr std::size_t kMaxLeft = 65'536;          // dialogs, of a file
constexpr std::size_t kMaxLineBytes = 32 * 1024;  // a dialog is smaller (sip/agent_limits.h)
constexpr std::size_t kSpareLines = 4096;         // about what has ended, before it is left out
constexpr std::array<std::string_view, 3> kTransports{"udp", "tcp", "tls"};  // by Transport

std::string text_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::uint64_t number_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

// False: something is missing without which there is no BYE.
bool read_bye(const json& object, sip::OutOfDialogSpec& bye) {
    bye.method = "BYE";
    bye.request_uri = text_of(object, "uri");
    bye.from = text_of(object, "from");
    bye.from_tag = text_of(object, "tag");
    bye.to = text_of(object, "to");
    bye.call_id = text_of(object, "call_id");
    bye.cseq = static_cast<std::uint32_t>(number_of(object, "cseq"));
    bye.flow.listener = static_cast<std::uint16_t>(number_of(object, "listener"));
    const auto transport =
        std::find(kTransports.begin(), kTransports.end(), text_of(object, "transport"));
    if (transport != kTransports.end())
        bye.flow.transport = static_cast<sip::Transport>(transport - kTransports.begin());
    const auto routes = object.find("routes");
    if (routes != object.end() && routes->is_array())
        for (const json& route : *routes)
            if (route.is_string()) bye.routes.push_back(route.get<std::string>());
    return !bye.request_uri.empty() && !bye.from.empty() && !bye.to.empty() &&
           !bye.call_id.empty() && !bye.from_tag.empty();
}

}  // namespace

// ---- the lines ----------------------------------------------------------------------------------

std::string dialog_line(std::uint64_t number, const sip::OutOfDialogSpec& bye) {
    std::string line;
    base::JsonWriter writer(line);
    writer.begin_object()
        .field("n", static_cast<std::int64_t>(number))
        .field("uri", bye.request_uri)
        .field("from", bye.from)
        .field("tag", bye.from_tag)
        .field("to", bye.to)
        .field("call_id", bye.call_id)
        .field("cseq", static_cast<std::int64_t>(bye.cseq))
        .key("routes")
        .begin_array();
    for (const std::string& route : bye.routes) writer.text(route);
    writer.end_array()
        .field("transport", kTransports.at(static_cast<std::size_t>(bye.flow.transport)))
        .field("listener", static_cast<std::int64_t>(bye.flow.listener))
        .end_object();
    return line + "\n";
}

std::string ended_line(std::uint64_t number) { return fmt::format("{{\"ended\":{}}}\n", number); }

DialogsLeft read_dialogs(std::string_view text) {
    DialogsLeft left;
    std::map<std::uint64_t, sip::OutOfDialogSpec> open;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        const json object = end == std::string_view::npos || line.size() > kMaxLineBytes
                                ? json(json::value_t::discarded)
                                : json::parse(line, nullptr, false);
        if (!object.is_object()) {
            ++left.broken_lines;
            continue;
        }
        if (const std::uint64_t ended = number_of(object, "ended"); ended != 0) {
            open.erase(ended);
            continue;
        }
        sip::OutOfDialogSpec bye;
        const std::uint64_t number = number_of(object, "n");
        if (number == 0 || open.size() >= kMaxLeft || !read_bye(object, bye))
            ++left.broken_lines;
        else
            open[number] = std::move(bye);
    }
    for (auto& [number, bye] : open) left.byes.push_back(std::move(bye));
    return left;
}

// ---- the file -----------------------------------------------------------------------------------

DialogJournal::DialogJournal(io::FileSystem& files, std::string path, base::Log& log)
    : files_(files), path_(std::move(path)), log_(log), queue_(kMaxQueued) {
    thread_ = std::jthread([this] {
        io::set_thread_name("dialogs");
        run();
    });
}

DialogJournal::~DialogJournal() {
    queue_.close();
    if (thread_.joinable()) thread_.join();
}

std::uint64_t DialogJournal::begin(const sip::OutOfDialogSpec& bye) {
    const std::uint64_t number = ++last_number_;
    put(number, dialog_line(number, bye));
    return number;
}

void DialogJournal::change(std::uint64_t number, const sip::OutOfDialogSpec& bye) {
    put(number, dialog_line(number, bye));
}

void DialogJournal::end(std::uint64_t number) { put(number, {}); }

// A full queue (a disk that hangs) costs a BYE after a crash, no call.
void DialogJournal::put(std::uint64_t number, std::string line) {
    static_cast<void>(queue_.try_push({.number = number, .line = std::move(line)}));
}

// The file of the process before stays until there is something to say: who is owed a BYE by it is
// told of again first of all.
void DialogJournal::run() {
    while (auto first = queue_.pop()) {
        std::string text;
        for (auto entry = std::move(first); entry; entry = queue_.try_pop()) {
            ++lines_;
            text += entry->line.empty() ? ended_line(entry->number) : entry->line;
            if (entry->line.empty())
                live_.erase(entry->number);
            else
                live_[entry->number] = std::move(entry->line);
        }
        if (file_ == nullptr || lines_ > 2 * live_.size() + kSpareLines)
            static_cast<void>(write_anew());
        else
            append(text);
    }
}

// All that lives, into a new file that takes the old one's place at once.
bool DialogJournal::write_anew() {
    std::string text;
    for (const auto& [number, line] : live_) text += line;
    const std::string temporary = path_ + ".tmp";
    static_cast<void>(files_.remove(temporary));
    file_.reset();
    auto file = files_.create(temporary);
    const bool is_written =
        file && (*file)->write_at(0, base::as_bytes(text)) && files_.rename(temporary, path_);
    if (is_written) {
        file_ = *std::move(file);
        size_ = text.size();
        lines_ = live_.size();
    } else if (!std::exchange(was_told_, true)) {
        log_.error("running dialogs cannot be written down: after a crash nobody would get a BYE",
                   {{"file", path_}});
    }
    return is_written;
}

void DialogJournal::append(const std::string& text) {
    if (file_->write_at(size_, base::as_bytes(text))) {
        size_ += text.size();
        return;
    }
    file_.reset();  // any part may have been written: all anew with the next line
    static_cast<void>(write_anew());
}

// ---- the dialogs --------------------------------------------------------------------------------

void DialogKeeper::end_left(base::TimePoint now, const std::vector<sip::OutOfDialogSpec>& byes) {
    for (sip::OutOfDialogSpec bye : byes) {
        // Kept until it is answered: we may be killed again.
        const std::uint64_t number = journal_.begin(bye);
        bye.headers.push_back(
            {"Reason", "SIP;cause=500;text=\"The recording client was interrupted\""});
        if (const auto sent = agent_.start_request(now, bye))
            leaving_[sent->value] = number;
        else
            journal_.end(number);
    }
}

// A dialog is worth a BYE once it is confirmed: by the 2xx to our INVITE, or the ACK to our 2xx.
bool DialogKeeper::on_action(const sip::Action& action) {
    if (const auto* response = std::get_if<sip::ResponseArrived>(&action)) {
        const auto bye = leaving_.find(response->transaction.value);
        if (bye != leaving_.end()) {
            if (response->is_final) {
                journal_.end(bye->second);
                leaving_.erase(bye);
            }
            return true;
        }
        const bool is_2xx = response->is_final && response->message.status() < 300;
        if (is_2xx && response->message.cseq_method() == sip::Method::Invite)
            note(response->dialog);
    } else if (const auto* ack = std::get_if<sip::AckArrived>(&action)) {
        note(ack->dialog);
    } else if (const auto* ended = std::get_if<sip::DialogEnded>(&action)) {
        const auto known = numbers_.extract(ended->dialog.value);
        if (known) journal_.end(known.mapped());
    } else {
        const auto* silence = std::get_if<sip::TransactionTimedOut>(&action);
        const auto* failure = std::get_if<sip::TransportFailed>(&action);
        const std::uint64_t lost = silence != nullptr   ? silence->transaction.value
                                   : failure != nullptr ? failure->transaction.value
                                                        : 0;
        if (const auto bye = leaving_.extract(lost)) {
            journal_.end(bye.mapped());
            return true;
        }
    }
    return false;
}

void DialogKeeper::note(sip::DialogId dialog) {
    const auto bye = agent_.describe_bye(dialog);
    if (!bye) return;
    const auto known = numbers_.find(dialog.value);
    if (known == numbers_.end())
        numbers_[dialog.value] = journal_.begin(*bye);
    else
        journal_.change(known->second, *bye);
}

}  // namespace earshot::client
