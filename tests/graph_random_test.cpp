// Random numbers in the graph: the generator's bits, what its distributions hold, and that they
// differ from call to call and step to step, but not when a run is resumed.
#include <cmath>
#include <numeric>
#include <set>

#include "frontend/functions.h"
#include "frontend/gradient.h"
#include "frontend/random.h"
#include "runtime/jit.h"
#include "runtime/settings.h"
#include "tests/catch.h"
#include "tests/support.h"
#include "tests/traced_step.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

struct Moments {
  double mean = 0, variance = 0, low = 0, high = 0;
};
Moments moments(const Array& x) {
  Moments m{0, 0, x.as_double(0), x.as_double(0)};
  const auto n = static_cast<double>(x.count());
  for (std::int64_t i = 0; i < x.count(); ++i) {
    m.mean += x.as_double(i) / n;
    m.low = std::min(m.low, x.as_double(i));
    m.high = std::max(m.high, x.as_double(i));
  }
  for (std::int64_t i = 0; i < x.count(); ++i)
    m.variance += (x.as_double(i) - m.mean) * (x.as_double(i) - m.mean) / n;
  return m;
}

/// One step of a body without inputs.
std::vector<Array> drawn(const std::function<std::vector<Tensor>()>& body, Way way = Way::fused) {
  return TracedStep(Trace::run([&](const auto&) { return body(); }, {}), way)(std::span<Array>{});
}

}  // namespace

TEST_CASE("threefry_gives_the_authors_known_answers") {
  // Random123's kat_vectors, threefry2x32 with 20 rounds: counter, key, result.
  struct Answer {
    std::uint32_t counter[2], key[2], result[2];
  };
  for (const Answer& a :
       {Answer{{0, 0}, {0, 0}, {0x6b200159, 0x99ba4efe}},
        Answer{{0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, {0x1cb996fc, 0xbb002be7}},
        Answer{{0x243f6a88, 0x85a308d3}, {0x13198a2e, 0x03707344}, {0xc4923a9c, 0x483df7a0}}}) {
    const std::vector<Array> inputs = {Array::scalar(a.key[0]), Array::scalar(a.key[1]),
                                       Array::of<std::uint32_t>({1}, {a.counter[0]}),
                                       Array::of<std::uint32_t>({1}, {a.counter[1]})};
    const Traced traced = Trace::run(
        [](const std::vector<Tensor>& in) {
          const auto [x, y] = threefry2x32({in[0], in[1]}, {in[2], in[3]});
          return std::vector{x, y};
        },
        types_of(inputs));
    for (const Way way : kWays) {
      const auto results = TracedStep(traced, way)(inputs);
      CHECK(results[0].data<std::uint32_t>()[0] == a.result[0]);
      CHECK(results[1].data<std::uint32_t>()[0] == a.result[1]);
    }
  }
}

TEST_CASE("distributions_are_what_they_are_called_and_the_same_in_every_way_of_running") {
  const Ints dims{3, 50, 200};  // 30 000
  const auto body = [&] {
    return std::vector{rand(dims),
                       randn(dims),
                       rand(dims, DType::f64),
                       randint(-3, 5, dims),
                       randint(0, 256, dims, DType::ui8),
                       bernoulli(full(dims, 0.3)),
                       randint(INT64_MIN, INT64_MAX, dims),
                       dropout(full(dims, 1), 0.25)};
  };
  const auto results = drawn(body);
  const double n = 30000, near = 5 / std::sqrt(n);  // five standard errors of N(0, 1)
  for (const std::size_t i : {0, 2}) {
    const Moments m = moments(results[i]);
    CHECK(std::fabs(m.mean - 0.5) < near * std::sqrt(1.0 / 12));
    CHECK(std::fabs(m.variance - 1.0 / 12) < 0.1 / 12);
    CHECK(m.low >= 0);
    CHECK(m.high < 1);
  }
  const Moments normal = moments(results[1]);
  CHECK(std::fabs(normal.mean) < near);
  CHECK(std::fabs(normal.variance - 1) < 2 * near);
  CHECK(normal.high > 3.5);
  CHECK(normal.low < -3.5);
  CHECK(moments(results[3]).low == -3);
  CHECK(moments(results[3]).high == 4);
  CHECK(std::fabs(moments(results[3]).mean - 0.5) < near * std::sqrt(63.0 / 12));
  CHECK(moments(results[4]).low == 0);
  CHECK(moments(results[4]).high == 255);
  CHECK(std::fabs(moments(results[5]).mean - 0.3) < near * std::sqrt(0.21));
  CHECK(moments(results[6]).low < -9e18);
  CHECK(moments(results[6]).high > 9e18);
  CHECK(std::fabs(moments(results[7]).mean - 1) < near * std::sqrt(1.0 / 3));
  for (std::int64_t i = 0; i < results[7].count(); ++i)
    REQUIRE((results[7].as_double(i) == 0 ||
             results[7].as_double(i) == static_cast<double>(static_cast<float>(1 / 0.75))));
  for (const Way way : {Way::reference, Way::unfused}) {
    const auto others = drawn(body, way);
    for (std::size_t i = 0; i < results.size(); ++i)
      CHECK(difference(others[i], results[i], {.relative = i == 1 ? 1e-6 : 0}) == kNone);
  }
}

TEST_CASE("every_call_every_step_and_every_seed_has_bits_of_its_own") {
  Generator generator("test");
  auto step = jit([&] {
    const Ints dims{40};
    return std::vector{randint(0, 1 << 30, dims, DType::i64, generator),
                       randint(0, 1 << 30, dims, DType::i64, generator)};
  });
  std::set<std::int64_t> seen;
  std::size_t count = 0;
  for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32, 0x8000000000000000ULL}) {
    manual_seed(generator, seed);
    for (int s = 0; s < 3; ++s)
      for (const Array& result : step()) {
        seen.insert(result.data<std::int64_t>().begin(), result.data<std::int64_t>().end());
        count += 40;
      }
  }
  CHECK(seen.size() >= count - 1);  // of 2^30 numbers 960 are hardly ever the same
}

