// SPDX-License-Identifier: MIT
// field_load echo|mixed|hog|latency|idle <its arguments> <server> <the server's arguments>
#include "loads.hpp"

#include "../measure.hpp"

#include <cstring>

int main(int argc, char** argv) {
    const struct {
        const char* name;
        int arguments;
        void (*run)(char**, char**);
    } loads[] = {{"echo", 3, &field::echo_load},
                 {"mixed", 4, &field::mixed_load},
                 {"hog", 3, &field::hog_load},
                 {"latency", 2, &field::latency_load},
                 {"idle", 2, &field::idle_load}};
    for (const auto& each : loads) {
        if (argc > each.arguments + 2 && std::strcmp(argv[1], each.name) == 0) {
            each.run(argv + 2, argv + 2 + each.arguments);
            return 0;
        }
    }
    std::fprintf(stderr, "usage: field_load echo|mixed|hog|latency|idle arguments... server...\n");
    return 2;
}
