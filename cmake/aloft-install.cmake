# SPDX-License-Identifier: MIT
#
# Install rules: headers, the CMake package and the pkg-config file. All of it is independent of the
# architecture, hence under share/.

set(aloft_cmake_dir "${CMAKE_INSTALL_DATADIR}/cmake/aloft")
set(aloft_pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(TARGETS aloft EXPORT aloft-targets FILE_SET HEADERS)
# Adapters are installed whether or not their libraries are here: the user's machine decides.
install(
    DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/include/aloft/adapters"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/aloft"
    FILES_MATCHING
    PATTERN "*.hpp"
)
install(
    EXPORT aloft-targets
    NAMESPACE aloft::
    DESTINATION "${aloft_cmake_dir}"
)

configure_package_config_file(
    "${CMAKE_CURRENT_SOURCE_DIR}/cmake/aloftConfig.cmake.in"
    "${CMAKE_CURRENT_BINARY_DIR}/aloftConfig.cmake"
    INSTALL_DESTINATION "${aloft_cmake_dir}"
    NO_SET_AND_CHECK_MACRO
)
write_basic_package_version_file(
    "${CMAKE_CURRENT_BINARY_DIR}/aloftConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT
)
install(
    FILES "${CMAKE_CURRENT_BINARY_DIR}/aloftConfig.cmake"
          "${CMAKE_CURRENT_BINARY_DIR}/aloftConfigVersion.cmake"
          "${CMAKE_CURRENT_SOURCE_DIR}/cmake/aloft-adapters.cmake"
          "${CMAKE_CURRENT_SOURCE_DIR}/cmake/Findliburing.cmake"
          "${CMAKE_CURRENT_SOURCE_DIR}/cmake/separate.cpp"
    DESTINATION "${aloft_cmake_dir}"
)

# The pkg-config file finds its prefix from where it lies, so an installed tree can be moved.
set(aloft_absolute_pkgconfig_dir "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig")
file(RELATIVE_PATH aloft_relative_prefix "${aloft_absolute_pkgconfig_dir}"
     "${CMAKE_INSTALL_PREFIX}"
)
string(REGEX REPLACE "/$" "" aloft_relative_prefix "${aloft_relative_prefix}")
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(aloft_pkgconfig_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
    set(aloft_pkgconfig_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(
    "${CMAKE_CURRENT_SOURCE_DIR}/cmake/aloft.pc.in" "${CMAKE_CURRENT_BINARY_DIR}/aloft.pc" @ONLY
)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/aloft.pc" DESTINATION "${aloft_pkgconfig_dir}")
