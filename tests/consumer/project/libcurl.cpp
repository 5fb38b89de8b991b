// SPDX-License-Identifier: MIT
#include <aloft/adapters/libcurl.hpp>

int main() {}
