// Modules: trees of named parameters and buffers, as torch.nn's.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/tensor.h"
#include "frontend/trace.h"

namespace kiln {

/// A variable that a module holds; reads as a Tensor while a function is traced.
class ModuleVariable {
 public:
  ModuleVariable() = default;
  explicit ModuleVariable(VariablePtr variable) : variable_(std::move(variable)) {}
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

/// One that training changes by its gradient.
class Parameter : public ModuleVariable {
 public:
  using ModuleVariable::ModuleVariable;
};

/// State beside the parameters, such as running statistics: a checkpoint holds it, no optimiser
/// changes it.
class Buffer : public ModuleVariable {
 public:
  using ModuleVariable::ModuleVariable;
  void assign(const Tensor& value, Where where = Where::current()) const {
    Trace::current(name(), where).assign(variable(), value, where);
  }
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

  /// "layer1.attention", "" of a root.
  const std::string& path() const { return path_; }
  /// A new parameter "path.name"; throws Error if the module has a variable of that name.
  Parameter parameter(const std::string& name, Ints dims, Initializer initializer,
                      DType dtype = DType::f32);
  /// A new buffer, likewise.
  Buffer buffer(const std::string& name, Ints dims, Initializer initializer,
                DType dtype = DType::f32);
  /// All parameters of this module and its children, in the order they were made.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const std::vector<Buffer>& buffers() const { return buffers_; }
  /// Both: what PyTorch's state_dict holds, and a checkpoint must.
  std::vector<VariablePtr> state() const;
  /// How many numbers the parameters hold.
  std::int64_t parameter_count() const;

  /// Train mode, in which every module starts, or eval mode; also of all children. What is jitted
  /// is traced once for each.
  void train(bool on = true);
  void eval() { train(false); }
  /// The mode; a trace that asks depends on it.
  bool training() const;

 protected:
  /// f(), whose errors end with which layer it was: "…; in Linear 'layer1'".
  template <class F>
  auto in_layer(std::string_view kind, F&& f) const {
    try {
      return f();
    } catch (const Error& error) {
      throw Error(
          fmt::format("{}; in {}{}", error.what(), kind, path_.empty() ? "" : " '" + path_ + "'"));
    }
  }

 private:
  VariablePtr variable(const std::string& name, Type type, Initializer initializer, bool trainable);

  Module* parent_ = nullptr;
  std::string path_;
  std::vector<Parameter> parameters_;
  std::vector<Buffer> buffers_;
  std::shared_ptr<bool> training_ = std::make_shared<bool>(true);
  std::vector<std::shared_ptr<bool>> modes_{training_};  // of the children, too
};

/// Any number of modules of one kind, named "0", "1", … (torch.nn.ModuleList):
///
///   ModuleList<Linear> layers{this, "layers"};
///   Net() { for (int i = 0; i < 12; ++i) layers.add(64, 64); }
template <class T>
class ModuleList : public Module {
 public:
  using Module::Module;
  template <class... Arguments>
  T& add(Arguments&&... arguments) {
    return modules_.emplace_back(this, std::to_string(modules_.size()),
                                 std::forward<Arguments>(arguments)...);
  }
  auto begin() const { return modules_.begin(); }
  auto end() const { return modules_.end(); }
  std::size_t size() const { return modules_.size(); }

 private:
  std::list<T> modules_;  // they stay where they were made
};

}  // namespace kiln
