#include "passes/stream_schedule.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "passes/evaluate.h"
#include "passes/lanes.h"
#include "passes/micro_tile.h"
#include "passes/stream_plan.h"

namespace kiln {
namespace {

using loop::Affine;
using loop::kLanes;
using loop::Reg;
using space::bit;
using space::DimSet;
using space::Expr;
using space::has;
using space::Reduction;

constexpr std::int64_t kSetBytes = 1024;
constexpr std::int64_t kPackingRows = 32;
constexpr std::int64_t kPackedDepth = 256;
constexpr std::int64_t kPackedWidth = 2 * kLanes;
constexpr std::int64_t kBlockDepth = 128; // of what is summed over, in blocks
constexpr std::int64_t kBlockedDepth = 1024;        // from which on there are blocks

std::size_t at(int i) { return static_cast<std::size_t>(i); }

class Emitter {
 public:
  Emitter(const space::Kernel& space, const VectorTarget& target)
      : space_(space),
        plan_(*plan_stream(space)),
        target_(target),
        eval_(space, kernel_, target.multiply_adds()) {
    make_places();
  }

  loop::Kernel run() {
    const std::int64_t n = extent(plan_.q), full = n / plan_.block;
    const std::int64_t blocks = (n + plan_.block - 1) / plan_.block;
    std::vector<int> grid;
    for (int d = 0; d < dim_count(); ++d)
      if (has(plan_.grid, d)) grid.push_back(d);
    kernel_.chunks = plan_.parallel_rows ? blocks : 1;
    for (int d : grid) kernel_.chunks *= extent(d);
    b().loop("chunk", {Affine::of(loop::kBegin)}, {Affine::of(loop::kEnd)}, 1,
             [&](loop::Var chunk) {
               eval_.push_scope();
               std::int64_t below = plan_.parallel_rows ? blocks : 1;
               for (std::size_t i = grid.size(); i-- > 0;) {
                 eval_.open(grid[i], coordinate(chunk, below, extent(grid[i])));
                 below *= extent(grid[i]);
               }
               if (plan_.parallel_rows) {
                 const Affine number = coordinate(chunk, 1, blocks);
                 each_block(number, number + Affine(1), full, n);
               } else {
                 for (int r : plan_.accumulating) initialise(r);
                 each_block(0, blocks, full, n);
                 finish();
               }
               eval_.pop_scope();
             });
    loop::verify(kernel_);
    return std::move(kernel_);
  }

 private:
  loop::Builder& b() { return eval_.builder(); }
  std::int64_t extent(int dim) const { return plan_.extent(dim); }
  int dim_count() const { return static_cast<int>(space_.dims.size()); }

  /// (chunk / below) mod count, without the parts that do nothing.
  Affine coordinate(loop::Var chunk, std::int64_t below, std::int64_t count) {
    if (count == 1) return 0;
    if (below == 1 && count == kernel_.chunks) return Affine::of(chunk);
    return Affine::of(
        b().define("p", Affine::of(chunk), below, below * count == kernel_.chunks ? 0 : count));
  }

  // ---- memory

  void make_places() {
    for (int e : plan_.kept)
      if (!plan_.shares.contains(e)) eval_.keep(e, place_[e] = own_place(e));
    for (const auto& [e, old] : plan_.shares) {
      int first = old;
      while (plan_.shares.contains(first)) first = plan_.shares.at(first);
      eval_.keep(e, place_[e] = place_.at(first));
    }
    for (const StreamStep& step : plan_.steps) {
      if (!step.tile) continue;
      const DType dtype = plan_.reduction(step.tile->reduction).dtype;
      if (is_packed(step) && !pack_.contains(dtype))
        pack_[dtype] = b().buffer(dtype, loop::Buffer::Kind::local, kPackedDepth * kPackedWidth);
      if (is_blocked(step) && !sums_.contains(dtype))
        sums_[dtype] = b().buffer(dtype, loop::Buffer::Kind::local, plan_.block * kPackedWidth);
    }
    std::set<int> taken;
    for (int r : plan_.accumulating) {
      const int e = plan_.result_of(r);
      place_[e] = accumulator_place(e, taken);
      eval_.keep(e, place_[e]);
    }
  }

