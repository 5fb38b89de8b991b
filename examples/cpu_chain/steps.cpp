// SPDX-License-Identifier: MIT
#include "steps.hpp"

#include <hpdf.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stb/stb_image_resize.h>
#include <stb/stb_image_write.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>

namespace cpu_chain {

namespace {

constexpr std::string_view uri_prefix = "data:image/jpeg;base64,";
constexpr std::size_t nonce_size = std::tuple_size_v<decltype(seal_key::nonce)>;
constexpr std::size_t tag_size = 16;

int to_int(std::size_t size) {
    if (size > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        throw std::length_error("the picture is too large for this example");
    }
    return static_cast<int>(size);
}

void require(bool success, const char* what) {
    if (!success) {
        throw std::runtime_error(what);
    }
}

struct free_cipher {
    void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using cipher_context = std::unique_ptr<EVP_CIPHER_CTX, free_cipher>;

struct free_document {
    void operator()(HPDF_Doc document) const noexcept { HPDF_Free(document); }
};
using pdf_document = std::unique_ptr<HPDF_Doc_Rec, free_document>;

// libharu keeps the first error and lets later calls do nothing, so that one look suffices.
void require_no_error(HPDF_Doc document) {
    if (const HPDF_STATUS status = HPDF_GetError(document); status != HPDF_OK) {
        std::array<char, 64> message{};
        std::snprintf(message.data(), message.size(), "libharu: error 0x%04lX",
                      static_cast<unsigned long>(status));
        throw std::runtime_error(message.data());
    }
}

} // namespace

seal_key seal_key::make() {
    seal_key made;
    require(RAND_bytes(made.key.data(), to_int(made.key.size())) == 1 &&
                RAND_bytes(made.nonce.data(), to_int(made.nonce.size())) == 1,
            "OpenSSL has no random numbers");
    return made;
}

picture make_picture(int width) {
    picture made;
    made.width = width;
    made.height = std::max(1, width * 3 / 4);
    made.pixels.reserve(static_cast<std::size_t>(made.width) *
                        static_cast<std::size_t>(made.height) * 3);
    std::minstd_rand grain; // as in a photograph, so that there is something left to compress
    for (int y = 0; y < made.height; ++y) {
        for (int x = 0; x < made.width; ++x) {
            const int noise = static_cast<int>(grain() % 48U);
            made.pixels.push_back(static_cast<unsigned char>(x * 200 / made.width + noise));
            made.pixels.push_back(static_cast<unsigned char>(y * 200 / made.height + noise));
            made.pixels.push_back(static_cast<unsigned char>(((x ^ y) & 0x7F) + noise));
        }
    }
    return made;
}

bytes resize(const picture& original) {
    const int width = std::max(1, original.width / 2);
    const int height = std::max(1, original.height / 2);
    bytes small(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
    require(stbir_resize_uint8(original.pixels.data(), original.width, original.height, 0,
                               small.data(), width, height, 0, 3) == 1,
            "stb_image_resize failed");

    bytes jpeg;
    const auto append = [](void* context, void* data, int size) {
        const auto* first = static_cast<const unsigned char*>(data);
        static_cast<bytes*>(context)->insert(static_cast<bytes*>(context)->end(), first,
                                             first + size);
    };
    require(stbi_write_jpg_to_func(append, &jpeg, width, height, 3, small.data(), 90) == 1,
            "stb_image_write failed");
    return jpeg;
}

std::string to_data_uri(const bytes& jpeg) {
    const std::size_t encoded_size = (jpeg.size() + 2) / 3 * 4;
    std::string uri{uri_prefix};
    uri.resize(uri_prefix.size() + encoded_size + 1); // OpenSSL ends the text with a zero
    const int written =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(uri.data()) + uri_prefix.size(),
                        jpeg.data(), to_int(jpeg.size()));
    uri.resize(uri_prefix.size() + static_cast<std::size_t>(written));
    return uri;
}

bytes to_pdf(std::string_view data_uri) {
    require(data_uri.substr(0, uri_prefix.size()) == uri_prefix, "not a data URI of a JPEG");
    const std::string_view encoded = data_uri.substr(uri_prefix.size());
    bytes jpeg(encoded.size() / 4 * 3);
    const int decoded =
        EVP_DecodeBlock(jpeg.data(), reinterpret_cast<const unsigned char*>(encoded.data()),
                        to_int(encoded.size()));
    require(decoded >= 0, "the data URI is damaged");
    const auto padding = static_cast<std::size_t>(std::count(
        encoded.end() - std::min<std::ptrdiff_t>(2, std::ssize(encoded)), encoded.end(), '='));
    jpeg.resize(static_cast<std::size_t>(decoded) - padding);

    // The handler must not throw through the C code; the errors are looked up instead.
    const pdf_document document{HPDF_New([](HPDF_STATUS, HPDF_STATUS, void*) {}, nullptr)};
    require(document != nullptr, "libharu: no document");
    HPDF_SetInfoAttr(document.get(), HPDF_INFO_TITLE, "A chain of four steps");
    const HPDF_Page page = HPDF_AddPage(document.get());
    HPDF_Page_SetSize(page, HPDF_PAGE_SIZE_A4, HPDF_PAGE_PORTRAIT);
    const HPDF_Image image =
        HPDF_LoadJpegImageFromMem(document.get(), jpeg.data(), static_cast<HPDF_UINT>(jpeg.size()));
    require_no_error(document.get());

    constexpr float margin = 36;
    const float width = HPDF_Page_GetWidth(page) - 2 * margin;
    const float height = width * static_cast<float>(HPDF_Image_GetHeight(image)) /
                         static_cast<float>(HPDF_Image_GetWidth(image));
    const float top = HPDF_Page_GetHeight(page) - margin;
    HPDF_Page_DrawImage(page, image, margin, top - height, width, height);
    HPDF_Page_BeginText(page);
    HPDF_Page_SetFontAndSize(page, HPDF_GetFont(document.get(), "Helvetica", nullptr), 12);
    HPDF_Page_TextOut(page, margin, top - height - 24,
                      "resize, base64, PDF, encrypt: each step needs the last.");
    HPDF_Page_EndText(page);
    HPDF_SaveToStream(document.get());
    require_no_error(document.get());

    bytes pdf(HPDF_GetStreamSize(document.get()));
    auto size = static_cast<HPDF_UINT32>(pdf.size());
    HPDF_ReadFromStream(document.get(), pdf.data(), &size);
    pdf.resize(size);
    return pdf;
}

bytes seal(const bytes& plain, const seal_key& key) {
    bytes sealed(nonce_size + plain.size() + tag_size);
    std::copy(key.nonce.begin(), key.nonce.end(), sealed.begin());
    const cipher_context context{EVP_CIPHER_CTX_new()};
    int length = 0;
    int rest = 0;
    require(context != nullptr &&
                EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.key.data(),
                                   key.nonce.data()) == 1 &&
                EVP_EncryptUpdate(context.get(), sealed.data() + nonce_size, &length, plain.data(),
                                  to_int(plain.size())) == 1 &&
                EVP_EncryptFinal_ex(context.get(), sealed.data() + nonce_size + length, &rest) ==
                    1 &&
                EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, to_int(tag_size),
                                    sealed.data() + nonce_size + plain.size()) == 1,
            "OpenSSL could not encrypt");
    return sealed;
}

bytes unseal(const bytes& sealed, const seal_key& key) {
    require(sealed.size() >= nonce_size + tag_size, "the sealed document is too short");
    bytes plain(sealed.size() - nonce_size - tag_size);
    std::array<unsigned char, tag_size> tag{};
    std::copy(sealed.end() - static_cast<std::ptrdiff_t>(tag_size), sealed.end(), tag.begin());
    const cipher_context context{EVP_CIPHER_CTX_new()};
    int length = 0;
    int rest = 0;
    require(context != nullptr &&
                EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.key.data(),
                                   sealed.data()) == 1 &&
                EVP_DecryptUpdate(context.get(), plain.data(), &length, sealed.data() + nonce_size,
                                  to_int(plain.size())) == 1 &&
                EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, to_int(tag_size),
                                    tag.data()) == 1 &&
                EVP_DecryptFinal_ex(context.get(), plain.data() + length, &rest) == 1,
            "the sealed document does not decrypt");
    return plain;
}

} // namespace cpu_chain
