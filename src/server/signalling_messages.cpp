// Signalling, continued: m=message lines (MSRP). The session's facts become a session of the
// message service, whose thread receives what is sent.
#include "base/text.h"
#include "messages/limits.h"
#include "msrp/uri.h"
#include "server/signalling.h"

#include <algorithm>
#include <utility>

namespace earshot::server {

using base::NetAddress;
using base::Reason;
using base::Result;

namespace {

constexpr std::size_t kSessionIdBytes = 16;  // random: a URI is a secret (RFC 4975 section 14.1)
constexpr std::uint16_t kDiscardPort = 9;    // RFC 6135: of who connects and takes nothing in

// Where m= and c= are an address, they are one of the path's, unless a=msrp-cema says that a
// middlebox may have changed them (RFC 6714 section 4.3). With relays some write the first hop's,
// some their own.
bool is_path_bent(const siprec::MessageFacts& facts, const std::vector<msrp::Uri>& path) {
    if (facts.has_cema || !facts.connection || facts.connection->is_unspecified()) return false;
    return std::none_of(path.begin(), path.end(), [&](const msrp::Uri& hop) {
        const auto address = base::parse_host(hop.host, hop.port);
        return !address || hop.port == kDiscardPort || facts.connection->port == kDiscardPort ||
               *address == *facts.connection;
    });
}

Result<messages::SessionSetup, Reason> make_setup(const siprec::MessageFacts& facts,
                                                  std::uint64_t max_bytes) {
    auto path = msrp::parse_path(facts.path);
    if (!path)
        return Reason{"bad_path", "a=path cannot be read: " + std::string(path.error().what)};
    const msrp::Uri& hop = path->front();
    if (hop.is_secure != facts.is_secure)
        return Reason{"bad_path", "The URI of a=path and the protocol of the line contradict."};
    if (is_path_bent(facts, *path))
        return Reason{"path_changed", "m= and c= are another address than a=path, without CEMA."};
    messages::SessionSetup setup;
    setup.max_bytes = max_bytes;
    if (facts.is_file()) {
        const sdp::FileSelector file = sdp::parse_file_selector(facts.file_selector);
        // The selector tells the file's own size, the message may have layers around it.
        const std::uint64_t size = std::min(file.size.value_or(messages::kMaxFileBytes),
                                            messages::kMaxFileBytes - messages::kMaxWrappingBytes);
        setup.max_bytes = size + messages::kMaxWrappingBytes;
    }
    setup.fingerprints = facts.fingerprints;
    setup.are_we_active = facts.are_we_active;
    if (facts.are_we_active) {
        setup.connect_to = base::parse_host(hop.host, hop.port);  // of a name: looked up later
        if (facts.has_cema && facts.connection) setup.connect_to = facts.connection;
        const std::uint16_t port = setup.connect_to ? setup.connect_to->port : hop.port;
        if (port == 0 || port == kDiscardPort)
            return Reason{"no_address", "We are to connect, and a=path names no port for that."};
        if (facts.is_secure) setup.tls_name = hop.host;
    }
    setup.peer = *std::move(path);
    return setup;
}

}  // namespace

void Signalling::open_messages(Call& call, siprec::StreamFacts& facts) {
    const std::uint16_t number = facts.stream;
    const auto refuse = [&](const Reason& why) {
        call.session->on_stream_refused(d_.clock.now(), number, why);
    };
    if (d_.messages == nullptr)
        return refuse({"no_listener", "The listener for messages (MSRP) could not be opened: " +
                                          d_.messages_fault});
    auto setup = make_setup(*facts.messages, config_.messages.max_message_bytes);
    if (!setup) return refuse(setup.error());
    const siprec::MediaAddresses ours = addresses_.media(call.flow);
    const NetAddress& host = ours.usual.is_v4() == facts.ipv6 ? ours.other : ours.usual;
    const auto port = d_.messages->port_for(host);
    if (!port) return refuse({"no_listener", "MSRP does not listen in this IP family."});
    setup->key = {.recording = call.recording, .stream = number};
    setup->own = {.is_secure = facts.messages->is_secure,
                  .host = base::host_to_string(host),
                  .port = *port,
                  .session_id = d_.random.token(kSessionIdBytes),
                  .transport = "tcp"};
    setup->gate = std::make_shared<messages::Gate>();
    setup->gate->is_open = !facts.paused;

    siprec::MessageEndpoint endpoint{
        .path = msrp::to_string(setup->own), .port = *port, .max_bytes = setup->max_bytes};
    if (setup->own.is_secure) endpoint.fingerprint = d_.messages->fingerprint();
    CallStream& stream = call.streams[number];
    stream = {};
    stream.local_port = *port;
    stream.gate = setup->gate;
    stream.facts = std::move(facts);
    if (setup->are_we_active)
        call.to_connect.push_back(*std::move(setup));
    else
        d_.messages->open(*std::move(setup));
    call.session->on_messages_opened(d_.clock.now(), number, std::move(endpoint));
    live_is_dirty_ = true;
}

// After the answer.
void Signalling::connect_messages(Call& call) {
    for (messages::SessionSetup& setup : std::exchange(call.to_connect, {}))
        connect_messages(call, std::move(setup));
}

// The host may be a name: A and AAAA records, as its port is told (RFC 4975 section 6).
void Signalling::connect_messages(const Call& call, messages::SessionSetup setup) {
    if (setup.connect_to) return d_.messages->open(std::move(setup));
    const msrp::Uri& hop = setup.peer.front();
    const std::string uri = "sip:" + hop.host + ":" + std::to_string(hop.port);
    d_.loop.locate(uri, d_.random,
                   [this, serial = call.serial,
                    setup = std::move(setup)](const std::vector<sip::Target>& found) mutable {
                       const auto running = calls_.find(serial);
                       if (running == calls_.end()) return;
                       const auto stream = running->second->streams.find(setup.key.stream);
                       if (stream == running->second->streams.end() || stream->second.is_closed ||
                           stream->second.gate != setup.gate)
                           return;  // it has ended meanwhile
                       if (!found.empty()) setup.connect_to = found.front().address;
                       d_.messages->open(std::move(setup));
                   });
}

void Signalling::close_messages(const messages::SessionKey& key) {
    ++closing_messages_[key.recording];
    d_.messages->close(key, [this, recording = key.recording] {
        d_.loop.post([this, recording] {
            const auto closing = closing_messages_.find(recording);
            if (closing != closing_messages_.end() && --closing->second == 0)
                closing_messages_.erase(closing);
        });
    });
}

}  // namespace earshot::server
