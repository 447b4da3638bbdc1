// The m-lines of one recording session and the streams recorded from them: compares each new offer
// with what runs and says what to open, change, pause, resume and close. An m-line's place is its
// identity (RFC 3264 section 8); its label is valid within one message only (RFC 7866 section
// 7.1.1), and a place that was disabled and is used again is a new stream.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "sdp/bundle.h"
#include "sdp/offer_answer.h"
#include "sdp/session_description.h"
#include "siprec/event.h"
#include "siprec/recording_server_session.h"
#include "siprec/stream_role.h"

namespace earshot::siprec {

class MediaLines {
public:
    using Actions = std::vector<Action>;
    using Declines = std::function<bool(const OfferedStream&)>;

    // One place of the offer. Small: a session keeps these while nothing happens.
    struct Line {
        enum class State : std::uint8_t { Off, Opening, Open, Moving };  // Moving: see MoveStream
        std::string label;
        std::uint64_t fingerprint = 0;  // of the facts that stream_changed tells
        base::NetAddress peer_rtp;
        base::NetAddress peer_rtcp;
        std::uint16_t stream = kNoStream;  // also of a line that was refused from the start
        std::uint16_t rtp_port = 0;
        std::uint16_t rtcp_port = 0;
        std::uint16_t carrier = 0;    // the line whose transport attributes count: BUNDLE
        std::uint32_t transport = 0;  // as StreamFacts::transport
        State state = State::Off;
        bool is_bundled = false;
        MediaKind media = MediaKind::Other;
        sdp::ContentSet content;                    // a=content
        bool paused = false;                        // by the peer
        bool ipv6 = false;                          // the family of our ports
        bool had_address = false;                   // a c= that was not 0.0.0.0
        bool had_sender = false;                    // by the metadata
        bool held = false;                          // by the metadata
        bool dropped = false;                       // by us: see drop()
        sdp::Refusal refusal = sdp::Refusal::None;  // told by stream_refused
        bool rtcp_mux = false;                      // agreed
        std::unique_ptr<SdesKeys> sdes;             // null: not keyed by a=crypto
        std::unique_ptr<DtlsFacts> dtls;            // null: nor by DTLS
        std::unique_ptr<MessageLine> messages;      // null: RTP
    };

    // The lines of an offer that could be recorded, for the policy.
    std::vector<OfferedStream> offered_streams(const sdp::SessionDescription& offer) const;
    // Before the first apply(): lines that it declines get port 0; withheld ones are inactive until
    // release().
    void set_policy(Declines declines, bool withhold);
    // Null: SRTP is refused.
    void set_key_source(SrtpKeySource source) { new_key_ = source; }
    void set_dtls_source(const DtlsSource& source) { dtls_ = source; }
    // What of MSRP can be received; nothing at first.
    void set_message_terms(const MessageTerms& terms) { message_terms_ = terms; }
    bool uses_ice() const;  // one line at least: our SDP says a=ice-lite
    bool is_withheld() const { return withheld_; }
    void release() { withheld_ = false; }

    // Whether the offer holds a line to record, or disables all on purpose.
    bool is_acceptable(const sdp::SessionDescription& offer) const;

    // A whole new offer of the peer, or its answer to an offer of ours (which opens nothing). An
    // answer to inactive is inactive whatever the peer wants (RFC 3264 section 6.1), so it says
    // nothing about a pause of its own. `peer` is the host to assume where c= is missing, a name,
    // or 0.0.0.0.
    enum class Role { Offer, Answer, AnswerToInactive };
    void apply(const sdp::SessionDescription& description, Role role, const base::NetAddress& peer,
               const MediaAddresses& ours, Actions& out);
    // For an INVITE without SDP: lines that we offer ourselves (E-4).
    void open_default(std::size_t count, const MediaAddresses& ours, Actions& out);

    void on_opened(std::uint16_t stream, std::uint16_t rtp_port, std::uint16_t rtcp_port,
                   Actions& out);
    // Of a stream whose facts have `messages`.
    void on_messages_opened(std::uint16_t stream, MessageEndpoint ours, Actions& out);
    void on_failed(std::uint16_t stream, std::string_view reason, Actions& out);
    void close_all(Actions& out);
    // A pause of our own, kept apart from that of the peer: a stream runs when neither pauses it.
    void pause_by_us(Actions& out);
    void resume_by_us(Actions& out);
    bool is_paused_by_us() const { return paused_by_us_; }
    bool is_inactive_by_us() const { return paused_by_us_ || withheld_; }
    // Removes one stream from our side (P-43); kNoStream when none of that label is open. It is
    // discarded from now on, and closed when the peer agrees: until then it may go on to send to
    // its port. Its place stays refused, however often the peer repeats its offer, until the peer
    // disables it itself: what is offered there afterwards is a new stream (P-34).
    std::uint16_t drop(std::string_view label, Actions& out);
    // Tells who is on hold by the metadata (RFC 7865 section 6.8.1); call after each merge.
    void update_holds(const MetadataModel& model, Actions& out);
    bool may_be_voice(std::string_view label) const;  // not known as anything else
    // Tells what the streams show, and what is shared; call after each offer that is answered and
    // after each merge.
    void update_roles(const MetadataModel& model, Actions& out);
    void set_second_video(SecondVideo second) { roles_.set_second_video(second); }

