// mini-gpt: a small GPT guesses each next character of a text, and writes more of it.
//
//   x = E[characters] + P[0 … T-1]                                          [T, C]
//   four times:  x ← x + Attention(LayerNorm(x))        x ← x + MLP(LayerNorm(x))
//   logits = LayerNorm(x) Eᵀ            loss = -log softmax(logits)[next character], its mean
//
//   Attention(h) = W_o [A₁ V₁ … A₄ V₄] + b_o,  Aᵢ = softmax(mask(Qᵢ Kᵢᵀ / √(C/4)))   4 heads
//   MLP(h) = W₂ gelu(W₁ h + b₁) + b₂                                        C → 4 C → C
//
// with C = 128 and T up to 128 (block_size), batches of 16, minimised by AdamW (Loshchilov and
// Hutter, 2019). It is GPT-2 (Radford and others, "Language models are unsupervised multitask
// learners", 2019) made small: the norms come before what they feed, so that x itself runs from
// layer to layer unchanged but for what is added, and one table E serves both to read characters
// and to score them ("tied"; Press and Wolf, 2017). E starts small, N(0, 0.02), as GPT-2's does:
// with N(0, 1) the first logits would have a spread of √C.
//
// The text is that of models/causal_attention, or --data FILE. The symbols are the bytes that occur
// in it (46 in the day book; the 65 of the workload mini_gpt are those of Karpathy's Shakespeare);
// a checkpoint holds them as "vocabulary". What is to beat on the day book is what causal-attention
// reaches, with one layer and a view of 32 characters; on other texts the bigram model.
// Parameters have the names of Karpathy's nanoGPT, whose checkpoints (without dropout) are of the
// same function.
#include "models/mini_gpt.h"

#include "models/model.h"
#include "models/text_data.h"
#include "models/text_model.h"
#include "runtime/checkpoint.h"

namespace kiln {

GptNetwork::Attention::Attention(Module* parent, const GptShape& shape)
    : Module(parent, "attn"),
      heads(shape.heads),
      c_attn(this, "c_attn", shape.size, 3 * shape.size),
      c_proj(this, "c_proj", shape.size, shape.size) {}

Attended GptNetwork::Attention::operator()(const Tensor& x) const {
  std::vector<Tensor> qkv;  // each [N, heads, T, C / heads]
  for (const Tensor& part : chunk(c_attn(x), 3, -1))
    qkv.push_back(transpose(unflatten(part, -1, {heads, -1}), 1, 2));
  const Attended seen = scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], {.is_causal = true});
  return {c_proj(flatten(transpose(seen.output, 1, 2), 2, 3)), seen.weights};
}

GptNetwork::Mlp::Mlp(Module* parent, const GptShape& shape)
    : Module(parent, "mlp"),
      c_fc(this, "c_fc", shape.size, 4 * shape.size),
      c_proj(this, "c_proj", 4 * shape.size, shape.size) {}

Tensor GptNetwork::Mlp::operator()(const Tensor& x) const { return c_proj(gelu(c_fc(x))); }

GptNetwork::Block::Block(Module* parent, std::string name, const GptShape& shape)
    : Module(parent, std::move(name)),
      ln_1(this, "ln_1", {shape.size}),
      attn(this, shape),
      ln_2(this, "ln_2", {shape.size}),
      mlp(this, shape) {}

Attended GptNetwork::Block::operator()(const Tensor& x) const {
  const Attended seen = attn(ln_1(x));
  const Tensor added = x + seen.output;
  return {added + mlp(ln_2(added)), seen.weights};
}

GptNetwork::Transformer::Transformer(Module* parent, const GptShape& shape)
    : Module(parent, "transformer"),
      wte(this, "wte", shape.symbols, shape.size, Initializer::normal(0, 0.02)),
      wpe(this, "wpe", shape.block_size, shape.size, Initializer::normal(0, 0.02)),
      h(this, "h"),
      ln_f(this, "ln_f", {shape.size}) {
  for (std::int64_t i = 0; i < shape.blocks; ++i) h.add(shape);
}

GptNetwork::Guess GptNetwork::operator()(const Tensor& text) const {
  const std::int64_t length = text.size(1);
  if (length > shape_.block_size)
    throw Error(fmt::format("mini-gpt: expected at most {} characters (block_size), found {}",
                            shape_.block_size, length));
  Guess guess;
  Tensor x = transformer_.wte(text) + narrow(transformer_.wpe.weight, 0, 0, length);
  for (const Block& block : transformer_.h) {
    const Attended seen = block(x);
    x = seen.output;
    guess.weights.push_back(seen.weights);
  }
  guess.logits = linear(transformer_.ln_f(x), transformer_.wte.weight);
  return guess;
}

