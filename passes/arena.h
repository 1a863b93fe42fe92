// One block of memory for values that live at different times.
//
//   before:  a: 4096 bytes, launches 0-3    b: 4096 bytes, launches 4-7    c: 64 bytes, launches
//   2-5 after:   a at 0, b at 0, c at 4096
#pragma once

#include <cstdint>
#include <vector>

namespace kiln {

/// A piece of memory and when it holds something.
struct Interval {
  std::int64_t bytes = 0;
  int first = 0, last = 0;  // positions in the program, inclusive
  std::int64_t offset = 0;
};

/// The most bytes that live at one position: no arena is smaller.
std::int64_t most_live(const std::vector<Interval>& intervals);

/// Gives each interval an offset, so that those that meet in time do not overlap; returns the
/// arena's size. The best of several best-fit orders.
std::int64_t place(std::vector<Interval>& intervals);

}  // namespace kiln
