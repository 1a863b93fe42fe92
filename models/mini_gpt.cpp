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

#include <algorithm>
#include <cmath>
#include <set>

#include "models/model.h"
#include "models/text_data.h"
#include "runtime/checkpoint.h"
#include "runtime/random.h"
#include "runtime/safetensors.h"

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
constexpr std::size_t kWritten = 300;     // characters of a sample
constexpr std::size_t kShown = 16;        // of the held-out text, that a sample goes on from
constexpr double kTemperature = 0.8;      // below 1: what is likely is written more often still

/// The bytes that occur, ascending.
Array bytes_of(const std::vector<std::span<const std::uint8_t>>& texts) {
  std::set<std::uint8_t> found;
  for (const std::span<const std::uint8_t> text : texts) found.insert(text.begin(), text.end());
  const std::vector<std::uint8_t> bytes(found.begin(), found.end());
  return Array::of<std::uint8_t>({static_cast<std::int64_t>(bytes.size())}, std::span(bytes));
}

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
  std::span<const std::uint8_t> bytes() const {
    return std::as_const(value_of(vocabulary.variable())).data<std::uint8_t>();
  }
  void check_knows(std::span<const std::uint8_t> text, const std::string& where) const {
    for (const std::uint8_t byte : text)
      if (!std::ranges::binary_search(bytes(), byte))
        throw Error(
            fmt::format("{}: expected characters of the text that was learned from, found "
                        "the byte {} ('{}')",
                        where, byte, name_of(static_cast<char>(byte))));
  }

  Buffer vocabulary;
};

std::span<const std::uint8_t> bytes_in(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

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
    std::vector<std::span<const std::uint8_t>> texts;
    for (const auto* samples : {&data.train, &data.validation})
      texts.push_back(std::as_const((*samples)[0][0]).data<std::uint8_t>());
    writer_ = std::make_unique<Writer>(bytes_of(texts));
    if (!options.resume.empty()) take_vocabulary(options.resume);
    for (const auto text : texts) writer_->check_knows(text, options.data);
    if (options.data.empty()) data.required = kCausalAttention;
    data.name += fmt::format("; {} symbols", writer_->shape().symbols);
    return data;
  }
  std::vector<Type> batch_types(std::int64_t batch) const override {
    return {Type{DType::ui8, {batch, kBlockSize + 1}}};
  }
  Defaults defaults() const override { return {.epochs = 6, .batch = 16, .lr = 1e-3}; }

  void show(const Dataset& data, const TrainOptions& options, Report& report) override {
    const std::span<const std::uint8_t> text =
        std::as_const(data.validation[0][0]).data<std::uint8_t>().first(kShown);
    const std::string prompt(text.begin(), text.end());
    if (!report.quiet()) write({prompt}, options.seed, report);
    if (report.draws()) draw(prompt, report);
  }
  void predict(const std::vector<std::string>& prompts, const TrainOptions& options,
               Report& report) override {
    if (options.resume.empty()) {
      report.print("without --checkpoint it has learned nothing yet:\n");
    } else {
      take_vocabulary(options.resume);
      load_checkpoint(options.resume, writer_->state());
    }
    writer_->eval();
    for (const std::string& prompt : prompts) {
      if (prompt.empty()) throw Error("mini-gpt: expected some text to go on from, found none");
      writer_->check_knows(bytes_in(prompt), report.model());
    }
    write(prompts, options.seed, report);
    if (report.draws()) draw(prompts[0].substr(0, kShown), report);
  }

 private:
  /// The network becomes one for the symbols of a checkpoint.
  void take_vocabulary(const std::string& path) {
    const NamedArrays tensors = load_safetensors(path).tensors;
    const auto found = tensors.find("vocabulary");
    if (found == tensors.end() || found->second.dtype() != DType::ui8 ||
        found->second.type().rank() != 1 || found->second.count() == 0)
      throw Error(fmt::format("{}: expected a tensor 'vocabulary' ui8[n], found none", path));
    if (!std::ranges::is_sorted(std::as_const(found->second).data<std::uint8_t>(),
                                std::less_equal<>()))
      throw Error(fmt::format("{}: expected 'vocabulary' to ascend", path));
    writer_ = std::make_unique<Writer>(found->second);
  }

  /// Each prompt, and what it goes on with.
  void write(const std::vector<std::string>& prompts, std::uint64_t seed, Report& report) {
    auto chances = jit([&](const Tensor& text, const Tensor& last) {
      const Tensor logits = squeeze((*writer_)(writer_->numbers(text)).logits, 0);
      return softmax(index_select(logits, 0, last) / kTemperature, 1);
    });
    for (const std::string& prompt : prompts) {
      Random random(seed);
      std::string text = prompt;
      while (text.size() < prompt.size() + kWritten) {
        // What comes after the last character is not looked at.
        const std::size_t seen = std::min<std::size_t>(text.size(), kBlockSize);
        Array window(Type{DType::ui8, {1, kBlockSize}});
        std::ranges::copy(bytes_in(text).last(seen), window.data<std::uint8_t>().begin());
        const Array next =
            chances(window, Array::of<std::int64_t>({1}, {static_cast<std::int64_t>(seen) - 1}));
        const std::span<const float> all = next.data<float>();
        std::size_t number = 0;
        for (float left = random.uniform() - all[0]; left >= 0 && number + 1 < all.size();)
          left -= all[++number];
        text += static_cast<char>(writer_->bytes()[number]);
      }
      report.print("after '{}' it writes:\n{}\n", prompt, text);
    }
  }

  /// What each character of the text looks at in the last block, by head.
  void draw(const std::string& text, Report& report) {
    auto look =
        jit([&](const Tensor& x) { return (*writer_)(writer_->numbers(x)).weights.back(); });
    const auto length = static_cast<std::int64_t>(text.size());
    const Array weights = look(Array::of<std::uint8_t>({1, length}, bytes_in(text)));
    Heatmaps plot{.title = report.model() + ": attention weights of the last block",
                  .x_label = "looked at",
                  .y_label = "character",
                  .columns = 2};
    for (const char c : text) plot.x_names.push_back(name_of(c));
    plot.y_names = plot.x_names;
    for (std::int64_t head = 0; head < writer_->shape().heads; ++head) {
      Array panel(Type{DType::f32, {length, length}});
      const std::size_t size = panel.bytes().size();
      std::ranges::copy(weights.bytes().subspan(static_cast<std::size_t>(head) * size, size),
                        panel.bytes().begin());
      plot.panels.push_back({fmt::format("head {}", head + 1), panel});
    }
    report.heatmaps("weights", plot);
  }

  std::unique_ptr<Writer> writer_ = std::make_unique<Writer>(bytes_of({bytes_in(kDayBook)}));
};

const Registration kMiniGpt{"mini-gpt", "a small GPT learns a text and writes more of it",
                            [] { return std::make_unique<MiniGpt>(); }};

}  // namespace
}  // namespace kiln
