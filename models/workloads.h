// The named pieces of work that figures are quoted for. They come in families, each in a file of
// its own: models/workloads_training, _attention and _kernels.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/kiln.h"

namespace kiln {

/// A piece of work made ready: a function, what it is called on, and what must live as long.
struct PreparedWork {
  std::shared_ptr<void> state;
  TensorFunction function;
  struct Input {
    std::string name;
    Array value;
  };
  std::vector<Input> inputs;
  std::vector<std::string> outputs;  // names, one for each result of the function

  std::vector<Type> input_types() const;
  std::vector<const Array*> input_arrays() const;
  /// The function, traced with its inputs' names.
  Traced trace() const;
};

struct Workload {
  std::string name;
  std::string what;
  std::function<PreparedWork()> prepare;
};

/// All workloads, in the order they are listed.
const std::vector<Workload>& workloads();
/// Throws Error listing the names when there is none of that name.
const Workload& find_workload(const std::string& name);

}  // namespace kiln
