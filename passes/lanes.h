// Reductions along a vector: lanes that are folded at the end, chains that run side by side.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "ir/loop.h"
#include "ir/space.h"

namespace kiln {

/// The operation that folds the lanes of a reduction's running value, where there is one and the
/// reduction is no sum of products.
std::optional<loop::Opcode> lane_reduction(const space::Reduction& reduction);
/// The same of any reduction; a sum of products adds them up.
std::optional<loop::Opcode> folding(const space::Reduction& reduction);

/// What a reduction that has a folding may begin with, any number of times: one lane.
loop::Reg identity_of(loop::Builder& builder, const space::Reduction& reduction);

/// An i1 for each lane: whether it is one of the first `active`.
loop::Reg lanes_below(loop::Builder& builder, int active);

/// A reduction over [0, n), kLanes points at a time, of reductions that have foldings: `carried`
/// goes through point(position, active lanes, running values) in a few interleaved chains, as one
/// alone would be as slow as the latency of its steps. How many follows from n.
template <class PointFn>
std::vector<loop::Reg> in_chains(loop::Builder& builder,
                                 const std::vector<const space::Reduction*>& reductions,
                                 std::int64_t n, std::vector<loop::Reg> carried,
                                 const PointFn& point);

// ---- how

/// For each chain the running values of some reductions, one after the other.
using Chains = std::vector<std::vector<loop::Reg>>;

/// Chains that begin with `first` and with identities.
Chains start_chains(loop::Builder& builder, const std::vector<const space::Reduction*>& reductions,
                    std::vector<loop::Reg> first, int count);
/// The chains, a power of two, combined by halves.
std::vector<loop::Reg> join_chains(loop::Builder& builder,
                                   const std::vector<const space::Reduction*>& reductions,
                                   Chains chains);

inline constexpr int kChains = 4;

template <class PointFn>
std::vector<loop::Reg> in_chains(loop::Builder& builder,
                                 const std::vector<const space::Reduction*>& reductions,
                                 std::int64_t n, const std::vector<loop::Affine>& ends,
                                 std::vector<loop::Reg> carried, const PointFn& point) {
  using loop::Affine;
  using loop::kLanes;
  using loop::Reg;
  constexpr std::int64_t kRound = std::int64_t{kLanes} * kChains;
  const std::int64_t rounds = n / kRound, full = n / kLanes * kLanes;
  std::int64_t done = 0;
  if (rounds >= 1) {
    done = rounds * kRound;
    const std::size_t width = carried.size();
    std::vector<Reg> all;
    for (const auto& chain : start_chains(builder, reductions, std::move(carried), kChains))
      all.insert(all.end(), chain.begin(), chain.end());
    const auto round = [&](const Affine& at, const std::vector<Reg>& now) {
      std::vector<Reg> next;
      for (std::size_t c = 0; c < kChains; ++c) {
        const auto first = now.begin() + static_cast<std::ptrdiff_t>(c * width);
        const std::vector<Reg> chain =
            point(at + Affine(static_cast<std::int64_t>(c) * kLanes), kLanes,
                  std::vector<Reg>(first, first + static_cast<std::ptrdiff_t>(width)));
        next.insert(next.end(), chain.begin(), chain.end());
      }
      return next;
    };
    std::vector<Affine> upper{done};
    if (ends.size() > 1) upper.insert(upper.end(), ends.begin() + 1, ends.end());
    all = rounds == 1 ? round(0, all)
                      : builder.loop("r", {0}, upper, kRound, all,
                                     [&](loop::Var at, const std::vector<Reg>& now) {
                                       return round(Affine::of(at), now);
                                     });
    Chains chains;
    for (std::size_t c = 0; c < kChains; ++c)
      chains.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(c * width),
                          all.begin() + static_cast<std::ptrdiff_t>((c + 1) * width));
    carried = join_chains(builder, reductions, std::move(chains));
  }
  for (; done < full; done += kLanes) carried = point(done, kLanes, std::move(carried));
  if (full < n) carried = point(full, static_cast<int>(n - full), std::move(carried));
  return carried;
}

}  // namespace kiln
