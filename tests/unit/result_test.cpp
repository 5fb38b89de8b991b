// SPDX-License-Identifier: MIT
// result<T>: a value or an error_code, read and combined as std::expected is.
#include <aloft/config.hpp>

#if defined(__GNUC__) && !defined(__clang__) && (ALOFT_ASAN || ALOFT_TSAN)
// Between the sanitizers' checks g++ 12 does not see that an optional's flag guards its value.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <aloft/result.hpp>

#include "helpers/counted.hpp"

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

using aloft::failure;
using aloft::result;
using testing::counted;

namespace {

const std::error_code refused = std::make_error_code(std::errc::connection_refused);

result<int> half(int value) {
    if (value % 2 != 0) {
        return failure(std::errc::invalid_argument);
    }
    return value / 2;
}

} // namespace

TEST_CASE("a result holds a value") {
    const result<int> r = 42;
    CHECK(r.has_value());
    CHECK(static_cast<bool>(r));
    CHECK(*r == 42);
    CHECK(r.value() == 42);
    CHECK_FALSE(r.error());
}

TEST_CASE("a result holds an error") {
    const result<int> r = failure(refused);
    CHECK_FALSE(r.has_value());
    CHECK_FALSE(static_cast<bool>(r));
    CHECK(r.error() == std::errc::connection_refused);
    const result<int> same = failure(std::errc::connection_refused);
    CHECK(same.error() == refused);
    CHECK(failure(refused).error() == refused);
}

TEST_CASE("value() of an error throws it as std::system_error") {
    result<int> r = failure(refused);
    const result<int> constant = failure(refused);
    try {
        (void)r.value();
        FAIL("no exception");
    } catch (const std::system_error& error) {
        CHECK(error.code() == refused);
    }
    CHECK_THROWS_AS(constant.value(), std::system_error);
    CHECK_THROWS_AS(std::move(r).value(), std::system_error);
}

TEST_CASE("a result of void says only whether it went well") {
    const result<void> good;
    const result<void> bad = failure(refused);
    CHECK(good.has_value());
    CHECK_NOTHROW(good.value());
    CHECK_FALSE(bad.has_value());
    CHECK_THROWS_AS(bad.value(), std::system_error);
    STATIC_REQUIRE(std::is_void_v<decltype(good.value())>);
    STATIC_REQUIRE(std::is_void_v<decltype(*good)>);
}

TEST_CASE("a result of a reference refers to that very object") {
    std::string object = "here";
    result<std::string&> r = object;
    CHECK(&*r == &object);
    CHECK(&r.value() == &object);
    CHECK(r->size() == 4);
    const result<const std::string&> constant = object;
    CHECK(&*constant == &object);
    const result<std::string&> bad = failure(refused);
    CHECK(bad.value_or("other") == "other");
    CHECK(r.value_or("other") == "here");
}

TEST_CASE("a result carries a move-only value") {
    result<std::unique_ptr<int>> r = std::make_unique<int>(3);
    CHECK(**r == 3);
    std::unique_ptr<int> out = std::move(r).value();
    CHECK(*out == 3);
    result<std::unique_ptr<int>> again = std::move(out);
    CHECK(*again.value() == 3);
    CHECK(*(*std::move(again)) == 3);
}

TEST_CASE("what a result holds can be changed through it") {
    result<std::string> r = std::string("a");
    r->push_back('b');
    *r += 'c';
    r.value() += 'd';
    CHECK(*r == "abcd");
    const result<std::string>& constant = r;
    CHECK(constant->size() == 4);
    STATIC_REQUIRE(std::is_same_v<decltype(*r), std::string&>);
    STATIC_REQUIRE(std::is_same_v<decltype(*constant), const std::string&>);
    STATIC_REQUIRE(std::is_same_v<decltype(*std::move(r)), std::string&&>);
    STATIC_REQUIRE(std::is_same_v<decltype(std::move(r).value()), std::string&&>);
}

TEST_CASE("value_or gives the value or what was named instead") {
    result<std::string> good = std::string("value");
    const result<std::string> bad = failure(refused);
    CHECK(good.value_or("other") == "value");
    CHECK(bad.value_or("other") == "other");
    CHECK(std::move(good).value_or("other") == "value");
    CHECK(result<std::unique_ptr<int>>(failure(refused)).value_or(nullptr) == nullptr);
}

