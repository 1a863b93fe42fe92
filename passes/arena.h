// One block of memory for values that live at different times.
//
//   before:  a: 4096 bytes, launches 0-3    b: 4096 bytes, launches 4-7    c: 64 bytes, launches
//   2-5 after:   a at 0, b at 0, c at 4096
#pragma once

#include <cstdint>
#include <vector>

namespace kiln {

/// What a value of so many bytes takes in the arena: a whole number of cache lines. Large values
/// that are whole pages take a little more, so that they do not lie whole pages apart: a load waits
/// for an earlier store whose address has the same last 12 bits, though it is another one.
inline std::int64_t aligned(std::int64_t bytes) {
  constexpr std::int64_t kLine = 64, kPage = 4096, kLarge = 1 << 16, kApart = 5 * kLine;
  const std::int64_t lines = (bytes + kLine - 1) / kLine * kLine;
  return lines >= kLarge && lines % kPage == 0 ? lines + kApart : lines;
}

/// A piece of memory and when it holds something.
struct Interval {
  std::int64_t bytes = 0;
  int first = 0, last = 0;  // positions in the program, inclusive; first > last: never
  std::int64_t offset = 0;
  bool used() const { return first <= last; }
};

/// The position where most bytes live, and how many: no arena is smaller.
struct Peak {
  int position = 0;
  std::int64_t bytes = 0;
};
Peak most_live(const std::vector<Interval>& intervals);

/// Gives each interval an offset, so that those that meet in time do not overlap; returns the
/// arena's size. The best of several best-fit orders; it stops at one that has no gap. Time is
/// linear but for a logarithm where intervals are very many, else at most quadratic.
std::int64_t place(std::vector<Interval>& intervals);

}  // namespace kiln
