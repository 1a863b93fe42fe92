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
  if (parameters.empty()) return;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (gradients[i].type() != parameters[i].type())
      throw Error(where, fmt::format("update: expected a gradient of '{}' that is {}, found {}",
                                     parameters[i].name(), parameters[i].type().pretty(),
                                     gradients[i].type().pretty()));
  group_ = parameters[0].name();
  step_number_.reset();
  begin_update();
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
  VariablePtr& made = variables_[name];
  if (!made)
    made = std::make_shared<Variable>(
        Variable{name_ + "." + name, std::move(type), Initializer::constant(initial), false});
  return made;
}

Optimizer::Slot Optimizer::slot(const std::string& what, const Parameter& parameter,
                                double initial) {
  return Slot(variable(what + "." + parameter.name(), parameter.type(), initial));
}

Tensor Optimizer::step_number() {
  if (!step_number_) {
    Trace& trace = Trace::current("update");
    const VariablePtr& count = variable("step." + group_, Type{DType::i64, {}}, 0);
    const Tensor step = trace.read(count) + 1.0;
    trace.assign(count, step);
    step_number_ = to(step, DType::f64);
  }
  return *step_number_;
}

Operand Optimizer::learning_rate(DType dtype) {
  if (!scheduled()) return lr_.constant();
  return to(lr_.at(step_number() - 1.0), dtype);
}

SGD::SGD(SGDOptions options, std::string name, Where where)
    : Optimizer(options.lr, std::move(name)), options_(std::move(options)) {
  if (options_.nesterov && (options_.momentum <= 0 || options_.dampening != 0))
    throw Error(where, fmt::format("SGD: Nesterov's step expects a momentum above 0 and no "
                                   "dampening, found {} and {}",
                                   options_.momentum, options_.dampening));
}

Tensor SGD::updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) {
  Tensor g = gradient;
  if (options_.weight_decay != 0) g = g + options_.weight_decay * value;
  if (options_.momentum != 0) {
    // The first v is g, not dampened. Without dampening that is what a v of 0 gives.
    const Slot v = slot("momentum_buffer", parameter);
    Tensor added = g;
    if (options_.dampening != 0)
      added = where(eq(step_number(), 1.0), g, (1 - options_.dampening) * g);
    const Tensor velocity = v.assign(options_.momentum * v.read() + added);
    g = options_.nesterov ? g + options_.momentum * velocity : velocity;
  }
  return value - mul(learning_rate(value.dtype()), g);
}

void Adam::begin_update() {
  // 1 - βᵗ in f64: in f32 the cancellation would cost five digits at t = 1.
  const Tensor t = step_number();
  const auto correction = [&](double beta) { return 1.0 - exp(t * std::log(beta)); };
  step_size_ = div(learning_rate(DType::f64), correction(options_.beta1));
  inverse_root_ = 1.0 / sqrt(correction(options_.beta2));
}

Tensor Adam::updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) {
  return moved(parameter, value,
               options_.weight_decay != 0 ? gradient + options_.weight_decay * value : gradient);
}

Tensor Adam::moved(const Parameter& parameter, const Tensor& value, const Tensor& g) {
  const Slot m = slot("exp_avg", parameter), v = slot("exp_avg_sq", parameter);
  const Tensor first = m.assign(options_.beta1 * m.read() + (1 - options_.beta1) * g);
  Tensor second = v.assign(options_.beta2 * v.read() + (1 - options_.beta2) * (g * g));
  if (options_.amsgrad) {
    const Slot largest = slot("max_exp_avg_sq", parameter);
    second = largest.assign(maximum(largest.read(), second));
  }
  const Tensor denominator = sqrt(second) * to(inverse_root_, value.dtype()) + options_.eps;
  return value - to(step_size_, value.dtype()) * (first / denominator);
}

Tensor AdamW::updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) {
  const double decay = options().weight_decay;
  Tensor decayed = value;
  if (decay != 0)
    decayed = scheduled() ? value * sub(1.0, mul(learning_rate(value.dtype()), decay))
                          : value * (1 - rate().constant() * decay);
  return moved(parameter, decayed, gradient);
}

Tensor Adagrad::updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) {
  Tensor g = gradient;
  if (options_.weight_decay != 0) g = g + options_.weight_decay * value;
  const Slot s = slot("sum", parameter, options_.initial_accumulator_value);
  const Tensor accumulated = s.assign(s.read() + g * g);
  Operand lr = learning_rate(value.dtype());
  if (options_.lr_decay != 0)
    lr = to(div(learning_rate(DType::f64), 1.0 + (step_number() - 1.0) * options_.lr_decay),
            value.dtype());
  return value - mul(lr, g / (sqrt(accumulated) + options_.eps));
}

Tensor RMSprop::updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) {
  Tensor g = gradient;
  if (options_.weight_decay != 0) g = g + options_.weight_decay * value;
  const Slot s = slot("square_avg", parameter);
  Tensor spread = s.assign(options_.alpha * s.read() + (1 - options_.alpha) * (g * g));
  if (options_.centered) {
    const Slot average = slot("grad_avg", parameter);
    spread =
        spread - square(average.assign(options_.alpha * average.read() + (1 - options_.alpha) * g));
  }
  Tensor step = g / (sqrt(spread) + options_.eps);
  if (options_.momentum != 0) {
    const Slot b = slot("momentum_buffer", parameter);
    step = b.assign(options_.momentum * b.read() + step);
  }
  return value - mul(learning_rate(value.dtype()), step);
}

Tensor total_norm(const std::vector<Tensor>& gradients, double norm_type, Where where) {
  if (gradients.empty()) throw Error(where, "total_norm: expected at least one gradient");
  if (!(norm_type > 0))
    throw Error(where, fmt::format("total_norm: expected a norm above 0 (1, 2, infinity), found {}",
                                   norm_type));
  const bool largest = std::isinf(norm_type);
  Tensor total;
  for (const Tensor& g : gradients) {
    Tensor part;
    if (largest)
      part = amax(abs(g, where), {}, false, where);
    else if (norm_type == 2)
      part = sum(square(g, where), {}, false, where);
    else if (norm_type == 1)
      part = sum(abs(g, where), {}, false, where);
    else
      part = sum(pow(abs(g, where), norm_type, where), {}, false, where);
    if (!total.value())
      total = part;
    else
      total = largest ? maximum(total, part, where) : add(total, part, where);
  }
  if (largest || norm_type == 1) return total;
  return norm_type == 2 ? sqrt(total, where) : pow(total, 1 / norm_type, where);
}

std::vector<Tensor> clip_grad_norm(const std::vector<Tensor>& gradients, double max_norm,
                                   double norm_type, Where where) {
  // PyTorch's 1e-6 keeps the quotient finite.
  const Tensor norm = total_norm(gradients, norm_type, where);
  const Tensor factor = minimum(div(max_norm, add(norm, 1e-6, where), where), 1.0, where);
  std::vector<Tensor> clipped;
  for (const Tensor& g : gradients) clipped.push_back(mul(g, to(factor, g.dtype()), where));
  return clipped;
}

std::vector<Tensor> clip_grad_value(const std::vector<Tensor>& gradients, double limit,
                                    Where where) {
  std::vector<Tensor> clipped;
  for (const Tensor& g : gradients)
    clipped.push_back(minimum(maximum(g, -limit, where), limit, where));
  return clipped;
}

}  // namespace kiln
