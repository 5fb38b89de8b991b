// SPDX-License-Identifier: MIT
// The four steps of the chain, as plain functions that know nothing of tasks or threads.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cpu_chain {

using bytes = std::vector<unsigned char>;

/// Three bytes per pixel: red, green, blue.
struct picture {
    int width = 0;
    int height = 0;
    bytes pixels;
};

/// A key for AES-256-GCM and the number that may be used only once with it.
struct seal_key {
    std::array<unsigned char, 32> key{};
    std::array<unsigned char, 12> nonce{};

    /// A new one from the generator of OpenSSL.
    static seal_key make();
};

/// A colourful test picture, `width` wide and three quarters as high.
[[nodiscard]] picture make_picture(int width);

/// Step 1: half as wide and half as high, compressed as JPEG.
[[nodiscard]] bytes resize(const picture& original);

/// Step 2: a data URI, as a browser would hand the picture over.
[[nodiscard]] std::string to_data_uri(const bytes& jpeg);

/// Step 3: a document of one A4 page that shows the picture behind the URI.
[[nodiscard]] bytes to_pdf(std::string_view data_uri);

/// Step 4: nonce, cipher text and tag, one after the other.
[[nodiscard]] bytes seal(const bytes& plain, const seal_key& key);

/// The way back, for the check at the end. Throws when the tag does not fit.
[[nodiscard]] bytes unseal(const bytes& sealed, const seal_key& key);

} // namespace cpu_chain
