# SPDX-License-Identifier: MIT
#
# Checks the rules that hold between headers. Usage: cmake -D INCLUDE_DIR=<dir with aloft/> -P check.cmake
# Prints each violation as file:line: [rule] text, and fails if there is any.
#
#   start        the first line is the SPDX line
#   once         there is a #pragma once
#   layer        the first 15 lines hold "Layer: L<0..4>", and it agrees with the detail folder
#   down         an include goes to the same or a lower layer
#   missing      an include of a header of ours that does not exist
#   umbrella     nothing includes aloft.hpp, and aloft.hpp includes no adapter
#   cycle        includes form no cycle
#   os           headers of an operating system only in detail/reactor and detail/surface
#   length       public headers have at most 400 lines, detail headers at most 500
#   suspend      no await_suspend is declared to return a handle, but suspend_result or transfer_result,
#                which are none where the compiler may not get one (config.hpp, 1)
#   order        each order(<edge>) in comments has a release end and an acquire end

cmake_minimum_required(VERSION 3.25)

set(public_limit 400)
set(detail_limit 500)
set(layer_of_base 0)
set(layer_of_coro 1)
set(layer_of_reactor 2)
set(layer_of_runtime 3)
set(layer_of_surface 4)
string(CONCAT os_headers "unistd|fcntl|poll|signal|pthread|netdb|liburing|termios|sched|spawn|dirent|"
              "dlfcn|ifaddrs|windows|winsock2|ws2tcpip|mswsock"
)
set(os_folders "sys|netinet|arpa|linux|net|liburing|asm")
set(os_regex "^((${os_headers})\\.h|(${os_folders})/.+)$")
set(ends_of_release release)
set(ends_of_acquire acquire)
set(ends_of_acq_rel release acquire)
set(ends_of_seq_cst release acquire)

if(NOT IS_DIRECTORY "${INCLUDE_DIR}/aloft")
    message(FATAL_ERROR "INCLUDE_DIR must name the folder that holds aloft/")
endif()
get_filename_component(INCLUDE_DIR "${INCLUDE_DIR}" ABSOLUTE)

set(violations 0)
macro(violation file line rule text)
    math(EXPR violations "${violations} + 1")
    message("${file}:${line}: [${rule}] ${text}")
endmacro()

# Sets <result> to the header of ours, relative to INCLUDE_DIR, that <from> means by <spelled>;
# to nothing if it is not one of ours.
function(resolve_include from spelled quoted result)
    set(found "")
    if(quoted)
        get_filename_component(folder "${INCLUDE_DIR}/${from}" DIRECTORY)
        get_filename_component(path "${folder}/${spelled}" ABSOLUTE)
        if(EXISTS "${path}" OR NOT spelled MATCHES "^aloft/")
            file(RELATIVE_PATH found "${INCLUDE_DIR}" "${path}")
        endif()
    endif()
    if(NOT found AND spelled MATCHES "^aloft/")
        set(found "${spelled}")
    endif()
    set(${result} "${found}" PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE headers RELATIVE "${INCLUDE_DIR}" "${INCLUDE_DIR}/aloft/*.hpp")
list(SORT headers)
list(LENGTH headers header_count)

set(edges "") # the names inside order(...)

# ---- one header at a time: facts, and the rules that need no other header --------------------

