// Arrays of random numbers for tests.
#pragma once

#include <cstdint>

#include "ir/array.h"

namespace kiln {

/// Numbers of [low, high), integers rounded down, booleans alternately likely; the same for the
/// same stream. Floats are drawn in f32, so that an f64 array holds the same numbers as an f32 one.
Array random_array(const Type& type, std::uint64_t stream, double low = -2, double high = 2);

}  // namespace kiln
