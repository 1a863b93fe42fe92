#include "passes/staging.h"

#include <algorithm>

namespace kiln {

using loop::Affine;
using loop::kLanes;

Staging::Staging(Evaluator& evaluator, int across, int along, bool whole)
    : evaluator_(evaluator), across_(across), along_(along), whole_(whole) {
  const space::Kernel& space = evaluator.space();
  const auto v = static_cast<std::size_t>(across), c = static_cast<std::size_t>(along);
  const auto consider = [&](const space::Access& access, bool output) {
    const DType dtype = space.buffers[static_cast<std::size_t>(access.buffer)].dtype;
    if (access.strides[c] != 1 || access.strides[v] <= 1 || size_of(dtype) != 4) return;
    for (std::size_t d = 0; d < space.dims.size(); ++d)
      if (d != v && d != c && access.strides[d] != 0 && !space.dims[d].parallel) return;
    if (std::any_of(pieces_.begin(), pieces_.end(),
                    [&](const Piece& p) { return p.outside == access; }))
      return;
    const std::int64_t lanes =
        whole ? (space.dims[v].extent + kLanes - 1) / kLanes * kLanes : kLanes;
    space::Access inside{0, 0, Ints(space.dims.size(), 0)};
    inside.strides[v] = 1;
    inside.strides[c] = lanes;
    inside.buffer =
        evaluator.builder().buffer(dtype, loop::Buffer::Kind::local, lanes * space.dims[c].extent);
    pieces_.push_back({access, {inside, true}, output});
    evaluator.relocate(access, pieces_.back().inside);
  };
  for (const space::Expr& expr : space.exprs)
    if (expr.kind == space::Expr::Kind::load) consider(expr.access, false);
  for (const space::Store& store : space.stores) consider(store.access, true);
}

void Staging::fill() { each_tile(false); }
void Staging::drain() { each_tile(true); }

void Staging::each_tile(bool output) {
  const auto tile = [&](const Affine& row, const Affine& inside_row, int rows) {
    for (const Piece& piece : pieces_)
      if (piece.output == output) transpose(piece, row, inside_row, rows);
  };
  if (std::none_of(pieces_.begin(), pieces_.end(),
                   [&](const Piece& p) { return p.output == output; }))
    return;
  if (!whole_) {
    tile(evaluator_.at(across_), 0, evaluator_.active());
    return;
  }
  const std::int64_t n = evaluator_.space().dims[static_cast<std::size_t>(across_)].extent;
  const std::int64_t full = n / kLanes * kLanes;
  if (full > 0)
    evaluator_.builder().loop("tile", {0}, {full}, kLanes,
                              [&](loop::Var v) { tile(Affine::of(v), Affine::of(v), kLanes); });
  if (full < n) tile(full, full, static_cast<int>(n - full));
}

void Staging::transpose(const Piece& piece, const Affine& row, const Affine& inside_row, int rows) {
  const space::Kernel& space = evaluator_.space();
  const auto v = static_cast<std::size_t>(across_), c = static_cast<std::size_t>(along_);
  Affine outside(piece.outside.offset);
  for (std::size_t d = 0; d < space.dims.size(); ++d)
    if (d != v && d != c && piece.outside.strides[d] != 0)
      outside = outside + evaluator_.at(static_cast<int>(d)) * piece.outside.strides[d];
  outside = outside + row * piece.outside.strides[v];
  const std::int64_t lanes = piece.inside.access.strides[c];
  const int length = static_cast<int>(space.dims[c].extent);
  if (piece.output)
    evaluator_.builder().transpose_tile({.source = piece.inside.access.buffer,
                                         .source_index = inside_row,
                                         .source_stride = lanes,
                                         .target = piece.outside.buffer,
                                         .target_index = outside,
                                         .target_stride = piece.outside.strides[v],
                                         .rows = length,
                                         .columns = rows,
                                         .padded_rows = length});
  else
    evaluator_.builder().transpose_tile({.source = piece.outside.buffer,
                                         .source_index = outside,
                                         .source_stride = piece.outside.strides[v],
                                         .target = piece.inside.access.buffer,
                                         .target_index = inside_row,
                                         .target_stride = lanes,
                                         .rows = rows,
                                         .columns = length,
                                         .padded_rows = kLanes});
}

}  // namespace kiln
