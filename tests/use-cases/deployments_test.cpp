// The configurations of docs/deployment-*.md: what a reader copies must start.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "integration/harness.h"

namespace earshot::use_cases {
namespace {

using integration::run_command;

// The next ```toml block from `at` on, which moves behind it; empty at the end.
std::string next_block(const std::string& page, std::size_t& at) {
    constexpr std::string_view kBegin = "```toml\n";
    const std::size_t begin = page.find(kBegin, at);
    if (begin == std::string::npos) return {};
    const std::size_t end = page.find("```", begin + kBegin.size());
    at = end;
    return page.substr(begin + kBegin.size(), end - begin - kBegin.size());
}

TEST(Deployments, EveryConfigurationOfThePagesIsSound) {
    const integration::TemporaryDirectory scratch;
    int pages = 0;
    for (const auto& entry : std::filesystem::directory_iterator(EARSHOT_DEPLOYMENTS)) {
        if (entry.path().filename().string().rfind("deployment-", 0) != 0) continue;
        ++pages;
        const std::string page = integration::read_file(entry.path());
        int blocks = 0;
        for (std::size_t at = 0;; ++blocks) {
            const std::string block = next_block(page, at);
            if (block.empty()) break;
            const auto file = scratch.path() / "file.toml";
            integration::write_file(file, block);
            const bool is_client = block.rfind("# client.toml", 0) == 0;
            std::vector<std::string> command{integration::earshot_binary(), "config", "check"};
            if (is_client) command.emplace_back("--client");
            command.push_back(file.string());
            const auto checked = run_command(command);
            EXPECT_EQ(checked.exit_code, 0) << entry.path() << "\n"
                                            << block << checked.out << checked.err;
        }
        EXPECT_GE(blocks, 2) << entry.path();  // a client and a server
    }
    EXPECT_EQ(pages, 3);
}

}  // namespace
}  // namespace earshot::use_cases