  /// Rows of a block, in each the value's other dimensions.
  Place own_place(int e) {
    const DimSet dims = plan_.inner(plan_.expr(e).dims);
    Place place{{0, 0, Ints(space_.dims.size(), 0)}, true};
    std::int64_t count = 1;
    for (int d = dim_count(); d-- > 0;)
      if (has(dims, d) && d != plan_.q) {
        place.access.strides[at(d)] = count;
        count *= extent(d);
      }
    if (has(dims, plan_.q)) {
      // Rows a power of two apart would share few sets of the first cache.
      if (count * size_of(plan_.expr(e).dtype) % kSetBytes == 0) count += kLanes;
      place.access.strides[at(plan_.q)] = count;
      count *= plan_.block;
    }
    place.access.buffer = b().buffer(plan_.expr(e).dtype, loop::Buffer::Kind::local, count);
    return place;
  }

  /// Where what is made of the sum will be stored, else memory of the kernel's own.
  Place accumulator_place(int e, std::set<int>& taken) {
    for (int s = 0; s < static_cast<int>(space_.stores.size()); ++s) {
      const space::Store& store = space_.stores[at(s)];
      if (taken.contains(s) || plan_.inner(store.dims) != plan_.inner(plan_.expr(e).dims) ||
          space_.exprs[at(store.expr)].dtype != plan_.expr(e).dtype || !reads(store.expr, e))
        continue;
      taken.insert(s);
      return {store.access, false};
    }
    return own_place(e);
  }
  bool reads(int root, int e) const {
    std::set<int> seen;
    std::vector<int> todo{root};
    while (!todo.empty()) {
      const int now = todo.back();
      todo.pop_back();
      if (now == e) return true;
      if (!seen.insert(now).second) continue;
      const auto& operands = space_.exprs[at(now)].operands;
      todo.insert(todo.end(), operands.begin(), operands.end());
    }
    return false;
  }

  // ---- blocks

  /// The blocks [from, to) of rows; the last of all may be lower.
  void each_block(const Affine& from, const Affine& to, std::int64_t full, std::int64_t n) {
    const std::int64_t rest = n - full * plan_.block;
    if (full == 1 && rest == 0) return block(0, plan_.block);
    if (full == 0) return block(0, rest);
    b().loop("block", {from}, {to, Affine(full)}, 1,
             [&](loop::Var number) { block(Affine::of(number, plan_.block), plan_.block); });
    if (rest != 0)
      b().loop("block", {from, Affine(full)}, {to}, 1,
               [&](loop::Var) { block(full * plan_.block, rest); });
  }

  void block(const Affine& first, std::int64_t rows) {
    first_ = first;
    rows_ = rows;
    within_block_ = true;
    eval_.push_scope();
    eval_.open_block(plan_.q, first);
    eval_.forget_kept();
    for (const StreamStep& step : plan_.steps) {
      if (plan_.limit && !end_ && step.level >= plan_.limit->level) end_ = find_end();
      if (step.tile)
        tile(step);
      else
        nest(step);
      for (int e : plan_.filled_by(step)) eval_.fill(e);
    }
    eval_.forget_kept();
    eval_.close_block(plan_.q);
    eval_.pop_scope();
    within_block_ = false;
    end_.reset();
  }

