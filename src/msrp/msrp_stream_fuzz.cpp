// The first octet says how the stream is cut. However it is cut, the same messages come out: whole
// and in pieces must agree.
#include <cstdlib>
#include <string>

#include "base/bytes.h"
#include "msrp/limits.h"
#include "msrp/stream_parser.h"

namespace {

using namespace earshot;

void drain(msrp::StreamParser& parser, std::string& told) {
    while (auto event = parser.poll_event()) {
        if (const auto* head = std::get_if<msrp::Head>(&*event)) {
            told += "H" + msrp::write_head(*head);
            told += head->fault;
        } else if (const auto* piece = std::get_if<msrp::BodyPiece>(&*event)) {
            if (piece->bytes.empty()) std::abort();
            told += base::as_text(piece->bytes);
        } else if (const auto* end = std::get_if<msrp::MessageEnd>(&*event)) {
            told += "E";
            told += static_cast<char>(end->continuation);
        } else {
            told += "B";
        }
    }
    if (parser.buffered_bytes() > msrp::kMaxHeadBytes + 64) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t step = 1 + input[0] % 61;
    base::ByteView bytes{input + 1, size - 1};

    std::string whole;
    msrp::StreamParser at_once;
    at_once.lend(bytes);
    drain(at_once, whole);

    std::string cut;
    msrp::StreamParser in_pieces;
    while (!bytes.empty()) {
        const std::size_t piece = std::min(step, bytes.size());
        in_pieces.feed(bytes.first(piece));
        bytes = bytes.subspan(piece);
        drain(in_pieces, cut);
    }
    if (whole != cut) std::abort();
    return 0;
}
