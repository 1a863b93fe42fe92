#include "passes/vectorise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "ir/build.h"
#include "ir/op.h"
#include "passes/evaluate.h"
#include "passes/rows.h"
#include "passes/sequential.h"
#include "passes/staging.h"
#include "passes/stream_schedule.h"
#include "passes/tile.h"

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

/// The loop opcode that folds the lanes of a combiner, where there is one.
std::optional<loop::Opcode> lane_reduction(const space::Reduction& reduction) {
  if (reduction.is_contraction() || reduction.inputs.size() != 1) return std::nullopt;
  const auto combiner = simple_combiner(*reduction.region);
  if (!combiner) return std::nullopt;
  const bool boolean = is_bool(reduction.region->parameters[0].dtype);
  using loop::Opcode;
  switch (*combiner) {
    case Op::add:
      return boolean ? Opcode::reduce_or : Opcode::reduce_add;
    case Op::multiply:
      return boolean ? Opcode::reduce_and : Opcode::reduce_mul;
    case Op::maximum:
      return boolean ? Opcode::reduce_or : Opcode::reduce_max;
    case Op::minimum:
      return boolean ? Opcode::reduce_and : Opcode::reduce_min;
    case Op::and_:
      return Opcode::reduce_and;
    case Op::or_:
      return Opcode::reduce_or;
    case Op::xor_:
      return Opcode::reduce_xor;
    default:
      return std::nullopt;
  }
}

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
      : space_(space), blocked_(blocked), eval_(space, kernel_, target.multiply_adds()) {}

  loop::Kernel run() {
    parallel_ = space_.parallel();
    choose_columns();
    collect_stores();
    build_nests();
    place_reductions();
    keep_costly_values();
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
      block = std::max<std::int64_t>(kLanes, kChunkPoints / row / kLanes * kLanes);
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

  /// The block [first, first + block) of the column dimension, 16 points at a time.
  void columns(const Affine& first, std::int64_t block, std::int64_t blocks) {
    const std::int64_t n = extent(columns_), full = n / kLanes * kLanes;
    const int tail = static_cast<int>(n - full);
    const DimSet inner_and_column = ~parallel_ | bit(columns_);
    eval_.prepare(all_roots(), inner_and_column, 0);
    const auto round = [&](const Affine& at, int active) {
      eval_.push_scope();
      eval_.open_vector(columns_, at, active);
      body();
      eval_.close(columns_);
      eval_.pop_scope();
    };
    if (full > 0) {
      const std::vector<Affine> upper =
          blocks == 1 ? std::vector<Affine>{full} : std::vector<Affine>{first + block, full};
      builder().loop(fmt::format("p{}", columns_), {first}, upper, kLanes,
                     [&](loop::Var v) { round(Affine::of(v), kLanes); });
    }
    if (tail == 0) return;
    if (blocks == 1) {
      round(full, tail);
    } else {  // runs once, in the last block
      builder().loop(fmt::format("p{}", columns_), {first, full}, {first + block, n}, kLanes,
                     [&](loop::Var v) { round(Affine::of(v), tail); });
    }
  }

  void body() {
    eval_.forget_kept();
    for (Staging& staging : stagings_) staging.fill();
    for (const Nest& nest : nests_) emit_nest(nest);
    for (Staging& staging : stagings_) staging.drain();
  }

  /// A reduced dimension lies across lanes only if the lanes can be folded at the end.
  bool may_be_vector(const Nest& nest, int d) const {
    if (std::find(nest.over.begin(), nest.over.end(), d) == nest.over.end()) return true;
    return std::all_of(nest.reductions.begin(), nest.reductions.end(), [&](int r) {
      return lane_reduction(space_.reductions[static_cast<std::size_t>(r)]).has_value();
    });
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

  using Chains = std::vector<std::vector<Reg>>;

  /// Whether a loop's reductions may run in kPartials interleaved chains: one chain would be as
  /// slow as the latency of its steps.
  bool splits(const Nest& nest, const std::vector<Reg>& carried) const {
    return !carried.empty() &&
           std::all_of(nest.reductions.begin(), nest.reductions.end(), [&](int r) {
             return lane_reduction(space_.reductions[static_cast<std::size_t>(r)]).has_value();
           });
  }

  /// The first chain goes on from what is carried, the others start from the identity.
  Chains start_chains(const Nest& nest, std::vector<Reg> carried) {
    Chains chains{std::move(carried)};
    for (int c = 1; c < kPartials; ++c) {
      std::vector<Reg> identities;
      for (int r : nest.reductions)
        identities.push_back(
            builder().splat(identity(space_.reductions[static_cast<std::size_t>(r)]),
                            builder().type(chains[0][identities.size()]).lanes));
      chains.push_back(std::move(identities));
    }
    return chains;
  }

  /// The chains combined pairwise.
  std::vector<Reg> join_chains(const Nest& nest, Chains chains) {
    while (chains.size() > 1) {
      Chains halves;
      for (std::size_t c = 0; c < chains.size(); c += 2) {
        std::vector<Reg> both;
        for (std::size_t r = 0; r < nest.reductions.size(); ++r)
          both.push_back(
              eval_.combine(space_.reductions[static_cast<std::size_t>(nest.reductions[r])],
                            std::span(&chains[c][r], 1), std::span(&chains[c + 1][r], 1))[0]);
        halves.push_back(std::move(both));
      }
      chains = std::move(halves);
    }
    return chains[0];
  }

  /// A short loop: written out, or where that is much code, kPartials points a round; a reduction
  /// is the same chains either way.
  template <class Inside>
  std::vector<Reg> short_loop(const Nest& nest, int d, std::int64_t code, std::vector<Reg> carried,
                              const Inside& inside) {
    const std::int64_t n = extent(d);
    Chains chains = n >= 2 * kPartials && splits(nest, carried)
                        ? start_chains(nest, std::move(carried))
                        : Chains{std::move(carried)};
    const auto point = [&](const Affine& at, std::int64_t number) {
      auto& chain = chains[static_cast<std::size_t>(number) % chains.size()];
      chain = inside(at, kLanes, std::move(chain));
    };
    std::int64_t done = 0;
    if (code > kWrittenWeight && n >= 2 * kPartials) {
      done = n / kPartials * kPartials;
      const auto flat = [&] {
        std::vector<Reg> all;
        for (const auto& chain : chains) all.insert(all.end(), chain.begin(), chain.end());
        return all;
      };
      const auto unflat = [&](const std::vector<Reg>& all) {
        auto from = all.begin();
        for (auto& chain : chains) {
          const auto to = from + static_cast<std::ptrdiff_t>(all.size() / chains.size());
          chain.assign(from, to);
          from = to;
        }
      };
      unflat(builder().loop(fmt::format("r{}", d), {0}, {done}, kPartials, flat(),
                            [&](loop::Var v, const std::vector<Reg>& now) {
                              unflat(now);
                              for (int c = 0; c < kPartials; ++c)
                                point(Affine::of(v) + Affine(c), c);
                              return flat();
                            }));
    }
    for (std::int64_t at = done; at < n; ++at) point(at, at);
    return join_chains(nest, std::move(chains));
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
    const std::size_t width = carried.size();
    std::vector<Reg> all;
    for (const auto& chain : start_chains(nest, std::move(carried)))
      all.insert(all.end(), chain.begin(), chain.end());
    all = builder().loop(
        fmt::format("r{}", d), {0}, {done}, kRound, all,
        [&](loop::Var v, const std::vector<Reg>& now) {
          std::vector<Reg> next;
          for (std::size_t c = 0; c < kPartials; ++c) {
            const auto first = now.begin() + static_cast<std::ptrdiff_t>(c * width);
            const auto chain =
                inside(Affine::of(v) + Affine(static_cast<std::int64_t>(c) * kLanes), kLanes,
                       std::vector<Reg>(first, first + static_cast<std::ptrdiff_t>(width)));
            next.insert(next.end(), chain.begin(), chain.end());
          }
          return next;
        });
    Chains chains;
    for (std::size_t c = 0; c < kPartials; ++c)
      chains.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(c * width),
                          all.begin() + static_cast<std::ptrdiff_t>((c + 1) * width));
    return join_chains(nest, std::move(chains));
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
      std::vector<Reg> running = start(nest, folds);
      DimSet closed = 0;
      for (int d : over) closed |= bit(d);
      running = loops(nest, needed, over, 0, closed, std::move(running), {},
                      [&](std::vector<Reg> now) { return step(nest, folds, std::move(now)); });
      finish(nest, folds, running);
      return {};
    };
    loops(nest, needed, kept, 0, nest.dims, {}, over, points);
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

  std::vector<Reg> start(const Nest& nest, bool folds) {
    std::vector<Reg> running;
    for (int r : nest.reductions) {
      const auto& reduction = space_.reductions[static_cast<std::size_t>(r)];
      if (reduction.is_contraction()) {
        running.push_back(builder().constant({reduction.dtype, eval_.lanes()}, 0));
      } else if (folds) {
        running.push_back(builder().splat(identity(reduction), kLanes));
      } else {
        for (int initial : reduction.initial) running.push_back(eval_.eval_vector(initial));
      }
    }
    return running;
  }

  Reg identity(const space::Reduction& reduction) {
    const Region& region = *reduction.region;
    const DType dtype = region.parameters[0].dtype;
    const Op combiner = *simple_combiner(region);
    // -0 + x is x for every x; 0 + -0 is not -0.
    if (combiner == Op::add && is_float(dtype)) return builder().constant({dtype, 1}, -0.0);
    return eval_.constant(*build::identity(region.results[0].graph(), combiner, dtype).node);
  }

  std::vector<Reg> step(const Nest& nest, bool folds, std::vector<Reg> running) {
    std::vector<Reg> next;
    std::size_t at = 0;
    for (int r : nest.reductions) {
      const auto& reduction = space_.reductions[static_cast<std::size_t>(r)];
      const std::size_t width = reduction.inputs.size() - (reduction.is_contraction() ? 1 : 0);
      const std::span<const Reg> now(running.data() + at, width);
      for (Reg combined : combined_with_point(reduction, now)) {
        // Lanes beyond the row keep what they had.
        const bool partial = folds && eval_.active() < kLanes;
        next.push_back(
            partial ? builder().let(loop::Opcode::select, {lane_mask(), combined, running[at]})
                    : combined);
        ++at;
      }
    }
    emit_stores(nest);
    return next;
  }

  /// What has run so far, and this point.
  std::vector<Reg> combined_with_point(const space::Reduction& reduction,
                                       std::span<const Reg> running) {
    if (const std::optional<Choice> choice = summed_choice(reduction)) {
      const Reg value = eval_.eval_vector(choice->value);
      const Reg sum = eval_.combine(reduction, running, std::span(&value, 1))[0];
      return {builder().let(loop::Opcode::select,
                            {eval_.eval_vector(choice->condition), sum, running[0]})};
    }
    std::vector<Reg> inputs;
    for (int input : reduction.inputs) inputs.push_back(eval_.eval_vector(input));
    return eval_.combine(reduction, running, inputs);
  }

  /// Of a sum, from 0, of what a condition chooses and 0 otherwise: adding only what is chosen can
  /// change no more than the sign of a zero, and 0 is added in the end.
  std::optional<Choice> summed_choice(const space::Reduction& reduction) const {
    if (reduction.is_contraction() || reduction.inputs.size() != 1 ||
        simple_combiner(*reduction.region) != Op::add)
      return std::nullopt;
    const Expr& initial = space_.exprs[static_cast<std::size_t>(reduction.initial[0])];
    if (initial.kind != Expr::Kind::constant || !is_float(initial.dtype) ||
        std::signbit(initial.node->attrs<ConstantAttrs>().value.as_double(0)))
      return std::nullopt;
    return choice_or_zero(space_, reduction.inputs[0]);
  }

  Reg lane_mask() {
    const Reg lane = builder().index(Affine(0), kLanes);
    const Reg limit = builder().constant({DType::i64, kLanes}, eval_.active());
    return builder().let(loop::Opcode::lt, {lane, limit});
  }

  void finish(const Nest& nest, bool folds, const std::vector<Reg>& running) {
    std::size_t at = 0;
    for (int r : nest.reductions) {
      const auto& reduction = space_.reductions[static_cast<std::size_t>(r)];
      const std::size_t width = reduction.inputs.size() - (reduction.is_contraction() ? 1 : 0);
      std::vector<Reg> results(running.begin() + static_cast<std::ptrdiff_t>(at),
                               running.begin() + static_cast<std::ptrdiff_t>(at + width));
      at += width;
      if (folds) {
        const Reg folded = builder().let(*lane_reduction(reduction), {results[0]});
        const Reg initial = eval_.eval(reduction.initial[0]);
        results = eval_.combine(reduction, std::vector{initial}, std::vector{folded});
      }
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

  const space::Kernel& space_;
  const bool blocked_;
  loop::Kernel kernel_;
  Evaluator eval_;
  DimSet parallel_ = 0;
  int columns_ = Evaluator::kNone;      // the vectorised parallel dimension, if one is
  int across_rows_ = Evaluator::kNone;  // without parallel dimensions: the one across short rows
  std::vector<Staging> stagings_;       // of short rows
  std::vector<PendingStore> stores_;
  std::vector<Nest> nests_;
  std::map<std::pair<int, int>, int> result_expr_;
  std::int64_t own_bytes_ = 0;
};

}  // namespace

loop::Kernel vectorise(const space::Kernel& space, const VectorTarget& target) {
  if (space.sequential != nullptr) return sequential(space);
  if (space.kind == "stream") return schedule_stream(space, target);
  if (is_tileable(space)) return tile(space, target);
  if (const auto blocks = split_rows(space)) return Schedule(*blocks, target, true).run();
  return Schedule(space, target, false).run();
}

}  // namespace kiln