  /// Where the columns end that a row of the block sees, or where all do (StreamLimit).
  loop::Var find_end() {
    using loop::Opcode;
    const StreamLimit& limit = *plan_.limit;
    const std::int64_t n = extent(limit.dim);
    const auto row = [&](loop::Var i, const auto& body) {
      eval_.push_scope();
      eval_.open(plan_.q, first_ + Affine::of(i));
      const Reg result = body();
      eval_.close(plan_.q);
      eval_.pop_scope();
      return std::vector{result};
    };
    eval_.set_vector_dim(limit.dim);
    const auto seen = [&] {
      const Reg mask = eval_.eval_vector(limit.mask);
      return limit.shown ? mask : b().let(Opcode::bit_not, {mask});
    };
    const auto seen_by_any = [&] {
      if (!has(plan_.expr(limit.mask).dims, plan_.q)) return seen();
      const Reg none = b().constant({DType::i1, kLanes}, 0);
      return b().loop("i", {0}, {rows_}, 1, {none},
                      [&](loop::Var i, const std::vector<Reg>& before) {
                        return row(
                            i, [&] { return b().let(Opcode::bit_or, {before[0], seen()}); });
                      })[0];
    };
    const Reg last = b().loop(
        "k", {0}, {n}, kLanes, {b().constant({DType::i64, 1}, 0)},
        [&](loop::Var k, const std::vector<Reg>& now) {
          eval_.push_scope();
          eval_.open_vector(limit.dim, position(limit.dim, Affine::of(k)), kLanes);
          const Reg any = b().let(Opcode::reduce_or, {seen_by_any()});
          eval_.close(limit.dim);
          eval_.pop_scope();
          const Reg after = b().index(Affine::of(k) + Affine(kLanes), 1);
          return std::vector{b().let(Opcode::select, {any, after, now[0]})};
        })[0];
    eval_.set_vector_dim(Evaluator::kNone);
    const Reg vanish =
        b().loop("i", {0}, {rows_}, 1, {b().constant({DType::i1, 1}, 1)},
                 [&](loop::Var i, const std::vector<Reg>& before) {
                   return row(i, [&] {
                     const Reg most = eval_.eval(limit.row_max);
                     const loop::VType type = b().type(most);
                     const Reg gap =
                         b().let(Opcode::sub, {b().constant(type, limit.hidden), most});
                     const Reg low =
                         b().let(Opcode::le, {gap, b().constant(type, limit.vanishes)});
                     return b().let(Opcode::bit_and, {before[0], low});
                   });
                 })[0];
    const Reg all = b().constant({DType::i64, 1}, static_cast<double>(n));
    return b().limit("stop", b().let(Opcode::select, {vanish, last, all}), n, kTriangleMultiple);
  }

  /// Where loops along a dimension end within a block: the first of these. Of a triangle, tiles
  /// that make values go on as far as rounds of chains read them.
  std::vector<Affine> ends(int dim, std::int64_t n, bool makes = false) const {
    if (within_block_ && end_ && dim == plan_.limit->dim) return {n, Affine::of(*end_)};
    if (!within_block_ || dim != plan_.triangle) return {n};
    const std::int64_t more =
        makes && plan_.block % kTriangleMultiple != 0 ? kTriangleMultiple - kLanes : 0;
    return {n, first_ + Affine(rows_ + more)};
  }

  std::int64_t length(int dim) const { return dim == plan_.q ? rows_ : extent(dim); }
  Affine position(int dim, const Affine& along) const {
    return dim == plan_.q ? first_ + along : along;
  }

  // ---- accumulators

  void initialise(int r) {
    const int e = plan_.result_of(r);
    const Reduction& sum = plan_.reduction(r);
    each_point(plan_.inner(sum.kept), {}, [&] {
      const Reg zero =
          sum.is_contraction() ? b().constant({sum.dtype, 1}, 0) : eval_.eval(sum.initial[0]);
      eval_.store(place_.at(e), b().splat(zero, eval_.lanes()));
    });
  }

  void finish() {
    for (int r : plan_.accumulating) eval_.fill(plan_.result_of(r));
    for (const StreamStep& step : plan_.finals) {
      std::vector<int> stores;
      for (int s : step.stores) {
        const space::Store& store = space_.stores[at(s)];
        const auto place = place_.find(store.expr);
        if (place == place_.end() || place->second.own || place->second.access != store.access)
          stores.push_back(s);
      }
      if (stores.empty()) continue;
      std::vector<int> roots;
      for (int s : stores) roots.push_back(space_.stores[at(s)].expr);
      each_point(step.dims, roots, [&] { emit_stores(stores); });
    }
    eval_.forget_kept();
  }

  /// Loops over dimensions (none of them the rows), the one that memory lies along innermost.
  template <class Body>
  void each_point(DimSet dims, const std::vector<int>& roots, const Body& body) {
    int v = -1;
    for (int d = 0; d < dim_count(); ++d)
      if (has(dims, d)) v = d;
    eval_.set_vector_dim(v);
    std::vector<int> order;
    for (int d = 0; d < dim_count(); ++d)
      if (has(dims, d)) order.push_back(d);
    loops(order, 0, dims, roots, 1 << 20, {}, [&](std::vector<Reg> none) {
      body();
      return none;
    });
  }

