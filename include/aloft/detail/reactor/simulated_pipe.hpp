// SPDX-License-Identifier: MIT
// A pipe between two descriptors of one simulated world.
// Layer: L2 reactor
//
// 1. What has been written and not been read fills the pipe; a writer waits while there is no room.
//    Bytes are there for a reader as soon as the write has ended, as in a kernel.
// 2. Whoever waits at one end is told some time later of what has happened at the other: the dice
//    draw how long, as they do for the beginning of an operation.
// 3. Bytes that have been written are read before the end is reported. Nobody reads what is written
//    when the reading end is closed: broken pipe.
#pragma once

#include <aloft/detail/base/lean_algorithm.hpp>
#include <aloft/detail/reactor/simulated_object.hpp>
#if defined(_WIN32)
#include <aloft/detail/reactor/windows_simulation.hpp>
#else
#include <aloft/detail/reactor/posix_simulation.hpp>
#endif

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// A template for the reason that simulated_kernel is one.
template <class Nothing = void>
class simulated_pipe {
public:
    /// The descriptors of its ends.
    static void open(simulated_surroundings& around, int& reader, int& writer) {
        const auto content = std::make_shared<std::string>();
        const auto reads = std::make_shared<end>(around, content, true);
        const auto writes = std::make_shared<end>(around, content, false);
        reads->other_ = writes;
        writes->other_ = reads;
        reader = around.give_descriptor(reads);
        writer = around.give_descriptor(writes);
    }

private:
    class end final : public simulated_object {
    public:
        end(simulated_surroundings& around, std::shared_ptr<std::string> content, bool reads)
            : around_(around), content_(std::move(content)), reads_(reads) {}

        [[nodiscard]] std::int32_t attempt(operation& op) override {
            switch (op.kind) {
            case operation_kind::read:
                return reads_ ? take(op) : -wrong_access;
            case operation_kind::write:
                return reads_ ? -wrong_access : put(op);
            default:
                return -EINVAL;
            }
        }

        [[nodiscard]] std::uint32_t readiness() const override {
            if (reads_) {
                return (content_->empty() ? 0u : std::uint32_t{POLLIN}) |
                       (other_is_open() ? 0u : std::uint32_t{POLLHUP});
            }
            return (room() == 0 ? 0u : std::uint32_t{POLLOUT}) |
                   (other_is_open() ? 0u : std::uint32_t{POLLERR});
        }

        void closed() override {
            open_ = false;
            tell_other();
        }

    private:
        friend simulated_pipe;

        [[nodiscard]] bool other_is_open() const {
            const std::shared_ptr<end> other = other_.lock();
            return other != nullptr && other->open_;
        }

        [[nodiscard]] std::size_t room() const {
            const std::size_t capacity = around_.dice().options().window_bytes();
            return content_->size() < capacity ? capacity - content_->size() : 0;
        }

        [[nodiscard]] std::int32_t take(const operation& op) {
            if (op.length == 0) {
                return 0;
            }
            if (content_->empty()) {
                return other_is_open() ? not_yet : 0;
            }
            const std::size_t count =
                around_.dice().draw_transfer(std::min<std::size_t>(op.length, content_->size()));
            std::memcpy(op.address, content_->data(), count);
            content_->erase(0, count);
            tell_other(); // there is room again
            return static_cast<std::int32_t>(count);
        }

        [[nodiscard]] std::int32_t put(const operation& op) {
            if (op.length == 0) {
                return 0;
            }
            if (!other_is_open()) {
                return -EPIPE;
            }
            const std::size_t most = std::min<std::size_t>(op.length, room());
            if (most == 0) {
                return not_yet;
            }
            const std::size_t count = around_.dice().draw_transfer(most);
            content_->append(static_cast<const char*>(op.address), count);
            tell_other();
            return static_cast<std::int32_t>(count);
        }

        void tell_other() {
            if (const std::shared_ptr<end> other = other_.lock()) {
                simulated_dice& dice = around_.dice();
                const clock_ns delay = dice.draw_time(dice.options().latency());
                around_.at(dice.now + delay, [other] { other->around_.changed(*other); });
            }
        }

        simulated_surroundings& around_;
        const std::shared_ptr<std::string> content_;
        const bool reads_;
        bool open_ = true;
        std::weak_ptr<end> other_;
    };
};

} // namespace aloft::inline ALOFT_ABI::detail
