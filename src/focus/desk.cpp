#include "focus/desk.h"

#include <algorithm>
#include <utility>

#include "io/thread_name.h"
#include "rtp/rtcp.h"

namespace earshot::focus {

using base::Reason;
using base::Result;

namespace {

constexpr std::chrono::milliseconds kTick{20};
constexpr std::chrono::milliseconds kPictureTick{5};
// What is decoded is taken so often while there is any; so long a tick that is late waits for it.
constexpr std::chrono::milliseconds kDecoding{5};
constexpr std::chrono::milliseconds kIdle{200};
constexpr std::chrono::seconds kReportEvery{5};      // RFC 3550 section 6.2
constexpr std::chrono::milliseconds kMaxStall{200};  // what is behind by more is not made up for
constexpr std::size_t kNamesOfReport = 12;
constexpr std::size_t kBatch = 64;
constexpr std::size_t kMaxBytes = 2048;
// A key frame of a slide comes as a burst.
constexpr int kPictureBufferBytes = 1'048'576;

}  // namespace

Desk::Desk(Options options, io::MediaPorts& ports, const io::Clock& clock, base::Random& random)
    : options_(std::move(options)),
      speaks_opus_(voice::DecoderChild::is_there(options_.decoder)),
      ports_(ports),
      clock_(clock),
      random_(random),
      decoder_({.program = options_.decoder}) {}

Desk::~Desk() {
    commands_.close();
    if (thread_.joinable()) thread_.join();
}

bool Desk::give(Command& command) {
    if (!thread_.joinable()) thread_ = std::jthread([this] { run(); });
    retry();
    return waiting_.empty() && commands_.try_push(std::move(command));
}

void Desk::give_sometime(Command command) {
    if (give(command)) return;
    ++postponed_;
    // A full queue leaves what it was given as it was.
    // NOLINTNEXTLINE(bugprone-use-after-move)
    waiting_.push_back(std::move(command));
}

void Desk::retry() {
    while (!waiting_.empty() && commands_.try_push(std::move(waiting_.front())))
        waiting_.pop_front();
}

// ---- the verbs ----------------------------------------------------------------------------------

std::shared_ptr<const RoomCounters> Desk::open(RoomId room) {
    auto counters = std::make_shared<RoomCounters>();
    known_[room] = 0;
    give_sometime(Open{.room = room, .counters = counters});
    return counters;
}

void Desk::close(RoomId room) {
    if (known_.erase(room) > 0) give_sometime(Close{.room = room});
}

Result<base::NetAddress, Reason> Desk::add(RoomId room, MemberId member, std::string cname,
                                           std::uint32_t csrc) {
    return seat({.room = room, .member = member, .cname = std::move(cname), .csrc = csrc});
}

Result<base::NetAddress, Reason> Desk::add_recorder(RoomId room, MemberId member, std::string cname,
                                                    MixFormat format) {
    return seat({.room = room, .member = member, .cname = std::move(cname), .recorder = format});
}

Result<io::UdpPair, Reason> Desk::take_ports() {
    return ports_.take(clock_.now().steady, options_.ipv6);
}

StreamIdentity Desk::make_identity() {
    return {.ssrc = random_.u32(),
            .sequence = static_cast<std::uint16_t>(random_.u32()),
            .timestamp = random_.u32()};
}

base::NetAddress Desk::place_of(const io::UdpPair& pair) const {
    base::NetAddress place = options_.host;
    place.port = pair.rtp.local_address().port;
    return place;
}

Result<base::NetAddress, Reason> Desk::add_picture(RoomId room, MemberId member, Picture picture) {
    if (!known_.contains(room)) return Reason{"unknown_room", "There is no such room."};
    auto pair = take_ports();
    if (!pair) return pair.error();
    pair->rtp.grow_receive_buffer(kPictureBufferBytes);
    const base::NetAddress place = place_of(*pair);
    AddPicture add{.room = room, .member = member, .picture = picture, .own = make_identity()};
    add.pair.emplace(*std::move(pair));
    Command command = std::move(add);
    if (give(command)) return place;
    // NOLINTNEXTLINE(bugprone-use-after-move): a full queue leaves it as it was
    release(*std::get<AddPicture>(command).pair);
    return Reason{"overloaded", "The thread that mixes conferences has more to do than it can."};
}

void Desk::set_picture(RoomId room, MemberId member, Picture picture, Stage::Place place) {
    give_sometime(
        SetPicture{.room = room, .member = member, .picture = picture, .place = std::move(place)});
}

void Desk::remove_picture(RoomId room, MemberId member, Picture picture) {
    give_sometime(RemovePicture{.room = room, .member = member, .picture = picture});
}

Result<base::NetAddress, Reason> Desk::seat(Add add) {
    const auto known = known_.find(add.room);
    if (known == known_.end()) return Reason{"unknown_room", "There is no such room."};
    if (known->second >= kMaxMembers)
        return Reason{"too_many_members", "As many are mixed in this room already as may be."};
    auto pair = take_ports();
    if (!pair) return pair.error();
    const base::NetAddress place = place_of(*pair);
    add.pair.emplace(*std::move(pair));
    add.own = make_identity();
    Command command = std::move(add);
    if (!give(command)) {
        // NOLINTNEXTLINE(bugprone-use-after-move): a full queue leaves it as it was
        release(*std::get<Add>(command).pair);
        return Reason{"overloaded",
                      "The thread that mixes conferences has more to do than it can."};
    }
    ++known->second;
    return place;
}

void Desk::set(RoomId room, MemberId member, Place place) {
    give_sometime(Set{.room = room, .member = member, .place = std::move(place)});
}
void Desk::remove(RoomId room, MemberId member) {
    const auto known = known_.find(room);
    if (known == known_.end()) return;
    --known->second;
    give_sometime(Remove{.room = room, .member = member});
}
void Desk::mute(RoomId room, MemberId member, bool is_muted) {
    give_sometime(Mute{.room = room, .member = member, .is_muted = is_muted});
}
void Desk::play(RoomId room, MemberId member, relay::SoundPtr sound) {
    give_sometime(Play{.room = room, .member = member, .sound = std::move(sound)});
}
void Desk::chime(RoomId room, relay::SoundPtr sound) { play(room, 0, std::move(sound)); }

// ---- the thread ---------------------------------------------------------------------------------

void Desk::run() {
    io::set_thread_name("focus");
    io::DatagramBatch batch(kBatch, kMaxBytes);
    base::TimePoint next_tick{};
    while (!commands_.is_closed() || commands_.size() > 0) {
        const base::TimePoint before = clock_.now().steady;
        if (rooms_.empty()) next_tick = before + kTick;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_tick - before);
        auto longest = has_pictures() ? kPictureTick : kTick;
        if (decoder_.owes()) longest = std::min(longest, kDecoding);
        auto command = commands_.pop_for(
            rooms_.empty() ? kIdle : std::clamp(left, std::chrono::milliseconds{0}, longest));
        while (command) {
            std::visit([this](auto& it) { on(it); }, *command);
            command = commands_.try_pop();
        }
        const base::Now now = clock_.now();
        if (now.steady - next_tick > kMaxStall) next_tick = now.steady;
        take_decoded(now.steady);
        for (bool is_first = true; next_tick <= now.steady; next_tick += kTick) {
            if (!std::exchange(is_first, false) && decoder_.owes()) {
                decoder_.wait(kDecoding);
                take_decoded(now.steady);
            }
            for (auto& [id, room] : rooms_) turn(id, room, now, batch);
            decoder_.flush(now.steady);
        }
        for (auto& [id, room] : rooms_) show(id, room, now, batch);
    }
    const base::Now now = clock_.now();
    for (auto& [id, room] : rooms_) {
        for (auto& [member, seat] : room.seats) report(room, member, seat, now, true);
        for (Stage& stage : room.stages) stage.end(now);
    }
}

