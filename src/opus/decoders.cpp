#include "opus/decoders.h"

#include <opus.h>

#include <algorithm>
#include <array>

#include "opus/limits.h"

namespace earshot::opus {

using voice::Record;
using voice::RecordKind;

namespace {

constexpr int kChannels = 1;

}  // namespace

void Decoders::Free::operator()(OpusDecoder* decoder) const { ::opus_decoder_destroy(decoder); }

bool Decoders::on_message(base::ByteView message, const Write& write) {
    out_.clear();
    bool is_whole = true;
    while (is_whole && !message.empty()) {
        const auto record = voice::take_record(message);
        is_whole = record && record->kind <= RecordKind::Forget;
        if (!is_whole) break;
        if (record->kind == RecordKind::Forget) {
            forget(*record);
            continue;
        }
        const bool is_decoded = decode(find(*record), *record);
        body_.clear();
        voice::append_samples(samples_, body_);
        if (out_.size() + voice::kRecordHeaderBytes + body_.size() > voice::kMaxMessageBytes) {
            write(out_);
            out_.clear();
        }
        Record answer = *record;
        answer.kind = is_decoded ? RecordKind::Decoded : RecordKind::Concealed;
        answer.body = body_;
        voice::append_record(answer, out_);
    }
    if (!out_.empty()) write(out_);
    return is_whole;
}

OpusDecoder* Decoders::find(const Record& record) {
    const Key key{record.room, record.member};
    auto found = decoders_.find(key);
    if (found == decoders_.end()) {
        if (decoders_.size() >= kMaxDecoders) return nullptr;
        int error = OPUS_OK;
        OpusDecoder* const made =
            ::opus_decoder_create(static_cast<opus_int32>(voice::kSampleRate), kChannels, &error);
        if (made == nullptr) return nullptr;
        found = decoders_.try_emplace(key).first;
        found->second.decoder.reset(made);
    } else if (found->second.stream != record.stream) {
        static_cast<void>(::opus_decoder_ctl(found->second.decoder.get(), OPUS_RESET_STATE));
    }
    found->second.stream = record.stream;
    return found->second.decoder.get();
}

void Decoders::forget(const Record& record) {
    if (record.member != 0) {
        decoders_.erase({record.room, record.member});
        return;
    }
    const auto from = decoders_.lower_bound({record.room, 0});
    const auto to = decoders_.upper_bound({record.room, UINT64_MAX});
    decoders_.erase(from, to);
}

bool Decoders::decode(OpusDecoder* decoder, const Record& record) {
    samples_.assign(voice::kMaxSamples, 0);
    // A decoder conceals in steps of 2.5 ms and no more than 120 ms at once.
    const std::size_t wanted = record.samples - record.samples % voice::kSamplesStep;
    if (decoder == nullptr) {
        samples_.resize(wanted);
        return false;
    }
    const auto size = static_cast<opus_int32>(record.body.size());
    int got = OPUS_BAD_ARG;
    if (record.kind == RecordKind::Decode && size > 0)
        got = ::opus_decode(decoder, record.body.data(), size, samples_.data(),
                            static_cast<int>(samples_.size()), 0);
    else if (record.kind == RecordKind::Repair && size > 0 && wanted > 0)
        got = ::opus_decode(decoder, record.body.data(), size, samples_.data(),
                            static_cast<int>(wanted), 1);
    const bool is_decoded = got >= 0 || record.kind == RecordKind::Conceal;
    if (got < 0 && wanted > 0)
        got = ::opus_decode(decoder, nullptr, 0, samples_.data(), static_cast<int>(wanted), 0);
    samples_.resize(static_cast<std::size_t>(std::max(got, 0)));
    return is_decoded;
}

}  // namespace earshot::opus