namespace {

constexpr int kBlockSize = 128;
constexpr double kCausalAttention = 1.2;  // nats a character of the day book
constexpr std::size_t kShown = 16;        // of the held-out text, for a sample and a picture
constexpr double kTemperature = 0.8;      // below 1: what is likely is written more often still

/// A network, and the bytes that its symbols stand for.
struct Writer : GptNetwork {
  explicit Writer(const Array& bytes)
      : GptNetwork({.symbols = bytes.count(), .block_size = kBlockSize}),
        vocabulary(buffer("vocabulary", bytes.dims(), Initializer::constant(0), DType::ui8)) {
    value_of(vocabulary.variable()) = bytes.clone();
  }
  /// A byte's number is how many of the vocabulary are smaller.
  Tensor numbers(const Tensor& text) const {
    return sum(to(lt(vocabulary, unsqueeze(text, -1)), DType::i32), {-1});
  }
  const Array& bytes() const { return value_of(vocabulary.variable()); }

  Buffer vocabulary;
};

class MiniGpt : public Learner {
 public:
  Module& module() override { return *writer_; }

  Tensor loss(const std::vector<Tensor>& batch) override {
    const Tensor numbers = writer_->numbers(batch[0]);
    const std::int64_t length = numbers.size(1) - 1;
    const Tensor logits = (*writer_)(narrow(numbers, 1, 0, length)).logits;
    return cross_entropy(flatten(logits, 0, 1), flatten(narrow(numbers, 1, 1, length)));
  }
  Metric metric() const override {
    return {.name = "nats", .lower_is_better = true, .is_loss = true};
  }
  std::unique_ptr<Optimizer> optimizer(double lr) const override {
    return std::make_unique<AdamW>(AdamWOptions{.lr = lr});
  }
  Dataset load(const TrainOptions& options) override {
    Dataset data = load_text(options.data, kBlockSize);
    const auto train = std::as_const(data.train[0][0]).data<std::uint8_t>(),
               held_out = std::as_const(data.validation[0][0]).data<std::uint8_t>();
    // A checkpoint's network goes on with its own symbols.
    writer_ = std::make_unique<Writer>(options.resume.empty() ? vocabulary_of({train, held_out})
                                                              : vocabulary_in(options.resume));
    for (const auto text : {train, held_out}) check_known(text, writer_->bytes(), options.data);
    if (options.data.empty()) data.required = kCausalAttention;
    data.name += fmt::format("; {} symbols", writer_->shape().symbols);
    return data;
  }
  std::vector<Type> batch_types(std::int64_t batch) const override {
    return {Type{DType::ui8, {batch, kBlockSize + 1}}};
  }
  Defaults defaults() const override { return {.epochs = 6, .batch = 16, .lr = 1e-3}; }

  void show(const Dataset& data, const TrainOptions& options, Report& report) override {
    const auto text = std::as_const(data.validation[0][0]).data<std::uint8_t>().first(kShown);
    write({std::string(text.begin(), text.end())}, options.seed, report);
  }
  void predict(const std::vector<std::string>& prompts, const TrainOptions& options,
               Report& report) override {
    if (options.resume.empty()) {
      report.print("without --checkpoint it has learned nothing yet:\n");
    } else {
      writer_ = std::make_unique<Writer>(vocabulary_in(options.resume));
      load_checkpoint(options.resume, writer_->state());
    }
    writer_->eval();
    for (const std::string& prompt : prompts) {
      if (prompt.empty()) throw Error("mini-gpt: expected some text to go on from, found none");
      check_known(bytes_in(prompt), writer_->bytes(), report.model());
    }
    write(prompts, options.seed, report);
  }

 private:
  /// Prints each prompt with what it goes on with; draws what the first one's characters look at.
  void write(const std::vector<std::string>& prompts, std::uint64_t seed, Report& report) {
    auto chances = jit([&](const Tensor& text, const Tensor& last) {
      const Tensor logits = squeeze((*writer_)(writer_->numbers(text)).logits, 0);
      return softmax(index_select(logits, 0, last) / kTemperature, 1);
    });
    for (const std::string& prompt : report.quiet() ? std::vector<std::string>() : prompts)
      report.print("after '{}' it writes:\n{}\n", prompt,
                   continued(prompt, writer_->bytes(), kBlockSize, chances, seed));
    if (!report.draws()) return;
    auto look = jit([&](const Tensor& x) {
      return squeeze((*writer_)(writer_->numbers(x)).weights.back(), 0);
    });
    const std::string shown = prompts[0].substr(0, kShown);
    const Array text =
        Array::of<std::uint8_t>({1, static_cast<std::int64_t>(shown.size())}, bytes_in(shown));
    draw_looks(shown, look(text), report);
  }

  std::unique_ptr<Writer> writer_ = std::make_unique<Writer>(vocabulary_of({bytes_in(kDayBook)}));
};

const Registration kMiniGpt{"mini-gpt", "a small GPT learns a text and writes more of it",
                            [] { return std::make_unique<MiniGpt>(); }};

}  // namespace
}  // namespace kiln