foreach(header IN LISTS headers)
    file(READ "${INCLUDE_DIR}/${header}" text)
    # CMake's lists give these three characters a meaning; none matters to the rules.
    string(REGEX REPLACE "[][]" "|" text "${text}")
    string(REPLACE ";" "|" text "${text}")
    string(REPLACE "\\" "/" text "${text}")
    string(REGEX MATCHALL "\n" line_ends "${text}")
    list(LENGTH line_ends length)
    string(REPLACE "\n" ";" lines "${text}")

    set(layer "")
    if(header MATCHES "/detail/")
        set(limit ${detail_limit})
    else()
        set(limit ${public_limit})
    endif()
    if(length GREATER limit)
        violation("${header}" ${length} length "${length} lines, the limit is ${limit}")
    endif()
    if(NOT text MATCHES "^// SPDX-License-Identifier: MIT\r?\n")
        violation("${header}" 1 start "the first line is not '// SPDX-License-Identifier: MIT'")
    endif()
    if(NOT text MATCHES "(^|\n)#pragma once[ \t\r]*\n")
        violation("${header}" 1 once "no #pragma once")
    endif()
    if(text MATCHES "coroutine_handle<[^>]*>[ \n]+await_suspend\\(")
        violation("${header}" 1 suspend "an await_suspend returns a handle, and not a suspend_result")
    endif()

    set(number 0)
    set(includes "")
    foreach(line IN LISTS lines)
        math(EXPR number "${number} + 1")
        if(number LESS_EQUAL 15 AND NOT layer AND line MATCHES "Layer: L([0-9]+)")
            set(layer "${CMAKE_MATCH_1}")
            set(layer_line ${number})
        endif()
        if(line MATCHES "^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]")
            set(spelled "${CMAKE_MATCH_2}")
            string(COMPARE EQUAL "${CMAKE_MATCH_1}" "\"" quoted)
            resolve_include("${header}" "${spelled}" ${quoted} target)
            if(target)
                list(APPEND includes "${number}:${target}")
            elseif(spelled MATCHES "${os_regex}"
                   AND NOT header MATCHES "^aloft/detail/(reactor|surface)/"
            )
                violation("${header}" ${number} os
                          "<${spelled}> belongs in detail/reactor or detail/surface"
                )
            endif()
        elseif(line MATCHES "order\\(" AND line MATCHES "(//|^[ \t]*/?\\*)")
            set(rest "${line}")
            while(rest MATCHES
                  "order\\(([A-Za-z0-9_.-]+)\\)[: \t]*(release|acquire|acq_rel|seq_cst)?(.*)"
            )
                set(edge "${CMAKE_MATCH_1}")
                set(end "${CMAKE_MATCH_2}")
                set(rest "${CMAKE_MATCH_3}")
                if(NOT edge IN_LIST edges)
                    list(APPEND edges "${edge}")
                    set("edge_${edge}" "")
                    set("edge_${edge}_file" "${header}")
                    set("edge_${edge}_line" ${number})
                endif()
                if(end)
                    list(APPEND "edge_${edge}" ${ends_of_${end}})
                else()
                    violation("${header}" ${number} order
                              "order(${edge}) does not say release, acquire, acq_rel or seq_cst"
                    )
                endif()
            endwhile()
        endif()
    endforeach()
    set("includes_of_${header}" "${includes}")

    if(header STREQUAL "aloft/aloft.hpp")
        set(layer 5) # above all
    elseif(layer STREQUAL "" OR layer GREATER 4)
        violation("${header}" 1 layer "the first 15 lines hold no 'Layer: L<0..4>'")
        set(layer "")
    elseif(header MATCHES "^aloft/detail/(base|coro|reactor|runtime|surface)/")
        set(folder "${CMAKE_MATCH_1}")
        if(NOT layer EQUAL "${layer_of_${folder}}")
            violation("${header}" ${layer_line} layer
                      "declares L${layer}, but detail/${folder} is L${layer_of_${folder}}"
            )
        endif()
    elseif(header MATCHES "^aloft/detail/")
        violation("${header}" 1 layer
                  "lies in none of detail/base, coro, reactor, runtime, surface"
        )
    elseif(header MATCHES "^aloft/adapters/" AND NOT layer EQUAL 4)
        violation("${header}" ${layer_line} layer "declares L${layer}, but adapters are L4")
    endif()
    set("layer_of_header_${header}" "${layer}")
endforeach()

# ---- between headers -------------------------------------------------------------------------

foreach(header IN LISTS headers)
    set(layer "${layer_of_header_${header}}")
    foreach(include IN LISTS "includes_of_${header}")
        string(REGEX MATCH "^([0-9]+):(.*)$" include "${include}")
        set(number "${CMAKE_MATCH_1}")
        set(target "${CMAKE_MATCH_2}")
        if(NOT target IN_LIST headers)
            violation("${header}" ${number} missing "there is no ${target}")
            continue()
        endif()
        if(target STREQUAL "aloft/aloft.hpp")
            violation("${header}" ${number} umbrella "nothing may include aloft.hpp")
            continue()
        endif()
        if(header STREQUAL "aloft/aloft.hpp" AND target MATCHES "^aloft/adapters/")
            violation("${header}" ${number} umbrella "adapters are not in the umbrella")
        endif()
        set(target_layer "${layer_of_header_${target}}")
        if(NOT layer STREQUAL "" AND NOT target_layer STREQUAL "" AND target_layer GREATER layer)
            violation("${header}" ${number} down
                      "L${layer} includes ${target}, which is L${target_layer}"
            )
        endif()
    endforeach()
endforeach()

# A header on a cycle never runs out of includes (nor of includers) that are themselves left over.
set(left "${headers}")
set(shrinking TRUE)
while(shrinking)
    set(shrinking FALSE)
    set(included "")
    foreach(header IN LISTS left)
        set(goes_on FALSE)
        foreach(include IN LISTS "includes_of_${header}")
            string(REGEX REPLACE "^[0-9]+:" "" target "${include}")
            if(target IN_LIST left)
                set(goes_on TRUE)
                list(APPEND included "${target}")
            endif()
        endforeach()
        if(NOT goes_on)
            list(REMOVE_ITEM left "${header}")
            set(shrinking TRUE)
        endif()
    endforeach()
    foreach(header IN LISTS left)
        if(NOT header IN_LIST included)
            list(REMOVE_ITEM left "${header}")
            set(shrinking TRUE)
        endif()
    endforeach()
endwhile()
foreach(header IN LISTS left)
    foreach(include IN LISTS "includes_of_${header}")
        string(REGEX MATCH "^([0-9]+):(.*)$" include "${include}")
        set(number "${CMAKE_MATCH_1}")
        set(target "${CMAKE_MATCH_2}")
        if(target IN_LIST left)
            violation("${header}" ${number} cycle "${target} leads back here")
        endif()
    endforeach()
endforeach()

foreach(edge IN LISTS edges)
    foreach(end IN ITEMS release acquire)
        if(NOT end IN_LIST "edge_${edge}")
            violation("${edge_${edge}_file}" "${edge_${edge}_line}" order
                      "order(${edge}) has no ${end} end anywhere"
            )
        endif()
    endforeach()
endforeach()

list(LENGTH edges edge_count)
if(violations GREATER 0)
    message(FATAL_ERROR "${violations} violations in ${header_count} headers")
endif()
message(STATUS "${header_count} headers, ${edge_count} memory-order edges: no violation")
