// SPDX-License-Identifier: MIT
// Two threads sleep at one place, each for its own variable, which a third one changes: both wake up.
//
// Real: waiting_place, all of it. Transcribed: the mutex with its condition variable, as a word that is
// held or free, and a count of the times that everybody was woken.
#pragma once

#include <aloft/detail/base/waiting_place.hpp>

#include "explorer.hpp"

#include <functional>
#include <vector>

namespace model {

class sleeping_mutex {
public:
    void lock() noexcept {
        int expected = 0;
        while (!held_.compare_exchange_strong(expected, 1)) {
            held_.wait(1);
            expected = 0;
        }
    }
    void unlock() noexcept { held_.store(0, std::memory_order_release); }
    void sleep() noexcept {
        const int before = woken_.load();
        unlock();
        woken_.wait(before);
        lock();
    }
    void wake_all() noexcept { woken_.fetch_add(1); }

private:
    aloft::detail::atomic<int> held_{0};
    aloft::detail::atomic<int> woken_{0};
};

class two_at_a_place {
public:
    std::vector<std::function<void()>> threads() {
        return {[this] { wait_for(first_); }, [this] { wait_for(second_); },
                [this] {
                    change(first_);
                    change(second_);
                }};
    }
    void finished() { check(woken_ == 2, "somebody sleeps on"); }
    [[nodiscard]] bool may_rest() const { return false; }
    [[nodiscard]] word plain_state() const { return static_cast<word>(woken_); }

private:
    void wait_for(aloft::detail::atomic<int>& variable) {
        place_.wait([&] { return variable.load(std::memory_order_acquire) != 0; });
        ++woken_;
    }
    void change(aloft::detail::atomic<int>& variable) {
        variable.store(1, std::memory_order_release);
        place_.notify();
    }

    aloft::detail::waiting_place<sleeping_mutex> place_;
    aloft::detail::atomic<int> first_{0};
    aloft::detail::atomic<int> second_{0};
    int woken_ = 0;
};

} // namespace model
