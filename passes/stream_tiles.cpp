#include "passes/stream_tiles.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>

#include "passes/micro_tile.h"

namespace kiln {
namespace {

using loop::Affine;
using loop::kLanes;
using loop::Reg;
using space::bit;
using space::Expr;
using space::Reduction;

constexpr std::int64_t kSetBytes = 1024;  // rows so far apart share few sets of the first cache
constexpr std::int64_t kPackingRows = 32;
constexpr std::int64_t kPackedDepth = 256;
constexpr std::int64_t kPackedWidth = 2 * kLanes;
constexpr std::int64_t kBlockDepth = 128;     // of what is summed over, in blocks
constexpr std::int64_t kBlockedDepth = 1024;  // from which on there are blocks

std::size_t at(int i) { return static_cast<std::size_t>(i); }

}  // namespace

class StreamTiles::Emitter {
 public:
  Emitter(StreamBlock& block, const VectorTarget& target) : block_(block), target_(target) {
    for (const StreamStep& step : plan().steps) {
      if (!step.tile) continue;
      const DType dtype = plan().reduction(step.tile->reduction).dtype;
      if (is_packed(step) && !pack_.contains(dtype))
        pack_[dtype] = b().buffer(dtype, loop::Buffer::Kind::local, kPackedDepth * kPackedWidth);
      if (is_blocked(step) && !sums_.contains(dtype))
        sums_[dtype] = b().buffer(dtype, loop::Buffer::Kind::local, plan().block * kPackedWidth);
    }
  }

