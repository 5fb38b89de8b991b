// SPDX-License-Identifier: MIT
// The queues under their owner and thieves: every item is taken exactly once.
#pragma once

#include <aloft/detail/base/deque.hpp>
#include <aloft/detail/base/run_queue.hpp>
#include <aloft/detail/base/work_node.hpp>

#include "explorer.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <vector>

namespace model {

using aloft::detail::work_node;

/// Some items, and how often each was taken.
class items {
public:
    static constexpr std::size_t most = 8;

    work_node& make() {
        check(made_ < most, "the program makes too many items");
        return nodes_[made_++];
    }
    void take(const work_node* node) {
        if (node != nullptr) {
            const auto index = static_cast<std::size_t>(node - nodes_.data());
            check(++taken_[index] == 1, "an item was taken twice");
        }
    }
    void all_taken() const {
        for (std::size_t i = 0; i < made_; ++i) {
            check(taken_[i] == 1, "an item was lost");
        }
    }
    [[nodiscard]] word state() const {
        word hash = made_;
        for (const int taken : taken_) {
            hash = mix(hash, static_cast<word>(taken));
        }
        return hash;
    }
    [[nodiscard]] bool are_all_taken() const {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < made_; ++i) {
            sum += taken_[i] == 1 ? 1u : 0u;
        }
        return sum == made_;
    }

private:
    std::array<work_node, most> nodes_{};
    std::array<int, most> taken_{};
    std::size_t made_ = 0;
};

/// Pushes and pops of the owner, and steals of Thieves others, with the last item again and again.
template <std::size_t Thieves, bool Tagged = false>
class deque_program {
public:
    std::vector<std::function<void()>> threads() {
        std::vector<std::function<void()>> all;
        all.emplace_back([this] {
            push(2);
            items_.take(pop());
            items_.take(pop());
            push(1);
            items_.take(pop());
        });
        for (std::size_t i = 0; i < Thieves; ++i) {
            all.emplace_back([this] {
                items_.take(deque_.steal());
                if constexpr (Thieves == 1) {
                    items_.take(deque_.steal());
                }
            });
        }
        return all;
    }
    void finished() {
        while (work_node* const left = pop()) {
            items_.take(left);
        }
        items_.all_taken();
    }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const { return items_.state(); }

private:
    /// All tags are null, those of slots that have never been used, too.
    [[nodiscard]] work_node* pop() {
        return Tagged ? deque_.pop_tagged(nullptr, [] { aloft::detail::full_fence(); })
                      : deque_.pop();
    }
    void push(std::size_t count) {
        const auto next = [this]() -> work_node& { return items_.make(); };
        check(deque_.push_all(count, nullptr, next), "there was room");
    }

    aloft::detail::deque deque_;
    items items_;
};

/// The owner fills the deque, comes round, and takes the oldest items, while a thief steals.
class deque_round_program {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] {
                    for (std::size_t i = 0; i < aloft::detail::deque_capacity + 2; ++i) {
                        work_node& next = items_.make();
                        if (!deque_.push(next)) {
                            aloft::detail::work_list oldest;
                            deque_.take_oldest(oldest, 2);
                            while (const work_node* const each = oldest.pop()) {
                                items_.take(each);
                            }
                            check(deque_.push(next), "there is room again");
                        }
                    }
                    items_.take(deque_.pop());
                },
                [this] {
                    items_.take(deque_.steal());
                    items_.take(deque_.steal());
                }};
    }
    void finished() {
        while (work_node* const left = deque_.pop()) {
            items_.take(left);
        }
        items_.all_taken();
    }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const { return items_.state(); }

private:
    aloft::detail::deque deque_;
    items items_;
};

/// The owner pushes and pops, not alone, while thieves take half.
template <bool TwoThieves = false>
class run_queue_program {
public:
    std::vector<std::function<void()>> threads() {
        std::vector<std::function<void()>> made{[this] {
            for (std::size_t i = 0; i < aloft::detail::run_queue_capacity; ++i) {
                check(queue_.push(items_.make()), "there was room");
            }
            if (!TwoThieves) {
                items_.take(queue_.pop());
            }
            work_node& last = items_.make(); // for a slot that has been used
            if (!queue_.push(last)) {
                items_.take(&last);
            }
            items_.take(queue_.pop());
        }};
        made.emplace_back([this] {
            items_.take(queue_.steal_half(first_thief_));
            if (!TwoThieves) {
                items_.take(first_thief_.pop());
            }
        });
        if (TwoThieves) {
            made.emplace_back([this] { items_.take(queue_.steal_half(second_thief_)); });
        }
        return made;
    }
    void finished() {
        for (aloft::detail::run_queue* each : {&queue_, &first_thief_, &second_thief_}) {
            while (work_node* const left = each->pop()) {
                items_.take(left);
            }
        }
        items_.all_taken();
    }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const { return items_.state(); }

private:
    aloft::detail::run_queue queue_;
    aloft::detail::run_queue first_thief_;
    aloft::detail::run_queue second_thief_;
    items items_;
};

} // namespace model
