#include "runtime/jit.h"

#include <algorithm>

namespace kiln {

Compiled::Compiled(Traced traced, Mode mode, const Target& target, bool profiled)
    : traced_(std::move(traced)), profiled_(profiled) {
  PipelineOptions options;
  options.mode = mode;
  options.max_memory = settings().max_memory;
  options.profile = profiled;
  executable_ = std::make_unique<Executable>(traced_.function, options, target);
  for (std::size_t i = 0; i < traced_.outputs; ++i)
    outputs_.emplace_back(traced_.function.results[i].type());
  pointers_.resize(executable_->pointer_count());
}

bool Compiled::accepts(std::span<const Array* const> inputs) const {
  if (inputs.size() != traced_.inputs) return false;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i]->type() != traced_.function.arguments[i].type) return false;
  return flags_hold();
}

bool Compiled::flags_hold() const {
  return std::all_of(traced_.flags.begin(), traced_.flags.end(),
                     [](const auto& flag) { return *flag.first == flag.second; });
}

const std::vector<Array>& Compiled::operator()(std::span<const Array* const> inputs) {
  std::size_t next = 0;
  // Inputs are only read: the step's results never lie in them.
  for (const Array* input : inputs)
    pointers_[next++] = const_cast<std::byte*>(input->bytes().data());
  for (const VariablePtr& variable : traced_.variables)
    pointers_[next++] = value_of(variable).bytes().data();
  for (Array& output : outputs_) {
    if (output.shared()) output = Array(output.type());
    pointers_[next++] = output.bytes().data();
  }
  if (profiled_)
    executable_->run(pointers_, launch_times_);
  else
    executable_->run(pointers_);
  return outputs_;
}

bool JitCache::Entry::fits_settings() const {
  return mode == settings().mode && target == settings().target &&
         max_memory == settings().max_memory;
}

Compiled& JitCache::find(std::span<const Array* const> inputs) {
  for (std::size_t i = 0; i < traces_.size(); ++i) {
    const Entry& entry = traces_[i];
    if (!entry.fits_settings() || !entry.compiled->accepts(inputs)) continue;
    latest_ = i;
    return *entry.compiled;
  }
  std::vector<Type> types;
  for (const Array* input : inputs) types.push_back(input->type());
  return find(types);
}

Compiled& JitCache::find(const std::vector<Type>& inputs) {
  for (std::size_t i = 0; i < traces_.size(); ++i) {
    if (traces_[i].inputs != inputs || !traces_[i].fits_settings() ||
        !traces_[i].compiled->flags_hold())
      continue;
    latest_ = i;
    return *traces_[i].compiled;
  }
  auto compiled = std::make_unique<Compiled>(trace(inputs), settings().mode, settings().target);
  traces_.push_back(
      {inputs, settings().mode, settings().target, settings().max_memory, std::move(compiled)});
  latest_ = traces_.size() - 1;
  return *traces_.back().compiled;
}

Compiled& JitCache::latest() {
  if (traces_.empty())
    throw Error("the jitted function has no trace yet: call it first, or give jit example types");
  return *traces_[latest_].compiled;
}

}  // namespace kiln
