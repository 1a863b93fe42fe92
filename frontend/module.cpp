#include "frontend/module.h"

namespace kiln {

Module::Module(Module* parent, std::string name) : parent_(parent), path_(std::move(name)) {
  if (parent != nullptr && !parent->path_.empty()) path_ = parent->path_ + "." + path_;
  for (Module* above = parent; above != nullptr; above = above->parent_)
    above->modes_.push_back(training_);
}

VariablePtr Module::variable(const std::string& name, Type type, Initializer initializer,
                             bool trainable) {
  const std::string path = path_.empty() ? name : path_ + "." + name;
  const Module* root = this;
  while (root->parent_ != nullptr) root = root->parent_;
  for (const VariablePtr& known : root->state())
    if (known->name == path)
      throw Error(fmt::format("two {} are named '{}': give each module its own name",
                              trainable && known->trainable ? "parameters" : "variables", path));
  return std::make_shared<Variable>(Variable{path, std::move(type), initializer, trainable});
}

Parameter Module::parameter(const std::string& name, Ints dims, Initializer initializer,
                            DType dtype) {
  const Parameter made(variable(name, {dtype, std::move(dims)}, initializer, true));
  for (Module* module = this; module != nullptr; module = module->parent_)
    module->parameters_.push_back(made);
  return made;
}

Buffer Module::buffer(const std::string& name, Ints dims, Initializer initializer, DType dtype) {
  const Buffer made(variable(name, {dtype, std::move(dims)}, initializer, false));
  for (Module* module = this; module != nullptr; module = module->parent_)
    module->buffers_.push_back(made);
  return made;
}

std::vector<VariablePtr> Module::state() const {
  std::vector<VariablePtr> all;
  for (const Parameter& parameter : parameters_) all.push_back(parameter.variable());
  for (const Buffer& buffer : buffers_) all.push_back(buffer.variable());
  return all;
}

std::int64_t Module::parameter_count() const {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters_) count += parameter.type().count();
  return count;
}

void Module::train(bool on) {
  for (const auto& mode : modes_) *mode = on;
}

bool Module::training() const {
  Trace* trace = Trace::active();
  return trace != nullptr ? trace->flag(training_) : *training_;
}

}  // namespace kiln
