// io_uring: a multishot receive waits at each socket, the kernel puts what came into buffers that
// it is lent, and one system call hands over all that goes out and waits for what comes next.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "io/file_descriptor.h"
#include "relay/packet_io.h"

struct io_uring_sqe;

namespace earshot::relay {

class UringPacketIo : public PacketIo {
public:
    // Fails where io_uring is forbidden (sysctl kernel.io_uring_disabled, seccomp) or too old:
    // io_uring_unavailable.
    static base::Result<std::unique_ptr<UringPacketIo>, base::Reason> create();
    UringPacketIo(const UringPacketIo&) = delete;
    UringPacketIo& operator=(const UringPacketIo&) = delete;
    ~UringPacketIo() override;

    bool begin() override;
    bool add(Port& port) override;
    void remove(Port& port) override;
    void send(Port& port, base::ByteView bytes, const io::SocketAddress* to) override;
    void flush() override;
    void turn(Sink& sink, base::TimePoint now, std::chrono::milliseconds limit) override;
    void wake() override;
    const char* name() const override { return "io_uring"; }

private:
    struct Ring;
    // What a completion is told of by its number and its generation: those of a port that has been
    // removed, which may still come, are of an older one.
    struct Place {
        Port* port = nullptr;
        std::uint32_t generation = 0;
        bool is_registered = false;  // the ring knows the socket by the place's number
    };

    UringPacketIo();
    void take_place(Port& port);
    std::uint64_t tag(std::uint32_t place, bool is_send) const;
    io_uring_sqe& entry();
    void set_socket(io_uring_sqe& request, std::uint32_t place) const;
    void arm(std::uint32_t place);
    void arm_wake();
    void on_completion(std::uint64_t data, int result, std::uint32_t flags, Sink& sink);
    void on_received(Port* port, int result, std::uint32_t flags, Sink& sink);

    std::unique_ptr<Ring> ring_;
    io::FileDescriptor wake_;
    std::atomic<bool> is_woken_{false};
    std::vector<Place> places_;      // [0] is the wake's
    std::uint32_t registrable_ = 0;  // places below it may be registered
    std::vector<std::uint32_t> free_places_;
    std::vector<unsigned> used_buffers_;  // in this turn
    Pace pace_;
};

}  // namespace earshot::relay
