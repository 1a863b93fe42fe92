#include "models/model.h"

#include <algorithm>

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

Jit<Tensor> training_step(Model& model, Optimizer& optimizer) {
  return Jit<Tensor>([&](const std::vector<Tensor>& batch) {
    const auto& parameters = model.module().parameters();
    const auto [loss, grads] = value_and_grad([&] { return model.loss(batch); }, parameters);
    optimizer.update(parameters, grads);
    return std::vector{loss};
  });
}

}  // namespace kiln