  // ---- nests of reductions and maps

  /// Opens loops over order[i…], the vector dimension kLanes points at a time, carrying registers.
  template <class Leaf>
  std::vector<Reg> loops(const std::vector<int>& order, std::size_t i, DimSet closed,
                         const std::vector<int>& roots, int level, std::vector<Reg> carried,
                         const Leaf& leaf) {
    if (i == order.size()) return leaf(std::move(carried));
    const int d = order[i];
    eval_.prepare(roots, closed, level);
    const bool vector = d == eval_.vector_dim();
    const auto inside = [&](const Affine& along, int active, std::vector<Reg> now) {
      eval_.push_scope();
      if (vector)
        eval_.open_vector(d, position(d, along), active);
      else
        eval_.open(d, position(d, along));
      now = loops(order, i + 1, closed & ~bit(d), roots, level, std::move(now), leaf);
      eval_.close(d);
      eval_.pop_scope();
      return now;
    };
    const std::int64_t n = length(d), full = vector ? n / kLanes * kLanes : n;
    if (full > 0)
      carried = b().loop("i", {0}, ends(d, full, true), vector ? kLanes : 1, carried,
                         [&](loop::Var at, const std::vector<Reg>& now) {
                           return inside(Affine::of(at), kLanes, now);
                         });
    if (full < n) carried = inside(full, static_cast<int>(n - full), std::move(carried));
    return carried;
  }

  int choose_vector(const StreamStep& step) const {
    std::set<int> reached;
    for (int root : plan_.roots(step)) reach(root, reached);
    const auto allowed = [&](int d) {
      return std::find(step.over.begin(), step.over.end(), d) == step.over.end() ||
             std::all_of(step.reductions.begin(), step.reductions.end(),
                         [&](int r) { return folding(plan_.reduction(r)).has_value(); });
    };
    int best = -1;
    double most = -1;
    for (int d = 0; d < dim_count(); ++d) {
      if (!has(step.dims, d) || !allowed(d)) continue;
      if (d == plan_.q && step.dims != bit(d)) continue;
      const double traffic = unit_traffic(d, reached, step.stores);
      if (traffic >= most) best = d, most = traffic;
    }
    return best;
  }

  /// How much memory, the kernel's own included, lies along a dimension.
  double unit_traffic(int d, const std::set<int>& exprs, const std::vector<int>& stores) const {
    double traffic = 0;
    for (int e : exprs) {
      const Expr& expr = space_.exprs[at(e)];
      const auto own = place_.find(e);
      const bool along = own != place_.end()
                             ? own->second.access.strides[at(d)] == 1
                             : expr.kind == Expr::Kind::load && expr.access.strides[at(d)] == 1;
      if (along) traffic += static_cast<double>(space_.volume(expr.dims));
    }
    for (int s : stores)
      if (space_.stores[at(s)].access.strides[at(d)] == 1)
        traffic += static_cast<double>(space_.volume(space_.stores[at(s)].dims));
    return traffic;
  }

  void reach(int e, std::set<int>& seen) const {
    if (!seen.insert(e).second || eval_.is_filled(e)) return;
    for (int operand : space_.exprs[at(e)].operands) reach(operand, seen);
  }

  void nest(const StreamStep& step) {
    eval_.set_vector_dim(choose_vector(step));
    const int v = eval_.vector_dim();
    const std::vector<int> roots = plan_.roots(step);
    const bool folds = std::find(step.over.begin(), step.over.end(), v) != step.over.end();
    std::vector<int> kept, over;
    for (int d = 0; d < dim_count(); ++d)
      if (has(step.dims, d) && d != v &&
          std::find(step.over.begin(), step.over.end(), d) == step.over.end())
        kept.push_back(d);
    // The rows outermost.
    std::stable_partition(kept.begin(), kept.end(), [&](int d) { return d == plan_.q; });
    for (int d : step.over)
      if (d != v) over.push_back(d);
    if (folds)
      over.push_back(v);
    else if (v >= 0)
      kept.push_back(v);
    loops(kept, 0, step.dims, roots, step.level, {}, [&](std::vector<Reg> none) {
      if (step.reductions.empty()) {
        fill_and_store(step);
        return none;
      }
      DimSet closed = 0;
      for (int d : over) closed |= bit(d);
      std::vector<Reg> running = start(step, folds);
      running = reduce(step, over, closed, roots, folds, std::move(running));
      end(step, folds, running);
      return none;
    });
  }