TEST_CASE("a_resumed_run_goes_on_with_the_bits_it_would_have_had") {
  Generator generator("test");
  const auto make = [&] {
    return jit([&] { return std::vector{rand({100}, DType::f32, generator)}; });
  };
  auto step = make();
  manual_seed(generator, 7);
  std::vector<Array> whole;
  for (int s = 0; s < 4; ++s) whole.push_back(step()[0].clone());
  CHECK_FALSE(whole[2].same_bits(whole[3]));
  // The state is the seed and the number of steps: all that a checkpoint holds.
  manual_seed(generator, 7);
  *generator.step()->storage = Array::scalar(std::int64_t{2});
  auto resumed = make();
  CHECK(resumed()[0].same_bits(whole[2]));
  CHECK(resumed()[0].same_bits(whole[3]));
}

TEST_CASE("dropout_scales_what_it_keeps_and_its_gradient_has_the_same_mask") {
  const Array x = random_array({DType::f32, {30, 20}}, 1, 1, 2);
  const Traced traced = Trace::run(
      [](const std::vector<Tensor>& in) {
        const Tensor y = dropout(in[0], 0.4);
        return std::vector{y, grad(sum(y), {in[0]})[0], dropout(in[0], 0), dropout(in[0], 1)};
      },
      {x.type()});
  for (const Way way : kWays) {
    TracedStep step(traced, way);
    Array before;
    for (int s = 0; s < 2; ++s) {
      const auto results = step({x});
      CHECK(results[2].same_bits(x));
      const auto scale = static_cast<float>(1 / (1 - 0.4));
      for (std::int64_t i = 0; i < x.count(); ++i) {
        const bool kept = results[0].as_double(i) != 0;
        const float value = x.data<float>()[static_cast<std::size_t>(i)];
        REQUIRE(results[0].as_double(i) == (kept ? value * scale : 0));
        REQUIRE(results[1].as_double(i) == (kept ? scale : 0));
        REQUIRE(results[3].as_double(i) == 0);
      }
      if (s > 0) CHECK_FALSE(results[0].same_bits(before));
      before = results[0];
    }
  }
}

TEST_CASE("random_functions_complain_of_what_they_cannot_draw") {
  const auto complaint = [](const std::function<void()>& body) -> std::string {
    try {
      drawn([&] {
        body();
        return std::vector<Tensor>{};
      });
    } catch (const Error& error) {
      return error.what();
    }
    return "no Error";
  };
  CHECK_THAT(complaint([] { rand({2}, DType::i32); }),
             ContainsSubstring("rand: expected a float type, found i32"));
  CHECK_THAT(complaint([] { randn({-1}); }), ContainsSubstring("randn: expected extents >= 0"));
  CHECK_THAT(complaint([] { randint(0, 0, {2}); }), ContainsSubstring("expected low < high"));
  CHECK_THAT(complaint([] { randint(0, 300, {2}, DType::ui8); }),
             ContainsSubstring("both in the range of ui8, found 0 and 300"));
  CHECK_THAT(complaint([] { randint(-1, 3, {2}, DType::ui64); }), ContainsSubstring("randint"));
  CHECK_THAT(complaint([] { dropout(full({2}, 1), 1.5); }),
             ContainsSubstring("dropout: expected a probability from 0 to 1, found 1.5"));
  CHECK_THROWS_WITH(rand({2}), ContainsSubstring("rand: expected to be called while a function"));
}

}  // namespace kiln