bool Desk::has_pictures() const {
    return std::any_of(rooms_.begin(), rooms_.end(), [](const auto& room) {
        const auto& stages = room.second.stages;
        return std::any_of(stages.begin(), stages.end(),
                           [](const Stage& stage) { return !stage.is_empty(); });
    });
}

Desk::Room* Desk::find(RoomId room) {
    const auto found = rooms_.find(room);
    return found == rooms_.end() ? nullptr : &found->second;
}

void Desk::on(Open& command) {
    rooms_.try_emplace(command.room).first->second.counters = std::move(command.counters);
}

void Desk::on(Close& command) {
    Room* room = find(command.room);
    if (room == nullptr) return;
    const base::Now now = clock_.now();
    for (auto& [id, seat] : room->seats) {
        report(*room, id, seat, now, true);
        release(seat.pair);
    }
    for (Stage& stage : room->stages)
        while (const auto member = stage.any_member())
            if (auto pair = stage.remove(now, *member)) release(*pair);
    rooms_.erase(command.room);
    forget(command.room, 0);
    if (rooms_.empty()) decoder_.stop();
}

void Desk::on(Add& command) {
    Room* room = find(command.room);
    if (room == nullptr) return release(*command.pair);
    const bool is_in =
        command.recorder ? room->mixer.add_recorder(command.member, command.own, *command.recorder)
                         : room->mixer.add(command.member, command.csrc, command.own, {});
    if (!is_in) return release(*command.pair);
    room->seats.emplace(command.member, Seat{.pair = *std::move(command.pair),
                                             .cname = std::move(command.cname),
                                             .csrc = command.csrc});
    for (auto& [id, seat] : room->seats) seat.next_report = {};  // whose the new CSRC is
}

