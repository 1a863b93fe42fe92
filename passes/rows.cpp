#include "passes/rows.h"

#include <algorithm>
#include <bit>

#include "ir/loop.h"

namespace kiln {
namespace {

using space::bit;
using space::DimSet;
using space::Expr;
using space::has;

// A block of rows: at most so many, and so many elements of one value: 16 KiB of f32, so that the
// first-level cache holds three.
constexpr std::int64_t kBlockRows = 64;
constexpr std::int64_t kBlockElements = 4096;
constexpr std::int64_t kLeastBlockRows = 2;

}  // namespace

double unit_traffic(const space::Kernel& space, int dim, const std::set<int>& exprs,
                    const std::vector<int>& stores) {
  double traffic = 0;
  for (int e : exprs) {
    const Expr& expr = space.exprs[static_cast<std::size_t>(e)];
    if (expr.kind == Expr::Kind::load && expr.access.strides[static_cast<std::size_t>(dim)] == 1)
      traffic += static_cast<double>(space.volume(expr.dims));
    if (std::any_of(expr.reads.begin(), expr.reads.end(), [&](const space::Access& read) {
          return read.strides[static_cast<std::size_t>(dim)] == 1;
        }))
      traffic += static_cast<double>(space.volume(expr.dims));
  }
  for (int s : stores) {
    const space::Store& store = space.stores[static_cast<std::size_t>(s)];
    if (store.access.strides[static_cast<std::size_t>(dim)] == 1)
      traffic += static_cast<double>(space.volume(store.dims));
  }
  return traffic;
}

Along most_along(const space::Kernel& space, DimSet among) {
  std::set<int> exprs;
  for (std::size_t e = 0; e < space.exprs.size(); ++e) exprs.insert(static_cast<int>(e));
  std::vector<int> stores;
  for (std::size_t s = 0; s < space.stores.size(); ++s) stores.push_back(static_cast<int>(s));
  Along best;
  for (std::size_t d = 0; d < space.dims.size(); ++d) {
    if (!has(among, static_cast<int>(d))) continue;
    const double traffic = unit_traffic(space, static_cast<int>(d), exprs, stores);
    if (best.dim == -1 || traffic >= best.traffic) best = {static_cast<int>(d), traffic};
  }
  return best;
}

std::optional<space::Kernel> split_rows(const space::Kernel& space) {
  const DimSet parallel = space.parallel();
  if (space.reductions.empty() || parallel == 0 || space.dims.size() + 1 >= space::kMaxDims)
    return std::nullopt;
  if (most_along(space, ~parallel).traffic <= most_along(space, parallel).traffic)
    return std::nullopt;
  const int q = std::bit_width(parallel) - 1;
  const std::int64_t n = space.dims[static_cast<std::size_t>(q)].extent;
  std::int64_t row = 1;  // of the largest value, in elements
  for (const Expr& expr : space.exprs) row = std::max(row, space.volume(expr.dims & ~parallel));
  std::int64_t rows = std::min({n, kBlockRows, std::max<std::int64_t>(1, kBlockElements / row)});
  // Rather a divisor that fills vectors of rows than a larger one that does not.
  std::int64_t whole = rows / loop::kLanes * loop::kLanes;
  while (whole > 0 && n % whole != 0) whole -= loop::kLanes;
  while (rows > 1 && n % rows != 0) --rows;
  if (whole > 0) rows = whole;
  if (rows < kLeastBlockRows) return std::nullopt;
  for (const Expr& expr : space.exprs)
    if ((expr.kind == Expr::Kind::iota && expr.dim == q) ||
        std::find(expr.axes.begin(), expr.axes.end(), q) != expr.axes.end())
      return std::nullopt;

  space::Kernel split = space;
  split.dims[static_cast<std::size_t>(q)].extent = n / rows;
  split.dims.insert(split.dims.begin() + q + 1, space::Dim{rows, false});
  const auto widen = [&](DimSet set) {  // dimensions above q move up; q becomes q and q + 1
    const DimSet low = set & (bit(q + 1) - 1), high = (set & ~(bit(q + 1) - 1)) << 1;
    return low | high | (has(set, q) ? bit(q + 1) : 0);
  };
  const auto split_access = [&](space::Access& access) {
    if (access.strides.empty()) return;
    const std::int64_t stride = access.strides[static_cast<std::size_t>(q)];
    access.strides[static_cast<std::size_t>(q)] = stride * rows;
    access.strides.insert(access.strides.begin() + q + 1, stride);
  };
  for (Expr& expr : split.exprs) {
    expr.dims = widen(expr.dims);
    split_access(expr.access);
    for (space::Access& read : expr.reads) split_access(read);
    for (int& dim : expr.axes)
      if (dim > q) ++dim;
    if (expr.dim > q) ++expr.dim;
  }
  for (space::Reduction& reduction : split.reductions) {
    reduction.kept = widen(reduction.kept);
    for (int& dim : reduction.over)
      if (dim > q) ++dim;
  }
  for (space::Store& store : split.stores) {
    store.dims = widen(store.dims);
    split_access(store.access);
  }
  return split;
}

}  // namespace kiln
