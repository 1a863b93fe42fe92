// Results, gradients and training runs as an independent implementation computed them (PyTorch 1.13
// in f64): tests/golden, whose manifest says what each case computes and how close a result must
// be. Every case runs in the reference, unfused and fused.
#include <cmath>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "frontend/gradient.h"
#include "frontend/module.h"
#include "frontend/optim.h"
#include "frontend/trace.h"
#include "ir/interpret.h"
#include "passes/autodiff.h"
#include "runtime/safetensors.h"
#include "tests/catch.h"
#include "tests/golden_data.h"
#include "tests/golden_programs.h"
#include "tests/support.h"
#include "tests/traced_step.h"

namespace kiln {
namespace {

using golden::cases;
using golden::data_of;
using golden::Named;
using nlohmann::json;

bool has_role(const json& tensor, std::string_view role) { return tensor["role"] == role; }
/// Known before the program runs.
bool is_given(const json& tensor) {
  return has_role(tensor, "input") || has_role(tensor, "parameter");
}

enum class Kind { operation, model, training, perceptron, not_chosen };
/// Every case is of one kind, and each test below runs all cases of its own.
Kind kind_of(const json& one) {
  if (one.contains("op") && !one["op"].is_null()) return Kind::operation;
  const json attrs = one.value("attrs", json::object());
  // The manifest offers two ways to treat parameters that a step does not use and asks for one:
  // here their gradient is 0.
  if (attrs.value("unused_parameters", "zero") == "skip") return Kind::not_chosen;
  if (attrs.contains("optimiser")) return Kind::training;
  for (const json& tensor : one["tensors"])
    if (has_role(tensor, "expected_parameter")) return Kind::perceptron;
  return Kind::model;
}

std::vector<json> cases_of(Kind kind) {
  std::vector<json> chosen;
  for (const json& one : cases())
    if (kind_of(one) == kind) chosen.push_back(one);
  return chosen;
}

// ---- comparing

void check_against(const json& one, const json& tensor, const Array& got, std::string_view way) {
  const Array& want = data_of(one).at(tensor["key"]);
  const std::string found = golden::off(got, want, tensor);
  if (found.empty()) return;
  INFO(one["name"].get<std::string>() << ", " << tensor["key"].get<std::string>() << ", " << way);
  CHECK(found == kNone);
}

// ---- results and gradients

/// What a case promises, in the manifest's order, computed from its inputs, parameters and upstream
/// gradients.
std::vector<Tensor> promised(const json& one, Named& in, std::map<std::string, Tensor>& upstream) {
  Named out = golden::program_of(one)(in, one.value("attrs", json::object()));
  // The objective: the sum of all outputs times their upstream gradients, else the loss.
  std::vector<Value> outputs, cotangents;
  for (const auto& [name, gradient] : upstream) {
    outputs.push_back(out.at(name).value());
    cotangents.push_back(gradient.value());
  }
  if (upstream.empty() && out.contains("loss")) {
    outputs.push_back(out["loss"].value());
    cotangents.push_back(ones_like(out["loss"]).value());
  }
  std::vector<std::string> wrt;
  for (const json& tensor : one["tensors"])
    if (has_role(tensor, "expected_gradient")) wrt.push_back(tensor["wrt"]);
  std::vector<Value> sources;
  for (const std::string& name : wrt) sources.push_back(in.at(name).value());
  const std::vector<Value> found = gradients(outputs, cotangents, sources);
  std::vector<Tensor> results;
  std::size_t next = 0;
  for (const json& tensor : one["tensors"]) {
    if (has_role(tensor, "expected_output")) results.push_back(out.at(tensor["name"]));
    if (has_role(tensor, "expected_gradient")) results.emplace_back(found[next++]);
  }
  return results;
}

/// Runs cases together as one function, in each way.
void check_together(const std::vector<json>& some) {
  std::vector<Array> inputs;
  for (const json& one : some)
    for (const json& tensor : one["tensors"])
      if (is_given(tensor) || has_role(tensor, "upstream_gradient"))
        inputs.push_back(data_of(one).at(tensor["key"]));
  const Function function = trace(types_of(inputs), [&](const std::vector<Tensor>& arguments) {
    std::vector<Tensor> results;
    std::size_t next = 0;
    for (const json& one : some) {
      Named in, upstream;
      for (const json& tensor : one["tensors"]) {
        if (is_given(tensor)) in[tensor["name"]] = arguments[next++];
        if (has_role(tensor, "upstream_gradient")) upstream[tensor["of"]] = arguments[next++];
      }
      for (const Tensor& result : promised(one, in, upstream)) results.push_back(result);
    }
    return results;
  });
  const auto check_results = [&](const char* way, const std::vector<Array>& results) {
    std::size_t next = 0;
    for (const json& one : some)
      for (const json& tensor : one["tensors"])
        if (has_role(tensor, "expected_output") || has_role(tensor, "expected_gradient"))
          check_against(one, tensor, results[next++], way);
    CHECK(next == results.size());
  };
  check_results("reference", interpret(function, inputs));
  PipelineOptions options;
  check_results("fused", execute(function, inputs, options));
  options.mode = Mode::unfused;
  check_results("unfused", execute(function, inputs, options));
}

/// Cases of one file together.
void check_by_file(const std::vector<json>& some) {
  std::map<std::string, std::vector<json>> files;
  for (const json& one : some) files[one["file"]].push_back(one);
  for (const auto& [file, together] : files) check_together(together);
}

// ---- training

std::unique_ptr<Optimizer> optimizer_of(const json& attrs) {
  const double lr = attrs["lr"];
  if (attrs["optimiser"] == "sgd") return std::make_unique<SGD>(SGDOptions{.lr = lr});
  REQUIRE(attrs["optimiser"] == "adam");
  return std::make_unique<Adam>(AdamOptions{.lr = lr,
                                            .beta1 = attrs["betas"][0],
                                            .beta2 = attrs["betas"][1],
                                            .eps = attrs["eps"],
                                            .weight_decay = attrs["weight_decay"]});
}

/// The inputs of each step: "steps/x" and what has the steps as its first axis are cut into steps,
/// "step_3/x" belongs to one, the rest to all.
std::vector<NamedArrays> inputs_of_steps(const json& one) {
  const json& attrs = one["attrs"];
  std::vector<NamedArrays> steps(attrs.value("steps", attrs.value("epochs", std::size_t{0})));
  NamedArrays always;
  for (const json& tensor : one["tensors"]) {
    if (!has_role(tensor, "input")) continue;
    const Array& value = data_of(one).at(tensor["key"]);
    const std::string name = tensor["name"];
    const std::string base = name.substr(name.find('/') + 1);
    if (name.starts_with("step_")) {
      steps.resize(std::max(steps.size(), static_cast<std::size_t>(std::stoi(name.substr(5)))));
      steps[static_cast<std::size_t>(std::stoi(name.substr(5))) - 1][base] = value;
    } else if (tensor.value("note", "").starts_with("first axis")) {
      steps.resize(static_cast<std::size_t>(value.dims()[0]));
      const Type type{value.dtype(), Ints(value.dims().begin() + 1, value.dims().end())};
      for (std::size_t s = 0; s < steps.size(); ++s) {
        Array& part = steps[s][base] = Array(type);
        std::copy_n(value.bytes().begin() + static_cast<std::ptrdiff_t>(s * part.bytes().size()),
                    part.bytes().size(), part.bytes().begin());
      }
    } else {
      always[base] = value;
    }
  }
  for (NamedArrays& step : steps) step.insert(always.begin(), always.end());
  return steps;
}

struct Parameters : Module {
  explicit Parameters(const json& one) {
    for (const json& tensor : one["tensors"])
      if (has_role(tensor, "parameter"))
        parameter(tensor["name"], tensor["shape"].get<Ints>(), Initializer::constant(0));
  }
};

/// A training run, recorded: for each step its outputs by name, its gradients as "grad_NAME" and
/// the variables after it.
class Training {
 public:
  Training(const json& one, Way way)
      : one_(one), parameters_(one), optimizer_(optimizer_of(one["attrs"])) {
    for (const json& tensor : one["tensors"])
      if (has_role(tensor, "parameter")) state_[tensor["name"]] = data_of(one).at(tensor["key"]);
    std::vector<NamedArrays> steps = inputs_of_steps(one);
    REQUIRE(!steps.empty());
    count_ = steps.size();
    steps.push_back(steps.back());  // one more, for what the trained model computes
    std::unique_ptr<TracedStep> step;
    std::vector<Type> types;
    for (const NamedArrays& inputs : steps) {
      std::vector<Array> values;
      for (const auto& [name, value] : inputs) values.push_back(value);
      if (!step || types_of(values) != types) {  // another shape is another trace
        types = types_of(values);
        Traced traced = traced_step(inputs, types);
        variables_.clear();
        for (const VariablePtr& variable : traced.variables) variables_.push_back(variable->name);
        step = std::make_unique<TracedStep>(std::move(traced), way, state_);
      }
      NamedArrays record;
      const std::vector<Array> outputs = (*step)(values);
      for (std::size_t i = 0; i < outputs.size(); ++i) record[outputs_[i]] = outputs[i];
      for (const std::string& name : variables_)
        record[name] = state_[name] = step->state(name).clone();
      records_.push_back(std::move(record));
    }
  }