void Desk::on(Set& command) {
    Room* room = find(command.room);
    const auto seat =
        room == nullptr ? decltype(room->seats.end()){} : room->seats.find(command.member);
    if (room == nullptr || seat == room->seats.end()) return;
    seat->second.rtp = command.place.rtp;
    seat->second.rtcp = command.place.rtcp;
    seat->second.next_report = {};
    const auto& formats = command.place.line.formats;
    if (std::any_of(formats.begin(), formats.end(),
                    [](const MixFormat& one) { return one.codec == MixCodec::Opus; }))
        decoder_.start(clock_.now().steady);  // so that the first word finds it there
    room->mixer.change(command.member, std::move(command.place.line));
}

void Desk::on(Remove& command) {
    Room* room = find(command.room);
    if (room == nullptr) return;
    for (Stage& stage : room->stages)
        if (auto pair = stage.remove(clock_.now(), command.member)) release(*pair);
    const auto seat = room->seats.find(command.member);
    if (seat == room->seats.end()) return;
    report(*room, command.member, seat->second, clock_.now(), true);
    release(seat->second.pair);
    room->seats.erase(seat);
    room->mixer.remove(command.member);
    forget(command.room, command.member);
}

void Desk::on(Mute& command) {
    if (Room* room = find(command.room)) room->mixer.mute(command.member, command.is_muted);
}

void Desk::on(Play& command) {
    Room* room = find(command.room);
    if (room == nullptr) return;
    if (command.member == 0) return room->mixer.chime(command.sound);
    room->mixer.play(command.member, std::move(command.sound));
}

// Its name is that of its voice; a recording's has none.
void Desk::on(AddPicture& command) {
    Room* room = find(command.room);
    if (room == nullptr) return release(*command.pair);
    const auto voice = room->seats.find(command.member);
    Stage::Newcomer newcomer{.pair = *std::move(command.pair), .own = command.own};
    if (voice != room->seats.end()) {
        newcomer.cname = voice->second.cname;
        newcomer.csrc = voice->second.csrc;
    }
    auto refused = room->stages[index_of(command.picture)].add(command.member, std::move(newcomer));
    if (refused) release(*refused);
}

void Desk::on(SetPicture& command) {
    if (Room* room = find(command.room))
        room->stages[index_of(command.picture)].set(command.member, command.place);
}

void Desk::on(RemovePicture& command) {
    Room* room = find(command.room);
    if (room == nullptr) return;
    auto pair = room->stages[index_of(command.picture)].remove(clock_.now(), command.member);
    if (pair) release(*pair);
}

void Desk::show(RoomId id, Room& room, base::Now now, io::DatagramBatch& batch) {
    for (const Picture picture : kAllPictures) {
        Stage& stage = room.stages[index_of(picture)];
        RoomCounters::Stage& told = room.counters->stages[index_of(picture)];
        if (stage.is_empty() && told.shown.load(std::memory_order_relaxed) == 0) continue;
        stage.turn(now, room.mixer.speaker(), batch);
        const Forwarder::Counters counters = stage.counters();
        told.packets.store(counters.sent, std::memory_order_relaxed);
        told.requests.store(counters.requests, std::memory_order_relaxed);
        told.vain.store(counters.vain, std::memory_order_relaxed);
        const MemberId shown = stage.shown();
        if (told.shown.exchange(shown, std::memory_order_relaxed) == shown) continue;
        if (options_.on_shown) options_.on_shown(id, picture, shown);
    }
}

