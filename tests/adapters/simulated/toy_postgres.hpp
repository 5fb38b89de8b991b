// SPDX-License-Identifier: MIT
// A server that speaks as much of PostgreSQL's protocol as the adapter's tests in simulated worlds
// need: it is a program of that world, and what it does when is drawn from the seed.
//
// Statements, of which the first value is always a number that no other statement has:
//   echo           one row of all the values
//   sleep          the same, after half a second or when it is canceled
//   rows           fifty rows of forty bytes
//   fail           an error
//   begin, commit  the transaction's state, no rows
//   copy           asks for COPY
//   die            the server ends the connection, and says so
//   vanish         the server ends the connection, in the middle of an answer
//
// 1. A statement is under way from its Execute message to its answer. A cancel request stops what is
//    under way at that time, whoever began it, and nothing else: as the real server does it.
// 2. Reads of a message and reports of parameters alternate, so that a client that only writes, or
//    only reads, stands still for ever as soon as windows are small.
#pragma once

#include "system_calls.hpp"

#include <aloft/as_result.hpp>
#include <aloft/detail/base/splitmix.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/stop.hpp>
#include <aloft/task.hpp>
#include <aloft/task_group.hpp>
#include <aloft/tcp.hpp>
#include <aloft/timer.hpp>
#include <aloft/with_stop.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace adapter_tests {

class toy_postgres final : public blocking_peer {
public:
    struct habits {
        double silent = 0;         // hears a connection out and never answers
        double turned_away = 0;    // answers a connection with an error
        double lost_cancels = 0;   // connections for cancel requests that are refused
        double gone_meanwhile = 0; // ends the connection after a statement
    };

    toy_postgres(std::uint64_t seed, habits has) : dice_(seed ^ 0x706F7374u), habits_(has) {
        ledger().peer = this;
    }
    toy_postgres(const toy_postgres&) = delete;
    toy_postgres& operator=(const toy_postgres&) = delete;
    ~toy_postgres() { ledger().peer = nullptr; }

    static constexpr std::string_view conninfo =
        "hostaddr=10.0.0.1 port=5432 user=a dbname=b password=c sslmode=disable gssencmode=disable "
        "passfile=/dev/null";

    /// Until it is stopped.
    aloft::task<> serve() {
        aloft::tcp_listener listener = aloft::tcp_listener::bind(aloft::endpoint("10.0.0.1", 5432));
        const auto body = [&](aloft::task_group& group) -> aloft::task<> {
            for (;;) {
                aloft::tcp_stream stream = co_await listener.accept();
                group.spawn(session(std::move(stream)));
            }
        };
        co_await aloft::with_task_group(body);
    }

    /// How often the statement was carried out.
    [[nodiscard]] int executed(int statement) const {
        const auto found = executed_.find(statement);
        return found == executed_.end() ? 0 : found->second;
    }
    [[nodiscard]] bool under_way(int process) const { return running_.contains(process); }
    [[nodiscard]] std::size_t sessions() const noexcept { return sessions_; }
    [[nodiscard]] std::size_t cancels() const noexcept { return cancels_; }

    [[nodiscard]] int connected() override {
        return chance(habits_.lost_cancels) ? ECONNREFUSED : 0;
    }

    void receive(std::string_view bytes) override {
        if (bytes.size() != 16 || number(bytes, 4) != 80877102) {
            return;
        }
        const auto found = running_.find(static_cast<int>(number(bytes, 8)));
        if (found != running_.end() && number(bytes, 12) == key_of(found->first)) {
            ++cancels_;
            found->second->request_stop();
        }
    }

private:
    struct portal {
        std::string sql;
        std::vector<std::optional<std::string>> values;
    };
    struct conversation {
        conversation(aloft::tcp_stream with, int number)
            : stream(std::move(with)), process(number) {}
        aloft::tcp_stream stream;
        int process;
        char transaction = 'I';
        bool failed = false; // skips everything up to the next Sync
        std::map<std::string, std::string> prepared;
        portal bound;
        std::string out;
    };

    [[nodiscard]] bool chance(double probability) {
        return probability > 0 &&
               aloft::detail::unit_interval(aloft::detail::splitmix(dice_)) < probability;
    }
    [[nodiscard]] std::chrono::microseconds some_time(std::uint64_t most) {
        return std::chrono::microseconds(aloft::detail::splitmix(dice_) % (most + 1));
    }

    // ---- bytes -------------------------------------------------------------------------------

