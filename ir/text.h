// The text of a graph: StableHLO's own form, so that what is printed here parses in its tools.
//
//   func.func public @main(%arg0: tensor<64x10xf32> {kiln.name = "x"}) -> (tensor<64xf32>) {
//     %0 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
//     %1 = stablehlo.reduce(%arg0 init: %0) applies stablehlo.add across dimensions = [1] :
//     (tensor<64x10xf32>, tensor<f32>) -> tensor<64xf32> return %1 : tensor<64xf32>
//   }
//
// kiln's own facts are `kiln.*` attributes; state updated in place is `tf.aliasing_output` on the
// argument; a fused kernel is a called private func.func.
#pragma once

#include <string>

#include "ir/graph.h"

namespace kiln {

struct TextOptions {
  bool locations = false;  // loc("file":line:column) of the DSL call behind each op
};

/// A whole module: the function and, after it, each function it calls.
std::string to_text(const Function& function, const TextOptions& options = {});
/// The graph in Graphviz's language; kernels are boxes labelled with what they fuse.
std::string to_dot(const Function& function);
/// One line for a node, for messages and labels: "add f32[64, 10]".
std::string summary(const Node& node);

}  // namespace kiln