  void fill_and_store(const StreamStep& step) {
    // All values before any store: a value may lie where another one lay.
    std::vector<Reg> values;
    for (int e : step.fills) values.push_back(eval_.eval(e));
    for (std::size_t i = 0; i < values.size(); ++i)
      eval_.store(place_.at(step.fills[i]), values[i]);
    emit_stores(step.stores);
  }
  void emit_stores(const std::vector<int>& stores) {
    std::vector<Reg> values;
    for (int s : stores) values.push_back(eval_.eval(space_.stores[at(s)].expr));
    for (std::size_t i = 0; i < values.size(); ++i)
      eval_.store({space_.stores[at(stores[i])].access, false}, values[i]);
  }

  std::vector<Reg> start(const StreamStep& step, bool folds) {
    std::vector<Reg> running;
    for (int r : step.reductions) {
      const Reduction& sum = plan_.reduction(r);
      if (folds)
        running.push_back(b().splat(identity_of(b(), sum), kLanes));
      else if (plan_.accumulating.contains(r))
        running.push_back(b().splat(eval_.load(place_.at(plan_.result_of(r))), eval_.lanes()));
      else if (sum.is_contraction())
        running.push_back(b().constant({sum.dtype, eval_.lanes()}, 0));
      else
        running.push_back(eval_.eval_vector(sum.initial[0]));
    }
    return running;
  }

  /// The loops over what is reduced. The last one, if lanes are folded, runs in several chains: one
  /// would be as slow as the latency of its steps.
  std::vector<Reg> reduce(const StreamStep& step, const std::vector<int>& over, DimSet closed,
                          const std::vector<int>& roots, bool folds, std::vector<Reg> running) {
    const auto point = [&](std::vector<Reg> now) { return combine(step, folds, std::move(now)); };
    if (!folds) return loops(over, 0, closed, roots, step.level, std::move(running), point);
    std::vector<int> outer(over.begin(), over.end() - 1);
    const int v = over.back();
    return loops(
        outer, 0, closed, roots, step.level, std::move(running), [&](std::vector<Reg> now) {
          eval_.prepare(roots, bit(v), step.level);
          return in_chains(b(), chained(step), length(v), ends(v, length(v)), std::move(now),
                           [&](const Affine& along, int active, std::vector<Reg> chain) {
                             eval_.push_scope();
                             eval_.open_vector(v, position(v, along), active);
                             chain = point(std::move(chain));
                             eval_.close(v);
                             eval_.pop_scope();
                             return chain;
                           });
        });
  }
  std::vector<const Reduction*> chained(const StreamStep& step) const {
    std::vector<const Reduction*> all;
    for (int r : step.reductions) all.push_back(&plan_.reduction(r));
    return all;
  }

  std::vector<Reg> combine(const StreamStep& step, bool folds, std::vector<Reg> running) {
    std::vector<Reg> next;
    for (std::size_t i = 0; i < step.reductions.size(); ++i) {
      const Reduction& sum = plan_.reduction(step.reductions[i]);
      std::vector<Reg> inputs;
      for (int input : sum.inputs) inputs.push_back(eval_.eval_vector(input));
      const Reg combined = eval_.combine(sum, std::span(&running[i], 1), inputs)[0];
      // Lanes beyond the row keep what they had.
      const bool partial = folds && eval_.active() < kLanes;
      next.push_back(partial ? b().let(loop::Opcode::select,
                                       {lanes_below(b(), eval_.active()), combined, running[i]})
                             : combined);
    }
    fill_and_store(step);
    return next;
  }

