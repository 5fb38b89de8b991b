// SPDX-License-Identifier: MIT
#include "server_process.hpp"

#include "../measure.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>

namespace field {
namespace {

/// Those that this process may use, the last of them apart.
void share_processors(cpu_set_t& ours, cpu_set_t& theirs) {
    must_be(::sched_getaffinity(0, sizeof theirs, &theirs) == 0, "sched_getaffinity");
    ours = theirs;
    if (CPU_COUNT(&theirs) < 2) {
        return;
    }
    std::size_t last = 0;
    for (std::size_t i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(i, &theirs)) {
            last = i;
        }
    }
    CPU_CLR(last, &theirs);
    CPU_ZERO(&ours);
    CPU_SET(last, &ours);
}

std::string status_path(pid_t process, pid_t thread, const char* file) {
    return "/proc/" + std::to_string(process) + "/task/" + std::to_string(thread) + "/" + file;
}

} // namespace

server_process::server_process(char** command, placement where) {
    cpu_set_t ours{};
    cpu_set_t theirs{};
    share_processors(ours, theirs);
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    must_be(::pipe2(in.data(), O_CLOEXEC) == 0 && ::pipe2(out.data(), O_CLOEXEC) == 0, "pipe");
    id_ = ::fork();
    must_be(id_ >= 0, "fork");
    if (id_ == 0) {
        ::dup2(in[0], STDIN_FILENO);
        ::dup2(out[1], STDOUT_FILENO);
        if (where == placement::beside_load) {
            (void)::sched_setaffinity(0, sizeof theirs, &theirs);
        }
        ::execvp(command[0], command);
        std::perror(command[0]);
        std::_Exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
    unsigned port = 0;
    must_be(std::fscanf(from_, " port=%u", &port) == 1, "the server's port");
    port_ = static_cast<std::uint16_t>(port);
    if (where == placement::beside_load) {
        (void)::sched_setaffinity(0, sizeof ours, &ours);
    }
}

server_process::~server_process() {
    std::fclose(to_); // it ends by that
    (void)::waitpid(id_, nullptr, 0);
    std::fclose(from_);
}

processor_time server_process::used() const {
    processor_time used;
    std::fputs("used\n", to_);
    std::fflush(to_);
    must_be(std::fscanf(from_, "%lf %lf", &used.user, &used.system) == 2, "the server's figures");
    return used;
}

std::vector<pid_t> server_process::threads() const {
    std::vector<pid_t> ids;
    DIR* const folder = ::opendir(("/proc/" + std::to_string(id_) + "/task").c_str());
    must_be(folder != nullptr, "the server's threads");
    while (const dirent* const each = ::readdir(folder)) {
        if (const int id = std::atoi(each->d_name); id > 0) {
            ids.push_back(id);
        }
    }
    ::closedir(folder);
    return ids;
}

double server_process::context_switches() const {
    double sum = 0;
    for (const pid_t each : threads()) {
        std::ifstream file(status_path(id_, each, "status"));
        std::string word;
        while (file >> word) {
            double count = 0;
            if (word == "voluntary_ctxt_switches:" && file >> count) {
                sum += count;
            }
        }
    }
    return sum;
}

double server_process::scheduled() const {
    double sum = 0;
    for (const pid_t each : threads()) {
        double nanoseconds = 0;
        if (std::ifstream(status_path(id_, each, "schedstat")) >> nanoseconds) {
            sum += nanoseconds * 1e-9;
        }
    }
    return sum;
}

} // namespace field
