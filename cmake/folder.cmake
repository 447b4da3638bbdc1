# earshot_folder(): one folder of src/ is one library, one test program and its fuzz targets. What it may link
# comes from tools/layers.txt alone, so the table, the build and tools/check_layers cannot disagree.
file(STRINGS ${CMAKE_SOURCE_DIR}/tools/layers.txt EARSHOT_LAYERS REGEX "^[a-z0-9_]+:")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/layers.txt)
set(EARSHOT_FOLDERS)
foreach(line IN LISTS EARSHOT_LAYERS)
    string(REGEX MATCH "^([a-z0-9_]+):(.*)$" _ "${line}")
    set(folder ${CMAKE_MATCH_1})
    string(STRIP "${CMAKE_MATCH_2}" edges)
    string(REPLACE " " ";" edges "${edges}")
    list(APPEND EARSHOT_FOLDERS ${folder})
    set(EARSHOT_EDGES_${folder} ${edges})
endforeach()

add_custom_target(fuzz_targets)  # all of them; empty without EARSHOT_FUZZ

# The main() of fuzz targets in a build without libFuzzer.
add_library(replay_corpus STATIC EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/tools/replay_corpus.cpp)
target_link_libraries(replay_corpus PRIVATE earshot_options)

# What all libraries read first, and all programs of tests, each precompiled once: headers.cpp is empty.
add_library(library_headers OBJECT EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/cmake/headers.cpp)
target_link_libraries(library_headers PRIVATE earshot_options)
target_precompile_headers(library_headers PRIVATE ${EARSHOT_PCH})
if(GTest_FOUND)
    add_library(test_headers OBJECT EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/cmake/headers.cpp)
    target_link_libraries(test_headers PRIVATE earshot_options GTest::gmock GTest::gtest)
    target_precompile_headers(test_headers PRIVATE ${EARSHOT_PCH} <gtest/gtest.h> <gmock/gmock.h> <nlohmann/json.hpp>)
    set_target_properties(test_headers PROPERTIES EARSHOT_IS_TEST ON)
endif()

# earshot_test_program(NAME [OWN_MAIN] SOURCES files... [LIBRARIES targets...]): not yet a test of ctest's.
function(earshot_test_program name)
    cmake_parse_arguments(arg "OWN_MAIN" "" "SOURCES;LIBRARIES" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} GTest::gmock GTest::gtest)
    if(NOT arg_OWN_MAIN)
        target_link_libraries(${name} PRIVATE GTest::gtest_main)
    endif()
    target_precompile_headers(${name} REUSE_FROM test_headers)
    set_target_properties(${name} PROPERTIES EARSHOT_IS_TEST ON)
    # g++ 12 warns of std::string's and std::vector's own insides where a test builds its input from pieces; the
    # sanitizer builds of the same tests look for the real thing.
    target_compile_options(${name} PRIVATE
        $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread>)
endfunction()

# earshot_folder(NAME [LIBRARIES targets...]): sources are *.cpp, tests *_test.cpp, fuzz targets *_fuzz.cpp.
function(earshot_folder name)
    cmake_parse_arguments(arg "" "" "LIBRARIES" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS *.cpp)
    set(tests ${sources})
    set(fuzzers ${sources})
    list(FILTER sources EXCLUDE REGEX "_(test|fuzz|main)\\.cpp$")
    list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
    list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cpp$")
    list(TRANSFORM EARSHOT_EDGES_${name} PREPEND earshot_ OUTPUT_VARIABLE edges)

    if(sources)
        add_library(earshot_${name} STATIC ${sources})
        target_link_libraries(earshot_${name} PUBLIC earshot_options ${edges} ${arg_LIBRARIES})
        target_precompile_headers(earshot_${name} REUSE_FROM library_headers)
    else()
        add_library(earshot_${name} INTERFACE)
        target_link_libraries(earshot_${name} INTERFACE earshot_options ${edges} ${arg_LIBRARIES})
    endif()

    if(tests AND GTest_FOUND)
        earshot_test_program(${name}_test SOURCES ${tests} LIBRARIES earshot_${name})
        target_compile_definitions(${name}_test PRIVATE EARSHOT_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
        # One ctest entry a folder: starting a process for each of hundreds of cases costs more than they do.
        add_test(NAME ${name} COMMAND ${name}_test --gtest_brief=1)
        set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
    endif()

    if(EARSHOT_FUZZ)
        foreach(source IN LISTS fuzzers)
            get_filename_component(fuzzer ${source} NAME_WE)
            add_executable(${fuzzer} ${source})
            target_link_libraries(${fuzzer} PRIVATE earshot_${name})
            target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
            add_dependencies(fuzz_targets ${fuzzer})
            set_target_properties(${fuzzer} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
        endforeach()
    elseif(GTest_FOUND)
        # Without a fuzzer each target still runs on its corpus: named inputs that once broke something.
        foreach(source IN LISTS fuzzers)
            get_filename_component(fuzzer ${source} NAME_WE)
            string(REGEX REPLACE "_fuzz$" "" format ${fuzzer})
            add_executable(${fuzzer}_corpus ${source})
            target_link_libraries(${fuzzer}_corpus PRIVATE earshot_${name} replay_corpus)
            add_test(NAME ${fuzzer}_corpus COMMAND ${fuzzer}_corpus
                ${CMAKE_SOURCE_DIR}/tests/data/${fuzzer} ${CMAKE_SOURCE_DIR}/tests/data/${format})
            set_tests_properties(${fuzzer}_corpus PROPERTIES LABELS unit TIMEOUT 60)
        endforeach()
    endif()
endfunction()
