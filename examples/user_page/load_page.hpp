// SPDX-License-Identifier: MIT The same page, put together in three ways. This is what the example
// is about.
#pragma once

#include "awaiting_services.hpp"
#include "blocking_services.hpp"
#include "page.hpp"

#include <aloft/task.hpp>
#include <aloft/when_all.hpp>

#include <string>
#include <utility>

namespace user_page {

/// 1. Each call blocks the thread that makes it; so every request needs a thread of its own.
inline page load_page_blocking(blocking_services& from, int id) {
    std::string name = from.name_of(id);
    std::string profile = from.profile_of(id);
    std::string feed = from.feed_of(id);
    return {id, std::move(name), std::move(profile), std::move(feed)};
}

/// 2. The same three lines, awaited. One after the other still, but no thread waits.
inline aloft::task<page> load_page_in_sequence(awaiting_services& from, int id) {
    std::string name = co_await from.name_of(id);
    std::string profile = co_await from.profile_of(id);
    std::string feed = co_await from.feed_of(id);
    co_return page(id, std::move(name), std::move(profile), std::move(feed));
}

/// 3. All three at once: the request takes as long as the slowest of them.
inline aloft::task<page> load_page_at_once(awaiting_services& from, int id) {
    auto [name, profile, feed] =
        co_await aloft::when_all(from.name_of(id), from.profile_of(id), from.feed_of(id));
    co_return page(id, std::move(name), std::move(profile), std::move(feed));
}

} // namespace user_page
