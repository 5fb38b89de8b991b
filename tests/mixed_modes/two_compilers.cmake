# SPDX-License-Identifier: MIT
#
# Objects of two compilers that return tasks in different ways fail to link; where both are told to do it
# in one way, they are one program. Usage: cmake -D OWN=<compiler> -D OTHER=<one that returns tasks in
# registers> -D INCLUDE_DIR=<dir> -D OUTPUT=<folder> -P two_compilers.cmake

cmake_minimum_required(VERSION 3.25)

file(MAKE_DIRECTORY "${OUTPUT}")

# Sets <result> to what the linker says; to nothing if the program was linked and ran.
function(link_with definition result)
    execute_process(
        COMMAND "${OTHER}" -std=c++20 -O1 ${definition} -I "${INCLUDE_DIR}" -c
                "${CMAKE_CURRENT_LIST_DIR}/fetched.cpp" -o "${OUTPUT}/fetched.o" COMMAND_ERROR_IS_FATAL ANY
    )
    execute_process(
        COMMAND "${OWN}" -std=c++20 -O1 -foptimize-sibling-calls -I "${INCLUDE_DIR}"
                "${CMAKE_CURRENT_LIST_DIR}/fetching.cpp" "${OUTPUT}/fetched.o" -o "${OUTPUT}/fetching"
        RESULT_VARIABLE code
        ERROR_VARIABLE said
    )
    if(code EQUAL 0)
        execute_process(COMMAND "${OUTPUT}/fetching" COMMAND_ERROR_IS_FATAL ANY)
        set(said "")
    endif()
    set(${result} "${said}" PARENT_SCOPE)
endfunction()

link_with("" said)
if(NOT said MATCHES "undefined reference to .fetch\\(int\\)")
    message(FATAL_ERROR "objects that do not agree were linked: ${said}")
endif()
link_with(-DALOFT_TASKS_IN_REGISTERS=0 said)
if(said)
    message(FATAL_ERROR "objects that agree were not linked: ${said}")
endif()
