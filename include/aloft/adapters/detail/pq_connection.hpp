// SPDX-License-Identifier: MIT
#pragma once
// One PostgreSQL connection whose waits are co_awaits.
//
// Layer: L4 surface
//
// Life cycle: connect() -> idle -> query() -> idle ... -> closed by the destructor.
//
// Invariants
// 1. libpq's socket is waited for only between calls into libpq, so libpq may close or replace it
//    in any call, and the socket is read anew before every wait.
// 2. At most one statement is under way (`busy`); a second one is refused before it touches the
//    PGconn.
// 3. cancel() never touches the PGconn: it uses a PGcancel made once, after connecting, which libpq
//    documents as safe to use from any thread. The server stops whatever runs when the request
//    comes, so the connection is not idle before every request has come or been given up: else the
//    pool's next statement would be hit.
// 4. A statement that was abandoned in the middle leaves the connection non-idle for ever; idle()
//    says so, and the pool closes it.

#include <aloft/adapters/detail/pq_conninfo.hpp>
#include <aloft/adapters/detail/pq_error.hpp>
#include <aloft/adapters/detail/pq_parameters.hpp>
#include <aloft/adapters/detail/pq_result_set.hpp>
#include <aloft/as_result.hpp>
#include <aloft/clock.hpp>
#include <aloft/config.hpp>
#include <aloft/offload.hpp>
#include <aloft/poll.hpp>
#include <aloft/result.hpp>
#include <aloft/task.hpp>

#include <libpq-fe.h>

#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::pq {

namespace detail {

/// libpq's messages end in newlines and span lines; an exception's text is one line.
[[nodiscard]] inline std::string one_line(std::string_view message) {
    std::string line;
    for (const char letter : message) {
        const bool blank = letter == '\n' || letter == '\t' || letter == ' ';
        if (!blank) {
            line += letter;
        } else if (!line.empty() && line.back() != ' ') {
            line += ' ';
        }
    }
    while (!line.empty() && line.back() == ' ') {
        line.pop_back();
    }
    return line;
}

[[nodiscard]] inline error error_of_result(const PGresult* result, const std::string& statement) {
    const auto field = [result](int code) -> std::string_view {
        const char* text = PQresultErrorField(result, code);
        return text != nullptr ? text : "";
    };
    const std::string_view primary = field(PG_DIAG_MESSAGE_PRIMARY);
    if (primary.empty()) {
        return {field(PG_DIAG_SQLSTATE), one_line(PQresultErrorMessage(result)), "query",
                statement};
    }
    std::string message(primary);
    for (const int more : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT}) {
        if (const std::string_view text = field(more); !text.empty()) {
            message.append("; ").append(text);
        }
    }
    return {field(PG_DIAG_SQLSTATE), one_line(message), "query", statement};
}

struct close_connection {
    void operator()(PGconn* handle) const noexcept { PQfinish(handle); }
};

struct free_cancel_key {
    void operator()(PGcancel* key) const noexcept { PQfreeCancel(key); }
};

/// The way to stop what a connection's server does; shared with the requests under way.
struct cancel_line {
    explicit cancel_line(PGcancel* made) noexcept : key(made) {}

    std::unique_ptr<PGcancel, free_cancel_key> key;
    std::atomic<int> requests{0}; // that have not ended
};

/// Counts as a request from when it is made, so that one whose task has not started yet is seen.
class cancel_request {
public:
    explicit cancel_request(std::shared_ptr<cancel_line> line) noexcept : line_(std::move(line)) {
        if (line_) {
            line_->requests.fetch_add(1, std::memory_order_relaxed);
        }
    }
    cancel_request(cancel_request&&) noexcept = default;
    cancel_request& operator=(cancel_request&&) = delete;
    ~cancel_request() {
        if (line_) {
            // order(pq.canceled): release; the server has the request
            line_->requests.fetch_sub(1, std::memory_order_release);
        }
    }

    /// nullptr: there is no connection.
    [[nodiscard]] PGcancel* key() const noexcept { return line_ ? line_->key.get() : nullptr; }

private:
    std::shared_ptr<cancel_line> line_;
};

/// What a connection owns. It has an address of its own, so that a connection may be moved while a
/// statement runs.
struct connection_state {
    explicit connection_state(PGconn* started) noexcept : handle(started) {}

    [[nodiscard]] std::string message() const { return one_line(PQerrorMessage(handle.get())); }

