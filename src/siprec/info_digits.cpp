#include "siprec/info_digits.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"
#include "mime/multipart.h"

namespace earshot::siprec {

bool carries_digits(const sip::Message& info) {
    // The last two are Nortel's, and telephone-event as some gateways send it.
    constexpr std::array<std::string_view, 5> kTypes{
        "application/dtmf-relay", "application/dtmf", "application/vnd.nortelnetworks.digits",
        "audio/telephone-event", "application/kpml-response+xml"};
    const std::string_view bytes = base::as_text(info.body());
    if (base::trim(bytes).empty()) return false;
    const auto parsed =
        mime::parse_body(info.find(sip::HeaderId::ContentType).value_or(""),
                         info.find(sip::HeaderId::ContentDisposition).value_or(""), bytes);
    if (!parsed) return true;
    return std::any_of(parsed->parts.begin(), parsed->parts.end(), [&](const mime::Part& part) {
        return std::any_of(kTypes.begin(), kTypes.end(),
                           [&](std::string_view type) { return part.has_type(type); });
    });
}

}  // namespace earshot::siprec
