#include "passes/stream_schedule.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <set>

#include "ir/op.h"
#include "passes/evaluate.h"
#include "passes/lanes.h"
#include "passes/micro_tile.h"

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

constexpr std::int64_t kBlockRows = 64;
constexpr std::int64_t kLeastBlockRows = 4;
constexpr std::int64_t kRowMultiple = 8;           // what register tiles are high
constexpr std::int64_t kBlockBytes = 1 << 19;      // of a block's values: in the second cache
constexpr std::int64_t kMostBlockBytes = 1 << 21;  // on a thread's stack

std::size_t at(int i) { return static_cast<std::size_t>(i); }

/// A contraction in register tiles: v lies across lanes, u across a tile's rows (-1: none).
struct Tiling {
  int reduction = 0;
  int u = -1, v = -1, over = -1;
  int row = 0, column = 0;  // expressions: the factor read element by element, that read in vectors
  int root = 0;             // the last expression evaluated on the accumulators
};

/// What runs in one set of loops over a block.
struct Step {
  int level = 0;
  std::optional<Tiling> tile;
  DimSet dims = 0;  // beside the grid's
  std::vector<int> over;
  std::vector<int> reductions;
  std::vector<int> stores;  // of the space
  std::vector<int> fills;   // expressions kept in memory for later steps
};

/// What is decided of a stream before any code is written.
class Plan {
 public:
  explicit Plan(const space::Kernel& space) : space_(space) {
    ok_ = choose_rows() && find_users();
    if (!ok_) return;
    choose_tiles();
    choose_kept();
    choose_roots();
    build_steps();
    share_places();
    choose_block();
  }

  bool ok() const { return ok_; }

  const space::Kernel& space_;
  int q = -1;  // the rows
  bool parallel_rows = false;
  DimSet grid = 0;             // parallel dimensions but the rows
  std::int64_t block = 0;      // rows of one
  std::vector<Step> steps;     // of a block
  std::vector<Step> finals;    // after all blocks
  std::set<int> accumulating;  // reductions over the rows
  std::set<int> kept;          // expressions with memory of the kernel's own
  std::map<int, int> shares;   // kept expressions that lie where another one lay

  std::int64_t extent(int dim) const { return space_.dims[at(dim)].extent; }
  const Expr& expr(int e) const { return space_.exprs[at(e)]; }
  const Reduction& reduction(int r) const { return space_.reductions[at(r)]; }
  DimSet inner(DimSet dims) const { return dims & ~grid; }
  int result_of(int reduction) const { return result_.at(reduction); }

  /// Elements of a kept value in one row.
  std::int64_t row_elements(int e) const { return space_.volume(inner(expr(e).dims) & ~bit(q)); }

  std::vector<int> roots(const Step& step) const {
    std::vector<int> roots = step.fills;
    for (int r : step.reductions) {
      roots.insert(roots.end(), reduction(r).inputs.begin(), reduction(r).inputs.end());
      roots.insert(roots.end(), reduction(r).initial.begin(), reduction(r).initial.end());
    }
    for (int s : step.stores) roots.push_back(space_.stores[at(s)].expr);
    if (step.tile) roots.push_back(step.tile->root);
    return roots;
  }

 private:
  void reach(int e, std::set<int>& seen, const std::set<int>* stop = nullptr) const {
    if (!seen.insert(e).second || (stop != nullptr && stop->contains(e))) return;
    for (int operand : expr(e).operands) reach(operand, seen, stop);
  }

  /// Whether what a reduction gives is only ever stored, where `d` is no dimension.
  bool is_final(int r, int d) const {
    const auto is_result = [&](int e) {
      return expr(e).kind == Expr::Kind::reduced && expr(e).reduction == r;
    };
    const auto reaches = [&](int root) {
      std::set<int> seen;
      reach(root, seen);
      return std::any_of(seen.begin(), seen.end(), is_result);
    };
    for (const Reduction& other : space_.reductions)
      for (const auto* list : {&other.inputs, &other.initial})
        for (int input : *list)
          if (reaches(input)) return false;
    return std::none_of(space_.stores.begin(), space_.stores.end(), [&](const space::Store& store) {
      return has(store.dims, d) && reaches(store.expr);
    });
  }

