// SPDX-License-Identifier: MIT
// Windows' headers, the one place that includes them; what they would leave behind is taken back.
// Layer: L2 reactor
//
// `min`, `max`, `ERROR` and the lower-case macros are as they were before, whether the program defines
// NOMINMAX and WIN32_LEAN_AND_MEAN or not, and whether it includes windows.h before or behind. What
// windows.h brings beyond the lean part (shellapi.h and so on) a program that includes it behind includes
// by name; for the few headers that say `far` themselves (mmsystem.h) it includes windows.h before.
// winsock2.h comes before windows.h, which else brings the older winsock.h. Where that has happened,
// MinGW's headers get along with each other, and those of Windows' own kit do not.
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
#pragma push_macro("ERROR")
#ifndef NOMINMAX
#define NOMINMAX
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif

#if defined(_WINSOCKAPI_) && !defined(_WINSOCK2API_)
#if defined(__MINGW32__)
#undef _WINSOCKAPI_
#else
#error "windows.h came before aloft with winsock.h: include winsock2.h or aloft before it"
#endif
#endif

#include <winsock2.h>
// behind winsock2.h
#include <mswsock.h>
#include <windows.h>
#include <ws2tcpip.h>

#pragma pop_macro("ERROR")
#pragma pop_macro("interface")
#pragma pop_macro("far")
#pragma pop_macro("near")
#pragma pop_macro("small")
#pragma pop_macro("max")
#pragma pop_macro("min")
#pragma pop_macro("WIN32_LEAN_AND_MEAN")
#pragma pop_macro("NOMINMAX")

// Windows' headers that come later say FAR, which stands for far.
#ifndef far
#undef FAR
#define FAR
#endif
#ifndef near
#undef NEAR
#define NEAR
#endif

#endif
