// language: a recurrent network reads a word letter by letter and says which of five languages it
// is of: English, Spanish, Finnish, Dutch or Polish.
//
//   h₁ = relu(C x₁ + c)
//   hᵢ = relu(M relu(C xᵢ + c + H hᵢ₋₁ + d) + m)      i = 2 … length
//   scores = O h + o         loss = -1/N Σ log softmax(scores)[language],  minimised by Adam
//
// xᵢ is letter i as a one-hot vector of 47; C is char_layer, H hidden_layer, M middle_layer, O
// output_layer, all with 256 hidden units. This is the exercise on language identification of
// Berkeley's CS 188 as an article (seed 004, question 4) solves it, whose middle layer is inside
// the loop: a word of one letter never meets it, nor the hidden layer, and their gradients are then
// 0.
//
// A batch has words of one length only, so nothing is padded. A length is a trace of its own, but
// the recurrence is a loop of the graph (scan): its body is the same kernels whatever the length,
// which are not compiled again for a further one (CompiledProgram::compile), and a word of 14
// letters compiles as fast as one of 3. Unrolled, a step takes the same time (3.3 ms for 8 letters,
// 5.8 looped and 6.4 unrolled for 14), and 14 letters took 267 ms to compile instead of 179.
//
// The words are Debian's, --data /usr/share/dict with the packages wamerican, wspanish, wdutch,
// wpolish and dict-freedict-fin-eng, or a few hundred common ones of each language that come with
// kiln; see models/word_lists.h. Common words alone are too few to learn spelling well.
#include "models/language.h"

#include <cctype>

#include "models/model.h"
#include "models/word_lists.h"
#include "runtime/checkpoint.h"

namespace kiln {

Tensor LanguageNetwork::operator()(const Tensor& words) const {
  // All letters at once, [length, N, hidden]: the loop adds what depends on the letters before.
  const Tensor letters = char_layer(one_hot(transpose(words, 0, 1), alphabet));
  const Tensor first = relu(select(letters, 0, 0));
  if (words.size(1) == 1) return output_layer(first);
  const auto read = [&](const std::vector<Tensor>& h, const std::vector<Tensor>& letter) {
    return Scanned{{relu(middle_layer(relu(letter[0] + hidden_layer(h[0]))))}, {}};
  };
  const Tensor rest = narrow(letters, 0, 1, words.size(1) - 1);
  return output_layer(scan(read, {first}, {rest}).carry[0]);
}

namespace {

constexpr int kHidden = 256;
constexpr int kLanguageCount = static_cast<int>(kLanguages.size());
constexpr int kLongestAsked = 40;  // letters of a word that a user asks about

class Language : public Learner {
 public:
  Module& module() override { return network_; }

  Tensor loss(const std::vector<Tensor>& batch) override {
    return cross_entropy(network_(batch[0]), batch[1]);
  }
  Tensor score(const std::vector<Tensor>& batch) override {
    return sum(to(eq(answer(batch[0]), to(batch[1], DType::i64)), DType::f32));
  }
  Metric metric() const override { return {"accuracy"}; }

  std::unique_ptr<Optimizer> optimizer(double lr) const override {
    return std::make_unique<Adam>(AdamOptions{.lr = lr});
  }
  std::vector<std::string> data_sets() const override { return with_installed_words({""}); }
  Dataset load(const TrainOptions& options) override { return load_words(options.data); }
  std::vector<Type> batch_types(std::int64_t batch) const override {
    return {Type{DType::ui8, {batch, 7}}, Type{DType::i32, {batch}}};
  }
  Defaults defaults() const override {
    return {.epochs = 25, .batch = 64, .lr = 1e-3, .stop = 0.9};
  }

  void show(const Dataset& data, const TrainOptions&, Report& report) override {
    if (!report.quiet()) print({"window", "ventana", "ikkuna", "venster", "okno"}, report);
    if (report.draws()) draw_confusion(data.validation, report);
  }
  void predict(const std::vector<std::string>& words, const TrainOptions& options,
               Report& report) override {
    if (options.resume.empty())
      throw Error("language: expected --checkpoint FILE, as kiln train language writes it");
    load_checkpoint(options.resume, network_.state());
    network_.eval();
    print(words, report);
  }

 private:
  Tensor answer(const Tensor& words) const { return argmax(network_(words), 1); }

  /// The probability of each language, a word a line.
  void print(const std::vector<std::string>& words, Report& report) {
    auto probabilities = jit([&](const Tensor& word) { return softmax(network_(word), 1); });
    std::string table = fmt::format("{:<16}", "word");
    for (const std::string_view language : kLanguages) table += fmt::format("{:>9}", language);
    table += '\n';
    for (std::string word : words) {
      for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      const std::vector<std::uint8_t> letters = letters_of(word, kLongestAsked);
      const Array row = probabilities(Array::of<std::uint8_t>(
          {1, static_cast<std::int64_t>(letters.size())}, std::span(letters)));
      table += fmt::format("{:<16}", word);
      for (const float p : row.data<float>()) table += fmt::format("{:>9.4f}", p);
      table += '\n';
    }
    report.print("{}", table);
  }

  /// Of each language's words held out, the share that was taken for each language.
  void draw_confusion(const std::vector<Samples>& groups, Report& report) {
    auto count = jit([&](const Tensor& words, const Tensor& languages) {
      return matmul(transpose(one_hot(languages, kLanguageCount), 0, 1),
                    one_hot(answer(words), kLanguageCount));
    });
    Array shares(Type{DType::f32, {kLanguageCount, kLanguageCount}});
    for (const Samples& group : groups) {
      const Array counts = count(group[0], group[1]);
      for (std::int64_t i = 0; i < shares.count(); ++i)
        shares.data<float>()[static_cast<std::size_t>(i)] +=
            counts.data<float>()[static_cast<std::size_t>(i)];
    }
    for (std::size_t row = 0; row < kLanguages.size(); ++row) {
      const std::span<float> all = shares.data<float>().subspan(row * kLanguages.size(), 5);
      float total = 0;
      for (const float n : all) total += n;
      for (float& n : all) n /= std::max(total, 1.0F);
    }
    const std::vector<std::string> names(kLanguages.begin(), kLanguages.end());
    report.heatmaps("confusion", {.title = "language: share of the words held out",
                                  .x_label = "language said",
                                  .y_label = "language of the word",
                                  .panels = {{.values = shares}},
                                  .show_values = true,
                                  .x_names = names,
                                  .y_names = names});
  }

  LanguageNetwork network_{kAlphabetSize, kHidden, kLanguageCount};
};

const Registration kLanguage{"language", "a recurrent network tells five languages by their words",
                             [] { return std::make_unique<Language>(); }};

}  // namespace
}  // namespace kiln
