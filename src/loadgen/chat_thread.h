// The thread of a run's chats: the sockets of all their ends, one listener for those to whom the
// other end connects (chat_desk.h).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/log.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/tls_context.h"
#include "loadgen/chat_desk.h"

namespace earshot::loadgen {

class ChatThread {
public:
    struct Settings {
        std::vector<base::NetAddress> locals;  // the hosts on which it listens, at any free port
        std::shared_ptr<const io::TlsContext> tls{};  // null: TCP alone
    };
    // `on_ended` is called on the thread, as ChatDesk says. Borrows the log.
    static base::Result<std::unique_ptr<ChatThread>, base::Reason> create(
        Settings settings, base::Log& log, std::function<void(ChatId)> on_ended);
    ChatThread(const ChatThread&) = delete;
    ChatThread& operator=(const ChatThread&) = delete;
    ~ChatThread();

    const base::NetAddress& address(std::size_t local = 0) const;

    // Any thread: ChatDesk's.
    void open(ChatId id, ChatDesk::Setup setup);
    void set_plan(ChatId id, ChatPlan plan);
    void finish(ChatId id);
    // Ends the thread; what became of an end then.
    void stop();
    ChatFigures figures(ChatId id) const;

private:
    class Core;
    explicit ChatThread(std::unique_ptr<Core> core);
    std::unique_ptr<Core> core_;
};

}  // namespace earshot::loadgen
