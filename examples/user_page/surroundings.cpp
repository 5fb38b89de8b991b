// SPDX-License-Identifier: MIT
#include "surroundings.hpp"

#include "page.hpp"
#include "sqlite_database.hpp"

#include <libpq-fe.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace user_page {

namespace {

/// One statement on a connection of its own; the first field of the first row, if there is one.
std::string execute(const std::string& conninfo, const std::string& statement) {
    const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(conninfo.c_str()),
                                                                &PQfinish);
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        throw std::runtime_error(PQerrorMessage(connection.get()));
    }
    const std::unique_ptr<PGresult, void (*)(PGresult*)> rows(
        PQexec(connection.get(), statement.c_str()), &PQclear);
    const ExecStatusType status = PQresultStatus(rows.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        throw std::runtime_error(PQresultErrorMessage(rows.get()));
    }
    return PQntuples(rows.get()) > 0 ? PQgetvalue(rows.get(), 0, 0) : "";
}

constexpr std::size_t reserve_connections = 8; // for administration, and for execute() above

} // namespace

scratch_schema::scratch_schema(std::string conninfo)
    : conninfo_(std::move(conninfo)), name_("aloft_user_page_" + std::to_string(::getpid())) {
    execute(conninfo_, "CREATE SCHEMA " + name_);
}

scratch_schema::~scratch_schema() {
    try {
        execute(conninfo_, "SET client_min_messages = warning; DROP SCHEMA " + name_ + " CASCADE");
    } catch (const std::exception&) {
        // A destructor cannot do more about a server that has gone.
    }
}

surroundings::surroundings(const std::string& database, std::size_t users) : folder_("user-page") {
    if (database == "sqlite") {
        use_sqlite(users);
    } else if (!database.empty()) {
        use_postgres(database, users);
    } else if (throwaway_postgres::available()) {
        server_.emplace(users + 2 * reserve_connections);
        use_postgres(server_->conninfo(), users);
        words_ = "PostgreSQL, started for this run on a Unix socket, dropped at the end";
    } else {
        use_sqlite(users);
        words_ += " (no PostgreSQL server was found here; --db takes a connection string)";
    }
    write_profiles(users);
    start_api();
}

void surroundings::describe(settings& run) const {
    run.sqlite = sqlite_;
    run.database = conninfo_;
    run.table = table_;
    run.connections = std::min(run.requests, most_connections_);
    run.profiles = folder_.path().string();
    run.api = api_url_;
    run.api_process = api_.process();
    run.database_is_ours = server_.has_value();
}

void surroundings::use_sqlite(std::size_t users) {
    sqlite_ = true;
    conninfo_ = (folder_.path() / "users.sqlite").string();
    table_ = "users";
    most_connections_ = users;
    sqlite_database(conninfo_).fill(users);
    words_ = "SQLite, embedded: its calls block, so the tasks make them through offload, one "
             "connection per thread";
}

void surroundings::use_postgres(const std::string& conninfo, std::size_t users) {
    conninfo_ = conninfo;
    const std::string used = execute(conninfo, "SELECT current_setting('max_connections')::int - "
                                               "(SELECT count(*) FROM pg_stat_activity)");
    const std::size_t free = std::stoul(used);
    if (free <= reserve_connections) {
        throw std::runtime_error("the database has no connections to spare");
    }
    most_connections_ = free - reserve_connections;
    schema_.emplace(conninfo);
    table_ = schema_->name() + ".users";
    execute(conninfo, "CREATE TABLE " + table_ +
                          " AS SELECT id, 'user number ' || id AS name FROM generate_series(1, " +
                          std::to_string(users) + ") id");
    execute(conninfo, "ALTER TABLE " + table_ + " ADD PRIMARY KEY (id)");
    execute(conninfo, "ANALYZE " + table_);
    words_ = "PostgreSQL, as given by --db";
}

void surroundings::write_profiles(std::size_t users) const {
    for (std::size_t id = 1; id <= users; ++id) {
        std::ofstream(folder_.path() / (std::to_string(id) + ".txt"), std::ios::binary)
            << expected_profile(static_cast<int>(id));
    }
}

void surroundings::start_api() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        throw std::system_error(errno, std::system_category(), "pipe");
    }
    launch how({"/proc/self/exe", "--serve-api"});
    how.output_to(ends[1]);
    api_ = child_process::start(how);
    ::close(ends[1]);
    std::string port;
    for (char letter = 0; ::read(ends[0], &letter, 1) == 1 && letter != '\n';) {
        port += letter;
    }
    ::close(ends[0]);
    if (port.empty()) {
        throw std::runtime_error("the API server did not start");
    }
    api_url_ = "http://127.0.0.1:" + port;
}

} // namespace user_page
