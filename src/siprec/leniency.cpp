#include "siprec/leniency.h"

#include <array>

namespace earshot::siprec {
namespace {

constexpr int kForbidden = 403;
constexpr int kBadRequest = 400;
constexpr int kNotAcceptable = 488;
constexpr int kUnsupportedType = 415;

// In the order of the enumeration.
constexpr std::array<LeniencyFacts, kLeniencies> kCatalogue = {{
    {Leniency::None, "none", "", "", "", kStrictTakes},
    {Leniency::NoOptionTag, "no_option_tag", "Q19 Q24 Q28 Q38", "no Require: siprec",
     "taken for a recording session by its other marks", kForbidden},
    {Leniency::NoFeatureTag, "no_feature_tag", "Q19 Q20 Q38", "no +sip.src in Contact",
     "taken for a recording session by its other marks", kForbidden},
    {Leniency::FeatureTagInUri, "feature_tag_in_uri", "Q27",
     "+sip.src inside the brackets of Contact", "read as if it stood behind them", kForbidden},
    {Leniency::FeatureTagUnprefixed, "feature_tag_unprefixed", "Q24 Q28",
     "Contact says ;src instead of ;+sip.src", "read as +sip.src", kForbidden},
    {Leniency::UnterminatedContact, "unterminated_contact", "Q22", "Contact has no closing '>'",
     "read to its end", kBadRequest},
    {Leniency::BareLineFeeds, "bare_line_feeds", "Q33", "SIP lines end in LF alone", "read as CRLF",
     kBadRequest},

    {Leniency::NoOffer, "no_offer", "Q20", "initial INVITE without an offer",
     "two lines were offered in the 200", kNotAcceptable},
    {Leniency::SecondSdp, "second_sdp", "Q15", "a second SDP part", "ignored", kBadRequest},
    {Leniency::SecondMetadata, "second_metadata", "", "a second metadata part", "ignored",
     kBadRequest},
    {Leniency::SdpUnderOtherType, "sdp_under_other_type", "", "SDP under another Content-Type",
     "read as SDP", kUnsupportedType},
    {Leniency::NoClosingBoundary, "no_closing_boundary", "Q16",
     "multipart without closing boundary", "read to its end", kBadRequest},
    {Leniency::BoundaryGuessed, "boundary_guessed", "Q11 Q15",
     "the boundary parameter is missing or wrong", "taken from the body", kBadRequest},
    {Leniency::UnknownBodyPart, "unknown_body_part", "Q16", "a required body part is not known",
     "kept in the log and ignored", kUnsupportedType},
    {Leniency::ShortMetadataType, "short_metadata_type", "Q22 Q24 Q27 Q28 Q32",
     "metadata under application/rs-metadata without +xml", "read as RFC 9806 says", kStrictTakes},
    {Leniency::NoRecordingDisposition, "no_recording_disposition", "",
     "metadata without Content-Disposition: recording-session", "read as metadata", kBadRequest},

    {Leniency::SdpLacksLines, "sdp_lacks_lines", "Q8", "the SDP lacks a v=, o=, s=, t= or c= line",
     "read without it", kNotAcceptable},
    {Leniency::SdpUnreadableLines, "sdp_unreadable_lines", "", "the SDP has unreadable lines",
     "passed over", kNotAcceptable},
    {Leniency::NoLabel, "no_label", "Q19 Q38", "a media line has no a=label", "known by its index",
     kNotAcceptable},
    {Leniency::DuplicateLabel, "duplicate_label", "", "two media lines have one a=label",
     "the later one is known by its index", kNotAcceptable},
    {Leniency::UnsetMediaAddress, "unset_media_address", "Q8", "c= is 0.0.0.0 beside a=sendonly",
     "recorded, taking RTP of the SIP peer's host", kStrictTakes},
    {Leniency::LoopbackMediaAddress, "loopback_media_address", "Q8",
     "c= is a loopback address of the client", "recorded, taking RTP of the SIP peer's host",
     kStrictTakes},
    {Leniency::HoldByAddress, "hold_by_address", "Q25", "hold by c=0.0.0.0", "paused",
     kStrictTakes},
    {Leniency::DirectionBoth, "direction_both", "Q32", "the old attribute a=direction",
     "a=sendonly and its like win over it", kStrictTakes},
    {Leniency::VersionNotRaised, "sdp_version_not_raised", "Q30",
     "the SDP changed and its o= version did not", "read as changed", kNotAcceptable},
    {Leniency::FewerMediaLines, "fewer_media_lines", "Q29", "a later offer has fewer media lines",
     "the missing ones are closed", kNotAcceptable},
    {Leniency::BundleUnknownMid, "bundle_unknown_mid", "",
     "a BUNDLE group names a mid that no media line has", "passed over", kNotAcceptable},
    {Leniency::BundleRepeatedMid, "bundle_repeated_mid", "",
     "a mid is named twice in BUNDLE groups, or two media lines have it", "the first one counts",
     kNotAcceptable},
    {Leniency::BundleWithoutRtcpMux, "bundle_without_rtcp_mux", "",
     "a BUNDLE group in which RTCP does not share the port", "answered by a port for each line",
     kNotAcceptable},
    {Leniency::BundleOtherProtection, "bundle_other_protection", "",
     "a BUNDLE group of lines with SRTP and lines in the clear", "they share no port",
     kNotAcceptable},
    {Leniency::BundleSharedPayloadType, "bundle_shared_payload_type", "",
     "lines of a BUNDLE group have a payload type in common, and nothing tells their packets apart",
     "answered by another port; where the line has no port of its own, told apart by who sends "
     "first",
     kNotAcceptable},

    {Leniency::MetadataUnreadable, "metadata_unreadable", "", "the metadata cannot be read",
     "kept as it came; a snapshot is asked for once", kStrictFailsDocument},
    {Leniency::OlderMetadataForm, "older_metadata_form", "Q10 Q21 Q22 Q24 Q26 Q27 Q28",
     "metadata of a draft, not of RFC 7865", "read into the same model", kStrictFailsDocument},
    {Leniency::BareAmpersand, "bare_ampersand", "Q4 Q7", "a bare '&' in the metadata",
     "read as '&amp;'", kStrictFailsDocument},
    {Leniency::BadId, "bad_id", "Q10 Q21 Q27 Q28", "an id that is not base64 of a UUID",
     "compared as text", kStrictTakes},
    {Leniency::NoId, "no_id", "Q27", "an object without an id", "known by its place",
     kStrictFailsDocument},
    {Leniency::RevealingId, "revealing_id", "Q28", "an id that may reveal a MAC address", "taken",
     kStrictTakes},
    {Leniency::UnreadableTime, "unreadable_time", "", "a time that cannot be read", "left out",
     kStrictFailsDocument},
    {Leniency::TimeForm, "time_form", "Q4 Q11 Q27", "a time that is not in the form of RFC 3339",
     "read; without a zone as UTC", kStrictFailsDocument},
    {Leniency::ImplausibleTime, "implausible_time", "Q21", "the client's clock stands before 2000",
     "kept as told; our own clock dates the recording", kStrictTakes},
    {Leniency::ReversedTimes, "reversed_times", "", "an end that lies before its beginning",
     "kept as told", kStrictTakes},
    {Leniency::UnnamespacedExtension, "unnamespaced_extension", "Q12 Q21",
     "an extension in no namespace of its own", "kept as an extension", kStrictFailsDocument},
    {Leniency::NoNamespace, "no_namespace", "", "metadata in no namespace", "read as RFC 7865's",
     kStrictFailsDocument},
    {Leniency::UnknownCharset, "unknown_charset", "", "an unknown charset parameter",
     "the document's own declaration counts", kStrictTakes},
    {Leniency::UnknownDataMode, "unknown_datamode", "", "an unknown datamode", "read as complete",
     kStrictFailsDocument},
    {Leniency::NoNameId, "no_name_id", "", "a participant without a nameID", "known by its id",
     kStrictFailsDocument},
    {Leniency::AorWithoutScheme, "aor_without_scheme", "Q21 Q22 Q26", "an address without a scheme",
     "kept as written", kStrictTakes},
    {Leniency::SessionIdForm, "sip_session_id_form", "Q4",
     "a sipSessionID that is no Session-ID of RFC 7989", "kept as written", kStrictTakes},
    {Leniency::PlaceholderParticipant, "placeholder_participant", "Q27",
     "a participant that stands for nobody", "forgotten once the real ones are named",
     kStrictTakes},
    {Leniency::AssociationWithoutParticipant, "association_without_participant", "",
     "an association without a participant", "left out", kStrictFailsDocument},
    {Leniency::IdClash, "id_clash", "", "one id for two kinds of objects",
     "the later object is left out", kStrictTakes},
    {Leniency::GroupChanged, "group_changed", "", "a session's group was changed",
     "the first one stays", kStrictTakes},
    {Leniency::UnknownReference, "unknown_reference", "", "an id that nobody defined", "kept",
     kStrictTakes},
    {Leniency::PartialFirst, "partial_first", "", "a partial document before any complete one",
     "taken; a snapshot is asked for once", kStrictTakes},
    {Leniency::RequestToServer, "request_to_server", "",
     "a snapshot request to the recording server", "ignored", kStrictTakes},
    {Leniency::NoStreams, "no_streams", "Q3", "the metadata does not say who sends which stream",
     "participants are taken in the order of the media lines", kStrictTakes},
    {Leniency::MetadataTooLarge, "metadata_too_large", "", "the metadata is too large",
     "the recording goes on without it", kStrictTakes},
    {Leniency::MetadataFault, "metadata_fault", "", "another fault of the metadata",
     "read as far as it goes", kStrictTakes},

    {Leniency::MediaFromOtherPort, "media_from_other_port", "Q8",
     "RTP comes from another port than the SDP names", "recorded", kStrictTakes},
    {Leniency::MediaFromOtherHost, "media_from_other_host", "Q8 Q31",
     "RTP comes from another host than the SDP names",
     "recorded: the host is the SIP peer's or in media_from", kStrictTakes},
}};

constexpr bool is_in_order() {
    for (std::size_t i = 0; i < kCatalogue.size(); ++i)
        if (kCatalogue[i].leniency != static_cast<Leniency>(i)) return false;
    return true;
}
static_assert(is_in_order());

}  // namespace

const LeniencyFacts& facts_of(Leniency leniency) {
    return kCatalogue[static_cast<std::size_t>(leniency)];
}

}  // namespace earshot::siprec
