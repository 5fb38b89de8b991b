// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <aloft/as_result.hpp>
#include <aloft/spawn.hpp>
#include <aloft/timer.hpp>

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "../support/measure.hpp"
#include "log.hpp"

namespace echo_server {

namespace {

constexpr std::chrono::milliseconds accept_pause{100};
constexpr std::size_t buffer_size = std::size_t{16} * 1024;

// Waiting helps against these: sooner or later a connection gives its descriptor or memory back.
bool is_shortage(const std::error_code& error) {
    return error == std::errc::too_many_files_open ||
           error == std::errc::too_many_files_open_in_system ||
           error == std::errc::no_buffer_space || error == std::errc::not_enough_memory;
}

// These mean that the listener itself is of no use any more. Everything else that accept reports
// concerns the one connection that it would have returned.
bool is_fatal(const std::error_code& error) {
    return error == std::errc::bad_file_descriptor || error == std::errc::invalid_argument ||
           error == std::errc::not_a_socket || error == std::errc::operation_not_supported ||
           error == std::errc::operation_canceled;
}

std::string name_of_peer(const aloft::tcp_stream& stream) {
    try {
        return stream.remote_endpoint().to_string();
    } catch (const std::system_error&) {
        return "a peer that is gone"; // reset before it was asked for its name
    }
}

} // namespace

/// Keeps a stream in the list of the open ones for as long as it lives.
class server::open_connection {
public:
    open_connection(server& owner, aloft::tcp_stream& stream) : owner_(&owner), entry_{&stream} {
        owner.enter(*this);
    }

    open_connection(const open_connection&) = delete;
    open_connection& operator=(const open_connection&) = delete;

    ~open_connection() {
        const std::lock_guard lock{owner_->mutex_};
        entry_.splice(entry_.begin(), owner_->open_, place_);
    }

private:
    friend class server;

    server* owner_;
    std::list<aloft::tcp_stream*> entry_; ///< empty while its element is in `open_`
    std::list<aloft::tcp_stream*>::iterator place_;
};

server::server(const aloft::endpoint& where, std::chrono::milliseconds grace)
    : listener_(aloft::tcp_listener::bind(where)), grace_(grace) {}

aloft::endpoint server::local_endpoint() const {
    return listener_.local_endpoint();
}

aloft::task<> server::run() {
    co_await accept_all();
    aloft::spawn(end_grace()).detach();
    leave();
    co_await drained_.acquire();
    const std::lock_guard lock{mutex_};
    stop_end_ = std::chrono::steady_clock::now();
}

aloft::task<> server::accept_all() {
    bool short_of_something = false;
    while (stop_requests_.load() == 0) {
        aloft::result<aloft::tcp_stream> accepted = co_await aloft::as_result(listener_.accept());
        if (accepted) {
            short_of_something = false;
            connections_.fetch_add(1);
            holders_.fetch_add(1);
            aloft::spawn(serve(std::move(*accepted))).detach();
            continue;
        }
        if (stop_requests_.load() > 0) {
            co_return;
        }
        const std::error_code error = accepted.error();
        if (is_fatal(error)) {
            throw std::system_error(error, "accept");
        }
        accept_errors_.fetch_add(1);
        if (!is_shortage(error)) {
            log_line("accept: " + error.message());
            continue;
        }
        if (!std::exchange(short_of_something, true)) {
            log_line("accept: " + error.message() + "; trying again until it passes");
        }
        co_await aloft::sleep_for(accept_pause);
    }
}

aloft::task<> server::serve(aloft::tcp_stream accepted) {
    struct departure {
        server& owner;
        ~departure() { owner.leave(); }
    };
    // Taken apart in reverse: out of the list, closed, and only then counted as gone.
    const departure at_the_end{*this};
    aloft::tcp_stream stream = std::move(accepted);
    const open_connection listed{*this, stream};
    const std::string peer = name_of_peer(stream);
    std::array<char, buffer_size> buffer;
    try {
        for (;;) {
            const std::size_t received = co_await stream.read_some(std::span<char>{buffer});
            if (received == 0) {
                break;
            }
            bytes_received_.fetch_add(received);
            co_await stream.write_all(std::string_view{buffer.data(), received});
            bytes_echoed_.fetch_add(received);
            requests_.fetch_add(1);
        }
    } catch (const std::system_error& error) {
        connection_errors_.fetch_add(1);
        log_line(peer + ": " + error.what());
    }
}

aloft::task<> server::end_grace() {
    const auto waited = co_await aloft::as_result(aloft::sleep_for(grace_));
    if (waited) { // else the runtime ends, because all connections are closed
        shut_all(aloft::shutdown_how::both);
    }
}

void server::request_stop() {
    if (stop_requests_.fetch_add(1) == 0) {
        {
            const std::lock_guard lock{mutex_};
            stop_start_ = std::chrono::steady_clock::now();
        }
        listener_.close();
        shut_all(aloft::shutdown_how::read);
    } else {
        shut_all(aloft::shutdown_how::both);
    }
}

void server::shut_all(aloft::shutdown_how how) {
    const std::lock_guard lock{mutex_};
    for (aloft::tcp_stream* stream : open_) {
        stream->shutdown(how);
    }
    if (how == aloft::shutdown_how::both && !std::exchange(forced_, true)) {
        closed_by_force_ = open_.size();
    }
}

void server::enter(open_connection& connection) {
    const std::lock_guard lock{mutex_};
    connection.place_ = connection.entry_.begin();
    open_.splice(open_.end(), connection.entry_);
    if (open_.size() > most_open_) {
        most_open_ = open_.size();
        // Counting threads takes microseconds, so only at every power of two.
        if ((most_open_ & (most_open_ - 1)) == 0) {
            threads_at_most_open_ = support::thread_count();
        }
    }
    // Accepted in the moment of stopping: too late for shut_all to have seen it.
    if (stop_requests_.load() > 0) {
        (*connection.place_)->shutdown(aloft::shutdown_how::read);
    }
}

void server::leave() noexcept {
    if (holders_.fetch_sub(1) == 1) {
        drained_.release();
    }
}

totals server::so_far() const {
    totals now;
    now.connections = connections_.load();
    now.requests = requests_.load();
    now.bytes_received = bytes_received_.load();
    now.bytes_echoed = bytes_echoed_.load();
    now.connection_errors = connection_errors_.load();
    now.accept_errors = accept_errors_.load();
    const std::lock_guard lock{mutex_};
    now.closed_by_force = closed_by_force_;
    now.most_open = most_open_;
    now.threads_at_most_open = threads_at_most_open_;
    now.stopping = stop_end_ - stop_start_;
    return now;
}

} // namespace echo_server
