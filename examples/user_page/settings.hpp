// SPDX-License-Identifier: MIT What one measured run needs to know; handed from the program to its
// child as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <string>

namespace user_page {

struct settings {
    std::string version; ///< "threads", "sequence" or "when_all"
    std::size_t requests = 1;
    std::size_t threads = 0; ///< of the pool; 0 is aloft's default
    std::string backend;     ///< "auto", "io_uring" or "epoll"
    bool sqlite = false;
    std::string database; ///< libpq's connection string, or SQLite's file
    std::string table;    ///< where the users are
    std::size_t connections = 1;
    std::string profiles; ///< a folder with a file per user
    std::string api;      ///< "http://127.0.0.1:12345"
    int api_process = 0;
    bool database_is_ours = false; ///< on this machine, started by this program
    int delay_ms = 200;

    [[nodiscard]] std::chrono::milliseconds delay() const {
        return std::chrono::milliseconds(delay_ms);
    }
    [[nodiscard]] bool traced() const { return requests <= 3; }
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(settings, version, requests, threads, backend, sqlite, database,
                                   table, connections, profiles, api, api_process, database_is_ours,
                                   delay_ms)

[[nodiscard]] inline std::string profile_path(const settings& from, int id) {
    return from.profiles + '/' + std::to_string(id) + ".txt";
}

/// The API waits before it answers.
[[nodiscard]] inline std::string feed_url(const settings& from, int id) {
    return from.api + "/feed/" + std::to_string(id) + '/' + std::to_string(from.delay_ms);
}

/// The database waits while it answers. $1 is the user, $2 the delay in seconds.
[[nodiscard]] inline std::string postgres_statement(const settings& from) {
    return "SELECT name FROM " + from.table + ", pg_sleep($2) WHERE id = $1";
}

} // namespace user_page
