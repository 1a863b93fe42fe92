// A graph and its inputs as files: what a failure leaves behind, to be judged again.
#pragma once

#include <string>
#include <string_view>

#include "tests/random_graph.h"

namespace kiln::fuzz {

/// Writes BASE.mlir, below a comment, and the inputs as BASE.safetensors.
void write_graph(const RandomGraph& graph, std::string_view comment, const std::string& base);
/// Reads what write_graph has written; `path` is that of the .mlir file.
RandomGraph read_graph(const std::string& path);

}  // namespace kiln::fuzz
