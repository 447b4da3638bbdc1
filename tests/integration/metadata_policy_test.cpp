// M-31: what the drop list names is in no file of the data directory, whichever way it came.
#include <gtest/gtest.h>

#include "integration/harness.h"
#include "integration/udp_client.h"

namespace earshot::integration {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string metadata(const std::string& name) {
    return "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\" xmlns:v=\"urn:vendor\">"
           "<session session_id=\"hVpd7YQgRW2nD22h7q60JQ==\"><v:account>secret-account</v:account>"
           "</session><participant participant_id=\"srfBElmCRp2QB23b7Mpk0w==\">"
           "<nameID aor=\"sip:ada@desk.example\"><name>" +
           name + "</name></nameID></participant></recording>";
}

std::vector<std::string> files_with(const fs::path& directory, const std::string& text) {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(directory))
        if (entry.is_regular_file() && read_file(entry.path()).find(text) != std::string::npos)
            found.push_back(entry.path().string());
    return found;
}

TEST(MetadataPolicy, WhatIsDroppedIsInNoFile) {
    TestServer server;
    write_file(server.scratch() / "drop.toml",
               "[metadata]\ndrop = [\"name\", \"{urn:vendor}*\"]\n"
               "[join]\nkeys = [\"session_id\", \"element:account\"]\n[log]\nlevel = \"debug\"\n");
    ASSERT_TRUE(server.start({"--config", (server.scratch() / "drop.toml").string()}))
        << server.log();
    const UdpClient client(server.sip_port());
    const std::string body = std::string("--b\nContent-Type: application/sdp\n\n") + kSdp +
                             "\n--b\nContent-Type: application/rs-metadata+xml\n"
                             "Content-Disposition: recording-session\n\n" +
                             metadata("secret-name") + "\n--b--\n";
    client.send(invite(client, "drop", "multipart/mixed;boundary=b", body));
    const std::string answer = client.receive();
    ASSERT_EQ(answer.rfind("SIP/2.0 200", 0), 0U) << answer;
    client.send(in_dialog(client, answer, "ACK", 1));
    client.send(in_dialog(client, answer, "UPDATE", 2,
                          "Content-Type: application/rs-metadata+xml\n"
                          "Content-Disposition: recording-session\n",
                          metadata("secret-update")));
    ASSERT_EQ(client.receive().rfind("SIP/2.0 200", 0), 0U);
    client.send(in_dialog(client, answer, "BYE", 3));
    ASSERT_EQ(client.receive().rfind("SIP/2.0 200", 0), 0U);

    const json recordings = server.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U);
    EXPECT_EQ(recordings[0]["participants"],
              json::parse(R"([{"aor":"sip:ada@desk.example","name":""}])"));
    EXPECT_EQ(recordings[0]["extensions"], json::object());
    for (const char* format : {"json", "xml", "pcap"}) {
        const Output shown =
            server.run({"export", recordings[0]["id"], "--format", format, "-o", "-"});
        EXPECT_EQ(shown.exit_code, 0) << shown.err;
        EXPECT_EQ(shown.out.find("secret"), std::string::npos) << format;
        // Something was dropped, and the recording says so.
        const bool says_so = shown.out.find("metadata_dropped") != std::string::npos;
        EXPECT_EQ(says_so, std::string(format) == "json") << format;
    }
    EXPECT_TRUE(files_with(server.data(), "ada@desk.example").size() > 0);  // the search finds
    EXPECT_EQ(files_with(server.scratch(), "secret"), std::vector<std::string>{});
}

}  // namespace
}  // namespace earshot::integration
