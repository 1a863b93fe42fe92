#include "passes/cross_sums.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "passes/evaluate.h"
#include "passes/lanes.h"

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

constexpr std::size_t kMostLoops = 5;             // all of whose orders are looked at
constexpr std::int64_t kMostOwnBytes = 64 << 10;  // of sums in memory: some of the nearest cache

std::size_t at(int i) { return static_cast<std::size_t>(i); }

/// How the loops of one reduction lie in the order: those above `begin` and, from `end` on, those
/// below are over dimensions that it keeps, or that it sums over.
struct Span {
  std::size_t begin = 0;  // the first dimension summed over
  std::size_t end = 0;    // after the last dimension kept, if one lies within the sum
  bool in_memory() const { return end > begin; }
};

struct Plan {
  int v = -1;                // across lanes
  std::vector<int> loops;    // what is not parallel, outermost first
  std::vector<Span> spans;   // by reduction
  std::vector<int> results;  // by reduction: its expression
};

/// The reductions an expression is made of.
void reductions_below(const space::Kernel& space, int e, std::set<int>& found) {
  const Expr& expr = space.exprs[at(e)];
  if (expr.kind == Expr::Kind::reduced) found.insert(expr.reduction);
  for (int operand : expr.operands) reductions_below(space, operand, found);
}

Span span_of(const Reduction& sum, const std::vector<int>& loops) {
  Span span{loops.size(), 0};
  for (std::size_t i = 0; i < loops.size(); ++i) {
    if (has(sum.kept, loops[i]))
      span.end = i + 1;
    else
      span.begin = std::min(span.begin, i);
  }
  return span;
}

/// Of a sum in memory.
std::int64_t own_elements(const space::Kernel& space, const Reduction& sum,
                          const std::vector<int>& loops) {
  const Span span = span_of(sum, loops);
  std::int64_t count = kLanes;
  for (std::size_t i = span.begin; i < span.end; ++i)
    if (has(sum.kept, loops[i])) count *= space.dims[at(loops[i])].extent;
  return count;
}

/// About how many loads and stores there are, of one vector of columns; nothing where too much
/// would have to be kept.
std::optional<double> traffic(const space::Kernel& space, const std::vector<int>& loops) {
  const auto rounds = [&](std::size_t depth) {
    double count = 1;
    for (std::size_t i = 0; i < depth; ++i)
      count *= static_cast<double>(space.dims[at(loops[i])].extent);
    return count;
  };
  double all = 0;
  std::int64_t bytes = 0;
  for (const Reduction& sum : space.reductions) {
    const Span span = span_of(sum, loops);
    if (!span.in_memory()) continue;
    all += 2 * rounds(span.end);
    bytes += own_elements(space, sum, loops) * size_of(sum.dtype);
  }
  if (bytes > kMostOwnBytes) return std::nullopt;
  for (const Expr& expr : space.exprs) {
    if (expr.kind != Expr::Kind::load) continue;
    std::size_t depth = 0;
    for (std::size_t i = 0; i < loops.size(); ++i)
      if (has(expr.dims, loops[i])) depth = i + 1;
    all += rounds(depth);
  }
  return all;
}

std::optional<Plan> plan(const space::Kernel& space) {
  if (space.sequential != nullptr || space.reductions.size() < 2) return std::nullopt;
  Plan plan;
  const DimSet parallel = space.parallel();
  DimSet all = 0;
  for (std::size_t d = 0; d < space.dims.size(); ++d) {
    if (space.dims[d].extent == 0) return std::nullopt;
    all |= bit(static_cast<int>(d));
    if (!has(parallel, static_cast<int>(d))) plan.loops.push_back(static_cast<int>(d));
  }
  bool crossed = false;
  for (const Reduction& sum : space.reductions) {
    if (sum.level != 0 || (sum.kept | sum.over_set()) != all || !folding(sum) ||
        sum.rounds_products)
      return std::nullopt;
    crossed = crossed || sum.kept != space.reductions[0].kept;
  }
  if (!crossed || plan.loops.size() > kMostLoops) return std::nullopt;

  plan.results.assign(space.reductions.size(), -1);
  for (int e = 0; e < static_cast<int>(space.exprs.size()); ++e) {
    const Expr& expr = space.exprs[at(e)];
    if (expr.kind == Expr::Kind::indexed) return std::nullopt;
    if (expr.kind != Expr::Kind::reduced) continue;
    if (expr.result != 0) return std::nullopt;
    plan.results[at(expr.reduction)] = e;
  }
  for (const space::Store& store : space.stores) {
    std::set<int> made_of;
    reductions_below(space, store.expr, made_of);
    if (made_of.size() != 1 || space.reductions[at(*made_of.begin())].kept != store.dims)
      return std::nullopt;
  }

  // What memory lies along most, the stores above all.
  double most = 0;
  for (int d = 0; d < static_cast<int>(space.dims.size()); ++d) {
    if (!has(parallel, d) || space.dims[at(d)].extent < kLanes) continue;
    double along = 0;
    for (const Expr& expr : space.exprs)
      if (expr.kind == Expr::Kind::load && expr.access.strides[at(d)] == 1)
        along += static_cast<double>(space.volume(expr.dims));
    for (const space::Store& store : space.stores)
      if (store.access.strides[at(d)] == 1) along += static_cast<double>(space.volume(store.dims));
    if (along > most) most = along, plan.v = d;
  }
  if (plan.v < 0) return std::nullopt;

  std::vector<int> order = plan.loops;
  std::optional<double> least;
  do {
    const std::optional<double> cost = traffic(space, order);
    if (cost && (!least || *cost < *least)) least = cost, plan.loops = order;
  } while (std::next_permutation(order.begin(), order.end()));
  if (!least) return std::nullopt;
  for (const Reduction& sum : space.reductions) plan.spans.push_back(span_of(sum, plan.loops));
  return plan;
}

