// The catalogue of what deployed clients do wrong and this server takes: one stable name for each,
// used in events, in `earshot doctor` and in docs/siprec-conformance.md. The quirks (Q..) and rules
// (P-, M-, E-) are those of that page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace earshot::siprec {

enum class Leniency : std::uint8_t {
    None,
    // the request
    NoOptionTag,
    NoFeatureTag,
    FeatureTagInUri,
    FeatureTagUnprefixed,
    UnterminatedContact,
    BareLineFeeds,
    // its body
    NoOffer,
    SecondSdp,
    SecondMetadata,
    SdpUnderOtherType,
    NoClosingBoundary,
    BoundaryGuessed,
    UnknownBodyPart,
    ShortMetadataType,
    NoRecordingDisposition,
    // its session description
    SdpLacksLines,
    SdpUnreadableLines,
    NoLabel,
    DuplicateLabel,
    UnsetMediaAddress,
    LoopbackMediaAddress,
    HoldByAddress,
    DirectionBoth,
    VersionNotRaised,
    FewerMediaLines,
    BundleUnknownMid,
    BundleRepeatedMid,
    BundleWithoutRtcpMux,
    BundleOtherProtection,
    BundleSharedPayloadType,
    // its metadata
    MetadataUnreadable,
    OlderMetadataForm,
    BareAmpersand,
    BadId,
    NoId,
    RevealingId,
    UnreadableTime,
    TimeForm,
    ImplausibleTime,
    ReversedTimes,
    UnnamespacedExtension,
    NoNamespace,
    UnknownCharset,
    UnknownDataMode,
    NoNameId,
    AorWithoutScheme,
    SessionIdForm,
    PlaceholderParticipant,
    AssociationWithoutParticipant,
    IdClash,
    GroupChanged,
    UnknownReference,
    PartialFirst,
    RequestToServer,
    NoStreams,
    MetadataTooLarge,
    MetadataFault,  // any other
    // its media
    MediaFromOtherPort,
    MediaFromOtherHost,
    Count  // not one of them
};

// What `strict = true` does. A code from 400 up is the answer to the request.
inline constexpr int kStrictTakes = 0;          // the standards do not forbid it
inline constexpr int kStrictFailsDocument = 1;  // as metadata that cannot be read: E-9

struct LeniencyFacts {
    Leniency leniency = Leniency::None;
    std::string_view code;    // stable: "no_option_tag"
    std::string_view quirks;  // of the conformance page: "Q19 Q24"
    std::string_view fault;   // what the client did
    std::string_view done;    // what was done about it
    int strict = kStrictTakes;
};
const LeniencyFacts& facts_of(Leniency leniency);
inline constexpr std::size_t kLeniencies = static_cast<std::size_t>(Leniency::Count);

// One that was found in a request. `detail` says more than the catalogue, or is empty.
struct FoundLeniency {
    Leniency leniency = Leniency::None;
    std::string detail;
};

}  // namespace earshot::siprec
