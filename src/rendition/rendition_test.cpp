#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "rendition/job.h"
#include "rendition/packet_stream.h"
#include "rendition/product.h"
#include "rendition/report.h"
#include "rendition/worker.h"

namespace earshot::rendition {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

Job make_job() {
    Job job{.product = Product::Webm,
            .title = "Ada and \"Bo\"",
            .started = "2026-03-02T09:15:00.000Z",
            .duration_ms = 61'000};
    job.streams.push_back({.number = 3,
                           .label = "1",
                           .media = "video",
                           .name = "Ada",
                           .is_content = true,
                           .is_first = false,
                           .formats = {{.payload_type = 96,
                                        .is_used = true,
                                        .encoding = "H264",
                                        .clock_rate = 90'000,
                                        .channels = 1,
                                        .fmtp = "packetization-mode=1"}},
                           .gaps = {{1000, 2000, "paused"}}});
    return job;
}

TEST(Job, IsReadAsItWasWritten) {
    const auto job = parse_job(to_json(make_job()));
    ASSERT_TRUE(job);
    EXPECT_EQ(*job, make_job());
}

TEST(Job, IsRefusedWhenCutAnywhere) {
    const std::string line = to_json(make_job());
    for (std::size_t size = 0; size < line.size(); ++size)
        EXPECT_FALSE(parse_job(std::string_view(line).substr(0, size))) << size;
}

TEST(Job, HasLimits) {
    Job job = make_job();
    job.streams.resize(kMaxJobStreams, job.streams.front());
    EXPECT_TRUE(parse_job(to_json(job)));
    job.streams.push_back(job.streams.front());
    EXPECT_FALSE(parse_job(to_json(job)));
}

TEST(Product, HasNamesThatAreReadBack) {
    for (std::size_t i = 0; i < kProductCount; ++i) {
        const auto product = static_cast<Product>(i);
        EXPECT_EQ(parse_product(to_string(product)), product);
    }
    EXPECT_EQ(parse_product("opus"), Product::Ogg);
    EXPECT_FALSE(parse_product("avi"));
    EXPECT_EQ(container_of(Product::Track, "h264"), Container::Mp4);
    EXPECT_EQ(container_of(Product::Track, "VP9"), Container::Webm);
    EXPECT_FALSE(container_of(Product::Track, "H263"));
}

TEST(PacketStream, ReadsTheHeaderThatItWrote) {
    const RecordHeader header{.type = RecordType::Preview,
                              .begins_segment = true,
                              .begins_piece = true,
                              .stream = 7,
                              .format = 2,
                              .size = 3,
                              .position_ns = -5};
    base::Bytes bytes;
    append_record(bytes, header, base::Bytes{1, 2, 3});
    ASSERT_THAT(bytes, SizeIs(kRecordHeaderBytes + 3));
    EXPECT_EQ(*parse_record_header(bytes), header);
    for (std::size_t size = 0; size < kRecordHeaderBytes; ++size)
        EXPECT_FALSE(parse_record_header(base::ByteView(bytes).first(size)));
    bytes[0] = 4;
    EXPECT_FALSE(parse_record_header(bytes));
}

TEST(PacketStream, RefusesWhatIsTooLarge) {
    base::Bytes bytes;
    append_record(bytes, {}, base::Bytes(kMaxPacketBytes));
    EXPECT_TRUE(parse_record_header(bytes));
    bytes.clear();
    append_record(bytes, {}, base::Bytes(kMaxPacketBytes + 1));
    EXPECT_FALSE(parse_record_header(bytes));
    EXPECT_TRUE(parse_output_header(make_output_header({.size = kMaxFrameBytes, .offset = 0})));
    EXPECT_FALSE(
        parse_output_header(make_output_header({.size = kMaxFrameBytes + 1, .offset = 0})));
}

TEST(Report, IsReadAsItWasWritten) {
    Report report;
    report.tracks.push_back({.stream = 1, .codec = "EVS", .state = "left_out", .text = "why"});
    report.faults.push_back(
        {.stream = 2, .at_ms = 1500, .duration_ms = 20, .count = 3, .text = "damaged"});
    report.marks = {{.stream = 3, .at_ms = 0}, {.stream = 3, .at_ms = 61'000}};
    const auto message = parse_message(done_line(report));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->done, report);
    EXPECT_EQ(parse_message(progress_line(17))->at_ms, 17);
    EXPECT_EQ(parse_message(error_line({"no_audio", "None."}))->error->code, "no_audio");
    EXPECT_FALSE(parse_message("[]"));
}

// ---- run_worker, with programs that misbehave.

class EmptySource : public PacketSource {
public:
    base::Result<bool, base::Reason> next(base::Bytes& out) override {
        append_record(out, {.type = RecordType::End}, {});
        return false;
    }
};
// More than any pipe holds.
class EndlessSource : public PacketSource {
public:
    base::Result<bool, base::Reason> next(base::Bytes& out) override {
        append_record(out, {}, base::Bytes(1000));
        return true;
    }
};
class MemorySink : public Sink {
public:
    base::Result<base::Done, base::Reason> write(std::uint64_t offset,
                                                 base::ByteView bytes) override {
        if (offset + bytes.size() > content.size())
            content.resize(static_cast<std::size_t>(offset) + bytes.size());
        std::copy(bytes.begin(), bytes.end(),
                  content.begin() + static_cast<std::ptrdiff_t>(offset));
        return base::Done{};
    }
    void on_progress(std::int64_t at_ms) override { progress_ms = at_ms; }
    base::Bytes content;
    std::int64_t progress_ms = -1;
};

class Worker : public ::testing::Test {
protected:
    Worker() {
        std::string path = (std::filesystem::temp_directory_path() / "earshot-XXXXXX").string();
        directory_ = ::mkdtemp(path.data());
    }
    ~Worker() override { std::filesystem::remove_all(directory_); }

    base::Result<Report, base::Reason> run(const std::string& script,
                                           std::chrono::milliseconds stall = kStallTime) {
        EmptySource source;
        return run(script, source, stall);
    }
    base::Result<Report, base::Reason> run(const std::string& script, PacketSource& source,
                                           std::chrono::milliseconds stall = kStallTime) {
        const std::filesystem::path program = directory_ / "child";
        std::ofstream(program) << "#!/bin/sh\n" << script << "\n";
        std::filesystem::permissions(program, std::filesystem::perms::owner_all);
        return run_worker({.program = program.string(), .stall = stall}, make_job(), source, sink_,
                          is_cancelled_);
    }
    static std::string code(const base::Result<Report, base::Reason>& result) {
        return result ? "ok" : result.error().code;
    }

    std::filesystem::path directory_;
    MemorySink sink_;
    std::atomic<bool> is_cancelled_{false};
};

TEST_F(Worker, TakesTheOutputAndTheReport) {
    const auto result = run(
        R"(cat >/dev/null
           printf 'EFRM\003\000\000\000\000\000\000\000\000\000\000\000abc'
           printf 'EFRM\001\000\000\000\001\000\000\000\000\000\000\000X'
           echo '{"at_ms":1500}' >&3
           echo '{"done":{"tracks":[],"faults":[]}}' >&3)");
    EXPECT_EQ(code(result), "ok");
    EXPECT_EQ(base::as_text(sink_.content), "aXc");
    EXPECT_EQ(sink_.progress_ms, 1500);
}

TEST_F(Worker, GivesTheReasonThatTheChildGives) {
    const auto result = run(R"(echo '{"error":{"code":"no_audio","text":"None."}}' >&3; exit 1)");
    EXPECT_EQ(code(result), "no_audio");
    EXPECT_EQ(result.error().text, "None.");
}

TEST_F(Worker, TellsACrashFromAnEndWithoutAWord) {
    auto result = run("kill -SEGV $$");
    EXPECT_EQ(code(result), "media_crashed");
    EXPECT_THAT(result.error().text, HasSubstr("signal 11"));
    result = run("echo 'something odd' >&2; exit 7");
    EXPECT_EQ(code(result), "media_crashed");
    EXPECT_THAT(result.error().text, HasSubstr("exit code 7"));
    EXPECT_THAT(result.error().text, HasSubstr("something odd"));
    EXPECT_EQ(code(run("exit 0")), "media_crashed");
}

TEST_F(Worker, EndsAChildThatHangs) {
    EXPECT_EQ(code(run("exec sleep 600", std::chrono::milliseconds(200))), "media_stalled");
    EndlessSource source;  // one that reads nothing, neither
    EXPECT_EQ(code(run("exec sleep 600", source, std::chrono::milliseconds(200))), "media_stalled");
}

TEST_F(Worker, EndsAChildWhenItIsCancelled) {
    is_cancelled_ = true;
    EXPECT_EQ(code(run("exec sleep 600")), "cancelled");
}

TEST_F(Worker, SurvivesAChildThatReadsNothing) {
    EndlessSource source;
    EXPECT_EQ(
        code(run(R"(echo '{"error":{"code":"cannot_render","text":"No."}}' >&3; exit 1)", source)),
        "cannot_render");
}

TEST_F(Worker, RefusesOutputThatIsNoneOfTheFormat) {
    EXPECT_EQ(code(run("echo 'this is no frame of any kind'; exec sleep 600")), "media_malformed");
    EXPECT_EQ(code(run("echo 'no json' >&3; exec sleep 600")), "media_malformed");
    EXPECT_EQ(code(run("while :; do printf '%1024s' x >&3 || exit 1; done")), "media_malformed");
}

TEST_F(Worker, SaysWhenTheProgramIsNotThere) {
    EmptySource source;
    const auto result = run_worker({.program = "/nonexistent/earshot-media"}, make_job(), source,
                                   sink_, is_cancelled_);
    EXPECT_EQ(code(result), "media_missing");
}

}  // namespace
}  // namespace earshot::rendition
