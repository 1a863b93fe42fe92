// Seeded random numbers that are the same on every platform, from a counter-based generator.
//
// Specification: Philox4x32-10 of J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011. A block of four 32-bit words is a pure function of a key
// and a counter, so any place of any stream can be reached at once: resuming a run needs no state
// but the step number, and two users never share a sequence if their streams differ.
//
// The standard library's distributions differ from one implementation to the next; these do not.
// (`normal` takes log, cos and sin from libm, in double: libraries agree to far below its float
// result, and code is built with -ffp-contract=off.)
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace kiln {

/// Four words of Philox4x32-10 for a 128-bit counter and a 64-bit key, low words first.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// A sequence of random numbers: the key is `seed`, the counter's upper half is `stream`, its lower
/// half counts blocks of four words and starts at `block`. Cheap to make and to copy.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0, std::uint64_t block = 0)
      : seed_(seed), stream_(stream), next_block_(block) {}

  /// 32 random bits.
  std::uint32_t bits32() {
    if (used_ == 4) refill();
    return words_[used_++];
  }
  /// 64 random bits: the lower half is drawn first.
  std::uint64_t bits64() {
    const std::uint64_t low = bits32();
    return low | std::uint64_t{bits32()} << 32;
  }
  /// In [0, 1): a multiple of 2^-24, so 1 is never reached by rounding.
  float uniform() { return static_cast<float>(bits32() >> 8) * 0x1p-24f; }
  /// In [low, high), rounding included; `low` where low >= high.
  float uniform(float low, float high);
  /// From N(0, 1), by Box and Muller's transform; they come in pairs, the second is kept.
  float normal();
  /// In [0, n), each equally likely (multiples of n that do not fit 64 bits are drawn again). n
  /// >= 1.
  std::uint64_t below(std::uint64_t n);
  /// True with this probability.
  bool chance(float probability) { return uniform() < probability; }
  /// Puts `values` into a random order, each order equally likely (Fisher and Yates).
  void shuffle(std::span<std::int64_t> values);

 private:
  void refill();

  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t next_block_;
  std::array<std::uint32_t, 4> words_{};
  unsigned used_ = 4;
  float spare_normal_ = 0;
  bool has_spare_normal_ = false;
};

/// 0 … n-1 in a random order that depends on (seed, stream) alone. n >= 0.
std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint64_t stream = 0);

}  // namespace kiln
