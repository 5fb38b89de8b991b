// SPDX-License-Identifier: MIT
#pragma once
// PostgreSQL through libpq: connections, statements and a pool, awaited instead of blocked on.
//
// Layer: L4 surface
//
//     aloft::task<std::string> name_of(aloft::pq::pool& database, int id) {
//         aloft::pq::pool::lease connection = co_await database.acquire();
//         const char* const sql = "SELECT name FROM users WHERE id = $1";
//         aloft::pq::result_set rows = co_await connection->query(sql, id);
//         co_return rows.get<std::string>(0, 0);
//     }
//
// Needs libpq (9.6 or newer) and nothing of aloft's but its public headers; link with -lpq.

#include <aloft/adapters/detail/pq_connection.hpp>
#include <aloft/adapters/detail/pq_error.hpp>
#include <aloft/adapters/detail/pq_parameters.hpp>
#include <aloft/adapters/detail/pq_pool.hpp>
#include <aloft/adapters/detail/pq_result_set.hpp>
