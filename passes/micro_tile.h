// The innermost piece of every product: a register tile of Σ_k row(r, k) · column(k, c).
//
//   for k: one broadcast for each row, one load for each vector of columns, one fma for each of
//   both
//
// Each element is one ascending chain of fused multiply-adds. Tiles given their sums so far go on
// with them, so neither the tile's shape nor blocks of k change a bit of the result. How the tiles
// of a kernel follow each other is said elsewhere (passes/tile).
#pragma once

#include <vector>

#include "ir/loop.h"
#include "passes/vectorise.h"

namespace kiln {

/// Where a factor lies: element (i, k) at index + i · step + Σ k[d] · steps[d], i a row or a column
/// of the tile. Columns a step of 1 apart are loaded as vectors, others gathered.
struct TileFactor {
  int buffer = 0;
  loop::Affine index;
  std::int64_t step = 0;
  Ints steps;
};

/// One of the dimensions that are summed over: from … to, exclusive, to the least of several. The
/// number of points is a multiple of `multiple`, whatever it is.
struct TileRange {
  loop::Affine from;
  std::vector<loop::Affine> to;
  std::int64_t multiple = 1;
};

struct MicroTile {
  DType dtype = DType::f32;
  std::int64_t rows = 1, columns = 1;
  TileFactor row, column;
  std::vector<TileRange> over;  // outermost first

  /// Registers beside each other, and how many lanes of one are columns of the tile.
  std::int64_t vectors() const { return (columns + loop::kLanes - 1) / loop::kLanes; }
  int lanes(std::int64_t vector) const {
    return static_cast<int>(std::min<std::int64_t>(loop::kLanes, columns - vector * loop::kLanes));
  }
};

/// The sums, row by row, one register of kLanes for each vector of columns; lanes beyond the
/// columns hold zeros times something. `sums` is what they begin with, nothing: zeros.
std::vector<loop::Reg> emit_micro_tile(loop::Builder& builder, const MicroTile& tile,
                                       std::vector<loop::Reg> sums = {});

/// The largest tile that the registers hold, rows split evenly.
struct TileShape {
  std::int64_t rows = 1, vectors = 1;
};
TileShape choose_micro_tile(const VectorTarget& target, DType dtype, std::int64_t rows,
                            std::int64_t columns);

}  // namespace kiln
