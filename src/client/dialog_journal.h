// The dialogs that run, on disk: what a client that was killed owes to phones and recording servers
// is a BYE, and the next start sends it. One line of JSON for each dialog that began and for each
// that ended, in DATA/dialogs.jsonl; what has ended is left out when the file is written anew.
//
//   {"n":17,"uri":"sip:...","from":"...","tag":"...","to":"...","call_id":"...","cseq":1000002,
//    "routes":["<sip:...;lr>"],"transport":"udp","listener":0}
//   {"ended":17}
//
// Lines are not synced: a process that dies leaves them in the page cache, and after a power
// failure calls and servers have long given up. Its thread writes; everything else is signalling's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/bounded_queue.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/file.h"
#include "sip/agent.h"

namespace earshot::client {

// What the file of the process before holds. Lines that cannot be read are passed over and counted:
// the last one may have been cut.
struct DialogsLeft {
    std::vector<sip::OutOfDialogSpec> byes;  // in the order in which the dialogs began
    std::size_t broken_lines = 0;
};
DialogsLeft read_dialogs(std::string_view text);

std::string dialog_line(std::uint64_t number, const sip::OutOfDialogSpec& bye);
std::string ended_line(std::uint64_t number);

class DialogJournal {
public:
    // Borrows both. The first line takes the place of what the file holds.
    DialogJournal(io::FileSystem& files, std::string path, base::Log& log);
    DialogJournal(const DialogJournal&) = delete;
    DialogJournal& operator=(const DialogJournal&) = delete;
    ~DialogJournal();  // all that was told is written

    // The number is for end().
    std::uint64_t begin(const sip::OutOfDialogSpec& bye);
    void change(std::uint64_t number, const sip::OutOfDialogSpec& bye);
    void end(std::uint64_t number);

private:
    struct Entry {
        std::uint64_t number = 0;
        std::string line;  // empty: it has ended
    };
    void put(std::uint64_t number, std::string line);
    void run();
    bool write_anew();
    void append(const std::string& text);

    io::FileSystem& files_;
    const std::string path_;
    base::Log& log_;
    std::uint64_t last_number_ = 0;
    base::BoundedQueue<Entry> queue_;
    // The thread's.
    std::unique_ptr<io::File> file_;
    std::uint64_t size_ = 0;  // of the file
    std::map<std::uint64_t, std::string> live_;
    std::size_t lines_ = 0;  // in the file
    bool was_told_ = false;  // that it cannot be written
    std::jthread thread_;
};

// The dialogs of an agent, and those that the process before left.
class DialogKeeper {
public:
    DialogKeeper(sip::Agent& agent, DialogJournal& journal) : agent_(agent), journal_(journal) {}

    // Sends a BYE to each that was left.
    void end_left(base::TimePoint now, const std::vector<sip::OutOfDialogSpec>& byes);
    // Each action of the agent, before anybody else sees it. True: it is of a BYE sent here.
    bool on_action(const sip::Action& action);

private:
    void note(sip::DialogId dialog);

    sip::Agent& agent_;
    DialogJournal& journal_;
    std::unordered_map<std::uint64_t, std::uint64_t> numbers_;  // by DialogId
    std::unordered_map<std::uint64_t, std::uint64_t> leaving_;  // by TransactionId of the BYE
};

}  // namespace earshot::client
