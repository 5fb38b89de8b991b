// SPDX-License-Identifier: MIT
#include "child_run.hpp"

#include "child_process.hpp"
#include "interruption.hpp"
#include "measured_run.hpp"
#include "processor_use.hpp"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace user_page {

namespace {

/// The reading end of a child's standard output.
class output_pipe {
public:
    output_pipe() {
        if (::pipe2(ends_.data(), O_CLOEXEC) != 0) {
            throw std::system_error(errno, std::system_category(), "pipe");
        }
    }
    output_pipe(const output_pipe&) = delete;
    output_pipe& operator=(const output_pipe&) = delete;
    ~output_pipe() {
        ::close(ends_[0]);
        close_writing_end();
    }

    [[nodiscard]] int writing_end() const noexcept { return ends_[1]; }

    void close_writing_end() {
        if (ends_[1] >= 0) {
            ::close(std::exchange(ends_[1], -1));
        }
    }

    /// Adds what has come to `text`, waiting a little for it; false at the end.
    bool read_into(std::string& text) const {
        pollfd waited{ends_[0], POLLIN, 0};
        if (::poll(&waited, 1, 3) <= 0) {
            return true; // nothing yet, or a signal
        }
        std::array<char, 65536> part{};
        const ssize_t count = ::read(ends_[0], part.data(), part.size());
        if (count > 0) {
            text.append(part.data(), static_cast<std::size_t>(count));
        }
        return count != 0;
    }

private:
    std::array<int, 2> ends_{-1, -1};
};

} // namespace

outcome run_in_child(const settings& how) {
    output_pipe output;
    launch program({"/proc/self/exe", "--measure", nlohmann::json(how).dump()});
    program.output_to(output.writing_end());
    child_process child = child_process::start(program);
    output.close_writing_end();
    std::string text;
    std::uint64_t most_threads = 0;
    while (output.read_into(text)) {
        most_threads = std::max(most_threads, threads_of(child.process()));
        check_interruption();
    }
    if (child.wait() != 0) {
        throw std::runtime_error("the run of version '" + how.version + "' with " +
                                 std::to_string(how.requests) + " requests failed");
    }
    outcome result = nlohmann::json::parse(text).get<outcome>();
    result.peak_threads = std::max(most_threads, result.threads_seen);
    return result;
}

void report_measured_run(const std::string& settings_as_json) {
    const auto how = nlohmann::json::parse(settings_as_json).get<settings>();
    std::cout << nlohmann::json(run_measured(how)).dump() << std::flush;
}

} // namespace user_page