void Desk::turn(RoomId id, Room& room, base::Now now, io::DatagramBatch& batch) {
    for (auto& [member, seat] : room.seats) {
        while (seat.pair.rtp.receive(batch) > 0) {
            for (const io::Datagram& datagram : batch.datagrams())
                if (!datagram.truncated && seat.host.admits(datagram.source, seat.rtp))
                    room.mixer.on_packet(member, datagram.bytes);
            if (batch.datagrams().size() < batch.capacity()) break;
        }
    }
    for (const Mixer::Packet& packet : room.mixer.tick()) {
        const auto seat = room.seats.find(packet.to);
        if (seat == room.seats.end() || seat->second.rtp.port == 0) continue;
        if (seat->second.pair.rtp.send(packet.bytes, seat->second.rtp))
            room.counters->packets.fetch_add(1, std::memory_order_relaxed);
    }
    decode(id, room, now.steady);
    for (auto& [member, seat] : room.seats)
        if (now.steady >= seat.next_report) {
            seat.next_report = now.steady + kReportEvery;
            seat.pair.rtcp.discard();  // who hears us how well is the media plane's to know
            report(room, member, seat, now, false);
        }
    const relay::MixInput::Counters sum = room.mixer.counters();
    room.counters->taken.store(sum.packets, std::memory_order_relaxed);
    room.counters->late.store(sum.late, std::memory_order_relaxed);
    room.counters->passed_over.store(sum.passed_over, std::memory_order_relaxed);
    const MemberId speaker = room.mixer.speaker();
    if (room.counters->speaker.exchange(speaker, std::memory_order_relaxed) == speaker) return;
    if (options_.on_speaker) options_.on_speaker(id, speaker);
}

// Our own SSRC with our CNAME, and those of whoever is in the mix (RFC 3550 section 7.1).
void Desk::report(Room& room, MemberId member, Seat& seat, base::Now now, bool is_last) {
    const auto sent = room.mixer.sent_to(member);
    if (!sent || seat.rtcp.port == 0) return;
    report_.clear();
    rtp::append_sender_report({.ssrc = sent->ssrc,
                               .ntp = rtp::to_ntp(now.wall),
                               .rtp_timestamp = sent->timestamp,
                               .packet_count = static_cast<std::uint32_t>(sent->packets),
                               .octet_count = static_cast<std::uint32_t>(sent->octets),
                               .reports = {}},
                              report_);
    rtp::append_cname(sent->ssrc, "focus", report_);
    // A few at a time, the next ones in the next report.
    std::size_t named = 0;
    for (auto at = room.seats.upper_bound(seat.last_named); named < room.seats.size(); ++named) {
        if (named == kNamesOfReport) break;
        if (at == room.seats.end()) at = room.seats.begin();
        if (at->second.csrc != 0) rtp::append_cname(at->second.csrc, at->second.cname, report_);
        seat.last_named = at->first;
        ++at;
    }
    if (is_last) rtp::append_goodbye(sent->ssrc, "", report_);
    static_cast<void>(seat.pair.rtcp.send(report_, seat.rtcp));
}

// ---- Opus ---------------------------------------------------------------------------------------

void Desk::decode(RoomId id, const Room& room, base::TimePoint now) {
    for (const OpusInput::Question& question : room.mixer.questions())
        decoder_.ask({.kind = question.kind,
                      .samples = question.samples,
                      .stream = question.stream,
                      .ticket = question.ticket,
                      .room = id,
                      .member = question.member,
                      .body = question.packet},
                     now);
}

void Desk::take_decoded(base::TimePoint now) {
    decoder_.read(now, [this](const voice::Record& answer) {
        Room* room = find(answer.room);
        if (room == nullptr) return;
        voice::read_samples(answer.body, decoded_);
        room->mixer.on_decoded(answer.member, answer.stream, answer.ticket, decoded_);
    });
    if (const auto fault = decoder_.take_fault(); fault && options_.on_decoder)
        options_.on_decoder(*fault);
}

void Desk::forget(RoomId room, MemberId member) {
    if (!decoder_.is_running()) return;
    const base::TimePoint now = clock_.now().steady;
    decoder_.ask({.kind = voice::RecordKind::Forget, .room = room, .member = member}, now);
}

// The ports rest once their sockets are closed.
void Desk::release(io::UdpPair& pair) {
    const std::uint16_t port = pair.rtp.local_address().port;
    pair.rtp.close();
    pair.rtcp.close();
    ports_.release(port, clock_.now().steady);
}

}  // namespace earshot::focus
