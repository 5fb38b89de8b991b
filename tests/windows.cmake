# SPDX-License-Identifier: MIT
#
# The tests for Windows: those of what is Windows' own, and, on demand, unit tests that ask nothing of
# POSIX. Catch2 is built from its source, because nobody packages it for mingw-w64:
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

function(aloft_add_windows_test name)
    add_executable(${name} ${ARGN})
    target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
    target_link_libraries(
        ${name} PRIVATE aloft::aloft aloft_warnings aloft_test_scheduler Catch2::Catch2WithMain
    )
    add_dependencies(tests ${name})
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 200 LABELS unit SKIP_RETURN_CODE 4)
endfunction()

aloft_add_windows_test(
    test_windows_own windows/error_test.cpp windows/file_test.cpp windows/tcp_test.cpp
)

# Those of the coroutine layer and of the runtime. Not all of them build yet.
option(ALOFT_TEST_WINDOWS_LAYERS "Cross-build the tests of the coroutine layer and of the runtime" OFF)
if(ALOFT_TEST_WINDOWS_LAYERS)
    set(layers
        as_result
        auto_event
        barrier
        broadcast
        channel
        condition_variable
        coroutine_layer
        deque
        endpoint
        event
        generator
        latch
        mutex
        once
        parallel_for_each
        result
        run_queue
        select
        semaphore
        shared_mutex
        shared_task
        stop
        sync_wait
        task
        task_group
        task_local
        watch
        when_all
        when_any
    )
    set(io spawn start_handoff timer timers yield_offload)
    foreach(group IN ITEMS layers io)
        set(sources "")
        foreach(stem IN LISTS ${group})
            list(APPEND sources unit/${stem}_test.cpp)
        endforeach()
        aloft_add_windows_test(test_windows_${group} ${sources})
    endforeach()
endif()
