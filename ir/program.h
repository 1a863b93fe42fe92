// What is compiled: kernels, and the order in which one step launches them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/loop.h"

namespace kiln {

/// Where a launch finds a buffer: argument `index` of the step, or byte `offset` of the arena.
struct BufferRef {
  enum class Kind : std::uint8_t { argument, arena };
  Kind kind = Kind::arena;
  std::int64_t index = 0;  // argument number
  std::int64_t offset =
      0;  // bytes from the argument's, or the arena's, beginning; 64-byte aligned in the arena
};

/// One call of a kernel over all its chunks.
struct Launch {
  int kernel = 0;  // into Program::kernels
  std::vector<BufferRef> buffers;
  std::int64_t threads = 1;  // as many as the work pays for
  std::string label;         // for people: profile, dumps
};

struct Program {
  std::string name = "step";
  std::vector<loop::Kernel> kernels;  // equal kernels appear once
  std::vector<Launch> launches;       // in order; each sees what the ones before wrote
  std::int64_t argument_count = 0;
  std::int64_t arena_bytes = 0;
  bool profile = false;  // call RuntimeTable::profile around launches
};

}  // namespace kiln
