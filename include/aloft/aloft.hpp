// SPDX-License-Identifier: MIT
// Everything of the library but the adapters, and what needs slow headers: to_future.hpp (<future>) and
// std_stop_token.hpp (<stop_token>). On Windows without poll.
// Layer: L4 surface
#pragma once

#include <aloft/as_result.hpp>
#include <aloft/async_generator.hpp>
#include <aloft/auto_event.hpp>
#include <aloft/barrier.hpp>
#include <aloft/broadcast_channel.hpp>
#include <aloft/channel.hpp>
#include <aloft/clock.hpp>
#include <aloft/completion_source.hpp>
#include <aloft/condition_variable.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/error.hpp>
#include <aloft/event.hpp>
#include <aloft/file.hpp>
#include <aloft/file_path.hpp>
#include <aloft/generator.hpp>
#include <aloft/latch.hpp>
#include <aloft/mutex.hpp>
#include <aloft/offload.hpp>
#include <aloft/once.hpp>
#include <aloft/once_async.hpp>
#include <aloft/parallel_for_each.hpp>
#include <aloft/periodic_timer.hpp>
#include <aloft/pipe.hpp>
#include <aloft/priority.hpp>
#include <aloft/priority_class.hpp>
#include <aloft/resolve.hpp>
#include <aloft/result.hpp>
#include <aloft/retry.hpp>
#include <aloft/run_on.hpp>
#include <aloft/runtime.hpp>
#include <aloft/select.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/shared_mutex.hpp>
#include <aloft/shared_task.hpp>
#include <aloft/signal_set.hpp>
#include <aloft/simulate.hpp>
#include <aloft/simulation_options.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/strand.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/task_group.hpp>
#include <aloft/task_local.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/udp.hpp>
#include <aloft/version.hpp>
#include <aloft/watch_channel.hpp>
#include <aloft/when_all.hpp>
#include <aloft/when_all_settled.hpp>
#include <aloft/when_any.hpp>
#include <aloft/when_each.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>

#if !defined(_WIN32)
#include <aloft/poll.hpp>
#endif
