// The cost model: what one thread does in a second, roughly. It decides how many threads share a
// kernel's chunks and what is cheap to compute again, never what is computed.
#pragma once

#include "ir/space.h"

namespace kiln {

inline constexpr double kFlopsPerSecond = 5e10;
inline constexpr double kBytesPerSecond = 2e10;

inline double seconds_on_one_thread(const space::Kernel& kernel) {
  return kernel.flops() / kFlopsPerSecond + static_cast<double>(kernel.bytes()) / kBytesPerSecond;
}

}  // namespace kiln
