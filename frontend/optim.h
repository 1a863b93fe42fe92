// Optimisers, as torch.optim's. An update is part of the graph: the moments and the step number are
// variables that the compiled step updates in place.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "frontend/module.h"

namespace kiln {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Assigns each parameter its new value, given its gradient. Called while a step is traced.
  void update(const std::vector<Parameter>& parameters, const std::vector<Tensor>& gradients,
              Where where = Where::current());
  /// The optimiser's own variables made so far ("optimizer.exp_avg.layer1.weight", …).
  std::vector<VariablePtr> state() const;

 protected:
  virtual void begin_step() {}
  virtual Tensor updated(const Parameter& parameter, const Tensor& value,
                         const Tensor& gradient) = 0;
  /// The variable "optimizer.name", made at first use.
  const VariablePtr& variable(const std::string& name, Type type, double initial = 0);

 private:
  std::map<std::string, VariablePtr> variables_;
};

/// torch.optim.SGD: v = momentum v + g (the first v is g), p -= lr (nesterov ? g + momentum v : v).
struct SGDOptions {
  double lr = 1e-2;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
};
class SGD : public Optimizer {
 public:
  explicit SGD(SGDOptions options = {}) : options_(options) {}

 protected:
  Tensor updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) override;

 private:
  SGDOptions options_;
};

/// torch.optim.Adam (Kingma and Ba 2015): p -= lr m̂ / (√v̂ + eps), eps outside the root and after
/// the bias correction.
struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  // L2, added to the gradient
};
class Adam : public Optimizer {
 public:
  explicit Adam(AdamOptions options = {}) : options_(options) {}

 protected:
  void begin_step() override;
  Tensor updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) override;

 private:
  AdamOptions options_;
  Tensor step_size_;     // lr / (1 - β₁ᵗ)
  Tensor inverse_root_;  // 1 / √(1 - β₂ᵗ): a product costs each parameter less than a quotient
};

}  // namespace kiln