  void run(const StreamStep& step) {
    const StreamTiling& tiling = *step.tile;
    eval().set_vector_dim(tiling.v);
    const std::int64_t n = block_.length(tiling.v), m = tiling.u < 0 ? 1 : block_.length(tiling.u);
    const TileShape shape =
        choose_micro_tile(target_, plan().reduction(tiling.reduction).dtype, m, n);
    // A triangle's end is a multiple of kRowMultiple, and so of each power of two below: a tile
    // that reached past it would read what no step has written.
    const std::int64_t tall =
        plan().ends_early(tiling.u)
            ? static_cast<std::int64_t>(
                  std::bit_floor(static_cast<std::uint64_t>(std::min(shape.rows, kRowMultiple))))
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
          b().loop("i", {0}, block_.ends(tiling.u, full), tall,
                   [&](loop::Var i) { visit(Area{Affine::of(i), tall, j, columns}); });
        if (full < m) visit(Area{full, m - full, j, columns});
      };
      if (is_blocked(step)) return tile_in_blocks(step, j, columns, each_tile);
      const TileRange all = whole(tiling.over);
      if (is_packed(step)) pack(step, all, j, columns);
      each_tile([&](const Area& area) {
        std::vector<Reg> sums;
        if (plan().accumulating.contains(tiling.reduction)) sums = accumulated(step, area);
        conclude(step, area, multiply(step, area, all, std::move(sums)));
      });
    };
    if (panels == 1)
      panel(0, width);
    else if (panels > 1)
      b().loop("panel", {0}, block_.ends(tiling.v, panels * width, true), width,
               [&](loop::Var j) { panel(Affine::of(j), width); });
    if (panels * width < n) panel(panels * width, n - panels * width);
  }

 private:
  const StreamPlan& plan() const { return block_.plan; }
  Evaluator& eval() { return block_.eval; }
  loop::Builder& b() { return block_.builder(); }

  /// Some rows and columns of a step's result, those of one register tile.
  struct Area {
    Affine i;
    std::int64_t rows = 0;
    Affine j;
    std::int64_t columns = 0;
  };

  /// All that is summed over, or what of it is not hidden.
  TileRange whole(int over) const {
    return {0, block_.ends(over, block_.length(over)), plan().ends_early(over) ? kRowMultiple : 1};
  }

  /// Long sums run in blocks: what one tile reads of the columns is then still near when the next
  /// tile reads it. The sums so far are in memory between blocks.
  bool is_blocked(const StreamStep& step) const {
    const StreamTiling& tiling = *step.tile;
    return tiling.u == plan().q && tiling.over != plan().q &&
           plan().extent(tiling.over) >= kBlockedDepth;
  }

  template <class EachTile>
  void tile_in_blocks(const StreamStep& step, const Affine& j, std::int64_t columns,
                      const EachTile& each_tile) {
    const int over = step.tile->over;
    const int buffer = sums_.at(plan().reduction(step.tile->reduction).dtype);
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
      each_tile([&](const Area& area) { store(area, multiply(step, area, range, load(area))); });
    };
    each_tile([&](const Area& area) {
      const Reg zero = b().constant({plan().reduction(step.tile->reduction).dtype, kLanes}, 0);
      store(area, std::vector<Reg>(count_of(area), zero));
    });
    const TileRange all = whole(over);
    const bool early = all.to.size() > 1;  // it may end anywhere
    const std::int64_t n = block_.length(over), full = early ? n : n / kBlockDepth * kBlockDepth;
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
    const Expr& column = plan().space.exprs[at(tiling.column)];
    if (column.kind != Expr::Kind::load || tiling.u < 0) return false;
    const std::int64_t rows = tiling.u == plan().q ? plan().block : plan().extent(tiling.u);
    const std::int64_t depth = tiling.over == plan().q ? plan().block : plan().extent(tiling.over);
    const std::int64_t apart =
        std::abs(column.access.strides[at(tiling.over)]) * size_of(column.dtype);
    return apart >= kSetBytes && rows >= kPackingRows &&
           (depth <= kPackedDepth || is_blocked(step));
  }

  void pack(const StreamStep& step, const TileRange& range, const Affine& j, std::int64_t columns) {
    const StreamTiling& tiling = *step.tile;
    const Place column = factor_place(tiling.column);
    eval().push_scope();
    b().loop("k", {range.from}, range.to, 1, [&](loop::Var k) {
      eval().open(tiling.over, block_.position(tiling.over, Affine::of(k)));
      for (std::int64_t c = 0; c < columns; c += kLanes) {
        const auto lanes = static_cast<int>(std::min<std::int64_t>(kLanes, columns - c));
        eval().open_vector(tiling.v, block_.position(tiling.v, j + Affine(c)), lanes);
        b().store(pack_.at(plan().space.exprs[at(tiling.column)].dtype),
                  Affine::of(k, kPackedWidth) + range.from * -kPackedWidth + Affine(c),
                  eval().load(column));
      }
      eval().close(tiling.v);
      eval().close(tiling.over);
    });
    eval().pop_scope();
  }

  Place factor_place(int e) const {
    const auto own = block_.place.find(e);
    return own != block_.place.end() ? own->second : Place{plan().space.exprs[at(e)].access, false};
  }

  // Where a tile's row and columns lie in what the step computes.
  void open_row(const StreamStep& step, const Area& area, std::int64_t r) {
    if (step.tile->u >= 0)
      eval().open(step.tile->u, block_.position(step.tile->u, area.i + Affine(r)));
  }
  void open_columns(const StreamStep& step, const Area& area, std::int64_t c) {
    const auto lanes = static_cast<int>(std::min<std::int64_t>(kLanes, area.columns - c));
    eval().open_vector(step.tile->v, block_.position(step.tile->v, area.j + Affine(c)), lanes);
  }
  void close_tile(const StreamStep& step) {
    eval().close(step.tile->v);
    if (step.tile->u >= 0) eval().close(step.tile->u);
  }

  /// What a tile's sums have come to in earlier blocks of rows.
  std::vector<Reg> accumulated(const StreamStep& step, const Area& area) {
    std::vector<Reg> sums;
    for (std::int64_t r = 0; r < area.rows; ++r)
      for (std::int64_t c = 0; c < area.columns; c += kLanes) {
        open_row(step, area, r);
        open_columns(step, area, c);
        const Place place = block_.place.at(plan().result_of(step.tile->reduction));
        sums.push_back(b().splat(eval().load(place), kLanes));
      }
    close_tile(step);
    return sums;
  }

  /// A register tile of the step's contraction, over a range; `sums` is what it goes on with.
  std::vector<Reg> multiply(const StreamStep& step, const Area& area, const TileRange& range,
                            std::vector<Reg> sums) {
    const StreamTiling& tiling = *step.tile;
    const DType dtype = plan().reduction(tiling.reduction).dtype;
    eval().push_scope();
    open_row(step, area, 0);
    eval().open(tiling.over, block_.position(tiling.over, 0));
    eval().open_vector(tiling.v, block_.position(tiling.v, area.j), kLanes);
    const auto factor = [&](const Place& place, int dim) {
      return TileFactor{place.access.buffer,
                        eval().address(place).first,
                        dim < 0 ? 0 : place.access.strides[at(dim)],
                        {place.access.strides[at(tiling.over)]}};
    };
    MicroTile tile{dtype, area.rows, area.columns, factor(factor_place(tiling.row), tiling.u),
                   {},    {range}};
    tile.column = is_packed(step)
                      ? TileFactor{pack_.at(dtype), range.from * -kPackedWidth, 1, {kPackedWidth}}
                      : factor(factor_place(tiling.column), tiling.v);
    eval().close(tiling.over);
    sums = emit_micro_tile(b(), tile, std::move(sums));
    close_tile(step);
    eval().pop_scope();
    return sums;
  }

  /// What becomes of a tile's sums: they go on later, or are complete.
  void conclude(const StreamStep& step, const Area& area, const std::vector<Reg>& sums) {
    const StreamTiling& tiling = *step.tile;
    const int e = plan().result_of(tiling.reduction);
    const bool accumulates = plan().accumulating.contains(tiling.reduction);
    const std::int64_t wide = (area.columns + kLanes - 1) / kLanes;
    for (std::int64_t c = 0; c < wide; ++c) {
      eval().push_scope();
      open_columns(step, area, c * kLanes);
      if (!accumulates)
        eval().prepare(plan().roots(step), tiling.u < 0 ? 0 : bit(tiling.u), step.level);
      for (std::int64_t r = 0; r < area.rows; ++r) {
        eval().push_scope();
        open_row(step, area, r);
        const Reg value = sums[static_cast<std::size_t>(r * wide + c)];
        if (accumulates) {
          eval().store(block_.place.at(e), value);
        } else {
          eval().define(e, value);
          const Reg root = eval().eval(tiling.root);
          if (plan().kept.contains(tiling.root)) eval().store(block_.place.at(tiling.root), root);
          block_.emit_stores(step.stores);
        }
        eval().pop_scope();
      }
      eval().pop_scope();
    }
    close_tile(step);
  }

  StreamBlock& block_;
  const VectorTarget target_;
  std::map<DType, int> pack_;  // a panel's buffer
  std::map<DType, int> sums_;  // a panel's sums, between blocks
};

StreamTiles::StreamTiles(StreamBlock& block, const VectorTarget& target)
    : emitter_(std::make_unique<Emitter>(block, target)) {}
StreamTiles::~StreamTiles() = default;
void StreamTiles::run(const StreamStep& step) { emitter_->run(step); }

}  // namespace kiln
