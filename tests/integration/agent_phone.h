// Phones by hand for tests of the real binaries: each a sip::Agent on a UDP socket of its own at
// 127.0.0.1, without media. All of a test's phones are served while it waits for one of them.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/net_address.h"
#include "base/random.h"
#include "sip/agent.h"

namespace earshot::integration {

class AgentPhone {
public:
    AgentPhone(std::string user, const base::NetAddress& through);
    AgentPhone(const AgentPhone&) = delete;
    AgentPhone& operator=(const AgentPhone&) = delete;
    ~AgentPhone();

    std::string uri() const;  // "sip:ada@127.0.0.1:5066"
    // To `uri` by way of the client; its method is INVITE with an offer unless said otherwise.
    sip::OutOfDialogSpec request_to(const std::string& uri) const;
    sip::TransactionId start(const sip::OutOfDialogSpec& spec);
    sip::TransactionId send(sip::DialogId dialog, const sip::RequestSpec& spec);
    sip::DialogId respond(sip::TransactionId transaction, const sip::ResponseSpec& spec);
    void acknowledge(sip::DialogId dialog);
    std::string sdp(std::string_view direction = "sendrecv") const;
    sip::ResponseSpec answer(std::string_view direction = "sendrecv") const;
    sip::Agent& agent() { return agent_; }

    int descriptor() const { return socket_; }
    void read();     // all that has come
    void on_time();  // and lets out what the agent wants to say
    // The oldest action of that type for which `is_it`; it and all before it are forgotten.
    template <class T>
    std::optional<T> take(const std::function<bool(const T&)>& is_it) {
        for (std::size_t i = 0; i < heard_.size(); ++i) {
            T* found = std::get_if<T>(&heard_[i]);
            if (found == nullptr || !is_it(*found)) continue;
            T result = std::move(*found);
            heard_.erase(heard_.begin() + static_cast<std::ptrdiff_t>(i));
            return result;
        }
        return std::nullopt;
    }

private:
    static sip::AgentConfig config(const base::NetAddress& own);

    std::string user_;
    base::NetAddress through_;
    base::NetAddress own_;
    int socket_;
    base::SystemRandom random_;
    sip::Agent agent_;
    std::deque<sip::Action> heard_;
};

class AgentPhones {
public:
    explicit AgentPhones(const std::string& through) : through_(through) {}

    AgentPhone& add(std::string user);
    // Serves all phones until `condition` holds; false after half a minute.
    bool serve_until(const std::function<bool()>& condition);

    // Each fails the test when it does not come.
    sip::RequestArrived request_at(AgentPhone& phone, sip::Method method);
    sip::Message final_at(AgentPhone& phone, sip::TransactionId transaction);
    // A call by way of the client, with its ACK; the dialogs of both ends.
    struct Call {
        sip::DialogId caller;
        sip::DialogId callee;
    };
    Call call(AgentPhone& caller, AgentPhone& callee);
    Call answer(AgentPhone& caller, sip::TransactionId invite, AgentPhone& callee,
                const sip::RequestArrived& arrived);
    void hang_up(AgentPhone& by, sip::DialogId dialog, AgentPhone& other);

private:
    std::string through_;
    std::vector<std::unique_ptr<AgentPhone>> phones_;
};

}  // namespace earshot::integration
