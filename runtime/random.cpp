#include "runtime/random.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

#include "ir/error.h"

namespace kiln {
namespace {

constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9;  // the golden ratio
constexpr std::uint32_t kWeyl1 = 0xBB67AE85;  // sqrt(3) - 1

constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {high(product1) ^ counter[1] ^ key[0], low(product1),
               high(product0) ^ counter[3] ^ key[1], low(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

void Random::refill() {
  words_ = philox4x32({low(next_block_), high(next_block_), low(stream_), high(stream_)},
                      {low(seed_), high(seed_)});
  ++next_block_;
  used_ = 0;
}

float Random::uniform(float low, float high) {
  const float value = low + uniform() * (high - low);
  // Rounding may reach `high` though the fraction is below 1.
  return value < high || low >= high ? value : std::nextafter(high, low);
}

float Random::normal() {
  if (std::exchange(has_spare_normal_, false)) return spare_normal_;
  // 2^-33 … 1 - 2^-33: never 0, whose logarithm is infinite.
  const double radius_draw = (bits32() + 0.5) * 0x1p-32;
  const double angle_draw = (bits32() + 0.5) * 0x1p-32;
  const double radius = std::sqrt(-2.0 * std::log(radius_draw));
  const double angle = 2.0 * std::numbers::pi * angle_draw;
  spare_normal_ = static_cast<float>(radius * std::sin(angle));
  has_spare_normal_ = true;
  return static_cast<float>(radius * std::cos(angle));
}

std::uint64_t Random::below(std::uint64_t n) {
  internal_check(n >= 1, "below() needs a range that is not empty");
  constexpr std::uint64_t all = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t limit = all - all % n;  // a multiple of n: every residue is equally frequent
  std::uint64_t draw = bits64();
  while (draw >= limit) draw = bits64();
  return draw % n;
}

void Random::shuffle(std::span<std::int64_t> values) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
}

std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint64_t stream) {
  internal_check(n >= 0, "a permutation has no negative length");
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  Random(seed, stream).shuffle(order);
  return order;
}

}  // namespace kiln
