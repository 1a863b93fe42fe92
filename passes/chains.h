// The running values of reductions, in the registers that loops carry.
//
// A reduction along the vector dimension folds its 16 lanes at the end; its lanes then start from
// the identity, and so may several chains of it, which a loop interleaves because one would be as
// slow as the latency of its steps:
//
//   before:  %sum' = add %sum, %x[i]                              one chain
//   after:   %a' = add %a, %x[i]   %b' = add %b, %x[i + 16]  …    and in the end a + b
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "passes/evaluate.h"
#include "passes/lanes.h"

namespace kiln {

/// Of some reductions of one kernel, at the point where the evaluator stands.
class Running {
 public:
  explicit Running(Evaluator& evaluator)
      : eval_(evaluator), builder_(evaluator.builder()), space_(evaluator.space()) {}

  /// Whether all of them have a lane_reduction.
  bool fold(std::span<const int> reductions) const;
  /// What they begin with; `folds`: along lanes, which start from the identity.
  std::vector<loop::Reg> start(std::span<const int> reductions, bool folds);
  /// What has run so far, and this point.
  std::vector<loop::Reg> step(std::span<const int> reductions, bool folds,
                              const std::vector<loop::Reg>& running);
  /// The results of a reduction, of its running values.
  std::vector<loop::Reg> finish(int reduction, bool folds, std::vector<loop::Reg> running);
  /// The results of a reduction along lanes for 16 points, of their running values.
  loop::Reg finish_together(int reduction, std::vector<loop::Reg> running);
  /// How many running values a reduction has.
  std::size_t width(int reduction) const;

  /// `count` chains, a power of two (passes/lanes). Only where they `fold`.
  Chains start_chains(std::span<const int> reductions, std::vector<loop::Reg> carried, int count);
  /// The chains combined pairwise.
  std::vector<loop::Reg> join_chains(std::span<const int> reductions, Chains chains);

 private:
  const space::Reduction& reduction(int number) const {
    return space_.reductions[static_cast<std::size_t>(number)];
  }
  std::vector<loop::Reg> combined_with_point(const space::Reduction& reduction,
                                             std::span<const loop::Reg> running);
  std::optional<Choice> summed_choice(const space::Reduction& reduction) const;
  std::vector<const space::Reduction*> these(std::span<const int> reductions) const;

  Evaluator& eval_;
  loop::Builder& builder_;
  const space::Kernel& space_;
};

/// The registers of all chains, as a loop carries them; and back.
std::vector<loop::Reg> joined(const Chains& chains);
Chains apart(std::span<const loop::Reg> all, std::size_t chains);

}  // namespace kiln