    /// Waits for the socket, or until `deadline` if there is one. Returns nothing when the deadline
    /// has passed.
    task<std::optional<poll_events>> wait(poll_events events,
                                          std::optional<clock::time_point> deadline) const {
        const int socket = PQsocket(handle.get());
        if (!deadline) {
            co_return co_await poll(socket, events);
        }
        const auto left = *deadline - clock::now();
        if (left <= clock::duration::zero()) {
            co_return std::nullopt;
        }
        const result<poll_events> ready = co_await as_result(poll(socket, events, left));
        if (ready) {
            co_return *ready;
        }
        if (ready.error() == std::errc::timed_out) {
            co_return std::nullopt;
        }
        throw std::system_error(ready.error(), "poll of a PostgreSQL connection");
    }

    std::unique_ptr<PGconn, close_connection> handle;
    std::shared_ptr<cancel_line> canceling; // set once it is connected
    std::atomic<bool> busy{false};
    bool lost = false; // written only by the statement that holds `busy`
};

/// Holds `busy` while a statement runs; refuses a second one.
class statement_under_way {
public:
    statement_under_way(connection_state& state, const std::string& statement) : state_(state) {
        // order(pq.busy): acquire; the PGconn as the statement before left it, on whatever thread
        // that ended
        if (state_.busy.exchange(true, std::memory_order_acquire)) {
            throw error("55006", "another statement is under way on this connection", "query",
                        statement);
        }
    }
    statement_under_way(const statement_under_way&) = delete;
    statement_under_way& operator=(const statement_under_way&) = delete;
    // order(pq.busy): release; the PGconn as this statement leaves it
    ~statement_under_way() { state_.busy.store(false, std::memory_order_release); }

private:
    connection_state& state_;
};

inline task<std::unique_ptr<connection_state>> open_connection(std::string text) {
    const conninfo parsed(text);
    const conninfo settings = co_await resolved(parsed);
    std::optional<clock::time_point> deadline;
    if (const std::optional<std::chrono::seconds> limit = settings.connect_timeout()) {
        deadline = clock::now() + *limit;
    }
    // libpq's message names the address that was tried, not the name that was given.
    const std::string host = parsed.value("host", "PGHOST");
    const std::string operation = "connect to " + (host.empty() ? std::string("PostgreSQL") : host);
    auto state = std::make_unique<connection_state>(settings.start());
    if (!state->handle) {
        throw error("53200", "out of memory", operation);
    }
    PGconn* const handle = state->handle.get();
    PostgresPollingStatusType next =
        PGRES_POLLING_WRITING; // as libpq prescribes before the first PQconnectPoll
    while (PQstatus(handle) != CONNECTION_BAD && next != PGRES_POLLING_OK &&
           next != PGRES_POLLING_FAILED) {
        const poll_events wanted =
            next == PGRES_POLLING_READING ? poll_events::in : poll_events::out;
        if (!co_await state->wait(wanted, deadline)) {
            throw error("08001", "connect_timeout expired", operation);
        }
        next = PQconnectPoll(handle);
    }
    if (PQstatus(handle) != CONNECTION_OK) {
        throw error("08001", state->message(), operation);
    }
    if (PQsetnonblocking(handle, 1) != 0) {
        throw error("08001", state->message(), operation);
    }
    state->canceling = std::make_shared<cancel_line>(PQgetCancel(handle));
    co_return state;
}

/// What is sent: the text of a statement, the name of a prepared one, or a text to be prepared.
enum class statement_kind { text, prepared, to_prepare };

/// Queues the statement; nothing is waited for.
inline void send_statement(const connection_state& state, statement_kind kind,
                           const std::string& sql, const std::string& name,
                           const parameters& values) {
    if (sql.find('\0') != std::string::npos) {
        throw error("42601", "the statement holds a zero byte", "query", sql);
    }
    std::vector<const char*> texts;
    texts.reserve(values.size());
    for (std::size_t index = 0; index < values.size(); ++index) {
        texts.push_back(values[index] ? values[index]->c_str() : nullptr);
    }
    const int count = static_cast<int>(values.size());
    PGconn* const handle = state.handle.get();
    int sent = 0;
    switch (kind) {
    case statement_kind::text:
        sent = PQsendQueryParams(handle, sql.c_str(), count, nullptr, texts.data(), nullptr,
                                 nullptr, 0);
        break;
    case statement_kind::prepared:
        sent = PQsendQueryPrepared(handle, name.c_str(), count, texts.data(), nullptr, nullptr, 0);
        break;
    case statement_kind::to_prepare:
        sent = PQsendPrepare(handle, name.c_str(), sql.c_str(), 0, nullptr);
        break;
    }
    if (sent == 0) {
        const bool gone = PQstatus(handle) == CONNECTION_BAD;
        throw error(gone ? "08003" : "HY000", state.message(), "query", sql);
    }
}

