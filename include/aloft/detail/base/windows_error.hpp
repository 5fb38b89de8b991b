// SPDX-License-Identifier: MIT
// The category of Windows' and Winsock's error numbers.
// Layer: L0 base
//
// Not std::system_category(), because libstdc++ for MinGW gives some numbers no condition and some a
// wrong one: here a cancelled operation equals std::errc::operation_canceled, a refused connection
// std::errc::connection_refused, and so on. The texts are those of std::system_category(). No
// operating system's header is needed: the numbers are Windows' and do not change.
#pragma once

#include <aloft/config.hpp>

#include <string>
#include <system_error>

namespace aloft::inline ALOFT_ABI::detail {

struct windows_error_name {
    int number;
    std::errc condition;
};

inline constexpr windows_error_name windows_error_names[] = {
    {2, std::errc::no_such_file_or_directory},        // ERROR_FILE_NOT_FOUND
    {3, std::errc::no_such_file_or_directory},        // ERROR_PATH_NOT_FOUND
    {4, std::errc::too_many_files_open},              // ERROR_TOO_MANY_OPEN_FILES
    {5, std::errc::permission_denied},                // ERROR_ACCESS_DENIED
    {6, std::errc::bad_file_descriptor},              // ERROR_INVALID_HANDLE
    {8, std::errc::not_enough_memory},                // ERROR_NOT_ENOUGH_MEMORY
    {14, std::errc::not_enough_memory},               // ERROR_OUTOFMEMORY
    {19, std::errc::read_only_file_system},           // ERROR_WRITE_PROTECT
    {32, std::errc::device_or_resource_busy},         // ERROR_SHARING_VIOLATION
    {33, std::errc::no_lock_available},               // ERROR_LOCK_VIOLATION
    {39, std::errc::no_space_on_device},              // ERROR_HANDLE_DISK_FULL
    {50, std::errc::not_supported},                   // ERROR_NOT_SUPPORTED
    {64, std::errc::connection_reset},                // ERROR_NETNAME_DELETED
    {80, std::errc::file_exists},                     // ERROR_FILE_EXISTS
    {87, std::errc::invalid_argument},                // ERROR_INVALID_PARAMETER
    {109, std::errc::broken_pipe},                    // ERROR_BROKEN_PIPE
    {112, std::errc::no_space_on_device},             // ERROR_DISK_FULL
    {121, std::errc::timed_out},                      // ERROR_SEM_TIMEOUT
    {123, std::errc::no_such_file_or_directory},      // ERROR_INVALID_NAME
    {145, std::errc::directory_not_empty},            // ERROR_DIR_NOT_EMPTY
    {161, std::errc::no_such_file_or_directory},      // ERROR_BAD_PATHNAME
    {183, std::errc::file_exists},                    // ERROR_ALREADY_EXISTS
    {206, std::errc::filename_too_long},              // ERROR_FILENAME_EXCED_RANGE
    {232, std::errc::broken_pipe},                    // ERROR_NO_DATA
    {233, std::errc::broken_pipe},                    // ERROR_PIPE_NOT_CONNECTED
    {995, std::errc::operation_canceled},             // ERROR_OPERATION_ABORTED
    {1117, std::errc::io_error},                      // ERROR_IO_DEVICE
    {1225, std::errc::connection_refused},            // ERROR_CONNECTION_REFUSED
    {1229, std::errc::not_connected},                 // ERROR_CONNECTION_INVALID
    {1231, std::errc::network_unreachable},           // ERROR_NETWORK_UNREACHABLE
    {1232, std::errc::host_unreachable},              // ERROR_HOST_UNREACHABLE
    {1234, std::errc::connection_refused},            // ERROR_PORT_UNREACHABLE
    {1236, std::errc::connection_aborted},            // ERROR_CONNECTION_ABORTED
    {1450, std::errc::not_enough_memory},             // ERROR_NO_SYSTEM_RESOURCES
    {10004, std::errc::interrupted},                  // WSAEINTR
    {10009, std::errc::bad_file_descriptor},          // WSAEBADF
    {10013, std::errc::permission_denied},            // WSAEACCES
    {10014, std::errc::bad_address},                  // WSAEFAULT
    {10022, std::errc::invalid_argument},             // WSAEINVAL
    {10024, std::errc::too_many_files_open},          // WSAEMFILE
    {10035, std::errc::operation_would_block},        // WSAEWOULDBLOCK
    {10036, std::errc::operation_in_progress},        // WSAEINPROGRESS
    {10038, std::errc::not_a_socket},                 // WSAENOTSOCK
    {10039, std::errc::destination_address_required}, // WSAEDESTADDRREQ
    {10040, std::errc::message_size},                 // WSAEMSGSIZE
    {10043, std::errc::protocol_not_supported},       // WSAEPROTONOSUPPORT
    {10045, std::errc::operation_not_supported},      // WSAEOPNOTSUPP
    {10047, std::errc::address_family_not_supported}, // WSAEAFNOSUPPORT
    {10048, std::errc::address_in_use},               // WSAEADDRINUSE
    {10049, std::errc::address_not_available},        // WSAEADDRNOTAVAIL
    {10050, std::errc::network_down},                 // WSAENETDOWN
    {10051, std::errc::network_unreachable},          // WSAENETUNREACH
    {10053, std::errc::connection_aborted},           // WSAECONNABORTED
    {10054, std::errc::connection_reset},             // WSAECONNRESET
    {10055, std::errc::no_buffer_space},              // WSAENOBUFS
    {10056, std::errc::already_connected},            // WSAEISCONN
    {10057, std::errc::not_connected},                // WSAENOTCONN
    {10058, std::errc::broken_pipe},                  // WSAESHUTDOWN
    {10060, std::errc::timed_out},                    // WSAETIMEDOUT
    {10061, std::errc::connection_refused},           // WSAECONNREFUSED
    {10065, std::errc::host_unreachable},             // WSAEHOSTUNREACH
};

class windows_error_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "system"; }
    [[nodiscard]] std::string message(int number) const override {
        return std::system_category().message(number);
    }
    [[nodiscard]] std::error_condition default_error_condition(int number) const noexcept override {
        for (const windows_error_name& each : windows_error_names) {
            if (each.number == number) {
                return std::make_error_condition(each.condition);
            }
        }
        return {number, *this};
    }
};

[[nodiscard]] inline const std::error_category& windows_errors() noexcept {
    static const windows_error_category category;
    return category;
}

} // namespace aloft::inline ALOFT_ABI::detail
