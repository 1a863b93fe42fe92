#include "passes/transpose.h"

#include <algorithm>
#include <optional>

#include "passes/evaluate.h"

namespace kiln {
namespace {

using loop::Affine;
using loop::kLanes;
using space::Access;

constexpr std::int64_t kColumns = 64;  // of a chunk's tiles: what they write stays few lines long

std::size_t at(int i) { return static_cast<std::size_t>(i); }

struct Turn {
  const Access *from = nullptr, *to = nullptr;
  int rows = -1, columns = -1;  // written along `rows`, read along `columns`
};

/// The dimension that memory lies along.
int along(const space::Kernel& space, const Access& access) {
  for (std::size_t d = 0; d < space.dims.size(); ++d)
    if (access.strides[d] == 1 && space.dims[d].extent > 1) return static_cast<int>(d);
  return -1;
}

std::optional<Turn> turn(const space::Kernel& space) {
  if (!space.reductions.empty() || space.stores.size() != 1) return std::nullopt;
  const space::Store& store = space.stores[0];
  const space::Expr& value = space.exprs[at(store.expr)];
  if (value.kind != space::Expr::Kind::load || size_of(value.dtype) != 4) return std::nullopt;
  for (const space::Dim& dim : space.dims)
    if (!dim.parallel) return std::nullopt;
  const Turn turn{&value.access, &store.access, along(space, store.access),
                  along(space, value.access)};
  if (turn.rows < 0 || turn.columns < 0 || turn.rows == turn.columns) return std::nullopt;
  if (space.dims[at(turn.rows)].extent < kLanes || space.dims[at(turn.columns)].extent < kLanes)
    return std::nullopt;
  // Rows that are one row read again, or written upside down, are no tiles.
  if (turn.from->strides[at(turn.rows)] <= 1 || turn.to->strides[at(turn.columns)] <= 1)
    return std::nullopt;
  return turn;
}

class Transposer {
 public:
  Transposer(const space::Kernel& space, const Turn& turn)
      : space_(space), turn_(turn), builder_(kernel_) {
    kernel_.name = space.name;
    declare_buffers(builder_, space);
  }

  loop::Kernel run() {
    const std::int64_t columns = extent(turn_.columns),
                       blocks = (columns + kColumns - 1) / kColumns;
    std::vector<int> grid;
    kernel_.chunks = blocks;
    for (int d = 0; d < static_cast<int>(space_.dims.size()); ++d)
      if (d != turn_.rows && d != turn_.columns) {
        grid.push_back(d);
        kernel_.chunks *= extent(d);
      }
    builder_.loop(
        "chunk", {Affine::of(loop::kBegin)}, {Affine::of(loop::kEnd)}, 1, [&](loop::Var chunk) {
          Affine from = turn_.from->offset, to = turn_.to->offset;
          std::int64_t below = blocks;
          for (std::size_t i = grid.size(); i-- > 0;) {
            const Affine point = chunk_coordinate(builder_, chunk, below, extent(grid[i]));
            from = from + point * turn_.from->strides[at(grid[i])];
            to = to + point * turn_.to->strides[at(grid[i])];
            below *= extent(grid[i]);
          }
          block(from, to, chunk_coordinate(builder_, chunk, 1, blocks) * kColumns);
        });
    loop::verify(kernel_);
    return std::move(kernel_);
  }

 private:
  std::int64_t extent(int dim) const { return space_.dims[at(dim)].extent; }

  /// The columns of a chunk, which begin at `first`. Of the last block there may be fewer.
  void block(const Affine& from, const Affine& to, const Affine& first) {
    const std::int64_t columns = extent(turn_.columns), full = columns / kColumns * kColumns;
    if (full > 0)
      builder_.loop("c", {first}, {first + Affine(1), Affine(full)}, kColumns,
                    [&](loop::Var c) { rows(from, to, Affine::of(c), kColumns); });
    if (full < columns)
      builder_.loop("c", {first, Affine(full)}, {first + Affine(1)}, kColumns,
                    [&](loop::Var) { rows(from, to, full, columns - full); });
  }

  void rows(const Affine& from, const Affine& to, const Affine& first, std::int64_t columns) {
    const std::int64_t down = turn_.from->strides[at(turn_.rows)],
                       across = turn_.to->strides[at(turn_.columns)];
    const auto tile = [&](const Affine& row, std::int64_t count) {
      builder_.transpose_tile({.source = turn_.from->buffer,
                               .source_index = from + row * down + first,
                               .source_stride = down,
                               .target = turn_.to->buffer,
                               .target_index = to + row + first * across,
                               .target_stride = across,
                               .rows = static_cast<int>(count),
                               .columns = static_cast<int>(columns),
                               .padded_rows = static_cast<int>(count)});
    };
    const std::int64_t n = extent(turn_.rows), full = n / kLanes * kLanes;
    builder_.loop("r", {0}, {full}, kLanes, [&](loop::Var r) { tile(Affine::of(r), kLanes); });
    if (full < n) tile(full, n - full);
  }

  const space::Kernel& space_;
  const Turn turn_;
  loop::Kernel kernel_;
  loop::Builder builder_;
};

}  // namespace

bool is_transposing(const space::Kernel& space) { return turn(space).has_value(); }

loop::Kernel schedule_transpose(const space::Kernel& space) {
  return Transposer(space, *turn(space)).run();
}

}  // namespace kiln
