#include "models/model.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace kiln {
namespace {

// Registrations are static objects of many files: the list is made by whoever comes first.
std::vector<ModelEntry>& registry() {
  static std::vector<ModelEntry> entries;
  return entries;
}

}  // namespace

Registration::Registration(std::string name, std::string shows,
                           std::function<std::unique_ptr<Model>()> make) {
  registry().push_back({std::move(name), std::move(shows), std::move(make)});
}

std::vector<ModelEntry> registered_models() {
  std::vector<ModelEntry> entries = registry();
  std::sort(entries.begin(), entries.end(),
            [](const ModelEntry& a, const ModelEntry& b) { return a.name < b.name; });
  return entries;
}

ModelEntry find_model(const std::string& name) {
  std::string known;
  for (const ModelEntry& entry : registered_models()) {
    if (entry.name == name) return entry;
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  throw Error(fmt::format("unknown model '{}': expected one of {}", name, known));
}

Outcome Model::evaluate(const TrainOptions&, Report& report) {
  throw Error(fmt::format("{} has no weights to evaluate", report.model()));
}

void Model::predict(const std::vector<std::string>&, const TrainOptions&, Report& report) {
  throw Error(fmt::format("{} does not predict", report.model()));
}

Tensor Learner::score(const std::vector<Tensor>& batch) {
  return loss(batch) * static_cast<double>(batch[0].size(0));
}

Tensor Learner::step(const std::vector<Tensor>& batch, Optimizer& optimizer) {
  const auto& parameters = module().parameters();
  const auto [value, grads] = value_and_grad([&] { return loss(batch); }, parameters);
  optimizer.update(parameters, grads);
  return value;
}

std::string Learner::line(const Epoch& epoch) const {
  const Metric figure = metric();
  std::string text =
      fmt::format("epoch {}/{}  loss {:.4f}", epoch.number, epoch.epochs, epoch.loss);
  if (!figure.of_training) text += fmt::format("  {} {:.4f}", figure.name, epoch.value);
  return text +
         fmt::format("  {}  {:.0f} steps/s", time_text(epoch.seconds), epoch.steps_per_second);
}

std::vector<float> numbers_in(const std::vector<std::string>& inputs, const std::string& model) {
  std::vector<float> numbers;
  for (const std::string& text : inputs) {
    float x = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, x);
    if (error != std::errc() || stopped != end || !std::isfinite(x))
      throw Error(fmt::format("{}: expected a number, found '{}'", model, text));
    numbers.push_back(x);
  }
  return numbers;
}

Jit<Tensor> training_step(Learner& model, Optimizer& optimizer) {
  return Jit<Tensor>(
      [&](const std::vector<Tensor>& batch) { return std::vector{model.step(batch, optimizer)}; });
}

Traced Learner::traced() {
  const Defaults usual = defaults();
  const std::unique_ptr<Optimizer> update = optimizer(usual.lr);
  return training_step(*this, *update).trace(batch_types(usual.batch));
}

}  // namespace kiln
