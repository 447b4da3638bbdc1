#include "archive/pack.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "io/faulty_file.h"

namespace earshot::archive {
namespace {

using base::Bytes;
using base::ByteView;

base::Uuid some_id() {
    base::Uuid id;
    id.bytes.fill(7);
    return id;
}

class PackTest : public testing::Test {
protected:
    // Grows two parts in turn, piece by piece, and a third with nothing in it.
    void write(std::size_t pieces, std::size_t size) {
        file_ = *files_.create("pack");
        PackWriter writer(*file_, some_id());
        io::File& one = writer.create("one");
        io::File& two = writer.create("folder/two.xml");
        writer.create("nothing");
        base::SeededRandom random(1);
        for (std::size_t i = 0; i < pieces; ++i) {
            append(one, size, random, one_);
            append(two, size / 3 + 1, random, two_);
        }
        ASSERT_TRUE(writer.close("one"));
        ASSERT_TRUE(writer.finish());
    }
    static void append(io::File& part, std::size_t size, base::Random& random, Bytes& expected) {
        Bytes bytes(size);
        random.fill(bytes);
        ASSERT_TRUE(part.write_at(expected.size(), bytes));
        base::append(expected, bytes);
    }
    base::Result<PackReader> open() { return PackReader::open(*files_.open_for_reading("pack")); }
    Bytes read(const std::string& name) {
        auto part = std::move(*open()).take(name);
        EXPECT_TRUE(part) << name;
        if (!part) return {};
        Bytes bytes(static_cast<std::size_t>(*(*part)->size()) + 1);
        const auto count = (*part)->read_at(0, bytes);
        EXPECT_TRUE(count);
        bytes.resize(*count);
        return bytes;
    }

    io::FaultyFileSystem files_;
    std::unique_ptr<io::File> file_;
    Bytes one_;
    Bytes two_;
};

TEST_F(PackTest, GivesBackEachPart) {
    for (const std::size_t size : {std::size_t{10}, std::size_t{5000}, std::size_t{70'000}}) {
        one_.clear();
        two_.clear();
        (void)files_.remove("pack");
        write(40, size);
        EXPECT_EQ(open()->recording(), some_id());
        EXPECT_EQ(open()->names(), (std::vector<std::string>{"folder/two.xml", "nothing", "one"}));
        EXPECT_EQ(read("one"), one_) << size;
        EXPECT_EQ(read("folder/two.xml"), two_) << size;
        EXPECT_EQ(read("nothing"), Bytes{});
        EXPECT_FALSE(std::move(*open()).take("other"));
    }
}

TEST_F(PackTest, PiecesThatFollowEachOtherAreOne) {
    write(1, 200'000);
    EXPECT_EQ(open()->pieces("one").size(), 1U);
    EXPECT_TRUE(open()->pieces("nothing").empty());
}

TEST_F(PackTest, IsReadAtAnyPlace) {
    write(9, 40'000);
    const auto part = std::move(*open()).take("one");
    ASSERT_TRUE(part);
    for (std::size_t at = 0; at < one_.size() + 10; at += 7919) {
        Bytes out(30'000);
        const auto count = (*part)->read_at(at, out);
        ASSERT_TRUE(count);
        const std::size_t expected = at >= one_.size() ? 0 : std::min(out.size(), one_.size() - at);
        ASSERT_EQ(*count, expected) << at;
        ASSERT_TRUE(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(expected),
                               one_.begin() + static_cast<std::ptrdiff_t>(at)));
    }
}

TEST_F(PackTest, CanBeReadWhileItIsWritten) {
    file_ = *files_.create("pack");
    PackWriter writer(*file_, some_id());
    io::File& one = writer.create("one");
    io::File& two = writer.create("two");
    base::SeededRandom random(1);
    for (const std::size_t size : {100U, 30'000U, 5U, 70'000U, 9U}) {
        append(one, size, random, one_);
        append(two, 20'000, random, two_);
        Bytes out(one_.size() + 5);
        const auto count = one.read_at(3, out);
        ASSERT_TRUE(count);
        ASSERT_EQ(*count, one_.size() - 3);
        EXPECT_TRUE(std::equal(one_.begin() + 3, one_.end(), out.begin()));
        EXPECT_EQ(*one.read_at(one_.size(), out), 0U);
    }
}

TEST_F(PackTest, PartsHaveNoHolesAndAreNotWrittenTwice) {
    file_ = *files_.create("pack");
    PackWriter writer(*file_, some_id());
    io::File& part = writer.create("part");
    ASSERT_TRUE(part.write_at(0, Bytes{1, 2, 3}));
    EXPECT_FALSE(part.write_at(2, Bytes{4}));
    EXPECT_FALSE(part.write_at(4, Bytes{4}));
    EXPECT_FALSE(part.truncate(2));
    EXPECT_TRUE(part.truncate(3));
}

TEST_F(PackTest, RefusesEachTruncation) {
    write(2, 50);
    const Bytes whole = files_.content("pack");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        files_.put("pack", ByteView(whole).first(size));
        EXPECT_FALSE(open()) << size;
    }
}

TEST_F(PackTest, NoticesEachAlteredByteOfHeaderIndexAndTrailer) {
    write(2, 50);
    const Bytes whole = files_.content("pack");
    for (std::size_t at = 0; at < whole.size(); ++at) {
        const bool is_id = at >= 16 && at < 32;
        const bool is_content = at >= 32 && at < 32 + one_.size() + two_.size();
        if (is_content) continue;
        files_.corrupt("pack", at, 0x10);
        const auto reader = open();
        EXPECT_TRUE(!reader || (is_id && reader->recording() != some_id())) << at;
        files_.corrupt("pack", at, 0x10);
    }
}

TEST_F(PackTest, TellsThatItIsOfALaterVersion) {
    write(1, 1);
    files_.corrupt("pack", 8, 3);
    const auto reader = open();
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().code, base::Errc::Unsupported);
}

TEST_F(PackTest, TellsOfEachWriteThatFails) {
    for (std::uint64_t n = 1;; ++n) {
        io::FaultyFileSystem files;
        const auto file = *files.create("pack");
        const std::uint64_t before = files.calls();
        files.fail_call(n, 28);
        PackWriter writer(*file, some_id());
        io::File& part = writer.create("part");
        bool is_good = true;
        for (std::size_t i = 0; i < 3; ++i)
            is_good = part.write_at(i * 40'000, Bytes(40'000)) && is_good;
        is_good = writer.finish() && is_good;
        if (files.calls() < before + n) {
            EXPECT_TRUE(is_good);
            break;
        }
        EXPECT_FALSE(is_good) << n;
    }
}

}  // namespace
}  // namespace earshot::archive
