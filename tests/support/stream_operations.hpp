// SPDX-License-Identifier: MIT
// Operations on streams that tests hand to a reactor directly.
#pragma once

#include <support/operations.hpp>

#include <catch2/catch_test_macros.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace test_support {

struct receiving : operation_with_count {
    void prepare(int from, std::size_t most = 64) {
        kind = operation_kind::receive;
        fd = from;
        address = bytes.data();
        length = static_cast<std::uint32_t>(std::min(most, bytes.size()));
        result = 0;
    }
    [[nodiscard]] std::string_view text() const {
        return {bytes.data(), static_cast<std::size_t>(std::max(result, 0))};
    }
    std::array<char, 64> bytes{};
};

struct sending : operation_with_count {
    void prepare(int to, std::string_view text) {
        kind = operation_kind::send;
        fd = to;
        address = const_cast<char*>(text.data()); // only read
        length = static_cast<std::uint32_t>(text.size());
        flags = MSG_NOSIGNAL;
        result = 0;
    }
};

inline void put(int socket, std::string_view text) {
    REQUIRE(::send(socket, text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
}

} // namespace test_support
