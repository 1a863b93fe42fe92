// Where the schedule of a stream stands: what its parts (passes/stream_schedule, stream_tiles)
// share.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "passes/evaluate.h"
#include "passes/stream_plan.h"

namespace kiln {

/// A block of rows, and where a kernel's values lie.
struct StreamBlock {
  const StreamPlan& plan;
  Evaluator& eval;
  std::map<int, Place> place;  // of kept expressions and accumulators
  loop::Affine first;          // row of the block
  std::int64_t rows = 0;       // of the block
  bool open = false;
  std::optional<loop::Var> end;  // of the columns that the rows see, once it is known

  loop::Builder& builder() const { return eval.builder(); }

  /// Points of a dimension within the block, and where one of them lies.
  std::int64_t length(int dim) const { return dim == plan.q ? rows : plan.extent(dim); }
  loop::Affine position(int dim, const loop::Affine& along) const {
    return dim == plan.q ? first + along : along;
  }

  /// Where loops along a dimension end: the first of these. Of a triangle, tiles that make values
  /// go on as far as rounds of chains read them.
  std::vector<loop::Affine> ends(int dim, std::int64_t n, bool makes = false) const {
    if (open && end && dim == plan.limit->dim) return {n, loop::Affine::of(*end)};
    if (!open || dim != plan.triangle) return {n};
    const std::int64_t more =
        makes && plan.block % kTriangleMultiple != 0 ? kTriangleMultiple - loop::kLanes : 0;
    return {n, first + loop::Affine(rows + more)};
  }

  /// Stores of the space, at this point: all values before any of them.
  void emit_stores(const std::vector<int>& stores) {
    std::vector<loop::Reg> values;
    for (int s : stores) values.push_back(eval.eval(store(s).expr));
    for (std::size_t i = 0; i < values.size(); ++i)
      eval.store({store(stores[i]).access, false}, values[i]);
  }

 private:
  const space::Store& store(int s) const { return plan.space.stores[static_cast<std::size_t>(s)]; }
};

}  // namespace kiln
