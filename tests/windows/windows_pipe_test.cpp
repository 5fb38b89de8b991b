// SPDX-License-Identifier: MIT
// Pipes on Windows: what others may do with the other end, and which handles can be taken over.
#include <aloft/pipe.hpp>

#include <support/descriptors.hpp>
#include <support/endings.hpp>
#include <support/pipes.hpp>

#include <aloft/runtime.hpp>
#include <aloft/spawn.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/timer.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

using namespace std::chrono_literals;
using namespace test_support;
using aloft::pipe_reader;
using aloft::pipe_writer;
using aloft::runtime;
using aloft::spawn;
using aloft::sync_wait;

namespace {

/// Writes by a call of the system's alone and waits for its end.
[[nodiscard]] bool plain_write(int number, std::string_view text) {
    OVERLAPPED overlapped{};
    overlapped.hEvent = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    // With its lowest bit set the event keeps the packet from a port.
    overlapped.hEvent =
        reinterpret_cast<HANDLE>(reinterpret_cast<std::uintptr_t>(overlapped.hEvent) | 1);
    DWORD written = 0;
    const HANDLE handle = aloft::detail::handle_of(number);
    const bool begun = ::WriteFile(handle, text.data(), static_cast<DWORD>(text.size()), nullptr,
                                   &overlapped) != 0 ||
                       ::GetLastError() == ERROR_IO_PENDING;
    const bool ended = begun && ::GetOverlappedResult(handle, &overlapped, &written, TRUE) != 0;
    (void)::CloseHandle(overlapped.hEvent);
    return ended && written == text.size();
}

} // namespace

TEST_CASE("a write of no bytes by somebody else is not the end") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    auto [reader, writer] = aloft::pipe();
    std::array<char, 8> buffer{};
    auto waits = spawn(rt, reader.read_some(std::span(buffer)));
    sync_wait(rt, aloft::sleep_for(1ms));
    REQUIRE(plain_write(writer.native_handle(), ""));
    REQUIRE(plain_write(writer.native_handle(), ""));
    sync_wait(rt, aloft::sleep_for(1ms));
    REQUIRE(plain_write(writer.native_handle(), "data"));
    CHECK(sync_wait(rt, waits) == 4);
    CHECK(std::string_view(buffer.data(), 4) == "data");
    writer.close();
    CHECK(sync_wait(rt, reader.read_some(std::span(buffer))) == 0);
}

TEST_CASE("a read that a write of no bytes has ended is told from one that found the end") {
    aloft::detail::operation op; // as the system answers it, which Wine does not
    op.kind = aloft::detail::operation_kind::read;
    op.flags = aloft::detail::pipe_transfer;
    CHECK(aloft::detail::answer_of(op) == aloft::detail::nothing_came);
    op.completion.internal = 0xC000014B; // STATUS_PIPE_BROKEN
    CHECK(aloft::detail::answer_of(op) == 0);
    op.completion.internal = 0;
    op.completion.internal_high = 3;
    CHECK(aloft::detail::answer_of(op) == 3);
    op.completion.internal_high = 0;
    op.kind = aloft::detail::operation_kind::write;
    CHECK(aloft::detail::answer_of(op) == 0);
    op.kind = aloft::detail::operation_kind::read;
    op.flags = 0; // of a file
    CHECK(aloft::detail::answer_of(op) == 0);
}

TEST_CASE("the ends of a pipe are not inherited by other programs") {
    const no_leaked_descriptors descriptors;
    const aloft::pipe_ends ends = aloft::pipe();
    for (const int each : {ends.reader.native_handle(), ends.writer.native_handle()}) {
        DWORD flags = 0;
        REQUIRE(::GetHandleInformation(aloft::detail::handle_of(each), &flags) != 0);
        CHECK((flags & HANDLE_FLAG_INHERIT) == 0);
    }
}

TEST_CASE("a handle can be taken over by its plain number, and no other thing can") {
    const no_leaked_descriptors descriptors;
    runtime rt(workers(1));
    aloft::pipe_ends ends = aloft::pipe();
    const int number = ends.writer.release() & ~3; // as the system gave it
    {
        const pipe_writer writer = pipe_writer::adopt(number);
        CHECK(sync_wait(rt, writer.write_all("taken over")) == 10);
    }
    CHECK(sync_wait(rt, read_text(ends.reader)) == "taken over");
    for (const int wrong : {-1, 0x7fffff0}) {
        INFO(wrong);
        try {
            (void)pipe_reader::adopt(wrong);
            FAIL("it was taken over");
        } catch (const std::system_error& error) {
            CHECK(error.code() == std::errc::bad_file_descriptor);
            CHECK(std::string(error.what()).starts_with("pipe_reader::adopt "));
        }
    }
}

TEST_CASE("a handle that cannot be awaited is not taken over, and stays open") {
    const no_leaked_descriptors descriptors;
    HANDLE reading = nullptr;
    HANDLE writing = nullptr;
    REQUIRE(::CreatePipe(&reading, &writing, nullptr, 0) != 0);
    const int number = aloft::detail::number_of_file(reading);
    try {
        (void)pipe_reader::adopt(number);
        FAIL("it was taken over");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::invalid_argument);
        CHECK(std::string(error.what()).find("overlapped") != std::string::npos);
    }
    CHECK(is_open_descriptor(number));
    (void)::CloseHandle(reading);
    (void)::CloseHandle(writing);
}
