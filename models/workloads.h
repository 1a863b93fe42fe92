// The named pieces of work that figures are quoted for.
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
  std::vector<Array> inputs;
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
