// Modules: trees of named parameters, as torch.nn's.
#pragma once

#include <string>
#include <vector>

#include "frontend/tensor.h"
#include "frontend/trace.h"

namespace kiln {

/// A trainable variable; reads as a Tensor while a function is traced.
class Parameter {
 public:
  Parameter() = default;
  explicit Parameter(VariablePtr variable) : variable_(std::move(variable)) {}
  const VariablePtr& variable() const { return variable_; }
  const std::string& name() const { return variable_->name; }
  const Type& type() const { return variable_->type; }
  operator Tensor() const {  // NOLINT: a parameter is used as the tensor it holds
    return Trace::current(variable_->name).read(variable_);
  }
  explicit operator bool() const { return variable_ != nullptr; }

 private:
  VariablePtr variable_;
};

/// A node in the tree of parameters. A root is made with nothing, a child with its parent and name:
///
///   struct Net : Module {
///     Linear hidden{this, "hidden", 784, 256}, out{this, "out", 256, 10};
///     Tensor operator()(const Tensor& x) const { return out(relu(hidden(x))); }
///   };
///
/// Children register with the parent, so a module stays where it was made.
class Module {
 public:
  Module() = default;
  Module(Module* parent, std::string name);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// A new parameter "path.name"; throws Error if the module has one of that name.
  Parameter parameter(const std::string& name, Ints dims, Initializer initializer,
                      DType dtype = DType::f32);
  /// All parameters of this module and its children, in the order they were made.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// How many numbers they hold.
  std::int64_t parameter_count() const;

 private:
  Module* parent_ = nullptr;
  std::string path_;
  std::vector<Parameter> parameters_;
};

/// torch.nn.Linear: y = x Wᵀ + b, weight [out, in] and bias [out] drawn from U(-k, k), k = 1/√in.
class Linear : public Module {
 public:
  Linear(Module* parent, std::string name, std::int64_t in, std::int64_t out, bool bias = true);
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

  Parameter weight;
  Parameter bias;
};

}  // namespace kiln
