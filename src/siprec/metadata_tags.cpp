#include "siprec/metadata_tags.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace earshot::siprec {
namespace {

struct Known {
    std::string_view name;
    MetadataTag tag;
};

// Sorted by length: a name is compared with the few of its own.
constexpr std::array<Known, 25> kKnown = {{
    {"aor", MetadataTag::Aor},
    {"csrc", MetadataTag::Csrc},
    {"mode", MetadataTag::Mode},
    {"name", MetadataTag::Name},
    {"recv", MetadataTag::Recv},
    {"send", MetadataTag::Send},
    {"group", MetadataTag::Group},
    {"label", MetadataTag::Label},
    {"param", MetadataTag::Param},
    {"nameid", MetadataTag::NameId},
    {"reason", MetadataTag::Reason},
    {"stream", MetadataTag::Stream},
    {"session", MetadataTag::Session},
    {"datamode", MetadataTag::DataMode},
    {"group-ref", MetadataTag::GroupRef},
    {"stop-time", MetadataTag::StopTime},
    {"start-time", MetadataTag::StartTime},
    {"participant", MetadataTag::Participant},
    {"sipsessionid", MetadataTag::SipSessionId},
    {"requestreason", MetadataTag::RequestReason},
    {"associate-time", MetadataTag::AssociateTime},
    {"disassociate-time", MetadataTag::DisassociateTime},
    {"sessionrecordingassoc", MetadataTag::SessionRecordingAssoc},
    {"participantstreamassoc", MetadataTag::ParticipantStreamAssoc},
    {"participantsessionassoc", MetadataTag::ParticipantSessionAssoc},
}};

constexpr std::size_t kMaxLength = kKnown.back().name.size();

// Where the names of each length begin; those of length n end where n + 1 begins.
constexpr std::array<std::uint8_t, kMaxLength + 2> make_begins() {
    std::array<std::uint8_t, kMaxLength + 2> begins{};
    for (std::size_t length = 0; length < begins.size(); ++length) {
        std::uint8_t begin = 0;
        while (begin < kKnown.size() && kKnown[begin].name.size() < length) ++begin;
        begins[length] = begin;
    }
    return begins;
}

}  // namespace

bool is_recording_namespace(std::string_view uri) {
    return std::find(kRecordingNamespaces.begin(), kRecordingNamespaces.end(), uri) !=
           kRecordingNamespaces.end();
}

MetadataTag find_metadata_tag(std::string_view local_name) {
    static constexpr auto kBegins = make_begins();
    if (local_name.size() > kMaxLength) return MetadataTag::Foreign;
    const std::size_t end = kBegins[local_name.size() + 1];
    for (std::size_t i = kBegins[local_name.size()]; i < end; ++i)
        if (base::iequals(kKnown[i].name, local_name)) return kKnown[i].tag;
    return MetadataTag::Foreign;
}

}  // namespace earshot::siprec