/// Hands the queued bytes to the kernel. Reads meanwhile: a server that blocks in sending its own
/// data would otherwise never get round to reading ours.
inline task<> flush(connection_state& state) {
    PGconn* const handle = state.handle.get();
    for (int left = PQflush(handle); left != 0 && !state.lost; left = PQflush(handle)) {
        if (left < 0) {
            state.lost = true;
            break;
        }
        const poll_events ready =
            co_await poll(PQsocket(handle), poll_events::in | poll_events::out);
        const poll_events to_read = poll_events::in | poll_events::hangup | poll_events::error;
        if ((ready & to_read) != poll_events::none && PQconsumeInput(handle) == 0) {
            state.lost = true;
        }
    }
}

/// Waits until PQgetResult would not block. A lost connection never blocks: libpq has closed its
/// socket by then.
inline task<> wait_for_result(connection_state& state) {
    PGconn* const handle = state.handle.get();
    while (!state.lost && PQisBusy(handle) != 0) {
        co_await poll(PQsocket(handle), poll_events::in);
        if (PQconsumeInput(handle) == 0) {
            state.lost = true;
        }
    }
}

/// `sql` is the text, or the name where that is all there is; it names the statement in errors.
inline task<result_set> run_statement(connection_state& state, statement_kind kind, std::string sql,
                                      std::string name, parameters values) {
    const statement_under_way under_way(state, sql);
    send_statement(state, kind, sql, name, values);
    co_await flush(state);
    result_set kept;
    std::optional<error> failure;
    for (;;) {
        co_await wait_for_result(state);
        if (state.lost && PQsocket(state.handle.get()) >= 0) {
            // libpq ran out of memory and kept the socket: PQgetResult would block on it.
            throw error("08006", state.message(), "query", sql);
        }
        PGresult* const next = PQgetResult(state.handle.get());
        if (next == nullptr) {
            break;
        }
        result_set received(next);
        switch (PQresultStatus(next)) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
        case PGRES_EMPTY_QUERY:
            kept = std::move(received);
            break;
        case PGRES_COPY_IN:
        case PGRES_COPY_OUT:
        case PGRES_COPY_BOTH:
            state.lost = true; // it would stay in copy mode: of no further use
            throw error("0A000", "COPY from or to the client is not supported by query()", "query",
                        sql);
        default:
            if (!failure) { // the first says why; what follows only says that the connection is
                            // gone
                failure = error_of_result(next, sql);
            }
        }
    }
    if (PQstatus(state.handle.get()) == CONNECTION_BAD) {
        state.lost = true;
        const bool told_why = failure && failure->sqlstate() != "HY000";
        if (!told_why) {
            throw error("08006", failure ? std::string(failure->message()) : state.message(),
                        "query", sql);
        }
    }
    if (failure) {
        throw *failure;
    }
    co_return kept;
}

inline task<> cancel_statement(cancel_request made) {
    const cancel_request mine = std::move(made); // ends before whoever awaits it goes on
    PGcancel* const key = mine.key();
    if (key == nullptr) {
        throw error("08003", "there is no connection", "cancel");
    }
    // PQcancel opens a connection of its own and blocks until the server has closed it.
    const auto request = [key]() -> std::string {
        std::array<char, 256> message{};
        const int sent = PQcancel(key, message.data(), static_cast<int>(message.size()));
        return sent != 0 ? std::string() : one_line(message.data());
    };
    const std::string complaint = co_await offload(request);
    if (!complaint.empty()) {
        throw error("08006", complaint, "cancel");
    }
}

} // namespace detail

