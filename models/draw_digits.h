// Handwriting-like digits, drawn by ourselves: a stand-in for MNIST on a machine with no data.
//
// Each digit class has several ways of writing it, each a few pen strokes through control points in
// a unit box. An image takes one of them, moves its control points, bends, slants, scales, rotates
// and shifts it, draws it with a pen of random width, pressure and softness, and adds stray marks,
// gaps and noise. The amounts are chosen so that the task is not trivial: trained on 20 000 images,
// a linear classifier stays at about 0.91, a 784-256-128-10 network reaches 0.98 (README.md of
// tests/bench tells how that was measured).
#pragma once

#include <cstdint>

#include "ir/array.h"

namespace kiln {

/// Images as MNIST has them, ink bright on a dark ground, and what they show.
struct DigitSet {
  Array images;  ///< ui8 [count, 28, 28], 0 … 255
  Array labels;  ///< i32 [count], 0 … 9, each equally likely
};

/// `count` images. Image i is a function of (seed, i) alone, so a longer set begins with the
/// shorter one, and sets from two seeds share nothing. Throws Error when count is negative.
DigitSet draw_digits(int count, std::uint64_t seed);

}  // namespace kiln
