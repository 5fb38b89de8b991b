// SPDX-License-Identifier: MIT The three sources of a page, each as a call that blocks its thread.
#pragma once

#include "settings.hpp"
#include "sqlite_database.hpp"
#include "step_log.hpp"

#include <curl/curl.h>
#include <libpq-fe.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace user_page {

/// As many connections as there may be; who finds none waits for one, blocking.
class blocking_pool {
    struct close {
        void operator()(PGconn* handle) const noexcept { PQfinish(handle); }
    };

public:
    using connection = std::unique_ptr<PGconn, close>;

    void open(const std::string& conninfo) {
        connection opened(PQconnectdb(conninfo.c_str()));
        if (PQstatus(opened.get()) != CONNECTION_OK) {
            throw std::runtime_error(PQerrorMessage(opened.get()));
        }
        give_back(std::move(opened));
    }

    connection take() {
        std::unique_lock lock(mutex_);
        not_empty_.wait(lock, [this] { return !spare_.empty(); });
        connection taken = std::move(spare_.back());
        spare_.pop_back();
        return taken;
    }

    void give_back(connection used) {
        const std::scoped_lock lock(mutex_);
        spare_.push_back(std::move(used));
        not_empty_.notify_one();
    }

private:
    std::mutex mutex_;
    std::condition_variable not_empty_;
    std::vector<connection> spare_; // guarded by mutex_
};

class blocking_services {
public:
    blocking_services(const settings& how, step_log& log) : settings_(how), log_(log) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
    }

    void open() {
        if (settings_.sqlite) {
            return; // each thread opens its own
        }
        for (std::size_t opened = 0; opened < settings_.connections; ++opened) {
            database_.open(settings_.database);
            blocking_pool::connection planned = database_.take(); // the one just opened
            prepare(planned.get());
            select_name(planned.get(), 1, 0.0);
            processes_.push_back(PQbackendPID(planned.get()));
            warm_.push_back(std::move(planned));
        }
        for (blocking_pool::connection& one : warm_) {
            database_.give_back(std::move(one));
        }
        warm_.clear();
    }

    /// The server's processes behind the connections that open() has opened.
    [[nodiscard]] const std::vector<int>& database_processes() const noexcept { return processes_; }

    std::string name_of(int id) {
        step_log::step asking(log_, id, "database: SELECT the name");
        if (settings_.sqlite) {
            std::string name =
                sqlite_database::of_this_thread(settings_.database).name_of(id, settings_.delay());
            asking.end("SQLite: this process, " + support::this_thread_name());
            return name;
        }
        blocking_pool::connection mine = database_.take();
        const double seconds = std::chrono::duration<double>(settings_.delay()).count();
        std::string name = select_name(mine.get(), id, seconds);
        asking.end("PostgreSQL: process " + std::to_string(PQbackendPID(mine.get())));
        database_.give_back(std::move(mine));
        return name;
    }

    std::string profile_of(int id) {
        step_log::step reading(log_, id, "disk: read the profile");
        std::ifstream file(profile_path(settings_, id), std::ios::binary);
        std::string text{std::istreambuf_iterator<char>(file), {}};
        reading.end("kernel: read()");

        step_log::step waiting(log_, id, "disk: added delay");
        std::this_thread::sleep_for(settings_.delay());
        waiting.end("nowhere: a thread asleep");
        return text;
    }

    std::string feed_of(int id) {
        step_log::step asking(log_, id, "API: GET the feed");
        std::string served_by;
        std::string body = get(feed_url(settings_, id), served_by);
        asking.end(served_by);
        return body;
    }

    /// Connects the calling thread to the API.
    void open_for_this_thread() {
        std::string ignored;
        get(settings_.api + "/ready", ignored);
    }

private:
    void prepare(PGconn* connection) const {
        const std::unique_ptr<PGresult, void (*)(PGresult*)> done(
            PQprepare(connection, "name_of", postgres_statement(settings_).c_str(), 0, nullptr),
            &PQclear);
        if (PQresultStatus(done.get()) != PGRES_COMMAND_OK) {
            throw std::runtime_error(PQresultErrorMessage(done.get()));
        }
    }

    std::string select_name(PGconn* connection, int id, double seconds) const {
        const std::string user = std::to_string(id);
        const std::string delay = std::to_string(seconds);
        const std::array<const char*, 2> values{user.c_str(), delay.c_str()};
        const std::unique_ptr<PGresult, void (*)(PGresult*)> rows(
            PQexecPrepared(connection, "name_of", 2, values.data(), nullptr, nullptr, 0), &PQclear);
        if (PQresultStatus(rows.get()) != PGRES_TUPLES_OK || PQntuples(rows.get()) != 1) {
            throw std::runtime_error("no user " + user + ": " + PQresultErrorMessage(rows.get()));
        }
        return PQgetvalue(rows.get(), 0, 0);
    }

    /// The thread's own handle keeps the thread's connection.
    static std::string get(const std::string& url, std::string& served_by) {
        static thread_local const std::unique_ptr<CURL, void (*)(CURL*)> transfer(
            curl_easy_init(), &curl_easy_cleanup);
        std::string body;
        std::array<char, CURL_ERROR_SIZE> message{};
        CURL* const handle = transfer.get();
        curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
        curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(handle, CURLOPT_PROXY, "");
        curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
        curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, message.data());
        curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &on_body);
        curl_easy_setopt(handle, CURLOPT_WRITEDATA, static_cast<void*>(&body));
        curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &on_header);
        curl_easy_setopt(handle, CURLOPT_HEADERDATA, static_cast<void*>(&served_by));
        const CURLcode done = curl_easy_perform(handle);
        curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr); // it dies here, the handle does not
        if (done != CURLE_OK) {
            throw std::runtime_error(url + ": " + message.data());
        }
        return body;
    }

    static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* body) {
        static_cast<std::string*>(body)->append(bytes, size * count);
        return size * count;
    }

    static std::size_t on_header(char* bytes, std::size_t size, std::size_t count,
                                 void* served_by) {
        constexpr std::string_view wanted = "X-Served-By: ";
        std::string_view line(bytes, size * count);
        if (line.starts_with(wanted)) {
            line.remove_prefix(wanted.size());
            static_cast<std::string*>(served_by)->assign(
                line.substr(0, line.find_last_not_of("\r\n") + 1));
        }
        return size * count;
    }

    const settings& settings_;
    step_log& log_;
    blocking_pool database_;
    std::vector<int> processes_;
    std::vector<blocking_pool::connection> warm_;
};

} // namespace user_page
