#include "loadgen/slide_picture.h"

#include <algorithm>
#include <memory>

namespace earshot::loadgen {

namespace {

constexpr std::uint32_t kAcross = kSlideWidth / 16;
constexpr std::uint32_t kDown = kSlideHeight / 16;
constexpr std::uint32_t kBlocks = kAcross * kDown;
constexpr std::uint32_t kHalfWidth = kSlideWidth / 2;

struct Colour {
    std::uint8_t y = 0;
    std::uint8_t u = 0;
    std::uint8_t v = 0;
    friend bool operator==(const Colour&, const Colour&) = default;
};

constexpr Colour kWhite{235, 128, 128};
constexpr Colour kPaper{225, 120, 133};
constexpr Colour kGrey{170, 128, 128};
constexpr Colour kInk{60, 128, 128};
constexpr Colour kDesktop{95, 150, 105};
// One for each page: blue, red, green, orange, purple, teal.
constexpr std::array<Colour, kSlidePages> kAccents{{{80, 180, 100},
                                                    {90, 100, 200},
                                                    {110, 95, 90},
                                                    {150, 70, 175},
                                                    {85, 165, 160},
                                                    {125, 140, 80}}};

// x, y and sizes in samples of luminance; even, so that chrominance has whole ones.
void fill(SlideCanvas& canvas, std::uint32_t x, std::uint32_t y, std::uint32_t width,
          std::uint32_t height, const Colour& colour) {
    const std::uint32_t right = std::min(x + width, kSlideWidth);
    const std::uint32_t bottom = std::min(y + height, kSlideHeight);
    for (std::uint32_t row = y; row < bottom; ++row) {
        for (std::uint32_t column = x; column < right; ++column) {
            canvas.y.at(row * kSlideWidth + column) = colour.y;
            canvas.u.at(row / 2 * kHalfWidth + column / 2) = colour.u;
            canvas.v.at(row / 2 * kHalfWidth + column / 2) = colour.v;
        }
    }
}

// Strips of changing length, as text looks from afar.
void draw_text(SlideCanvas& canvas, std::uint32_t x, std::uint32_t y, std::uint32_t width,
               std::uint32_t lines, std::uint32_t page) {
    for (std::uint32_t line = 0; line < lines; ++line) {
        const std::uint32_t part = 5 + (line * 7 + page * 3) % 6;  // tenths
        fill(canvas, x, y + 12 * line, width * part / 10 / 2 * 2, 4, kInk);
    }
}

void draw_document(SlideCanvas& canvas, std::uint32_t page) {
    fill(canvas, 0, 0, kSlideWidth, kSlideHeight, kWhite);
    fill(canvas, 0, 0, kSlideWidth, 32, kAccents.at(page));
    fill(canvas, 24, 12, 120 + 16 * page, 8, kWhite);  // the title
    draw_text(canvas, 24, 52, 150, 8, page);
    fill(canvas, 208, 48, 96, 80, kAccents.at((page + 2) % kSlidePages));  // a picture
    fill(canvas, 224, 64, 64 - 8 * (page % 4), 48, kPaper);
    for (std::uint32_t dot = 0; dot <= page; ++dot)  // the page's number
        fill(canvas, 240 + 12 * dot, 160, 8, 8, kInk);
}

void draw_application(SlideCanvas& canvas, std::uint32_t page) {
    fill(canvas, 0, 0, kSlideWidth, kSlideHeight, kPaper);
    fill(canvas, 0, 0, kSlideWidth, 16, kInk);    // the window's title
    fill(canvas, 0, 16, kSlideWidth, 16, kGrey);  // its menu
    fill(canvas, 32, 48, 2, 112, kInk);           // the axes of a chart
    fill(canvas, 32, 160, 272, 2, kInk);
    for (std::uint32_t bar = 0; bar < 6; ++bar) {
        const std::uint32_t height = 20 + (bar * 37 + page * 29) % 90 / 2 * 2;
        fill(canvas, 48 + 42 * bar, 160 - height, 28, height,
             kAccents.at((bar + page) % kSlidePages));
    }
}

void draw_screen(SlideCanvas& canvas, std::uint32_t page) {
    fill(canvas, 0, 0, kSlideWidth, kSlideHeight, kDesktop);
    fill(canvas, 0, 160, kSlideWidth, 16, kInk);  // the task bar
    for (std::uint32_t task = 0; task < 4; ++task)
        fill(canvas, 8 + 28 * task, 164, 20, 8, task == page % 4 ? kWhite : kAccents.at(task));
    const std::uint32_t x = 16 + 16 * page;
    fill(canvas, x, 16 + 8 * page, 176, 96, kWhite);  // a window that is moved about
    fill(canvas, x, 16 + 8 * page, 176, 12, kAccents.at(page));
    draw_text(canvas, x + 12, 38 + 8 * page, 140, 5, page);
}

Colour sample(const SlideCanvas& canvas, std::uint32_t x, std::uint32_t y) {
    const std::uint32_t half = y / 2 * kHalfWidth + x / 2;
    return {canvas.y.at(y * kSlideWidth + x), canvas.u.at(half), canvas.v.at(half)};
}

bool is_even(const SlideCanvas& canvas, std::uint32_t x, std::uint32_t y, std::uint32_t width,
             std::uint32_t height, const Colour& colour) {
    for (std::uint32_t row = y; row < y + height; ++row)
        for (std::uint32_t column = x; column < x + width; ++column)
            if (!(sample(canvas, column, row) == colour)) return false;
    return true;
}

// Whether DC prediction (sections 8.3.3.3 and 8.3.4) gives the block as it is: it is even, and so
// are, in the same colour, the samples of the neighbours that touch it.
bool is_predictable(const SlideCanvas& canvas, std::uint32_t block) {
    const std::uint32_t x = block % kAcross * 16;
    const std::uint32_t y = block / kAcross * 16;
    const Colour colour = sample(canvas, x, y);
    if (x == 0 && y == 0) return false;
    if (x > 0 && !is_even(canvas, x - 1, y, 1, 16, colour)) return false;
    if (y > 0 && !is_even(canvas, x, y - 1, 16, 1, colour)) return false;
    return is_even(canvas, x, y, 16, 16, colour);
}

void write_samples(NalWriter& nal, const SlideCanvas& canvas, std::uint32_t block) {
    const std::uint32_t x = block % kAcross * 16;
    const std::uint32_t y = block / kAcross * 16;
    nal.align_zero();
    for (std::uint32_t row = y; row < y + 16; ++row)
        for (std::uint32_t column = x; column < x + 16; ++column)
            nal.octet(canvas.y.at(row * kSlideWidth + column));
    for (const auto* plane : {&canvas.u, &canvas.v})
        for (std::uint32_t row = y / 2; row < y / 2 + 8; ++row)
            for (std::uint32_t column = x / 2; column < x / 2 + 8; ++column)
                nal.octet(plane->at(row * kHalfWidth + column));
}

// Of no coefficients (table 9-5): by how many the neighbours have, which is 16 of an I_PCM block
// and none of a predicted one.
void write_no_coefficients(NalWriter& nal, const std::array<bool, kBlocks>& is_given,
                           std::uint32_t block) {
    const bool has_left = block % kAcross != 0;
    const bool has_above = block >= kAcross;
    std::uint32_t count = 0;
    if (has_left && is_given.at(block - 1)) count += 16;
    if (has_above && is_given.at(block - kAcross)) count += 16;
    if (has_left && has_above) count = (count + 1) / 2;
    if (count < 2) {
        nal.bits(1, 1);
    } else {
        nal.bits(3, 6);
    }
}

}  // namespace

std::string_view to_string(Sharing sharing) {
    switch (sharing) {
        case Sharing::Screen:
            return "screen";
        case Sharing::Application:
            return "application";
        case Sharing::Document:
            break;
    }
    return "document";
}

std::optional<Sharing> find_sharing(std::string_view word) {
    for (const Sharing one : {Sharing::Screen, Sharing::Application, Sharing::Document})
        if (to_string(one) == word) return one;
    return std::nullopt;
}

std::string_view title_of(Sharing sharing) {
    switch (sharing) {
        case Sharing::Screen:
            return "Desktop";
        case Sharing::Application:
            return "Orders by week";
        case Sharing::Document:
            break;
    }
    return "Quarterly report";
}

SlideCanvas draw_slide(Sharing sharing, std::uint32_t page) {
    SlideCanvas canvas;
    page %= kSlidePages;
    switch (sharing) {
        case Sharing::Screen:
            draw_screen(canvas, page);
            break;
        case Sharing::Application:
            draw_application(canvas, page);
            break;
        case Sharing::Document:
            draw_document(canvas, page);
            break;
    }
    return canvas;
}

base::Bytes slide_sequence_set() { return h264_sequence_set_of(kAcross, kDown); }

base::Bytes slide_key_picture(Sharing sharing, std::uint32_t page) {
    const auto canvas = std::make_unique<SlideCanvas>(draw_slide(sharing, page));
    std::array<bool, kBlocks> is_given{};
    NalWriter nal(0x65);
    write_slice_header(nal, true, 0);
    for (std::uint32_t block = 0; block < kBlocks; ++block) {
        is_given.at(block) = !is_predictable(*canvas, block);
        if (is_given.at(block)) {
            nal.ue(25);  // I_PCM (table 7-11)
            write_samples(nal, *canvas, block);
            continue;
        }
        nal.ue(3);  // I_16x16_2_0_0: DC, no residual but its own, which is empty
        nal.ue(0);  // intra_chroma_pred_mode: DC
        nal.ue(0);  // mb_qp_delta
        write_no_coefficients(nal, is_given, block);
    }
    return nal.finish();
}

base::Bytes slide_next_picture(std::uint32_t since_key) {
    NalWriter nal(0x41);
    write_slice_header(nal, false, since_key);
    nal.ue(kBlocks);  // mb_skip_run: all
    return nal.finish();
}

}  // namespace earshot::loadgen
