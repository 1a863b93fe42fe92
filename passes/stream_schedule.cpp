#include "passes/stream_schedule.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "passes/evaluate.h"
#include "passes/lanes.h"
#include "passes/stream_block.h"
#include "passes/stream_tiles.h"

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

std::size_t at(int i) { return static_cast<std::size_t>(i); }

class Emitter {
 public:
  Emitter(const space::Kernel& space, const VectorTarget& target)
      : space_(space),
        plan_(*plan_stream(space)),
        eval_(space, kernel_, target.multiply_adds()),
        tiles_(block_, target) {
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
                 eval_.open(grid[i], chunk_coordinate(b(), chunk, below, extent(grid[i])));
                 below *= extent(grid[i]);
               }
               if (plan_.parallel_rows) {
                 const Affine number = chunk_coordinate(b(), chunk, 1, blocks);
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

  // ---- memory

  void make_places() {
    for (int e : plan_.kept)
      if (!plan_.shares.contains(e)) eval_.keep(e, block_.place[e] = own_place(e));
    for (const auto& [e, old] : plan_.shares) {
      int first = old;
      while (plan_.shares.contains(first)) first = plan_.shares.at(first);
      eval_.keep(e, block_.place[e] = block_.place.at(first));
    }
    std::set<int> taken;
    for (int r : plan_.accumulating) {
      const int e = plan_.result_of(r);
      block_.place[e] = accumulator_place(e, taken);
      eval_.keep(e, block_.place[e]);
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
    block_.first = first;
    block_.rows = rows;
    block_.open = true;
    eval_.push_scope();
    eval_.open_block(plan_.q, first);
    eval_.forget_kept();
    for (const StreamStep& step : plan_.steps) {
      if (plan_.limit && !block_.end && step.level >= plan_.limit->level) block_.end = find_end();
      if (step.tile)
        tiles_.run(step);
      else
        nest(step);
      for (int e : plan_.filled_by(step)) eval_.fill(e);
    }
    eval_.forget_kept();
    eval_.close_block(plan_.q);
    eval_.pop_scope();
    block_.open = false;
    block_.end.reset();
  }

  /// Where the columns end that a row of the block sees, or where all do (StreamLimit).
  loop::Var find_end() {
    using loop::Opcode;
    const StreamLimit& limit = *plan_.limit;
    const std::int64_t n = extent(limit.dim);
    const auto row = [&](loop::Var i, const auto& body) {
      eval_.push_scope();
      eval_.open(plan_.q, block_.first + Affine::of(i));
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
      return b().loop("i", {0}, {block_.rows}, 1, {none},
                      [&](loop::Var i, const std::vector<Reg>& before) {
                        return row(i, [&] { return b().let(Opcode::bit_or, {before[0], seen()}); });
                      })[0];
    };
    const Reg last =
        b().loop("k", {0}, {n}, kLanes, {b().constant({DType::i64, 1}, 0)},
                 [&](loop::Var k, const std::vector<Reg>& now) {
                   eval_.push_scope();
                   eval_.open_vector(limit.dim, block_.position(limit.dim, Affine::of(k)), kLanes);
                   const Reg any = b().let(Opcode::reduce_or, {seen_by_any()});
                   eval_.close(limit.dim);
                   eval_.pop_scope();
                   const Reg after = b().index(Affine::of(k) + Affine(kLanes), 1);
                   return std::vector{b().let(Opcode::select, {any, after, now[0]})};
                 })[0];
    eval_.set_vector_dim(Evaluator::kNone);
    const Reg vanish =
        b().loop("i", {0}, {block_.rows}, 1, {b().constant({DType::i1, 1}, 1)},
                 [&](loop::Var i, const std::vector<Reg>& before) {
                   return row(i, [&] {
                     const Reg most = eval_.eval(limit.row_max);
                     const loop::VType type = b().type(most);
                     const Reg gap = b().let(Opcode::sub, {b().constant(type, limit.hidden), most});
                     const Reg low = b().let(Opcode::le, {gap, b().constant(type, limit.vanishes)});
                     return b().let(Opcode::bit_and, {before[0], low});
                   });
                 })[0];
    const Reg all = b().constant({DType::i64, 1}, static_cast<double>(n));
    return b().limit("stop", b().let(Opcode::select, {vanish, last, all}), n, kTriangleMultiple);
  }

  // ---- accumulators

  void initialise(int r) {
    const int e = plan_.result_of(r);
    const Reduction& sum = plan_.reduction(r);
    each_point(plan_.inner(sum.kept), {}, [&] {
      const Reg zero =
          sum.is_contraction() ? b().constant({sum.dtype, 1}, 0) : eval_.eval(sum.initial[0]);
      eval_.store(block_.place.at(e), b().splat(zero, eval_.lanes()));
    });
  }

  void finish() {
    for (int r : plan_.accumulating) eval_.fill(plan_.result_of(r));
    for (const StreamStep& step : plan_.finals) {
      std::vector<int> stores;
      for (int s : step.stores) {
        const space::Store& store = space_.stores[at(s)];
        const auto place = block_.place.find(store.expr);
        if (place == block_.place.end() || place->second.own ||
            place->second.access != store.access)
          stores.push_back(s);
      }
      if (stores.empty()) continue;
      std::vector<int> roots;
      for (int s : stores) roots.push_back(space_.stores[at(s)].expr);
      each_point(step.dims, roots, [&] { block_.emit_stores(stores); });
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
        eval_.open_vector(d, block_.position(d, along), active);
      else
        eval_.open(d, block_.position(d, along));
      now = loops(order, i + 1, closed & ~bit(d), roots, level, std::move(now), leaf);
      eval_.close(d);
      eval_.pop_scope();
      return now;
    };
    const std::int64_t n = block_.length(d), full = vector ? n / kLanes * kLanes : n;
    if (full > 0)
      carried = b().loop("i", {0}, block_.ends(d, full, true), vector ? kLanes : 1, carried,
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
      const auto own = block_.place.find(e);
      const bool along = own != block_.place.end()
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
      eval_.store(block_.place.at(step.fills[i]), values[i]);
    block_.emit_stores(step.stores);
  }
  std::vector<Reg> start(const StreamStep& step, bool folds) {
    std::vector<Reg> running;
    for (int r : step.reductions) {
      const Reduction& sum = plan_.reduction(r);
      if (folds)
        running.push_back(b().splat(identity_of(b(), sum), kLanes));
      else if (plan_.accumulating.contains(r))
        running.push_back(
            b().splat(eval_.load(block_.place.at(plan_.result_of(r))), eval_.lanes()));
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
    return loops(outer, 0, closed, roots, step.level, std::move(running),
                 [&](std::vector<Reg> now) {
                   eval_.prepare(roots, bit(v), step.level);
                   return in_chains(b(), chained(step), block_.length(v),
                                    block_.ends(v, block_.length(v)), std::move(now),
                                    [&](const Affine& along, int active, std::vector<Reg> chain) {
                                      eval_.push_scope();
                                      eval_.open_vector(v, block_.position(v, along), active);
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
          const Reg before =
              accumulates ? eval_.load(block_.place.at(e)) : eval_.eval(sum.initial[0]);
          result = sum.is_contraction()
                       ? b().let(loop::Opcode::add, {before, result})
                       : eval_.combine(sum, std::span(&before, 1), std::span(&result, 1))[0];
        }
      }
      if (block_.place.contains(e))
        eval_.store(block_.place.at(e), result);
      else
        eval_.define(e, result);
    }
  }

  const space::Kernel& space_;
  const StreamPlan plan_;
  loop::Kernel kernel_;
  Evaluator eval_;
  StreamBlock block_{plan_, eval_, {}, {}, 0, false, {}};
  StreamTiles tiles_;
};

}  // namespace

bool is_streamable(const space::Kernel& space) { return plan_stream(space).has_value(); }

loop::Kernel schedule_stream(const space::Kernel& space, const VectorTarget& target) {
  return Emitter(space, target).run();
}

}  // namespace kiln
