// SPDX-License-Identifier: MIT
// Files that exist in memory only.
// Layer: L2 reactor
//
// A path is a name like any other: folders need not be made, and "a/../b" is not "b".
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
#include <map>
#include <string>
#include <utility>

namespace aloft::inline ALOFT_ABI::detail {

/// A template for the reason that simulated_kernel is one.
template <class Nothing = void>
class simulated_disk {
public:
    explicit simulated_disk(simulated_surroundings& around) : around_(around) {
        for (const auto& [path, content] : around.dice().options().files()) {
            files_[path] = std::make_shared<std::string>(content);
            used_ += content.size();
        }
    }

    /// A descriptor, or a negated error number.
    [[nodiscard]] std::int32_t open(const open_wish& wish) {
        if (around_.dice().draw_chance(around_.dice().options().disk_faults())) {
            return -EMFILE;
        }
        auto found = files_.find(wish.path);
        if (found == files_.end()) {
            if (!wish.creates) {
                return -ENOENT;
            }
            found = files_.emplace(wish.path, std::make_shared<std::string>()).first;
        } else if (wish.creates && wish.exclusive) {
            return -EEXIST;
        }
        if (wish.truncates) {
            used_ -= found->second->size();
            found->second->clear();
        }
        return around_.give_descriptor(std::make_shared<open_file>(*this, found->second, wish));
    }

private:
    class open_file final : public simulated_object {
    public:
        open_file(simulated_disk& disk, std::shared_ptr<std::string> content, const open_wish& wish)
            : disk_(disk),
              content_(std::move(content)),
              reads_(wish.reads),
              writes_(wish.writes),
              appends_(wish.appends) {}

        [[nodiscard]] std::int32_t attempt(operation& op) override {
            if (disk_.faulty()) {
                return op.kind == operation_kind::write ? -ENOSPC : -EIO;
            }
            switch (op.kind) {
            case operation_kind::read:
                return reads_ ? read(op) : -wrong_access;
            case operation_kind::write:
                return writes_ ? write(op) : -wrong_access;
            case operation_kind::sync:
                return 0;
            case operation_kind::file_size:
                tell_file_size(op, content_->size());
                return 0;
            default:
                return -ENOTSOCK;
            }
        }

        [[nodiscard]] std::uint32_t readiness() const override { return POLLIN | POLLOUT; }

    private:
        [[nodiscard]] std::uint64_t place(const operation& op) const noexcept {
            return op.offset == current_position ? position_ : op.offset;
        }
        void moved(const operation& op, std::uint64_t to) noexcept {
            position_ = op.offset == current_position ? to : position_;
        }

        [[nodiscard]] std::int32_t read(const operation& op) {
            const std::uint64_t at = place(op);
            if (at >= content_->size() || op.length == 0) {
                return 0;
            }
            const std::size_t there = content_->size() - static_cast<std::size_t>(at);
            const std::size_t count =
                disk_.dice().draw_transfer(std::min<std::size_t>(op.length, there));
            std::memcpy(op.address, content_->data() + at, count);
            moved(op, at + count);
            return static_cast<std::int32_t>(count);
        }

        [[nodiscard]] std::int32_t write(const operation& op) {
            if (op.length == 0) {
                return 0;
            }
            const bool at_end =
                appends_ || (!open_files_have_a_position && op.offset == current_position);
            const std::uint64_t at = at_end ? content_->size() : place(op);
            std::size_t count = disk_.dice().draw_transfer(op.length);
            const std::size_t end = static_cast<std::size_t>(at) + count;
            if (end > content_->size()) {
                const std::size_t grows = end - content_->size();
                const std::size_t fits = (std::min)(grows, disk_.room());
                if (grows - fits >= count) {
                    return -ENOSPC;
                }
                count -= grows - fits;
                content_->resize(static_cast<std::size_t>(at) + count);
                disk_.used_ += fits;
            }
            std::memcpy(content_->data() + at, op.address, count);
            moved(op, at + count);
            return static_cast<std::int32_t>(count);
        }

        simulated_disk& disk_;
        std::shared_ptr<std::string> content_;
        bool reads_;
        bool writes_;
        bool appends_;
        std::uint64_t position_ = 0;
    };

    [[nodiscard]] simulated_dice& dice() noexcept { return around_.dice(); }
    [[nodiscard]] bool faulty() noexcept {
        return dice().draw_chance(dice().options().disk_faults());
    }
    [[nodiscard]] std::size_t room() noexcept {
        const std::size_t all = dice().options().disk_bytes();
        return all > used_ ? all - used_ : 0;
    }

    simulated_surroundings& around_;
    std::map<std::string, std::shared_ptr<std::string>> files_;
    std::size_t used_ = 0;
};

} // namespace aloft::inline ALOFT_ABI::detail
