#include "models/image_classifier.h"

#include <algorithm>

#include "models/draw_digits.h"
#include "models/image_data.h"
#include "runtime/checkpoint.h"
#include "runtime/idx.h"

namespace kiln {
namespace {

constexpr int kDrawnTrain = 20000, kDrawnValidation = 5000;
constexpr std::int64_t kSide = 28, kClasses = 10;

Tensor pixels(const Tensor& images) {
  const Tensor values = images.dtype() == DType::ui8 ? to(images, DType::f32) / 255.0 : images;
  return reshape(values, {-1, kSide, kSide});
}

struct Mistake {
  Array image;
  std::int64_t is, said;
  double loss;
};

/// What a classifier answers to samples.
struct Answers {
  Array confusion = Array(Type{DType::i64, {kClasses, kClasses}});
  std::vector<Mistake> mistakes;  // the worst first
};

Answers answers(ImageClassifier& model, const std::vector<Samples>& samples) {
  Jit<std::vector<Tensor>> answer([&](const std::vector<Tensor>& batch) {
    const Tensor scores = model.scores(pixels(batch[0]));
    return std::vector{argmax(scores, 1),
                       cross_entropy(scores, batch[1], {.reduction = Reduction::none})};
  });
  Answers found;
  DataLoader loader(samples, 1000, false);
  for (std::int64_t i = 0; i < loader.batches(); ++i) {
    const std::span<const Array> batch = loader.batch(i);
    const std::vector<Array>& out = answer.run(batch);
    const std::size_t size = batch[0].bytes().size() / static_cast<std::size_t>(batch[1].count());
    for (std::int64_t k = 0; k < batch[1].count(); ++k) {
      const auto is = batch[1].data<std::int32_t>()[static_cast<std::size_t>(k)];
      const std::int64_t said = out[0].data<std::int64_t>()[static_cast<std::size_t>(k)];
      ++found.confusion.data<std::int64_t>()[static_cast<std::size_t>(is * kClasses + said)];
      if (said == is) continue;
      Array image(Type{DType::ui8, {kSide, kSide}});
      std::ranges::copy(batch[0].bytes().subspan(static_cast<std::size_t>(k) * size, size),
                        image.bytes().begin());
      found.mistakes.push_back({image, is, said, out[1].as_double(k)});
    }
  }
  std::ranges::stable_sort(found.mistakes, std::greater{}, &Mistake::loss);
  return found;
}

}  // namespace

Tensor ImageClassifier::loss(const std::vector<Tensor>& batch) {
  return cross_entropy(scores(pixels(batch[0])), batch[1]);
}

Tensor ImageClassifier::score(const std::vector<Tensor>& batch) {
  const Tensor answer = argmax(scores(pixels(batch[0])), 1);
  return sum(to(eq(answer, to(batch[1], DType::i64)), DType::f32));
}

std::unique_ptr<Optimizer> ImageClassifier::optimizer(double lr) const {
  return std::make_unique<Adam>(AdamOptions{.lr = lr});
}

std::vector<std::string> ImageClassifier::data_sets() const { return with_installed_images({""}); }

Dataset ImageClassifier::load(const TrainOptions& options) {
  Dataset data;
  if (options.data.empty()) {
    // Validation comes from another seed: no drawing is in both.
    const DigitSet train = draw_digits(kDrawnTrain, 2 * options.seed);
    const DigitSet validation = draw_digits(kDrawnValidation, 2 * options.seed + 1);
    data = {fmt::format("drawn digits, {} + {} images", kDrawnTrain, kDrawnValidation),
            {{train.images, train.labels}},
            {{validation.images, validation.labels}}};
  } else {
    data = load_images(options.data, kSide, kSide, kClasses);
  }
  data.required = options.data.empty() ? goals_.drawn : goals_.files;
  data.stop = data.required;
  return data;
}

std::vector<Type> ImageClassifier::batch_types(std::int64_t batch) const {
  return {Type{DType::ui8, {batch, kSide, kSide}}, Type{DType::i32, {batch}}};
}

void ImageClassifier::show(const Dataset& data, const TrainOptions&, Report& report) {
  if (!report.draws()) return;
  constexpr std::size_t kShown = 20;
  const auto [confusion, mistakes] = answers(*this, data.validation);
  report.heatmaps("confusion", {.title = report.model() + ": what images were taken for",
                                .x_label = "said",
                                .y_label = "true class",
                                .panels = {{"", confusion}},
                                .show_values = true});
  if (mistakes.empty()) return;
  Heatmaps sheet{.title = report.model() + ": the worst mistakes, true class → said",
                 .columns = 5,
                 .palette = Heatmaps::Palette::grey,
                 .show_ticks = false};
  for (std::size_t i = 0; i < std::min(kShown, mistakes.size()); ++i)
    sheet.panels.push_back(
        {fmt::format("{} → {}", mistakes[i].is, mistakes[i].said), mistakes[i].image});
  report.heatmaps("mistakes", sheet);
}

void ImageClassifier::predict(const std::vector<std::string>& inputs, const TrainOptions& options,
                              Report& report) {
  if (options.resume.empty())
    throw Error(
        fmt::format("{}: expected --checkpoint, the weights to predict with", report.model()));
  load_checkpoint(options.resume, module().state());
  module().eval();
  Jit<std::vector<Tensor>> answer([&](const std::vector<Tensor>& images) {
    const Tensor shares = softmax(scores(pixels(images[0])), 1);
    return std::vector{argmax(shares, 1), amax(shares, {1})};
  });
  for (const std::string& path : inputs) {
    const Array images = read_idx(path);
    const Type& type = images.type();
    if (type.dtype != DType::ui8 || type.rank() != 3 || type.dims[1] != kSide ||
        type.dims[2] != kSide || type.dims[0] == 0)
      throw Error(fmt::format("{}: expected images ui8[n, {}, {}], found {}", path, kSide, kSide,
                              type.pretty()));
    const std::vector<Array> out = answer(images);
    for (std::int64_t i = 0; i < type.dims[0]; ++i)
      report.print("{} image {}: {}  (probability {:.4f})\n", path, i, out[0].as_double(i),
                   out[1].as_double(i));
  }
}

}  // namespace kiln
