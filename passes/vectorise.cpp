#include "passes/vectorise.h"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "ir/op.h"
#include "passes/chains.h"
#include "passes/cross_sums.h"
#include "passes/evaluate.h"
#include "passes/rows.h"
#include "passes/sequential.h"
#include "passes/staging.h"
#include "passes/stream_schedule.h"
#include "passes/tile.h"
#include "passes/transpose.h"

namespace kiln {
namespace {

using loop::Affine;
using loop::kLanes;
using loop::Reg;
using space::bit;
using space::DimSet;
using space::Expr;
using space::has;

// An innermost loop is short while all its operations are no more than this; it is written out
// while they are few, for every one costs 10 µs to compile.
constexpr std::int64_t kShortWeight = 400;
constexpr std::int64_t kWrittenWeight = 48;
constexpr int kPartials = 4;  // chains of a reduction in such a loop, a power of two
constexpr std::int64_t kTranscendentalWeight = 20;  // operations of an elementary function
constexpr std::int64_t kIndexedWeight = 20;         // of reading 16 lanes one by one
constexpr std::int64_t kFoldWeight = 12;            // of combining 16 lanes

// A kernel's own memory, in bytes, which lies on a thread's stack: past this, costly values are
// computed again instead of kept.
constexpr std::int64_t kOwnBytes = 1 << 20;

// Work of one chunk along a vectorised parallel dimension, in points. A number of the shape alone.
constexpr std::int64_t kChunkPoints = 4096;

// Sums down columns run over so many neighbouring vectors at once, where there are enough
// registers: memory is then walked along for some cache lines before the next row.
constexpr std::int64_t kVectorsAbreast = 8;
constexpr std::int64_t kFewRows = 8;  // are treated one by one

/// What is computed in one set of loops: reductions and stores of one level and domain.
struct Nest {
  int level = 0;
  DimSet dims = 0;        // not parallel
  std::vector<int> over;  // those reduced
  std::vector<int> reductions;
  std::vector<int> stores;  // into stores_
};

struct PendingStore {
  int expr;
  Place place;
  DimSet dims;  // not parallel
  int level;
  bool fills;  // later nests read it back
};

class Schedule {
 public:
  /// `blocked`: by split_rows.
  Schedule(const space::Kernel& space, const VectorTarget& target, bool blocked)
      : space_(space),
        blocked_(blocked),
        wide_registers_(target.vector_registers * target.vector_bytes / 64),
        eval_(space, kernel_, target.multiply_adds()),
        running_(eval_) {}

  loop::Kernel run() {
    parallel_ = space_.parallel();
    choose_columns();
    collect_stores();
    build_nests();
    place_reductions();
    keep_costly_values();
    choose_abreast();
    emit_grid();
    loop::verify(kernel_);
    return std::move(kernel_);
  }

 private:
  loop::Builder& builder() { return eval_.builder(); }
  std::int64_t extent(int dim) const { return space_.dims[static_cast<std::size_t>(dim)].extent; }
  int dim_count() const { return static_cast<int>(space_.dims.size()); }

  // ---- decisions

  void reach(int expr, std::set<int>& seen) const {
    if (!seen.insert(expr).second) return;
    for (int operand : space_.exprs[static_cast<std::size_t>(expr)].operands) reach(operand, seen);
  }

  /// The parallel dimension across lanes, unless more memory lies along rows long enough to fill
  /// them. Rows shorter than a vector are staged and walked across.
  void choose_columns() {
    const auto [best, across_traffic] = most_along(space_, parallel_);
    const auto [along, along_traffic] = most_along(space_, ~parallel_);
    const bool short_rows = along != Evaluator::kNone && extent(along) < kLanes;
    if (best != Evaluator::kNone && !blocked_) {
      const bool rows = along != Evaluator::kNone && along_traffic > across_traffic;
      if (rows && !(short_rows && extent(best) >= kLanes)) return;
      columns_ = best;
      if (rows) stagings_.emplace_back(eval_, best, along, false);
      return;
    }
    if (!short_rows || along_traffic == 0) return;
    // Across the longest dimension beside the rows' own.
    int across = Evaluator::kNone;
    for (int d = 0; d < dim_count(); ++d)
      if (d != along && !has(parallel_, d) && extent(d) >= kLanes &&
          (across == Evaluator::kNone || extent(d) > extent(across)))
        across = d;
    if (across == Evaluator::kNone) return;
    across_rows_ = across;
    for (int d = 0; d < dim_count(); ++d)  // the same row may be walked under several names
      if (d != across && !has(parallel_, d) && extent(d) == extent(along))
        stagings_.emplace_back(eval_, across, d, true);
  }