TEST_CASE("and_then goes on with a value and passes an error by") {
    CHECK(half(8).and_then(half).and_then(half) == result<int>(1));
    const auto stopped = half(6).and_then(half).and_then(half);
    CHECK(stopped.error() == std::errc::invalid_argument);
    int calls = 0;
    const result<std::string> never = result<int>(failure(refused)).and_then([&](int) {
        ++calls;
        return result<std::string>(std::string("never"));
    });
    CHECK(never.error() == refused);
    CHECK(calls == 0);
    const result<int> from_void = result<void>().and_then([] { return result<int>(5); });
    CHECK(*from_void == 5);
}

TEST_CASE("transform changes a value and passes an error by") {
    const result<std::string> text = half(8).transform([](int n) { return std::to_string(n); });
    CHECK(*text == "4");
    CHECK(half(7).transform([](int n) { return n; }).error() == std::errc::invalid_argument);
    int seen = 0;
    const result<void> nothing = half(8).transform([&](int n) { seen = n; });
    CHECK(nothing.has_value());
    CHECK(seen == 4);
    CHECK(*result<void>().transform([] { return 9; }) == 9);
    CHECK_FALSE(result<void>(failure(refused)).transform([] { return 9; }).has_value());
}

TEST_CASE("or_else answers an error and passes a value by") {
    auto zero = [](const std::error_code&) { return result<int>(0); };
    auto same = [](const std::error_code& error) { return result<int>(failure(error)); };
    CHECK(*half(7).or_else(zero) == 0);
    CHECK(*half(8).or_else(zero) == 4);
    CHECK(half(7).or_else(same).error() == std::errc::invalid_argument);
}

TEST_CASE("results are equal when their values or their errors are") {
    CHECK(result<int>(1) == result<int>(1));
    CHECK_FALSE(result<int>(1) == result<int>(2));
    CHECK(result<int>(failure(refused)) == result<int>(failure(refused)));
    CHECK_FALSE(result<int>(failure(refused)) == result<int>(failure(std::errc::invalid_argument)));
    CHECK_FALSE(result<int>(0) == result<int>(failure(refused)));
    CHECK(result<void>() == result<void>());
    CHECK_FALSE(result<void>() == result<void>(failure(refused)));
}

TEST_CASE("a result can be copied, moved and assigned, and destroys its value once") {
    {
        result<counted> first = counted(1);
        result<counted> second = first;
        CHECK(counted::alive() == 2);
        second = failure(refused);
        CHECK(counted::alive() == 1);
        CHECK(second.error() == refused);
        second = std::move(first);
        CHECK(second->number() == 1);
        second = counted(4);
        CHECK(second->number() == 4);
        CHECK_FALSE(second.error());
    }
    CHECK(counted::alive() == 0);
}

TEST_CASE("an error in one result does not become a value in another") {
    CHECK_FALSE(std::is_convertible_v<result<int>, result<bool>>);
    CHECK_FALSE(std::is_constructible_v<result<bool>, result<int>>);
    CHECK_FALSE(std::is_convertible_v<int, result<std::vector<int>>>);
}

TEST_CASE("a result names its types as std::expected does") {
    STATIC_REQUIRE(std::is_same_v<result<int>::value_type, int>);
    STATIC_REQUIRE(std::is_same_v<result<int>::error_type, std::error_code>);
}

namespace {

/// What a header without one of these members would fail to compile is a red test instead.
template <class R>
void use_the_rest() {
    auto grow = [](int n) { return n + 1; };
    auto seven = [](const std::error_code&) { return R(7); };
    auto late = [](const std::error_code&) { return std::make_error_code(std::errc::timed_out); };
    if constexpr (requires(R& r, const R& constant) {
                      R();
                      r.emplace(3);
                      r.error_or(refused);
                      r.and_then(half);
                      constant.transform(grow);
                      constant.or_else(seven);
                      constant.transform_error(late);
                      swap(r, r);
                      r == failure(refused);
                  }) {
        R r = failure(refused);
        const R& constant = r;
        CHECK(r.emplace(3) == 3);
        CHECK(r.error_or(refused) == refused);
        CHECK(*r.and_then(half).or_else(seven) == 7);
        CHECK(*constant.transform(grow) == 4);
        CHECK(*constant.or_else(seven) == 3);
        r = failure(refused);
        CHECK((r == failure(refused)));
        CHECK(*constant.or_else(seven) == 7);
        CHECK(constant.error_or(std::error_code()) == refused);
        CHECK(constant.transform_error(late).error() == std::errc::timed_out);
        R other = 5;
        swap(r, other);
        CHECK(*r == 5);
        CHECK(other.error() == refused);
        CHECK(*R() == 0);
    } else {
        FAIL("a member is missing");
    }
}

} // namespace

TEST_CASE("a result offers the rest of the interface of std::expected") {
    use_the_rest<result<int>>();
}
