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

# Those in which this system is most likely to make a difference. Label core.
add_custom_target(tests_core)
set(core_tests
    abandon
    channel
    file
    hog
    pipe
    runtime
    shutdown
    spawn
    stop
    tcp
    timer
    udp
    windows_file
    windows_pipe
    windows_signal
    windows_tcp
)

add_library(aloft_test_scheduler STATIC support/separate.cpp)
target_compile_definitions(aloft_test_scheduler PUBLIC ALOFT_SEPARATE=1)
target_link_libraries(aloft_test_scheduler PRIVATE aloft::aloft aloft_warnings)

# Programs that are about something that Windows does not have, or that the tests in tests/windows show.
set(not_here
    backend # io_uring or epoll, and who denies them
    epoll
    epoll_batch
    every_wait_posix # named pipes, signals, readiness
    exhaustion # limits and filters of Linux
    file_posix # named pipes, devices, permissions, the page cache
    io_uring
    pipe_posix # signals, named pipes, limits; windows_pipe
    poll # there is no readiness of foreign handles
    quiet # counts context switches in /proc
    signal # windows_signal
    time_slice # what Linux lets a thread ask for
)

set(without_runtime coroutine_layer)

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
target_precompile_headers(aloft_test_precompiled PRIVATE ${headers_to_precompile})

function(aloft_add_windows_program name core)
    add_executable(${name} ${ARGN})
    aloft_prepare_windows_test(${name})
    add_dependencies(tests ${name})
    if(core)
        add_dependencies(tests_core ${name})
    endif()
endfunction()

function(aloft_use_precompiled name)
    target_link_libraries(${name} PRIVATE aloft_test_scheduler)
    target_precompile_headers(${name} REUSE_FROM aloft_test_precompiled)
endfunction()

# Two programs, because to link one per source takes longer; each source is a test of its own. Apart are
# those that define macros before they include the library, those that replace operator new, and the one
# that shows what there is without a runtime.
file(GLOB unit_sources CONFIGURE_DEPENDS unit/*_test.cpp windows/*_test.cpp)
foreach(source IN LISTS unit_sources)
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_test$" "" subject "${stem}")
    if(subject IN_LIST not_here OR subject STREQUAL "windows_headers")
        continue()
    endif()
    set(core OFF)
    set(labels unit)
    if(subject IN_LIST core_tests)
        set(core ON)
        list(APPEND labels core)
    endif()
    file(STRINGS "${source}" own_queues REGEX "define ALOFT_")
    file(STRINGS "${source}" own_allocator REGEX "operator new\\(std::size_t")
    if(own_queues OR own_allocator OR subject IN_LIST without_runtime)
        set(program test_${stem})
        aloft_add_windows_program(${program} ${core} "${source}")
        if(NOT own_queues AND NOT subject IN_LIST without_runtime)
            aloft_use_precompiled(${program})
        endif()
    elseif(core)
        set(program test_windows_core)
        list(APPEND core_sources "${source}")
    else()
        set(program test_windows)
        list(APPEND other_sources "${source}")
    endif()
    add_test(NAME test_${stem} COMMAND ${program} --filenames-as-tags "[#${stem}]~[.]")
    set_tests_properties(
        test_${stem} PROPERTIES TIMEOUT 200 LABELS "${labels}" SKIP_RETURN_CODE 4
    )
    if(subject STREQUAL "windows_signal")
        set_tests_properties(test_${stem} PROPERTIES ENVIRONMENT ALOFT_WINE_CONSOLE=1)
    endif()
endforeach()
aloft_add_windows_program(test_windows_core ON ${core_sources})
aloft_use_precompiled(test_windows_core)
aloft_add_windows_program(test_windows OFF ${other_sources})
aloft_use_precompiled(test_windows)

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
    add_dependencies(tests_core test_windows_headers_${order})
endforeach()