  /// What the manifest calls by this tensor's name.
  Array recorded(const json& tensor) const {
    const std::string name = tensor["name"];
    if (tensor.contains("step"))
      return records_[tensor["step"].get<std::size_t>() - 1].at(tensor["of"]);
    for (const char* suffix : {"_per_step", "_per_epoch"})
      if (name.ends_with(suffix))
        return stacked(name.substr(0, name.size() - std::string_view(suffix).size()),
                       tensor["shape"]);
    for (const char* suffix : {"_step1", "_epoch1"})
      if (name.ends_with(suffix))
        return records_[0].at(name.substr(0, name.size() - std::string_view(suffix).size()));
    if (const auto output = records_.back().find(name); output != records_.back().end())
      return output->second;
    // State of the optimiser for the only parameter, after the last step.
    REQUIRE(parameters_.parameters().size() == 1);
    return records_[count_ - 1].at("optimizer." + name + "." + parameters_.parameters()[0].name());
  }

 private:
  Traced traced_step(const NamedArrays& inputs, const std::vector<Type>& types) {
    return Trace::run(
        [&](const std::vector<Tensor>& arguments) {
          Named in;
          std::size_t next = 0;
          for (const auto& [name, value] : inputs) in[name] = arguments[next++];
          const std::vector<Parameter>& all = parameters_.parameters();
          for (const Parameter& parameter : all) in[parameter.name()] = parameter;
          Named out = golden::program_of(one_)(in, one_["attrs"]);
          if (out.contains("loss")) {
            const std::vector<Tensor> found =
                grad(out["loss"], std::vector<Tensor>(all.begin(), all.end()));
            for (std::size_t i = 0; i < all.size(); ++i) out["grad_" + all[i].name()] = found[i];
          }
          std::vector<Tensor> slopes, results;
          for (const Parameter& parameter : all)
            slopes.push_back(out.at("grad_" + parameter.name()));
          optimizer_->update(all, slopes);
          outputs_.clear();
          for (const auto& [name, value] : out) {
            outputs_.push_back(name);
            results.push_back(value);
          }
          return results;
        },
        types);
  }

