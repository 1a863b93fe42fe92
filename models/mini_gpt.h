// The network of models/mini_gpt.cpp, for whoever wants it by itself.
#pragma once

#include "runtime/kiln.h"

namespace kiln {

struct GptShape {
  std::int64_t symbols = 65;
  std::int64_t size = 128;  // C
  std::int64_t heads = 4, blocks = 4;
  std::int64_t block_size = 128;  // T at most
};

/// A small GPT; see models/mini_gpt.cpp for the mathematics. Parameters transformer.wte.weight,
/// .wpe.weight, .h.0 (.ln_1, .attn.c_attn, .attn.c_proj, .ln_2, .mlp.c_fc, .mlp.c_proj, each
/// .weight and .bias), .h.1, …, .ln_f: nanoGPT's names and shapes.
class GptNetwork : public Module {
 public:
  explicit GptNetwork(const GptShape& shape) : shape_(shape), transformer_(this, shape) {}

  struct Guess {
    Tensor logits;                // [N, T, symbols], of what follows each character
    std::vector<Tensor> weights;  // of each block, [N, heads, T, T]: what each character looks at
  };
  /// Characters' numbers [N, T], of any integer type; throws Error where T is above block_size.
  Guess operator()(const Tensor& text) const;
  const GptShape& shape() const { return shape_; }

 private:
  struct Attention : Module {
    Attention(Module* parent, const GptShape& shape);
    Attended operator()(const Tensor& x) const;

    std::int64_t heads;
    Linear c_attn, c_proj;
  };
  struct Mlp : Module {
    Mlp(Module* parent, const GptShape& shape);
    Tensor operator()(const Tensor& x) const;

    Linear c_fc, c_proj;
  };
  struct Block : Module {
    Block(Module* parent, std::string name, const GptShape& shape);
    Attended operator()(const Tensor& x) const;

    LayerNorm ln_1;
    Attention attn;
    LayerNorm ln_2;
    Mlp mlp;
  };
  struct Transformer : Module {
    Transformer(Module* parent, const GptShape& shape);

    Embedding wte, wpe;
    ModuleList<Block> h;
    LayerNorm ln_f;
  };

  GptShape shape_;
  Transformer transformer_;
};

}  // namespace kiln
