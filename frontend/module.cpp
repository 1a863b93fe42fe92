#include "frontend/module.h"

#include <cmath>

#include "frontend/functions.h"

namespace kiln {

Module::Module(Module* parent, std::string name) : parent_(parent), path_(std::move(name)) {
  if (parent != nullptr && !parent->path_.empty()) path_ = parent->path_ + "." + path_;
}

Parameter Module::parameter(const std::string& name, Ints dims, Initializer initializer,
                            DType dtype) {
  const std::string path = path_.empty() ? name : path_ + "." + name;
  const Parameter made(
      std::make_shared<Variable>(Variable{path, Type{dtype, std::move(dims)}, initializer, true}));
  for (Module* module = this; module != nullptr; module = module->parent_) {
    for (const Parameter& known : module->parameters_)
      if (known.name() == path)
        throw Error(
            fmt::format("two parameters are named '{}': give each module its own name", path));
    module->parameters_.push_back(made);
  }
  return made;
}

std::int64_t Module::parameter_count() const {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters_) count += parameter.type().count();
  return count;
}

Linear::Linear(Module* parent, std::string name, std::int64_t in, std::int64_t out, bool with_bias)
    : Module(parent, std::move(name)) {
  // kaiming_uniform with a = √5, PyTorch's default for Linear, comes to the same bound for both.
  const double bound = in > 0 ? 1 / std::sqrt(static_cast<double>(in)) : 0;
  weight = parameter("weight", {out, in}, Initializer::uniform(-bound, bound));
  if (with_bias) bias = parameter("bias", {out}, Initializer::uniform(-bound, bound));
}

Tensor Linear::operator()(const Tensor& x, Where where) const {
  return linear(x, weight, bias ? Tensor(bias) : Tensor(), where);
}

}  // namespace kiln
