// SPDX-License-Identifier: MIT
#pragma once
// HTTP requests through libcurl, awaited instead of blocked on.
//
// Layer: L4 surface
//
//     aloft::curl::client http;
//     aloft::curl::response answer = co_await http.get("http://127.0.0.1:8080/feed/7");
//     answer.throw_if_error();
//
// Needs libcurl (7.85 or newer) and nothing of aloft's but its public headers; link with -lcurl.
//
// Invariants
// 1. permits free + sessions in use == maximum; `idle` holds the sessions that are not in use,
//    oldest use first.
// 2. A session that comes back does so before its permit, so that no more sessions than the maximum
//    ever exist.

#include <aloft/adapters/detail/curl_error.hpp>
#include <aloft/adapters/detail/curl_message.hpp>
#include <aloft/adapters/detail/curl_session.hpp>
#include <aloft/adapters/detail/curl_url.hpp>
#include <aloft/config.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::curl {

/// An HTTP client. Each request takes a session (one connection that is kept alive between
/// requests); up to `maximum` requests run at once, the others wait in the order in which they
/// came.
///
/// HTTP and HTTPS only. Redirects are returned, not followed; proxies named by the environment are
/// not used.
/// Thread safety: any thread. After a co_await the task may be on another thread of the runtime.
/// Lifetime: the client may be destroyed while requests are under way; they end as they would have.
/// Errors: curl::error names the method and the URL. A status such as 500 is a response, not an
/// error: see response::throw_if_error(). std::system_error for a host name that does not resolve.
/// Cancellation: the request's connection is closed.
/// Cost: per session libcurl's handles and buffers (about 50 KB, 3 descriptors); per request a few
/// waits, and one name look-up on the blocking pool unless the session has just served the same
/// host.
class client {
public:
    static constexpr std::size_t default_maximum = 256;

    explicit client(std::size_t maximum = default_maximum) {
        if (maximum == 0) {
            throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                                    "curl::client: maximum is 0");
        }
        shared_ = std::make_shared<shared>(maximum);
    }

    /// Asks for `url` and returns the whole answer.
    task<response> get(std::string url) { return send_through(shared_, request(std::move(url))); }

    /// Sends any request and returns the whole answer.
    task<response> send(request asked) { return send_through(shared_, std::move(asked)); }

    /// Connects `count` sessions (at most the maximum) by sending as many HEAD requests for `url`
    /// at once, so that later requests to that host find connections that are open. Errors: the
    /// first that any of the requests ends with; the status does not matter.
    task<void> open(std::string url, std::size_t count) {
        return open_through(shared_, url, count);
    }

    /// Sessions that are not in use; each may hold a connection.
    [[nodiscard]] std::size_t idle_sessions() const {
        const std::scoped_lock lock(shared_->mutex);
        return shared_->idle.size();
    }

private:
    using session_pointer = std::unique_ptr<detail::session>;

    struct shared {
        explicit shared(std::size_t maximum) : permits(maximum) { idle.reserve(maximum); }

        /// One that last served the same origin, else a new one while there are fewer than the
        /// maximum, else the one that has been idle for longest.
        session_pointer take(const detail::origin& where) {
            const std::scoped_lock lock(mutex);
            const auto same =
                std::find_if(idle.rbegin(), idle.rend(), [&where](const session_pointer& one) {
                    return one->last_origin() == where;
                });
            auto chosen = idle.begin();
            if (same != idle.rend()) {
                chosen = std::prev(same.base());
            } else if (sessions < idle.capacity()) {
                session_pointer fresh = std::make_unique<detail::session>();
                ++sessions;
                return fresh;
            }
            session_pointer taken = std::move(*chosen);
            idle.erase(chosen);
            return taken;
        }

        void give_back(session_pointer used) noexcept {
            const std::scoped_lock lock(mutex);
            idle.push_back(std::move(used)); // never reallocates: reserved for the maximum
        }

        semaphore permits;
        std::mutex mutex;
        std::vector<session_pointer> idle; // guarded by mutex
        std::size_t sessions = 0;          // guarded by mutex
    };

    /// Holds a permit, and a session once there is one.
    class turn {
    public:
        explicit turn(shared& from) noexcept : from_(from) {}
        turn(const turn&) = delete;
        turn& operator=(const turn&) = delete;
        ~turn() {
            if (session_) {
                from_.give_back(std::move(session_));
            }
            from_.permits.release();
        }
        [[nodiscard]] detail::session& session_for(const detail::origin& where) {
            session_ = from_.take(where);
            return *session_;
        }

    private:
        shared& from_;
        session_pointer session_;
    };

    static task<response> send_through(std::shared_ptr<shared> from, request asked) {
        const detail::origin where(asked.url());
        co_await from->permits.acquire();
        turn mine(*from);
        co_return co_await mine.session_for(where).send(std::move(asked), where);
    }

    static task<void> open_through(std::shared_ptr<shared> from, std::string url,
                                   std::size_t count) {
        const detail::origin where(url);
        request asked(url);
        asked.method("HEAD");
        // All sessions are held until the last has its connection: else one would serve for
        // several.
        std::deque<turn> held;
        std::vector<task<response>> all;
        for (std::size_t opened = 0; opened < std::min(count, from->idle.capacity()); ++opened) {
            co_await from->permits.acquire();
            all.push_back(held.emplace_back(*from).session_for(where).send(asked, where));
        }
        co_await when_all(std::move(all));
    }

    std::shared_ptr<shared> shared_;
};

} // namespace aloft::inline ALOFT_ABI::curl