  bool choose_rows() {
    if (space_.sequential != nullptr || space_.reductions.empty()) return false;
    for (const space::Dim& dim : space_.dims)
      if (dim.extent == 0) return false;
    for (const Expr& e : space_.exprs)
      if (e.kind == Expr::Kind::indexed) return false;
    const DimSet parallel = space_.parallel();
    std::int64_t best = 0;
    for (int d = 0; d < static_cast<int>(space_.dims.size()); ++d) {
      bool valid = true;
      for (int r = 0; r < static_cast<int>(space_.reductions.size()) && valid; ++r)
        valid = has(reduction(r).kept, d) || (has(reduction(r).over_set(), d) && is_final(r, d));
      if (!valid) continue;
      std::int64_t row = 1;
      for (const Expr& e : space_.exprs)
        row = std::max(row, space_.volume(e.dims & ~parallel & ~bit(d)));
      for (const Reduction& r : space_.reductions)
        row = std::max(row, space_.volume(r.kept & ~parallel & ~bit(d)));
      if (q >= 0 && (row > best || (row == best && extent(d) <= extent(q)))) continue;
      q = d;
      best = row;
    }
    if (q < 0) return false;
    parallel_rows = has(parallel, q);
    grid = parallel & ~bit(q);
    for (int r = 0; r < static_cast<int>(space_.reductions.size()); ++r)
      if (has(reduction(r).over_set(), q)) accumulating.insert(r);
    return true;
  }

  bool find_users() {
    users_.resize(space_.exprs.size());
    consumers_.resize(space_.exprs.size());
    for (int e = 0; e < static_cast<int>(space_.exprs.size()); ++e) {
      for (int operand : expr(e).operands) users_[at(operand)].insert(e);
      if (expr(e).kind != Expr::Kind::reduced) continue;
      if (expr(e).result != 0) return false;
      result_[expr(e).reduction] = e;
    }
    for (const Reduction& r : space_.reductions)
      for (const auto* list : {&r.inputs, &r.initial})
        for (int input : *list) ++consumers_[at(input)];
    for (const space::Store& store : space_.stores) ++consumers_[at(store.expr)];
    return static_cast<std::size_t>(space_.reductions.size()) == result_.size();
  }

  // ---- contractions in register tiles

  void choose_tiles() {
    for (int r = 0; r < static_cast<int>(space_.reductions.size()); ++r)
      if (const auto tiling = tile_of(r)) tiles_[r] = *tiling;
  }

  /// How far neighbours along `d` lie apart in the memory a factor is read from.
  std::int64_t stride(int e, int d) const {
    if (expr(e).kind == Expr::Kind::load) return expr(e).access.strides[at(d)];
    if (!has(expr(e).dims, d)) return 0;
    return d == innermost(e) ? 1 : kLanes;  // of its own place: any but 1
  }
  /// The dimension that a kept value's neighbours lie along: not the rows, if it has another.
  int innermost(int e) const {
    int last = -1;
    for (int d = 0; d < static_cast<int>(space_.dims.size()); ++d)
      if (has(inner(expr(e).dims), d) && d != q) last = d;
    return last >= 0 ? last : q;
  }

