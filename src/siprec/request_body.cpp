#include "siprec/request_body.h"

#include "base/text.h"
#include "mime/media_type.h"
#include "mime/multipart.h"

namespace earshot::siprec {
namespace {

bool is_metadata(const mime::Part& part) {
    // RFC 9806 reads the short type as the long one.
    return part.has_type("application/rs-metadata+xml") || part.has_type("application/rs-metadata");
}

void take_part(const mime::Part& part, bool is_only, RequestBody& body) {
    const auto tell = [&](Leniency leniency) { body.leniencies.push_back({leniency, {}}); };
    if (part.has_type("application/sdp")) {
        if (body.sdp) {
            tell(Leniency::SecondSdp);
        } else {
            body.sdp = part.body;
        }
    } else if (is_metadata(part)) {
        if (body.metadata) {
            tell(Leniency::SecondMetadata);
            return;
        }
        body.metadata = part.body;
        if (!part.has_type("application/rs-metadata+xml")) tell(Leniency::ShortMetadataType);
        if (!base::iequals(part.disposition, "recording-session"))  // P-90
            tell(Leniency::NoRecordingDisposition);
        body.metadata_charset =
            mime::find_parameter(part.content_type_parameters, "charset").value_or("");
    } else if (is_only && base::trim(part.body).starts_with("v=0")) {
        body.sdp = part.body;
        tell(Leniency::SdpUnderOtherType);
    } else {
        if (is_only) {
            body.other_type = part.content_type;
            body.other_body = part.body;
        }
        if (part.handling == mime::Handling::Required)
            body.unknown_required.emplace_back(part.content_type);
    }
}

}  // namespace

RequestBody read_body(const sip::Message& request) {
    RequestBody body;
    const std::string_view bytes = base::as_text(request.body());
    if (base::trim(bytes).empty()) return body;
    const auto parsed =
        mime::parse_body(request.find(sip::HeaderId::ContentType).value_or(""),
                         request.find(sip::HeaderId::ContentDisposition).value_or(""), bytes);
    if (!parsed) {
        body.is_unreadable = true;
        return body;
    }
    for (const mime::Part& part : parsed->parts) take_part(part, !parsed->is_multipart, body);
    if (!parsed->is_closed) body.leniencies.push_back({Leniency::NoClosingBoundary, {}});
    if (parsed->is_boundary_guessed) body.leniencies.push_back({Leniency::BoundaryGuessed, {}});
    return body;
}

}  // namespace earshot::siprec