    bool is_waiting() const;         // for on_opened or on_failed
    std::size_t open_count() const;  // streams that are open
    bool is_all_paused() const;      // and there is one
    std::vector<sdp::MediaDecision> decisions(const MediaAddresses& ours) const;
    // c= of all lines together: of the first that is open.
    const base::NetAddress& session_address(const MediaAddresses& ours) const;
    const std::vector<Line>& lines() const { return lines_; }

private:
    // What becomes of one line of a description, before anything is done.
    struct Plan {
        sdp::Refusal refusal = sdp::Refusal::None;
        std::size_t carrier =
            0;  // the line whose transport attributes count: itself but for BUNDLE
        std::uint32_t transport = 0;
        bool is_bundled = false;
    };
    std::vector<Plan> plan(const sdp::SessionDescription& description, Role role,
                           const MediaAddresses& ours);
    void plan_carriers(const sdp::SessionDescription& description, Role role,
                       const sdp::BundleOffer& bundles, std::vector<Plan>& plans) const;
    void plan_transports(const sdp::SessionDescription& description,
                         const sdp::BundleOffer& bundles, const MediaAddresses& ours,
                         std::vector<Plan>& plans);
    const Line* holder_of(std::uint32_t transport) const;
    StreamFacts facts_of(const sdp::SessionDescription& description, std::size_t index,
                         const Plan& plan, Role role, const base::NetAddress& peer,
                         const MediaAddresses& ours) const;
    std::optional<SdesKeys> keys_of(const sdp::SessionDescription& description,
                                    const sdp::MediaDescription& carrier, const Line* in_force,
                                    Role role) const;
    std::optional<DtlsFacts> dtls_of(const sdp::SessionDescription& description,
                                     const sdp::MediaDescription& carrier, const Line* in_force,
                                     Role role) const;
    std::optional<IceFacts> ice_of(const sdp::SessionDescription& description,
                                   const sdp::MediaDescription& carrier, const DtlsFacts* in_force,
                                   bool& has_mismatch) const;
    sdp::Refusal check(const sdp::SessionDescription& description, std::size_t index,
                       std::size_t carrier, Role role) const;
    sdp::Refusal check_offered(const sdp::SessionDescription& description,
                               const sdp::MediaDescription& medium,
                               const sdp::MediaDescription& carrier) const;
    std::vector<sdp::Refusal> refusals_of(const sdp::SessionDescription& offer) const;
    std::optional<std::size_t> tagged_line_of(const Line& line) const;
    std::string dtls_attributes(const Line& line, const MediaAddresses& ours) const;
    static const base::NetAddress& address_of(const Line& line, const MediaAddresses& ours);
    static std::string label_of(const sdp::SessionDescription& description, std::size_t index);
    void open(Line& line, StreamFacts facts, Actions& out);
    void change(Line& line, StreamFacts facts, Actions& out);
    void close(Line& line, Actions& out);
    void refuse(Line& line, std::size_t index, std::string label, std::string media,
                sdp::Refusal refusal, Actions& out);
    void tell_excess(const sdp::SessionDescription& offer, Actions& out);
    Line* find(std::uint16_t stream);
    bool is_discarded_by_us(const Line& line) const { return paused_by_us_ || line.dropped; }
    void set_effective_pause(const Line& line, bool paused, Actions& out);

    std::vector<Line> lines_;
    RoleWatch roles_;
    std::vector<StreamFacts> opening_;  // until their ports are known
    std::size_t excess_ = 0;            // lines of the offer past what is read
    std::uint16_t next_stream_ = 0;
    std::uint32_t last_transport_ = 0;
    std::unique_ptr<Declines> declines_;  // null: none, as nearly always
    SrtpKeySource new_key_ = nullptr;
    DtlsSource dtls_;
    MessageTerms message_terms_;
    bool withheld_ = false;      // by a rule
    bool paused_by_us_ = false;  // by an operator
};

}  // namespace earshot::siprec
