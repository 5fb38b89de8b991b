// SPDX-License-Identifier: MIT What is put together: a page, and what each part of it must be for a
// given user.
//
// The parts are made by different programs (the database, the file system, the API server); the
// text that belongs to a user is defined here once, so that every page can be checked.
#pragma once

#include <string>
#include <utility>

namespace user_page {

[[nodiscard]] inline std::string expected_name(int id) {
    return "user number " + std::to_string(id);
}

[[nodiscard]] inline std::string expected_profile(int id) {
    std::string text = "Profile of user " + std::to_string(id) + '\n';
    for (int line = 0; line < 20; ++line) {
        text +=
            "line " + std::to_string(line) + " is about " + std::to_string(id * 7919 + line) + '\n';
    }
    return text;
}

[[nodiscard]] inline std::string expected_feed(int id) {
    const std::string user = std::to_string(id);
    return R"({"user":)" + user + R"(,"feed":["first news of )" + user + R"(","second news of )" +
           user + R"("]})";
}

/// A finished page. With constructors, because GCC 12 destroys aggregates twice in a co_await.
class page {
public:
    page() = default;
    page(int user, std::string user_name, std::string user_profile, std::string user_feed)
        : id(user),
          name(std::move(user_name)),
          profile(std::move(user_profile)),
          feed(std::move(user_feed)) {}

    [[nodiscard]] bool is_right() const {
        return name == expected_name(id) && profile == expected_profile(id) &&
               feed == expected_feed(id);
    }

    int id = 0;
    std::string name;
    std::string profile;
    std::string feed;
};

} // namespace user_page
