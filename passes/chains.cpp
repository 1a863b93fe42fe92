#include "passes/chains.h"

#include <algorithm>
#include <cmath>

#include "ir/op.h"

namespace kiln {

using loop::Affine;
using loop::kLanes;
using loop::Reg;
using space::Expr;

bool Running::fold(std::span<const int> reductions) const {
  return std::all_of(reductions.begin(), reductions.end(),
                     [&](int r) { return lane_reduction(reduction(r)).has_value(); });
}

std::size_t Running::width(int number) const {
  return reduction(number).inputs.size() - (reduction(number).is_contraction() ? 1 : 0);
}

std::vector<Reg> Running::start(std::span<const int> reductions, bool folds) {
  std::vector<Reg> running;
  for (int r : reductions) {
    if (reduction(r).is_contraction()) {
      running.push_back(builder_.constant({reduction(r).dtype, eval_.lanes()}, 0));
    } else if (folds) {
      running.push_back(builder_.splat(identity_of(builder_, reduction(r)), kLanes));
    } else {
      for (int initial : reduction(r).initial) running.push_back(eval_.eval_vector(initial));
    }
  }
  return running;
}

std::vector<Reg> Running::step(std::span<const int> reductions, bool folds,
                               const std::vector<Reg>& running) {
  std::vector<Reg> next;
  for (int r : reductions) {
    const std::span<const Reg> now(running.data() + next.size(), width(r));
    for (Reg combined : combined_with_point(reduction(r), now)) {
      // Lanes beyond the row keep what they had.
      const bool partial = folds && eval_.active() < kLanes;
      next.push_back(
          partial ? builder_.let(loop::Opcode::select, {lanes_below(builder_, eval_.active()),
                                                        combined, running[next.size()]})
                  : combined);
    }
  }
  return next;
}

std::vector<Reg> Running::finish(int number, bool folds, std::vector<Reg> running) {
  if (!folds) return running;
  const Reg folded = builder_.let(*lane_reduction(reduction(number)), {running[0]});
  const Reg initial = eval_.eval(reduction(number).initial[0]);
  return eval_.combine(reduction(number), std::vector{initial}, std::vector{folded});
}

Reg Running::finish_together(int number, std::vector<Reg> running) {
  running.resize(kLanes, running.back());  // lanes that nobody reads
  const Reg folded = builder_.let(*lane_reduction(reduction(number)), std::move(running));
  const Reg initial = eval_.eval_vector(reduction(number).initial[0]);
  return eval_.combine(reduction(number), std::vector{initial}, std::vector{folded})[0];
}

Chains Running::start_chains(std::span<const int> reductions, std::vector<Reg> carried, int count) {
  return kiln::start_chains(builder_, these(reductions), std::move(carried), count);
}

std::vector<Reg> Running::join_chains(std::span<const int> reductions, Chains chains) {
  return kiln::join_chains(builder_, these(reductions), std::move(chains));
}

std::vector<const space::Reduction*> Running::these(std::span<const int> reductions) const {
  std::vector<const space::Reduction*> these;
  for (int r : reductions) these.push_back(&reduction(r));
  return these;
}

/// What has run so far, and this point.
std::vector<Reg> Running::combined_with_point(const space::Reduction& reduction,
                                              std::span<const Reg> running) {
  if (const std::optional<Choice> choice = summed_choice(reduction)) {
    const Reg value = eval_.eval_vector(choice->value);
    const Reg sum = eval_.combine(reduction, running, std::span(&value, 1))[0];
    return {builder_.let(loop::Opcode::select,
                         {eval_.eval_vector(choice->condition), sum, running[0]})};
  }
  std::vector<Reg> inputs;
  for (int input : reduction.inputs) inputs.push_back(eval_.eval_vector(input));
  return eval_.combine(reduction, running, inputs);
}

/// Of a sum, from 0, of what a condition chooses and 0 otherwise: adding only what is chosen can
/// change no more than the sign of a zero, and 0 is added in the end.
std::optional<Choice> Running::summed_choice(const space::Reduction& reduction) const {
  if (reduction.is_contraction() || reduction.inputs.size() != 1 ||
      simple_combiner(*reduction.region) != Op::add)
    return std::nullopt;
  const Expr& initial = space_.exprs[static_cast<std::size_t>(reduction.initial[0])];
  if (initial.kind != Expr::Kind::constant || !is_float(initial.dtype) ||
      std::signbit(initial.node->attrs<ConstantAttrs>().value.as_double(0)))
    return std::nullopt;
  return choice_or_zero(space_, reduction.inputs[0]);
}

std::vector<Reg> joined(const Chains& chains) {
  std::vector<Reg> all;
  for (const auto& chain : chains) all.insert(all.end(), chain.begin(), chain.end());
  return all;
}

Chains apart(std::span<const Reg> all, std::size_t count) {
  Chains chains;
  const std::size_t width = all.size() / count;
  for (std::size_t c = 0; c < count; ++c) {
    const auto one = all.subspan(c * width, width);
    chains.emplace_back(one.begin(), one.end());
  }
  return chains;
}

}  // namespace kiln
