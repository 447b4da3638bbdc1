// Recordings that are encrypted: everything works as without, and nothing without the key.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "archive/archive_test_rig.h"
#include "archive/data_key.h"
#include "archive/manifest.h"
#include "archive/stored_recording.h"
#include "base/text.h"

namespace earshot::archive {
namespace {

using crypto::SecretKey;

// Version 1 as it was released, made by another program: key-encryption key 0, 1, ... 31, data key
// of 32 bytes 7.
constexpr std::string_view kGoldenKey =
    "45415253484b455901000000000000000195a1b2c3d47e5f8a9b0c1d2e3f"
    "4a0101980000000070008000000000000001e41d3429e7503fde29e9ddf5"
    "23ddf43be5b991a9cbd52d2be9f075779e754fcc43f4d9b6363c107f0904e49e";

TEST(KeyPart, ReadsTheFirstVersion) {
    const auto bytes = base::parse_hex(kGoldenKey);
    const auto part = parse_key_part(*bytes);
    ASSERT_TRUE(part) << part.error().what;
    EXPECT_EQ(base::to_string(part->recording), "0195a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a01");
    EXPECT_EQ(base::to_string(part->key.wrapped_by), "01980000-0000-7000-8000-000000000001");
    base::Bytes kek;
    for (std::uint8_t i = 0; i < 32; ++i) kek.push_back(i);
    const crypto::KeyRing ring(part->key.wrapped_by, SecretKey::from(kek));
    const auto key = ring.unwrap(part->key);
    ASSERT_TRUE(key);
    EXPECT_EQ(base::to_hex(hash_of_key(part->recording, *key)),
              "686b17643c1009458dad825c8bba208265899fcebfe7b1c5f2d7b730ad553511");
    EXPECT_EQ(make_key_part(*part), *bytes);
}

TEST(KeyPart, FindsEachTruncationAndEachFlippedBit) {
    const base::Bytes bytes = *base::parse_hex(kGoldenKey);
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(parse_key_part(base::ByteView(bytes).first(size)));
    base::Bytes longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(parse_key_part(longer));
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        base::Bytes altered = bytes;
        altered[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        EXPECT_FALSE(parse_key_part(altered)) << bit;
    }
}

class EncryptedTest : public ArchiveTest {
protected:
    void SetUp() override {
        records_.started();
        records_.sip(1, true, "INVITE sip:r@y SIP/2.0\r\nCall-ID: c1@a\r\n\r\n");
        records_.stream_added(5, 0, "1");
        records_.stream_added(5, 1, "2");
        records_.metadata(6, "<recording xmlns='urn:ietf:params:xml:ns:recording:1'/>");
        Sender a{.records = records_};
        a.packets(150);
        a.silence(300);
        a.packets(50);
        Sender b{.records = records_, .stream = 1, .ssrc = 9, .begin_ms = 300, .hertz = 700};
        b.packets(20);
        records_.ended(10'200);
        encryption_.emplace(Encryption{keys_, random_});
        build();
    }
    Verification verify(const crypto::KeyWrapper* keys) {
        return verify_recording(files_, directory_, std::nullopt, keys);
    }
    static std::string codes(const Verification& result) {
        std::string all;
        for (const Fault& fault : result.faults) all += fault.code + ":" + fault.part + " ";
        return all;
    }
    std::string reason_of(Format format, const crypto::KeyWrapper* keys) {
        const auto rendering = render(files_, directory_, format, keys);
        return rendering ? "none" : rendering.error().code;
    }
    std::string key_path() const { return directory_ + "/" + kKeyName; }
    void remove_key() { ASSERT_TRUE(files_.remove(key_path())); }
};

TEST_F(EncryptedTest, EverythingIsAsWithoutEncryption) {
    std::map<Format, std::string> sealed;
    for (const Format format : {Format::Wav, Format::Stereo, Format::Pcap})
        sealed[format] = render_all(format);
    std::map<std::string, std::string> parts;
    for (const char* name : {"packets", "signalling", "events", "peaks.json", "summary.json",
                             "metadata/0001.xml", "tracks/1.wav", "tracks/2.wav"}) {
        const auto text = StoredRecording(files_, directory_, &keys_).read(name, 1U << 24U);
        ASSERT_TRUE(text) << name << ": " << text.error().text;
        parts[name] = *text;
    }
    ASSERT_TRUE(store_.remove({id_, base::wall_from_ns(kStartNs)}));
    encryption_.reset();
    build();
    for (const auto& [format, text] : sealed) EXPECT_EQ(text, render_all(format));
    for (const auto& [name, text] : parts) EXPECT_EQ(text, part(name)) << name;
}

TEST_F(EncryptedTest, NothingButTheManifestCanBeRead) {
    for (const std::string& path : files_.paths()) {
        const std::string text(base::as_text(files_.content(path)));
        const std::string name = path.substr(directory_.size() + 1);
        if (name == kManifestName || name == kKeyName) continue;
        EXPECT_TRUE(text.starts_with("EARSHENC")) << name;
        for (const char* word : {"INVITE", "RIFF", "recording", "c1@a"})
            EXPECT_EQ(text.find(word), std::string::npos) << name << ": " << word;
    }
    EXPECT_EQ(part(kManifestName).find("sip:"), std::string::npos);
}

TEST_F(EncryptedTest, VerifiesWithoutTheKeyAndMoreWithIt) {
    const Verification outside = verify(nullptr);
    EXPECT_TRUE(outside.is_ok()) << codes(outside);
    EXPECT_TRUE(outside.is_encrypted);
    EXPECT_EQ(outside.parts, 1U);
    EXPECT_EQ(outside.contents, Contents::NotChecked);
    EXPECT_NE(outside.contents_text.find("is not here"), std::string::npos);

    const Verification inside = verify(&keys_);
    EXPECT_TRUE(inside.is_ok()) << codes(inside);
    EXPECT_EQ(inside.contents, Contents::Checked);
    EXPECT_EQ(to_json(inside)["contents"], "checked");

    const crypto::KeyRing others(id_, SecretKey::generate(random_));
    const Verification stranger = verify(&others);
    EXPECT_TRUE(stranger.is_ok());
    EXPECT_EQ(stranger.contents, Contents::NotChecked);
    EXPECT_EQ(reason_of(Format::Wav, &others), "key_missing");
    EXPECT_EQ(reason_of(Format::Wav, nullptr), "key_missing");
}

TEST_F(EncryptedTest, VerifyFindsFlippedBytesWithAndWithoutTheKey) {
    for (const std::string& path : files_.paths()) {
        const std::size_t size = files_.content(path).size();
        const std::size_t step = size / 92 + 1;
        for (std::size_t at = 0; at < size; at += step) {
            const auto flip = static_cast<std::uint8_t>(1U << (at % 8));
            files_.corrupt(path, at, flip);
            EXPECT_FALSE(verify(at % 2 == 0 ? &keys_ : nullptr).is_ok()) << path << " at " << at;
            files_.corrupt(path, at, flip);
        }
    }
    EXPECT_TRUE(verify(&keys_).is_ok());
}

// Whoever can sign but has not the key (or a fault of our own) could store other records under a
// right hash: the chain inside is looked at all the same.
TEST_F(EncryptedTest, FindsAKeyOfAnotherRecording) {
    const base::Bytes own = files_.content(key_path());
    KeyPart part = *parse_key_part(own);
    part.key = keys_.wrap(SecretKey::generate(random_));
    files_.put(key_path(), make_key_part(part));
    EXPECT_EQ(codes(verify(&keys_)), "bad_data_key:key ");
    EXPECT_EQ(reason_of(Format::Wav, &keys_), "damaged");
    part.recording.bytes[3] ^= 1;
    files_.put(key_path(), make_key_part(part));
    EXPECT_EQ(codes(verify(&keys_)), "bad_data_key:key ");
    EXPECT_EQ(codes(verify(nullptr)), "bad_data_key:key ");
    EXPECT_EQ(reason_of(Format::Wav, &keys_), "damaged");
}

TEST_F(EncryptedTest, AKeyOfALaterVersionIsNotCalledDamaged) {
    files_.corrupt(key_path(), 8, 3);
    EXPECT_EQ(reason_of(Format::Wav, &keys_), "unsupported");
    EXPECT_EQ(codes(verify(&keys_)), "bad_data_key:key ");
}

// As who has the signing key could write it.
TEST_F(EncryptedTest, AManifestWithoutARecordingsIdIsAFault) {
    Manifest manifest = parse_manifest(part(kManifestName))->manifest;
    manifest.id = "0199c0de";
    Summary summary = *StoredRecording(files_, directory_, &keys_).summary();
    summary.id = manifest.id;
    const std::string text = make_manifest(summary, manifest, base::wall_from_ns(kStartNs), key_);
    files_.put(directory_ + "/" + kManifestName, base::as_bytes(text));
    for (const crypto::KeyWrapper* keys : {static_cast<const crypto::KeyWrapper*>(&keys_),
                                           static_cast<const crypto::KeyWrapper*>(nullptr)}) {
        const Verification result = verify(keys);
        EXPECT_EQ(codes(result), "manifest:manifest.json ");
        EXPECT_EQ(result.contents, Contents::NotChecked);
    }
}

TEST_F(EncryptedTest, FindsSwappedChunks) {
    const base::Bytes whole = files_.content(content_path());
    ASSERT_GT(whole.size(), kSealedHeaderBytes + 2 * kSealedStride);
    base::Bytes swapped = whole;
    std::swap_ranges(swapped.begin() + kSealedHeaderBytes,
                     swapped.begin() + kSealedHeaderBytes + kSealedStride,
                     swapped.begin() + kSealedHeaderBytes + kSealedStride);
    files_.put(content_path(), swapped);
    const auto opened = StoredRecording(files_, directory_, &keys_).open("tracks/1.wav");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, "damaged");
    EXPECT_FALSE(verify(nullptr).is_ok());
}

// The hash tells that something is wrong, the seals inside where.
TEST_F(EncryptedTest, VerifyNamesThePartThatIsDamaged) {
    const std::size_t size = files_.content(content_path()).size();
    files_.corrupt(content_path(), size / 2, 1);
    EXPECT_EQ(codes(verify(nullptr)), "hash:content ");
    EXPECT_NE(codes(verify(&keys_)).find("contents:tracks/"), std::string::npos)
        << codes(verify(&keys_));
}

TEST_F(EncryptedTest, IsErasedByDeletingItsKey) {
    remove_key();
    for (const Format format : {Format::Wav, Format::Stereo, Format::Pcap, Format::Json}) {
        EXPECT_EQ(reason_of(format, &keys_), "erased");
        EXPECT_EQ(reason_of(format, nullptr), "erased");
    }
    const Verification result = verify(&keys_);
    EXPECT_TRUE(result.is_ok()) << codes(result);
    EXPECT_EQ(result.contents, Contents::NoKey);
    EXPECT_NE(result.contents_text.find("erased, or this copy lacks it"), std::string::npos);
    // It remains what was signed, and that can be seen.
    files_.corrupt(content_path(), 100, 1);
    EXPECT_EQ(codes(verify(&keys_)), "hash:content ");
}

TEST_F(EncryptedTest, AKeyBesideWhatIsNotEncryptedIsTooMuch) {
    const base::Bytes key = files_.content(key_path());
    ASSERT_TRUE(store_.remove({id_, base::wall_from_ns(kStartNs)}));
    encryption_.reset();
    build();
    EXPECT_TRUE(verify(nullptr).is_ok());
    EXPECT_FALSE(verify(nullptr).is_encrypted);
    files_.put(key_path(), key);
    EXPECT_EQ(codes(verify(&keys_)), "extra:key ");
}

TEST_F(EncryptedTest, EachBuildHasAKeyOfItsOwn) {
    const base::Bytes content = files_.content(content_path());
    const base::Bytes key = files_.content(key_path());
    ASSERT_TRUE(store_.remove({id_, base::wall_from_ns(kStartNs)}));
    build();
    EXPECT_NE(files_.content(content_path()), content);
    EXPECT_NE(files_.content(key_path()), key);
}

// Whatever call to the disk fails: nothing is visible, or all of it is right.
TEST_F(EncryptedTest, ShowsNothingUnlessAllIsStored) {
    const std::uint64_t calls = files_.calls();
    for (std::uint64_t n = 1; n <= calls; ++n) {
        io::FaultyFileSystem files;
        objects::DirectoryStore store(files, "data");
        files.fail_call(n, ENOSPC);
        records_.rewind();
        const auto built = build_recording({.recording = id_,
                                            .records = records_,
                                            .objects = store,
                                            .key = key_,
                                            .now = base::wall_from_ns(kStartNs),
                                            .failure = std::nullopt,
                                            .encryption = encryption_});
        if (!built) {
            EXPECT_EQ(built.error().code, "storage_full");
        } else if (store.commit({&built->object, 1}).front()) {
            EXPECT_TRUE(
                verify_recording(files, "data/" + built->directory, std::nullopt, &keys_).is_ok())
                << n;
        }
    }
}

}  // namespace
}  // namespace earshot::archive
