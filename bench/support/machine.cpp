// SPDX-License-Identifier: MIT
#include "support/machine.hpp"

#include "support/pool.hpp"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <fstream>
#include <thread>

namespace bench {
namespace {

std::string processor_name() {
    std::ifstream file("/proc/cpuinfo");
    std::string line;
    while (std::getline(file, line)) {
        if (line.starts_with("model name")) {
            const std::size_t value = line.find(": ");
            return value == std::string::npos ? line : line.substr(value + 2);
        }
    }
    return "unknown processor";
}

std::string kernel_name() {
    utsname names{};
    if (::uname(&names) != 0) {
        return "unknown";
    }
    return std::string(names.sysname) + " " + names.release + " " + names.machine;
}

std::string compiler_name() {
#if defined(__clang__)
    std::string name = "clang " __clang_version__;
#elif defined(__GNUC__)
    std::string name = "g++ " __VERSION__;
#else
    std::string name = "unknown";
#endif
#ifndef __OPTIMIZE__
    name += ", NOT OPTIMISED";
#endif
#ifndef NDEBUG
    name += ", assertions on";
#endif
    return name;
}

std::string load_average() {
    std::ifstream file("/proc/loadavg");
    std::string one_minute;
    file >> one_minute;
    return one_minute.empty() ? "unknown" : one_minute;
}

} // namespace

std::vector<std::pair<std::string, std::string>> describe_machine() {
    return {
        {"machine", processor_name() + ", " + std::to_string(std::thread::hardware_concurrency()) +
                        " hardware threads"},
        {"kernel", kernel_name()},
        {"compiler", compiler_name()},
        {"backend",
         std::string(pool().backend()) + ", " + std::to_string(pool().threads()) + " workers"},
        {"load average before the start", load_average()},
    };
}

void raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

} // namespace bench
