#include "models/workloads.h"

#include <algorithm>

#include "models/workload_families.h"
#include "runtime/random.h"

namespace kiln {

std::vector<Type> PreparedWork::input_types() const {
  std::vector<Type> types;
  for (const Input& input : inputs) types.push_back(input.value.type());
  return types;
}

std::vector<const Array*> PreparedWork::input_arrays() const {
  std::vector<const Array*> arrays;
  for (const Input& input : inputs) arrays.push_back(&input.value);
  return arrays;
}

Traced PreparedWork::trace() const {
  std::vector<std::string> names;
  for (const Input& input : inputs) names.push_back(input.name);
  return Trace::run(function, input_types(), names);
}

Array uniform_array(Ints dims, std::uint64_t stream, float low, float high) {
  Array array(Type{DType::f32, std::move(dims)});
  Random random(0, stream);
  for (float& x : array.data<float>()) x = random.uniform(low, high);
  return array;
}

Array integer_array(Ints dims, std::uint64_t stream, std::int32_t low, std::int32_t high) {
  Array array(Type{DType::i32, std::move(dims)});
  Random random(0, stream);
  const auto count = static_cast<std::uint64_t>(high - low);
  for (std::int32_t& x : array.data<std::int32_t>())
    x = low + static_cast<std::int32_t>(random.below(count));
  return array;
}

PreparedWork with_gradients(std::function<Tensor(const std::vector<Tensor>&)> forward,
                            std::vector<PreparedWork::Input> inputs,
                            std::shared_ptr<Module> module) {
  std::vector<std::string> outputs{"output"};
  std::vector<std::size_t> differentiated;
  for (std::size_t i = 0; i + 1 < inputs.size(); ++i)
    if (is_float(inputs[i].value.dtype())) {
      differentiated.push_back(i);
      outputs.push_back("grad." + inputs[i].name);
    }
  std::vector<Parameter> parameters;
  if (module) parameters = module->parameters();
  for (const Parameter& parameter : parameters) outputs.push_back("grad." + parameter.name());
  return {
      std::move(module),
      [forward = std::move(forward), differentiated, parameters](const std::vector<Tensor>& in) {
        std::vector<Tensor> by;
        for (const std::size_t i : differentiated) by.push_back(in[i]);
        by.insert(by.end(), parameters.begin(), parameters.end());
        std::vector<Tensor> results{forward(in)};
        const std::vector<Tensor> grads = grad(sum(results[0] * in.back()), by);
        results.insert(results.end(), grads.begin(), grads.end());
        return results;
      },
      std::move(inputs), std::move(outputs)};
}

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = [] {
    std::vector<Workload> made = training_workloads();
    for (auto* family : {attention_workloads, kernel_workloads})
      for (Workload& workload : family()) made.push_back(std::move(workload));
    return made;
  }();
  return all;
}

const Workload& find_workload(const std::string& name) {
  std::string known;
  for (const Workload& workload : workloads()) {
    if (workload.name == name) return workload;
    known += (known.empty() ? "" : ", ") + workload.name;
  }
  throw Error(fmt::format("unknown workload '{}': expected one of {}", name, known));
}

}  // namespace kiln
