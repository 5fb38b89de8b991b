# SPDX-License-Identifier: MIT
#
# Finds liburing: through pkg-config where there is one, else by its header and library.
# Defines liburing::liburing, liburing_FOUND, liburing_VERSION. Also shipped with the installed
# package, so that find_package(aloft) finds liburing exactly as aloft's own build does.

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
    pkg_check_modules(PC_liburing QUIET liburing)
endif()

find_path(
    liburing_INCLUDE_DIR
    NAMES liburing.h
    HINTS ${PC_liburing_INCLUDEDIR} ${PC_liburing_INCLUDE_DIRS}
)
find_library(
    liburing_LIBRARY
    NAMES uring
    HINTS ${PC_liburing_LIBDIR} ${PC_liburing_LIBRARY_DIRS}
)

set(liburing_VERSION "${PC_liburing_VERSION}")
if(NOT liburing_VERSION AND liburing_INCLUDE_DIR)
    # This header exists from liburing 2.4 on; pkg-config is the way to tell older ones.
    set(liburing_version_header "${liburing_INCLUDE_DIR}/liburing/io_uring_version.h")
    if(EXISTS "${liburing_version_header}")
        file(READ "${liburing_version_header}" liburing_version_text)
        if(liburing_version_text MATCHES "IO_URING_VERSION_MAJOR[ \t]+([0-9]+)")
            set(liburing_VERSION "${CMAKE_MATCH_1}")
        endif()
        if(liburing_version_text MATCHES "IO_URING_VERSION_MINOR[ \t]+([0-9]+)")
            string(APPEND liburing_VERSION ".${CMAKE_MATCH_1}")
        endif()
        unset(liburing_version_text)
    endif()
    unset(liburing_version_header)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    liburing
    REQUIRED_VARS liburing_LIBRARY liburing_INCLUDE_DIR
    VERSION_VAR liburing_VERSION
)
mark_as_advanced(liburing_LIBRARY liburing_INCLUDE_DIR)

if(liburing_FOUND AND NOT TARGET liburing::liburing)
    add_library(liburing::liburing UNKNOWN IMPORTED)
    set_target_properties(
        liburing::liburing
        PROPERTIES IMPORTED_LOCATION "${liburing_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES
                                                           "${liburing_INCLUDE_DIR}"
    )
endif()
