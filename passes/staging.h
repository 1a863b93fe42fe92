// Short rows, transposed on their way into and out of a kernel.
//
// Rows shorter than a vector (the ten logits of a sample) waste lanes when they are walked along,
// and cost a gather when they are walked across. So tiles of 16 rows are transposed into memory of
// the kernel's own, are worked on across, and results are transposed back:
//
//   before:  load b1[10·p0 + r1]  across p0: stride 10
//   after:   transpose 16x10 b1[10·p0 …] to %t;  load %t[16·r1 + lane]
//
// Elements of four bytes only (what the tile transposition moves); others are gathered.
#pragma once

#include <vector>

#include "passes/evaluate.h"

namespace kiln {

class Staging {
 public:
  /// Stages every access that lies along `along` and is walked `across`. With `whole` all rows are
  /// staged at once (`across` is not parallel), else those of the vector that is open.
  Staging(Evaluator& evaluator, int across, int along, bool whole);

  /// Before the first use: what is read comes in.
  void fill();
  /// After the last: what was written goes out.
  void drain();

 private:
  struct Piece {
    space::Access outside;
    Place inside;
    bool output;
  };
  void transpose(const Piece& piece, const loop::Affine& row, const loop::Affine& inside_row,
                 int rows);
  void each_tile(bool output);

  Evaluator& evaluator_;
  const int across_, along_;
  const bool whole_;
  std::vector<Piece> pieces_;
};

}  // namespace kiln
