// SPDX-License-Identifier: MIT
#pragma once
// A bounded set of PostgreSQL connections that tasks take turns with.
//
// Layer: L4 surface
//
// Invariants
// 1. permits free + leases alive + acquire()s under way between permit and lease == maximum.
// 2. `spare` holds only connections that were idle when they came back, and never more than there
//    are free permits, so never more than `maximum` connections are open.
// 3. A lease gives its connection back before its permit, so that whoever gets the permit finds the
//    connection.

#include <aloft/adapters/detail/pq_connection.hpp>
#include <aloft/config.hpp>
#include <aloft/semaphore.hpp>
#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::pq {

/// Up to `maximum` connections to one database, opened when they are first needed.
///
/// Thread safety: any thread. Waiting tasks are served in the order in which they came.
/// Lifetime: the pool may be destroyed before its leases; it must outlive acquire() and open()
/// under way.
/// Errors: std::system_error(invalid_argument) for a maximum of 0; what connection::connect throws,
/// to the task whose turn it was (the next one tries anew).
/// Cancellation: acquire() gives up its place, or the connection that it was opening.
/// Cost: a mutex around a vector for each acquire and each return, and two reads that find nothing
/// to see whether the server has closed the connection meanwhile.
class pool {
    struct shared {
        shared(std::string text, std::size_t maximum)
            : conninfo(std::move(text)), permits(maximum) {}

        std::optional<connection> take_spare() {
            const std::scoped_lock lock(mutex);
            if (spare.empty()) {
                return std::nullopt;
            }
            connection latest = std::move(spare.back()); // the one most likely to be warm
            spare.pop_back();
            return latest;
        }

        const std::string conninfo;
        semaphore permits;
        std::mutex mutex;
        std::vector<connection> spare; // guarded by mutex
    };

    /// Gives a permit back unless it was passed on.
    class permit {
    public:
        explicit permit(std::shared_ptr<shared> from) noexcept : from_(std::move(from)) {}
        permit(permit&&) noexcept = default;
        permit& operator=(permit&&) = delete;
        ~permit() {
            if (from_) {
                from_->permits.release();
            }
        }
        [[nodiscard]] shared& owner() const noexcept { return *from_; }
        [[nodiscard]] bool held() const noexcept { return from_ != nullptr; }

    private:
        std::shared_ptr<shared> from_;
    };

public:
    /// The right to use one connection; gives it back when destroyed. A connection that is then
    /// lost, in the middle of a statement or of a cancel(), or inside a transaction is closed
    /// instead, and replaced when somebody needs it.
    /// Thread safety: as connection.
    class lease {
    public:
        lease(lease&&) noexcept = default;
        lease& operator=(lease&&) = delete;
        ~lease() {
            if (permit_.held() && connection_.idle()) {
                const std::scoped_lock lock(permit_.owner().mutex);
                permit_.owner().spare.push_back(
                    std::move(connection_)); // never reallocates: reserved for the maximum
            }
        }

        [[nodiscard]] connection& operator*() noexcept { return connection_; }
        [[nodiscard]] connection* operator->() noexcept { return &connection_; }

    private:
        friend class pool;
        lease(permit right, connection link) noexcept
            : permit_(std::move(right)), connection_(std::move(link)) {}

        permit permit_; // destroyed last (invariant 3)
        connection connection_;
    };

    explicit pool(std::string conninfo, std::size_t maximum) {
        if (maximum == 0) {
            throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                                    "pq::pool: maximum is 0");
        }
        shared_ = std::make_shared<shared>(std::move(conninfo), maximum);
        shared_->spare.reserve(maximum);
        maximum_ = maximum;
    }

    /// Waits for a free connection, and opens one where there are fewer than the maximum.
    task<lease> acquire() { return acquire_from(shared_); }

    /// Opens connections until `count` of them (at most the maximum) are open at once.
    /// Errors: the first failure to connect; what was opened stays.
    task<void> open(std::size_t count) {
        std::vector<task<lease>> all;
        for (std::size_t opened = 0; opened < (count < maximum_ ? count : maximum_); ++opened) {
            all.push_back(acquire());
        }
        const std::vector<lease> held = co_await when_all(std::move(all));
    }

    /// Connections that are open and in nobody's hands.
    [[nodiscard]] std::size_t spare() const {
        const std::scoped_lock lock(shared_->mutex);
        return shared_->spare.size();
    }

    [[nodiscard]] std::size_t maximum() const noexcept { return maximum_; }

private:
    static task<lease> acquire_from(std::shared_ptr<shared> from) {
        co_await from->permits.acquire();
        permit right(from);
        while (std::optional<connection> spare = from->take_spare()) {
            if (spare->still_there()) {
                co_return lease(std::move(right), std::move(*spare));
            }
        }
        connection fresh = co_await connection::connect(from->conninfo);
        co_return lease(std::move(right), std::move(fresh));
    }

    std::shared_ptr<shared> shared_;
    std::size_t maximum_ = 0;
};

} // namespace aloft::inline ALOFT_ABI::pq
