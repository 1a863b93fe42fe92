#include "tests/traced_step.h"

#include <stdexcept>

#include "ir/interpret.h"
#include "runtime/settings.h"

namespace kiln {

TracedStep::TracedStep(Traced traced, Way way, const NamedArrays& values)
    : traced_(std::move(traced)) {
  for (const VariablePtr& variable : traced_.variables) {
    const auto given = values.find(variable->name);
    state_.push_back((given != values.end() ? given->second : value_of(variable)).clone());
  }
  if (way == Way::reference) return;
  PipelineOptions options;
  options.mode = way == Way::fused ? Mode::fused : Mode::unfused;
  executable_ = std::make_unique<Executable>(traced_.function, options, Target::host());
}

std::vector<Array> TracedStep::operator()(std::span<const Array> inputs) {
  std::vector<Array> arguments(inputs.begin(), inputs.end());
  arguments.insert(arguments.end(), state_.begin(), state_.end());
  const Function& function = traced_.function;
  std::vector<Array> outputs;
  if (!executable_) {
    outputs = interpret(function, arguments);
    for (std::size_t i = 0; i < state_.size(); ++i)
      if (const int alias = function.arguments[inputs.size() + i].alias; alias >= 0)
        state_[i] = outputs[static_cast<std::size_t>(alias)].clone();
    outputs.resize(traced_.outputs);
    return outputs;
  }
  std::vector<void*> pointers;
  for (Array& argument : arguments) pointers.push_back(argument.bytes().data());
  for (std::size_t i = 0; i < traced_.outputs; ++i)
    pointers.push_back(outputs.emplace_back(function.results[i].type()).bytes().data());
  executable_->run(pointers);
  return outputs;
}

const Array& TracedStep::state(const std::string& name) const {
  for (std::size_t i = 0; i < state_.size(); ++i)
    if (traced_.variables[i]->name == name) return state_[i];
  throw std::out_of_range("the step has no variable " + name);
}

}  // namespace kiln