  void collect_stores() {
    for (const space::Store& store : space_.stores)
      stores_.push_back(
          {store.expr, {store.access, false}, store.dims & ~parallel_, store.level, false});
  }

  Nest& nest_for(int level, DimSet dims, const std::vector<int>* over) {
    for (Nest& nest : nests_)
      if (nest.level == level && nest.dims == dims && (over == nullptr || nest.over == *over))
        return nest;
    nests_.push_back({level, dims, over == nullptr ? std::vector<int>{} : *over, {}, {}});
    return nests_.back();
  }

  void build_nests() {
    for (int level = 0; level < space_.levels(); ++level) {
      for (std::size_t r = 0; r < space_.reductions.size(); ++r) {
        const space::Reduction& reduction = space_.reductions[r];
        if (reduction.level != level) continue;
        const DimSet dims = (reduction.kept | reduction.over_set()) & ~parallel_;
        nest_for(level, dims, &reduction.over).reductions.push_back(static_cast<int>(r));
      }
      for (std::size_t s = 0; s < stores_.size(); ++s)
        if (stores_[s].level == level)
          nest_for(level, stores_[s].dims, nullptr).stores.push_back(static_cast<int>(s));
    }
  }

  std::vector<int> roots(const Nest& nest) const {
    std::vector<int> roots;
    for (int r : nest.reductions) {
      const auto& reduction = space_.reductions[static_cast<std::size_t>(r)];
      roots.insert(roots.end(), reduction.inputs.begin(), reduction.inputs.end());
      roots.insert(roots.end(), reduction.initial.begin(), reduction.initial.end());
    }
    for (int s : nest.stores) roots.push_back(stores_[static_cast<std::size_t>(s)].expr);
    return roots;
  }

  /// A costly value that several nests need is stored where it is first computed: in its output if
  /// it has one, else in memory of the kernel's own.
  void keep_costly_values() {
    std::unordered_map<int, int> users;
    for (const Nest& nest : nests_) {
      std::set<int> reached;
      for (int root : roots(nest)) reach(root, reached);
      for (int expr : reached) ++users[expr];
    }
    for (std::size_t e = 0; e < space_.exprs.size(); ++e) {
      const Expr& expr = space_.exprs[e];
      const int number = static_cast<int>(e);
      const DimSet inner = expr.dims & ~parallel_;
      if (expr.kind != Expr::Kind::apply || !traits(*expr.node).transcendental ||
          users[number] < 2 || inner == 0)
        continue;
      const auto stored = std::find_if(stores_.begin(), stores_.end(), [&](const PendingStore& s) {
        return s.expr == number && s.dims == inner;
      });
      if (stored != stores_.end()) {
        stored->fills = true;
        eval_.keep(number, stored->place);
        continue;
      }
      if (own_bytes_ + temporary_count(inner, expr.dims) * size_of(expr.dtype) > kOwnBytes)
        continue;
      const Place place = temporary(expr.dtype, inner, expr.dims);
      eval_.keep(number, place);
      stores_.push_back({number, place, inner, expr.level, true});
      nest_for(expr.level, inner, nullptr).stores.push_back(static_cast<int>(stores_.size()) - 1);
    }
    // Within a level plain stores come first: what waits for a long chain (the logarithm of a sum)
    // then overlaps with what follows.
    std::stable_sort(nests_.begin(), nests_.end(), [](const Nest& a, const Nest& b) {
      return std::pair(a.level, !a.reductions.empty()) < std::pair(b.level, !b.reductions.empty());
    });
  }