/// A connection to a PostgreSQL server.
///
/// Thread safety: a connection is used by one task at a time, on whatever thread that happens to
/// be; a query() that meets another one under way is refused with SQLSTATE 55006. cancel() may be
/// called at any time from any thread. After a co_await the task may be on another thread of the
/// runtime.
/// Lifetime: must outlive the tasks that its functions returned, except cancel()'s; may be moved
/// while they run. The destructor closes the connection without waiting for the server.
/// Errors: pq::error with the server's SQLSTATE, naming the statement. A lost connection is an
/// error with SQLSTATE 08006 or 57P01 and makes bad() true.
/// Cancellation: a query() that ends with operation_canceled has left its statement running; the
/// connection is of no further use (idle() is false). To stop a statement and keep the connection
/// use cancel().
/// Cost: libpq's buffers (about 40 KB per connection); per query one write, one wait, one or more
/// reads.
class connection {
public:
    /// No connection: bad() is true.
    connection() = default;

    /// Opens a connection. `conninfo` is what libpq takes: "host=... dbname=..." or a postgresql://
    /// address. Host names are resolved off the workers; `connect_timeout` is honoured. Files that
    /// the string mentions (certificates, passwords) are read by libpq itself, blocking.
    /// Errors: pq::error with SQLSTATE 08001; std::system_error for a host name that does not
    /// resolve.
    static task<connection> connect(std::string conninfo) {
        co_return connection(co_await detail::open_connection(std::move(conninfo)));
    }

    /// Runs one statement with values for $1, $2, ...: a `parameters`, or the values themselves.
    template <class... Values>
    task<result_set> query(std::string sql, const Values&... values) {
        return detail::run_statement(state(), detail::statement_kind::text, std::move(sql), {},
                                     parameters(values...));
    }

    /// Has the server parse a statement once and keep it, for this connection, under `name`.
    task<result_set> prepare(std::string name, std::string sql) {
        return detail::run_statement(state(), detail::statement_kind::to_prepare, std::move(sql),
                                     std::move(name), parameters());
    }

    /// Runs a statement that this connection has prepared. Errors name it by its name.
    template <class... Values>
    task<result_set> query_prepared(std::string name, const Values&... values) {
        std::string described = name;
        return detail::run_statement(state(), detail::statement_kind::prepared,
                                     std::move(described), std::move(name), parameters(values...));
    }

    /// Asks the server to stop the statement under way, which then fails with SQLSTATE 57014.
    /// Returns when the server has received the request; one that comes too late does nothing.
    /// Thread safety: any thread, at any time between connect() and the destructor.
    /// Cost: a connection of its own and a thread of the blocking pool, for as long as that takes
    /// (libpq 15 cannot cancel without blocking).
    task<void> cancel() {
        return detail::cancel_statement(
            detail::cancel_request(state_ ? state_->canceling : nullptr));
    }

    /// Ready for a statement: connected, no statement and no cancel() under way, not inside a
    /// transaction.
    [[nodiscard]] bool idle() const noexcept {
        // order(pq.canceled): acquire; pairs with the end of every request
        return !bad() && PQtransactionStatus(state_->handle.get()) == PQTRANS_IDLE &&
               state_->canceling->requests.load(std::memory_order_acquire) == 0;
    }

    /// Lost, or never connected.
    [[nodiscard]] bool bad() const noexcept {
        return !state_ || state_->lost || PQstatus(state_->handle.get()) == CONNECTION_BAD;
    }

    /// Whether an idle connection is still there, as far as can be told without asking the server.
    /// Cost: two reads that find nothing.
    [[nodiscard]] bool still_there() noexcept {
        // Twice: the first read may get the server's farewell, the second then finds the end of the
        // stream.
        return idle() && PQconsumeInput(state_->handle.get()) != 0 &&
               PQconsumeInput(state_->handle.get()) != 0 && idle();
    }

    /// The process at the server that works for this connection.
    [[nodiscard]] int backend_process() const noexcept {
        return state_ ? PQbackendPID(state_->handle.get()) : 0;
    }

    /// libpq's connection, for everything that has no function here (notices, encodings, ...).
    [[nodiscard]] PGconn* native_handle() const noexcept {
        return state_ ? state_->handle.get() : nullptr;
    }

private:
    explicit connection(std::unique_ptr<detail::connection_state> state) noexcept
        : state_(std::move(state)) {}

    [[nodiscard]] detail::connection_state& state() const {
        if (!state_) {
            throw error("08003", "there is no connection", "query");
        }
        return *state_;
    }

    std::unique_ptr<detail::connection_state> state_;
};

} // namespace aloft::inline ALOFT_ABI::pq
