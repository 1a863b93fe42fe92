// The order of kernels that keeps few bytes alive, and which of them write over what they read.
//
//   before:  a: makes A          after:  a: makes A
//            b: makes B                  c: reads A, makes C in A's place
//            c: reads A, makes C         b: makes B
//            d: reads B and C            d: reads B and C
//
// Candidates are the order given, and that of two list schedulers: one runs next what makes memory
// grow least, the other does so from the end backwards. The least peak wins, and where peaks are
// equal the order given. A kernel's bits do not depend on when it runs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "passes/dependencies.h"

namespace kiln {

/// A piece of memory, which lives from the first job that touches it to the last.
struct Piece {
  std::int64_t bytes = 0;
  bool kept = false;  // it lives on after all jobs
};

/// A piece that a job is the first to touch may take the place of another of as many bytes, if that
/// job is the last to touch this.
struct Overlay {
  int fresh, old;
};

/// What one job touches, each piece once.
struct Touched {
  std::vector<int> pieces;
  std::vector<Overlay> overlays;
};

struct Schedule {
  std::vector<int> order;
  std::vector<int> lies_in;  // of each piece: the one whose memory it has, often its own
  std::int64_t peak = 0;     // the most bytes alive at one job
};

Schedule schedule(const Dependencies& dependencies, std::span<const Touched> jobs,
                  std::span<const Piece> pieces);

}  // namespace kiln
