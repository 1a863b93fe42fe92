#include "frontend/trace.h"

#include <algorithm>
#include <utility>

namespace kiln {
namespace {

thread_local Trace* current_trace = nullptr;

struct Entered {
  explicit Entered(Trace* trace) : outer(std::exchange(current_trace, trace)) {}
  ~Entered() { current_trace = outer; }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  Trace* outer;
};

}  // namespace

Trace* Trace::active() { return current_trace; }

Trace& Trace::current(std::string_view what, Where where) {
  if (current_trace == nullptr)
    throw Error(where, fmt::format("{}: expected to be called while a function is traced (inside a "
                                   "callable given to jit)",
                                   what));
  return *current_trace;
}

Trace::State& Trace::state(const VariablePtr& variable) {
  const auto [known, fresh] = state_of_.try_emplace(variable.get(), states_.size());
  if (!fresh) return states_[known->second];
  if (!names_.insert(variable->name).second) {
    state_of_.erase(known);
    throw Error(
        fmt::format("two variables are named '{}': give each module, and each optimiser "
                    "of the same parameters, its own name",
                    variable->name));
  }
  const auto index = static_cast<std::int64_t>(function_.arguments.size());
  function_.arguments.push_back({variable->type, variable->name, -1});
  const Value value = graph().parameter(index, variable->type);
  states_.push_back({variable, value, value});
  return states_.back();
}

Tensor Trace::read(const VariablePtr& variable) { return Tensor(state(variable).now); }

Tensor Trace::initial(const VariablePtr& variable) { return Tensor(state(variable).before); }

bool Trace::flag(const std::shared_ptr<const bool>& flag) {
  const bool known = std::any_of(flags_.begin(), flags_.end(),
                                 [&](const auto& entry) { return entry.first == flag; });
  if (!known) flags_.emplace_back(flag, *flag);
  return *flag;
}

void Trace::assign(const VariablePtr& variable, const Tensor& value, Where where) {
  const Value known = value.value();
  if (value.type() != variable->type)
    throw Error(where, fmt::format("assign: variable '{}' is {}, found {}", variable->name,
                                   variable->type.pretty(), value.type().pretty()));
  // The arguments number their parameters from 0; those of a loop's body have other numbers.
  const auto arguments = static_cast<std::int64_t>(function_.arguments.size());
  if (!loops_.empty())
    for (const Node* node : topological(std::span(&known, 1)))
      if (node->op() == Op::parameter && node->attrs<ParameterAttrs>().index >= arguments)
        throw Error(where, fmt::format("assign: variable '{}' cannot be given what the body of a "
                                       "loop computes; carry it through the loop and assign the "
                                       "last value",
                                       variable->name));
  state(variable).now = known;
}

Traced Trace::run(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& f,
                  const std::vector<Type>& inputs, const std::vector<std::string>& names) {
  Trace trace;
  trace.function_.graph = std::make_shared<Graph>();
  const Entered entered(&trace);
  std::vector<Tensor> arguments;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = i < names.size() ? names[i] : fmt::format("input{}", i);
    trace.function_.arguments.push_back({inputs[i], name, -1});
    arguments.emplace_back(trace.graph().parameter(static_cast<std::int64_t>(i), inputs[i]));
  }
  Traced traced;
  traced.inputs = inputs.size();
  Function& function = trace.function_;
  for (const Tensor& output : f(arguments)) {
    function.results.push_back(output.value());
    function.result_names.push_back(fmt::format("output{}", traced.outputs++));
  }
  for (std::size_t i = 0; i < trace.states_.size(); ++i) {
    const State& state = trace.states_[i];
    traced.variables.push_back(state.variable);
    if (state.now == state.before) continue;
    function.arguments[inputs.size() + i].alias = static_cast<int>(function.results.size());
    function.results.push_back(state.now);
    function.result_names.push_back(state.variable->name);
  }
  traced.flags = std::move(trace.flags_);
  traced.function = std::move(function);
  return traced;
}

}  // namespace kiln