class Emitter {
 public:
  Emitter(const space::Kernel& space, const VectorTarget& target, const Plan& plan)
      : space_(space), plan_(plan), eval_(space, kernel_, target.multiply_adds()) {
    eval_.set_vector_dim(plan_.v);
    for (const Reduction& sum : space.reductions)
      roots_.insert(roots_.end(), sum.inputs.begin(), sum.inputs.end());
    for (int r = 0; r < count(); ++r)
      if (span(r).in_memory()) place_[r] = own_place(r);
  }

  loop::Kernel run() {
    std::vector<int> grid;
    for (int d = 0; d < static_cast<int>(space_.dims.size()); ++d)
      if (has(space_.parallel(), d) && d != plan_.v) grid.push_back(d);
    const std::int64_t n = extent(plan_.v), full = n / kLanes * kLanes;
    const std::int64_t blocks = (n + kLanes - 1) / kLanes;
    kernel_.chunks = blocks;
    for (int d : grid) kernel_.chunks *= extent(d);
    b().loop("chunk", {Affine::of(loop::kBegin)}, {Affine::of(loop::kEnd)}, 1,
             [&](loop::Var chunk) {
               eval_.push_scope();
               std::int64_t below = blocks;
               for (std::size_t i = grid.size(); i-- > 0;) {
                 eval_.open(grid[i], chunk_coordinate(b(), chunk, below, extent(grid[i])));
                 below *= extent(grid[i]);
               }
               const Affine first = chunk_coordinate(b(), chunk, 1, blocks) * kLanes;
               const auto columns = [&](const Affine& from, int active) {
                 eval_.push_scope();
                 eval_.open_vector(plan_.v, from, active);
                 nest(0, {});
                 eval_.close(plan_.v);
                 eval_.pop_scope();
               };
               // The last columns may be fewer: code of their own, run where it is due.
               if (full == n) {
                 columns(first, kLanes);
               } else {
                 if (full > 0)
                   b().loop("v", {first}, {first + Affine(1), Affine(full)}, kLanes,
                            [&](loop::Var v) { columns(Affine::of(v), kLanes); });
                 b().loop("v", {first, Affine(full)}, {first + Affine(1)}, kLanes,
                          [&](loop::Var) { columns(full, static_cast<int>(n - full)); });
               }
               eval_.pop_scope();
             });
    loop::verify(kernel_);
    return std::move(kernel_);
  }

 private:
  using Running = std::map<int, Reg>;  // by reduction

  loop::Builder& b() { return eval_.builder(); }
  int count() const { return static_cast<int>(space_.reductions.size()); }
  std::int64_t extent(int dim) const { return space_.dims[at(dim)].extent; }
  const Span& span(int r) const { return plan_.spans[at(r)]; }
  const Reduction& reduction(int r) const { return space_.reductions[at(r)]; }

  Place own_place(int r) {
    Place place{{0, 0, Ints(space_.dims.size(), 0)}, true};
    std::int64_t elements = kLanes;
    place.access.strides[at(plan_.v)] = 1;
    for (std::size_t i = span(r).end; i-- > span(r).begin;) {
      if (!has(reduction(r).kept, plan_.loops[i])) continue;
      place.access.strides[at(plan_.loops[i])] = elements;
      elements *= extent(plan_.loops[i]);
    }
    place.access.buffer = b().buffer(reduction(r).dtype, loop::Buffer::Kind::local, elements);
    return place;
  }

