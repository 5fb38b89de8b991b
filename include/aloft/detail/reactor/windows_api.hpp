// SPDX-License-Identifier: MIT
// Windows' headers, the one place that includes them; what they would leave behind is taken back.
// Layer: L2 reactor
//
// `min`, `max` and other lower-case macros are as they were before, whether the program defines
// NOMINMAX and WIN32_LEAN_AND_MEAN or not. winsock2.h comes first, because windows.h would bring the
// older winsock.h.
#pragma once

#if defined(_WIN32)

#pragma push_macro("NOMINMAX")
#pragma push_macro("WIN32_LEAN_AND_MEAN")
#pragma push_macro("min")
#pragma push_macro("max")
#pragma push_macro("small")
#pragma push_macro("near")
#pragma push_macro("far")
#pragma push_macro("interface")
#ifndef NOMINMAX
#define NOMINMAX
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif

#include <winsock2.h>
// behind winsock2.h
#include <mswsock.h>
#include <windows.h>
#include <ws2tcpip.h>

#pragma pop_macro("interface")
#pragma pop_macro("far")
#pragma pop_macro("near")
#pragma pop_macro("small")
#pragma pop_macro("max")
#pragma pop_macro("min")
#pragma pop_macro("WIN32_LEAN_AND_MEAN")
#pragma pop_macro("NOMINMAX")

#endif
