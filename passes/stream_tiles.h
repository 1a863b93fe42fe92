// The products of a stream, in register tiles (passes/micro_tile): panels of columns, in each the
// tiles of a block's rows, and on their sums what is made of them element by element.
#pragma once

#include <memory>

#include "passes/stream_block.h"
#include "passes/vectorise.h"

namespace kiln {

class StreamTiles {
 public:
  /// Takes what memory of its own the block's plan needs.
  StreamTiles(StreamBlock& block, const VectorTarget& target);
  ~StreamTiles();

  /// The product of one step of an open block.
  void run(const StreamStep& step);

 private:
  class Emitter;
  std::unique_ptr<Emitter> emitter_;
};

}  // namespace kiln
