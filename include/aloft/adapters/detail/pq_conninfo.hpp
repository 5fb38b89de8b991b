// SPDX-License-Identifier: MIT
#pragma once
// Connection strings whose host names have been resolved off the workers.
//
// Layer: L4 surface
//
// libpq's non-blocking connect still calls getaddrinfo, which would block a worker for as long as
// the name server likes. So names are resolved by aloft::resolve first and handed to libpq as
// `hostaddr`; `host` stays, for certificates and password files.

#include <aloft/adapters/detail/pq_error.hpp>
#include <aloft/config.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/resolve.hpp>
#include <aloft/task.hpp>

#include <libpq-fe.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::pq::detail {

/// The settings of a connection string, by keyword.
class conninfo {
public:
    /// Errors: pq::error 08001 for a string that libpq does not understand.
    explicit conninfo(const std::string& text) {
        char* message = nullptr;
        const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
            PQconninfoParse(text.c_str(), &message), &PQconninfoFree);
        if (!options) {
            const std::unique_ptr<char, void (*)(void*)> owned(message, &PQfreemem);
            std::string said = owned ? owned.get() : "out of memory";
            while (!said.empty() && said.back() == '\n') {
                said.pop_back();
            }
            throw error("08001", said, "connect");
        }
        for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
            if (option->val != nullptr) {
                values_[option->keyword] = option->val;
            }
        }
    }

    [[nodiscard]] std::string value(const std::string& keyword, const char* environment) const {
        if (const auto found = values_.find(keyword); found != values_.end()) {
            return found->second;
        }
        const char* inherited = std::getenv(environment);
        return inherited != nullptr ? inherited : "";
    }

    void set(const std::string& keyword, std::string value) { values_[keyword] = std::move(value); }

    /// How long `connect_timeout` allows; libpq leaves that to the caller of its non-blocking
    /// functions.
    [[nodiscard]] std::optional<std::chrono::seconds> connect_timeout() const {
        const long seconds =
            std::strtol(value("connect_timeout", "PGCONNECT_TIMEOUT").c_str(), nullptr, 10);
        if (seconds <= 0) {
            return std::nullopt;
        }
        return std::chrono::seconds(
            seconds < 2 ? 2 : seconds); // libpq's own rule: one second is taken as two
    }

    [[nodiscard]] PGconn* start() const {
        std::vector<const char*> keywords;
        std::vector<const char*> values;
        for (const auto& [keyword, setting] : values_) {
            keywords.push_back(keyword.c_str());
            values.push_back(setting.c_str());
        }
        keywords.push_back(nullptr);
        values.push_back(nullptr);
        return PQconnectStartParams(keywords.data(), values.data(), 0);
    }

private:
    std::map<std::string, std::string> values_;
};

[[nodiscard]] inline std::vector<std::string> split_at_commas(std::string_view list) {
    std::vector<std::string> parts;
    for (;;) {
        const std::size_t comma = list.find(',');
        parts.emplace_back(list.substr(0, comma));
        if (comma == std::string_view::npos) {
            return parts;
        }
        list.remove_prefix(comma + 1);
    }
}

/// Replaces every host name by all of its addresses, in order. Folders of Unix sockets and hosts
/// that came with a `hostaddr` stay as they are.
inline task<conninfo> resolved(conninfo settings) {
    const std::string host_list = settings.value("host", "PGHOST");
    const bool names = !host_list.empty() && settings.value("hostaddr", "PGHOSTADDR").empty();
    if (!names) {
        co_return settings;
    }
    const std::vector<std::string> hosts = split_at_commas(host_list);
    std::string port_list = settings.value("port", "PGPORT");
    if (port_list.empty()) {
        port_list = "5432";
    }
    const std::vector<std::string> ports = split_at_commas(port_list);
    std::string new_hosts;
    std::string new_addresses;
    std::string new_ports;
    const auto append = [&](const std::string& host, const std::string& address,
                            const std::string& port) {
        const std::string_view separator = new_ports.empty() ? "" : ",";
        new_hosts.append(separator).append(host);
        new_addresses.append(separator).append(address);
        new_ports.append(separator).append(port);
    };
    for (std::size_t index = 0; index < hosts.size(); ++index) {
        const std::string& host = hosts[index];
        std::string port = ports[ports.size() == hosts.size() ? index : 0];
        if (port.empty()) {
            port = "5432";
        }
        if (host.empty() || host.front() == '/' || host.front() == '@') {
            append(host, "", port);
            continue;
        }
        const std::vector<endpoint> addresses = co_await resolve(host, port);
        for (const endpoint& address : addresses) {
            append(host, address.address(), port);
        }
    }
    settings.set("host", std::move(new_hosts));
    settings.set("hostaddr", std::move(new_addresses));
    settings.set("port", std::move(new_ports));
    co_return settings;
}

} // namespace aloft::inline ALOFT_ABI::pq::detail
