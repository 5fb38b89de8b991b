# SPDX-License-Identifier: MIT
#
# The adapters and the libraries they need; used by aloft's own build and by the installed package.

set(ALOFT_ADAPTERS libpq libcurl)
# How the names of an adapter's headers in adapters/detail/ begin.
set(ALOFT_PREFIX_OF_libpq pq)
set(ALOFT_PREFIX_OF_libcurl curl)

# aloft_find_adapter(<adapter> <variable>): sets <variable> to the imported target of the library
# behind <adapter>, or to nothing if the library is not there.
macro(aloft_find_adapter adapter variable)
    set(${variable} "")
    if("${adapter}" STREQUAL "libpq")
        if(NOT TARGET PkgConfig::aloft_libpq)
            find_package(PkgConfig QUIET)
            if(PKG_CONFIG_FOUND)
                pkg_check_modules(aloft_libpq QUIET IMPORTED_TARGET GLOBAL libpq)
            endif()
        endif()
        if(TARGET PkgConfig::aloft_libpq)
            set(${variable} PkgConfig::aloft_libpq)
        endif()
    elseif("${adapter}" STREQUAL "libcurl")
        if(NOT TARGET CURL::libcurl)
            find_package(CURL QUIET GLOBAL)
        endif()
        if(TARGET CURL::libcurl)
            set(${variable} CURL::libcurl)
        endif()
    endif()
endmacro()
