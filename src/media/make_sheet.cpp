// Small pictures of the whole call in one JPEG, kSheetColumns x kSheetRows, each of its share of
// the time: what the page shows above the place one points at. Of key frames alone.
#include <new>

#include "media/canvas.h"
#include "media/limits.h"
#include "media/picture_streams.h"
#include "media/stage.h"
#include "media/unit_queue.h"

namespace earshot::media {
namespace {

using rendition::Stream;

constexpr int kCells = kSheetColumns * kSheetRows;

Frame make_frame(int width, int height) {
    Frame frame(av_frame_alloc());
    if (!frame) throw std::bad_alloc();
    frame->format = AV_PIX_FMT_YUVJ420P;
    frame->width = width;
    frame->height = height;
    if (av_frame_get_buffer(frame.get(), 0) < 0) throw std::bad_alloc();
    return frame;
}

class SheetMaker {
public:
    explicit SheetMaker(Stage& stage)
        : stage_(stage),
          queue_(stage.job),
          canvas_(stage.job, kSheetCellWidth, kSheetCellHeight),
          sheet_(make_frame(kSheetColumns * kSheetCellWidth, kSheetRows * kSheetCellHeight)),
          pictures_(stage, true, [this](const Stream& stream, const AVFrame& frame) {
              fill_until(frame.pts / 1'000'000);
              has_any_ = canvas_.show(stream.number, frame) || has_any_;
          }) {}

    Outcome run() {
        while (true) {
            auto record = stage_.input.next();
            if (!record) return record.error();
            if (!record->has_value()) break;
            queue_.add(**record);
            take_units();
            stage_.on_progress((*record)->header.position_ns);
        }
        queue_.finish();
        take_units();
        pictures_.finish();
        if (!has_any_)
            return base::Reason{"no_video", "No picture of this recording can be decoded."};
        fill_until(INT64_MAX);
        return encode();
    }

private:
    void take_units() {
        while (auto unit = queue_.poll()) pictures_.add(*unit);
    }

    // Cells whose time lies before are as the canvas is.
    void fill_until(std::int64_t at_ms) {
        for (; cell_ < kCells && cell_ * stage_.job.duration_ms / kCells < at_ms; ++cell_) {
            const int x = cell_ % kSheetColumns * kSheetCellWidth;
            const int y = cell_ / kSheetColumns * kSheetCellHeight;
            for (int plane = 0; plane < 3; ++plane) {
                const int shift = plane == 0 ? 0 : 1;
                const int stride = sheet_->linesize[plane];
                av_image_copy_plane(sheet_->data[plane] + (y >> shift) * stride + (x >> shift),
                                    stride, canvas_.picture().data[plane],
                                    canvas_.picture().linesize[plane], kSheetCellWidth >> shift,
                                    kSheetCellHeight >> shift);
            }
        }
    }

    Outcome encode() {
        const AVCodec* encoder = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
        if (encoder == nullptr)
            return base::Reason{"cannot_render", "FFmpeg was built without a JPEG encoder."};
        CodecContext context(avcodec_alloc_context3(encoder));
        if (!context) throw std::bad_alloc();
        context->width = sheet_->width;
        context->height = sheet_->height;
        context->pix_fmt = AV_PIX_FMT_YUVJ420P;
        context->time_base = {1, 1};
        context->flags |= AV_CODEC_FLAG_QSCALE;
        context->global_quality = FF_QP2LAMBDA * 6;
        int error = 0;
        context = open_codec(encoder, std::move(context), nullptr, error);
        if (error < 0) return av_reason("The picture's encoder", error);
        sheet_->pts = 0;
        sheet_->quality = FF_QP2LAMBDA * 6;
        error = avcodec_send_frame(context.get(), sheet_.get());
        if (error < 0) return av_reason("The picture cannot be encoded", error);
        const Packet packet(av_packet_alloc());
        if (!packet) throw std::bad_alloc();
        error = avcodec_receive_packet(context.get(), packet.get());
        if (error < 0) return av_reason("The picture cannot be encoded", error);
        stage_.output.write({packet->data, static_cast<std::size_t>(packet->size)});
        return base::Done{};
    }

    Stage& stage_;
    UnitQueue queue_;
    Canvas canvas_;
    Frame sheet_;
    int cell_ = 0;
    bool has_any_ = false;
    PictureStreams pictures_;
};

}  // namespace

Outcome make_sheet(Stage& stage) { return SheetMaker(stage).run(); }

}  // namespace earshot::media
