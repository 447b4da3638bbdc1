#include "io/child_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace earshot::io {
namespace {

ChildCommand shell(std::string script, std::string_view input = "") {
    return {.arguments = {"/bin/sh", "-c", std::move(script)}, .input = input};
}

std::string failure_of(const ChildCommand& command) {
    const auto result = run_child(command);
    return result ? "no failure" : result.error().text;
}

TEST(ChildProcess, HandsBytesInAndOut) {
    const std::string long_input(100'000, 'x');
    ChildCommand command = shell("tr x y", long_input);
    command.max_output_bytes = 200'000;
    const auto output = run_child(command);
    ASSERT_TRUE(output) << output.error().text;
    EXPECT_EQ(*output, std::string(100'000, 'y'));
    EXPECT_EQ(*run_child(shell("cat", "")), "");
    EXPECT_EQ(*run_child(shell("cat /dev/stdin", "opened by its name")), "opened by its name");
}

TEST(ChildProcess, TakesArgumentsAsTheyStand) {
    const auto output = run_child(
        {.arguments = {"/usr/bin/printf", "%s|", "$HOME", "a b", "; rm", "*"}, .input = ""});
    ASSERT_TRUE(output) << output.error().text;
    EXPECT_EQ(*output, "$HOME|a b|; rm|*|");
}

TEST(ChildProcess, TellsHowTheProgramFailed) {
    EXPECT_EQ(failure_of(shell("exit 3")), "it ended with exit code 3");
    EXPECT_EQ(failure_of(shell("echo '  Access denied\tto us' >&2; echo more >&2; exit 1")),
              "it ended with exit code 1: Access denied to us");
    EXPECT_EQ(failure_of(shell("kill -9 $$")), "it was ended by signal 9");
    EXPECT_EQ(failure_of({.arguments = {"/nonexistent/kms"}, .input = ""}),
              "it cannot be started: No such file or directory");
}

TEST(ChildProcess, EndsWhatTakesTooLongWithItsChildren) {
    ChildCommand command = shell("sleep 600 & sleep 600");
    command.timeout = std::chrono::milliseconds{50};
    EXPECT_EQ(failure_of(command), "it did not end within 50 ms");
}

TEST(ChildProcess, EndsWhatTakesTooLongAndWritesAllTheTime) {
    for (const char* script :
         {"exec cat /dev/zero >&2", "cat /dev/zero >&2 & exec cat /dev/zero >&2"}) {
        ChildCommand command = shell(script);
        command.timeout = std::chrono::milliseconds{50};
        EXPECT_EQ(failure_of(command), "it did not end within 50 ms") << script;
    }
}

TEST(ChildProcess, ReadsAllThatWasWrittenBeforeTheEnd) {
    ChildCommand command = shell("head -c 65536 /dev/zero");  // what fits into the pipe
    EXPECT_EQ(run_child(command)->size(), 65'536U);
}

TEST(ChildProcess, DoesNotReadForEverWhatGrandchildrenWrite) {
    const auto output = run_child(shell("cat /dev/zero >&2 & echo $!"));
    ASSERT_TRUE(output) << output.error().text;
    // It has met the closed pipe, or does soon.
    static_cast<void>(::kill(std::stoi(*output), SIGKILL));
}

TEST(ChildProcess, EndsWhatSaysTooMuch) {
    ChildCommand command = shell("head -c 101 /dev/zero");
    command.max_output_bytes = 101;
    EXPECT_TRUE(run_child(command));
    command.max_output_bytes = 100;
    EXPECT_EQ(failure_of(command), "it wrote more than 100 bytes");
    command = shell("exec cat /dev/zero");
    EXPECT_EQ(failure_of(command), "it wrote more than 65536 bytes");
    command = shell("head -c 1000000 /dev/zero >&2; echo done");
    EXPECT_EQ(*run_child(command), "done\n");
}

TEST(ChildProcess, DoesNotWaitForGrandchildrenThatKeepThePipes) {
    const auto output = run_child(shell("sleep 600 & echo $!"));
    ASSERT_TRUE(output) << output.error().text;
    EXPECT_EQ(::kill(std::stoi(*output), SIGKILL), 0);
}

TEST(ChildProcess, GivesItNoDescriptorOfOurs) {
    const int leaked = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
    const auto output =
        run_child(shell("for fd in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; :"));
    ::close(leaked);
    ASSERT_TRUE(output) << output.error().text;
    EXPECT_EQ(*output, "");
}

}  // namespace
}  // namespace earshot::io
