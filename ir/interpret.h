// The reference: runs a graph op by op as the table's `reference` cells define it. Slow and plain;
// what every compiled mode must agree with.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// The results of a region given its parameters' values.
std::vector<Array> interpret(const Region& region, std::span<const Array> arguments);
/// The results of a function; throws Error when the arguments' number or types are not its own.
std::vector<Array> interpret(const Function& function, std::span<const Array> arguments);

/// A region made ready to be run often: its order is found and its constants are evaluated once.
class Interpreter {
 public:
  explicit Interpreter(const Region& region);
  std::vector<Array> operator()(std::span<const Array> arguments);

 private:
  struct Step {
    const Node* node;
    std::vector<std::size_t> operands;  // slots
    std::size_t first;                  // slot of the first result; the others follow
  };
  std::vector<Step> steps_;
  std::vector<std::pair<std::size_t, std::size_t>> parameters_;  // slot, argument
  std::vector<std::size_t> results_;                             // slots
  std::vector<Array> slots_;
};

/// A region of scalars on arrays of these extents, element by element, made in `graph`; none where
/// it does more than element-wise ops.
std::optional<Region> on_arrays(Graph& graph, const Region& region, const Ints& dims);

/// A region of scalars (what a reduce, a scatter or a sort applies) for whole arrays at once,
/// element by element; every step is rounded to its declared type, just as on scalars. The
/// combiners of people are element-wise ops, so one pass over the region serves all elements.
class RegionMap {
 public:
  /// For arrays of these extents.
  RegionMap(const Region& region, Ints dims);
  RegionMap(const RegionMap&) = delete;
  RegionMap& operator=(const RegionMap&) = delete;
  std::vector<Array> operator()(std::span<const Array> arguments);

 private:
  Graph graph_;
  Ints dims_;
  std::vector<DType> results_;
  bool scalar_ = false;  // the region runs on one element at a time
  std::optional<Interpreter> interpreter_;
};

}  // namespace kiln
