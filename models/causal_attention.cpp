// causal-attention: one head of causal self-attention guesses each next character of a text.
//
//   h = E[characters] + P[0 … T-1]                       [T, C]
//   K = h W_kᵀ + b_k   Q = h W_qᵀ + b_q   V = h W_vᵀ + b_v
//   A = softmax(mask(K Qᵀ / √C))        mask: what is above the diagonal becomes -∞
//   logits = O (h + A V) + o            loss = -log softmax(logits)[next character], its mean
//
// C = 64, T up to 32 (block_size), minimised by Adam. The attention is the layer of Berkeley's CS
// 188 as an article (seed 004, question 6) solves it. It is written the other way round than usual
// (Vaswani and others, 2017: Q Kᵀ): row t of the scores is *key* t, and the softmax runs over the
// queries j ≤ t. As both come from h by a layer of their own, the two forms differ in names only,
// and one learns what the other does: k_layer is here what is elsewhere called the query. One
// consequence puzzles: b_q adds the same to all scores of a row, so its gradient is 0 (in the usual
// form b_k's is). The article also drops a batch axis by `[0]`, which is that of its 4-D mask, not
// the samples'. CausalOptions has the usual form, and heads.
//
// The text is --data FILE, any bytes, or the day book of models/day_book.cpp. The last tenth is
// held out, and what is to beat there is a bigram model (models/text_data.h), which sees one
// character; this one sees all of the piece so far.
#include "models/causal_attention.h"

#include "models/model.h"
#include "models/text_data.h"
#include "models/text_model.h"
#include "runtime/checkpoint.h"

namespace kiln {

CausalNetwork::CausalNetwork(std::int64_t symbols, std::int64_t size, std::int64_t block_size,
                             CausalOptions options)
    : characters(this, "characters", symbols, size),
      positions(this, "positions", block_size, size),
      attention(this, "attention", size, options),
      output_layer(this, "output_layer", size, symbols) {}

CausalNetwork::Guess CausalNetwork::operator()(const Tensor& text) const {
  const std::int64_t length = text.size(1), longest = positions.weight.type().dims[0];
  if (length > longest)
    throw Error(
        fmt::format("causal-attention: expected at most {} characters (block_size), found "
                    "{}",
                    longest, length));
  const Tensor h = characters(text) + narrow(positions.weight, 0, 0, length);
  const Attended attended = attention(h);
  return {output_layer(h + attended.output), attended.weights};
}

namespace {

constexpr int kSymbols = 256;  // bytes
constexpr int kSize = 64, kBlockSize = 32;
constexpr std::size_t kShown = 16;  // characters of the held-out text whose weights are drawn

class CausalAttention : public Learner {
 public:
  Module& module() override { return network_; }

  Tensor loss(const std::vector<Tensor>& batch) override {
    const std::int64_t length = batch[0].size(1) - 1;
    const Tensor logits = network_(narrow(batch[0], 1, 0, length)).logits;
    return cross_entropy(flatten(logits, 0, 1), flatten(narrow(batch[0], 1, 1, length)));
  }
  Metric metric() const override {
    return {.name = "nats", .lower_is_better = true, .is_loss = true};
  }
  std::unique_ptr<Optimizer> optimizer(double lr) const override {
    return std::make_unique<Adam>(AdamOptions{.lr = lr});
  }
  Dataset load(const TrainOptions& options) override { return load_text(options.data, kBlockSize); }
  std::vector<Type> batch_types(std::int64_t batch) const override {
    return {Type{DType::ui8, {batch, kBlockSize + 1}}};
  }
  Defaults defaults() const override { return {.epochs = 10, .batch = 32, .lr = 3e-3}; }

  void show(const Dataset& data, const TrainOptions&, Report& report) override {
    if (!report.quiet()) print("cat", report);
    const std::span<const std::uint8_t> text = data.validation[0][0].data<std::uint8_t>();
    const std::string shown(text.begin(), text.begin() + kShown);
    if (report.draws()) draw_looks(shown, weights(shown), report);
  }
  void predict(const std::vector<std::string>& texts, const TrainOptions& options,
               Report& report) override {
    if (!options.resume.empty()) load_checkpoint(options.resume, network_.state());
    network_.eval();
    for (const std::string& text : texts) print(text, report);
    if (report.draws()) draw_looks(texts[0], weights(texts[0]), report);
  }

 private:
  /// What each character of the text looks at, [T, T].
  Array weights(const std::string& text) {
    if (text.empty()) throw Error("causal-attention: expected some text, found none");
    auto look = jit([&](const Tensor& x) { return squeeze(network_(x).weights, 0); });
    return look(
        Array::of<std::uint8_t>({1, static_cast<std::int64_t>(text.size())}, bytes_in(text)));
  }

  void print(const std::string& text, Report& report) {
    const Array all = weights(text);
    std::string table = fmt::format("{:<8}", "");
    for (const char c : text) table += fmt::format("{:>8}", name_of(c));
    for (std::size_t row = 0; row < text.size(); ++row) {
      table += fmt::format("\n{:<8}", name_of(text[row]));
      for (std::size_t column = 0; column < text.size(); ++column)
        table += fmt::format("{:>8.4f}", all.data<float>()[row * text.size() + column]);
    }
    report.print("what each character (row) looks at:\n{}\n", table);
  }

  CausalNetwork network_{
      kSymbols, kSize, kBlockSize, {.rows = CausalOptions::Rows::keys, .block_size = kBlockSize}};
};

const Registration kCausalAttention{"causal-attention",
                                    "causal self-attention guesses a text's next character",
                                    [] { return std::make_unique<CausalAttention>(); }};

}  // namespace
}  // namespace kiln
