// What a step's memory holds, known before anything runs.
//
//   parameters    16908288   state that the outputs depend on
//   activations    8388608   alive at the peak: computed for the outputs, read by what is not
//   gradients        65536   … computed for new state alone
//
// Roles follow from data flow: what the outputs depend on is the forward part; what only new state
// depends on is the backward part and the update. Names are never looked at.
//
// Requires: a fused function (passes/fuse).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// What a value in the arena is kept for.
enum class Holds : std::uint8_t {
  activation,  // the outputs depend on it, and so do gradients, later
  gradient,    // only new state depends on it
  scratch,     // the rest: on its way to the outputs, or a kernel's own
};
std::string_view name_of(Holds holds);

/// The exact bytes of a step.
struct MemoryReport {
  /// Beside the arena: arguments and results of the step.
  std::int64_t inputs = 0;      // only read: the batch, what is frozen
  std::int64_t parameters = 0;  // state that the outputs depend on
  std::int64_t optimiser = 0;   // other state: moments, the step number
  std::int64_t outputs = 0;
  std::int64_t constants = 0;  // large ones, which the program brings along

  std::int64_t arena = 0;
  std::int64_t bound = 0;  // the most bytes alive at one launch: no arena is smaller
  /// What the bound is made of: alive at the peak, whole cache lines each.
  std::int64_t activations = 0, gradients = 0, scratch = 0;
  int copies = 0;        // state or carried values that could not stay in place
  int peak_launch = -1;  // a number of Program::launches; -1: the arena is empty
  std::string peak_kernel;

  /// A value alive at the peak.
  struct Alive {
    std::string value;  // the kernel that makes it, and its type
    Holds holds = Holds::scratch;
    std::int64_t bytes = 0;
    int first_launch = 0, last_launch = 0;
  };
  std::vector<Alive> alive;  // the largest first

  /// Everything: arguments, results, constants and arena.
  std::int64_t total() const;
  /// What the arena has over its bound, as a share of the bound.
  double gap() const;
  std::string str() const;
};

/// The roles of a function's arguments and values.
class Roles {
 public:
  explicit Roles(const Function& fused);
  /// Of a value that a kernel or control flow makes outside regions; scratch where it is none.
  Holds of(Value value) const;
  bool know(Value value) const { return holds_.contains(value.node); }
  /// Arguments, outputs: the part of the report that needs no plan.
  const MemoryReport& around() const { return around_; }

 private:
  std::unordered_map<const Node*, std::vector<Holds>> holds_;
  MemoryReport around_;
};

}  // namespace kiln
