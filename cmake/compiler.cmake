# Warnings are errors under both compilers; the flags are the style guide's.
add_library(earshot_options INTERFACE)
target_compile_options(earshot_options INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
# g++ 12 sees members of an empty std::optional as "maybe uninitialized" from -O2 on; clang's analyzer, which
# clang-tidy runs, looks for the real ones.
target_compile_options(earshot_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
target_include_directories(earshot_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(earshot_options INTERFACE
    BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED SPDLOG_FMT_EXTERNAL SPDLOG_COMPILED_LIB)
target_link_libraries(earshot_options INTERFACE PkgConfig::FMT Threads::Threads)
set(CMAKE_CXX_FLAGS_RELEASE "")  # no -DNDEBUG: assertions stay on in what users run
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # A program of tests is built more often than it runs: unoptimised it takes 40 % less time to compile.
    target_compile_options(earshot_options INTERFACE
        "$<IF:$<BOOL:$<TARGET_PROPERTY:EARSHOT_IS_TEST>>,-O0;-g1,-O2;-g1;-D_FORTIFY_SOURCE=2;-fstack-protector-strong>")
endif()
if(EARSHOT_SANITIZE)
    target_compile_options(earshot_options INTERFACE -fsanitize=${EARSHOT_SANITIZE}
        -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(earshot_options INTERFACE -fsanitize=${EARSHOT_SANITIZE})
endif()
if(EARSHOT_FUZZ)
    target_compile_options(earshot_options INTERFACE -fsanitize=fuzzer-no-link)
    target_link_options(earshot_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

# The precompiled headers of the libraries; the tests add theirs (test_headers). clang-tidy reads neither.
set(EARSHOT_PCH <algorithm> <array> <chrono> <cstdint> <cstring> <functional> <map> <memory> <optional>
    <span> <string> <string_view> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)
