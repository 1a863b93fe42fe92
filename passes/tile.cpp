#include "passes/tile.h"

#include <algorithm>

#include "ir/op.h"
#include "passes/evaluate.h"
#include "passes/micro_tile.h"

namespace kiln {
namespace {

using loop::Affine;
using loop::kLanes;
using loop::Reg;
using space::Access;
using space::bit;
using space::DimSet;
using space::Expr;
using space::has;

constexpr std::int64_t kRowsPerChunk = 64;            // a chunk's rows, when nothing is packed
constexpr std::int64_t kRowsPerPackedChunk = 256;     // packing is paid for by these
constexpr std::int64_t kMaxPackedElements = 1 << 19;  // of a panel, on a thread's stack
// A panel whose rows are strewn over more memory than this is copied together: its lines fall into
// few sets of the caches, and each of its rows is on a page of its own.
constexpr std::int64_t kStrewnBytes = 1 << 21;
constexpr std::int64_t kWrittenEpilogue = 96;       // operations after a tile that are written out
constexpr std::int64_t kTranscendentalWeight = 20;  // of them, an elementary function

const Access* load_of(const space::Kernel& space, int expr) {
  const Expr& e = space.exprs[static_cast<std::size_t>(expr)];
  return e.kind == Expr::Kind::load ? &e.access : nullptr;
}

/// How a contraction is laid out: which dimension lies across lanes, which across a tile's rows.
struct Plan {
  int v = -1;  // across lanes
  int u = -1;  // across rows; -1 if there is none
  int reduced_expr = -1;
  const Access* column = nullptr;  // the factor that varies along v
  const Access* row = nullptr;     // the other
};

std::optional<Plan> plan(const space::Kernel& space) {
  if (space.reductions.size() != 1) return std::nullopt;
  const space::Reduction& sum = space.reductions[0];
  if (!sum.is_contraction() || sum.rounds_products || !is_float(sum.dtype) || sum.over.empty())
    return std::nullopt;
  const Access *a = load_of(space, sum.inputs[0]), *b = load_of(space, sum.inputs[1]);
  const DimSet parallel = space.parallel();
  if (a == nullptr || b == nullptr || parallel == 0 || sum.kept != parallel) return std::nullopt;
  for (const space::Store& store : space.stores)
    if (store.dims != parallel) return std::nullopt;

  Plan plan;
  for (std::size_t e = 0; e < space.exprs.size(); ++e)
    if (space.exprs[e].kind == Expr::Kind::reduced) plan.reduced_expr = static_cast<int>(e);
  const Access& out = space.stores.front().access;
  for (std::size_t d = 0; d < space.dims.size(); ++d)
    if (out.strides[d] == 1 && space.dims[d].parallel) plan.v = static_cast<int>(d);
  if (plan.v < 0) return std::nullopt;
  const auto v = static_cast<std::size_t>(plan.v);
  if ((a->strides[v] != 0) == (b->strides[v] != 0)) return std::nullopt;
  plan.column = a->strides[v] != 0 ? a : b;
  plan.row = plan.column == a ? b : a;
  for (std::size_t d = 0; d < space.dims.size(); ++d)
    if (space.dims[d].parallel && plan.row->strides[d] != 0 && plan.column->strides[d] == 0 &&
        (plan.u < 0 || space.dims[d].extent >= space.dims[static_cast<std::size_t>(plan.u)].extent))
      plan.u = static_cast<int>(d);
  return plan;
}

class Tiler {
 public:
  Tiler(const space::Kernel& space, const VectorTarget& target, const Plan& plan)
      : space_(space), plan_(plan), sum_(space.reductions[0]), eval_(space, kernel_) {
    for (const space::Store& store : space.stores) roots_.push_back(store.expr);
    choose_tile(target);
    choose_packing();
  }

