// SPDX-License-Identifier: MIT
#include <aloft/adapters/libpq.hpp>

int main() {}
