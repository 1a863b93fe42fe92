// What is decided of a stream before any code is written: its rows, the contractions that run in
// register tiles, what a block of rows keeps in memory, and the steps a block goes through.
// passes/stream_schedule writes the code.
#pragma once

#include <bit>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "ir/space.h"
#include "passes/lanes.h"

namespace kiln {

/// A contraction in register tiles: v lies across lanes, u across a tile's rows (-1: none).
struct StreamTiling {
  int reduction = 0;
  int u = -1, v = -1, over = -1;
  int row = 0, column = 0;  // expressions: the factor read element by element, that read in vectors
  int root = 0;             // the last expression evaluated on the accumulators
};

/// What runs in one set of loops over a block.
struct StreamStep {
  int level = 0;
  std::optional<StreamTiling> tile;
  space::DimSet dims = 0;  // beside the grid's
  std::vector<int> over;
  std::vector<int> reductions;
  std::vector<int> stores;  // of the space
  std::vector<int> fills;   // expressions kept in memory for later steps
};

/// Blocks are multiples of what register tiles of a triangle are high, and triangles of what rounds
/// of chains read (passes/lanes.h).
inline constexpr std::int64_t kRowMultiple = 8;
inline constexpr std::int64_t kTriangleMultiple = std::int64_t{loop::kLanes} * kChains;

/// A mask that data decide: select(mask, score, hidden), where exp(hidden - row_max) is 0 unless a
/// row sees next to nothing. If so of no row of a block, the dimension ends after the last column
/// that one of them sees.
struct StreamLimit {
  int dim = 0;
  int mask = 0;         // an expression of i1
  bool shown = true;    // what it is where a score is seen
  int row_max = 0;      // an expression
  double hidden = 0;    // what stands for a score that is not
  double vanishes = 0;  // exp of this and less is 0
  int level = 0;        // from which on it holds: row_max is known
};

struct StreamPlan {
  explicit StreamPlan(const space::Kernel& kernel) : space(kernel) {}

  const space::Kernel& space;
  int q = -1;  // the rows
  bool parallel_rows = false;
  space::DimSet grid = 0;          // parallel dimensions but the rows
  std::int64_t block = 0;          // rows of one
  std::vector<StreamStep> steps;   // of a block
  std::vector<StreamStep> finals;  // after all blocks
  std::set<int> accumulating;      // reductions over the rows
  std::set<int> kept;              // expressions with memory of the kernel's own
  std::map<int, int> shares;       // kept expressions that lie where another one lay
  /// Where points of this dimension beyond the rows' own number are hidden, it ends there: what is
  /// hidden adds nothing (-1: no dimension).
  int triangle = -1;
  std::optional<StreamLimit> limit;
  bool ends_early(int dim) const {
    return dim >= 0 && (dim == triangle || (limit && dim == limit->dim));
  }

  std::int64_t extent(int dim) const { return space.dims[static_cast<std::size_t>(dim)].extent; }
  const space::Expr& expr(int e) const { return space.exprs[static_cast<std::size_t>(e)]; }
  const space::Reduction& reduction(int r) const {
    return space.reductions[static_cast<std::size_t>(r)];
  }
  space::DimSet inner(space::DimSet dims) const { return dims & ~grid; }
  int result_of(int reduction) const { return results.at(reduction); }

  /// Elements of a kept value in one row.
  std::int64_t row_elements(int e) const {
    return space.volume(inner(expr(e).dims) & ~space::bit(q));
  }

  std::vector<int> roots(const StreamStep& step) const {
    std::vector<int> roots = step.fills;
    for (int r : step.reductions) {
      roots.insert(roots.end(), reduction(r).inputs.begin(), reduction(r).inputs.end());
      roots.insert(roots.end(), reduction(r).initial.begin(), reduction(r).initial.end());
    }
    for (int s : step.stores) roots.push_back(space.stores[static_cast<std::size_t>(s)].expr);
    if (step.tile) roots.push_back(step.tile->root);
    return roots;
  }

  /// The kept expressions that are in memory once a step has run.
  std::vector<int> filled_by(const StreamStep& step) const {
    std::vector<int> filled = step.fills;
    for (int r : step.reductions)
      if (!accumulating.contains(r) && kept.contains(result_of(r))) filled.push_back(result_of(r));
    if (step.tile && kept.contains(step.tile->root)) filled.push_back(step.tile->root);
    return filled;
  }

  std::map<int, int> results;  // of reductions: their expressions
};

/// Nothing where no rows can be found, or a block of them does not fit.
std::optional<StreamPlan> plan_stream(const space::Kernel& space);

}  // namespace kiln