  loop::Kernel run() {
    std::vector<int> grid;  // the other parallel dimensions, one point a chunk
    kernel_.chunks = panels_ * row_blocks_;
    for (std::size_t d = 0; d < space_.dims.size(); ++d) {
      const int dim = static_cast<int>(d);
      if (!space_.dims[d].parallel || dim == plan_.v || dim == plan_.u) continue;
      grid.push_back(dim);
      kernel_.chunks *= extent(dim);
    }
    eval_.prepare(roots_, ~DimSet{0}, 0);
    b().loop("chunk", {Affine::of(loop::kBegin)}, {Affine::of(loop::kEnd)}, 1,
             [&](loop::Var chunk) {
               // chunk = (grid · panels + panel) · row_blocks + row_block
               eval_.push_scope();
               std::int64_t below = panels_ * row_blocks_;
               for (std::size_t i = grid.size(); i-- > 0;) {
                 eval_.open(grid[i],
                            coordinate(chunk, fmt::format("p{}", grid[i]), below, extent(grid[i])));
                 below *= extent(grid[i]);
               }
               const Affine panel = coordinate(chunk, "panel", row_blocks_, panels_);
               const Affine rows = coordinate(chunk, "rows", 1, row_blocks_) * rows_per_block_;
               emit_panels(panel, rows);
               eval_.pop_scope();
             });
    loop::verify(kernel_);
    return std::move(kernel_);
  }

 private:
  loop::Builder& b() { return eval_.builder(); }
  std::int64_t extent(int dim) const {
    return dim < 0 ? 1 : space_.dims[static_cast<std::size_t>(dim)].extent;
  }
  static std::int64_t stride(const Access& access, int dim) {
    return dim < 0 ? 0 : access.strides[static_cast<std::size_t>(dim)];
  }

  /// (chunk / below) mod count, without the parts that do nothing.
  Affine coordinate(loop::Var chunk, std::string name, std::int64_t below, std::int64_t count) {
    if (count == 1) return 0;
    if (below == 1 && count == kernel_.chunks) return Affine::of(chunk);
    return Affine::of(b().define(std::move(name), Affine::of(chunk), below,
                                 below * count == kernel_.chunks ? 0 : count));
  }

  void choose_tile(const VectorTarget& target) {
    const auto [rows, vectors] =
        choose_micro_tile(target, sum_.dtype, extent(plan_.u), extent(plan_.v));
    tall_ = rows;
    wide_ = vectors;
    panels_ = (extent(plan_.v) + wide_ * kLanes - 1) / (wide_ * kLanes);
  }

  void choose_packing() {
    const int k = sum_.over.back();
    const std::int64_t elements = extent(k) * wide_ * kLanes;
    const std::int64_t along = stride(*plan_.column, plan_.v), down = stride(*plan_.column, k);
    const bool transposed = along != 1 && down == 1 && size_of(sum_.dtype) == 4;
    const bool strewn = along == 1 && extent(plan_.u) >= kRowsPerPackedChunk &&
                        extent(k) * std::abs(down) * size_of(sum_.dtype) > kStrewnBytes;
    packed_ = (transposed || strewn) && sum_.over.size() == 1 && extent(plan_.u) > 1 &&
              elements <= kMaxPackedElements;
    if (packed_) pack_buffer_ = b().buffer(sum_.dtype, loop::Buffer::Kind::local, elements);
    const std::int64_t target_rows = packed_ ? kRowsPerPackedChunk : kRowsPerChunk;
    const std::int64_t m = extent(plan_.u);
    rows_per_block_ = (target_rows + tall_ - 1) / tall_ * tall_;
    if (2 * m < 3 * rows_per_block_) rows_per_block_ = m;
    row_blocks_ = std::max<std::int64_t>(
        1, (m + rows_per_block_ - 1) / std::max<std::int64_t>(rows_per_block_, 1));
  }

  /// The last panel may be narrower: it is its own code, run where it is due.
  void emit_panels(const Affine& panel, const Affine& rows) {
    const std::int64_t n = extent(plan_.v), width = wide_ * kLanes, full = n / width;
    const std::int64_t rest = n - full * width;
    if (panels_ == 1) {
      emit_panel(0, rest == 0 ? width : rest, rows);
      return;
    }
    if (rest == 0) {
      emit_panel(panel * width, width, rows);
      return;
    }
    // for p in {panel} if p < full, and the same for the last: loops that run once or not at all.
    b().loop("p", {panel}, {panel + Affine(1), Affine(full)}, 1, [&](loop::Var p) {
      eval_.push_scope();
      emit_panel(Affine::of(p) * width, width, rows);
      eval_.pop_scope();
    });
    b().loop("p", {panel, Affine(full)}, {panel + Affine(1)}, 1, [&](loop::Var) {
      eval_.push_scope();
      emit_panel(full * width, rest, rows);
      eval_.pop_scope();
    });
  }

