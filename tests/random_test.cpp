#include "runtime/random.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "tests/catch.h"

namespace kiln {
namespace {

using Words = std::array<std::uint32_t, 4>;

TEST_CASE("philox_gives_the_published_known_answers", "[random]") {
  // Random123's kat_vectors: philox4x32 10.
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random_reads_the_words_of_seed_stream_and_counter_in_order", "[random]") {
  const std::uint64_t seed = 0x299f31d0a4093822, stream = 0x0370734413198a2e;
  Random random(seed, stream, 0x85a308d3243f6a88);
  for (std::uint32_t word : {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u})
    CHECK(random.bits32() == word);
  Random later(seed, stream, 0x85a308d3243f6a89);
  CHECK(random.bits64() == later.bits64());
}

TEST_CASE("random_streams_and_seeds_differ", "[random]") {
  std::set<std::uint64_t> first;
  for (std::uint64_t seed : {0u, 1u, 2u})
    for (std::uint64_t stream : {0u, 1u, 2u}) first.insert(Random(seed, stream).bits64());
  CHECK(first.size() == 9);
}

TEST_CASE("random_uniform_stays_in_its_range_and_fills_it", "[random]") {
  Random random(7);
  double sum = 0;
  float least = 1, most = 0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const float u = random.uniform();
    sum += u;
    least = std::min(least, u);
    most = std::max(most, u);
  }
  CHECK(least >= 0.0f);
  CHECK(least < 1e-3f);
  CHECK(most < 1.0f);
  CHECK(most > 0.999f);
  CHECK(sum / n == Approx(0.5).margin(0.005));
}

TEST_CASE("random_uniform_never_rounds_up_to_the_upper_bound", "[random]") {
  // One ulp apart, so half of all draws round to the upper bound.
  const float low = 1.0f, high = std::nextafter(low, 2.0f);
  Random random(1);
  for (int i = 0; i < 100; ++i) CHECK(random.uniform(low, high) == low);
  CHECK(random.uniform(3.0f, 3.0f) == 3.0f);
}

TEST_CASE("random_normal_has_the_moments_of_the_normal_distribution", "[random]") {
  Random random(11, 3);
  constexpr int n = 200000;
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
  int beyond_two = 0;
  for (int i = 0; i < n; ++i) {
    const double x = random.normal();
    m1 += x;
    m2 += x * x;
    m3 += x * x * x;
    m4 += x * x * x * x;
    beyond_two += std::abs(x) > 2;
  }
  CHECK(m1 / n == Approx(0).margin(0.01));
  CHECK(m2 / n == Approx(1).margin(0.015));
  CHECK(m3 / n == Approx(0).margin(0.03));
  CHECK(m4 / n == Approx(3).margin(0.1));
  CHECK(static_cast<double>(beyond_two) / n == Approx(0.0455).margin(0.002));
}

TEST_CASE("random_sequences_are_the_same_on_every_platform", "[random]") {
  Random random(42, 1);
  CHECK(random.bits64() == 2328898750184109929u);
  CHECK(random.uniform() == 0x1.db458p-3f);
  CHECK(random.normal() == 0x1.233c52p-1f);
  CHECK(random.normal() == 0x1.31de74p-1f);
  CHECK(random.below(1000) == 812);
}

TEST_CASE("random_below_is_unbiased", "[random]") {
  Random random(5);
  std::array<int, 7> count{};
  for (int i = 0; i < 70000; ++i) ++count[random.below(7)];
  double chi_square = 0;
  for (int c : count) chi_square += (c - 10000.0) * (c - 10000.0) / 10000.0;
  CHECK(chi_square < 22.5);  // 6 degrees of freedom: passed by 99.9 % of seeds
  CHECK(random.below(1) == 0);

  // With n = 3/4 of 2^64, a plain remainder would give the lower third twice as often.
  const std::uint64_t n = 3ull << 62;
  int lower_third = 0;
  for (int i = 0; i < 30000; ++i) lower_third += random.below(n) < (1ull << 62);
  CHECK(lower_third == Approx(10000).margin(350));
}

TEST_CASE("random_permutation_holds_each_number_once_and_follows_its_seed", "[random]") {
  const auto order = permutation(1000, 3);
  std::vector<std::int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i)
    REQUIRE(sorted[i] == static_cast<std::int64_t>(i));
  CHECK(order != sorted);
  CHECK(order == permutation(1000, 3));
  CHECK(order != permutation(1000, 4));
  CHECK(order != permutation(1000, 3, 1));
  CHECK(permutation(0, 3).empty());
  CHECK(permutation(1, 3) == std::vector<std::int64_t>{0});
}

TEST_CASE("random_shuffle_gives_every_order_equally_often", "[random]") {
  std::array<int, 6> count{};
  for (std::uint64_t stream = 0; stream < 6000; ++stream) {
    const auto p = permutation(3, 9, stream);
    ++count[static_cast<std::size_t>(p[0] * 2 + (p[1] > p[2]))];
  }
  for (int c : count) CHECK(c == Approx(1000).margin(120));
}

}  // namespace
}  // namespace kiln