  void end(const StreamStep& step, bool folds, const std::vector<Reg>& running) {
    for (std::size_t i = 0; i < step.reductions.size(); ++i) {
      const int r = step.reductions[i];
      const Reduction& sum = plan_.reduction(r);
      const int e = plan_.result_of(r);
      Reg result = running[i];
      if (folds) {
        result = b().let(*folding(sum), {result});
        const bool accumulates = plan_.accumulating.contains(r);
        if (accumulates || !sum.is_contraction()) {
          const Reg before = accumulates ? eval_.load(place_.at(e)) : eval_.eval(sum.initial[0]);
          result = sum.is_contraction()
                       ? b().let(loop::Opcode::add, {before, result})
                       : eval_.combine(sum, std::span(&before, 1), std::span(&result, 1))[0];
        }
      }
      if (place_.contains(e))
        eval_.store(place_.at(e), result);
      else
        eval_.define(e, result);
    }
  }

  // ---- register tiles

  void tile(const StreamStep& step) {
    const StreamTiling& tiling = *step.tile;
    eval_.set_vector_dim(tiling.v);
    const std::int64_t n = length(tiling.v), m = tiling.u < 0 ? 1 : length(tiling.u);
    const TileShape shape =
        choose_micro_tile(target_, plan_.reduction(tiling.reduction).dtype, m, n);
    // A triangle's end is a multiple of kRowMultiple, and so of each power of two below: a tile
    // that reached past it would read what no step has written.
    const std::int64_t tall =
        plan_.ends_early(tiling.u) ? static_cast<std::int64_t>(std::bit_floor(
                         static_cast<std::uint64_t>(std::min(shape.rows, kRowMultiple))))
                   : shape.rows;
    const std::int64_t vectors = is_packed(step) || is_blocked(step)
                                     ? std::min(shape.vectors, kPackedWidth / kLanes)
                                     : shape.vectors;
    const std::int64_t width = vectors * kLanes, panels = n / width;
    const auto panel = [&](const Affine& j, std::int64_t columns) {
      const auto each_tile = [&](const auto& visit) {
        const std::int64_t full = m / tall * tall;
        if (full == tall)
          visit(Area{0, tall, j, columns});
        else if (full > 0)
          b().loop("i", {0}, ends(tiling.u, full), tall,
                   [&](loop::Var i) { visit(Area{Affine::of(i), tall, j, columns}); });
        if (full < m) visit(Area{full, m - full, j, columns});
      };
      if (is_blocked(step)) return tile_in_blocks(step, j, columns, each_tile);
      const TileRange all = whole(tiling.over);
      if (is_packed(step)) pack(step, all, j, columns);
      each_tile([&](const Area& area) {
        std::vector<Reg> sums;
        if (plan_.accumulating.contains(tiling.reduction)) sums = accumulated(step, area);
        conclude(step, area, multiply(step, area, all, std::move(sums)));
      });
    };
    if (panels == 1)
      panel(0, width);
    else if (panels > 1)
      b().loop("panel", {0}, ends(tiling.v, panels * width, true), width,
               [&](loop::Var j) { panel(Affine::of(j), width); });
    if (panels * width < n) panel(panels * width, n - panels * width);
  }

  /// Some rows and columns of a step's result, those of one register tile.
  struct Area {
    Affine i;
    std::int64_t rows = 0;
    Affine j;
    std::int64_t columns = 0;
  };

  /// All that is summed over, or what of it is not hidden.
  TileRange whole(int over) const {
    return {0, ends(over, length(over)), plan_.ends_early(over) ? kRowMultiple : 1};
  }

  /// Long sums run in blocks: what one tile reads of the columns is then still near when the next
  /// tile reads it. The sums so far are in memory between blocks.
  bool is_blocked(const StreamStep& step) const {
    const StreamTiling& tiling = *step.tile;
    return tiling.u == plan_.q && tiling.over != plan_.q && extent(tiling.over) >= kBlockedDepth;
  }

