#include "sdp/rtcp_feedback.h"

#include "base/text.h"
#include "sdp/text_writer.h"

namespace earshot::sdp {
namespace {

// The value is "PT-or-* TYPE [PARAMETER]"; several blanks and other cases are met.
RtcpFeedback parse_line(std::string_view value) {
    value = base::trim(value);
    base::take_until(value, ' ');
    value = base::trim(value);
    const std::string_view type = base::take_until(value, ' ');
    const std::string_view parameter = base::trim(value);
    RtcpFeedback found;
    if (base::iequals(type, "nack")) {
        found.nack = parameter.empty();
        found.pli = base::iequals(parameter, "pli");
    }
    found.fir = base::iequals(type, "ccm") && base::iequals(parameter, "fir");
    return found;
}

}  // namespace

RtcpFeedback feedback_of(const SessionDescription& description, const MediaDescription& medium) {
    RtcpFeedback all;
    for (const Attribute& attribute : description.attributes_of(medium)) {
        if (!base::iequals(attribute.name, "rtcp-fb")) continue;
        const RtcpFeedback one = parse_line(attribute.value);
        all.nack = all.nack || one.nack;
        all.pli = all.pli || one.pli;
        all.fir = all.fir || one.fir;
    }
    return all;
}

void append_honoured_feedback(std::string& out, const SessionDescription& offer,
                              const MediaDescription& medium) {
    for (const Attribute& attribute : offer.attributes_of(medium)) {
        if (!base::iequals(attribute.name, "rtcp-fb")) continue;
        if (parse_line(attribute.value) == RtcpFeedback{}) continue;
        append_line(out, "a=rtcp-fb:{}", clean(attribute.value));
    }
}

}  // namespace earshot::sdp
