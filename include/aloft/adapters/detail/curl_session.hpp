// SPDX-License-Identifier: MIT
#pragma once
// One transfer at a time on libcurl's multi-socket interface, driven by co_await poll.
//
// Layer: L4 surface
//
// Life cycle: idle -> prepared (options set) -> in the multi handle -> idle. The multi handle keeps
// the connection of the transfer before, so that the next one to the same origin goes over it.
//
// Invariants
// 1. A session serves one transfer at a time and is touched by one thread at a time; libcurl needs
//    no more.
// 2. Each attempt knows a single address (CURLOPT_RESOLVE), so libcurl has at most one socket to
//    wait for: `socket_`.
// 3. libcurl runs only between waits, so that it may close or replace its socket in any call; the
//    socket and the timer are read anew before every wait.
// 4. The timer is one-shot: it is forgotten before libcurl is told that it is due.
// 5. A request's time-out is libcurl's, which says best what was under way; but libcurl forgets one
//    when a socket becomes ready within the millisecond before it. So the session also waits no
//    longer than a little behind it, `give_up_`, and then ends the transfer itself.
// 6. However a transfer ends (also by an exception out of a wait), its easy handle has left the
//    multi handle.

#include <aloft/adapters/detail/curl_error.hpp>
#include <aloft/adapters/detail/curl_message.hpp>
#include <aloft/adapters/detail/curl_url.hpp>
#include <aloft/as_result.hpp>
#include <aloft/clock.hpp>
#include <aloft/config.hpp>
#include <aloft/endpoint.hpp>
#include <aloft/poll.hpp>
#include <aloft/resolve.hpp>
#include <aloft/result.hpp>
#include <aloft/task.hpp>
#include <aloft/timer.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace aloft::inline ALOFT_ABI::curl::detail {

/// libcurl wants to be initialised once per process, before anything else.
inline void initialise_libcurl() {
    static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (done != CURLE_OK) {
        throw std::system_error(std::error_code(done, curl_category()), "curl_global_init");
    }
}

/// libcurl's singly linked list of strings.
class string_list {
public:
    void add(const std::string& text) {
        curl_slist* const longer = curl_slist_append(head_.get(), text.c_str());
        if (longer == nullptr) {
            throw std::bad_alloc();
        }
        static_cast<void>(head_.release()); // the old head is part of the longer list
        head_.reset(longer);
    }
    [[nodiscard]] curl_slist* get() const noexcept { return head_.get(); }

private:
    struct release_all {
        void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
    };
    std::unique_ptr<curl_slist, release_all> head_;
};

class session {
public:
    session() {
        initialise_libcurl();
        multi_.reset(curl_multi_init());
        easy_.reset(curl_easy_init());
        if (!multi_ || !easy_) {
            throw std::bad_alloc();
        }
        curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &session::on_socket);
        curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &session::on_timer);
        curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
        curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS,
                          1L); // the cache need not hold more than it can use
    }
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    /// What the connection that this session keeps leads to.
    [[nodiscard]] const origin& last_origin() const noexcept { return origin_; }

    /// One request, over the kept connection where there is one.
    task<response> send(request asked, origin where) {
        std::optional<clock::time_point> deadline;
        if (asked.timeout()) {
            deadline = clock::now() + *asked.timeout();
        }
        co_await find_addresses(where);
        for (std::size_t attempt = 0;; ++attempt) {
            prepare(asked, deadline, attempt);
            const CURLcode code = co_await perform();
            if (code == CURLE_OK) {
                long status = 0;
                curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
                received_.status = static_cast<int>(status);
                received_.url = asked.url();
                co_return std::exchange(received_, response());
            }
            const bool another_address =
                code == CURLE_COULDNT_CONNECT && attempt + 1 < addresses_.size();
            if (!another_address) {
                origin_ = origin(); // resolve anew next time
                throw failure(code, asked);
            }
        }
    }

