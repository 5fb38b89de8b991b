# SPDX-License-Identifier: MIT
#
# What only aloft's own builds use: warnings, the compiler cache, header checks, and the subprojects.

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(ALOFT_CCACHE ccache)
    mark_as_advanced(ALOFT_CCACHE)
    if(ALOFT_CCACHE)
        set(CMAKE_CXX_COMPILER_LAUNCHER "${ALOFT_CCACHE}")
    endif()
endif()

add_library(aloft_warnings INTERFACE)
target_compile_options(
    aloft_warnings
    INTERFACE -Wall
              -Wextra
              -Wpedantic
              -Wconversion
              -Wshadow
              -Werror
              # GCC says so under ThreadSanitizer wherever an atomic fence appears.
              $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>
)

include("${CMAKE_CURRENT_LIST_DIR}/aloft-header-checks.cmake")

if(ALOFT_BUILD_TESTS STREQUAL "IF_FOUND")
    find_package(Catch2 3 QUIET)
    if(NOT Catch2_FOUND)
        message(STATUS "aloft: no tests, because Catch2 3 is missing")
    endif()
    set(aloft_tests_wanted ${Catch2_FOUND})
else()
    set(aloft_tests_wanted ${ALOFT_BUILD_TESTS})
endif()

if(aloft_tests_wanted)
    enable_testing()
    add_subdirectory(tests)
endif()
if(ALOFT_BUILD_EXAMPLES)
    add_subdirectory(examples)
endif()
if(ALOFT_BUILD_BENCH)
    add_subdirectory(bench)
endif()
