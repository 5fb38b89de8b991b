// SPDX-License-Identifier: MIT
// The arguments and the outcome of an operation on one datagram: bytes, and whom they come from or go to.
// Layer: L2 reactor
//
// It is what `address` of receive_message and send_message points to. From prepare to the answer it
// stays where it is, because the system's own records in it point into it.
#pragma once

#include <aloft/detail/reactor/socket_address.hpp>

#if !defined(_WIN32)
#include <sys/uio.h>
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace aloft::inline ALOFT_ABI::detail {

/// The longest datagram that IPv4 carries, and IPv6 without jumbograms.
[[nodiscard]] constexpr std::size_t longest_datagram(bool v6) noexcept {
    return v6 ? 65527 : 65507;
}

/// What every system is told of it.
class datagram_arguments {
public:
    /// Whom it is from, or goes to.
    [[nodiscard]] raw_endpoint peer() const noexcept {
        return from_socket_address(reinterpret_cast<const sockaddr*>(&peer_));
    }
    [[nodiscard]] bool has_peer() const noexcept { return peer_length_ != 0; }

    [[nodiscard]] void* bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

protected:
    void set_peer(const raw_endpoint& peer) noexcept {
        const socket_address name = to_socket_address(peer);
        peer_length_ = name.length;
        std::memcpy(&peer_, name.data(), static_cast<std::size_t>(name.length));
    }

    void* bytes_ = nullptr;
    std::size_t size_ = 0;
    sockaddr_in6 peer_{};
    socklen_t peer_length_ = 0;
};

#if defined(_WIN32)

class datagram_records : public datagram_arguments {
public:
    /// How many of the bytes that came are in the buffer.
    [[nodiscard]] std::size_t stored(std::int32_t answer) const noexcept {
        return was_cut(answer) ? size_ : static_cast<std::size_t>(answer);
    }
    /// Whether there were more.
    [[nodiscard]] bool was_cut(std::int32_t answer) const noexcept {
        return static_cast<std::size_t>(answer) > size_;
    }

    [[nodiscard]] sockaddr* name() noexcept {
        return has_peer() ? reinterpret_cast<sockaddr*>(&peer_) : nullptr;
    }
    [[nodiscard]] socklen_t* name_length() noexcept { return &peer_length_; }
    [[nodiscard]] WSABUF* parts() noexcept { return parts_.data(); }
    [[nodiscard]] DWORD* flags() noexcept { return &flags_; }

protected:
    void fill_in() noexcept { parts_[0] = {static_cast<ULONG>(size_), static_cast<char*>(bytes_)}; }

    /// A datagram that is longer than the buffer would be a warning, of which it is not said whether the
    /// call gives it or a packet. So there is always room: the rest goes where nobody reads.
    void make_room() noexcept {
        static std::array<char, longest_datagram(true)> nowhere;
        parts_[1] = {static_cast<ULONG>(nowhere.size()), nowhere.data()};
    }

    [[nodiscard]] std::int32_t answer_for(std::size_t count) const noexcept {
        return static_cast<std::int32_t>(count);
    }

private:
    std::array<WSABUF, 2> parts_{};
    DWORD flags_ = 0;
};

#else

class datagram_records : public datagram_arguments {
public:
    /// How many of the bytes that came are in the buffer.
    [[nodiscard]] std::size_t stored(std::int32_t answer) const noexcept {
        return static_cast<std::size_t>(answer);
    }
    /// Whether there were more.
    [[nodiscard]] bool was_cut(std::int32_t) const noexcept {
        return (header_.msg_flags & MSG_TRUNC) != 0;
    }

    [[nodiscard]] msghdr* header() noexcept { return &header_; }

protected:
    void fill_in() noexcept {
        part_ = {bytes_, size_};
        header_ = {};
        header_.msg_name = has_peer() ? &peer_ : nullptr;
        header_.msg_namelen = peer_length_;
        header_.msg_iov = &part_;
        header_.msg_iovlen = 1;
    }

    void make_room() noexcept {} // the header says it if something is missing

    [[nodiscard]] std::int32_t answer_for(std::size_t count) noexcept {
        header_.msg_flags = count > size_ ? MSG_TRUNC : 0;
        return static_cast<std::int32_t>(count < size_ ? count : size_);
    }

private:
    iovec part_{};
    msghdr header_{};
};

#endif

class datagram_message : public datagram_records {
public:
    /// To `peer`, or to whom the socket is connected.
    void aim(const void* bytes, std::size_t count, const raw_endpoint* peer) noexcept {
        bytes_ = const_cast<void*>(bytes); // only read
        size_ = count;
        if (peer != nullptr) {
            set_peer(*peer);
        } else {
            peer_length_ = 0;
        }
        fill_in();
    }

    void expect(void* buffer, std::size_t room) noexcept {
        bytes_ = buffer;
        size_ = room;
        peer_length_ = sizeof peer_;
        fill_in();
        make_room();
    }

    /// Stores a datagram as the system would; gives the answer.
    [[nodiscard]] std::int32_t take(const raw_endpoint& from, const char* bytes,
                                    std::size_t count) noexcept {
        set_peer(from);
        const std::size_t part = count < size_ ? count : size_;
        if (part != 0) {
            std::memcpy(bytes_, bytes, part);
        }
        return answer_for(count);
    }
};

} // namespace aloft::inline ALOFT_ABI::detail
