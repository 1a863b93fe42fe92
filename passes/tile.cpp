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

constexpr std::int64_t kRowsPerChunk = 64;         // a chunk's rows, when nothing is packed
constexpr std::int64_t kRowsPerPackedChunk = 256;  // packing is paid for by these
// Blocks, for products beyond the caches: a block of B that a chunk packs stays in its L2 cache
// while all the chunk's rows meet it, a panel of that block stays in L1.
constexpr std::int64_t kBlockBytes = 1 << 18;  // of B, from which on it is worth it
constexpr std::int64_t kBlockLeastRows = 96;   // likewise
constexpr std::int64_t kBlockDepth = 384;      // k of a block, at most
constexpr std::int64_t kBlockColumns = 256;    // of a block
constexpr std::int64_t kBlockRows = 256;       // of a chunk
constexpr std::int64_t kFarBytes = 1 << 18;    // of what an epilogue reads or writes
constexpr std::int64_t kLineBytes = 64;
constexpr std::int64_t kWrittenEpilogue = 96;       // operations after a tile that are written out
constexpr std::int64_t kTranscendentalWeight = 20;  // of them, an elementary function

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

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
      : space_(space),
        plan_(plan),
        sum_(space.reductions[0]),
        eval_(space, kernel_, target.multiply_adds()) {
    for (const space::Store& store : space.stores) roots_.push_back(store.expr);
    const auto [rows, vectors] =
        choose_micro_tile(target, sum_.dtype, extent(plan_.u), extent(plan_.v));
    tall_ = rows;
    width_ = vectors * kLanes;
    panels_ = divide_up(extent(plan_.v), width_);
    choose_blocks();
  }

  loop::Kernel run() {
    std::vector<int> grid;  // the other parallel dimensions, one point a chunk
    kernel_.chunks = panel_blocks_ * row_blocks_;
    for (std::size_t d = 0; d < space_.dims.size(); ++d) {
      const int dim = static_cast<int>(d);
      if (!space_.dims[d].parallel || dim == plan_.v || dim == plan_.u) continue;
      grid.push_back(dim);
      kernel_.chunks *= extent(dim);
    }
    eval_.prepare(roots_, ~DimSet{0}, 0);
    b().loop("chunk", {Affine::of(loop::kBegin)}, {Affine::of(loop::kEnd)}, 1,
             [&](loop::Var chunk) {
               // chunk = (grid · panel_blocks + panel block) · row_blocks + row block
               eval_.push_scope();
               std::int64_t below = panel_blocks_ * row_blocks_;
               for (std::size_t i = grid.size(); i-- > 0;) {
                 eval_.open(grid[i], chunk_coordinate(b(), chunk, below, extent(grid[i]),
                                                      fmt::format("p{}", grid[i])));
                 below *= extent(grid[i]);
               }
               first_panel_ = chunk_coordinate(b(), chunk, row_blocks_, panel_blocks_, "panels") *
                              panels_per_block_;
               first_row_ = chunk_coordinate(b(), chunk, 1, row_blocks_, "rows") * rows_per_block_;
               if (blocked())
                 b().loop("block", {0}, {divide_up(extent(sum_.over[0]), depth_)}, 1,
                          [&](loop::Var block) {
                            eval_.push_scope();
                            first_k_ = Affine::of(block, depth_);
                            emit_block();
                            eval_.pop_scope();
                          });
               else
                 emit_block();
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

  /// What a chunk is, and how much of the column factor is packed at a time.
  void choose_blocks() {
    const int k = sum_.over.back();
    const std::int64_t m = extent(plan_.u), depth = extent(k);
    const std::int64_t along = stride(*plan_.column, plan_.v), down = stride(*plan_.column, k);
    const std::int64_t bytes = size_of(sum_.dtype);
    const bool simple = sum_.over.size() == 1 && depth > 0;
    const bool transposed = simple && along != 1 && down == 1 && bytes == 4;
    const bool large = simple && along == 1 && m >= kBlockLeastRows &&
                       depth * extent(plan_.v) * bytes > kBlockBytes;
    packed_ = transposed || large;
    depth_ = depth;
    if (packed_ && depth > kBlockDepth)
      depth_ = round_up(divide_up(depth, divide_up(depth, kBlockDepth)), 2);
    if (large)
      panels_per_block_ = std::min(panels_, std::max<std::int64_t>(1, kBlockColumns / width_));
    panel_blocks_ = divide_up(panels_, panels_per_block_);

    rows_per_block_ = round_up(large     ? kBlockRows
                               : packed_ ? kRowsPerPackedChunk
                                         : kRowsPerChunk,
                               tall_);
    if (2 * m < 3 * rows_per_block_) rows_per_block_ = m;
    row_blocks_ =
        std::max<std::int64_t>(1, divide_up(m, std::max<std::int64_t>(rows_per_block_, 1)));
    if (!packed_) return;
    panel_elements_ = depth_ * width_;
    pack_buffer_ =
        b().buffer(sum_.dtype, loop::Buffer::Kind::local, panel_elements_ * panels_per_block_);
    if (depth_ < depth) {
      sums_elements_ = (rows_per_block_ + tall_) * width_;
      sums_buffer_ =
          b().buffer(sum_.dtype, loop::Buffer::Kind::local, sums_elements_ * panels_per_block_);
    }
  }

  /// A chunk's rows and columns, for one block of k.
  void emit_block() {
    if (packed_) pack();
    each_panel([&](const Affine& panel, const Affine& j, std::int64_t columns) {
      each_rows([&](const Affine& i, const Affine& from, std::int64_t rows) {
        emit_tile(i, from, rows, panel, j, columns);
      });
    });
  }

  /// visit(number within the block, first column, columns) for each panel of the chunk. The last of
  /// all may be narrower: it is its own code, run where it is due.
  template <class Visit>
  void each_panel(Visit&& visit) {
    const std::int64_t n = extent(plan_.v), full = n / width_, rest = n - full * width_;
    const auto in_scope = [&](const Affine& panel, const Affine& j, std::int64_t columns) {
      eval_.push_scope();
      visit(panel, j, columns);
      eval_.pop_scope();
    };
    if (panels_ == 1) return in_scope(0, 0, rest == 0 ? width_ : rest);
    if (panels_per_block_ == 1 && rest == 0) return in_scope(0, first_panel_ * width_, width_);
    const Affine end = first_panel_ + Affine(panels_per_block_);
    const auto within = [&](loop::Var panel) { return Affine::of(panel) + first_panel_ * -1; };
    b().loop("p", {first_panel_}, {end, Affine(full)}, 1,
             [&](loop::Var p) { in_scope(within(p), Affine::of(p) * width_, width_); });
    if (rest == 0) return;
    b().loop("p", {first_panel_, Affine(full)}, {end, Affine(panels_)}, 1,
             [&](loop::Var p) { in_scope(within(p), full * width_, rest); });
  }

  /// visit(first row, the same within the block, rows) for each tile of the chunk's rows.
  template <class Visit>
  void each_rows(Visit&& visit) {
    const std::int64_t m = extent(plan_.u), full = m / tall_ * tall_;
    const auto in_scope = [&](const Affine& i, const Affine& within, std::int64_t rows) {
      eval_.push_scope();
      visit(i, within, rows);
      eval_.pop_scope();
    };
    std::vector<Affine> upper{full}, tail_upper{m};
    if (row_blocks_ > 1) {
      upper.push_back(first_row_ + Affine(rows_per_block_));
      tail_upper.push_back(first_row_ + Affine(rows_per_block_));
    }
    const auto within = [&](loop::Var i) { return Affine::of(i) + first_row_ * -1; };
    if (full == tall_ && row_blocks_ == 1)
      in_scope(0, 0, tall_);
    else if (full > 0)
      b().loop("i", {first_row_}, upper, tall_,
               [&](loop::Var i) { in_scope(Affine::of(i), within(i), tall_); });
    if (full == m) return;
    if (row_blocks_ == 1)
      in_scope(full, full, m - full);
    else
      b().loop("i", {first_row_, Affine(full)}, tail_upper, tall_,
               [&](loop::Var i) { in_scope(full, within(i), m - full); });
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

  bool blocked() const { return sums_buffer_ != -1; }

  /// The points of the block of k, counted from its first.
  TileRange block_of_k() const {
    const std::int64_t depth = extent(sum_.over.back());
    if (!blocked()) return {0, {depth}};
    if (depth % depth_ == 0) return {0, {depth_}};
    return {0, {depth_, Affine(depth) + first_k_ * -1}, depth % 2 == 0 ? 2 : 1};
  }

  /// pack[panel][k][column] = factor(column, k), for the chunk's panels and the block of k.
  void pack() {
    const int k = sum_.over[0];
    const std::int64_t down = stride(*plan_.column, k), along = stride(*plan_.column, plan_.v);
    const Affine from = base(*plan_.column) + first_k_ * down;
    if (along == 1) {
      const TileRange depth = block_of_k();
      b().loop("k", {depth.from}, depth.to, 1, [&](loop::Var at) {
        each_panel([&](const Affine& panel, const Affine& j, std::int64_t columns) {
          for (std::int64_t c = 0; c < columns; c += kLanes) {
            const auto lanes = static_cast<int>(std::min<std::int64_t>(kLanes, columns - c));
            b().store(pack_buffer_, panel * panel_elements_ + Affine::of(at, width_) + Affine(c),
                      b().load(plan_.column->buffer, from + j + Affine::of(at, down) + Affine(c),
                               kLanes, 1, lanes));
          }
        });
      });
      return;
    }
    // The last block of k may be shorter: its own code, run where it is due.
    const std::int64_t all = extent(k), full = all / depth_ * depth_;
    const auto transpose = [&](const Affine& first, std::int64_t depth) {
      each_panel([&](const Affine& panel, const Affine& j, std::int64_t columns) {
        for (std::int64_t c = 0; c < columns; c += kLanes)
          b().transpose_tile({.source = plan_.column->buffer,
                              .source_index = base(*plan_.column) + first + (j + Affine(c)) * along,
                              .source_stride = along,
                              .target = pack_buffer_,
                              .target_index = panel * panel_elements_ + Affine(c),
                              .target_stride = width_,
                              .rows = static_cast<int>(std::min<std::int64_t>(kLanes, columns - c)),
                              .columns = static_cast<int>(depth),
                              .padded_rows = kLanes});
      });
    };
    if (!blocked() || full == all) return transpose(first_k_, depth_);
    b().loop("full", {first_k_}, {first_k_ + Affine(1), Affine(full)}, depth_,
             [&](loop::Var first) { transpose(Affine::of(first), depth_); });
    b().loop("last", {first_k_, Affine(full)}, {first_k_ + Affine(1)}, depth_,
             [&](loop::Var) { transpose(full, all - full); });
  }

  /// Rows from i on (`within` the chunk) of `columns` from j on, those of a panel.
  void emit_tile(const Affine& i, const Affine& within, std::int64_t rows, const Affine& panel,
                 const Affine& j, std::int64_t columns) {
    MicroTile tile{sum_.dtype,
                   rows,
                   columns,
                   factor(*plan_.row, plan_.u, i),
                   factor(*plan_.column, plan_.v, j),
                   {}};
    if (packed_) {
      tile.columns = round_up(columns, kLanes);
      tile.column = {pack_buffer_, panel * panel_elements_, 1, {width_}};
    }
    for (int k : sum_.over) tile.over.push_back({0, {extent(k)}});
    prefetch(i, rows, j, columns);
    if (!blocked()) return epilogue(i, rows, j, columns, emit_micro_tile(b(), tile));

    tile.over = {block_of_k()};
    const Affine kept = panel * sums_elements_ + within * width_;
    const auto place = [&](std::int64_t n) {
      return kept + Affine(n / tile.vectors() * width_ + n % tile.vectors() * kLanes);
    };
    const auto count = static_cast<std::size_t>(rows * tile.vectors());
    std::vector<Reg> sums(count, b().constant({sum_.dtype, kLanes}, 0));
    sums = b().when(is_at_least(first_k_, depth_), sums, [&] {
      std::vector<Reg> before;
      for (std::size_t n = 0; n < count; ++n)
        before.push_back(b().load(sums_buffer_, place(static_cast<std::int64_t>(n)), kLanes));
      return before;
    });
    sums = emit_micro_tile(b(), tile, std::move(sums));
    const std::int64_t last = (divide_up(extent(sum_.over[0]), depth_) - 1) * depth_;
    b().when(is_at_least(Affine(last - 1), first_k_), {}, [&]() -> std::vector<Reg> {
      for (std::size_t n = 0; n < count; ++n)
        b().store(sums_buffer_, place(static_cast<std::int64_t>(n)), sums[n]);
      return {};
    });
    b().when(is_at_least(first_k_, last), {}, [&]() -> std::vector<Reg> {
      eval_.push_scope();
      epilogue(i, rows, j, columns, sums);
      eval_.pop_scope();
      return {};
    });
  }

  Reg is_at_least(const Affine& a, const Affine& b_) {
    return b().let(loop::Opcode::ge, {b().index(a, 1), b().index(b_, 1)});
  }

  /// A factor from point `first` of its dimension on, at the block of k.
  TileFactor factor(const Access& access, int dim, const Affine& first) const {
    TileFactor factor{
        access.buffer, base(access) + first * stride(access, dim), stride(access, dim), {}};
    for (int k : sum_.over) factor.steps.push_back(stride(access, k));
    if (blocked()) factor.index = factor.index + first_k_ * factor.steps[0];
    return factor;
  }

  /// Asks for what the epilogue will read and write, rows far apart, which no hardware foresees: it
  /// arrives while the tile's products are summed up.
  void prefetch(const Affine& i, std::int64_t rows, const Affine& j, std::int64_t columns) {
    std::vector<std::pair<const Access*, bool>> far;
    const auto consider = [&](const Access& access, bool write) {
      const space::Buffer& buffer = space_.buffers[static_cast<std::size_t>(access.buffer)];
      if (plan_.u >= 0 && stride(access, plan_.v) == 1 && stride(access, plan_.u) != 0 &&
          buffer.count * size_of(buffer.dtype) >= kFarBytes)
        far.emplace_back(&access, write);
    };
    for (const Expr& expr : space_.exprs)
      if (expr.kind == Expr::Kind::load && &expr.access != plan_.row &&
          &expr.access != plan_.column)
        consider(expr.access, false);
    for (const space::Store& store : space_.stores) consider(store.access, true);
    if (far.empty()) return;
    b().loop("r", {0}, {rows}, 1, [&](loop::Var r) {
      for (const auto& [access, write] : far) {
        const Affine begin = base(*access) + (i + Affine::of(r)) * stride(*access, plan_.u) + j;
        const std::int64_t line =
            kLineBytes / size_of(space_.buffers[static_cast<std::size_t>(access->buffer)].dtype);
        for (std::int64_t c = 0; c < columns; c += line)
          b().prefetch(access->buffer, begin + Affine(c), write);
      }
    });
  }

  /// What becomes of a tile's sums. Where that is much code for each (an optimiser's update), it is
  /// written once for all rows: the sums go through memory, which the nearest cache holds.
  void epilogue(const Affine& i, std::int64_t rows, const Affine& j, std::int64_t columns,
                const std::vector<Reg>& sums) {
    const std::int64_t wide = divide_up(columns, kLanes);
    const bool rolled = rows > 1 && rows * wide * epilogue_weight() > kWrittenEpilogue;
    if (rolled && rolled_buffer_ < 0)
      rolled_buffer_ = b().buffer(sum_.dtype, loop::Buffer::Kind::local, tall_ * width_);
    if (rolled)
      for (std::int64_t s = 0; s < rows * wide; ++s)
        b().store(rolled_buffer_, s * kLanes, sums[static_cast<std::size_t>(s)]);
    for (std::int64_t c = 0; c < wide; ++c) {
      // What depends on the column alone (a bias) is read once for all rows.
      eval_.push_scope();
      eval_.open_vector(plan_.v, j + Affine(c * kLanes),
                        static_cast<int>(std::min<std::int64_t>(kLanes, columns - c * kLanes)));
      eval_.prepare(roots_, plan_.u < 0 ? 0 : bit(plan_.u), 0);
      if (rolled) {
        b().loop("r", {0}, {rows}, 1, [&](loop::Var r) {
          const Affine at = Affine::of(r, wide * kLanes) + Affine(c * kLanes);
          finish(i + Affine::of(r), b().load(rolled_buffer_, at, kLanes));
        });
      } else {
        for (std::int64_t r = 0; r < rows; ++r)
          finish(i + Affine(r), sums[static_cast<std::size_t>(r * wide + c)]);
      }
      eval_.close(plan_.v);
      eval_.pop_scope();
    }
  }

  /// One row of a column's epilogue.
  void finish(const Affine& row, Reg sum) {
    eval_.push_scope();
    if (plan_.u >= 0) eval_.open(plan_.u, row);
    eval_.define(plan_.reduced_expr, sum);
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
  std::int64_t tall_ = 1;   // rows of a tile
  std::int64_t width_ = 1;  // columns of a tile, or a panel
  std::int64_t panels_ = 1, panels_per_block_ = 1, panel_blocks_ = 1;
  std::int64_t rows_per_block_ = 1, row_blocks_ = 1;
  std::int64_t depth_ = 1;  // of a block of k
  bool packed_ = false;
  int pack_buffer_ = -1, sums_buffer_ = -1, rolled_buffer_ = -1;
  std::int64_t panel_elements_ = 0, sums_elements_ = 0;  // of one panel, in these
  // The chunk, and the block of k, that are open.
  Affine first_panel_, first_row_, first_k_;
};

}  // namespace

bool is_tileable(const space::Kernel& space) { return plan(space).has_value(); }

loop::Kernel tile(const space::Kernel& space, const VectorTarget& target) {
  return Tiler(space, target, *plan(space)).run();
}

}  // namespace kiln