  /// Columns [j, j + columns) of the rows of this chunk.
  void emit_panel(const Affine& j, std::int64_t columns, const Affine& rows) {
    if (packed_) pack(j, columns);
    const std::int64_t m = extent(plan_.u), full = m / tall_ * tall_;
    std::vector<Affine> upper{full}, tail_upper{m};
    if (row_blocks_ > 1) {
      upper.push_back(rows + Affine(rows_per_block_));
      tail_upper.push_back(rows + Affine(rows_per_block_));
    }
    if (full == tall_ && row_blocks_ == 1) {
      emit_tile(0, tall_, j, columns);
    } else if (full > 0) {
      b().loop("i", {rows}, upper, tall_, [&](loop::Var i) {
        eval_.push_scope();
        emit_tile(Affine::of(i), tall_, j, columns);
        eval_.pop_scope();
      });
    }
    if (full == m) return;
    if (row_blocks_ == 1) {
      emit_tile(full, m - full, j, columns);
    } else {
      b().loop("i", {rows, Affine(full)}, tail_upper, tall_, [&](loop::Var) {
        eval_.push_scope();
        emit_tile(full, m - full, j, columns);
        eval_.pop_scope();
      });
    }
  }

  /// The element of an access at this chunk's point of the dimensions that are open.
  Affine base(const Access& access) const {
    Affine at(access.offset);
    for (std::size_t d = 0; d < access.strides.size(); ++d) {
      const int dim = static_cast<int>(d);
      if (access.strides[d] != 0 && space_.dims[d].parallel && dim != plan_.v && dim != plan_.u)
        at = at + eval_.at(dim) * access.strides[d];
    }
    return at;
  }

  /// panel[k][column] = factor(j + column, k).
  void pack(const Affine& j, std::int64_t columns) {
    if (stride(*plan_.column, plan_.v) == 1)
      pack_rows(j, columns);
    else
      pack_transposed(j, columns);
  }

  void pack_rows(const Affine& j, std::int64_t columns) {
    const int k = sum_.over[0];
    const Affine from = base(*plan_.column) + j;
    b().loop("k", {0}, {extent(k)}, 1, [&](loop::Var at) {
      for (std::int64_t c = 0; c < columns; c += kLanes) {
        const Affine place = from + Affine::of(at, stride(*plan_.column, k)) + Affine(c);
        const auto lanes = static_cast<int>(std::min<std::int64_t>(kLanes, columns - c));
        b().store(pack_buffer_, Affine::of(at, wide_ * kLanes) + Affine(c),
                  b().load(plan_.column->buffer, place, kLanes, 1, lanes));
      }
    });
  }

  /// Tile by tile.
  void pack_transposed(const Affine& j, std::int64_t columns) {
    const int k = sum_.over[0];
    const std::int64_t step = stride(*plan_.column, plan_.v);
    const Affine from = base(*plan_.column) + j * step;
    for (std::int64_t c = 0; c < columns; c += kLanes)
      b().transpose_tile({.source = plan_.column->buffer,
                          .source_index = from + Affine(c * step),
                          .source_stride = step,
                          .target = pack_buffer_,
                          .target_index = c,
                          .target_stride = wide_ * kLanes,
                          .rows = static_cast<int>(std::min<std::int64_t>(kLanes, columns - c)),
                          .columns = static_cast<int>(extent(k)),
                          .padded_rows = kLanes});
  }

  void emit_tile(const Affine& i, std::int64_t rows, const Affine& j, std::int64_t columns) {
    MicroTile tile{sum_.dtype,
                   rows,
                   columns,
                   factor(*plan_.row, plan_.u, i),
                   factor(*plan_.column, plan_.v, j),
                   {}};
    if (packed_) tile.column = {pack_buffer_, 0, 1, {wide_ * kLanes}};
    for (int k : sum_.over) tile.over.push_back({0, {extent(k)}});
    epilogue(i, j, tile, emit_micro_tile(b(), tile));
  }

