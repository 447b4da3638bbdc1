// Stored recordings are encrypted: rotation, erasure, a key command, and a verification without any
// server, with the real binary.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "integration/harness.h"

namespace earshot::integration {
namespace {

using nlohmann::json;

class Keys : public testing::Test {
protected:
    // One short call; the id of its recording.
    std::string record() {
        const auto before = server_.list().size();
        const Output call = server_.run({"call", "--to", server_.sip_uri(), "--duration", "1"});
        EXPECT_EQ(call.exit_code, 0) << call.err;
        const json rows = server_.wait_for_recordings(before + 1);
        return rows.is_array() ? rows.at(0).at("id").get<std::string>() : "";
    }
    std::filesystem::path folder_of(const std::string& id) const {
        const json row = json::parse(server_.run({"show", id, "--json"}).out, nullptr, false);
        return server_.data() / "recordings" / row.value("directory", "");
    }
    json keys() const {
        return json::parse(server_.run({"keys", "ls", "--json"}).out, nullptr, false)
            .value("keys", json::array());
    }
    // Its sound, to the last byte.
    std::string sound_of(const std::string& id) const {
        const Output exported = server_.run({"export", id, "--format", "stereo", "-o", "-"});
        EXPECT_EQ(exported.exit_code, 0) << exported.err;
        return exported.out;
    }

    TestServer server_;
};

TEST_F(Keys, RecordingsOutliveTheKeyThatTheyWereStoredUnder) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::string id = record();
    const std::string sound = sound_of(id);
    EXPECT_GT(sound.size(), 16'000U);
    EXPECT_TRUE(read_file(folder_of(id) / "content").starts_with("EARSHENC"));
    ASSERT_EQ(keys().size(), 1U);
    const std::string old = keys()[0]["id"];

    const Output rotated = server_.run({"keys", "rotate"});
    EXPECT_EQ(rotated.exit_code, 0) << rotated.err;
    EXPECT_NE(rotated.out.find("1 recordings were wrapped again"), std::string::npos);
    EXPECT_EQ(server_.run({"keys", "remove", old, "--yes"}).exit_code, 5);  // before a restart
    EXPECT_EQ(server_.stop(), 0);
    ASSERT_TRUE(server_.start()) << server_.log();
    EXPECT_EQ(server_.run({"keys", "remove", old}).exit_code, 2);  // without --yes
    const Output removed = server_.run({"keys", "remove", old, "--yes"});
    EXPECT_EQ(removed.exit_code, 0) << removed.err;
    EXPECT_EQ(keys().size(), 1U);
    EXPECT_EQ(sound_of(id), sound);
    EXPECT_EQ(server_.run({"verify", id}).exit_code, 0);
}

TEST_F(Keys, AnErasedRecordingIsGoneButForThatItWas) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::string id = record();
    const auto is_listed = [&] {  // a part of the name alone may stand in an id, which is hex
        const std::string rows = server_.run({"ls", "ada@example.test"}).out;
        return rows.find(id.substr(0, 18)) != std::string::npos;
    };
    EXPECT_TRUE(is_listed());
    EXPECT_EQ(server_.run({"erase", id}).exit_code, 2);  // without --yes
    const Output erased = server_.run({"erase", id, "--reason", "on request", "--yes"});
    EXPECT_EQ(erased.exit_code, 0) << erased.err;
    EXPECT_FALSE(std::filesystem::exists(folder_of(id) / "key"));

    const Output exported = server_.run({"export", id, "-o", "-"});
    EXPECT_EQ(exported.exit_code, 5);
    EXPECT_NE(exported.err.find("erased"), std::string::npos);
    const Output shown = server_.run({"show", id});
    EXPECT_EQ(shown.exit_code, 0);
    EXPECT_NE(shown.out.find("on request"), std::string::npos);
    EXPECT_EQ(shown.out.find("sip:"), std::string::npos) << shown.out;
    EXPECT_EQ(server_.run({"ls", "--attempts"}).out.find("sip:"), std::string::npos);
    EXPECT_FALSE(is_listed());
    EXPECT_EQ(server_.run({"verify", id}).exit_code, 0);
}

TEST_F(Keys, AKeyThatVanishedWithoutErasureIsAFault) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::string id = record();
    std::filesystem::remove(folder_of(id) / "key");
    const Output verified = server_.run({"verify", id});
    EXPECT_EQ(verified.exit_code, 1);
    EXPECT_NE(verified.out.find("nobody has erased it"), std::string::npos) << verified.out;
}

