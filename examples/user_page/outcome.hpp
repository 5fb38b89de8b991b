// SPDX-License-Identifier: MIT What one measured run found out; handed from the child to the
// program as JSON.
#pragma once

#include "step_log.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace user_page {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(step_record, request, name, kicked_off_by, resumed_by, worked_at)

struct outcome {
    std::string backend;
    std::int64_t set_up_ns = 0;        ///< opening the database's connections: not part of the rest
    std::vector<std::int64_t> each_ns; ///< per request, from the common start
    std::int64_t total_ns = 0;
    std::size_t wrong_pages = 0;
    std::uint64_t request_threads = 0;  ///< a thread per request, or the pool's workers
    std::uint64_t blocking_threads = 0; ///< of the blocking pool, when the last request was done
    std::uint64_t threads_seen = 0;     ///< of the process, by itself
    std::uint64_t peak_bytes = 0;       ///< resident while the requests ran
    std::uint64_t bytes_before = 0;     ///< resident when they began: program, connections, threads
    // Processor time between the common start and the end of the last request:
    std::int64_t own_processor_ns = 0;
    std::int64_t api_processor_ns = 0;
    std::int64_t database_processor_ns = 0; ///< of the processes that served the connections
    std::int64_t all_processor_ns = 0;      ///< of everything on this machine
    std::vector<step_record> steps;

    std::uint64_t peak_threads = 0; ///< filled in by the parent, which counts from outside
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(outcome, backend, set_up_ns, each_ns, total_ns, wrong_pages,
                                   request_threads, blocking_threads, threads_seen, peak_bytes,
                                   bytes_before, own_processor_ns, api_processor_ns,
                                   database_processor_ns, all_processor_ns, steps)

} // namespace user_page