  std::optional<Tiling> tile_of(int r) const {
    const Reduction& sum = reduction(r);
    if (!sum.is_contraction() || sum.rounds_products || !is_float(sum.dtype) ||
        sum.over.size() != 1)
      return std::nullopt;
    const DimSet dims = inner(sum.kept);
    for (int input : sum.inputs) {
      const Expr& factor = expr(input);
      if (factor.kind == Expr::Kind::load) continue;
      // It will be kept: a block's worth must be small enough.
      if (factor.kind == Expr::Kind::constant || !has(factor.dims, q)) return std::nullopt;
      if (std::popcount(inner(factor.dims)) > 2) return std::nullopt;
    }
    Tiling tiling;
    tiling.reduction = r;
    tiling.over = sum.over[0];
    for (int v = 0; v < static_cast<int>(space_.dims.size()); ++v) {
      if (!has(dims, v) || std::popcount(dims) > 2) continue;
      const DimSet rest = dims & ~bit(v);
      const int u = rest == 0 ? -1 : std::countr_zero(rest);
      for (int side = 0; side < 2; ++side) {
        const int column = sum.inputs[at(side)], row = sum.inputs[at(1 - side)];
        if (stride(column, v) != 1 || stride(row, v) != 0) continue;
        if (u >= 0 && (stride(column, u) != 0 || stride(row, u) == 0)) continue;
        if (v == q) continue;
        tiling.u = u, tiling.v = v, tiling.row = row, tiling.column = column;
        return tiling;
      }
    }
    return std::nullopt;
  }

  // ---- what is kept

  void choose_kept() {
    for (const auto& [r, tiling] : tiles_)
      for (int factor : {tiling.row, tiling.column})
        if (expr(factor).kind != Expr::Kind::load) kept.insert(factor);
    // Elementary functions that several reductions or stores need.
    std::map<int, int> wanted;
    const auto count = [&](std::vector<int> roots) {
      std::set<int> seen;
      for (int root : roots) reach(root, seen);
      for (int e : seen) ++wanted[e];
    };
    for (const Reduction& r : space_.reductions) count(r.inputs);
    for (const space::Store& store : space_.stores) count({store.expr});
    for (const auto& [e, times] : wanted)
      if (times > 1 && expr(e).kind == Expr::Kind::apply && traits(*expr(e).node).transcendental &&
          has(expr(e).dims, q) && std::popcount(inner(expr(e).dims)) <= 2)
        kept.insert(e);
  }

  /// Of each contraction in tiles, how far the accumulators' values are followed.
  void choose_roots() {
    for (auto& [r, tiling] : tiles_) {
      int e = result_of(r);
      while (!accumulating.contains(r) && !kept.contains(e) && consumers_[at(e)] == 0 &&
             users_[at(e)].size() == 1) {
        const int user = *users_[at(e)].begin();
        const Expr& next = expr(user);
        if (next.kind != Expr::Kind::apply || next.dims != expr(e).dims ||
            next.level != expr(e).level)
          break;
        e = user;
      }
      tiling.root = e;
    }
    for (const auto& [r, e] : result_) {
      const auto tile = tiles_.find(r);
      if (accumulating.contains(r)) continue;  // in the place of what is stored
      const int root = tile == tiles_.end() ? e : tile->second.root;
      // A value that is stored and nothing else needs no place of its own.
      if (tile == tiles_.end() || !users_[at(root)].empty() || read_by_reductions(root))
        if (inner(expr(root).dims) != 0) kept.insert(root);
    }
  }
  bool read_by_reductions(int e) const {
    return std::any_of(space_.reductions.begin(), space_.reductions.end(), [&](const Reduction& r) {
      return std::find(r.inputs.begin(), r.inputs.end(), e) != r.inputs.end() ||
             std::find(r.initial.begin(), r.initial.end(), e) != r.initial.end();
    });
  }

  // ---- steps

  static Step& step_for(std::vector<Step>& steps, int level, DimSet dims,
                        const std::vector<int>* over) {
    for (Step& step : steps)
      if (!step.tile && step.level == level && step.dims == dims &&
          (over == nullptr || step.over == *over))
        return step;
    steps.push_back(
        {level, std::nullopt, dims, over == nullptr ? std::vector<int>{} : *over, {}, {}, {}});
    return steps.back();
  }

