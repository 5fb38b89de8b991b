// SPDX-License-Identifier: MIT
// Error numbers, macros, and the choice of the backend on Windows.
#include <aloft/aloft.hpp>

#if defined(min) || defined(max) || defined(small) || defined(near) || defined(interface)
#error "a macro of Windows' headers has leaked"
#endif
#if defined(WIN32_LEAN_AND_MEAN)
#error "a macro of ours has leaked"
#endif

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <system_error>

using aloft::system_error_code;

TEST_CASE("the errors that the headers promise compare equal to the standard's conditions") {
    CHECK(system_error_code(995) == std::errc::operation_canceled);
    CHECK(system_error_code(1225) == std::errc::connection_refused);
    CHECK(system_error_code(10061) == std::errc::connection_refused);
    CHECK(system_error_code(10054) == std::errc::connection_reset);
    CHECK(system_error_code(64) == std::errc::connection_reset);
    CHECK(system_error_code(121) == std::errc::timed_out);
    CHECK(system_error_code(10048) == std::errc::address_in_use);
    CHECK(system_error_code(2) == std::errc::no_such_file_or_directory);
    CHECK(system_error_code(5) == std::errc::permission_denied);
    CHECK(system_error_code(80) == std::errc::file_exists);
    CHECK(system_error_code(109) == std::errc::broken_pipe);
    CHECK(system_error_code(232) == std::errc::broken_pipe);
    CHECK(system_error_code(233) == std::errc::broken_pipe);
    CHECK(system_error_code(10024) == std::errc::too_many_files_open);
}

TEST_CASE("a number without a condition keeps its text and equals none") {
    const std::error_code code = system_error_code(1464);
    CHECK(code != std::errc::operation_canceled);
    CHECK_FALSE(code.message().empty());
}

TEST_CASE("the backend is iocp, whether chosen or not, and another one is refused") {
    const aloft::runtime automatic{aloft::runtime_options{}.threads(1)};
    CHECK(std::string(automatic.backend()) == "iocp");
    const aloft::runtime chosen{aloft::runtime_options{}.threads(1).backend(aloft::backend::iocp)};
    CHECK(std::string(chosen.backend()) == "iocp");
    try {
        const aloft::runtime other{
            aloft::runtime_options{}.threads(1).backend(aloft::backend::epoll)};
        FAIL("there is no epoll here");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::not_supported);
    }
}
