// What is compiled: kernels, and the order in which one step launches them, control flow included.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
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
  auto operator<=>(const BufferRef&) const = default;
};

/// One call of a kernel over all its chunks.
struct Launch {
  int kernel = 0;  // into Program::kernels
  std::vector<BufferRef> buffers;
  std::int64_t threads = 1;  // as many as the work pays for
  std::string label;         // for people: profile, dumps
};

struct Step;
/// One after another; each sees what the ones before wrote.
using Steps = std::vector<Step>;

/// The body again and again, as long as `condition` leaves true (an i1) in `holds`; where the
/// number of trips is known, so often, and there is no condition.
struct Loop {
  Steps condition;
  BufferRef holds;
  std::optional<std::int64_t> trips;
  Steps body;
};

/// The branch that `index` (an i32) names; where it names none, the last one.
struct Branches {
  BufferRef index;
  std::vector<Steps> branches;
};

/// A launch's number, or control flow.
struct Step {
  std::variant<int, Loop, Branches> is;
};

struct Program {
  std::string name = "step";
  std::vector<loop::Kernel> kernels;  // equal kernels appear once
  std::vector<Launch> launches;       // in the order of the text; each is one of the steps
  Steps steps;
  std::int64_t argument_count = 0;
  std::int64_t arena_bytes = 0;
  bool profile = false;  // call RuntimeTable::profile around launches

  /// A further launch, the last of the outermost steps.
  void add(Launch launch);
  /// The steps, a launch a line:
  ///   launch   0 map_0 (arg0, arena+0) chunks 1 threads <= 1
  ///   loop 10 times
  ///     launch   1 …
  std::string str() const;
};

}  // namespace kiln
