# SPDX-License-Identifier: MIT
#
# The tokio programs. Their crates are Debian's packages (librust-tokio-dev), which lie in a folder:
# nothing is fetched. Debian's own cargo and rustc are preferred: the crates are made for them.

set(crates /usr/share/cargo/registry)
file(GLOB tokio_sources "${crates}/tokio-1*")
find_program(ALOFT_CARGO cargo PATHS /usr/bin NO_DEFAULT_PATH)
find_program(ALOFT_CARGO cargo)
find_program(ALOFT_RUSTC rustc PATHS /usr/bin NO_DEFAULT_PATH)
find_program(ALOFT_RUSTC rustc)
mark_as_advanced(ALOFT_CARGO ALOFT_RUSTC)
if(NOT tokio_sources OR NOT ALOFT_CARGO OR NOT ALOFT_RUSTC)
    message(STATUS "aloft: no tokio programs, because cargo, rustc or librust-tokio-dev is missing")
    return()
endif()

set(package "${CMAKE_CURRENT_BINARY_DIR}/tokio")
string(CONCAT manifest
    "[package]\nname = \"field\"\nversion = \"0.0.0\"\nedition = \"2018\"\nautobins = false\n\n"
    "[dependencies]\nlibc = \"0.2\"\n"
    "tokio = { version = \"1\", features = [\"rt-multi-thread\", \"net\", \"io-util\", \"time\", "
    "\"sync\"] }\n\n"
    "[profile.release]\nopt-level = 3\n"
)
set(tokio_works spawn sleepers hog echo files channel)
set(programs "")
set(sources programs/measure.rs)
foreach(work IN LISTS tokio_works)
    string(APPEND manifest
           "\n[[bin]]\nname = \"field_${work}_tokio\"\n"
           "path = \"${CMAKE_CURRENT_SOURCE_DIR}/programs/${work}.rs\"\n"
    )
    set(program "${CMAKE_CURRENT_BINARY_DIR}/field_${work}_tokio")
    list(APPEND programs "${program}")
    list(APPEND sources programs/${work}.rs)
endforeach()
file(CONFIGURE OUTPUT "${package}/Cargo.toml" CONTENT "${manifest}" @ONLY)
set(source "[source.crates-io]\nreplace-with = \"debian\"\n")
string(APPEND source "[source.debian]\ndirectory = \"${crates}\"\n")
file(CONFIGURE OUTPUT "${package}/.cargo/config.toml" CONTENT "${source}"
     @ONLY
)
# What fails here leaves tokio out of the comparison, and old programs do not stay in it.
string(JOIN "\n" build
       "file(GLOB old \"${CMAKE_CURRENT_BINARY_DIR}/field_*_tokio\")"
       "if(old)"
       "    file(REMOVE \${old})"
       "endif()"
       "execute_process(COMMAND \"${ALOFT_CARGO}\" build --release --offline"
       "    WORKING_DIRECTORY \"${package}\" RESULT_VARIABLE failed)"
       "if(failed)"
       "    message(\"aloft: no tokio programs, because cargo failed\")"
       "    return()"
       "endif()"
       ""
)
foreach(work IN LISTS tokio_works)
    string(APPEND build "file(COPY_FILE \"${package}/target/release/field_${work}_tokio\" "
           "\"${CMAKE_CURRENT_BINARY_DIR}/field_${work}_tokio\" ONLY_IF_DIFFERENT)\n"
    )
endforeach()
file(CONFIGURE OUTPUT "${package}/build.cmake" CONTENT "${build}" @ONLY)
add_custom_command(
    OUTPUT "${package}/built"
    BYPRODUCTS ${programs}
    COMMAND ${CMAKE_COMMAND} -E env --unset=RUSTFLAGS "RUSTC=${ALOFT_RUSTC}"
            "CARGO_TARGET_DIR=${package}/target" "CARGO_HOME=${package}/home" ${CMAKE_COMMAND} -P
            "${package}/build.cmake"
    COMMAND ${CMAKE_COMMAND} -E touch "${package}/built"
    DEPENDS ${sources} "${package}/Cargo.toml" "${package}/build.cmake"
    COMMENT "Building the tokio programs"
    VERBATIM
)
add_custom_target(field_tokio DEPENDS "${package}/built")
add_dependencies(field_peers field_tokio)
