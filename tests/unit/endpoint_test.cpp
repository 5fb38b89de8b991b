// SPDX-License-Identifier: MIT
// Endpoints between text and value.
#include <aloft/endpoint.hpp>

#include <support/hang_guard.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <string>
#include <system_error>

using aloft::endpoint;

namespace {

/// What the error says, or nothing if there is none.
template <class Make>
[[nodiscard]] std::string refusal_of(Make make) {
    try {
        (void)make();
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::invalid_argument);
        return error.what();
    }
    return {};
}

} // namespace

TEST_CASE("an endpoint is made of an address and a port") {
    const endpoint e{"127.0.0.1", 8080};
    CHECK(e.address() == "127.0.0.1");
    CHECK(e.port() == 8080);
    CHECK_FALSE(e.is_v6());
    CHECK(e.to_string() == "127.0.0.1:8080");
}

TEST_CASE("an IPv6 endpoint is written with brackets") {
    const endpoint e{"::1", 443};
    CHECK(e.is_v6());
    CHECK(e.address() == "::1");
    CHECK(e.to_string() == "[::1]:443");
}

TEST_CASE("the default endpoint is every address and no port") {
    const endpoint e;
    CHECK(e.to_string() == "0.0.0.0:0");
    CHECK(e == endpoint::any(0));
}

TEST_CASE("the named endpoints are what their names say") {
    CHECK(endpoint::loopback(80).to_string() == "127.0.0.1:80");
    CHECK(endpoint::any(81).to_string() == "0.0.0.0:81");
}

TEST_CASE("what an endpoint prints is what it parses") {
    const std::string text =
        GENERATE("127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0",
                 "[2001:db8::1]:65535", "[::ffff:1.2.3.4]:7", "[fe80::1%1]:22");
    CHECK(endpoint::parse(text).to_string() == text);
}

TEST_CASE("equal endpoints compare equal and others do not") {
    CHECK(endpoint::parse("1.2.3.4:80") == endpoint{"1.2.3.4", 80});
    CHECK(endpoint::parse("[0:0:0:0:0:0:0:1]:80") == endpoint{"::1", 80});
    CHECK(endpoint{"1.2.3.4", 80} != endpoint{"1.2.3.4", 81});
    CHECK(endpoint{"1.2.3.4", 80} != endpoint{"1.2.3.5", 80});
    CHECK(endpoint{"0.0.0.0", 80} != endpoint{"::", 80});
}

TEST_CASE("text that is no endpoint is refused with a sentence that quotes it") {
    const std::string text = GENERATE(
        "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:80 ", "127.0.0.1:+80", "::1:80", "[::1]", "[::1", "[]:80", "localhost:80",
        "256.0.0.1:80", "1.2.3:80", "[1.2.3.4]x:80", "[fe80::1%no-such-device]:80", "[::1]]:80");
    INFO("text: " << text);
    const std::string sentence = refusal_of([&] { return endpoint::parse(text); });
    CHECK(sentence.find("endpoint") != std::string::npos);
    if (text.find('[') == std::string::npos) {
        CHECK(sentence.find('"' + text.substr(0, text.rfind(':'))) != std::string::npos);
    }
}

TEST_CASE("an address that is a name is refused, with a sentence that quotes it") {
    const std::string sentence = refusal_of([] { return endpoint{"localhost", 80}; });
    CHECK(sentence.find("\"localhost\"") != std::string::npos);
}

TEST_CASE("an address with a zero byte in it is refused") {
    const std::string address("127.0.0.1\0.evil", 15);
    CHECK_FALSE(refusal_of([&] { return endpoint{address, 80}; }).empty());
}

TEST_CASE("an IPv4 address has no zone") {
    CHECK_FALSE(refusal_of([] { return endpoint{"127.0.0.1%1", 80}; }).empty());
}
