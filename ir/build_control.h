// Control flow as functions of values and lambdas. What a lambda uses from outside is captured: it
// becomes a further carried value of a while, passed through unchanged, or a further operand of a
// case. Regions stay closed (ir/graph.h).
//
//   build::while_({i, x}, [&](auto v) { return build::compare(v[0], n, Direction::LT); },
//                 [&](auto v) { return std::vector{build::add(v[0], one), build::add(v[1], y)}; })
//   is   while(i, x, n, y) with a body of four parameters and results; its first two results
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "ir/graph.h"

namespace kiln::build {

/// A region being written: its results, over values that stand for its parameters.
struct OpenRegion {
  std::vector<Value> parameters;
  std::vector<Value> results;
};

/// Values that nothing in the graph depends on yet, to stand for a region's parameters. (They are
/// parameters of numbers that nobody else uses; a real one would be the same node as its namesake
/// outside.)
std::vector<Value> placeholders(Graph& graph, std::span<const Type> types);

/// The region whose parameters are what the placeholders stand for. `captures` stand for further
/// parameters: values from outside. What depends on neither may only be built of leaves.
Region close(const OpenRegion& open, std::span<const Value> captures = {});

/// What regions use of the graph outside them, each once: parameters that are not their own, and
/// what existed before node number `begin` was made, as far as it depends on parameters.
std::vector<Value> captures_of(std::span<const OpenRegion> regions, int begin);

using CarriedFn = std::function<std::vector<Value>(std::span<const Value> carried)>;
using ConditionFn = std::function<Value(std::span<const Value> carried)>;
using BranchFn = std::function<std::vector<Value>()>;

/// While the condition (an i1 scalar) of the carried values holds, the body gives the next ones, of
/// the same types. Returns the last ones.
std::vector<Value> while_(std::vector<Value> carried, const ConditionFn& condition,
                          const CarriedFn& body, const Location& where = {});

/// The results of the branch that `index` (an i32 scalar) names, of the last one where it names
/// none. Branches give results of the same types.
std::vector<Value> case_(Value index, std::span<const BranchFn> branches,
                         const Location& where = {});
/// Those of one of two branches; `condition` is an i1 scalar.
std::vector<Value> if_(Value condition, const BranchFn& yes, const BranchFn& no,
                       const Location& where = {});

using CountedFn = std::function<std::vector<Value>(Value i, std::span<const Value> carried)>;
/// for (i = 0; i < trips; ++i) carried = body(i, carried), with i an i64 scalar: a while whose trip
/// count passes/trip_count finds.
std::vector<Value> counted(Graph& graph, std::int64_t trips, std::vector<Value> carried,
                           const CountedFn& body, const Location& where = {});

}  // namespace kiln::build
