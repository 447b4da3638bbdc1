// An MSRP client by hand (RFC 4975): one TCP connection, chunks as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "integration/tcp_client.h"

namespace earshot::integration {

// What a=path of the answer names.
struct MsrpPath {
    std::string uri;
    std::uint16_t port = 0;
};

// Of the nth m=message line that was taken; nothing where there is none.
inline std::optional<MsrpPath> msrp_path_of(const std::string& sdp, std::size_t nth = 0) {
    std::size_t at = sdp.find("a=path:");
    while (nth-- > 0 && at != std::string::npos) at = sdp.find("a=path:", at + 1);
    if (at == std::string::npos) return std::nullopt;
    MsrpPath path;
    path.uri = sdp.substr(at + 7, sdp.find("\r\n", at) - at - 7);
    const std::size_t colon = path.uri.rfind(':');
    path.port = static_cast<std::uint16_t>(std::stoi(path.uri.substr(colon + 1)));
    return path;
}

// One chunk; what is empty is left out.
struct MsrpChunk {
    std::string transaction = "d93kswow";
    std::string method = "SEND";
    std::string message_id = "msg00001";
    std::string range{};    // "1-5/5"
    std::string headers{};  // whole lines with CRLF
    std::string type = "text/plain";
    std::string content{};
    char flag = '$';
};

class MsrpPeer {
public:
    explicit MsrpPeer(const MsrpPath& path, std::string own = "msrp://127.0.0.1:9999/own;tcp")
        : client_(path.port), to_(path.uri), own_(std::move(own)) {}

    std::string text_of(const MsrpChunk& chunk) const { return text_of(chunk, to_); }
    std::string text_of(const MsrpChunk& chunk, const std::string& to) const {
        std::string text = "MSRP " + chunk.transaction + " " + chunk.method + "\r\nTo-Path: " + to +
                           "\r\nFrom-Path: " + own_ + "\r\n";
        if (!chunk.message_id.empty()) text += "Message-ID: " + chunk.message_id + "\r\n";
        if (!chunk.range.empty()) text += "Byte-Range: " + chunk.range + "\r\n";
        text += chunk.headers;
        if (!chunk.type.empty())
            text += "Content-Type: " + chunk.type + "\r\n\r\n" + chunk.content + "\r\n";
        return text + "-------" + chunk.transaction + chunk.flag + "\r\n";
    }
    void send(const MsrpChunk& chunk) const { client_.send(text_of(chunk)); }
    void send_to(const std::string& uri, const MsrpChunk& chunk) const {
        client_.send(text_of(chunk, uri));
    }
    void send_text(const std::string& text) const { client_.send(text); }

    // The next whole message; empty when none comes.
    std::string receive(int limit_ms = 5000) {
        for (;;) {
            if (read_.starts_with("MSRP ")) {
                const std::string transaction = read_.substr(5, read_.find(' ', 5) - 5);
                const std::size_t end = read_.find("-------" + transaction);
                const std::size_t line = end == std::string::npos ? end : read_.find("\r\n", end);
                if (line != std::string::npos) {
                    std::string message = read_.substr(0, line + 2);
                    read_.erase(0, message.size());
                    return message;
                }
            }
            const std::string more = client_.receive_bytes(limit_ms);
            if (more.empty()) return {};
            read_ += more;
        }
    }
    // The status of the answer to what was sent last: "200"; empty when none comes.
    std::string status(int limit_ms = 5000) {
        const std::string answer = receive(limit_ms);
        const std::size_t at = answer.find(' ', 5);
        return at == std::string::npos ? std::string{} : answer.substr(at + 1, 3);
    }
    bool is_closed(int limit_ms = 5000) { return client_.is_closed_by_peer(limit_ms); }

private:
    TcpClient client_;
    std::string to_;
    std::string own_;
    std::string read_;
};

}  // namespace earshot::integration