  /// A value of every step, one after another.
  Array stacked(const std::string& name, const json& shape) const {
    Array rows(Type{records_[0].at(name).dtype(), shape.get<Ints>()});
    REQUIRE(rows.count() == static_cast<std::int64_t>(count_) * records_[0].at(name).count());
    std::ptrdiff_t offset = 0;
    for (std::size_t s = 0; s < count_; ++s) {
      const Array& row = records_[s].at(name);
      std::copy(row.bytes().begin(), row.bytes().end(), rows.bytes().begin() + offset);
      offset += static_cast<std::ptrdiff_t>(row.bytes().size());
    }
    return rows;
  }

  const json& one_;
  Parameters parameters_;
  std::unique_ptr<Optimizer> optimizer_;
  NamedArrays state_;
  std::size_t count_ = 0;
  std::vector<std::string> outputs_, variables_;  // of the trace that runs
  std::vector<NamedArrays> records_;
};

/// Sample after sample until an epoch makes no mistake.
void check_perceptron(const json& one, Way way) {
  const NamedArrays& data = data_of(one);
  std::map<std::string, json> tensors;
  for (const json& tensor : one["tensors"]) tensors[tensor["name"]] = tensor;
  const Array &x = data.at(tensors["x"]["key"]), &y = data.at(tensors["y"]["key"]);
  const std::int64_t samples = x.dims()[0], dimensions = x.dims()[1];
  Array w = Array::full(Type{DType::f32, {1, dimensions}}, 1);
  const std::vector<Type> types = {w.type(), Type{DType::f32, {dimensions}}, Type{DType::i32, {}}};
  TracedStep step(Trace::run(
                      [&](const std::vector<Tensor>& in) {
                        Named named = {{"w", in[0]}, {"x", in[1]}, {"y", in[2]}};
                        const Named out = golden::program_of(one)(named, {});
                        return std::vector{out.at("w"), out.at("mistake")};
                      },
                      types),
                  way);
  std::vector<float> weights;
  std::vector<std::int32_t> mistakes;
  do {
    mistakes.push_back(0);
    for (std::int64_t i = 0; i < samples; ++i) {
      const auto row = x.data<float>().subspan(static_cast<std::size_t>(i * dimensions),
                                               static_cast<std::size_t>(dimensions));
      const std::vector<Array> out =
          step({w, Array::of<float>({dimensions}, row),
                Array::scalar(y.data<std::int32_t>()[static_cast<std::size_t>(i)])});
      w = out[0];
      mistakes.back() += out[1].data<std::int32_t>()[0];
    }
    weights.insert(weights.end(), w.data<float>().begin(), w.data<float>().end());
  } while (mistakes.back() > 0 && mistakes.size() < 100);
  const auto epochs = static_cast<std::int64_t>(mistakes.size());
  check_against(one, tensors["weights_per_epoch"],
                Array::of<float>({epochs, 1, dimensions}, std::span<const float>(weights)),
                name_of(way));
  check_against(one, tensors["mistakes_per_epoch"],
                Array::of<std::int32_t>({epochs}, std::span<const std::int32_t>(mistakes)),
                name_of(way));
}

}  // namespace

TEST_CASE("each_golden_case_is_of_one_kind_and_one_alternative_alone_is_left_out", "[golden]") {
  std::map<Kind, std::size_t> counts;
  std::set<std::string> names;
  for (const json& one : cases()) {
    ++counts[kind_of(one)];
    names.insert(one["name"]);
  }
  CHECK(names.size() == 351);
  CHECK(counts[Kind::operation] == 285);
  CHECK(counts[Kind::model] == 46);
  CHECK(counts[Kind::training] == 17);
  CHECK(counts[Kind::perceptron] == 2);
  CHECK(counts[Kind::not_chosen] == 1);
}

TEST_CASE("operations_and_their_gradients_agree_with_the_golden_data", "[golden]") {
  check_by_file(cases_of(Kind::operation));
}

TEST_CASE("models_and_their_gradients_agree_with_the_golden_data", "[golden]") {
  check_by_file(cases_of(Kind::model));
}

TEST_CASE("training_goes_as_the_golden_data_say", "[golden]") {
  for (const json& one : cases_of(Kind::training))
    for (const Way way : kWays) {
      const Training training(one, way);
      for (const json& tensor : one["tensors"])
        if (!is_given(tensor)) check_against(one, tensor, training.recorded(tensor), name_of(way));
    }
}

TEST_CASE("the_perceptron_makes_the_golden_mistakes", "[golden]") {
  for (const json& one : cases_of(Kind::perceptron))
    for (const Way way : kWays) check_perceptron(one, way);
}

}  // namespace kiln
