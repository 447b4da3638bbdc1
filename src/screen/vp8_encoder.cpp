#include "screen/vp8_encoder.h"

#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

#include <algorithm>

#include "screen/limits.h"

namespace earshot::screen {

struct Vp8Encoder::Codec {
    vpx_codec_ctx_t context{};
};

void Vp8Encoder::End::operator()(Codec* codec) const {
    vpx_codec_destroy(&codec->context);
    delete codec;
}

bool Vp8Encoder::open(std::size_t width, std::size_t height) {
    codec_.reset();
    vpx_codec_enc_cfg_t config;
    if (vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &config, 0) != VPX_CODEC_OK) return false;
    config.g_w = static_cast<unsigned>(width);
    config.g_h = static_cast<unsigned>(height);
    config.g_timebase = {.num = 1, .den = 90'000};
    config.g_threads = 1;
    config.g_lag_in_frames = 0;
    config.rc_end_usage = VPX_CBR;
    config.rc_target_bitrate = std::clamp(static_cast<unsigned>(width * height / kPixelsOfKilobit),
                                          kLeastKilobits, kMostKilobits);
    config.rc_dropframe_thresh = 0;
    config.rc_resize_allowed = 0;
    config.rc_min_quantizer = 4;
    config.rc_max_quantizer = 48;
    config.kf_mode = VPX_KF_DISABLED;  // those that are asked for
    auto codec = std::make_unique<Codec>();
    if (vpx_codec_enc_init(&codec->context, vpx_codec_vp8_cx(), &config, 0) != VPX_CODEC_OK)
        return false;
    codec_.reset(codec.release());
    // The fastest that still looks for motion: a scrolled page is little.
    static_cast<void>(vpx_codec_control(&codec_->context, VP8E_SET_CPUUSED, -8));
    static_cast<void>(vpx_codec_control(&codec_->context, VP8E_SET_SCREEN_CONTENT_MODE, 1U));
    static_cast<void>(vpx_codec_control(&codec_->context, VP8E_SET_STATIC_THRESHOLD, 1U));
    width_ = width;
    height_ = height;
    last_time_ = -1;
    return true;
}

bool Vp8Encoder::encode(I420& picture, std::int64_t time, bool wants_key, base::Bytes& frame,
                        bool& is_key) {
    frame.clear();
    if (!codec_ || picture.width != width_ || picture.height != height_) {
        if (!open(picture.width, picture.height)) return false;
    }
    vpx_image_t image;
    const auto width = static_cast<unsigned>(width_);
    const auto height = static_cast<unsigned>(height_);
    if (vpx_img_wrap(&image, VPX_IMG_FMT_I420, width, height, 1, picture.y()) == nullptr)
        return false;
    // libvpx has its own idea of where the planes of an odd size lie.
    image.planes[VPX_PLANE_Y] = picture.y();
    image.planes[VPX_PLANE_U] = picture.u();
    image.planes[VPX_PLANE_V] = picture.v();
    image.stride[VPX_PLANE_Y] = static_cast<int>(width_);
    image.stride[VPX_PLANE_U] = image.stride[VPX_PLANE_V] =
        static_cast<int>(picture.chroma_width());
    last_time_ = std::max(time, last_time_ + 1);
    const vpx_enc_frame_flags_t flags = wants_key ? VPX_EFLAG_FORCE_KF : 0;
    if (vpx_codec_encode(&codec_->context, &image, last_time_, 9'000, flags, VPX_DL_REALTIME) !=
        VPX_CODEC_OK)
        return false;
    vpx_codec_iter_t iterator = nullptr;
    while (const vpx_codec_cx_pkt_t* packet = vpx_codec_get_cx_data(&codec_->context, &iterator)) {
        if (packet->kind != VPX_CODEC_CX_FRAME_PKT) continue;
        const auto* bytes = static_cast<const std::uint8_t*>(packet->data.frame.buf);
        base::append(frame, {bytes, packet->data.frame.sz});
        is_key = (packet->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
    }
    return !frame.empty();
}

}  // namespace earshot::screen
