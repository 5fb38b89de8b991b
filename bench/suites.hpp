// SPDX-License-Identifier: MIT
// The benchmarks, by concern; each function registers those of the file of its name.
#pragma once

namespace bench {

void add_task_suite();
void add_spawn_suite();
void add_when_all_suite();
void add_yield_suite();
void add_timer_suite();
void add_file_suite();
void add_tcp_echo_suite();
void add_offload_suite();

} // namespace bench