private:
    /// How long a resolved name is believed.
    static constexpr std::chrono::seconds name_lifetime{60};

    struct close_multi {
        void operator()(CURLM* handle) const noexcept { curl_multi_cleanup(handle); }
    };
    struct close_easy {
        void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
    };

    /// Keeps invariant 6.
    class membership {
    public:
        explicit membership(session& owner) : owner_(owner) {
            if (const CURLMcode failed =
                    curl_multi_add_handle(owner.multi_.get(), owner.easy_.get());
                failed != CURLM_OK) {
                throw std::runtime_error(std::string("curl_multi_add_handle: ") +
                                         curl_multi_strerror(failed));
            }
        }
        membership(const membership&) = delete;
        membership& operator=(const membership&) = delete;
        ~membership() { curl_multi_remove_handle(owner_.multi_.get(), owner_.easy_.get()); }

    private:
        session& owner_;
    };

    static int on_socket(CURL*, curl_socket_t socket, int wanted, void* self, void*) noexcept {
        auto& own = *static_cast<session*>(self);
        if (wanted != CURL_POLL_REMOVE) {
            own.socket_ = socket;
            own.wanted_ = wanted;
        } else if (own.socket_ == socket) {
            own.socket_ = CURL_SOCKET_BAD;
        }
        return 0;
    }

    static int on_timer(CURLM*, long milliseconds, void* self) noexcept {
        auto& own = *static_cast<session*>(self);
        own.timer_.reset();
        if (milliseconds >= 0) {
            own.timer_ = clock::now() + std::chrono::milliseconds(milliseconds);
        }
        return 0;
    }

    static std::size_t on_body(char* bytes, std::size_t size, std::size_t count,
                               void* self) noexcept {
        try {
            static_cast<session*>(self)->received_.body.append(bytes, size * count);
            return size * count;
        } catch (const std::bad_alloc&) {
            return 0; // libcurl then ends the transfer with CURLE_WRITE_ERROR
        }
    }

    static std::size_t on_header(char* bytes, std::size_t size, std::size_t count,
                                 void* self) noexcept {
        try {
            static_cast<session*>(self)->add_header(std::string_view(bytes, size * count));
            return size * count;
        } catch (const std::bad_alloc&) {
            return 0;
        }
    }

    void add_header(std::string_view line) {
        const auto trimmed = [](std::string_view text) {
            const std::size_t first = text.find_first_not_of(" \t\r\n");
            const std::size_t last = text.find_last_not_of(" \t\r\n");
            return first == std::string_view::npos
                       ? std::string()
                       : std::string(text.substr(first, last - first + 1));
        };
        if (line.starts_with("HTTP/")) {
            received_.headers
                .clear(); // what came before belonged to an interim answer such as 100 Continue
        } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
            received_.headers.emplace_back(trimmed(line.substr(0, colon)),
                                           trimmed(line.substr(colon + 1)));
        }
    }

    /// Resolves the host off the workers, unless it is an address or was resolved for the request
    /// before.
    task<> find_addresses(const origin& where) {
        if (where == origin_ && clock::now() - resolved_at_ < name_lifetime) {
            co_return;
        }
        addresses_.clear();
        if (!where.is_address()) {
            const std::vector<endpoint> found = co_await resolve(where.host, where.port);
            for (const endpoint& one : found) {
                const std::string address = one.address();
                // An IPv6 address goes in brackets here.
                addresses_.push_back(address.find(':') != std::string::npos ? '[' + address + ']'
                                                                            : address);
            }
        }
        origin_ = where;
        resolved_at_ = clock::now();
    }

    template <class Value>
    void set(CURLoption option, Value value) {
        if (const CURLcode failed = curl_easy_setopt(easy_.get(), option, value);
            failed != CURLE_OK) {
            throw std::system_error(std::error_code(failed, curl_category()), "curl_easy_setopt");
        }
    }

    void prepare(const request& asked, std::optional<clock::time_point> deadline,
                 std::size_t attempt) {
        curl_easy_reset(easy_.get()); // keeps connections and names
        received_ = response();
        message_.fill('\0');
        set(CURLOPT_URL, asked.url().c_str());
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_PROTOCOLS_STR, "http,https");
        set(CURLOPT_PROXY, ""); // one from the environment would have a name of its own to resolve
        set(CURLOPT_ERRORBUFFER, message_.data());
        set(CURLOPT_WRITEFUNCTION, &session::on_body);
        set(CURLOPT_WRITEDATA, static_cast<void*>(this));
        set(CURLOPT_HEADERFUNCTION, &session::on_header);
        set(CURLOPT_HEADERDATA, static_cast<void*>(this));
        set_deadline(deadline);
        set_address(attempt);
        set_method_and_body(asked);
    }

    void set_deadline(std::optional<clock::time_point> deadline) {
        give_up_.reset();
        if (deadline) {
            constexpr std::chrono::milliseconds least(1); // 0 would mean "for ever"
            const auto left = std::max(
                std::chrono::ceil<std::chrono::milliseconds>(*deadline - clock::now()), least);
            set(CURLOPT_TIMEOUT_MS, static_cast<long>(left.count()));
            give_up_ = clock::now() + left + 2 * least; // it reckons in whole ones
        }
    }

    void set_address(std::size_t attempt) {
        names_ = string_list();
        if (attempt < addresses_.size()) {
            const std::string name = origin_.host + ':' + origin_.port;
            names_.add('-' + name);
            names_.add(name + ':' + addresses_[attempt]);
            set(CURLOPT_RESOLVE, names_.get());
        }
    }

    void set_method_and_body(const request& asked) {
        headers_ = string_list();
        for (const header& one : asked.headers()) {
            // libcurl's notation for a header without a value is a semicolon.
            headers_.add(one.value.empty() ? one.name + ';' : one.name + ": " + one.value);
        }
        const std::string method = asked.method();
        // These three announce the length of their body even where there is none.
        const bool has_body =
            asked.body() || method == "POST" || method == "PUT" || method == "PATCH";
        if (has_body) {
            static constexpr std::string_view nothing = "";
            const std::string_view body = asked.body() ? std::string_view(*asked.body()) : nothing;
            set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
            set(CURLOPT_POSTFIELDS,
                body.data()); // not copied: the request lives as long as the transfer
            if (!asked.has_header("Expect")) {
                headers_.add("Expect:"); // else libcurl waits up to a second for "100 Continue"
                                         // before a large body
            }
            if (!asked.has_header("Content-Type")) {
                headers_.add("Content-Type: application/octet-stream");
            }
        }
        if (method == "HEAD") {
            set(CURLOPT_NOBODY, 1L);
        } else if (method != (has_body ? "POST" : "GET")) {
            set(CURLOPT_CUSTOMREQUEST, method.c_str()); // copied by libcurl
        }
        set(CURLOPT_HTTPHEADER, headers_.get());
    }

    /// Runs the prepared transfer to its end.
    task<CURLcode> perform() {
        timer_.reset();
        socket_ = CURL_SOCKET_BAD;
        const membership inside(*this);
        act(CURL_SOCKET_TIMEOUT, 0);
        for (;;) {
            if (const std::optional<CURLcode> finished = outcome()) {
                co_return *finished;
            }
            if (give_up_ && *give_up_ <= clock::now()) {
                co_return CURLE_OPERATION_TIMEDOUT; // invariant 5
            }
            const int ready = co_await wait();
            if (ready != 0) {
                act(socket_, ready);
            } else {
                timer_.reset(); // invariant 4
                act(CURL_SOCKET_TIMEOUT, 0);
            }
        }
    }

    /// Until the socket is ready (libcurl's bits for how) or it is time for what is timed (0).
    task<int> wait() const {
        std::optional<clock::time_point> until = timer_;
        if (give_up_ && (!until || *give_up_ < *until)) {
            until = give_up_;
        }
        if (socket_ == CURL_SOCKET_BAD) {
            if (until) {
                co_await sleep_until(*until);
            }
            co_return 0; // without a timer, too: asking libcurl is the only way on
        }
        const bool reads = (wanted_ & CURL_POLL_IN) != 0;
        const bool writes = (wanted_ & CURL_POLL_OUT) != 0;
        const poll_events events = (reads ? poll_events::in : poll_events::none) |
                                   (writes ? poll_events::out : poll_events::none);
        if (!until) {
            co_return bits_of(co_await poll(socket_, events));
        }
        const auto left = *until - clock::now();
        if (left <= clock::duration::zero()) {
            co_return 0;
        }
        const result<poll_events> ready = co_await as_result(poll(socket_, events, left));
        if (ready) {
            co_return bits_of(*ready);
        }
        if (ready.error() == std::errc::timed_out) {
            co_return 0;
        }
        throw std::system_error(ready.error(), "poll of an HTTP connection");
    }

    static int bits_of(poll_events ready) noexcept {
        const auto has = [ready](poll_events some) { return (ready & some) != poll_events::none; };
        return (has(poll_events::in | poll_events::hangup) ? CURL_CSELECT_IN : 0) |
               (has(poll_events::out) ? CURL_CSELECT_OUT : 0) |
               (has(poll_events::error) ? CURL_CSELECT_ERR : 0);
    }

    void act(curl_socket_t socket, int ready) {
        int running = 0;
        if (const CURLMcode failed =
                curl_multi_socket_action(multi_.get(), socket, ready, &running);
            failed != CURLM_OK) {
            throw std::runtime_error(std::string("curl_multi_socket_action: ") +
                                     curl_multi_strerror(failed));
        }
    }

    [[nodiscard]] std::optional<CURLcode> outcome() {
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
            if (message->msg == CURLMSG_DONE) {
                return message->data.result;
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] error failure(CURLcode code, const request& asked) {
        const std::string_view said = message_.data();
        std::string what = asked.method() + ' ' + asked.url();
        long system_error_number = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &system_error_number);
        std::error_code reason(code, curl_category());
        if (code == CURLE_COULDNT_CONNECT && system_error_number != 0) {
            reason = std::error_code(static_cast<int>(system_error_number), std::system_category());
        }
        if (!said.empty()) {
            what.append(": ").append(said);
        }
        return {reason, code, what, asked.url()};
    }

    // What the callbacks write must outlive the handles, which are closed first.
    response received_;
    std::array<char, CURL_ERROR_SIZE> message_{};
    curl_socket_t socket_ = CURL_SOCKET_BAD;
    int wanted_ = 0;
    std::optional<clock::time_point> timer_;
    std::optional<clock::time_point> give_up_;

    origin origin_; // of the addresses below
    clock::time_point resolved_at_{};
    std::vector<std::string> addresses_; // empty where the host is an address
    string_list names_;
    string_list headers_;

    std::unique_ptr<CURLM, close_multi> multi_; // outlives the easy handle, as libcurl asks
    std::unique_ptr<CURL, close_easy> easy_;
};

} // namespace aloft::inline ALOFT_ABI::curl::detail
