// Handwriting-like digits, drawn by ourselves: a stand-in for MNIST on a machine with no data.
//
// Each digit class has several ways of writing it (models/digit_glyphs.h), each a few pen strokes
// through control points in a unit box. An image takes one of them, moves its control points,
// bends, slants, scales, rotates and shifts it, draws it with a pen of random width, pressure and
// softness, and adds stray marks, gaps and noise.
//
// The amounts are chosen so that the task is not trivial. On 20 000 images and 5 000 of another
// seed, over three pairs of seeds, PyTorch 2.13 reaches:
//   linear 784-10, Adam or L-BFGS to convergence, best weight decay, best epoch   0.904 … 0.913
//   784-256-128-10, relu, batch 64, Adam 1e-3   0.973 after 3 epochs, 0.983 after 4
//   one 3x3 kernel, 676-128-64-10, the same     0.957 after 2 epochs, 0.982 after 4
// (the lowest of the runs: single epochs later may dip by 0.02, as Adam does).
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
