// SPDX-License-Identifier: MIT The three sources of a page, awaited: the database, the disk, the
// API.
#pragma once

#include "settings.hpp"
#include "sqlite_database.hpp"
#include "step_log.hpp"

#include "../support/thread_name.hpp"

#include <aloft/adapters/libcurl.hpp>
#include <aloft/adapters/libpq.hpp>
#include <aloft/file.hpp>
#include <aloft/offload.hpp>
#include <aloft/runtime.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>
#include <aloft/when_all.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace user_page {

class awaiting_services {
public:
    awaiting_services(const settings& how, step_log& log)
        : settings_(how),
          log_(log),
          database_(how.database, how.connections),
          http_(how.requests) {}

    /// Opens the connections to the API and to the database, and uses each once.
    aloft::task<> open() {
        co_await http_.open(settings_.api, settings_.requests);
        if (settings_.sqlite) {
            co_return; // each thread of the blocking pool opens its own
        }
        std::vector<aloft::pq::pool::lease> all;
        for (std::size_t opened = 0; opened < settings_.connections; ++opened) {
            all.push_back(co_await database_.acquire());
            co_await all.back()->prepare("name_of", postgres_statement(settings_));
            co_await all.back()->query_prepared("name_of", 1, 0.0);
            processes_.push_back(all.back()->backend_process());
        }
    }

    /// The server's processes behind the connections that open() has opened.
    [[nodiscard]] const std::vector<int>& database_processes() const noexcept { return processes_; }

    aloft::task<std::string> name_of(int id) {
        return settings_.sqlite ? name_from_sqlite(id) : name_from_postgres(id);
    }

    aloft::task<std::string> profile_of(int id) {
        const std::string path = profile_path(settings_, id);
        step_log::step reading(log_, id, "disk: read the profile");
        std::string text = co_await aloft::read_file<std::string>(path);
        reading.end("kernel: " + std::string(aloft::runtime::current().backend()));

        // The disk is too fast to be worth waiting for: this delay is added, and nobody works.
        step_log::step waiting(log_, id, "disk: added delay");
        co_await aloft::sleep_for(settings_.delay());
        waiting.end("nowhere: a timer");
        co_return text;
    }

    aloft::task<std::string> feed_of(int id) {
        step_log::step asking(log_, id, "API: GET the feed");
        aloft::curl::response answer = co_await http_.get(feed_url(settings_, id));
        answer.throw_if_error();
        asking.end(answer.find_header("X-Served-By").value_or("API"));
        co_return std::move(answer.body);
    }

private:
    aloft::task<std::string> name_from_postgres(int id) {
        aloft::pq::pool::lease connection = co_await database_.acquire();
        const double seconds = std::chrono::duration<double>(settings_.delay()).count();
        step_log::step asking(log_, id, "database: SELECT the name");
        const aloft::pq::result_set rows =
            co_await connection->query_prepared("name_of", id, seconds);
        asking.end("PostgreSQL: process " + std::to_string(connection->backend_process()));
        co_return rows.get<std::string>(0, 0);
    }

    aloft::task<std::string> name_from_sqlite(int id) {
        std::string worker;
        const auto statement = [this, id, &worker] {
            worker = support::this_thread_name("blocking");
            return sqlite_database::of_this_thread(settings_.database)
                .name_of(id, settings_.delay());
        };
        step_log::step asking(log_, id, "database: SELECT the name");
        std::string name = co_await aloft::offload(statement);
        asking.end("SQLite: this process, " + worker);
        co_return name;
    }

    const settings& settings_;
    step_log& log_;
    aloft::pq::pool database_;
    aloft::curl::client http_;
    std::vector<int> processes_;
};

} // namespace user_page