    [[nodiscard]] static std::uint32_t number(std::string_view bytes, std::size_t at) {
        std::uint32_t value = 0;
        for (std::size_t index = at; index < at + 4; ++index) {
            value = value << 8U | static_cast<unsigned char>(bytes.at(index));
        }
        return value;
    }
    [[nodiscard]] static std::size_t short_number(std::string_view bytes, std::size_t at) {
        return static_cast<std::size_t>(static_cast<unsigned char>(bytes.at(at)) << 8U |
                                        static_cast<unsigned char>(bytes.at(at + 1)));
    }
    static void append_number(std::string& to, std::size_t value, int bytes = 4) {
        for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
            to += static_cast<char>(value >> static_cast<unsigned>(shift) & 0xFFU);
        }
    }
    /// A message with its kind and length in front.
    static void append_message(std::string& to, char kind, std::string_view body) {
        to += kind;
        append_number(to, body.size() + 4);
        to.append(body);
    }
    [[nodiscard]] static std::string text(std::string_view bytes, std::size_t& at) {
        const std::size_t end = bytes.find('\0', at);
        std::string found(bytes.substr(at, end - at));
        at = end + 1;
        return found;
    }
    static void append_error(std::string& to, std::string_view severity, std::string_view state) {
        std::string body;
        for (const auto& [field, value] :
             {std::pair('S', severity), std::pair('C', state), std::pair('M', state)}) {
            body.append(1, field).append(value).append(1, '\0');
        }
        append_message(to, 'E', body.append(1, '\0'));
    }

    [[nodiscard]] static std::uint32_t key_of(int process) {
        return static_cast<std::uint32_t>(process) * 7919U;
    }

    // ---- conversations -----------------------------------------------------------------------

    aloft::task<> session(aloft::tcp_stream stream) {
        ++sessions_;
        conversation with(std::move(stream), ++last_process_);
        const auto ended = co_await aloft::as_result(converse(with));
        --sessions_;
        if (!ended && ended.error() == std::errc::operation_canceled) {
            throw std::system_error(ended.error());
        }
    }

    aloft::task<> converse(conversation& with) {
        if (!co_await welcome(with)) {
            co_return;
        }
        for (;;) {
            std::string head(5, '\0');
            co_await with.stream.read_exact(std::span<char>(head));
            std::string body(number(head, 1) - 4, '\0');
            co_await with.stream.read_exact(std::span<char>(body));
            if (head[0] == 'X' || !co_await heed(with, head[0], body)) {
                co_return;
            }
            if (head[0] != 'S') {
                report_something(with);
            }
            co_await deliver(with);
        }
    }

    aloft::task<bool> welcome(conversation& with) {
        std::string length(4, '\0');
        co_await with.stream.read_exact(std::span<char>(length));
        std::string settings(number(length, 0) - 4, '\0');
        co_await with.stream.read_exact(std::span<char>(settings));
        if (chance(habits_.silent)) {
            co_await with.stream.read_exact(std::span<char>(settings)); // until the client goes
        }
        if (chance(habits_.turned_away)) {
            append_error(with.out, "FATAL", "53300");
            co_await deliver(with);
            co_return false;
        }
        std::string key;
        append_message(with.out, 'R', std::string(4, '\0')); // no password is wanted
        append_message(with.out, 'S', std::string("client_encoding\0UTF8\0", 21));
        append_number(key, static_cast<std::size_t>(with.process));
        append_number(key, key_of(with.process));
        append_message(with.out, 'K', key);
        append_message(with.out, 'Z', "I");
        co_await deliver(with);
        co_return true;
    }

    aloft::task<> deliver(conversation& with) {
        const std::string out = std::exchange(with.out, std::string());
        co_await with.stream.write_all(std::string_view(out));
    }

    void report_something(conversation& with) {
        std::string body("application_name\0", 17);
        body.append(static_cast<std::size_t>(some_time(200).count()), 'n');
        append_message(with.out, 'S', body.append(1, '\0'));
    }

    /// False: the conversation is over.
    aloft::task<bool> heed(conversation& with, char kind, const std::string& body) {
        if (kind == 'S') {
            with.failed = false;
            append_message(with.out, 'Z', std::string_view(&with.transaction, 1));
            if (chance(habits_.gone_meanwhile)) {
                co_await deliver(with);
                if (chance(0.5)) { // as it does where it has the time
                    append_error(with.out, "FATAL", "57P01");
                    co_await deliver(with);
                }
                co_return false;
            }
            co_return true;
        }
        if (with.failed) {
            co_return true;
        }
        std::size_t at = 0;
        if (kind == 'P') {
            const std::string name = text(body, at);
            with.prepared[name] = text(body, at);
            append_message(with.out, '1', "");
        } else if (kind == 'B') {
            bind(with, body);
        } else if (kind == 'D') {
            describe(with);
        } else if (kind == 'E') {
            co_return co_await execute(with);
        }
        co_return true;
    }

    void bind(conversation& with, std::string_view body) {
        std::size_t at = 0;
        static_cast<void>(text(body, at)); // the portal has no name
        const auto statement = with.prepared.find(text(body, at));
        if (statement == with.prepared.end()) {
            fail(with, "26000");
            return;
        }
        with.bound = {statement->second, {}};
        at += 2 + 2 * short_number(body, at); // formats
        const std::size_t count = short_number(body, at);
        at += 2;
        for (std::size_t index = 0; index < count; ++index) {
            const std::uint32_t length = number(body, at);
            at += 4;
            if (length == 0xFFFFFFFFU) {
                with.bound.values.emplace_back();
            } else {
                with.bound.values.emplace_back(body.substr(at, length));
                at += length;
            }
        }
        append_message(with.out, '2', "");
    }

    [[nodiscard]] static bool has_rows(std::string_view sql) {
        return sql == "echo" || sql == "sleep" || sql == "rows" || sql == "vanish";
    }

    static void describe(conversation& with) {
        if (!has_rows(with.bound.sql)) {
            append_message(with.out, 'n', "");
            return;
        }
        const std::size_t columns = with.bound.values.size();
        std::string body;
        append_number(body, columns, 2);
        for (std::size_t column = 0; column < columns; ++column) {
            body.append("c").append(1, '\0');
            append_number(body, 0);
            append_number(body, 0, 2);
            append_number(body, 25); // text
            append_number(body, 0xFFFF, 2);
            append_number(body, 0xFFFFFFFF);
            append_number(body, 0, 2);
        }
        append_message(with.out, 'T', body);
    }

    static void fail(conversation& with, std::string_view state) {
        append_error(with.out, "ERROR", state);
        with.failed = true;
        if (with.transaction == 'T') {
            with.transaction = 'E';
        }
    }

    static void append_row(conversation& with) {
        std::string body;
        append_number(body, with.bound.values.size(), 2);
        for (const std::optional<std::string>& value : with.bound.values) {
            append_number(body, value ? value->size() : 0xFFFFFFFFU);
            body.append(value.value_or(""));
        }
        append_message(with.out, 'D', body);
    }

    aloft::task<bool> execute(conversation& with) {
        const std::string& sql = with.bound.sql;
        aloft::stop_source cancel;
        running_[with.process] = &cancel;
        const std::chrono::microseconds takes =
            sql == "sleep" ? std::chrono::microseconds(500'000) : some_time(2'000);
        const auto slept = co_await aloft::as_result(
            aloft::with_stop(cancel.get_token(), aloft::sleep_for(takes)));
        running_.erase(with.process);
        if (!slept && !cancel.stop_requested()) {
            throw std::system_error(slept.error()); // the server is stopped
        }
        if (cancel.stop_requested()) {
            fail(with, "57014");
            co_return true;
        }
        if (sql == "die") {
            append_error(with.out, "FATAL", "57P01");
            co_await deliver(with);
            co_return false;
        }
        if (sql == "fail") {
            fail(with, "22012");
            co_return true;
        }
        if (!with.bound.values.empty()) {
            ++executed_[std::stoi(with.bound.values.front().value_or("0"))];
        }
        if (sql == "copy") {
            append_message(with.out, 'H', std::string(3, '\0'));
            co_return true;
        }
        const int rows = sql == "rows" ? 50 : has_rows(sql) ? 1 : 0;
        for (int row = 0; row < rows; ++row) {
            append_row(with);
        }
        if (sql == "vanish") {
            with.out.resize(with.out.size() - 1);
            co_await deliver(with);
            co_return false;
        }
        with.transaction = sql == "begin" ? 'T' : sql == "commit" ? 'I' : with.transaction;
        append_message(with.out, 'C', std::string("SELECT 1\0", 9));
        co_return true;
    }

    std::uint64_t dice_;
    habits habits_;
    int last_process_ = 0;
    std::size_t sessions_ = 0;
    std::size_t cancels_ = 0;
    std::map<int, aloft::stop_source*> running_; // by process
    std::map<int, int> executed_;                // by statement
};

} // namespace adapter_tests
