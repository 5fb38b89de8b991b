// SPDX-License-Identifier: MIT A PostgreSQL server of our own: in a temporary folder, on a Unix
// socket only, gone with its object.
//
// Life cycle: initdb -> the server as a child -> ready -> ... -> fast shutdown -> folder removed.
// PostgreSQL refuses to run as root; then the server runs as the user "postgres".
#pragma once

#include "child_process.hpp"
#include "temporary_folder.hpp"

#include <libpq-fe.h>

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace user_page {

class throwaway_postgres {
public:
    /// Whether the server's programs are on this machine, and may be run.
    [[nodiscard]] static bool available() { return !programs().empty() && runnable(); }

    /// Errors: std::runtime_error with the end of the server's log.
    explicit throwaway_postgres(std::size_t max_connections = 32) : folder_("postgres") {
        const std::filesystem::path bin = programs();
        if (bin.empty()) {
            throw std::runtime_error("no PostgreSQL server found: initdb and postgres are missing");
        }
        const std::optional<identity> owner = server_user();
        if (owner && ::chown(folder_.path().c_str(), owner->user, owner->group) != 0) {
            throw std::system_error(errno, std::system_category(),
                                    "chown " + folder_.path().string());
        }
        create(bin, owner);
        start(bin, owner, max_connections);
        wait_until_ready();
    }

    throwaway_postgres(const throwaway_postgres&) = delete;
    throwaway_postgres& operator=(const throwaway_postgres&) = delete;

    ~throwaway_postgres() {
        // Fast, then immediate shutdown; neither waits for clients.
        server_.stop({SIGINT, SIGQUIT}, std::chrono::seconds(15));
    }

    /// What libpq needs to connect, as the superuser "aloft".
    [[nodiscard]] std::string conninfo() const {
        return "host=" + folder_.path().string() + " user=aloft dbname=postgres";
    }

    [[nodiscard]] pid_t process() const noexcept { return server_.process(); }

private:
    /// The folder with the newest server's programs; empty where there is none.
    static std::filesystem::path programs() {
        std::vector<std::pair<int, std::filesystem::path>> found; // by major version
        std::error_code none;
        for (const auto& version :
             std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
            found.emplace_back(std::atoi(version.path().filename().c_str()),
                               version.path() / "bin");
        }
        for (const char* folder : {"/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"}) {
            found.emplace_back(0, folder);
        }
        std::sort(found.begin(), found.end(), std::greater<>());
        for (const auto& [major, folder] : found) {
            if (::access((folder / "initdb").c_str(), X_OK) == 0 &&
                ::access((folder / "postgres").c_str(), X_OK) == 0) {
                return folder;
            }
        }
        return {};
    }

    static bool runnable() { return ::geteuid() != 0 || ::getpwnam("postgres") != nullptr; }

    static std::optional<identity> server_user() {
        if (::geteuid() != 0) {
            return std::nullopt;
        }
        const passwd* entry = ::getpwnam("postgres");
        if (entry == nullptr) {
            throw std::runtime_error(
                "PostgreSQL does not run as root, and there is no user postgres");
        }
        return identity{entry->pw_uid, entry->pw_gid};
    }

    void create(const std::filesystem::path& bin, const std::optional<identity>& owner) const {
        launch how({(bin / "initdb").string(), "--pgdata=" + data(), "--username=aloft",
                    "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"});
        how.as(owner).in(folder_.path()).log_to(log());
        if (child_process::start(how).wait() != 0) {
            throw std::runtime_error("initdb failed:\n" + end_of_log());
        }
    }

    void start(const std::filesystem::path& bin, const std::optional<identity>& owner,
               std::size_t max_connections) {
        std::vector<std::string> command{(bin / "postgres").string(), "-D", data()};
        for (const std::string& setting : std::initializer_list<std::string>{
                 "listen_addresses=", "unix_socket_directories=" + folder_.path().string(),
                 "max_connections=" + std::to_string(max_connections), "shared_buffers=16MB",
                 "fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off",
                 "jit=off", "wal_level=minimal", "max_wal_senders=0", "max_parallel_workers=0",
                 "track_activities=off", "update_process_title=off"}) {
            command.insert(command.end(), {"-c", setting});
        }
        launch how(std::move(command));
        // SIGQUIT: should this process be killed, its server goes at once.
        how.as(owner).in(folder_.path()).log_to(log()).on_death_of_parent(SIGQUIT);
        server_ = child_process::start(how);
    }

    void wait_until_ready() {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (PQping(conninfo().c_str()) != PQPING_OK) {
            if (server_.poll() || std::chrono::steady_clock::now() > deadline) {
                throw std::runtime_error("the PostgreSQL server did not start:\n" + end_of_log());
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }

    [[nodiscard]] std::string end_of_log() const {
        std::ifstream file(log());
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        return text.substr(text.size() > 2000 ? text.size() - 2000 : 0);
    }

    [[nodiscard]] std::string data() const { return (folder_.path() / "data").string(); }
    [[nodiscard]] std::filesystem::path log() const { return folder_.path() / "log"; }

    temporary_folder folder_; // removed after the server has stopped
    child_process server_;
};

} // namespace user_page
