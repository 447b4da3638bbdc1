// An RFB session (RFC 6143) as one sees it who stands between viewer and server: octets of both
// directions go in, in the order in which they passed, and what the viewer sees comes out. Nothing
// is ever sent. The two directions need each other: the viewer settles version, security and pixel
// format, and it moves the pointer.
//
// A pixel format holds for the updates that begin after it has passed, and for the colour map that
// may come before them: the server sends an update only when asked, and a viewer changes the format
// only when it has had all that it asked for (section 7.5.1). With continuous updates it holds from
// EndOfContinuousUpdates on, as TigerVNC's viewer has it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/reason.h"
#include "rfb/byte_queue.h"
#include "rfb/decoders.h"
#include "rfb/screen.h"

namespace earshot::rfb {

class Session {
public:
    enum class State : std::uint8_t {
        Handshake,
        Running,
        Ended,  // by an agreed end: the server has refused. Nothing more is read
        Failed  // it cannot be followed any more
    };

    explicit Session(JpegDecoder jpeg = {}) : jpeg_(std::move(jpeg)) {}

    void on_server(base::ByteView bytes);
    void on_viewer(base::ByteView bytes);

    State state() const { return state_; }
    // Of Failed. rfb_malformed, rfb_encrypted (the security type hides what follows),
    // rfb_unknown_security, rfb_unknown_encoding, rfb_unknown_message, rfb_too_large.
    const base::Reason& failure() const { return failure_; }
    // Of the last update that was complete, but for what has come of the next one: a rectangle
    // shows when it is there.
    const Screen& screen() const { return screen_; }
    bool is_in_update() const {
        return server_at_ == ServerAt::Rect || server_at_ == ServerAt::RectHeader;
    }

private:
    enum class ServerAt : std::uint8_t {
        Version,
        SecurityTypes,  // it lists, or decides (3.3)
        Chosen,         // the viewer has chosen
        TightTunnels,
        TightAuth,
        Challenge,  // of VNC authentication
        Result,
        Init,
        InitName,
        TightCapabilities,
        Message,
        RectHeader,
        Rect,
        Skip
    };
    enum class ViewerAt : std::uint8_t {
        Version,
        Choice,  // of security
        TightTunnel,
        TightAuth,
        Response,  // to the challenge
        Init,
        Message
    };

    void advance();
    // False: more is needed (or it is over).
    bool step_server();
    bool step_handshake();
    bool step_message();
    bool step_rect();
    bool step_viewer();
    bool step_viewer_message();

    bool take_list(std::optional<std::uint32_t>& chosen, std::uint32_t if_none);
    bool begin_security(std::uint32_t type);
    bool on_server_init();
    bool begin_rect();
    bool skip(std::size_t count);
    bool set_size(std::size_t width, std::size_t height);
    void apply_pixel_format();
    bool fail(std::string code, std::string text);
    void end() { state_ = State::Ended; }

    const JpegDecoder jpeg_;
    State state_ = State::Handshake;
    base::Reason failure_;
    Screen screen_;

    ByteQueue server_;
    ServerAt server_at_ = ServerAt::Version;
    std::size_t server_skip_ = 0;
    std::size_t name_left_ = 0;
    bool is_tight_ = false;
    std::size_t rects_left_ = 0;  // 65535: as many as come before LastRect
    std::unique_ptr<RectDecoder> decoder_;
    StreamState streams_;
    PixelReader pixels_;

    ByteQueue viewer_;
    ViewerAt viewer_at_ = ViewerAt::Version;
    std::size_t viewer_skip_ = 0;
    int minor_ = 0;  // of the version that both speak: 3, 7 or 8; 0: not known
    std::optional<std::uint32_t> security_;
    std::optional<std::uint32_t> tight_tunnel_;
    std::optional<std::uint32_t> tight_auth_;
    bool owes_response_ = false;  // the viewer, to the challenge of VNC authentication
    std::optional<PixelFormat> next_format_;
    bool has_continuous_updates_ = false;
    bool waits_for_end_ = false;  // updates of before are under way: the old format holds
};

}  // namespace earshot::rfb
