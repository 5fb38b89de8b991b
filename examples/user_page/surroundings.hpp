// SPDX-License-Identifier: MIT What the requests are served from: a database, a folder of profiles,
// an API. Owned by the program; the measured runs are children that only use it.
#pragma once

#include "child_process.hpp"
#include "settings.hpp"
#include "temporary_folder.hpp"
#include "throwaway_postgres.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace user_page {

/// A schema in somebody's database that is dropped with all that is in it.
class scratch_schema {
public:
    explicit scratch_schema(std::string conninfo);
    scratch_schema(const scratch_schema&) = delete;
    scratch_schema& operator=(const scratch_schema&) = delete;
    ~scratch_schema();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

private:
    std::string conninfo_;
    std::string name_;
};

class surroundings {
public:
    /// `database` is empty for a PostgreSQL server of our own, "sqlite", or a connection string.
    surroundings(const std::string& database, std::size_t users);
    surroundings(const surroundings&) = delete;
    surroundings& operator=(const surroundings&) = delete;
    ~surroundings() = default;

    /// Where everything is, for a run with that many requests at once.
    void describe(settings& run) const;

    /// Which database it is, and what that means, in words.
    [[nodiscard]] const std::string& database_in_words() const noexcept { return words_; }
    [[nodiscard]] pid_t api_process() const noexcept { return api_.process(); }

private:
    void use_sqlite(std::size_t users);
    void use_postgres(const std::string& conninfo, std::size_t users);
    void write_profiles(std::size_t users) const;
    void start_api();

    temporary_folder folder_;
    std::optional<throwaway_postgres> server_;
    std::string conninfo_; // or SQLite's file
    std::optional<scratch_schema> schema_;
    std::string table_;
    std::size_t most_connections_ = 0;
    bool sqlite_ = false;
    std::string words_;
    child_process api_;
    std::string api_url_;
};

} // namespace user_page
