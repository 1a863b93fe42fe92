// jit: a traced callable, compiled once per input shape, called like the function it was made of.
//
//   auto step = jit([&](const Tensor& x, const Tensor& y) {
//     auto [loss, grads] = value_and_grad([&] { return mse_loss(net(x), y); }, net.parameters());
//     adam.update(net.parameters(), grads);
//     return loss;
//   });
//   double loss = step(images, labels).item();
//
// What the callable reads and assigns beside its arguments (parameters, the optimiser's state) is
// updated in place by the call. A further input shape is another trace, and so is the other mode
// (train, eval) of a module that asks for it.
#pragma once

#include <array>
#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "frontend/tensor.h"
#include "frontend/trace.h"
#include "ir/text.h"
#include "runtime/executable.h"

namespace kiln {

/// One trace of a callable, compiled, with its state bound.
class Compiled {
 public:
  /// Calls of a `profiled` one are timed, launch by launch.
  Compiled(Traced traced, Mode mode, const Target& target, bool profiled = false);

  bool accepts(std::span<const Array* const> inputs) const;
  /// Whether the flags the trace depends on (train or eval mode) have the values they had then.
  bool flags_hold() const;
  /// Runs the step. The outputs belong to this object and are overwritten by the next call, unless
  /// a copy of one is still held.
  const std::vector<Array>& operator()(std::span<const Array* const> inputs);

  const Executable& executable() const { return *executable_; }
  /// Of all calls so far, where profiled: one for each launch of the program.
  const std::vector<LaunchTime>& launch_times() const { return launch_times_; }
  const std::vector<VariablePtr>& variables() const { return traced_.variables; }
  std::string dump(std::string_view stage, const TextOptions& text = {}) const {
    return executable_->dump(stage, traced_.outputs, text);
  }
  std::string dump_dot(std::string_view stage) const {
    return executable_->dump_dot(stage, traced_.outputs);
  }

 private:
  Traced traced_;
  std::unique_ptr<Executable> executable_;
  std::vector<Array> outputs_;
  std::vector<void*> pointers_;
  bool profiled_;
  std::vector<LaunchTime> launch_times_;
};

using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

/// The untyped part of a jitted function.
class JitCache {
 public:
  JitCache(TensorFunction function, std::vector<std::string> names)
      : function_(std::move(function)), names_(std::move(names)) {}

  /// The compiled trace for these input types, made now if there is none.
  Compiled& find(std::span<const Array* const> inputs);
  Compiled& find(const std::vector<Type>& inputs);
  Traced trace(const std::vector<Type>& inputs) const {
    return Trace::run(function_, inputs, names_);
  }
  /// The one used last; throws Error when the function was never called or compiled.
  Compiled& latest();
  std::size_t size() const { return traces_.size(); }

 private:
  TensorFunction function_;
  std::vector<std::string> names_;
  struct Entry {
    std::vector<Type> inputs;
    Mode mode;
    Target target;
    std::int64_t max_memory;
    std::unique_ptr<Compiled> compiled;
    /// Whether it was compiled under the settings that hold now.
    bool fits_settings() const;
  };
  std::vector<Entry> traces_;
  std::size_t latest_ = 0;
};

template <class Result>
class Jit {
 public:
  explicit Jit(TensorFunction function, std::vector<std::string> names = {})
      : cache_(std::make_shared<JitCache>(std::move(function), std::move(names))) {}

  /// Runs the function on arrays. A single result is an Array, several are a vector of them; they
  /// are overwritten by the next call unless a copy is held.
  template <std::same_as<Array>... Inputs>
  const auto& operator()(const Inputs&... inputs) {
    const std::array<const Array*, sizeof...(Inputs)> pointers{&inputs...};
    const std::vector<Array>& outputs =
        cache_->find(std::span<const Array* const>(pointers))(pointers);
    if constexpr (std::same_as<Result, Tensor>)
      return outputs[0];
    else
      return outputs;
  }
  /// The same on a list of arrays.
  const auto& run(std::span<const Array> inputs) {
    arguments_.clear();
    for (const Array& input : inputs) arguments_.push_back(&input);
    const std::vector<Array>& outputs = cache_->find(arguments_)(arguments_);
    if constexpr (std::same_as<Result, Tensor>)
      return outputs[0];
    else
      return outputs;
  }
  /// Traces and compiles for these input types without running.
  Compiled& compile(const std::vector<Type>& inputs) { return cache_->find(inputs); }
  /// The program as traced for these input types, uncompiled.
  Traced trace(const std::vector<Type>& inputs) const { return cache_->trace(inputs); }
  /// The trace used last.
  Compiled& latest() { return cache_->latest(); }
  /// The program of the trace used last after a stage: graph, backward, optimized, fused, loops,
  /// llvm, asm, memory.
  std::string dump(std::string_view stage) { return latest().dump(stage); }
  /// What the trace used last takes in memory, to the byte, known before it ran: parameters,
  /// optimiser state, and what is alive in the arena at its peak.
  const MemoryReport& memory() { return latest().executable().memory(); }
  /// How many traces there are.
  std::size_t traces() const { return cache_->size(); }

 private:
  std::shared_ptr<JitCache> cache_;
  std::vector<const Array*> arguments_;  // of `run`, kept so that a step allocates nothing
};

namespace jit_support {

// A callable's parameters, each a Tensor, read from its call operator.
template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> {
  using Result = R;
  static constexpr std::size_t kInputs = sizeof...(A);
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)> : Signature<R (C::*)(A...) const> {};
template <class R, class... A>
struct Signature<R (*)(A...)> {
  using Result = R;
  static constexpr std::size_t kInputs = sizeof...(A);
};

template <class F, std::size_t... I>
std::vector<Tensor> apply(F& f, const std::vector<Tensor>& inputs, std::index_sequence<I...>) {
  if constexpr (std::same_as<std::decay_t<decltype(f(inputs[I]...))>, Tensor>)
    return {f(inputs[I]...)};
  else
    return f(inputs[I]...);
}

}  // namespace jit_support

/// Compiles a callable that takes Tensors and returns a Tensor or a vector of them. `examples`, if
/// given, are input types to trace for now, so that `jit(f, type).dump("fused")` works at once.
template <class F>
auto jit(F f, const std::vector<Type>& examples = {}, std::vector<std::string> names = {}) {
  using Signature = jit_support::Signature<std::decay_t<F>>;
  Jit<std::decay_t<typename Signature::Result>> compiled(
      [f](const std::vector<Tensor>& inputs) mutable {
        if (inputs.size() != Signature::kInputs)
          throw Error(fmt::format("jit: the function takes {} tensors, found {}",
                                  Signature::kInputs, inputs.size()));
        return jit_support::apply(f, inputs, std::make_index_sequence<Signature::kInputs>());
      },
      std::move(names));
  if (!examples.empty()) compiled.compile(examples);
  return compiled;
}

}  // namespace kiln
