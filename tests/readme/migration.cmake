# SPDX-License-Identifier: MIT
#
# cmake -D PAGE=... -D TESTS=<directory> -P migration.cmake
# Each test case that a table of PAGE names in quotes exists in TESTS.

cmake_minimum_required(VERSION 3.25)

file(GLOB_RECURSE sources "${TESTS}/*.cpp")
set(all "")
foreach(source IN LISTS sources)
    file(READ "${source}" text)
    string(APPEND all "${text}")
endforeach()
string(REGEX REPLACE "TEST_CASE\\(\n +\"" "TEST_CASE(\"" all "${all}")
string(REGEX REPLACE "\"\n +\"" "" all "${all}") # a name on two lines

file(READ "${PAGE}" page)
set(count 0)
set(missing "")
while(page MATCHES "\n\\|[^\n]*\\| (\"[^\n]*\") \\|\n")
    set(row "${CMAKE_MATCH_0}")
    set(names "${CMAKE_MATCH_1}")
    string(FIND "${page}" "${row}" at)
    string(LENGTH "${row}" length)
    math(EXPR at "${at} + ${length} - 1") # the line's end begins the next one
    string(SUBSTRING "${page}" ${at} -1 page)
    while(names MATCHES "^(, )?\"([^\"]+)\"(.*)$")
        set(name "${CMAKE_MATCH_2}")
        set(names "${CMAKE_MATCH_3}")
        math(EXPR count "${count} + 1")
        string(FIND "${all}" "TEST_CASE(\"${name}\"" found)
        if(found EQUAL -1)
            string(APPEND missing "\n  ${name}")
        endif()
    endwhile()
    if(NOT names STREQUAL "")
        string(APPEND missing "\n  unreadable: ${names}")
    endif()
endwhile()
if(missing OR count LESS 100)
    message(FATAL_ERROR "${PAGE}: of ${count} test cases these are not there:${missing}")
endif()
message(STATUS "${count} test cases, all there")
