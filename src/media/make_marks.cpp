// Where shared content changes: {"marks": [{"label", "at_ms"}, ...]}, by time.
#include "base/json_writer.h"
#include "media/slide_marks.h"
#include "media/stage.h"
#include "media/unit_queue.h"

namespace earshot::media {

Outcome make_marks(Stage& stage) {
    UnitQueue queue(stage.job);
    SlideMarks marks;
    const auto take = [&] {
        while (const auto unit = queue.poll()) marks.add(*unit);
    };
    while (true) {
        auto record = stage.input.next();
        if (!record) return record.error();
        if (!record->has_value()) break;
        queue.add(**record);
        take();
        stage.on_progress((*record)->header.position_ns);
    }
    queue.finish();
    take();
    stage.report.marks = marks.finish();
    std::string text;
    base::JsonWriter out(text);
    out.begin_object().key("marks").begin_array();
    for (const rendition::Mark& mark : stage.report.marks)
        out.begin_object()
            .field("label", stage.find_stream(mark.stream)->label)
            .field("at_ms", mark.at_ms)
            .end_object();
    out.end_array().end_object();
    text += "\n";
    stage.output.write(base::as_bytes(text));
    return base::Done{};
}

}  // namespace earshot::media
