# SPDX-License-Identifier: MIT
#
# cmake -D COMPILER=... -D INCLUDE_DIR=... -D SOURCE=... -D SENTENCE=... -D COUNT=... [-D FLAGS=...]
# -P check.cmake
# The compiler must report COUNT errors, each with the sentence, and no list of candidates.

execute_process(
    COMMAND "${COMPILER}" -std=c++20 -fsyntax-only ${FLAGS} -I "${INCLUDE_DIR}" "${SOURCE}"
    RESULT_VARIABLE code
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output
)
string(REGEX MATCHALL "error: " errors "${output}")
string(REGEX MATCHALL "error: [^\n]*${SENTENCE}" sentences "${output}")
list(LENGTH errors errors)
list(LENGTH sentences sentences)
if(code EQUAL 0 OR NOT errors EQUAL COUNT OR NOT sentences EQUAL COUNT OR output MATCHES "candidate")
    message(FATAL_ERROR "${errors} errors, ${sentences} with the sentence, of ${COUNT}:\n${output}")
endif()
