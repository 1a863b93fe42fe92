// Optimisers, as torch.optim's: its defaults, its formulas, its names of the state. An update is
// part of the graph: the moments and the step number are variables that the compiled step updates
// in place.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frontend/module.h"
#include "frontend/schedule.h"

namespace kiln {

/// Its variables are named "NAME.exp_avg.layer1.weight" and so on: two optimisers of the same
/// parameters need different names. Parameters that are updated together share one step number,
/// "NAME.step." and the name of the first.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Assigns each parameter its new value, given its gradient. Called while a step is traced.
  void update(const std::vector<Parameter>& parameters, const std::vector<Tensor>& gradients,
              Where where = Where::current());
  /// The optimiser's own variables made so far.
  std::vector<VariablePtr> state() const;

 protected:
  Optimizer(LearningRate lr, std::string name) : lr_(std::move(lr)), name_(std::move(name)) {}

  /// What the parameters updated together share, computed once.
  virtual void begin_update() {}
  virtual Tensor updated(const Parameter& parameter, const Tensor& value,
                         const Tensor& gradient) = 0;

  /// State of one parameter, of its type: the variable "NAME.what.PARAMETER", made at first use.
  class Slot {
   public:
    explicit Slot(VariablePtr variable) : variable_(std::move(variable)) {}
    Tensor read() const { return Trace::current(variable_->name).read(variable_); }
    /// Returns the value.
    Tensor assign(const Tensor& value) const {
      Trace::current(variable_->name).assign(variable_, value);
      return value;
    }

   private:
    VariablePtr variable_;
  };
  Slot slot(const std::string& what, const Parameter& parameter, double initial = 0);
  /// 1 in these parameters' first update, and so on: an f64 scalar.
  Tensor step_number();
  /// This step's learning rate as an operand of tensors of that dtype.
  Operand learning_rate(DType dtype);
  bool scheduled() const { return !lr_.is_constant(); }
  const LearningRate& rate() const { return lr_; }

 private:
  const VariablePtr& variable(const std::string& name, Type type, double initial);

  LearningRate lr_;
  std::string name_;
  std::map<std::string, VariablePtr> variables_;
  std::string group_;                  // of this update: the name of its first parameter
  std::optional<Tensor> step_number_;  // of this update, once asked for
};

/// torch.optim.SGD: v = momentum v + (1 - dampening) g (the first v is g), p -= lr (nesterov ? g +
/// momentum v : v).
struct SGDOptions {
  LearningRate lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;  // L2, added to the gradient
  bool nesterov = false;
};
class SGD : public Optimizer {
 public:
  explicit SGD(SGDOptions options = {}, std::string name = "optimizer",
               Where where = Where::current());

 protected:
  Tensor updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) override;

 private:
  SGDOptions options_;
};

/// torch.optim.Adam (Kingma and Ba 2015): p -= lr m̂ / (√v̂ + eps), eps outside the root and after
/// the bias correction. With amsgrad (Reddi, Kale and Kumar 2018) v is the largest so far.
struct AdamOptions {
  LearningRate lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  // L2, added to the gradient
  bool amsgrad = false;
};
class Adam : public Optimizer {
 public:
  explicit Adam(AdamOptions options = {}, std::string name = "optimizer")
      : Optimizer(options.lr, std::move(name)), options_(std::move(options)) {}

 protected:
  void begin_update() override;
  Tensor updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) override;
  const AdamOptions& options() const { return options_; }
  /// Adam's step from `value`, whatever the weight decay.
  Tensor moved(const Parameter& parameter, const Tensor& value, const Tensor& gradient);

 private:
  AdamOptions options_;
  Tensor step_size_;     // lr / (1 - β₁ᵗ)
  Tensor inverse_root_;  // 1 / √(1 - β₂ᵗ): a product costs each parameter less than a quotient
};

/// torch.optim.AdamW (Loshchilov and Hutter 2019): Adam whose weight decay is apart from the
/// gradient, p = (1 - lr weight_decay) p before the step.
struct AdamWOptions {
  LearningRate lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
  bool amsgrad = false;
};
class AdamW : public Adam {
 public:
  explicit AdamW(AdamWOptions options = {}, std::string name = "optimizer")
      : Adam({options.lr, options.beta1, options.beta2, options.eps, options.weight_decay,
              options.amsgrad},
             std::move(name)) {}

 protected:
  Tensor updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) override;
};

/// torch.optim.Adagrad (Duchi, Hazan and Singer 2011): s += g², p -= lr / (1 + t lr_decay) g / (√s
/// + eps).
struct AdagradOptions {
  LearningRate lr = 1e-2;
  double lr_decay = 0;
  double weight_decay = 0;  // L2, added to the gradient
  double initial_accumulator_value = 0;
  double eps = 1e-10;
};
class Adagrad : public Optimizer {
 public:
  explicit Adagrad(AdagradOptions options = {}, std::string name = "optimizer")
      : Optimizer(options.lr, std::move(name)), options_(std::move(options)) {}

 protected:
  Tensor updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) override;

 private:
  AdagradOptions options_;
};

/// torch.optim.RMSprop (Tieleman and Hinton 2012): s = alpha s + (1 - alpha) g², p -= lr g / (√s +
/// eps). Centered, the square of the running mean is taken from s; with momentum, b = momentum b +
/// g / (√s + eps) is what p moves by.
struct RMSpropOptions {
  LearningRate lr = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;  // L2, added to the gradient
  double momentum = 0;
  bool centered = false;
};
class RMSprop : public Optimizer {
 public:
  explicit RMSprop(RMSpropOptions options = {}, std::string name = "optimizer")
      : Optimizer(options.lr, std::move(name)), options_(std::move(options)) {}

 protected:
  Tensor updated(const Parameter& parameter, const Tensor& value, const Tensor& gradient) override;

 private:
  RMSpropOptions options_;
};

/// The norm of all gradients taken as one vector: 2 the Euclidean one, infinity the largest
/// magnitude.
Tensor total_norm(const std::vector<Tensor>& gradients, double norm_type = 2,
                  Where where = Where::current());
/// The gradients scaled so that their total norm is at most `max_norm`
/// (torch.nn.utils.clip_grad_norm_).
std::vector<Tensor> clip_grad_norm(const std::vector<Tensor>& gradients, double max_norm,
                                   double norm_type = 2, Where where = Where::current());
/// Every element cut to [-limit, limit] (clip_grad_value_); NaN stays NaN.
std::vector<Tensor> clip_grad_value(const std::vector<Tensor>& gradients, double limit,
                                    Where where = Where::current());

}  // namespace kiln
