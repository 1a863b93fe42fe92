#include "frontend/optim.h"

#include <cmath>

#include "frontend/functions.h"

namespace kiln {

void Optimizer::update(const std::vector<Parameter>& parameters,
                       const std::vector<Tensor>& gradients, Where where) {
  if (parameters.size() != gradients.size())
    throw Error(where,
                fmt::format("update: expected a gradient for each of {} parameters, found {}",
                            parameters.size(), gradients.size()));
  Trace& trace = Trace::current("update", where);
  begin_step();
  for (std::size_t i = 0; i < parameters.size(); ++i)
    trace.assign(parameters[i].variable(), updated(parameters[i], parameters[i], gradients[i]),
                 where);
}

std::vector<VariablePtr> Optimizer::state() const {
  std::vector<VariablePtr> all;
  for (const auto& [name, variable] : variables_) all.push_back(variable);
  return all;
}

const VariablePtr& Optimizer::variable(const std::string& name, Type type, double initial) {
  VariablePtr& slot = variables_[name];
  if (!slot)
    slot = std::make_shared<Variable>(
        Variable{"optimizer." + name, std::move(type), Initializer::constant(initial), false});
  return slot;
}

Tensor SGD::updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) {
  Tensor g = gradient;
  if (options_.weight_decay != 0) g = g + options_.weight_decay * value;
  if (options_.momentum != 0) {
    // With v starting at 0, the first v is g, as in PyTorch (dampening 0).
    Trace& trace = Trace::current("SGD");
    const VariablePtr& v = variable("momentum_buffer." + parameter.name(), parameter.type());
    const Tensor velocity = options_.momentum * trace.read(v) + g;
    trace.assign(v, velocity);
    g = options_.nesterov ? g + options_.momentum * velocity : velocity;
  }
  return value - options_.lr * g;
}

void Adam::begin_step() {
  // 1 - βᵗ in f64: in f32 the cancellation would cost five digits at t = 1.
  Trace& trace = Trace::current("Adam");
  const VariablePtr& count = variable("step", Type{DType::i64, {}});
  const Tensor step = trace.read(count) + 1.0;
  trace.assign(count, step);
  const Tensor t = to(step, DType::f64);
  const auto correction = [&](double beta) { return 1.0 - exp(t * std::log(beta)); };
  step_size_ = options_.lr / correction(options_.beta1);
  inverse_root_ = 1.0 / sqrt(correction(options_.beta2));
}

Tensor Adam::updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) {
  Trace& trace = Trace::current("Adam");
  Tensor g = gradient;
  if (options_.weight_decay != 0) g = g + options_.weight_decay * value;
  const VariablePtr& m = variable("exp_avg." + parameter.name(), parameter.type());
  const VariablePtr& v = variable("exp_avg_sq." + parameter.name(), parameter.type());
  const Tensor first = options_.beta1 * trace.read(m) + (1 - options_.beta1) * g;
  const Tensor second = options_.beta2 * trace.read(v) + (1 - options_.beta2) * (g * g);
  trace.assign(m, first);
  trace.assign(v, second);
  const Tensor denominator = sqrt(second) * to(inverse_root_, value.dtype()) + options_.eps;
  return value - to(step_size_, value.dtype()) * (first / denominator);
}

}  // namespace kiln
