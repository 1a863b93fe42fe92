#include "passes/stream_plan.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "ir/op.h"
#include "passes/lanes.h"

namespace kiln {
namespace {

using loop::kLanes;
using space::bit;
using space::DimSet;
using space::Expr;
using space::has;
using space::Reduction;

constexpr int kLineDepth = 4;  // of additions: each asks for two more
constexpr std::int64_t kBlockRows = 64;
// The exponential of this and less rounds to 0.
constexpr double kVanishes32 = -104, kVanishes64 = -746;
constexpr std::int64_t kLeastBlockRows = 4;
constexpr std::int64_t kMostBlockBytes = 1 << 21;  // of its values: the second cache; on a stack

std::size_t at(int i) { return static_cast<std::size_t>(i); }

class Planner : public StreamPlan {
 public:
  explicit Planner(const space::Kernel& kernel) : StreamPlan(kernel) {}

  bool run() {
    ok_ = choose_rows() && find_users();
    if (!ok_) return false;
    choose_tiles();
    choose_kept();
    choose_roots();
    build_steps();
    share_places();
    choose_block();
    find_triangle();
    find_limit();
    return ok_;
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
    for (const Reduction& other : space.reductions)
      for (const auto* list : {&other.inputs, &other.initial})
        for (int input : *list)
          if (reaches(input)) return false;
    return std::none_of(space.stores.begin(), space.stores.end(), [&](const space::Store& store) {
      return has(store.dims, d) && reaches(store.expr);
    });
  }

  bool choose_rows() {
    if (space.sequential != nullptr || space.reductions.empty()) return false;
    for (const space::Dim& dim : space.dims)
      if (dim.extent == 0) return false;
    for (const Expr& e : space.exprs)
      if (e.kind == Expr::Kind::indexed) return false;
    const DimSet parallel = space.parallel();
    std::int64_t best = 0;
    for (int d = 0; d < static_cast<int>(space.dims.size()); ++d) {
      bool valid = true;
      for (int r = 0; r < static_cast<int>(space.reductions.size()) && valid; ++r)
        valid = has(reduction(r).kept, d) || (has(reduction(r).over_set(), d) && is_final(r, d));
      if (!valid) continue;
      std::int64_t row = 1;
      for (const Expr& e : space.exprs)
        row = std::max(row, space.volume(e.dims & ~parallel & ~bit(d)));
      for (const Reduction& r : space.reductions)
        row = std::max(row, space.volume(r.kept & ~parallel & ~bit(d)));
      if (q >= 0 && (row > best || (row == best && extent(d) <= extent(q)))) continue;
      q = d;
      best = row;
    }
    if (q < 0) return false;
    parallel_rows = has(parallel, q);
    grid = parallel & ~bit(q);
    for (int r = 0; r < static_cast<int>(space.reductions.size()); ++r)
      if (has(reduction(r).over_set(), q)) accumulating.insert(r);
    return true;
  }

  bool find_users() {
    users_.resize(space.exprs.size());
    consumers_.resize(space.exprs.size());
    for (int e = 0; e < static_cast<int>(space.exprs.size()); ++e) {
      for (int operand : expr(e).operands) users_[at(operand)].insert(e);
      if (expr(e).kind != Expr::Kind::reduced) continue;
      if (expr(e).result != 0) return false;
      results[expr(e).reduction] = e;
    }
    for (const Reduction& r : space.reductions)
      for (const auto* list : {&r.inputs, &r.initial})
        for (int input : *list) ++consumers_[at(input)];
    for (const space::Store& store : space.stores) ++consumers_[at(store.expr)];
    return static_cast<std::size_t>(space.reductions.size()) == results.size();
  }

  // ---- contractions in register tiles

  void choose_tiles() {
    for (int r = 0; r < static_cast<int>(space.reductions.size()); ++r)
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
    for (int d = 0; d < static_cast<int>(space.dims.size()); ++d)
      if (has(inner(expr(e).dims), d) && d != q) last = d;
    return last >= 0 ? last : q;
  }

