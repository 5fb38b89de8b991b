# SPDX-License-Identifier: MIT
#
# The tests for Windows: those of tests/windows, and all of tests/unit but what is named here with a
# reason. Catch2 is built from its source, because nobody packages it for mingw-w64:
# `./cmake/bootstrap windows-tools` puts it where ALOFT_CATCH2_SOURCE looks for it.

set(ALOFT_CATCH2_SOURCE
    "${PROJECT_SOURCE_DIR}/build/catch2-source"
    CACHE PATH "Catch2 3, its source"
)
if(NOT EXISTS "${ALOFT_CATCH2_SOURCE}/src/catch2/catch_all.hpp")
    message(FATAL_ERROR "aloft: no Catch2 in ${ALOFT_CATCH2_SOURCE}; "
                        "run ./cmake/bootstrap windows-tools, or set ALOFT_BUILD_TESTS=OFF"
    )
endif()
set(CMAKE_UNITY_BUILD ON)
set(CMAKE_UNITY_BUILD_BATCH_SIZE 24)
add_subdirectory("${ALOFT_CATCH2_SOURCE}" "${PROJECT_BINARY_DIR}/catch2" EXCLUDE_FROM_ALL SYSTEM)
set(CMAKE_UNITY_BUILD OFF)
target_compile_options(Catch2 PRIVATE -w -O1)

add_custom_target(tests)

add_library(aloft_test_scheduler STATIC support/separate.cpp)
target_compile_definitions(aloft_test_scheduler PUBLIC ALOFT_SEPARATE=1)
target_link_libraries(aloft_test_scheduler PRIVATE aloft::aloft aloft_warnings)

# Programs that are about something that Windows does not have, or that the tests in tests/windows show.
set(not_here
    backend # io_uring or epoll, and who denies them
    epoll
    every_wait_posix # named pipes, signals, readiness
    exhaustion # limits and filters of Linux
    file_posix # named pipes, devices, permissions, the page cache
    io_uring
    poll # there is no readiness of foreign handles
    quiet # counts context switches in /proc
    signal # windows_signal
)

set(ALOFT_TEST_SLOWDOWN
    ""
    CACHE STRING "The part of their rounds that stress tests make; 1: all. Default: see scale.hpp"
)

# What most of them include, parsed once.
file(CONFIGURE OUTPUT precompiled.cpp CONTENT "// nothing but the headers\n")
add_library(aloft_test_precompiled OBJECT "${CMAKE_CURRENT_BINARY_DIR}/precompiled.cpp")

function(aloft_prepare_windows_test name)
    target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE aloft::aloft aloft_warnings Catch2::Catch2WithMain)
    # GCC 12 warns wrongly below -O2.
    target_compile_options(${name} PRIVATE -Wno-maybe-uninitialized)
    if(ALOFT_TEST_SLOWDOWN)
        target_compile_definitions(${name} PRIVATE ALOFT_TEST_SLOWDOWN=${ALOFT_TEST_SLOWDOWN})
    endif()
endfunction()

aloft_prepare_windows_test(aloft_test_precompiled)
target_link_libraries(aloft_test_precompiled PRIVATE aloft_test_scheduler)
target_precompile_headers(
    aloft_test_precompiled
    PRIVATE
    <aloft/aloft.hpp>
    <catch2/catch_test_macros.hpp>
    <atomic>
    <chrono>
    <functional>
    <map>
    <memory>
    <optional>
    <string>
    <thread>
    <vector>
)

# Linking one program is quicker than linking one per source; each source is a test of its own.
file(GLOB unit_sources CONFIGURE_DEPENDS unit/*_test.cpp windows/*_test.cpp)
set(together "")
foreach(source IN LISTS unit_sources)
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_test$" "" subject "${stem}")
    if(subject IN_LIST not_here OR subject STREQUAL "windows_headers")
        continue()
    endif()
    file(STRINGS "${source}" own_queues REGEX "define ALOFT_")
    if(own_queues)
        set(program test_${stem})
        add_executable(${program} "${source}")
        aloft_prepare_windows_test(${program})
        add_dependencies(tests ${program})
    else()
        set(program test_windows)
        list(APPEND together "${source}")
    endif()
    add_test(NAME test_${stem} COMMAND ${program} --filenames-as-tags "[#${stem}]~[.]")
    set_tests_properties(
        test_${stem} PROPERTIES TIMEOUT 200 LABELS unit SKIP_RETURN_CODE 4
    )
    if(subject STREQUAL "windows_signal")
        set_tests_properties(test_${stem} PROPERTIES ENVIRONMENT ALOFT_WINE_CONSOLE=1)
    endif()
endforeach()

add_executable(test_windows ${together})
aloft_prepare_windows_test(test_windows)
target_link_libraries(test_windows PRIVATE aloft_test_scheduler)
target_precompile_headers(test_windows REUSE_FROM aloft_test_precompiled)
add_dependencies(tests test_windows)

# That these compile is the test.
foreach(order IN ITEMS 1 2 3)
    add_library(test_windows_headers_${order} OBJECT windows/windows_headers_test.cpp)
    aloft_prepare_windows_test(test_windows_headers_${order})
    target_compile_definitions(
        test_windows_headers_${order} PRIVATE ALOFT_TEST_ORDER=${order}
                                              $<$<EQUAL:${order},2>:NOMINMAX>
    )
    target_compile_options(test_windows_headers_${order} PRIVATE -O0)
    add_dependencies(tests test_windows_headers_${order})
endforeach()