TEST_F(Keys, AFolderIsVerifiedWithoutAServer) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::filesystem::path folder = folder_of(record());
    EXPECT_EQ(server_.stop(), 0);
    const json inside =
        json::parse(server_.run({"verify", folder.string(), "--json"}).out, nullptr, false);
    EXPECT_EQ(inside.value("ok", false), true) << inside;
    EXPECT_EQ(inside.value("contents", ""), "checked");

    const auto copy = server_.scratch() / "copy";
    std::filesystem::copy(folder, copy, std::filesystem::copy_options::recursive);
    const Output outside = server_.run({"verify", copy.string()});
    EXPECT_EQ(outside.exit_code, 0) << outside.out;
    EXPECT_NE(outside.out.find("was not checked"), std::string::npos);
    EXPECT_NE(outside.err.find("whose signature"), std::string::npos);
    const Output with_keys =
        server_.run({"verify", copy.string(), "--data", server_.data().string()});
    EXPECT_EQ(with_keys.out.find("was not checked"), std::string::npos) << with_keys.out;
    std::filesystem::remove(copy / "key");
    const Output without = server_.run({"verify", copy.string()});
    EXPECT_EQ(without.exit_code, 0) << without.out;
    EXPECT_NE(without.out.find("this copy lacks it"), std::string::npos) << without.out;
    write_file(copy / "content", "other");
    EXPECT_EQ(server_.run({"verify", copy.string()}).exit_code, 1);
}

TEST_F(Keys, NoServerStartsWithoutTheKeysOfItsRecordings) {
    ASSERT_TRUE(server_.start()) << server_.log();
    record();
    EXPECT_EQ(server_.stop(), 0);
    std::filesystem::rename(server_.data() / "keys", server_.scratch() / "keys");
    EXPECT_FALSE(server_.start());
    EXPECT_NE(server_.log().find("Put it back from a backup"), std::string::npos) << server_.log();
    EXPECT_FALSE(std::filesystem::exists(server_.data() / "keys"));
    std::filesystem::rename(server_.scratch() / "keys", server_.data() / "keys");
    EXPECT_TRUE(server_.start()) << server_.log();
}

TEST_F(Keys, AKeyCommandSealsTheKeyOnTheDisk) {
    const std::filesystem::path command = server_.scratch() / "kms";
    write_file(command,
               "#!/bin/sh\n"
               "case $1 in\n"
               "wrap) { printf sealed; base64 -d; } | base64 -w0 ;;\n"
               "unwrap) base64 -d | tail -c +7 | base64 -w0 ;;\n"
               "esac\n");
    ASSERT_EQ(::chmod(command.c_str(), 0700), 0);
    const std::string variable = "EARSHOT_STORAGE_KEY_COMMAND=" + command.string();
    ASSERT_TRUE(server_.start({}, {variable})) << server_.log();
    const std::string id = record();
    const std::string sound = sound_of(id);
    EXPECT_EQ(keys()[0]["sealed"], true);
    EXPECT_EQ(server_.stop(), 0);

    EXPECT_FALSE(server_.start());
    EXPECT_NE(server_.log().find("storage.key_command"), std::string::npos) << server_.log();
    ASSERT_TRUE(server_.start({}, {variable})) << server_.log();
    EXPECT_EQ(sound_of(id), sound);
}

TEST_F(Keys, WithoutEncryptionAllIsAsItWas) {
    ASSERT_TRUE(server_.start({}, {"EARSHOT_STORAGE_ENCRYPT=false"})) << server_.log();
    const std::string plain = record();
    EXPECT_TRUE(read_file(folder_of(plain) / "content").starts_with("EARSPACK"));
    EXPECT_EQ(server_.run({"erase", plain, "--yes"}).exit_code, 5);
    EXPECT_EQ(server_.stop(), 0);
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::string sealed = record();
    for (const std::string& id : {plain, sealed}) {
        EXPECT_EQ(server_.run({"verify", id}).exit_code, 0);
        EXPECT_GT(sound_of(id).size(), 16'000U);
    }
}

}  // namespace
}  // namespace earshot::integration
