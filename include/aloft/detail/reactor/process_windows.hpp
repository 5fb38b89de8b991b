// SPDX-License-Identifier: MIT
// What process.hpp offers, on Windows: no process is forked, and no signal tells of a broken pipe.
// Layer: L2 reactor
#pragma once

#if defined(_WIN32)

#include <aloft/detail/base/atomic.hpp>
#include <aloft/detail/reactor/windows_api.hpp>

#include <cstddef>
#include <thread>

namespace aloft::inline ALOFT_ABI::detail {

/// There is no fork().
inline atomic<unsigned>& fork_generation() noexcept {
    static constinit atomic<unsigned> generation{0};
    return generation;
}

/// There are no large pages without a privilege, and operator new will do.
inline void offer_slab_memory() noexcept {}

inline void block_broken_pipe_signal() noexcept {}

/// The name that debuggers show; only Windows 10 and later know the call.
inline void prepare_thread(const char* name) noexcept {
    using set_description = HRESULT(WINAPI*)(HANDLE, PCWSTR);
    static const auto call = reinterpret_cast<set_description>(reinterpret_cast<void (*)()>(
        ::GetProcAddress(::GetModuleHandleW(L"kernel32.dll"), "SetThreadDescription")));
    if (call == nullptr) {
        return;
    }
    wchar_t wide[16] = {};
    for (std::size_t i = 0; i < 15 && name[i] != '\0'; ++i) {
        wide[i] = static_cast<wchar_t>(name[i]);
    }
    (void)call(::GetCurrentThread(), wide);
}

/// False: the system does not allow it, or has no such processor. (One group of processors.)
[[nodiscard]] inline bool keep_thread_on(std::thread::native_handle_type thread,
                                         unsigned processor) noexcept {
    if (processor >= sizeof(DWORD_PTR) * 8) {
        return false;
    }
#if defined(__MINGW32__) && defined(_GLIBCXX_HAS_GTHREADS)
    const auto handle = static_cast<HANDLE>(pthread_gethandle(thread));
#else
    const auto handle = static_cast<HANDLE>(thread);
#endif
    return ::SetThreadAffinityMask(handle, DWORD_PTR{1} << processor) != 0;
}

} // namespace aloft::inline ALOFT_ABI::detail

#endif
