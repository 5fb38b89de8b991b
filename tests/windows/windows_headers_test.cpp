// SPDX-License-Identifier: MIT
// That aloft neither needs nor leaves the macros of Windows' headers. Built once for each way to include
// them (ALOFT_TEST_ORDER): what matters is that it compiles.
//
// 1: aloft, then windows.h and more. 2: windows.h, then aloft. 3: the same with the macros min and max
// in force, as they are where the standard library does not take them away.
#if ALOFT_TEST_ORDER == 3
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <charconv>
#include <chrono>
#include <compare>
#include <concepts>
#include <condition_variable>
#include <coroutine>
#include <csignal>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>
// behind the standard library, whose macros these are not to meet
#include <winsock2.h>
// behind winsock2.h
#include <windows.h>
#undef min
#undef max
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#elif ALOFT_TEST_ORDER == 2
#include <windows.h>
#endif

#include <aloft/aloft.hpp>

#if ALOFT_TEST_ORDER == 1
#if defined(min) || defined(max) || defined(small) || defined(near) || defined(far) ||             \
    defined(interface) || defined(ERROR) || defined(WIN32_LEAN_AND_MEAN)
#error "a macro of Windows' headers has leaked"
#endif
namespace {
enum class level { ERROR, small, near, far, interface };
} // namespace
static_assert(level::ERROR != level::far);
#endif

#if ALOFT_TEST_ORDER == 1
#include <windows.h>
// behind windows.h
#include <commdlg.h>
#include <objbase.h>
#include <shellapi.h>
#include <shlobj.h>
#endif

#if ALOFT_TEST_ORDER >= 2 && !defined(ERROR)
#error "a macro of the program is gone"
#endif
#if ALOFT_TEST_ORDER == 3
static_assert(min(1, 2) == 1 && max(1, 2) == 2); // the program's
#else
#include <algorithm>
#include <limits>
static_assert(std::min(1, 2) == 1 && std::numeric_limits<int>::max() > 1);
#endif
