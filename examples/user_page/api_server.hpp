// SPDX-License-Identifier: MIT The HTTP API that a page takes its feed from: GET
// /feed/USER/MILLISECONDS.
//
// It runs as a child process of its own, so that neither its threads nor its memory nor its sockets
// count for the program that asks. The delay is a timer in the server.
#pragma once

namespace user_page {

/// Serves on a port of 127.0.0.1 that the kernel chooses, and writes its number as a line to
/// standard output; until it is killed, or standard input ends.
void serve_api();

} // namespace user_page