  /// The loops from `depth` inwards; `running` is carried.
  Running nest(std::size_t depth, Running running) {
    for (int r = 0; r < count(); ++r)
      if (span(r).begin == depth) begin(r, running);
    // What lies in memory is in a register below the last dimension it keeps.
    std::vector<int> loaded;
    for (int r = 0; r < count(); ++r)
      if (span(r).in_memory() && span(r).end == depth) {
        running[r] = eval_.load(place_.at(r));
        loaded.push_back(r);
      }
    running =
        depth == plan_.loops.size() ? point(std::move(running)) : rounds(depth, std::move(running));
    for (int r : loaded) {
      eval_.store(place_.at(r), running.at(r));
      running.erase(r);
    }
    for (int r = 0; r < count(); ++r)
      if (span(r).begin == depth) end(r, running);
    return running;
  }

  Running rounds(std::size_t depth, Running running) {
    const int d = plan_.loops[depth];
    DimSet closed = 0;
    for (std::size_t i = depth; i < plan_.loops.size(); ++i) closed |= bit(plan_.loops[i]);
    eval_.prepare(roots_, closed, 0);
    std::vector<int> names;
    std::vector<Reg> values;
    for (const auto& [r, reg] : running) names.push_back(r), values.push_back(reg);
    values = b().loop("i", {0}, {extent(d)}, 1, values,
                      [&](loop::Var i, const std::vector<Reg>& inside) {
                        Running now;
                        for (std::size_t n = 0; n < names.size(); ++n) now[names[n]] = inside[n];
                        eval_.push_scope();
                        eval_.open(d, Affine::of(i));
                        now = nest(depth + 1, std::move(now));
                        eval_.close(d);
                        eval_.pop_scope();
                        std::vector<Reg> next;
                        for (int r : names) next.push_back(now.at(r));
                        return next;
                      });
    for (std::size_t n = 0; n < names.size(); ++n) running[names[n]] = values[n];
    return running;
  }

  Running point(Running running) {
    for (int r = 0; r < count(); ++r) {
      std::vector<Reg> inputs;
      for (int input : reduction(r).inputs) inputs.push_back(eval_.eval_vector(input));
      running[r] = eval_.combine(reduction(r), std::span(&running.at(r), 1), inputs)[0];
    }
    return running;
  }

  void begin(int r, Running& running) {
    const Reduction& sum = reduction(r);
    const auto first = [&] {
      return sum.is_contraction() ? b().constant({sum.dtype, kLanes}, 0)
                                  : eval_.eval_vector(sum.initial[0]);
    };
    if (!span(r).in_memory())
      running[r] = first();
    else
      each_kept(r, span(r).begin, [&] { eval_.store(place_.at(r), first()); });
  }

  /// Stores what is made of a sum that is complete.
  void end(int r, Running& running) {
    const auto store = [&](Reg sum) {
      eval_.push_scope();
      eval_.define(plan_.results[at(r)], sum);
      for (const space::Store& out : space_.stores) {
        std::set<int> made_of;
        reductions_below(space_, out.expr, made_of);
        if (made_of.contains(r)) eval_.store({out.access, false}, eval_.eval(out.expr));
      }
      eval_.pop_scope();
    };
    if (!span(r).in_memory()) {
      store(running.at(r));
      running.erase(r);
    } else {
      each_kept(r, span(r).begin, [&] { store(eval_.load(place_.at(r))); });
    }
  }

  /// Loops over what a sum in memory keeps below where it begins.
  template <class Body>
  void each_kept(int r, std::size_t depth, const Body& body) {
    while (depth < span(r).end && !has(reduction(r).kept, plan_.loops[depth])) ++depth;
    if (depth >= span(r).end) return body();
    const int d = plan_.loops[depth];
    b().loop("i", {0}, {extent(d)}, 1, [&](loop::Var i) {
      eval_.push_scope();
      eval_.open(d, Affine::of(i));
      each_kept(r, depth + 1, body);
      eval_.close(d);
      eval_.pop_scope();
    });
  }

  const space::Kernel& space_;
  const Plan plan_;
  loop::Kernel kernel_;
  Evaluator eval_;
  std::vector<int> roots_;
  std::map<int, Place> place_;  // of sums in memory
};

}  // namespace

bool is_cross_sums(const space::Kernel& space) { return plan(space).has_value(); }

loop::Kernel schedule_cross_sums(const space::Kernel& space, const VectorTarget& target) {
  return Emitter(space, target, *plan(space)).run();
}

}  // namespace kiln
