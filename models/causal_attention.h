// The network of models/causal_attention.cpp, for whoever wants it by itself.
#pragma once

#include "runtime/kiln.h"

namespace kiln {

/// Guesses each next character; see models/causal_attention.cpp for the mathematics.
struct CausalNetwork : Module {
  CausalNetwork(std::int64_t symbols, std::int64_t size, std::int64_t block_size,
                CausalOptions options);

  struct Guess {
    Tensor logits;   // [N, T, symbols], of what follows each character
    Tensor weights;  // [N, T, T], what each character looks at
  };
  /// Characters' numbers [N, T], of any integer type; throws Error where T is above block_size.
  Guess operator()(const Tensor& text) const;

  Embedding characters, positions;
  CausalSelfAttention attention;
  Linear output_layer;
};

}  // namespace kiln
