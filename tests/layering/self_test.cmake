# SPDX-License-Identifier: MIT
#
# The check itself: it accepts the good tree, and reports exactly the expected violations in the bad.

cmake_minimum_required(VERSION 3.25)

set(check "${CMAKE_CURRENT_LIST_DIR}/check.cmake")

execute_process(
    COMMAND "${CMAKE_COMMAND}" -D "INCLUDE_DIR=${CMAKE_CURRENT_LIST_DIR}/good/include" -P "${check}"
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output
)
if(NOT result EQUAL 0)
    message("${output}")
    message(FATAL_ERROR "the good tree was refused")
endif()

execute_process(
    COMMAND "${CMAKE_COMMAND}" -D "INCLUDE_DIR=${CMAKE_CURRENT_LIST_DIR}/bad/include" -P "${check}"
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output
)
if(result EQUAL 0)
    message(FATAL_ERROR "the bad tree was accepted")
endif()

set(problems "")
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/bad/expected.txt" expected)
foreach(line IN LISTS expected)
    string(FIND "${output}" "${line}\n" position)
    if(position EQUAL -1)
        string(APPEND problems "not reported: ${line}\n")
    endif()
    string(REPLACE "${line}\n" "" output "${output}")
endforeach()
string(REGEX MATCHALL "[^\n]+:[0-9]+: \\[[a-z]+\\] [^\n]*" unexpected "${output}")
foreach(line IN LISTS unexpected)
    string(APPEND problems "not expected: ${line}\n")
endforeach()
if(problems)
    message("${problems}")
    message(FATAL_ERROR "the check is wrong")
endif()
