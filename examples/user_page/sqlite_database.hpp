// SPDX-License-Identifier: MIT The embedded database that stands in where there is no PostgreSQL:
// blocking, so it goes through offload.
#pragma once

#include "page.hpp"

#include <sqlite3.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace user_page {

/// One connection to one file.
/// Thread safety: one thread at a time.
class sqlite_database {
public:
    explicit sqlite_database(const std::string& file) {
        sqlite3* opened = nullptr;
        const int failed = sqlite3_open(file.c_str(), &opened);
        handle_.reset(opened);
        check(failed, "open " + file);
        sqlite3_busy_timeout(opened, 10'000);
        check(sqlite3_create_function(opened, "wait_ms", 1, SQLITE_UTF8, nullptr, &wait, nullptr,
                                      nullptr),
              "create_function");
    }

    /// The connection of the thread that asks.
    static sqlite_database& of_this_thread(const std::string& file) {
        static thread_local std::unique_ptr<sqlite_database> own;
        if (!own) {
            own = std::make_unique<sqlite_database>(file);
        }
        return *own;
    }

    void fill(std::size_t users) {
        execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL)");
        execute("BEGIN");
        for (std::size_t id = 1; id <= users; ++id) {
            execute("INSERT INTO users VALUES (" + std::to_string(id) + ", '" +
                    expected_name(static_cast<int>(id)) + "')");
        }
        execute("COMMIT");
    }

    [[nodiscard]] std::string name_of(int id, std::chrono::milliseconds delay) {
        sqlite3_stmt* compiled = nullptr;
        check(sqlite3_prepare_v2(handle_.get(), "SELECT name, wait_ms(?2) FROM users WHERE id = ?1",
                                 -1, &compiled, nullptr),
              "prepare");
        const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(compiled,
                                                                              &sqlite3_finalize);
        sqlite3_bind_int(compiled, 1, id);
        sqlite3_bind_int64(compiled, 2, delay.count());
        if (sqlite3_step(compiled) != SQLITE_ROW) {
            throw std::runtime_error("sqlite: no user " + std::to_string(id) + ": " +
                                     sqlite3_errmsg(handle_.get()));
        }
        return reinterpret_cast<const char*>(sqlite3_column_text(compiled, 0));
    }

private:
    static void wait(sqlite3_context* context, int, sqlite3_value** values) {
        std::this_thread::sleep_for(std::chrono::milliseconds(sqlite3_value_int64(values[0])));
        sqlite3_result_null(context);
    }

    void execute(const std::string& statement) {
        check(sqlite3_exec(handle_.get(), statement.c_str(), nullptr, nullptr, nullptr), statement);
    }

    void check(int failed, const std::string& what) const {
        if (failed != SQLITE_OK) {
            throw std::runtime_error("sqlite: " + what + ": " + sqlite3_errmsg(handle_.get()));
        }
    }

    struct close {
        void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
    };
    std::unique_ptr<sqlite3, close> handle_;
};

} // namespace user_page
