// SPDX-License-Identifier: MIT
// Everything of the library but the adapters.
// Layer: L4 surface
#pragma once

#include <aloft/as_result.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/error.hpp>
#include <aloft/file.hpp>
#include <aloft/file_path.hpp>
#include <aloft/offload.hpp>
#include <aloft/poll.hpp>
#include <aloft/resolve.hpp>
#include <aloft/result.hpp>
#include <aloft/runtime.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/signal_set.hpp>
#include <aloft/spawn.hpp>
#include <aloft/stop.hpp>
#include <aloft/sync_wait.hpp>
#include <aloft/task.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/version.hpp>
#include <aloft/when_all.hpp>
#include <aloft/with_stop.hpp>
#include <aloft/with_timeout.hpp>
#include <aloft/yield.hpp>