  std::optional<StreamTiling> tile_of(int r) const {
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
    StreamTiling tiling;
    tiling.reduction = r;
    tiling.over = sum.over[0];
    std::optional<StreamTiling> found;
    for (int v = 0; v < static_cast<int>(space.dims.size()); ++v) {
      if (!has(dims, v) || std::popcount(dims) > 2) continue;
      const DimSet rest = dims & ~bit(v);
      const int u = rest == 0 ? -1 : std::countr_zero(rest);
      for (int side = 0; side < 2; ++side) {
        const int column = sum.inputs[at(side)], row = sum.inputs[at(1 - side)];
        if (stride(column, v) != 1 || stride(row, v) != 0) continue;
        if (u >= 0 && (stride(column, u) != 0 || stride(row, u) == 0)) continue;
        if (v == q) continue;
        tiling.u = u, tiling.v = v, tiling.row = row, tiling.column = column;
        // Of two ways, the one whose results lie along vectors, too.
        if (!found || is_stored_along(r, v)) found = tiling;
      }
    }
    return found;
  }

  bool is_stored_along(int r, int v) const {
    return std::any_of(space.stores.begin(), space.stores.end(), [&](const space::Store& store) {
      std::set<int> seen;
      reach(store.expr, seen);
      return inner(store.dims) == inner(reduction(r).kept) && seen.contains(result_of(r)) &&
             store.access.strides[at(v)] == 1;
    });
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
    for (const Reduction& r : space.reductions) count(r.inputs);
    for (const space::Store& store : space.stores) count({store.expr});
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
            next.level != expr(e).level || waits_for_others(next, e))
          break;
        e = user;
      }
      tiling.root = e;
    }
    for (const auto& [r, e] : results) {
      const auto tile = tiles_.find(r);
      if (accumulating.contains(r)) continue;  // in the place of what is stored
      const int root = tile == tiles_.end() ? e : tile->second.root;
      // A value that is stored and nothing else needs no place of its own.
      if (tile == tiles_.end() || !users_[at(root)].empty() || read_by_reductions(root))
        if (inner(expr(root).dims) != 0) kept.insert(root);
    }
  }
  /// Whether an operand beside `e` comes of a reduction that may run after e's.
  bool waits_for_others(const Expr& user, int e) const {
    return std::any_of(user.operands.begin(), user.operands.end(),
                       [&](int o) { return o != e && expr(o).level >= expr(e).level; });
  }
  bool read_by_reductions(int e) const {
    return std::any_of(space.reductions.begin(), space.reductions.end(), [&](const Reduction& r) {
      return std::find(r.inputs.begin(), r.inputs.end(), e) != r.inputs.end() ||
             std::find(r.initial.begin(), r.initial.end(), e) != r.initial.end();
    });
  }

  // ---- steps

  static StreamStep& step_for(std::vector<StreamStep>& steps, int level, DimSet dims,
                              const std::vector<int>* over) {
    for (StreamStep& step : steps)
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
    for (int r = 0; r < static_cast<int>(space.reductions.size()); ++r) {
      const DimSet dims = inner(reduction(r).kept | reduction(r).over_set());
      if (const auto tile = tiles_.find(r); tile != tiles_.end()) {
        StreamStep step{reduction(r).level, tile->second, dims, reduction(r).over, {}, {}, {}};
        steps.push_back(step);
      } else {
        step_for(steps, reduction(r).level, dims, &reduction(r).over).reductions.push_back(r);
      }
    }
    for (int e : kept) {
      if (expr(e).kind == Expr::Kind::reduced || by_tiles.contains(e)) continue;
      step_for(steps, expr(e).level, inner(expr(e).dims), nullptr).fills.push_back(e);
    }
    for (int s = 0; s < static_cast<int>(space.stores.size()); ++s) {
      const space::Store& store = space.stores[at(s)];
      std::set<int> seen;
      reach(store.expr, seen);
      const bool last = std::any_of(seen.begin(), seen.end(), [&](int e) {
        return expr(e).kind == Expr::Kind::reduced && accumulating.contains(expr(e).reduction);
      });
      StreamStep* home = nullptr;
      for (StreamStep& step : steps)
        if (step.tile && step.tile->root == store.expr &&
            !accumulating.contains(step.tile->reduction))
          home = &step;
      if (home == nullptr)
        home = &step_for(last ? finals : steps, store.level, inner(store.dims), nullptr);
      home->stores.push_back(s);
    }
    sort_steps();
  }

  /// Within a level: what is filled, then reductions, then the tiles that may read it.
  void sort_steps() {
    const auto order = [](const StreamStep& step) {
      return std::pair(step.level, step.tile ? 2 : step.reductions.empty() ? 0 : 1);
    };
    std::stable_sort(steps.begin(), steps.end(),
                     [&](const StreamStep& a, const StreamStep& b) { return order(a) < order(b); });
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

  void choose_block() {
    std::int64_t row_bytes = 1;
    for (int e : kept)
      if (!shares.contains(e)) row_bytes += row_elements(e) * size_of(expr(e).dtype);
    block = std::min(kBlockRows, extent(q));
    while (block > kLeastBlockRows && block * row_bytes > kMostBlockBytes) block = (block + 1) / 2;
    ok_ = block * row_bytes <= kMostBlockBytes;
    if (block == extent(q)) return;
    block = (block + kRowMultiple - 1) / kRowMultiple * kRowMultiple;
    const std::int64_t blocks = (extent(q) + block - 1) / block;
    block = ((extent(q) + blocks - 1) / blocks + kRowMultiple - 1) / kRowMultiple * kRowMultiple;
  }

  // ---- triangles

  /// A causal mask: select(row >= column, score, -inf). Of the columns beyond the last row of a
  /// block every weight is 0, so they are left out, if all that is done with them adds zeros to
  /// sums or -inf to maxima. (A weight of 0 times a value that is not finite is left out, too.)
  void find_triangle() {
    if (!ok_ || block % kRowMultiple != 0 || extent(q) % block != 0) return;
    for (int d = 0; d < static_cast<int>(space.dims.size()); ++d) {
      if (d == q || has(grid, d) || extent(d) != extent(q) || extent(d) % kTriangleMultiple != 0)
        continue;
      if (hides(d)) triangle = d;
    }
  }

  enum class Hidden : std::uint8_t { anything, zero, lowest, yes, no };  // of what is hidden

  // ---- limits

  void find_limit() {
    if (!ok_ || triangle >= 0 || block % kRowMultiple != 0) return;
    for (int e = 0; e < static_cast<int>(space.exprs.size()) && !limit; ++e) {
      const std::optional<StreamLimit> found = limit_of(e);
      if (!found || !hides(found->dim, &*found, e)) continue;
      limit = found;
      run_late();
    }
  }

  /// What exp(select(mask, score, hidden) - row_max) may be left out by.
  std::optional<StreamLimit> limit_of(int number) const {
    const Expr& e = expr(number);
    if (e.kind != Expr::Kind::apply || e.node->op() != Op::exponential) return std::nullopt;
    const Expr& difference = expr(e.operands[0]);
    if (difference.kind != Expr::Kind::apply || difference.node->op() != Op::subtract)
      return std::nullopt;
    const Expr& chosen = expr(difference.operands[0]);
    if (chosen.kind != Expr::Kind::apply || chosen.node->op() != Op::select) return std::nullopt;
    StreamLimit found;
    found.mask = chosen.operands[0];
    found.row_max = difference.operands[1];
    found.vanishes = e.dtype == DType::f32 ? kVanishes32 : kVanishes64;
    const auto constant = [&](int operand) { return expr(operand).kind == Expr::Kind::constant; };
    found.shown = constant(chosen.operands[2]);
    const int hidden = chosen.operands[found.shown ? 2 : 1];
    if (!constant(hidden)) return std::nullopt;
    found.hidden = expr(hidden).node->attrs<ConstantAttrs>().value.as_double(0);
    if (!(found.hidden < found.vanishes)) return std::nullopt;
    found.level = std::max(expr(found.row_max).level, expr(found.mask).level);
    const DimSet columns = inner(e.dims) & ~bit(q) & ~expr(found.row_max).dims;
    if (std::popcount(columns) != 1) return std::nullopt;
    found.dim = std::countr_zero(columns);
    const DimSet known = grid | bit(q) | columns;
    if (!has(expr(found.mask).dims, found.dim) || (expr(found.mask).dims & ~known) != 0 ||
        (expr(found.row_max).dims & ~known) != 0 || extent(found.dim) % kTriangleMultiple != 0)
      return std::nullopt;
    return found;
  }

  /// Products of what is in memory that no step before the limit reads run after it. (One that sums
  /// over the columns would then leave some out, which `hides` has not asked about.)
  void run_late() {
    for (StreamStep& late : steps) {
      if (!late.tile || late.level >= limit->level || !late.stores.empty() ||
          late.tile->over == limit->dim || expr(late.tile->row).kind != Expr::Kind::load ||
          expr(late.tile->column).kind != Expr::Kind::load)
        continue;
      std::set<int> early;
      reach(limit->mask, early);
      reach(limit->row_max, early);
      for (const StreamStep& step : steps) {
        if (&step == &late || step.level >= limit->level) continue;
        for (int root : roots(step)) reach(root, early);
        if (step.tile)
          for (int factor : {step.tile->row, step.tile->column}) reach(factor, early);
      }
      if (!early.contains(result_of(late.tile->reduction))) late.level = limit->level;
    }
    sort_steps();
  }

  /// Whether what of dimension `d` is hidden adds nothing where it is summed up: by a causal mask,
  /// or under a limit from its level on, where `vanishing` is the exponential that it makes 0.
  bool hides(int d, const StreamLimit* under = nullptr, int vanishing = -1) const {
    std::vector<Hidden> hidden;
    for (int e = 0; e < static_cast<int>(space.exprs.size()); ++e) {
      if (under != nullptr && e == under->mask)
        hidden.push_back(under->shown ? Hidden::no : Hidden::yes);
      else if (e == vanishing)
        hidden.push_back(Hidden::zero);
      else
        hidden.push_back(hidden_value(expr(e), hidden, d));
    }
    const auto is = [&](int e, Hidden value) { return hidden[at(e)] == value; };
    bool any = false;
    for (int r = 0; r < static_cast<int>(space.reductions.size()); ++r) {
      const Reduction& sum = reduction(r);
      const bool over = has(sum.over_set(), d);
      if (!over && !has(sum.kept, d)) continue;
      if (under != nullptr && sum.level < under->level) continue;  // of all columns
      if (!over && !accumulating.contains(r)) continue;  // its own elements, which others read
      // A panel of sums along the columns would end in the middle of what is hidden.
      if (const auto tile = tiles_.find(r);
          tile != tiles_.end() && accumulating.contains(r) && tile->second.v == d)
        return false;
      if (sum.is_contraction()) {
        if (!is(sum.inputs[0], Hidden::zero) && !is(sum.inputs[1], Hidden::zero)) return false;
      } else {
        const auto combiner = simple_combiner(*sum.region);
        if (sum.inputs.size() != 1 || !combiner) return false;
        const Hidden neutral = *combiner == Op::add       ? Hidden::zero
                               : *combiner == Op::maximum ? Hidden::lowest
                                                          : Hidden::anything;
        if (neutral == Hidden::anything || !is(sum.inputs[0], neutral)) return false;
      }
      any = true;
    }
    for (const StreamStep& step : steps)
      for (int s : step.stores)
        if (has(space.stores[at(s)].dims, d)) return false;
    return any;
  }

  Hidden hidden_value(const Expr& e, const std::vector<Hidden>& hidden, int d) const {
    if (e.kind == Expr::Kind::constant) {
      const double value = e.node->attrs<ConstantAttrs>().value.as_double(0);
      if (is_bool(e.dtype)) return value != 0 ? Hidden::yes : Hidden::no;
      if (!is_float(e.dtype)) return Hidden::anything;
      return value == 0                                          ? Hidden::zero
             : value == -std::numeric_limits<double>::infinity() ? Hidden::lowest
                                                                 : Hidden::anything;
    }
    if (e.kind != Expr::Kind::apply) return Hidden::anything;
    const auto of = [&](std::size_t i) { return hidden[at(e.operands[i])]; };
    const auto any_of = [&](Hidden value) {
      return std::any_of(e.operands.begin(), e.operands.end(),
                         [&](int o) { return hidden[at(o)] == value; });
    };
    switch (e.node->op()) {
      case Op::compare:
        return compared(e, hidden, d);
      case Op::not_:
        return of(0) == Hidden::yes  ? Hidden::no
               : of(0) == Hidden::no ? Hidden::yes
                                     : Hidden::anything;
      case Op::select:
        if (of(0) == Hidden::yes) return of(1);
        if (of(0) == Hidden::no) return of(2);
        return of(1) == of(2) ? of(1) : Hidden::anything;
      case Op::exponential:
        return of(0) == Hidden::lowest ? Hidden::zero : Hidden::anything;
      case Op::multiply:
        return any_of(Hidden::zero) ? Hidden::zero : Hidden::anything;
      case Op::divide:
        return of(0) == Hidden::zero ? Hidden::zero : Hidden::anything;
      case Op::negate:
        return of(0) == Hidden::zero ? Hidden::zero : Hidden::anything;
      case Op::subtract:  // of something finite
        if (of(0) == Hidden::lowest && of(1) != Hidden::lowest) return Hidden::lowest;
        [[fallthrough]];
      case Op::add:
        return of(0) == Hidden::zero && of(1) == Hidden::zero ? Hidden::zero : Hidden::anything;
      default:
        return Hidden::anything;
    }
  }

  /// constant + rows · row + columns · column, of integers.
  struct Line {
    std::int64_t constant = 0, rows = 0, columns = 0;
  };
  std::optional<Line> line(int number, int d, int depth = 0) const {
    if (depth > kLineDepth) return std::nullopt;
    const Expr& e = expr(number);
    if (is_float(e.dtype) || is_bool(e.dtype) || is_unsigned(e.dtype)) return std::nullopt;
    if (e.kind == Expr::Kind::constant)
      return Line{static_cast<std::int64_t>(e.node->attrs<ConstantAttrs>().value.as_double(0)), 0,
                  0};
    if (e.kind == Expr::Kind::iota && e.dim == q) return Line{0, 1, 0};
    if (e.kind == Expr::Kind::iota && e.dim == d) return Line{0, 0, 1};
    if (e.kind != Expr::Kind::apply || e.operands.size() != 2) return std::nullopt;
    const auto a = line(e.operands[0], d, depth + 1), b = line(e.operands[1], d, depth + 1);
    const int sign = e.node->op() == Op::add ? 1 : e.node->op() == Op::subtract ? -1 : 0;
    if (!a || !b || sign == 0) return std::nullopt;
    return Line{a->constant + sign * b->constant, a->rows + sign * b->rows,
                a->columns + sign * b->columns};
  }

  /// What a comparison says wherever column > row, if that is one thing.
  Hidden compared(const Expr& e, const std::vector<Hidden>& hidden, int d) const {
    Direction direction = e.node->attrs<CompareAttrs>().direction;
    const auto a = line(e.operands[0], d), b = line(e.operands[1], d);
    if (a && b) {
      Line difference{a->constant - b->constant, a->rows - b->rows, a->columns - b->columns};
      if (difference.rows + difference.columns != 0 || std::abs(difference.rows) != 1)
        return Hidden::anything;
      // sign · (column - row) + constant, where column - row >= 1
      const std::int64_t sign = difference.columns, nearest = sign + difference.constant;
      const bool above = sign > 0 && nearest > 0, below = sign < 0 && nearest < 0;
      const bool from = sign > 0 && nearest >= 0, to = sign < 0 && nearest <= 0;
      switch (direction) {
        case Direction::GT:
          return above ? Hidden::yes : to ? Hidden::no : Hidden::anything;
        case Direction::GE:
          return from ? Hidden::yes : below ? Hidden::no : Hidden::anything;
        case Direction::LT:
          return below ? Hidden::yes : from ? Hidden::no : Hidden::anything;
        case Direction::LE:
          return to ? Hidden::yes : above ? Hidden::no : Hidden::anything;
        default:
          return Hidden::anything;
      }
    }
    // tril(ones) == 0: a number chosen by such a comparison.
    if (direction != Direction::EQ && direction != Direction::NE) return Hidden::anything;
    const auto known = [&](int o) -> std::optional<double> {
      const Expr* chosen = &expr(o);
      if (chosen->kind == Expr::Kind::apply && chosen->node->op() == Op::select) {
        const Hidden which = hidden[at(chosen->operands[0])];
        if (which != Hidden::yes && which != Hidden::no) return std::nullopt;
        chosen = &expr(chosen->operands[which == Hidden::yes ? 1 : 2]);
      }
      if (chosen->kind != Expr::Kind::constant) return std::nullopt;
      return chosen->node->attrs<ConstantAttrs>().value.as_double(0);
    };
    const auto x = known(e.operands[0]), y = known(e.operands[1]);
    if (!x || !y) return Hidden::anything;
    return (*x == *y) == (direction == Direction::EQ) ? Hidden::yes : Hidden::no;
  }

  bool ok_ = false;
  std::map<int, StreamTiling> tiles_;  // by reduction
  std::vector<std::set<int>> users_;
  std::vector<int> consumers_;  // reductions and stores
};

}  // namespace

std::optional<StreamPlan> plan_stream(const space::Kernel& space) {
  Planner planner(space);
  if (!planner.run()) return std::nullopt;
  return planner;
}

}  // namespace kiln
