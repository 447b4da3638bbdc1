#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

#include "base/text.h"
#include "io/faulty_file.h"
#include "io/linux_file.h"
#include "keys/kek_file.h"
#include "keys/key_command.h"
#include "keys/key_store.h"
#include "keys/limits.h"

namespace earshot::keys {
namespace {

using base::Bytes;
using base::Reason;
using base::Result;
using base::Uuid;
using crypto::SecretKey;

constexpr const char* kDirectory = "data/keys/kek";

base::WallTime at(std::int64_t seconds) {
    return base::WallTime{std::chrono::seconds{1'700'000'000 + seconds}};
}

bool is_same(const SecretKey& a, const SecretKey& b) {
    return std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin());
}

std::unique_ptr<KeyStore> open_store(io::FileSystem& files, const KeySealer* sealer = nullptr,
                                     std::uint64_t seed = 1) {
    base::SeededRandom random(seed);
    auto store = KeyStore::open(files, kDirectory, sealer, at(0), random);
    EXPECT_TRUE(store) << (store ? "" : store.error().text);
    return store ? std::move(*store) : nullptr;
}

Reason open_error(io::FileSystem& files, const KeySealer* sealer = nullptr) {
    base::SeededRandom random(9);
    const auto store = KeyStore::open(files, kDirectory, sealer, at(0), random);
    return store ? Reason{"none", ""} : store.error();
}

std::string path_of(const Uuid& id) {
    return std::string(kDirectory) + "/" + base::to_string(id) + ".key";
}

// A KMS of one key stream, and of moods.
class XorSealer : public KeySealer {
public:
    Result<Bytes, Reason> wrap(const Uuid& id, const SecretKey& key) const override {
        if (fails) return Reason{"key_command_failed", "Denied."};
        Bytes blob(id.bytes.begin(), id.bytes.end());
        for (const std::uint8_t byte : key.bytes()) blob.push_back(byte ^ 0x5aU);
        return blob;
    }
    Result<SecretKey, Reason> unwrap(const Uuid& /*id*/, base::ByteView blob) const override {
        if (fails || blob.size() != 48) return Reason{"key_command_failed", "Denied."};
        Bytes key;
        for (const std::uint8_t byte : blob.subspan(16))
            key.push_back(byte ^ (returns_another ? 0x5bU : 0x5aU));
        return SecretKey::from(key);
    }
    bool fails = false;
    bool returns_another = false;
};

TEST(KekFile, IsWrittenAndReadBack) {
    base::SeededRandom random(1);
    const SecretKey key = SecretKey::generate(random);
    const Uuid id = base::make_uuid_v7(at(0), random);
    KekFile file{.is_sealed = false, .check = check_of(id, key)};
    file.content.assign(key.bytes().begin(), key.bytes().end());
    for (const bool is_sealed : {false, true}) {
        file.is_sealed = is_sealed;
        const std::string text = to_text(file);
        const auto back = parse_kek_file(text);
        ASSERT_TRUE(back) << back.error().what;
        EXPECT_EQ(back->is_sealed, is_sealed);
        EXPECT_EQ(back->check, file.check);
        EXPECT_EQ(back->content, file.content);
        for (std::size_t size = 0; !is_sealed && size + 2 < text.size(); ++size)
            EXPECT_FALSE(parse_kek_file(text.substr(0, size))) << size;
    }
}

// A file of version 1 as it was released: it must stay readable.
TEST(KekFile, ReadsTheFirstVersion) {
    const auto file = parse_kek_file(
        "earshot-kek-1 plain 1c9a43eca41683cb AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    ASSERT_TRUE(file);
    EXPECT_EQ(file->content.size(), 32U);
    EXPECT_EQ(file->content[31], 31);
    EXPECT_EQ(check_of(*base::parse_uuid("01980000-0000-7000-8000-000000000001"),
                       SecretKey::from(file->content)),
              "1c9a43eca41683cb");
}

TEST(KekFile, RefusesWhatItDoesNotKnow) {
    EXPECT_EQ(parse_kek_file("earshot-kek-2 plain 00").error().code, base::Errc::Unsupported);
    for (const char* text :
         {"", "earshot-kek-1", "earshot-ed25519-1 AAAA",
          "earshot-kek-1 open 1c9a43eca41683cb AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
          "earshot-kek-1 plain 1C9A43ECA41683CB AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
          "earshot-kek-1 plain 1c9a43eca41683 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
          "earshot-kek-1 plain 1c9a43eca41683cb AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
          "earshot-kek-1 sealed 1c9a43eca41683cb ", "earshot-kek-1 sealed 1c9a43eca41683cb !"})
        EXPECT_EQ(parse_kek_file(text).error().code, base::Errc::Malformed) << text;
    const KekFile largest{
        .is_sealed = true, .check = "1c9a43eca41683cb", .content = Bytes(kMaxSealedBytes, 7)};
    EXPECT_LE(to_text(largest).size(), kMaxKekFileBytes);
    EXPECT_TRUE(parse_kek_file(to_text(largest)));
    KekFile larger = largest;
    larger.content.push_back(7);
    EXPECT_FALSE(parse_kek_file(to_text(larger)));
}

TEST(KeyStore, MakesItsFirstKeyAndFindsItAgain) {
    io::FaultyFileSystem files;
    const auto first = open_store(files);
    base::SeededRandom random(5);
    const SecretKey data = SecretKey::generate(random);
    const crypto::WrappedKey wrapped = first->wrap(data);
    files.power_loss();
    const auto second = open_store(files, nullptr, 2);
    EXPECT_EQ(second->current(), first->current());
    EXPECT_TRUE(is_same(*second->unwrap(wrapped), data));
    EXPECT_EQ(files.paths().size(), 1U);
    ASSERT_EQ(second->list().size(), 1U);
    EXPECT_EQ(second->list()[0].made, at(0));
    EXPECT_TRUE(second->list()[0].is_current);
    EXPECT_FALSE(second->list()[0].is_sealed);
}

TEST(KeyStore, ReadsWithoutMakingAnything) {
    io::FaultyFileSystem files;
    EXPECT_EQ(KeyStore::open_for_reading(files, kDirectory, nullptr).error().code, "not_found");
    EXPECT_TRUE(files.paths().empty());
    const auto store = open_store(files);
    const auto reader = KeyStore::open_for_reading(files, kDirectory, nullptr);
    ASSERT_TRUE(reader);
    EXPECT_EQ((*reader)->current(), store->current());
}

TEST(KeyStore, WrapsWithTheNewestAndUnwrapsWithAll) {
    io::FaultyFileSystem files;
    const auto store = open_store(files);
    base::SeededRandom random(5);
    const SecretKey data = SecretKey::generate(random);
    const crypto::WrappedKey old = store->wrap(data);
    const auto id = store->add(at(-1000), random);  // the clock was set back
    ASSERT_TRUE(id) << id.error().text;
    EXPECT_GT(*id, old.wrapped_by);
    EXPECT_EQ(store->current(), *id);
    EXPECT_EQ(store->wrap(data).wrapped_by, *id);
    EXPECT_TRUE(is_same(*store->unwrap(old), data));
    const auto again = open_store(files);
    EXPECT_EQ(again->current(), *id);
    EXPECT_TRUE(is_same(*again->unwrap(old), data));
    ASSERT_EQ(again->list().size(), 2U);
    EXPECT_FALSE(again->list()[0].is_in_use);
    EXPECT_TRUE(again->list()[1].is_in_use);
}

TEST(KeyStore, RemovesWhatHasWrappedNothingInThisRun) {
    io::FaultyFileSystem files;
    auto store = open_store(files);
    base::SeededRandom random(5);
    const crypto::WrappedKey old = store->wrap(SecretKey::generate(random));
    ASSERT_TRUE(store->add(at(10), random));
    EXPECT_EQ(store->remove(old.wrapped_by).error().code, "key_in_use");
    EXPECT_EQ(store->remove(store->current()).error().code, "key_in_use");
    EXPECT_EQ(store->remove(Uuid{}).error().code, "not_found");
    store = open_store(files);
    EXPECT_EQ(store->remove(store->current()).error().code, "key_in_use");
    ASSERT_TRUE(store->remove(old.wrapped_by));
    EXPECT_EQ(store->unwrap(old).error().code, base::Errc::NotFound);
    files.power_loss();
    EXPECT_EQ(files.paths().size(), 1U);
    EXPECT_EQ(open_store(files)->current(), store->current());
}

TEST(KeyStore, RefusesToStartWithAKeyThatIsNotWhole) {
    io::FaultyFileSystem files;
    const Uuid id = open_store(files)->current();
    const std::size_t size = files.content(path_of(id)).size();
    for (std::size_t i = 0; i + 3 < size; ++i) {  // but for the last character's spare bits
        files.corrupt(path_of(id), i, 1);
        const Reason reason = open_error(files);
        EXPECT_EQ(reason.code, "bad_key") << i << ": " << reason.text;
        EXPECT_NE(reason.text.find(base::to_string(id)), std::string::npos);
        files.corrupt(path_of(id), i, 1);
    }
    EXPECT_EQ(open_error(files).code, "none");
    files.fail_reads(EACCES);
    EXPECT_EQ(open_error(files).code, "storage_error");
    EXPECT_EQ(open_error(files).text, "data/keys/kek cannot be used: Permission denied (opendir)");
}

TEST(KeyStore, PassesOverOtherFiles) {
    io::FaultyFileSystem files;
    const auto store = open_store(files);
    files.put(std::string(kDirectory) + "/README", base::as_bytes("x"));
    files.put(std::string(kDirectory) + "/old.key", base::as_bytes("x"));
    files.put(path_of(store->current()) + ".tmp", base::as_bytes("x"));
    EXPECT_EQ(open_store(files)->list().size(), 1U);
}

TEST(KeyStore, NeverWrapsByAKeyThatIsNotDurable) {
    for (std::uint64_t n = 1; n <= 30; ++n) {
        for (const bool power_loss : {false, true}) {
            SCOPED_TRACE(testing::Message() << "call " << n << ", power loss " << power_loss);
            io::FaultyFileSystem files(n);
            base::SeededRandom random(n);
            files.fail_call(n, EIO, power_loss ? ~std::uint64_t{0} : 1);
            auto store = KeyStore::open(files, kDirectory, nullptr, at(0), random);
            std::optional<crypto::WrappedKey> wrapped;
            const SecretKey data = SecretKey::generate(random);
            if (store) {
                wrapped = (*store)->wrap(data);
                if ((*store)->add(at(5), random)) wrapped = (*store)->wrap(data);
            }
            if (power_loss) files.power_loss();
            files.fail_call(1, 0, 0);
            const auto again = open_store(files);
            ASSERT_NE(again, nullptr);
            if (wrapped) {
                EXPECT_TRUE(is_same(*again->unwrap(*wrapped), data));
            }
        }
    }
}

TEST(KeyStore, KeepsOnlyWhatTheSealerMadeOfAKey) {
    io::FaultyFileSystem files;
    XorSealer sealer;
    auto store = open_store(files, &sealer);
    base::SeededRandom random(5);
    const SecretKey data = SecretKey::generate(random);
    const crypto::WrappedKey wrapped = store->wrap(data);
    const auto file = parse_kek_file(base::as_text(files.content(path_of(store->current()))));
    ASSERT_TRUE(file);
    EXPECT_TRUE(file->is_sealed);
    EXPECT_EQ(file->content.size(), 48U);
    EXPECT_TRUE(store->list()[0].is_sealed);
    EXPECT_TRUE(is_same(*open_store(files, &sealer)->unwrap(wrapped), data));

    EXPECT_EQ(open_error(files).code, "key_command_missing");
    sealer.fails = true;
    EXPECT_EQ(open_error(files, &sealer).text, "Denied.");
    sealer.fails = false;
    sealer.returns_another = true;
    EXPECT_EQ(open_error(files, &sealer).code, "bad_key");
}

TEST(KeyStore, TakesNoNewKeyThatItsSealerCannotGiveBack) {
    io::FaultyFileSystem files;
    XorSealer sealer;
    sealer.returns_another = true;
    EXPECT_EQ(open_error(files, &sealer).code, "bad_key");
    EXPECT_TRUE(files.paths().empty());
    sealer.fails = true;
    EXPECT_EQ(open_error(files, &sealer).code, "key_command_failed");
    EXPECT_TRUE(files.paths().empty());
}

TEST(KeyStore, SealsFromTheNextKeyOnWhereACommandIsNamedLater) {
    io::FaultyFileSystem files;
    const Uuid plain = open_store(files)->current();
    const XorSealer sealer;
    const auto store = open_store(files, &sealer);
    EXPECT_EQ(store->current(), plain);
    base::SeededRandom random(5);
    ASSERT_TRUE(store->add(at(5), random));
    EXPECT_FALSE(store->list()[0].is_sealed);
    EXPECT_TRUE(store->list()[1].is_sealed);
    EXPECT_EQ(open_store(files, &sealer)->list().size(), 2U);
}

// On a real disk: the in-memory one has no permissions.
class KeyStoreOnDisk : public testing::Test {
protected:
    void SetUp() override {
        const std::string name = testing::TempDir() + "earshot-keys-XXXXXX";
        std::string path = name;
        ASSERT_NE(::mkdtemp(path.data()), nullptr);
        directory_ = path;
    }
    void TearDown() override { (void)files_.remove_tree(directory_); }

    io::LinuxFileSystem files_;
    std::string directory_;
    base::SeededRandom random_{1};
};

TEST_F(KeyStoreOnDisk, RefusesKeysThatOthersCanRead) {
    const std::string kek = directory_ + "/keys/kek";
    Uuid id;
    {
        const auto store = KeyStore::open(files_, kek, nullptr, at(0), random_);
        ASSERT_TRUE(store) << store.error().text;
        id = (*store)->current();
    }
    const std::string path = kek + "/" + base::to_string(id) + ".key";
    for (const mode_t mode : {0640U, 0604U, 0620U}) {
        ASSERT_EQ(::chmod(path.c_str(), mode), 0);
        const auto store = KeyStore::open(files_, kek, nullptr, at(0), random_);
        ASSERT_FALSE(store);
        EXPECT_EQ(store.error().code, "bad_key");
        EXPECT_NE(store.error().text.find("chmod 600 " + path), std::string::npos);
    }
    ASSERT_EQ(::chmod(path.c_str(), 0400), 0);
    EXPECT_TRUE(KeyStore::open(files_, kek, nullptr, at(0), random_));
}

class KeyCommandTest : public KeyStoreOnDisk {
protected:
    // A program of a few lines.
    std::vector<std::string> make_command(const std::string& script) {
        const std::string path = directory_ + "/kms";
        std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
        EXPECT_EQ(::chmod(path.c_str(), 0700), 0);
        return {path, "--key", "earshot"};
    }
    Uuid id_ = *base::parse_uuid("01980000-0000-7000-8000-000000000001");
};

TEST_F(KeyCommandTest, IsGivenVerbAndIdAndSpeaksBase64) {
    const KeyCommand command(
        make_command("echo \"$*\" >> " + directory_ + "/log\n" +
                     "if [ $3 = wrap ]; then { printf blob; base64 -d; } | base64 -w0\n"
                     "else base64 -d | tail -c +5 | base64; fi"));
    const SecretKey key = SecretKey::generate(random_);
    const auto blob = command.wrap(id_, key);
    ASSERT_TRUE(blob) << blob.error().text;
    EXPECT_EQ(base::as_text(base::ByteView(*blob).first(4)), "blob");
    const auto back = command.unwrap(id_, *blob);
    ASSERT_TRUE(back) << back.error().text;
    EXPECT_TRUE(is_same(*back, key));
    EXPECT_EQ(base::as_text(*files_.read_file(directory_ + "/log", 1000)),
              "--key earshot wrap 01980000-0000-7000-8000-000000000001\n"
              "--key earshot unwrap 01980000-0000-7000-8000-000000000001\n");
}

TEST_F(KeyCommandTest, TellsWhatTheCommandSaid) {
    const SecretKey key = SecretKey::generate(random_);
    const auto error_of = [&](const std::string& script) {
        const auto result = KeyCommand(make_command(script)).wrap(id_, key);
        return result ? "none" : result.error().text;
    };
    EXPECT_EQ(error_of("echo AccessDenied >&2; exit 4"),
              "The key command failed (" + directory_ +
                  "/kms --key earshot wrap 01980000-0000-7000-8000-000000000001): it ended with "
                  "exit code 4: AccessDenied. Try it by hand; it is storage.key_command of the "
                  "configuration.");
    EXPECT_NE(error_of("echo not base64!").find("no base64"), std::string::npos);
    EXPECT_NE(error_of("true").find("no base64"), std::string::npos);
    EXPECT_NE(error_of("head -c 9000 /dev/zero | base64 -w0").find("more than 8192"),
              std::string::npos);
    const auto short_key = KeyCommand(make_command("echo AAAA")).unwrap(id_, Bytes{1});
    ASSERT_FALSE(short_key);
    EXPECT_NE(short_key.error().text.find("3 bytes instead of a key of 32"), std::string::npos);
}

}  // namespace
}  // namespace earshot::keys