  /// A factor from point `first` of its dimension on.
  TileFactor factor(const Access& access, int dim, const Affine& first) const {
    TileFactor factor{
        access.buffer, base(access) + first * stride(access, dim), stride(access, dim), {}};
    for (int k : sum_.over) factor.steps.push_back(stride(access, k));
    return factor;
  }

  /// What becomes of a tile's sums. Where that is much code for each (an optimiser's update), it is
  /// written once for all rows: the sums go through memory, which the nearest cache holds.
  void epilogue(const Affine& i, const Affine& j, const MicroTile& tile,
                const std::vector<Reg>& sums) {
    const std::int64_t wide = tile.vectors();
    const bool rolled = tile.rows > 1 && tile.rows * wide * epilogue_weight() > kWrittenEpilogue;
    if (rolled && sums_buffer_ < 0)
      sums_buffer_ = b().buffer(sum_.dtype, loop::Buffer::Kind::local, tall_ * wide_ * kLanes);
    if (rolled)
      for (std::int64_t s = 0; s < tile.rows * wide; ++s)
        b().store(sums_buffer_, s * kLanes, sums[static_cast<std::size_t>(s)]);
    for (std::int64_t c = 0; c < wide; ++c) {
      // What depends on the column alone (a bias) is read once for all rows.
      eval_.push_scope();
      eval_.open_vector(plan_.v, j + Affine(c * kLanes), tile.lanes(c));
      eval_.prepare(roots_, plan_.u < 0 ? 0 : bit(plan_.u), 0);
      if (rolled) {
        b().loop("r", {0}, {tile.rows}, 1, [&](loop::Var r) {
          const Affine at = Affine::of(r, wide * kLanes) + Affine(c * kLanes);
          finish(i + Affine::of(r), [&] { return b().load(sums_buffer_, at, kLanes); });
        });
      } else {
        for (std::int64_t r = 0; r < tile.rows; ++r)
          finish(i + Affine(r), [&] { return sums[static_cast<std::size_t>(r * wide + c)]; });
      }
      eval_.close(plan_.v);
      eval_.pop_scope();
    }
  }

  /// One row of a column's epilogue.
  template <class Sum>
  void finish(const Affine& row, const Sum& sum) {
    eval_.push_scope();
    if (plan_.u >= 0) eval_.open(plan_.u, row);
    eval_.define(plan_.reduced_expr, sum());
    // All values before any store: an output may lie where an input lay.
    std::vector<Reg> values;
    for (int root : roots_) values.push_back(eval_.eval(root));
    for (std::size_t s = 0; s < values.size(); ++s)
      eval_.store({space_.stores[s].access, false}, values[s]);
    if (plan_.u >= 0) eval_.close(plan_.u);
    eval_.pop_scope();
  }

  /// About how many operations one sum's epilogue takes.
  std::int64_t epilogue_weight() const {
    std::int64_t weight = 0;
    for (const Expr& expr : space_.exprs)
      if (expr.kind == Expr::Kind::apply && expr.dims != 0)
        weight += traits(*expr.node).transcendental ? kTranscendentalWeight : 1;
    return weight;
  }

  const space::Kernel& space_;
  const Plan plan_;
  const space::Reduction& sum_;
  loop::Kernel kernel_;
  Evaluator eval_;
  std::vector<int> roots_;
  std::int64_t wide_ = 1;  // vectors of a tile
  std::int64_t tall_ = 1;  // rows of a tile
  std::int64_t panels_ = 1;
  std::int64_t row_blocks_ = 1;
  std::int64_t rows_per_block_ = 1;
  bool packed_ = false;
  int pack_buffer_ = -1;
  int sums_buffer_ = -1;
};

}  // namespace

bool is_tileable(const space::Kernel& space) { return plan(space).has_value(); }

loop::Kernel tile(const space::Kernel& space, const VectorTarget& target) {
  return Tiler(space, target, *plan(space)).run();
}

}  // namespace kiln