  template <class EachTile>
  void tile_in_blocks(const StreamStep& step, const Affine& j, std::int64_t columns,
              const EachTile& each_tile) {
    const int over = step.tile->over;
    const int buffer = sums_.at(plan_.reduction(step.tile->reduction).dtype);
    const auto place = [&](const Area& area, std::size_t n) {
      return area.i * kPackedWidth + Affine(static_cast<std::int64_t>(n) * kLanes);
    };
    const auto store = [&](const Area& area, const std::vector<Reg>& sums) {
      for (std::size_t n = 0; n < sums.size(); ++n) b().store(buffer, place(area, n), sums[n]);
    };
    const auto load = [&](const Area& area) {
      std::vector<Reg> sums(count_of(area));
      for (std::size_t n = 0; n < sums.size(); ++n)
        sums[n] = b().load(buffer, place(area, n), kLanes);
      return sums;
    };
    const auto block = [&](const TileRange& range) {
      if (is_packed(step)) pack(step, range, j, columns);
      each_tile(
          [&](const Area& area) { store(area, multiply(step, area, range, load(area))); });
    };
    each_tile([&](const Area& area) {
      const Reg zero = b().constant({plan_.reduction(step.tile->reduction).dtype, kLanes}, 0);
      store(area, std::vector<Reg>(count_of(area), zero));
    });
    const TileRange all = whole(over);
    const bool early = all.to.size() > 1;  // it may end anywhere
    const std::int64_t n = length(over), full = early ? n : n / kBlockDepth * kBlockDepth;
    std::vector<Affine> to = all.to;
    to.front() = full;
    b().loop("k0", {0}, to, kBlockDepth, [&](loop::Var first) {
      TileRange range{Affine::of(first), {Affine::of(first) + Affine(kBlockDepth)}, all.multiple};
      if (early) range.to.insert(range.to.end(), all.to.begin(), all.to.end());
      block(range);
    });
    if (full < n) block({full, {n}, 1});
    each_tile([&](const Area& area) { conclude(step, area, load(area)); });
  }

  static std::size_t count_of(const Area& area) {
    return static_cast<std::size_t>(area.rows * ((area.columns + kLanes - 1) / kLanes));
  }

  /// A panel of columns whose rows lie far apart is copied together, if enough rows of a block then
  /// read it: its lines fall into few sets of the first cache.
  bool is_packed(const StreamStep& step) const {
    const StreamTiling& tiling = *step.tile;
    const Expr& column = space_.exprs[at(tiling.column)];
    if (column.kind != Expr::Kind::load || tiling.u < 0) return false;
    const std::int64_t rows = tiling.u == plan_.q ? plan_.block : extent(tiling.u);
    const std::int64_t depth = tiling.over == plan_.q ? plan_.block : extent(tiling.over);
    const std::int64_t apart =
        std::abs(column.access.strides[at(tiling.over)]) * size_of(column.dtype);
    return apart >= kSetBytes && rows >= kPackingRows &&
           (depth <= kPackedDepth || is_blocked(step));
  }

  void pack(const StreamStep& step, const TileRange& range, const Affine& j,
            std::int64_t columns) {
    const StreamTiling& tiling = *step.tile;
    const Place column = factor_place(tiling.column);
    eval_.push_scope();
    b().loop("k", {range.from}, range.to, 1, [&](loop::Var k) {
      eval_.open(tiling.over, position(tiling.over, Affine::of(k)));
      for (std::int64_t c = 0; c < columns; c += kLanes) {
        const auto lanes = static_cast<int>(std::min<std::int64_t>(kLanes, columns - c));
        eval_.open_vector(tiling.v, position(tiling.v, j + Affine(c)), lanes);
        b().store(pack_.at(space_.exprs[at(tiling.column)].dtype),
                  Affine::of(k, kPackedWidth) + range.from * -kPackedWidth + Affine(c),
                  eval_.load(column));
      }
      eval_.close(tiling.v);
      eval_.close(tiling.over);
    });
    eval_.pop_scope();
  }

  Place factor_place(int e) const {
    const auto own = place_.find(e);
    return own != place_.end() ? own->second : Place{space_.exprs[at(e)].access, false};
  }

  // Where a tile's row and columns lie in what the step computes.
  void open_row(const StreamStep& step, const Area& area, std::int64_t r) {
    if (step.tile->u >= 0)
      eval_.open(step.tile->u, position(step.tile->u, area.i + Affine(r)));
  }
  void open_columns(const StreamStep& step, const Area& area, std::int64_t c) {
    const auto lanes = static_cast<int>(std::min<std::int64_t>(kLanes, area.columns - c));
    eval_.open_vector(step.tile->v, position(step.tile->v, area.j + Affine(c)), lanes);
  }
  void close_tile(const StreamStep& step) {
    eval_.close(step.tile->v);
    if (step.tile->u >= 0) eval_.close(step.tile->u);
  }

