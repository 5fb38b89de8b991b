// SPDX-License-Identifier: MIT
#if defined(_WIN32)

#include "child.hpp"

#include <winsock2.h>
// behind winsock2.h
#include <windows.h>

#include <array>
#include <stdexcept>
#include <system_error>

namespace in_flight {

namespace {

void require(BOOL good, const char* what) {
    if (good == 0) {
        throw std::system_error(static_cast<int>(::GetLastError()), std::system_category(), what);
    }
}

class owned_handle {
public:
    owned_handle() = default;
    owned_handle(const owned_handle&) = delete;
    owned_handle& operator=(const owned_handle&) = delete;
    ~owned_handle() { close(); }

    [[nodiscard]] HANDLE get() const { return handle_; }
    [[nodiscard]] HANDLE* place() { return &handle_; }

    void close() {
        if (handle_ != nullptr) {
            (void)::CloseHandle(handle_);
            handle_ = nullptr;
        }
    }

private:
    HANDLE handle_ = nullptr;
};

std::string read_to_end(HANDLE from) {
    std::string text;
    std::array<char, 4096> buffer{};
    DWORD count = 0;
    while (::ReadFile(from, buffer.data(), buffer.size(), &count, nullptr) != 0 && count > 0) {
        text.append(buffer.data(), count);
    }
    return text;
}

} // namespace

std::string run_self(const std::vector<std::string>& arguments) {
    SECURITY_ATTRIBUTES inherited{sizeof(SECURITY_ATTRIBUTES), nullptr, TRUE};
    owned_handle reading;
    owned_handle writing;
    require(::CreatePipe(reading.place(), writing.place(), &inherited, 0), "pipe");
    require(::SetHandleInformation(reading.get(), HANDLE_FLAG_INHERIT, 0), "pipe");

    std::array<char, MAX_PATH> program{};
    require(::GetModuleFileNameA(nullptr, program.data(), program.size()) != 0,
            "find this program");
    std::string line = "\"" + std::string(program.data()) + "\"";
    for (const std::string& word : arguments) { // none of which has a quotation mark in it
        line += " \"" + word + "\"";
    }
    STARTUPINFOA how{};
    how.cb = sizeof how;
    how.dwFlags = STARTF_USESTDHANDLES;
    how.hStdOutput = writing.get();
    how.hStdError = ::GetStdHandle(STD_ERROR_HANDLE);
    PROCESS_INFORMATION started{};
    require(::CreateProcessA(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr,
                             &how, &started),
            "start this program again");
    owned_handle child;
    *child.place() = started.hProcess;
    (void)::CloseHandle(started.hThread);

    writing.close(); // else the end of the output would never come
    std::string text = read_to_end(reading.get());
    DWORD status = 0;
    require(::WaitForSingleObject(child.get(), INFINITE) == WAIT_OBJECT_0,
            "wait for the child process");
    require(::GetExitCodeProcess(child.get(), &status), "wait for the child process");
    if (status != 0) {
        throw std::runtime_error("the run with " + arguments.at(0) + " failed");
    }
    std::erase(text, '\r');
    return text;
}

} // namespace in_flight

#endif
