// A screen that is shared by RFB in a call, through the client's relay: LibVNCServer shares it,
// LibVNCClient views it, both as others use them, and what a recording server gets is decoded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <rfb/rfb.h>
#include <rfb/rfbclient.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "integration/tcp_client.h"
#include "payload/unit_reader.h"
#include "relay/limits.h"
#include "relay/relay_test_rig.h"
#include "relay/screen_plane.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"

namespace earshot::relay::test {
namespace {

constexpr std::uint32_t kRed = 0xff0000;
constexpr std::uint32_t kGreen = 0x00ff00;
constexpr std::uint32_t kBlue = 0x0000ff;
constexpr std::uint32_t kWhite = 0xffffff;

// The party that shares.
class SharedScreen {
public:
    SharedScreen(int width, int height) {
        rfbLogEnable(FALSE);
        pixels_.resize(static_cast<std::size_t>(width * height), 0);
        screen_ = rfbGetScreen(nullptr, nullptr, width, height, 8, 3, 4);
        screen_->frameBuffer = reinterpret_cast<char*>(pixels_.data());
        screen_->autoPort = TRUE;
        screen_->listenInterface = htonl(INADDR_LOOPBACK);
        screen_->ipv6port = -1;
        static char shape[] =
            "xxxxxxxx"
            "xxxxxxxx"
            "xxxxxxxx"
            "xxxxxxxx"
            "xxxxxxxx"
            "xxxxxxxx"
            "xxxxxxxx"
            "xxxxxxxx";
        rfbCursorPtr cursor = rfbMakeXCursor(8, 8, shape, shape);
        cursor->foreRed = 0xff;  // of 8 bits, as LibVNCServer makes a Cursor of it
        cursor->foreGreen = cursor->foreBlue = 0;
        cursor->cleanup = TRUE;
        rfbSetCursor(screen_, cursor);
        rfbInitServer(screen_);
        serving_ = std::jthread([this](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                std::unique_lock lock(mutex_);
                rfbProcessEvents(screen_, 1'000);
                lock.unlock();
                std::this_thread::sleep_for(std::chrono::milliseconds(1));  // others want it, too
            }
        });
    }
    SharedScreen(const SharedScreen&) = delete;
    SharedScreen& operator=(const SharedScreen&) = delete;
    ~SharedScreen() {
        serving_.request_stop();
        serving_.join();
        rfbShutdownServer(screen_, TRUE);
        rfbScreenCleanup(screen_);
    }
    int port() const { return screen_->port; }
    void fill(int x, int y, int width, int height, std::uint32_t colour) {
        const std::lock_guard lock(mutex_);
        // LibVNCServer's own format has red in the lowest octet.
        const std::uint32_t own = (colour >> 16 & 0xff) | (colour & 0xff00) | (colour & 0xff) << 16;
        for (int row = y; row < y + height; ++row)
            for (int column = x; column < x + width; ++column)
                pixels_[static_cast<std::size_t>(row * screen_->width + column)] = own;
        rfbMarkRectAsModified(screen_, x, y, x + width, y + height);
    }
    void resize(int width, int height) {
        const std::lock_guard lock(mutex_);
        std::vector<std::uint32_t> pixels(static_cast<std::size_t>(width * height), 0);
        rfbNewFramebuffer(screen_, reinterpret_cast<char*>(pixels.data()), width, height, 8, 3, 4);
        pixels_.swap(pixels);
    }

private:
    std::vector<std::uint32_t> pixels_;
    rfbScreenInfoPtr screen_ = nullptr;
    std::mutex mutex_;
    std::jthread serving_;
};

// The party that views.
class Viewer {
public:
    Viewer(const base::NetAddress& at, const char* encodings) {
        rfbEnableClientLogging = FALSE;
        client_ = rfbGetClient(8, 3, 4);
        client_->canHandleNewFBSize = TRUE;
        client_->appData.encodingsString = encodings;
        client_->appData.useRemoteCursor = TRUE;
        client_->appData.qualityLevel = 8;
        client_->serverHost = ::strdup(host_to_string(at).c_str());
        client_->serverPort = at.port;
        if (rfbInitClient(client_, nullptr, nullptr) == 0) {
            client_ = nullptr;  // it has freed itself
            return;
        }
        viewing_ = std::jthread([this](const std::stop_token& stop) { view(stop); });
    }
    Viewer(const Viewer&) = delete;
    Viewer& operator=(const Viewer&) = delete;
    ~Viewer() {
        if (client_ == nullptr) return;
        viewing_.request_stop();
        viewing_.join();
        rfbClientCleanup(client_);
    }
    bool is_connected() const { return client_ != nullptr; }
    void point_at(int x, int y) { pointer_ = x << 16 | y; }
    // Waits until it sees the colour there.
    bool sees(int x, int y, std::uint32_t colour) {
        for (int i = 0; i < kPatienceMs; ++i) {
            {
                const std::lock_guard lock(mutex_);
                if (x < client_->width && y < client_->height) {
                    const auto* at = client_->frameBuffer + (y * client_->width + x) * 4;
                    const std::uint32_t seen =
                        std::uint32_t{at[0]} << 16 | std::uint32_t{at[1]} << 8 | at[2];
                    const auto is_near = [&](unsigned shift) {
                        return std::abs(static_cast<int>(seen >> shift & 0xff) -
                                        static_cast<int>(colour >> shift & 0xff)) < 24;
                    };
                    if (is_near(16) && is_near(8) && is_near(0)) return true;
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }

private:
    void view(const std::stop_token& stop) {
        int told = -1;
        while (!stop.stop_requested()) {
            // What it has read ahead wakes nobody.
            const int ready = client_->buffered > 0 ? 1 : WaitForMessage(client_, 2'000);
            const std::lock_guard lock(mutex_);
            if (ready < 0 || (ready > 0 && HandleRFBServerMessage(client_) == 0)) return;
            const int pointer = pointer_;
            if (pointer == told) continue;
            SendPointerEvent(client_, pointer >> 16, pointer & 0xffff, 0);
            told = pointer;
        }
    }

    rfbClient* client_ = nullptr;
    std::atomic<int> pointer_{-1};
    std::mutex mutex_;
    std::jthread viewing_;
};

class ScreenCall : public ::testing::Test {
protected:
    ScreenCall() { vpx_codec_dec_init(&decoder_, vpx_codec_vp8_dx(), nullptr, 0); }
    ~ScreenCall() override { vpx_codec_destroy(&decoder_); }

    static std::string sdp(const Peer& peer, const std::string& screen) {
        return peer.sdp() + screen;
    }
    // A shares, B views; the answer is that of RFC 4145.
    void call(const SharedScreen& shared) { share(plane_, shared); }
    void share(ScreenPlane& plane, const SharedScreen& shared) {
        const auto offered = ask([&](SdpDone done) {
            plane.offer(kCall,
                        {.from = Leg::A,
                         .text = sdp(a_, "m=application " + std::to_string(shared.port()) +
                                             " TCP RFB\r\na=setup:passive\r\na=connection:new\r\n"
                                             "a=content:slides\r\na=sendonly\r\n")},
                        std::move(done));
        });
        ASSERT_TRUE(offered);
        told_b_ = *offered;
        const auto answered = ask([&](SdpDone done) {
            plane.answer(kCall,
                         {.from = Leg::B,
                          .text = sdp(b_,
                                      "m=application 9 TCP RFB\r\na=setup:active\r\n"
                                      "a=connection:new\r\na=recvonly\r\n"),
                          .signalled_by = *base::parse_host("127.0.0.1", 0)},
                         std::move(done));
        });
        ASSERT_TRUE(answered);
        told_a_ = *answered;
    }
    base::NetAddress viewers_port() const { return rtp_of(told_b_, 1); }

    void record() { record(plane_); }
    void record(ScreenPlane& plane) {
        base::Result<Subscription, base::Reason> made = base::Reason{"not_called", ""};
        plane.subscribe(kCall, 1, {}, [&](auto done) { made = std::move(done); });
        ASSERT_TRUE(made);
        std::vector<const Peer*> servers;
        bool has_screen = false;
        for (const SubscribedStream& stream : made->streams) {
            peers_.push_back(std::make_unique<Peer>("127.0.0.1"));
            servers.push_back(peers_.back().get());
            if (stream.sharing.empty()) continue;
            has_screen = true;
            EXPECT_EQ(stream.sharing, "screen");
            EXPECT_EQ(stream.from, Leg::A);
            EXPECT_EQ(stream.media, "video");
            EXPECT_EQ(stream.content, "slides");
            EXPECT_TRUE(stream.is_active);
            server_ = peers_.back().get();
        }
        ASSERT_TRUE(has_screen);
        bool is_taken = false;
        plane.answer_subscription(kCall, 1, server_answer(made->offer, servers),
                                  [&](auto done) { is_taken = done.has_value(); });
        ASSERT_TRUE(is_taken);
    }
    // Decodes pictures until one is as wanted; false: none of the next few.
    bool wait_for(const std::function<bool(const vpx_image_t&)>& is_wanted) {
        int pictures = 0;
        while (pictures < 15) {
            const auto packet = server_->receive(io::SocketKind::Rtp, 4 * kPatienceMs);
            if (!packet) return false;
            from_ = packet->from;
            reader_.on_rtp(packet->bytes, 0);
            while (const auto unit = reader_.poll()) {
                ++pictures;
                is_key_ = unit->unit.key_frame;
                const base::Bytes& frame = unit->unit.bytes;
                if (unit->unit.damaged ||
                    vpx_codec_decode(&decoder_, frame.data(), static_cast<unsigned>(frame.size()),
                                     nullptr, 0) != VPX_CODEC_OK)
                    continue;
                vpx_codec_iter_t iterator = nullptr;
                const vpx_image_t* image = vpx_codec_get_frame(&decoder_, &iterator);
                if (image != nullptr && is_wanted(*image)) return true;
            }
        }
        return false;
    }
    static bool has_colour(const vpx_image_t& image, int x, int y, std::uint32_t colour) {
        if (x >= static_cast<int>(image.d_w) || y >= static_cast<int>(image.d_h)) return false;
        const auto sample = [&](int plane, int column, int row) -> double {
            return image.planes[plane][row * image.stride[plane] + column];
        };
        const double luma = 1.164 * (sample(VPX_PLANE_Y, x, y) - 16);
        const double u = sample(VPX_PLANE_U, x / 2, y / 2) - 128;
        const double v = sample(VPX_PLANE_V, x / 2, y / 2) - 128;
        const auto is_near = [](double value, std::uint32_t wanted) {
            return std::abs(value - static_cast<double>(wanted & 0xff)) < 48;
        };
        return is_near(luma + 1.596 * v, colour >> 16) &&
               is_near(luma - 0.813 * v - 0.392 * u, colour >> 8) &&
               is_near(luma + 2.017 * u, colour);
    }
    template <class Verb>
    static base::Result<std::string, base::Reason> ask(Verb verb) {
        base::Result<std::string, base::Reason> result = base::Reason{"not_called", ""};
        verb([&](auto done) { result = std::move(done); });
        return result;
    }
    // Of the desk, as signalling hears them; waits for the first.
    std::string told_event() {
        std::unique_lock lock(events_mutex_);
        events_changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs),
                                 [&] { return !events_.empty(); });
        if (events_.empty()) return "none";
        std::string event = events_.front();
        events_.erase(events_.begin());
        return event;
    }
    bool has_no_event() {
        const std::lock_guard lock(events_mutex_);
        return events_.empty();
    }
    void on_event(const ScreenEvent& event) {
        const std::lock_guard lock(events_mutex_);
        events_.push_back(event.kind == ScreenEvent::Kind::Connected ? "connected"
                          : event.kind == ScreenEvent::Kind::Ended   ? "ended"
                                                                     : event.reason.code);
        events_changed_.notify_all();
    }

    std::string program_ = EARSHOT_SCREEN_BINARY;
    std::mutex events_mutex_;
    std::condition_variable events_changed_;
    std::vector<std::string> events_;
    RelayRig rig_;
    io::SystemClock clock_;
    base::SystemRandom random_;
    Peer a_{"127.0.0.1"};
    Peer b_{"127.0.0.1"};
    ScreenDesk desk_{{.bind_host = *base::parse_host("127.0.0.1", 0),
                      .other_bind_host = std::nullopt,
                      .first_port = 22000,
                      .last_port = 22999,
                      .program = program_,
                      .post = [](const std::function<void()>& work) { work(); }},
                     clock_,
                     random_};
    ScreenPlane plane_{rig_.relay(), desk_};
    std::string told_a_;
    std::string told_b_;
    std::vector<std::unique_ptr<Peer>> peers_;
    Peer* server_ = nullptr;
    payload::UnitReader reader_{
        {{.payload_type = 96, .encoding = "VP8", .clock_rate = 90'000, .fmtp = {}}}};
    vpx_codec_ctx_t decoder_{};
    base::NetAddress from_;
    bool is_key_ = false;
};

// Runs what it is given once, on the thread that asks for the time next.
class InterruptingClock : public io::Clock {
public:
    base::Now now() const override {
        if (is_armed_.exchange(false)) work_();
        return system_.now();
    }
    void interrupt_by(std::packaged_task<void()> work) {
        work_ = std::move(work);
        is_armed_ = true;
    }

private:
    io::SystemClock system_;
    mutable std::packaged_task<void()> work_;
    mutable std::atomic<bool> is_armed_{false};
};

class ScreenEncoding : public ScreenCall, public ::testing::WithParamInterface<const char*> {};

TEST_P(ScreenEncoding, WhatIsDrawnIsSeenAndRecorded) {
    SharedScreen shared(320, 240);
    shared.fill(0, 0, 320, 240, kWhite);
    shared.fill(16, 16, 128, 96, kRed);
    call(shared);
    record();
    Viewer viewer(viewers_port(), GetParam());
    ASSERT_TRUE(viewer.is_connected());
    EXPECT_TRUE(wait_for([](const vpx_image_t& image) {
        return has_colour(image, 64, 64, kRed) && has_colour(image, 250, 200, kWhite);
    }));
    shared.fill(160, 120, 128, 96, kBlue);
    EXPECT_TRUE(wait_for([](const vpx_image_t& image) {
        return has_colour(image, 220, 160, kBlue) && has_colour(image, 64, 64, kRed);
    }));
    EXPECT_TRUE(viewer.sees(220, 160, kBlue));
    EXPECT_TRUE(viewer.sees(64, 64, kRed));
}
INSTANTIATE_TEST_SUITE_P(Each, ScreenEncoding,
                         ::testing::Values("raw", "rre", "corre", "hextile", "zlib", "tight",
                                           "zrle"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(ScreenCall, TheCursorIsPaintedWhereTheViewerMovesIt) {
    SharedScreen shared(320, 240);
    shared.fill(0, 0, 320, 240, kWhite);
    call(shared);
    record();
    Viewer viewer(viewers_port(), "hextile");
    ASSERT_TRUE(viewer.is_connected());
    viewer.point_at(100, 100);
    EXPECT_TRUE(wait_for([](const vpx_image_t& image) {
        return has_colour(image, 104, 104, kRed) && has_colour(image, 200, 200, kWhite);
    }));
    viewer.point_at(200, 200);
    EXPECT_TRUE(wait_for([](const vpx_image_t& image) {
        return has_colour(image, 204, 204, kRed) && has_colour(image, 104, 104, kWhite);
    }));
}

TEST_F(ScreenCall, ANewSizeOfTheDesktopIsFollowed) {
    SharedScreen shared(320, 240);
    call(shared);
    record();
    Viewer viewer(viewers_port(), "zrle");
    ASSERT_TRUE(viewer.is_connected());
    EXPECT_TRUE(wait_for([](const vpx_image_t& image) { return image.d_w == 320; }));
    shared.resize(400, 300);
    shared.fill(0, 0, 400, 300, kGreen);
    EXPECT_TRUE(wait_for([](const vpx_image_t& image) {
        return image.d_w == 400 && image.d_h == 300 && has_colour(image, 390, 290, kGreen);
    }));
}

TEST_F(ScreenCall, ARecordingServerGetsAKeyFrameWhenItAsks) {
    SharedScreen shared(320, 240);
    call(shared);
    record();
    Viewer viewer(viewers_port(), "zrle");
    ASSERT_TRUE(viewer.is_connected());
    shared.fill(0, 0, 320, 240, kGreen);
    ASSERT_TRUE(wait_for([](const vpx_image_t& image) { return has_colour(image, 9, 9, kGreen); }));
    base::NetAddress rtcp = from_;
    ++rtcp.port;
    base::Bytes request;
    rtp::append_receiver_report({.ssrc = 1, .reports = {}}, request);
    rtp::append_pli(1, 2, request);
    server_->send(io::SocketKind::Rtcp, request, rtcp);
    EXPECT_TRUE(wait_for([this](const vpx_image_t&) { return is_key_; }));
}

TEST_F(ScreenCall, ARecordingThatBeginsInMidShareHasAllThatIsShown) {
    SharedScreen shared(320, 240);
    shared.fill(0, 0, 320, 240, kGreen);
    call(shared);
    Viewer viewer(viewers_port(), "zrle");
    ASSERT_TRUE(viewer.is_connected());
    ASSERT_TRUE(viewer.sees(9, 9, kGreen));
    record();
    EXPECT_TRUE(wait_for([](const vpx_image_t& image) {
        return has_colour(image, 9, 9, kGreen) && has_colour(image, 310, 230, kGreen);
    }));
}

TEST_F(ScreenCall, AConnectionThatEndsIsTold) {
    desk_.when_told([this](CallKey, const ScreenEvent& event) { on_event(event); });
    SharedScreen shared(320, 240);
    call(shared);
    {
        Viewer viewer(viewers_port(), "zrle");
        ASSERT_TRUE(viewer.is_connected());
        EXPECT_EQ(told_event(), "connected");
    }
    EXPECT_EQ(told_event(), "ended");
    Viewer again(viewers_port(), "zrle");
    EXPECT_TRUE(again.is_connected());
    EXPECT_EQ(told_event(), "connected");
}

// What cannot be recorded is shared all the same.
class ScreenWithoutChild : public ScreenCall {
protected:
    ScreenWithoutChild() = default;
    ScreenDesk broken_{{.bind_host = *base::parse_host("127.0.0.1", 0),
                        .other_bind_host = std::nullopt,
                        .first_port = 23000,
                        .last_port = 23999,
                        .program = "/nonexistent/earshot-screen",
                        .post = [](const std::function<void()>& work) { work(); }},
                       clock_,
                       random_};
    ScreenPlane without_{rig_.relay(), broken_};
};

TEST_F(ScreenWithoutChild, SharingGoesOnAndTheReasonIsTold) {
    broken_.when_told([this](CallKey, const ScreenEvent& event) { on_event(event); });
    SharedScreen shared(320, 240);
    shared.fill(0, 0, 320, 240, kGreen);
    std::string told;
    without_.offer(kCall,
                   {.from = Leg::A,
                    .text = sdp(a_, "m=application " + std::to_string(shared.port()) +
                                        " TCP RFB\r\na=setup:passive\r\na=sendonly\r\n")},
                   [&](auto done) { told = *done; });
    without_.answer(kCall,
                    {.from = Leg::B,
                     .text = sdp(b_,
                                 "m=application 9 TCP RFB\r\na=setup:active\r\n"
                                 "a=recvonly\r\n")},
                    [](auto done) { EXPECT_TRUE(done); });
    Viewer viewer(rtp_of(told, 1), "tight");
    ASSERT_TRUE(viewer.is_connected());
    EXPECT_EQ(told_event(), "screen_missing");
    EXPECT_TRUE(viewer.sees(9, 9, kGreen));
    // The recording server learns it, too, also when it comes later.
    record(without_);
    std::string reason;
    while (reason.empty()) {
        const auto datagram = server_->receive(io::SocketKind::Rtcp, 4 * kPatienceMs);
        ASSERT_TRUE(datagram);
        const auto packets = rtp::parse_rtcp(datagram->bytes);
        ASSERT_TRUE(packets);
        for (const rtp::RtcpPacket& packet : *packets)
            if (const auto* goodbye = std::get_if<rtp::Goodbye>(&packet)) reason = goodbye->reason;
    }
    EXPECT_EQ(reason.substr(0, 16), "screen_missing: ");
}

// Nobody records, so nobody asks it for pictures: it takes nothing, and that is seen all the same.
TEST_F(ScreenCall, AProcessThatHangsIsGivenUpAlsoWhileNobodyRecords) {
    const std::string stuck = testing::TempDir() + "stuck-" + std::to_string(::getpid());
    std::ofstream(stuck) << "#!/bin/sh\nexec sleep 1000\n";
    ASSERT_EQ(::chmod(stuck.c_str(), 0700), 0);
    ScreenDesk desk({.bind_host = *base::parse_host("127.0.0.1", 0),
                     .other_bind_host = std::nullopt,
                     .first_port = 24000,
                     .last_port = 24999,
                     .program = stuck,
                     .stall = std::chrono::milliseconds(300),
                     .post = [](const std::function<void()>& work) { work(); }},
                    clock_, random_);
    desk.when_told([this](CallKey, const ScreenEvent& event) { on_event(event); });
    ScreenPlane plane(rig_.relay(), desk);
    SharedScreen shared(1024, 768);  // more than a socket holds
    shared.fill(0, 0, 1024, 768, kGreen);
    share(plane, shared);
    Viewer viewer(viewers_port(), "raw");
    ASSERT_TRUE(viewer.is_connected());
    EXPECT_EQ(told_event(), "connected");
    EXPECT_EQ(told_event(), "screen_stalled");
    EXPECT_TRUE(viewer.sees(9, 9, kGreen));
    static_cast<void>(::unlink(stuck.c_str()));
}

TEST_F(ScreenCall, ItsProcessGoesFirstWhereMemoryGivesOut) {
    SharedScreen shared(64, 48);
    call(shared);
    record();
    Viewer viewer(viewers_port(), "zrle");
    ASSERT_TRUE(viewer.is_connected());
    ASSERT_TRUE(wait_for([](const vpx_image_t&) { return true; }));  // it is at work
    std::string told;
    for (const auto& process : std::filesystem::directory_iterator("/proc")) {
        std::string stat;  // "PID (NAME) STATE PPID ..."
        std::getline(std::ifstream(process.path() / "stat"), stat);
        const std::string ours = " " + std::to_string(::getpid()) + " ";
        const auto name = stat.find("(earshot-screen) ");
        if (name != std::string::npos && stat.substr(name + 18, ours.size()) == ours)
            std::getline(std::ifstream(process.path() / "oom_score_adj"), told);
    }
    EXPECT_EQ(told, "1000");
}

TEST_F(ScreenCall, DescriptionsKeepWhatIsTheParties) {
    SharedScreen shared(64, 48);
    call(shared);
    EXPECT_NE(told_b_.find(" TCP RFB\r\n"), std::string::npos);
    EXPECT_NE(told_b_.find("a=setup:passive\r\na=connection:new\r\na=content:slides\r\n"),
              std::string::npos);
    EXPECT_EQ(told_b_.find("VP8"), std::string::npos);
    EXPECT_NE(viewers_port().port, shared.port());
    EXPECT_NE(told_a_.find("m=application 9 TCP RFB\r\n"), std::string::npos);
}

// It connects as soon as the answer is there, which may be while the thread of the screens has
// looked for verbs and not yet for connections.
TEST_F(ScreenCall, WhoConnectsUponTheAnswerIsKnown) {
    InterruptingClock clock;
    ScreenDesk desk({.bind_host = *base::parse_host("127.0.0.1", 0),
                     .other_bind_host = std::nullopt,
                     .first_port = 24000,
                     .last_port = 24999,
                     .program = program_,
                     .post = [](const std::function<void()>& work) { work(); }},
                    clock, random_);
    const auto opened = desk.open(kCall, 1, false);
    ASSERT_TRUE(opened);
    SharedScreen shared(64, 48);
    const base::NetAddress host = *base::parse_host("127.0.0.1", 0);
    base::NetAddress sharers = host;
    sharers.port = static_cast<std::uint16_t>(shared.port());
    std::optional<integration::TcpClient> viewer;
    std::packaged_task<void()> work([&] {
        desk.set_leg(opened->screen, Leg::A, sharers, {host});
        desk.set_leg(opened->screen, Leg::B, {}, {host});
        viewer.emplace(opened->tcp_ports[index_of(Leg::B)]);
    });
    auto is_done = work.get_future();
    clock.interrupt_by(std::move(work));
    desk.set_sharer(opened->screen, Leg::A);  // its thread wakes
    is_done.get();
    EXPECT_THAT(viewer->receive_bytes(), testing::StartsWith("RFB 003."));
}

// A re-INVITE that encrypts the voice: the session goes on between the two, and is recorded no
// more.
TEST_F(ScreenCall, AScreenIsNotCopiedOnceTheCallIsEncrypted) {
    desk_.when_told([this](CallKey, const ScreenEvent& event) { on_event(event); });
    SharedScreen shared(320, 240);
    call(shared);
    record();
    Viewer viewer(viewers_port(), "zrle");
    ASSERT_TRUE(viewer.is_connected());
    ASSERT_EQ(told_event(), "connected");
    std::string text = sdp(a_, "m=application " + std::to_string(shared.port()) +
                                   " TCP RFB\r\na=setup:passive\r\na=sendonly\r\n");
    text.replace(text.find("RTP/AVP"), 7, "RTP/SAVP");
    ASSERT_TRUE(ask([&](SdpDone done) {
        plane_.offer(kCall, {.from = Leg::A, .text = text}, std::move(done));
    }));
    EXPECT_TRUE(has_no_event());  // it may be refused
    text = sdp(b_, "m=application 9 TCP RFB\r\na=setup:active\r\na=recvonly\r\n");
    text.replace(text.find("RTP/AVP"), 7, "RTP/SAVP");
    ASSERT_TRUE(ask([&](SdpDone done) {
        plane_.answer(kCall, {.from = Leg::B, .text = text}, std::move(done));
    }));
    EXPECT_EQ(told_event(), "screen_in_clear");
    shared.fill(0, 0, 320, 240, kGreen);
    EXPECT_TRUE(viewer.sees(9, 9, kGreen));
}

// A phone that puts all of its lines on hold says of the line that it views what who shares says.
TEST_F(ScreenCall, AHoldByWhoViewsDoesNotTurnTheSession) {
    desk_.when_told([this](CallKey, const ScreenEvent& event) { on_event(event); });
    SharedScreen shared(320, 240);
    call(shared);
    record();
    Viewer viewer(viewers_port(), "zrle");
    ASSERT_TRUE(viewer.is_connected());
    ASSERT_EQ(told_event(), "connected");
    ASSERT_TRUE(wait_for([](const vpx_image_t&) { return true; }));
    for (const std::string direction : {"sendonly", "recvonly"})
        ASSERT_TRUE(ask([&](SdpDone done) {
            plane_.offer(kCall,
                         {.from = Leg::B,
                          .text = sdp(b_, "m=application 9 TCP RFB\r\na=setup:active\r\na=" +
                                              direction + "\r\n")},
                         std::move(done));
        }));
    shared.fill(0, 0, 320, 240, kGreen);
    EXPECT_TRUE(viewer.sees(9, 9, kGreen));
    EXPECT_TRUE(wait_for([](const vpx_image_t& image) { return has_colour(image, 9, 9, kGreen); }));
}

TEST_F(ScreenCall, ARefusedOfferChangesNothingOfWhoShares) {
    desk_.when_told([this](CallKey, const ScreenEvent& event) { on_event(event); });
    SharedScreen shared(320, 240);
    shared.fill(0, 0, 320, 240, kGreen);
    call(shared);
    record();
    ASSERT_TRUE(ask([&](SdpDone done) {
        plane_.offer(
            kCall,
            {.from = Leg::B,
             .text = sdp(b_, "m=application 9 TCP RFB\r\na=setup:active\r\na=sendonly\r\n"),
             .signalled_by = *base::parse_host("127.0.0.1", 0)},
            std::move(done));
    }));
    plane_.rollback(kCall, Leg::B);
    Viewer viewer(viewers_port(), "zrle");
    ASSERT_TRUE(viewer.is_connected());
    EXPECT_TRUE(wait_for([](const vpx_image_t& image) { return has_colour(image, 9, 9, kGreen); }));
    EXPECT_EQ(told_event(), "connected");
    EXPECT_TRUE(has_no_event());
}

TEST_F(ScreenCall, OneCallHasSoManyScreensAndNotAll) {
    desk_.when_told([this](CallKey, const ScreenEvent& event) { on_event(event); });
    std::string lines;
    for (std::size_t i = 0; i <= kMaxScreensOfCall; ++i)
        lines += "m=application 5900 TCP RFB\r\na=setup:passive\r\na=sendonly\r\n";
    const auto offered = ask([&](SdpDone done) {
        plane_.offer(kCall, {.from = Leg::A, .text = sdp(a_, lines)}, std::move(done));
    });
    ASSERT_TRUE(offered);
    EXPECT_EQ(told_event(), "too_many_screens");
    std::size_t passed = 0;
    for (auto at = offered->find("m=application 5900 "); at != std::string::npos;
         at = offered->find("m=application 5900 ", at + 1))
        ++passed;
    EXPECT_EQ(passed, 1U);
}

// The relay must not be a way to what listens on its host for itself alone.
TEST_F(ScreenCall, NobodyElsewhereHasUsConnectToLoopback) {
    desk_.when_told([this](CallKey, const ScreenEvent& event) { on_event(event); });
    const auto offer = [&](const char* signalled_by, const char* at) {
        return ask([&](SdpDone done) {
            plane_.offer(
                kCall,
                {.from = Leg::A,
                 .text = sdp(a_, "m=application 5900 TCP RFB\r\nc=IN IP4 " + std::string(at) +
                                     "\r\na=setup:passive\r\na=sendonly\r\n"),
                 .signalled_by = *base::parse_host(signalled_by, 0)},
                std::move(done));
        });
    };
    ASSERT_TRUE(offer("192.0.2.9", "192.0.2.10"));
    ASSERT_TRUE(offer("127.0.0.1", "127.0.0.2"));
    EXPECT_TRUE(has_no_event());
    ASSERT_TRUE(offer("192.0.2.9", "127.0.0.1"));
    EXPECT_EQ(told_event(), "screen_address");
    ASSERT_TRUE(offer("192.0.2.9", "169.254.169.254"));
    EXPECT_EQ(told_event(), "screen_address");
}

TEST_F(ScreenCall, AScreenBesideEncryptedMediaPassesAsItIs) {
    desk_.when_told([this](CallKey, const ScreenEvent& event) { on_event(event); });
    const std::string line = "m=application 5900 TCP RFB\r\na=setup:passive\r\na=sendonly\r\n";
    std::string text = sdp(a_, line);
    text.replace(text.find("RTP/AVP"), 7, "RTP/SAVP");
    const auto offered = ask([&](SdpDone done) {
        plane_.offer(kCall, {.from = Leg::A, .text = text}, std::move(done));
    });
    ASSERT_TRUE(offered);
    EXPECT_NE(offered->find("m=application 5900 TCP RFB\r\n"), std::string::npos);
    EXPECT_EQ(told_event(), "screen_in_clear");
}

}  // namespace
}  // namespace earshot::relay::test
