#include "passes/lanes.h"

#include "ir/build.h"
#include "ir/op.h"
#include "passes/chains.h"
#include "passes/evaluate.h"

namespace kiln {

using loop::Opcode;
using loop::Reg;
using space::Reduction;

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

std::vector<std::vector<Reg>> start_chains(loop::Builder& builder,
                                           const std::vector<const Reduction*>& reductions,
                                           std::vector<Reg> first, int count) {
  std::vector<std::vector<Reg>> chains{std::move(first)};
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
                             const std::vector<const Reduction*>& reductions,
                             std::vector<std::vector<Reg>> chains) {
  while (chains.size() > 1) {
    std::vector<std::vector<Reg>> halves;
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
