// SPDX-License-Identifier: MIT
// The kinds of load. Each starts the server whose command follows its own arguments, and reports.
#pragma once

namespace field {

/// <connections> <bytes> <milliseconds>: each connection has one request under way, always.
void echo_load(char** arguments, char** command);
/// <connections> <requests per second> <milliseconds> <seed>: a request is due every so often,
/// whatever the server does; one in 400, by chance, is heavy.
void mixed_load(char** arguments, char** command);
/// <connections> <requests per second> <hogs>: the same, but all are light except for those that
/// keep the server computing for a second. Only what is due meanwhile counts.
void hog_load(char** arguments, char** command);
/// <bytes> <milliseconds>: one connection, one request at a time.
void latency_load(char** arguments, char** command);
/// <connections> <milliseconds>: connections on which nothing arrives.
void idle_load(char** arguments, char** command);

} // namespace field
