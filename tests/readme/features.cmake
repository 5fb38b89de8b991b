# SPDX-License-Identifier: MIT
#
# cmake -D README=... -D TESTS=... -P features.cmake
# README.md, "Beside others": each row in whose last column aloft has something has a test case of the
# same name in features_test.cpp, and each test case there has a row.

cmake_minimum_required(VERSION 3.25)

file(STRINGS "${README}" lines)
set(inside FALSE)
set(rows "")
foreach(line IN LISTS lines)
    if(line MATCHES "^## ")
        string(COMPARE EQUAL "${line}" "## Beside others" inside)
    elseif(inside AND line MATCHES "^\\| ([^|]+) \\|.*\\| ([^|]+) \\|$")
        set(name "${CMAKE_MATCH_1}")
        if(NOT CMAKE_MATCH_2 STREQUAL "-" AND NOT name STREQUAL "---")
            list(APPEND rows "${name}")
        endif()
    endif()
endforeach()

file(STRINGS "${TESTS}" cases REGEX "^TEST_CASE\\(\"")
list(TRANSFORM cases REPLACE "^TEST_CASE\\(\"([^\"]+)\".*$" "\\1")

set(differences "")
foreach(row IN LISTS rows)
    if(NOT row IN_LIST cases)
        string(APPEND differences "\n  no test case: ${row}")
    endif()
endforeach()
foreach(case IN LISTS cases)
    if(NOT case IN_LIST rows)
        string(APPEND differences "\n  no row: ${case}")
    endif()
endforeach()
list(LENGTH rows count)
if(differences OR count LESS 40)
    message(FATAL_ERROR "README.md and features_test.cpp differ (${count} rows):${differences}")
endif()
message(STATUS "${count} features, each with its test case")