  /// Memory of the kernel's own for a value over these inner dimensions and, where it varies along
  /// them, the lanes of the column dimension.
  Place temporary(DType dtype, DimSet inner, DimSet dims) {
    space::Access access{0, 0, Ints(space_.dims.size(), 0)};
    std::int64_t count = 1;
    if (columns_ != Evaluator::kNone && has(dims, columns_)) {
      access.strides[static_cast<std::size_t>(columns_)] = 1;
      count = kLanes;
    }
    std::vector<int>
        order;  // innermost first: what lies across lanes, then as the dimensions stand
    if (across_rows_ != Evaluator::kNone && has(inner, across_rows_)) order.push_back(across_rows_);
    for (int d = dim_count(); d-- > 0;)
      if (has(inner, d) && d != across_rows_) order.push_back(d);
    for (int d : order) {
      access.strides[static_cast<std::size_t>(d)] = count;
      count *= extent(d);
    }
    access.buffer = builder().buffer(dtype, loop::Buffer::Kind::local, count);
    own_bytes_ += count * size_of(dtype);
    return {access, true};
  }
  std::int64_t temporary_count(DimSet inner, DimSet dims) const {
    const bool across = columns_ != Evaluator::kNone && has(dims, columns_);
    return (across ? kLanes : 1) * space_.volume(inner);
  }

  /// Results of reductions that keep inner dimensions live in memory; others stay in registers.
  void place_reductions() {
    for (std::size_t e = 0; e < space_.exprs.size(); ++e) {
      const Expr& expr = space_.exprs[e];
      if (expr.kind != Expr::Kind::reduced) continue;
      result_expr_[{expr.reduction, expr.result}] = static_cast<int>(e);
      const DimSet inner = expr.dims & ~parallel_;
      if (inner == 0) continue;
      eval_.keep(static_cast<int>(e), temporary(expr.dtype, inner, expr.dims));
    }
  }

  /// The first nests, if they do nothing but reduce down columns, run over several vectors of
  /// columns at once. That they do is decided by shapes alone; how many at once changes no result.
  void choose_abreast() {
    if (columns_ == Evaluator::kNone || !stagings_.empty()) return;
    std::int64_t sums = 0;
    for (; downwards_ < nests_.size() && is_downwards(nests_[downwards_]); ++downwards_)
      sums += static_cast<std::int64_t>(nests_[downwards_].reductions.size());
    if (downwards_ == 0) return;
    const std::int64_t registers = wide_registers_ / 2 / sums;
    abreast_ = std::clamp<std::int64_t>(registers, 1, kVectorsAbreast);
    abreast_ = std::min(abreast_, std::max<std::int64_t>(1, extent(columns_) / kLanes));
  }
  bool is_downwards(const Nest& nest) const {
    DimSet over = 0;
    for (int d : nest.over) over |= bit(d);
    return nest.level == 0 && !nest.reductions.empty() && nest.dims == over &&
           space_.volume(over) >= kFewRows &&
           std::none_of(nest.stores.begin(), nest.stores.end(),
                        [&](int s) { return stores_[static_cast<std::size_t>(s)].fills; });
  }

  // ---- loops

