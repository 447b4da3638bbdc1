// An MSRP client by hand (RFC 4975): one connection, TCP or TLS, chunks as text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "integration/tcp_client.h"
#include "io/tls_session.h"

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

// TLS from the client's side, over a TcpClient. It believes anybody: tests ask find_fault().
class TlsClient {
public:
    TlsClient(std::uint16_t port, const io::TlsSettings& settings)
        : wire_(port),
          tls_(io::TlsSession::connect(*io::TlsContext::load(settings), "127.0.0.1",
                                       io::PeerCheck::Later)) {
        pump();
        while (!tls_->is_open() && take(5000)) {
        }
        EXPECT_TRUE(tls_->is_open());
    }

    void send(const std::string& bytes) {
        tls_->write(bytes);
        pump();
    }
    std::string receive_bytes(int limit_ms = 5000) {
        while (plain_.empty() && take(limit_ms)) {
        }
        return std::exchange(plain_, {});
    }
    bool is_closed_by_peer(int limit_ms = 5000) {
        while (take(limit_ms)) {
        }
        return tls_->is_closed_by_peer() || wire_.is_closed_by_peer(limit_ms);
    }
    const io::TlsSession& tls() const { return *tls_; }

private:
    bool take(int limit_ms) {
        const std::string cipher = wire_.receive_bytes(limit_ms);
        if (cipher.empty() || tls_->is_closed_by_peer()) return false;
        tls_->on_bytes(base::as_bytes(cipher));
        plain_ += base::as_text(tls_->take_plain());
        pump();
        return true;
    }
    void pump() { wire_.send(tls_->take_output()); }

    TcpClient wire_;
    std::unique_ptr<io::TlsSession> tls_;
    std::string plain_;
};

template <class Wire>
class BasicMsrpPeer {
public:
    // What follows `own` is the wire's.
    template <class... Arguments>
    explicit BasicMsrpPeer(const MsrpPath& path, std::string own, Arguments&&... arguments)
        : client_(std::forward<Arguments>(arguments)...), to_(path.uri), own_(std::move(own)) {}
    BasicMsrpPeer(const MsrpPath& path, std::string own)
        : BasicMsrpPeer(path, std::move(own), path.port) {}
    explicit BasicMsrpPeer(const MsrpPath& path)
        : BasicMsrpPeer(path, "msrp://127.0.0.1:9999/own;tcp") {}

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
    void send(const MsrpChunk& chunk) { client_.send(text_of(chunk)); }
    void send_to(const std::string& uri, const MsrpChunk& chunk) {
        client_.send(text_of(chunk, uri));
    }
    void send_text(const std::string& text) { client_.send(text); }

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
    const Wire& wire() const { return client_; }

private:
    Wire client_;
    std::string to_;
    std::string own_;
    std::string read_;
};
using MsrpPeer = BasicMsrpPeer<TcpClient>;
using MsrpTlsPeer = BasicMsrpPeer<TlsClient>;

}  // namespace earshot::integration