  /// What a tile's sums have come to in earlier blocks of rows.
  std::vector<Reg> accumulated(const StreamStep& step, const Area& area) {
    std::vector<Reg> sums;
    for (std::int64_t r = 0; r < area.rows; ++r)
      for (std::int64_t c = 0; c < area.columns; c += kLanes) {
        open_row(step, area, r);
        open_columns(step, area, c);
        const Place place = place_.at(plan_.result_of(step.tile->reduction));
        sums.push_back(b().splat(eval_.load(place), kLanes));
      }
    close_tile(step);
    return sums;
  }

  /// A register tile of the step's contraction, over a range; `sums` is what it goes on with.
  std::vector<Reg> multiply(const StreamStep& step, const Area& area, const TileRange& range,
                            std::vector<Reg> sums) {
    const StreamTiling& tiling = *step.tile;
    const DType dtype = plan_.reduction(tiling.reduction).dtype;
    eval_.push_scope();
    open_row(step, area, 0);
    eval_.open(tiling.over, position(tiling.over, 0));
    eval_.open_vector(tiling.v, position(tiling.v, area.j), kLanes);
    const auto factor = [&](const Place& place, int dim) {
      return TileFactor{place.access.buffer,
                        eval_.address(place).first,
                        dim < 0 ? 0 : place.access.strides[at(dim)],
                        {place.access.strides[at(tiling.over)]}};
    };
    MicroTile tile{dtype, area.rows, area.columns, factor(factor_place(tiling.row), tiling.u),
                   {},    {range}};
    tile.column =
        is_packed(step)
            ? TileFactor{pack_.at(dtype), range.from * -kPackedWidth, 1, {kPackedWidth}}
            : factor(factor_place(tiling.column), tiling.v);
    eval_.close(tiling.over);
    sums = emit_micro_tile(b(), tile, std::move(sums));
    close_tile(step);
    eval_.pop_scope();
    return sums;
  }

  /// What becomes of a tile's sums: they go on later, or are complete.
  void conclude(const StreamStep& step, const Area& area, const std::vector<Reg>& sums) {
    const StreamTiling& tiling = *step.tile;
    const int e = plan_.result_of(tiling.reduction);
    const bool accumulates = plan_.accumulating.contains(tiling.reduction);
    const std::int64_t wide = (area.columns + kLanes - 1) / kLanes;
    for (std::int64_t c = 0; c < wide; ++c) {
      eval_.push_scope();
      open_columns(step, area, c * kLanes);
      if (!accumulates)
        eval_.prepare(plan_.roots(step), tiling.u < 0 ? 0 : bit(tiling.u), step.level);
      for (std::int64_t r = 0; r < area.rows; ++r) {
        eval_.push_scope();
        open_row(step, area, r);
        const Reg value = sums[static_cast<std::size_t>(r * wide + c)];
        if (accumulates) {
          eval_.store(place_.at(e), value);
        } else {
          eval_.define(e, value);
          const Reg root = eval_.eval(tiling.root);
          if (plan_.kept.contains(tiling.root)) eval_.store(place_.at(tiling.root), root);
          emit_stores(step.stores);
        }
        eval_.pop_scope();
      }
      eval_.pop_scope();
    }
    close_tile(step);
  }

  const space::Kernel& space_;
  const StreamPlan plan_;
  const VectorTarget target_;
  loop::Kernel kernel_;
  Evaluator eval_;
  std::map<int, Place> place_;  // of kept expressions and accumulators
  std::map<DType, int> pack_;   // a panel's buffer
  std::map<DType, int> sums_;   // a panel's sums, between blocks
  Affine first_;                // row of the block
  std::int64_t rows_ = 0;       // of the block
  bool within_block_ = false;
  std::optional<loop::Var> end_;  // of the columns that the block's rows see, once it is known
};

}  // namespace

bool is_streamable(const space::Kernel& space) { return plan_stream(space).has_value(); }

loop::Kernel schedule_stream(const space::Kernel& space, const VectorTarget& target) {
  return Emitter(space, target).run();
}

}  // namespace kiln
