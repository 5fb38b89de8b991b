# SPDX-License-Identifier: MIT
#
# Target `headers`: each header compiles alone (when CMAKE_VERIFY_INTERFACE_HEADER_SETS is on), and
# two translation units that include all public headers, in opposite orders, link into one program.
# The second finds what the first cannot: a function that should have been inline.

set(headers_for_two_units "")
foreach(header IN LISTS aloft_headers)
    if(NOT header MATCHES "/include/aloft/detail/")
        list(APPEND headers_for_two_units "${header}")
    endif()
endforeach()
set(two_units_libraries aloft)
foreach(adapter IN LISTS aloft_found_adapters)
    list(APPEND headers_for_two_units
         "${CMAKE_CURRENT_SOURCE_DIR}/include/aloft/adapters/${adapter}.hpp"
    )
    list(APPEND two_units_libraries aloft_${adapter})
endforeach()

set(forward_includes "")
set(backward_includes "")
foreach(header IN LISTS headers_for_two_units)
    file(RELATIVE_PATH name "${CMAKE_CURRENT_SOURCE_DIR}/include" "${header}")
    set(forward_includes "${forward_includes}#include <${name}>\n")
    set(backward_includes "#include <${name}>\n${backward_includes}")
endforeach()

set(two_units_dir "${CMAKE_CURRENT_BINARY_DIR}/two_units")
file(CONFIGURE OUTPUT "${two_units_dir}/forward.cpp"
     CONTENT "@forward_includes@\nint other_unit();\n\nint main() { return other_unit(); }\n"
     @ONLY
)
file(CONFIGURE OUTPUT "${two_units_dir}/backward.cpp"
     CONTENT "@backward_includes@\nint other_unit();\n\nint other_unit() { return 0; }\n" @ONLY
)
add_executable(
    aloft_two_units EXCLUDE_FROM_ALL "${two_units_dir}/forward.cpp" "${two_units_dir}/backward.cpp"
)
target_link_libraries(aloft_two_units PRIVATE ${two_units_libraries} aloft_warnings)

add_custom_target(headers DEPENDS aloft_two_units)
# CMake makes the verification targets at generation; a dependency by name is resolved then.
if(CMAKE_VERIFY_INTERFACE_HEADER_SETS)
    add_dependencies(headers all_verify_interface_header_sets)
endif()
