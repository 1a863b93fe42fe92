// Which values may have a derivative: floats that are computed from floats.
#pragma once

#include <span>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// The values, among those that `order` (operands before users) computes, which are floats and
/// depend on a float source through floats alone. Ops without slope (floor, sign) end a path.
class Activity {
 public:
  Activity(std::span<const Node* const> order, std::span<const Value> sources);

  bool operator()(Value value) const {
    return is_float(value.type().dtype) && (nodes_.contains(value.node) || is_source(value));
  }
  /// Whether some operand is active.
  bool reaches(const Node& node) const;

 private:
  bool is_source(Value value) const;

  std::vector<Value> sources_;
  std::unordered_set<const Node*> source_nodes_, nodes_;
};

}  // namespace kiln