  void build_steps() {
    std::set<int> by_tiles;  // roots
    for (const auto& [r, tiling] : tiles_) by_tiles.insert(tiling.root);
    for (int r = 0; r < static_cast<int>(space_.reductions.size()); ++r) {
      const DimSet dims = inner(reduction(r).kept | reduction(r).over_set());
      if (const auto tile = tiles_.find(r); tile != tiles_.end()) {
        Step step{reduction(r).level, tile->second, dims, reduction(r).over, {}, {}, {}};
        steps.push_back(step);
      } else {
        step_for(steps, reduction(r).level, dims, &reduction(r).over).reductions.push_back(r);
      }
    }
    for (int e : kept) {
      if (expr(e).kind == Expr::Kind::reduced || by_tiles.contains(e)) continue;
      step_for(steps, expr(e).level, inner(expr(e).dims), nullptr).fills.push_back(e);
    }
    for (int s = 0; s < static_cast<int>(space_.stores.size()); ++s) {
      const space::Store& store = space_.stores[at(s)];
      std::set<int> seen;
      reach(store.expr, seen);
      const bool last = std::any_of(seen.begin(), seen.end(), [&](int e) {
        return expr(e).kind == Expr::Kind::reduced && accumulating.contains(expr(e).reduction);
      });
      Step* home = nullptr;
      for (Step& step : steps)
        if (step.tile && step.tile->root == store.expr &&
            !accumulating.contains(step.tile->reduction))
          home = &step;
      if (home == nullptr)
        home = &step_for(last ? finals : steps, store.level, inner(store.dims), nullptr);
      home->stores.push_back(s);
    }
    // Within a level: what is filled, then reductions, then the tiles that may read it.
    const auto order = [](const Step& step) {
      return std::pair(step.level, step.tile ? 2 : step.reductions.empty() ? 0 : 1);
    };
    std::stable_sort(steps.begin(), steps.end(),
                     [&](const Step& a, const Step& b) { return order(a) < order(b); });
  }

  /// A value filled in the step that is the last to read another of its shape lies in its place:
  /// each element is read before it is written.
  void share_places() {
    std::map<int, int> last_read;
    std::set<int> filled;
    for (std::size_t s = 0; s < steps.size(); ++s) {
      std::set<int> seen;
      for (int root : roots(steps[s])) reach(root, seen, &filled);
      if (steps[s].tile)
        for (int factor : {steps[s].tile->row, steps[s].tile->column}) seen.insert(factor);
      for (int e : seen)
        if (filled.contains(e)) last_read[e] = static_cast<int>(s);
      for (int e : filled_by(steps[s])) filled.insert(e);
    }
    std::set<int> taken;
    for (std::size_t s = 0; s < steps.size(); ++s)
      for (int e : steps[s].fills)
        for (const auto& [old, last] : last_read)
          if (last == static_cast<int>(s) && !taken.contains(old) &&
              expr(old).dims == expr(e).dims && expr(old).dtype == expr(e).dtype && old != e &&
              !steps[s].tile && steps[s].dims == inner(expr(old).dims) && !shares.contains(e)) {
            taken.insert(old);
            shares[e] = old;
          }
  }

 public:
  /// The kept expressions that are in memory once a step has run.
  std::vector<int> filled_by(const Step& step) const {
    std::vector<int> filled = step.fills;
    for (int r : step.reductions)
      if (!accumulating.contains(r) && kept.contains(result_of(r))) filled.push_back(result_of(r));
    if (step.tile && kept.contains(step.tile->root)) filled.push_back(step.tile->root);
    return filled;
  }

 private:
  void choose_block() {
    std::int64_t row_bytes = 1;
    for (int e : kept)
      if (!shares.contains(e)) row_bytes += row_elements(e) * size_of(expr(e).dtype);
    block = std::min(kBlockRows, extent(q));
    while (block > kRowMultiple && block * row_bytes > kBlockBytes) block = (block + 1) / 2;
    while (block > kLeastBlockRows && block * row_bytes > kMostBlockBytes) block = (block + 1) / 2;
    ok_ = block * row_bytes <= kMostBlockBytes;
    if (block == extent(q)) return;
    block = (block + kRowMultiple - 1) / kRowMultiple * kRowMultiple;
    const std::int64_t blocks = (extent(q) + block - 1) / block;
    block = ((extent(q) + blocks - 1) / blocks + kRowMultiple - 1) / kRowMultiple * kRowMultiple;
  }

