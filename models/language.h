// The network of models/language.cpp, for whoever wants it by itself.
#pragma once

#include "runtime/kiln.h"

namespace kiln {

/// Reads words letter by letter; see models/language.cpp for the mathematics. Parameters
/// char_layer, hidden_layer, middle_layer and output_layer, each .weight and .bias.
struct LanguageNetwork : Module {
  LanguageNetwork(std::int64_t alphabet, std::int64_t hidden, std::int64_t languages)
      : alphabet(alphabet),
        char_layer(this, "char_layer", alphabet, hidden),
        hidden_layer(this, "hidden_layer", hidden, hidden),
        middle_layer(this, "middle_layer", hidden, hidden),
        output_layer(this, "output_layer", hidden, languages) {}

  /// The letters' numbers [N, length], of any integer type → scores [N, languages].
  Tensor operator()(const Tensor& words) const;

  std::int64_t alphabet;
  Linear char_layer, hidden_layer, middle_layer, output_layer;
};

}  // namespace kiln
