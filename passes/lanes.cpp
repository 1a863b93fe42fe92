#include "passes/lanes.h"

#include "ir/build.h"
#include "ir/op.h"
#include "passes/evaluate.h"

namespace kiln {

using loop::Opcode;
using loop::Reg;
using space::Reduction;

std::optional<Opcode> lane_reduction(const Reduction& reduction) {
  if (reduction.is_contraction() || reduction.inputs.size() != 1) return std::nullopt;
  const auto combiner = simple_combiner(*reduction.region);
  if (!combiner) return std::nullopt;
  const bool boolean = is_bool(reduction.region->parameters[0].dtype);
  switch (*combiner) {
    case Op::add:
      return boolean ? Opcode::reduce_or : Opcode::reduce_add;
    case Op::multiply:
      return boolean ? Opcode::reduce_and : Opcode::reduce_mul;
    case Op::maximum:
      return boolean ? Opcode::reduce_or : Opcode::reduce_max;
    case Op::minimum:
      return boolean ? Opcode::reduce_and : Opcode::reduce_min;
    case Op::and_:
      return Opcode::reduce_and;
    case Op::or_:
      return Opcode::reduce_or;
    case Op::xor_:
      return Opcode::reduce_xor;
    default:
      return std::nullopt;
  }
}

std::optional<Opcode> folding(const Reduction& reduction) {
  if (reduction.is_contraction())
    return is_bool(reduction.dtype) ? Opcode::reduce_or : Opcode::reduce_add;
  return lane_reduction(reduction);
}

Reg identity_of(loop::Builder& builder, const Reduction& reduction) {
  if (reduction.is_contraction()) return builder.constant({reduction.dtype, 1}, 0);
  const Region& region = *reduction.region;
  const DType dtype = region.parameters[0].dtype;
  const Op combiner = *simple_combiner(region);
  // -0 + x is x for every x; 0 + -0 is not -0.
  if (combiner == Op::add && is_float(dtype)) return builder.constant({dtype, 1}, -0.0);
  return constant_of(builder, *build::identity(region.results[0].graph(), combiner, dtype).node);
}

Reg lanes_below(loop::Builder& builder, int active) {
  const Reg lane = builder.index(loop::Affine(0), loop::kLanes);
  const Reg limit = builder.constant({DType::i64, loop::kLanes}, active);
  return builder.let(Opcode::lt, {lane, limit});
}

Chains start_chains(loop::Builder& builder, const std::vector<const Reduction*>& reductions,
                    std::vector<Reg> first, int count) {
  Chains chains{std::move(first)};
  for (int c = 1; c < count; ++c) {
    std::vector<Reg> identities;
    for (const Reduction* reduction : reductions)
      identities.push_back(builder.splat(identity_of(builder, *reduction),
                                         builder.type(chains[0][identities.size()]).lanes));
    chains.push_back(std::move(identities));
  }
  return chains;
}

std::vector<Reg> join_chains(loop::Builder& builder,
                             const std::vector<const Reduction*>& reductions, Chains chains) {
  while (chains.size() > 1) {
    Chains halves;
    for (std::size_t c = 0; c < chains.size(); c += 2) {
      std::vector<Reg> both;
      for (std::size_t r = 0; r < reductions.size(); ++r) {
        const Reg a = chains[c][r], b = chains[c + 1][r];
        if (reductions[r]->is_contraction()) {
          const bool bits = is_bool(reductions[r]->dtype);
          both.push_back(builder.let(bits ? Opcode::bit_or : Opcode::add, {a, b}));
        } else {
          both.push_back(evaluate_region(builder, *reductions[r]->region, std::vector{a, b})[0]);
        }
      }
      halves.push_back(std::move(both));
    }
    chains = std::move(halves);
  }
  return chains[0];
}

}  // namespace kiln