  bool ok_ = false;
  std::map<int, Tiling> tiles_;  // by reduction
  std::vector<std::set<int>> users_;
  std::vector<int> consumers_;  // reductions and stores
  std::map<int, int> result_;   // of a reduction: its expression
};

class Emitter {
 public:
  Emitter(const space::Kernel& space, const VectorTarget& target)
      : space_(space),
        plan_(space),
        target_(target),
        eval_(space, kernel_, target.multiply_adds()) {
    internal_check(plan_.ok(), "a stream has rows");
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
    if (root == e) return true;
    const auto& operands = space_.exprs[at(root)].operands;
    return std::any_of(operands.begin(), operands.end(), [&](int o) { return reads(o, e); });
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
    eval_.push_scope();
    eval_.open_block(plan_.q, first);
    eval_.forget_kept();
    for (const Step& step : plan_.steps) {
      if (step.tile)
        tile(step);
      else
        nest(step);
      for (int e : plan_.filled_by(step)) eval_.fill(e);
    }
    eval_.forget_kept();
    eval_.close_block(plan_.q);
    eval_.pop_scope();
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
    for (const Step& step : plan_.finals) {
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
      carried = b().loop("i", {0}, {full}, vector ? kLanes : 1, carried,
                         [&](loop::Var at, const std::vector<Reg>& now) {
                           return inside(Affine::of(at), kLanes, now);
                         });
    if (full < n) carried = inside(full, static_cast<int>(n - full), std::move(carried));
    return carried;
  }

  int choose_vector(const Step& step) const {
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

  void nest(const Step& step) {
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

  void fill_and_store(const Step& step) {
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

  std::vector<Reg> start(const Step& step, bool folds) {
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
  std::vector<Reg> reduce(const Step& step, const std::vector<int>& over, DimSet closed,
                          const std::vector<int>& roots, bool folds, std::vector<Reg> running) {
    const auto point = [&](std::vector<Reg> now) { return combine(step, folds, std::move(now)); };
    if (!folds) return loops(over, 0, closed, roots, step.level, std::move(running), point);
    std::vector<int> outer(over.begin(), over.end() - 1);
    const int v = over.back();
    return loops(outer, 0, closed, roots, step.level, std::move(running),
                 [&](std::vector<Reg> now) {
                   eval_.prepare(roots, bit(v), step.level);
                   return in_chains(b(), chained(step), length(v), std::move(now),
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
  std::vector<const Reduction*> chained(const Step& step) const {
    std::vector<const Reduction*> all;
    for (int r : step.reductions) all.push_back(&plan_.reduction(r));
    return all;
  }

  std::vector<Reg> combine(const Step& step, bool folds, std::vector<Reg> running) {
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

  void end(const Step& step, bool folds, const std::vector<Reg>& running) {
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

  void tile(const Step& step) {
    const Tiling& tiling = *step.tile;
    eval_.set_vector_dim(tiling.v);
    const std::int64_t n = length(tiling.v), m = tiling.u < 0 ? 1 : length(tiling.u);
    const TileShape shape =
        choose_micro_tile(target_, plan_.reduction(tiling.reduction).dtype, m, n);
    const std::int64_t tall = shape.rows;
    const std::int64_t width = shape.vectors * kLanes, panels = n / width;
    const auto panel = [&](const Affine& j, std::int64_t columns) {
      const std::int64_t full = m / tall * tall;
      if (full == tall)
        one_tile(step, 0, tall, j, columns);
      else if (full > 0)
        b().loop("i", {0}, {full}, tall,
                 [&](loop::Var i) { one_tile(step, Affine::of(i), tall, j, columns); });
      if (full < m) one_tile(step, full, m - full, j, columns);
    };
    if (panels == 1)
      panel(0, width);
    else if (panels > 1)
      b().loop("panel", {0}, {panels * width}, width,
               [&](loop::Var j) { panel(Affine::of(j), width); });
    if (panels * width < n) panel(panels * width, n - panels * width);
  }

  Place factor_place(int e) const {
    const auto own = place_.find(e);
    return own != place_.end() ? own->second : Place{space_.exprs[at(e)].access, false};
  }

  void one_tile(const Step& step, const Affine& i, std::int64_t rows, const Affine& j,
                std::int64_t columns) {
    const Tiling& tiling = *step.tile;
    const Reduction& sum = plan_.reduction(tiling.reduction);
    const bool accumulates = plan_.accumulating.contains(tiling.reduction);
    const int e = plan_.result_of(tiling.reduction);
    const Place row = factor_place(tiling.row), column = factor_place(tiling.column);
    MicroTile tile{sum.dtype, rows, columns, {}, {}, {{0, {length(tiling.over)}}}};
    const auto tall = static_cast<std::size_t>(rows);
    const auto wide = static_cast<std::size_t>(tile.vectors());
    const auto along = [&](std::size_t c) {
      return position(tiling.v, j + Affine(static_cast<std::int64_t>(c) * kLanes));
    };
    const auto lanes = [&](std::size_t c) { return tile.lanes(static_cast<std::int64_t>(c)); };
    const auto open_row = [&](std::size_t r) {
      if (tiling.u >= 0)
        eval_.open(tiling.u, position(tiling.u, i + Affine(static_cast<std::int64_t>(r))));
    };
    eval_.push_scope();
    // Where the factors begin.
    open_row(0);
    eval_.open(tiling.over, position(tiling.over, 0));
    eval_.open_vector(tiling.v, along(0), kLanes);
    const auto factor = [&](const Place& place, int dim) {
      return TileFactor{place.access.buffer,
                        eval_.address(place).first,
                        dim < 0 ? 0 : place.access.strides[at(dim)],
                        {place.access.strides[at(tiling.over)]}};
    };
    tile.row = factor(row, tiling.u);
    tile.column = factor(column, tiling.v);
    eval_.close(tiling.over);

    std::vector<Reg> acc;
    if (accumulates)
      for (std::size_t r = 0; r < tall; ++r)
        for (std::size_t c = 0; c < wide; ++c) {
          open_row(r);
          eval_.open_vector(tiling.v, along(c), lanes(c));
          acc.push_back(b().splat(eval_.load(place_.at(e)), kLanes));
        }
    acc = emit_micro_tile(b(), tile, std::move(acc));

    for (std::size_t c = 0; c < wide; ++c) {
      eval_.push_scope();
      eval_.open_vector(tiling.v, along(c), lanes(c));
      if (!accumulates)
        eval_.prepare(plan_.roots(step), tiling.u < 0 ? 0 : bit(tiling.u), step.level);
      for (std::size_t r = 0; r < tall; ++r) {
        eval_.push_scope();
        open_row(r);
        const Reg value = acc[r * wide + c];
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
    eval_.close(tiling.v);
    if (tiling.u >= 0) eval_.close(tiling.u);
    eval_.pop_scope();
  }

  const space::Kernel& space_;
  const Plan plan_;
  const VectorTarget target_;
  loop::Kernel kernel_;
  Evaluator eval_;
  std::map<int, Place> place_;  // of kept expressions and accumulators
  Affine first_;                // row of the block
  std::int64_t rows_ = 0;       // of the block
};

}  // namespace

bool is_streamable(const space::Kernel& space) { return Plan(space).ok(); }

loop::Kernel schedule_stream(const space::Kernel& space, const VectorTarget& target) {
  return Emitter(space, target).run();
}

}  // namespace kiln
