// SPDX-License-Identifier: MIT
// Lets a coroutine that a worker would resume, because its operation or timer has ended, be resumed
// by the executor that it belongs to.
// Layer: L1 coro
//
// Reactors and timers know nodes, and workers resume them. That is right where the executor is the
// workers' pool. For a coroutine of another executor on top of a pool, a detour is put into the node
// in the coroutine's place: resumed by a worker, it puts the coroutine back, posts the node to the
// executor, and is gone.
//
// 1. lay() comes before the node is started. Then one thing happens: the worker's resume, or lift()
//    by whoever has taken the node back. Both end the detour.
// 2. A node that has no detour is left alone by lift(): a frame begins with the address of its resume
//    function, and that of a detour no other frame has.
#pragma once

#include <aloft/detail/base/frame_allocator.hpp>
#include <aloft/detail/base/work_node.hpp>
#include <aloft/detail/coro/callback_frame.hpp>
#include <aloft/detail/coro/executor.hpp>

#include <coroutine>
#include <new>

namespace aloft::inline ALOFT_ABI::detail {

/// Whether workers must not resume coroutines of this executor by themselves.
[[nodiscard]] inline bool takes_detours(const executor* exec) noexcept {
    return exec != nullptr && exec->pool != exec;
}

class detour : callback_frame {
public:
    /// Throws std::bad_alloc.
    static void lay(work_node& node, executor& exec) {
        auto* const made = ::new (allocate_frame(sizeof(detour))) detour(node, exec);
        node.coroutine = made->handle();
    }

    /// The node is not going to be resumed.
    static void lift(work_node& node) noexcept {
        if (!node.coroutine) {
            return;
        }
        auto* const frame = static_cast<callback_frame*>(node.coroutine.address());
        if (frame->resume == &detour::go_on) {
            end(static_cast<detour*>(frame));
        }
    }

private:
    detour(work_node& node, executor& exec) noexcept
        : callback_frame(&detour::go_on), node_(&node), exec_(&exec), coroutine_(node.coroutine) {}

    static void go_on(callback_frame* frame) noexcept {
        auto* const self = static_cast<detour*>(frame);
        work_node& node = *self->node_;
        executor& exec = *self->exec_;
        end(self);
        exec.post(node); // PUBLISHED
    }

    static void end(detour* self) noexcept {
        self->node_->coroutine = self->coroutine_;
        self->~detour();
        deallocate_frame(self, sizeof(detour));
    }

    work_node* node_;
    executor* exec_;
    std::coroutine_handle<> coroutine_;
};

} // namespace aloft::inline ALOFT_ABI::detail
