// Tracing: a C++ callable becomes a Function. What it reads and assigns beside its arguments are
// variables, which become further arguments and results: a step is pure, its state is aliased.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "frontend/tensor.h"
#include "ir/graph.h"

namespace kiln {

/// How a variable gets its first value, as PyTorch's torch.nn.init names it.
struct Initializer {
  enum class Kind : std::uint8_t { constant, uniform, normal };
  Kind kind = Kind::constant;
  double a = 0;  // the constant; lower bound; mean
  double b = 0;  // upper bound; standard deviation

  static Initializer constant(double value) { return {Kind::constant, value, 0}; }
  static Initializer uniform(double low, double high) { return {Kind::uniform, low, high}; }
  static Initializer normal(double mean, double deviation) {
    return {Kind::normal, mean, deviation};
  }
};

/// State that outlives a step: a weight, a moment of the optimiser, the step number.
struct Variable {
  std::string name;  // path in the tree of modules, "layer1.weight"
  Type type;
  Initializer initializer;
  bool trainable = true;
  /// The value. Belongs to the runtime, empty until it is first needed; the frontend never looks.
  std::shared_ptr<Array> storage = std::make_shared<Array>();
};
using VariablePtr = std::shared_ptr<Variable>;

/// What a trace made: `function`'s arguments are the inputs and then the variables, its results the
/// outputs and then the new values of the variables that were assigned (aliased).
struct Traced {
  Function function;
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  std::vector<VariablePtr> variables;  // argument inputs + i
  /// Flags the trace was made for (train or eval mode of a module), with their values then.
  std::vector<std::pair<std::shared_ptr<const bool>, bool>> flags;
};

class Trace {
 public:
  /// The trace going on in this thread; throws Error naming `what` when there is none.
  static Trace& current(std::string_view what, Where where = Where::current());
  /// The same, or null.
  static Trace* active();

  Graph& graph() { return *function_.graph; }
  /// The variable's value at this point of the trace.
  Tensor read(const VariablePtr& variable);
  /// Its value when the step begins, whatever was assigned since.
  Tensor initial(const VariablePtr& variable);
  /// Gives the variable a new value, seen by later reads and kept after the step.
  void assign(const VariablePtr& variable, const Tensor& value, Where where = Where::current());

  /// The flag's value, on which the trace depends from now on: where it has another before a call,
  /// jit traces again.
  bool flag(const std::shared_ptr<const bool>& flag);
  /// 0, 1, 2, …: what tells one call for random bits from the next.
  std::int64_t next_stream() { return streams_++; }

  /// While it lives, what is traced is the body of a loop, which this counts (an i64 scalar). There
  /// no variable can be given a value that depends on the loop.
  class Loop {
   public:
    Loop(Trace& trace, const Tensor& counter) : trace_(trace) { trace.loops_.push_back(counter); }
    ~Loop() { trace_.loops_.pop_back(); }
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

   private:
    Trace& trace_;
  };
  /// The counters of the loops around what is being traced, the outermost first.
  const std::vector<Tensor>& loops() const { return loops_; }

  /// Runs `f` on arguments of these types (named "input", or by `names`) and collects what it
  /// built.
  static Traced run(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& f,
                    const std::vector<Type>& inputs, const std::vector<std::string>& names = {});

 private:
  struct State {
    VariablePtr variable;
    Value before;
    Value now;
  };
  State& state(const VariablePtr& variable);

  Function function_;
  std::vector<State> states_;
  std::unordered_map<const Variable*, std::size_t> state_of_;  // into states_
  std::unordered_set<std::string_view> names_;                 // of the variables
  std::vector<std::pair<std::shared_ptr<const bool>, bool>> flags_;
  std::int64_t streams_ = 0;
  std::vector<Tensor> loops_;
};

}  // namespace kiln
