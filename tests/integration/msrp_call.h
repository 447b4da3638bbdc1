// A recorded chat (MSRP) by the real binary: a client by hand offers m=message lines, hangs up, and
// reads what was kept.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "integration/harness.h"
#include "integration/msrp_peer.h"
#include "integration/udp_client.h"

namespace earshot::integration {

inline std::string chat_line(const std::string& label, const std::string& more = {},
                             const std::string& direction = "sendonly") {
    return "m=message 9999 TCP/MSRP *\na=path:msrp://127.0.0.1:9999/own" + label +
           ";tcp\na=setup:active\na=accept-types:message/cpim text/plain *\n" + more +
           "a=" + direction + "\na=label:" + label + "\n";
}

inline std::string chat_sdp(const std::string& lines) {
    return "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n" + lines;
}

inline std::string cpim(const std::string& from, const std::string& to, const std::string& text,
                        const std::string& type = "text/plain") {
    return "From: " + from + "\r\nTo: " + to +
           "\r\nDateTime: 2026-03-02T14:06:11.250Z\r\n\r\nContent-Type: " + type + "\r\n\r\n" +
           text;
}

class MsrpCall : public testing::Test {
protected:
    // Offers these lines and is taken; the answer is kept.
    void call(const std::string& lines, const std::string& id = "chat") {
        client_.emplace(server_.sip_port());
        client_->send(invite(*client_, id, "application/sdp", chat_sdp(lines)));
        answer_ = client_->receive();
        ASSERT_THAT(answer_, testing::StartsWith("SIP/2.0 200")) << server_.log();
        client_->send(in_dialog(*client_, answer_, "ACK", 1));
    }
    MsrpPath path(std::size_t nth = 0) const {
        const auto found = msrp_path_of(answer_, nth);
        EXPECT_TRUE(found.has_value()) << answer_;
        return found.value_or(MsrpPath{});
    }
    // Hangs up; the recording.
    nlohmann::json hang_up(int cseq = 9) {
        client_->send(in_dialog(*client_, answer_, "BYE", cseq));
        std::string answer = client_->receive();
        // On a busy machine the server may have asked for metadata meanwhile.
        while (answer.starts_with("UPDATE ")) answer = client_->receive();
        EXPECT_THAT(answer, testing::StartsWith("SIP/2.0 200"));
        return recording();
    }
    nlohmann::json recording() const {
        const nlohmann::json all = server_.wait_for_recordings(1);
        EXPECT_EQ(all.size(), 1U) << server_.log();
        return all.empty() ? nlohmann::json() : all[0];
    }
    std::string exported(const std::string& id, const std::string& format) const {
        const Output out = server_.run({"export", id, "--format", format, "-o", "-"});
        EXPECT_EQ(out.exit_code, 0) << out.err << server_.log();
        return out.out;
    }
    nlohmann::json chat(const std::string& id) const {
        return nlohmann::json::parse(exported(id, "chat"), nullptr, false);
    }
    // The messages of a kind.
    nlohmann::json messages(const std::string& id, const std::string& kind) const {
        nlohmann::json found = nlohmann::json::array();
        const nlohmann::json all = chat(id);
        for (const nlohmann::json& message : all["messages"])
            if (message["kind"] == kind) found.push_back(message);
        return found;
    }

    TestServer server_;
    std::optional<UdpClient> client_;
    std::string answer_;
};

}  // namespace earshot::integration