  std::vector<int> all_roots() const {
    std::vector<int> all;
    for (const Nest& nest : nests_) {
      const auto some = roots(nest);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

  void emit_grid() {
    std::vector<int> grid;  // parallel dimensions, one point a chunk
    for (int d = 0; d < dim_count(); ++d)
      if (has(parallel_, d) && d != columns_) grid.push_back(d);
    std::int64_t blocks = 1, block = 0;
    if (columns_ != Evaluator::kNone) {
      const std::int64_t row = std::max<std::int64_t>(1, space_.volume(~parallel_));
      const std::int64_t least = kLanes * (downwards_ > 0 ? kVectorsAbreast : 1);
      block = std::max(least, kChunkPoints / row / least * least);
      blocks = (extent(columns_) + block - 1) / block;
    }
    kernel_.chunks = blocks;
    for (int d : grid) kernel_.chunks *= extent(d);

    eval_.prepare(all_roots(), ~DimSet{0}, 0);
    builder().loop(
        "chunk", {Affine::of(loop::kBegin)}, {Affine::of(loop::kEnd)}, 1, [&](loop::Var chunk) {
          eval_.push_scope();
          // chunk = ((g0 · |g1| + g1) · …) · blocks + b
          std::int64_t below = blocks;
          for (std::size_t i = grid.size(); i-- > 0;) {
            const int d = grid[i];
            const bool whole = kernel_.chunks == extent(d);
            eval_.open(d,
                       Affine::of(whole ? chunk
                                        : builder().define(fmt::format("p{}", d), Affine::of(chunk),
                                                           below, i == 0 ? 0 : extent(d))));
            below *= extent(d);
          }
          if (columns_ == Evaluator::kNone) {
            body();
          } else {
            Affine first(0);
            if (blocks > 1)
              first = Affine::of(grid.empty()
                                     ? chunk
                                     : builder().define("block", Affine::of(chunk), 1, blocks)) *
                      block;
            columns(first, block, blocks);
          }
          eval_.pop_scope();
        });
  }

  /// The block [first, first + block) of the column dimension, 16 points at a time, or `abreast_`
  /// times as many.
  void columns(const Affine& first, std::int64_t block, std::int64_t blocks) {
    const std::int64_t n = extent(columns_), full = n / kLanes * kLanes;
    const std::int64_t wide = kLanes * abreast_, full_wide = n / wide * wide;
    const int tail = static_cast<int>(n - full);
    const DimSet inner_and_column = ~parallel_ | bit(columns_);
    eval_.prepare(all_roots(), inner_and_column, 0);
    // What of [from, to) lies in this block.
    const auto rounds = [&](std::int64_t from, std::int64_t to, std::int64_t step, int active,
                            std::int64_t abreast) {
      if (from >= to) return;
      std::vector<Affine> lower{from}, upper{to};
      if (blocks > 1) {
        lower = from == 0 ? std::vector{first} : std::vector{first, Affine(from)};
        upper = {first + block, to};
      }
      builder().loop(fmt::format("p{}", columns_), lower, upper, step, [&](loop::Var v) {
        eval_.push_scope();
        column_vectors(Affine::of(v), active, abreast);
        eval_.pop_scope();
      });
    };
    rounds(0, full_wide, wide, kLanes, abreast_);
    if (abreast_ > 1) rounds(full_wide, full, kLanes, kLanes, 1);
    rounds(full, n, kLanes, tail, 1);
  }

  /// All the work of `abreast` vectors of columns.
  void column_vectors(const Affine& at, int active, std::int64_t abreast) {
    const auto each = [&](const auto& work) {
      for (std::int64_t i = 0; i < abreast; ++i) {
        eval_.push_scope();
        eval_.open_vector(columns_, at + Affine(i * kLanes), active);
        work(static_cast<std::size_t>(i));
        eval_.close(columns_);
        eval_.pop_scope();
      }
    };
    std::vector<Chains> sums;  // of each nest, for each vector
    for (std::size_t n = 0; n < downwards_; ++n)
      sums.push_back(downwards(nests_[n], static_cast<std::size_t>(abreast), each));
    each([&](std::size_t i) {
      for (std::size_t n = 0; n < downwards_; ++n) finish(nests_[n], false, sums[n][i]);
      body();
    });
  }

  /// A nest's reductions down the columns of several vectors at once.
  template <class Each>
  Chains downwards(const Nest& nest, std::size_t abreast, const Each& each) {
    eval_.set_vector_dim(columns_);
    const std::vector<int> needed = roots(nest);
    Chains running(abreast);
    each([&](std::size_t i) { running[i] = running_.start(nest.reductions, false); });
    DimSet closed = bit(columns_);
    for (int d : nest.over) closed |= bit(d);
    const auto rows = [&](auto& self, std::size_t depth, DimSet around, Chains now) -> Chains {
      if (depth == nest.over.size()) {
        each([&](std::size_t i) { now[i] = step(nest, false, std::move(now[i])); });
        return now;
      }
      const int d = nest.over[depth];
      eval_.prepare(needed, around, nest.level);
      const std::vector<Reg> after = builder().loop(
          fmt::format("r{}", d), {0}, {extent(d)}, 1, joined(now),
          [&](loop::Var v, const std::vector<Reg>& inside) {
            eval_.push_scope();
            eval_.open(d, Affine::of(v));
            const Chains next = self(self, depth + 1, around & ~bit(d), apart(inside, abreast));
            eval_.close(d);
            eval_.pop_scope();
            return joined(next);
          });
      return apart(after, abreast);
    };
    return rows(rows, 0, closed, std::move(running));
  }

  void body() {
    eval_.forget_kept();
    for (Staging& staging : stagings_) staging.fill();
    for (std::size_t n = downwards_; n < nests_.size(); ++n) emit_nest(nests_[n]);
    for (Staging& staging : stagings_) staging.drain();
  }

  /// A reduced dimension lies across lanes only if the lanes can be folded at the end.
  bool may_be_vector(const Nest& nest, int d) const {
    if (std::find(nest.over.begin(), nest.over.end(), d) == nest.over.end()) return true;
    return running_.fold(nest.reductions);
  }

  int choose_vector(const Nest& nest) const {
    if (columns_ != Evaluator::kNone) return columns_;
    if (across_rows_ != Evaluator::kNone && has(nest.dims, across_rows_) &&
        may_be_vector(nest, across_rows_))
      return across_rows_;
    std::set<int> reached;
    for (int root : roots(nest)) reach(root, reached);
    std::vector<int> stores;
    for (int s : nest.stores)
      if (static_cast<std::size_t>(s) < space_.stores.size()) stores.push_back(s);
    int best = Evaluator::kNone;
    for (int d = 0; d < dim_count(); ++d) {
      if (!has(nest.dims, d) || !may_be_vector(nest, d)) continue;
      if (best == Evaluator::kNone ||
          unit_traffic(space_, d, reached, stores) >= unit_traffic(space_, best, reached, stores))
        best = d;
    }
    return best;
  }

  /// About how many operations are written down for a point along dimension d, beside what stands
  /// still along it: as often as the loops inside it, over `inner`, write them down.
  std::int64_t weight(const Nest& nest, const std::vector<int>& roots, int d,
                      const std::vector<int>& inner) const {
    const int v = eval_.vector_dim();
    const DimSet moving = std::accumulate(inner.begin(), inner.end(), bit(d),
                                          [](DimSet all, int one) { return all | bit(one); });
    std::set<int> reached;
    for (int root : roots) reach(root, reached);
    std::int64_t weight = 1;
    for (int e : reached) {
      const Expr& expr = space_.exprs[static_cast<std::size_t>(e)];
      if ((expr.dims & moving) == 0) continue;
      if (expr.kind == Expr::Kind::apply)
        weight +=
            traits(*expr.node).transcendental && !eval_.is_filled(e) ? kTranscendentalWeight : 1;
      if (expr.kind == Expr::Kind::indexed) weight += kIndexedWeight;
      if (expr.kind == Expr::Kind::load)
        if (const std::int64_t stride = eval_.lane_stride(expr.access); stride != 0 && stride != 1)
          weight += kIndexedWeight;
    }
    if (inner.empty()) return weight;
    const int last = inner.back();
    if (last != v) return weight * extent(last);
    const std::int64_t loop_and_rest = (extent(v) >= kLanes ? 1 : 0) + (extent(v) % kLanes ? 1 : 0);
    return weight * loop_and_rest + kFoldWeight * static_cast<std::int64_t>(nest.reductions.size());
  }

  /// Opens loops over dims[i…], the vector dimension 16 points at a time, carrying registers;
  /// `leaf` opens those over `inner` inside them.
  template <class Leaf>
  std::vector<Reg> loops(const Nest& nest, const std::vector<int>& roots,
                         const std::vector<int>& dims, std::size_t i, DimSet closed,
                         std::vector<Reg> carried, const std::vector<int>& inner,
                         const Leaf& leaf) {
    if (i == dims.size()) return leaf(std::move(carried));
    const int d = dims[i];
    eval_.prepare(roots, closed, nest.level);
    const auto inside = [&](const Affine& at, int active, std::vector<Reg> now) {
      eval_.push_scope();
      if (d == eval_.vector_dim())
        eval_.open_vector(d, at, active);
      else
        eval_.open(d, at);
      std::vector<Reg> next =
          loops(nest, roots, dims, i + 1, closed & ~bit(d), std::move(now), inner, leaf);
      eval_.close(d);
      eval_.pop_scope();
      return next;
    };
    const bool vector = d == eval_.vector_dim();
    const std::int64_t n = extent(d), full = vector ? n / kLanes * kLanes : n;
    if (!vector && i + 1 == dims.size())
      if (const std::int64_t code = n * weight(nest, roots, d, inner);
          code <= (carried.empty() ? kWrittenWeight : kShortWeight))
        return short_loop(nest, d, code, std::move(carried), inside);
    std::int64_t done = 0;
    if (vector && splits(nest, carried))
      carried = interleaved(nest, d, full, std::move(carried), inside, done);
    if (full > done)
      carried = builder().loop(fmt::format("r{}", d), {done}, {full}, vector ? kLanes : 1, carried,
                               [&](loop::Var v, const std::vector<Reg>& now) {
                                 return inside(Affine::of(v), kLanes, now);
                               });
    if (full < n) carried = inside(full, static_cast<int>(n - full), std::move(carried));
    return carried;
  }

  /// Whether a loop's reductions may run in kPartials interleaved chains: one chain would be as
  /// slow as the latency of its steps.
  bool splits(const Nest& nest, const std::vector<Reg>& carried) const {
    return !carried.empty() && running_.fold(nest.reductions);
  }

  /// A short loop: written out, or where that is much code, kPartials points a round; a reduction
  /// is the same chains either way.
  template <class Inside>
  std::vector<Reg> short_loop(const Nest& nest, int d, std::int64_t code, std::vector<Reg> carried,
                              const Inside& inside) {
    const std::int64_t n = extent(d);
    Chains chains = n >= 2 * kPartials && splits(nest, carried)
                        ? running_.start_chains(nest.reductions, std::move(carried), kPartials)
                        : Chains{std::move(carried)};
    const auto point = [&](const Affine& at, std::int64_t number) {
      auto& chain = chains[static_cast<std::size_t>(number) % chains.size()];
      chain = inside(at, kLanes, std::move(chain));
    };
    std::int64_t done = 0;
    if (code > kWrittenWeight && n >= 2 * kPartials) {
      done = n / kPartials * kPartials;
      const std::size_t count = chains.size();
      chains = apart(builder().loop(fmt::format("r{}", d), {0}, {done}, kPartials, joined(chains),
                                    [&](loop::Var v, const std::vector<Reg>& now) {
                                      chains = apart(now, count);
                                      for (int c = 0; c < kPartials; ++c)
                                        point(Affine::of(v) + Affine(c), c);
                                      return joined(chains);
                                    }),
                     count);
    }
    for (std::int64_t at = done; at < n; ++at) point(at, at);
    return running_.join_chains(nest.reductions, std::move(chains));
  }

  /// The rounds of kPartials vectors of a reduction along its lanes; what they cover is returned in
  /// `done`.
  template <class Inside>
  std::vector<Reg> interleaved(const Nest& nest, int d, std::int64_t full, std::vector<Reg> carried,
                               const Inside& inside, std::int64_t& done) {
    constexpr std::int64_t kRound = std::int64_t{kLanes} * kPartials;
    done = full / kRound * kRound;
    if (done < 2 * kRound) {
      done = 0;
      return carried;
    }
    const std::vector<Reg> all = builder().loop(
        fmt::format("r{}", d), {0}, {done}, kRound,
        joined(running_.start_chains(nest.reductions, std::move(carried), kPartials)),
        [&](loop::Var v, const std::vector<Reg>& now) {
          Chains chains = apart(now, kPartials);
          for (std::size_t c = 0; c < kPartials; ++c)
            chains[c] = inside(Affine::of(v) + Affine(static_cast<std::int64_t>(c) * kLanes),
                               kLanes, std::move(chains[c]));
          return joined(chains);
        });
    Chains chains = apart(all, kPartials);
    return running_.join_chains(nest.reductions, std::move(chains));
  }

  void emit_nest(const Nest& nest) {
    eval_.set_vector_dim(choose_vector(nest));
    const int v = eval_.vector_dim();
    const std::vector<int> needed = roots(nest);
    std::vector<int> kept, over;
    for (int d = 0; d < dim_count(); ++d)
      if (has(nest.dims, d) && d != v &&
          std::find(nest.over.begin(), nest.over.end(), d) == nest.over.end())
        kept.push_back(d);
    for (int d : nest.over)
      if (d != v) over.push_back(d);
    const bool folds = std::find(nest.over.begin(), nest.over.end(), v) != nest.over.end();
    if (folds)
      over.push_back(v);
    else if (v != Evaluator::kNone && has(nest.dims, v))
      // Innermost, where memory lies along it; across rows outermost, and the short row is written
      // out.
      kept.insert(v == across_rows_ ? kept.begin() : kept.end(), v);

    const auto points = [&](std::vector<Reg>) -> std::vector<Reg> {
      if (nest.over.empty() && nest.reductions.empty()) {
        emit_stores(nest);
        return {};
      }
      std::vector<Reg> running = running_.start(nest.reductions, folds);
      DimSet closed = 0;
      for (int d : over) closed |= bit(d);
      running = loops(nest, needed, over, 0, closed, std::move(running), {},
                      [&](std::vector<Reg> now) { return step(nest, folds, std::move(now)); });
      finish(nest, folds, running);
      return {};
    };
    row_results_ = folds ? results_of_rows(nest, kept) : std::vector<int>{};
    loops(nest, needed, kept, 0, nest.dims, {}, over, points);
    if (!row_results_.empty()) fold_rows(nest, kept[0]);
    for (int s : nest.stores)
      if (stores_[static_cast<std::size_t>(s)].fills)
        eval_.fill(stores_[static_cast<std::size_t>(s)].expr);
  }

  void emit_stores(const Nest& nest) {
    // All values before any store: an output may lie where an input lay.
    std::vector<Reg> values;
    for (int s : nest.stores)
      values.push_back(eval_.eval(stores_[static_cast<std::size_t>(s)].expr));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const PendingStore& store = stores_[static_cast<std::size_t>(nest.stores[i])];
      eval_.store(store.place, values[i]);
    }
  }

  std::vector<Reg> step(const Nest& nest, bool folds, const std::vector<Reg>& now) {
    std::vector<Reg> next = running_.step(nest.reductions, folds, now);
    emit_stores(nest);
    return next;
  }

  void finish(const Nest& nest, bool folds, const std::vector<Reg>& running) {
    std::size_t at = 0;
    for (int r : nest.reductions) {
      const std::size_t width = running_.width(r);
      std::vector<Reg> results(running.begin() + static_cast<std::ptrdiff_t>(at),
                               running.begin() + static_cast<std::ptrdiff_t>(at + width));
      at += width;
      if (!row_results_.empty()) {  // combined later, for many rows
        builder().store(row_results_[at - 1], eval_.at(row_dim_) * kLanes, results[0]);
        continue;
      }
      results = running_.finish(r, folds, std::move(results));
      for (std::size_t i = 0; i < results.size(); ++i) {
        const int expr = result_expr_.at({r, static_cast<int>(i)});
        if (eval_.is_kept(expr)) {
          eval_.store_kept(expr, results[i]);
          eval_.fill(expr);
        } else {
          eval_.define(expr, results[i]);
        }
      }
    }
  }

  /// Where the lanes of many rows' reductions are left, to be combined for 16 rows at once: a
  /// buffer for each of the nest's reductions; none where there are few rows or results in
  /// registers.
  std::vector<int> results_of_rows(const Nest& nest, const std::vector<int>& kept) {
    if (kept.size() != 1 || extent(kept[0]) < kFewRows || columns_ != Evaluator::kNone) return {};
    for (int r : nest.reductions) {
      const int expr = result_expr_.at({r, 0});
      if (!eval_.is_kept(expr) || is_bool(space_.exprs[static_cast<std::size_t>(expr)].dtype))
        return {};
    }
    row_dim_ = kept[0];
    std::vector<int> buffers;
    for (int r : nest.reductions)
      buffers.push_back(
          builder().buffer(space_.exprs[static_cast<std::size_t>(result_expr_.at({r, 0}))].dtype,
                           loop::Buffer::Kind::local, extent(row_dim_) * kLanes));
    return buffers;
  }

  void fold_rows(const Nest& nest, int d) {
    const std::int64_t n = extent(d), full = n / kLanes * kLanes;
    const auto fold = [&](const Affine& first, int rows) {
      eval_.push_scope();
      eval_.set_vector_dim(d);
      eval_.open_vector(d, first, rows);
      for (std::size_t i = 0; i < nest.reductions.size(); ++i) {
        std::vector<Reg> rows_lanes;
        for (int row = 0; row < rows; ++row)
          rows_lanes.push_back(
              builder().load(row_results_[i], (first + Affine(row)) * kLanes, kLanes));
        const int expr = result_expr_.at({nest.reductions[i], 0});
        eval_.store_kept(expr, running_.finish_together(nest.reductions[i], std::move(rows_lanes)));
        eval_.fill(expr);
      }
      eval_.close(d);
      eval_.pop_scope();
    };
    if (full > 0)
      builder().loop(fmt::format("r{}", d), {0}, {full}, kLanes,
                     [&](loop::Var v) { fold(Affine::of(v), kLanes); });
    if (full < n) fold(full, static_cast<int>(n - full));
    row_results_.clear();
  }

  const space::Kernel& space_;
  const bool blocked_;
  const std::int64_t wide_registers_;  // of 64 bytes
  loop::Kernel kernel_;
  Evaluator eval_;
  Running running_;
  DimSet parallel_ = 0;
  int columns_ = Evaluator::kNone;      // the vectorised parallel dimension, if one is
  int across_rows_ = Evaluator::kNone;  // without parallel dimensions: the one across short rows
  std::vector<Staging> stagings_;       // of short rows
  std::vector<PendingStore> stores_;
  std::vector<Nest> nests_;
  std::map<std::pair<int, int>, int> result_expr_;
  std::vector<int> row_results_;  // of the nest that is emitted: see results_of_rows
  int row_dim_ = Evaluator::kNone;
  std::size_t downwards_ = 0;  // nests that reduce down columns
  std::int64_t abreast_ = 1;   // vectors that they do so for at once
  std::int64_t own_bytes_ = 0;
};

}  // namespace

loop::Kernel vectorise(const space::Kernel& space, const VectorTarget& target) {
  if (space.sequential != nullptr) return sequential(space);
  if (is_tileable(space)) return tile(space, target);
  if (is_transposing(space)) return schedule_transpose(space);
  if (is_cross_sums(space)) return schedule_cross_sums(space, target);
  // A stream whose sums wait for none is rows like others.
  if (space.kind == "stream" && space.levels() > 2) return schedule_stream(space, target);
  if (const auto blocks = split_rows(space)) return Schedule(*blocks, target, true).run();
  return Schedule(space, target, false).run();
}

}  // namespace kiln
