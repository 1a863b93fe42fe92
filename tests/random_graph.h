// Random graphs: typed, well formed, of every op, with shared sub-graphs, odd shapes, several
// results, gradients and state. A graph is a function of its seed and options alone.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/graph.h"

namespace kiln {

struct RandomGraphOptions {
  int steps = 24;                // each adds a few nodes
  std::int64_t elements = 3000;  // at most, of a value
  bool state = true;             // arguments updated in place
  bool gradients = true;         // of sub-graphs, by passes/autodiff
  bool control = true;           // loops and branches
};

struct RandomGraph {
  Function function;
  std::vector<Array> inputs;
  int loop_gradients = 0;  // gradients that went through a loop
};

/// Those of the fuzzer's graph of this seed: small graphs and large ones, small values and large
/// ones.
RandomGraphOptions options_of(std::uint64_t seed);
RandomGraph random_graph(std::uint64_t seed, const RandomGraphOptions& options = {});

}  // namespace kiln
