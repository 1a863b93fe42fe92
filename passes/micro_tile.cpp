#include "passes/micro_tile.h"

#include <algorithm>

#include "ir/error.h"

namespace kiln {
namespace {

using loop::Affine;
using loop::kLanes;
using loop::Reg;

constexpr int kUnroll = 2;                   // of the innermost loop
constexpr std::int64_t kMaxRows = 12;        // of a tile two or more vectors wide
constexpr std::int64_t kMaxRowsNarrow = 14;  // of a tile one vector wide
constexpr std::int64_t kChains = 8;  // independent ones: an fma takes 4 cycles, two begin in one
constexpr std::int64_t kLeastRowsOfWide = 4;  // fewer rows of two vectors: rather one vector

class TileEmitter {
 public:
  TileEmitter(loop::Builder& builder, const MicroTile& tile) : b_(builder), tile_(tile) {}

  std::vector<Reg> run(std::vector<Reg> sums) {
    const auto count = static_cast<std::size_t>(tile_.rows * tile_.vectors());
    if (sums.empty()) sums.assign(count, b_.constant({tile_.dtype, kLanes}, 0));
    internal_check(sums.size() == count, "a tile has a sum for each row and vector");
    internal_check(tile_.row.steps.size() == tile_.over.size() &&
                       tile_.column.steps.size() == tile_.over.size(),
                   "a tile's factors step along what it is summed over");
    return sum(0, tile_.row.index, tile_.column.index, std::move(sums));
  }

 private:
  /// The loops from `level` inwards; `row` and `column` are the factors' elements (0, k) so far.
  std::vector<Reg> sum(std::size_t level, const Affine& row, const Affine& column,
                       std::vector<Reg> sums) {
    if (level == tile_.over.size()) return multiply(row, column, std::move(sums));
    const auto& [from, to, multiple] = tile_.over[level];
    const auto at = [&](const Affine& k, std::vector<Reg> now) {
      return sum(level + 1, row + k * tile_.row.steps[level],
                 column + k * tile_.column.steps[level], std::move(now));
    };
    const bool innermost = level + 1 == tile_.over.size();
    const Affine distance = to.front() + from * -1;
    if (!innermost || to.size() > 1 || !distance.is_constant())
      return rounds(from, to, innermost && multiple % kUnroll == 0 ? kUnroll : 1, std::move(sums),
                    at);
    const std::int64_t count = std::max<std::int64_t>(distance.constant, 0);
    const std::int64_t full = count / kUnroll * kUnroll;
    if (full > 0) sums = rounds(from, {from + Affine(full)}, kUnroll, std::move(sums), at);
    for (std::int64_t n = full; n < count; ++n) sums = at(from + Affine(n), std::move(sums));
    return sums;
  }

  /// A loop of so many points a round.
  template <class F>
  std::vector<Reg> rounds(const Affine& from, const std::vector<Affine>& to, std::int64_t unroll,
                          std::vector<Reg> sums, const F& at) {
    return b_.loop("k", {from}, to, unroll, sums, [&](loop::Var k, std::vector<Reg> now) {
      for (std::int64_t n = 0; n < unroll; ++n) now = at(Affine::of(k) + Affine(n), std::move(now));
      return now;
    });
  }

  std::vector<Reg> multiply(const Affine& row, const Affine& column, std::vector<Reg> sums) {
    std::vector<Reg> columns;
    for (std::int64_t v = 0; v < tile_.vectors(); ++v)
      columns.push_back(b_.load(tile_.column.buffer,
                                column + Affine(v * kLanes * tile_.column.step), kLanes,
                                tile_.column.step, tile_.lanes(v)));
    std::size_t next = 0;
    for (std::int64_t r = 0; r < tile_.rows; ++r) {
      const Reg factor = b_.load(tile_.row.buffer, row + Affine(r * tile_.row.step), kLanes, 0);
      for (const Reg each : columns) {
        sums[next] = b_.let(loop::Opcode::fma, {factor, each, sums[next]});
        ++next;
      }
    }
    return sums;
  }

  loop::Builder& b_;
  const MicroTile& tile_;
};

}  // namespace

std::vector<Reg> emit_micro_tile(loop::Builder& builder, const MicroTile& tile,
                                 std::vector<Reg> sums) {
  return TileEmitter(builder, tile).run(std::move(sums));
}

TileShape choose_micro_tile(const VectorTarget& target, DType dtype, std::int64_t rows,
                            std::int64_t columns) {
  const int per_vector = std::max(1, kLanes * size_of(dtype) / target.vector_bytes);
  const auto rows_that_fit = [&](std::int64_t vectors) {  // beside the columns and one factor
    return (target.vector_registers - vectors * per_vector - 1) / (vectors * per_vector);
  };
  std::int64_t vectors = columns > kLanes && rows_that_fit(2) >= kLeastRowsOfWide ? 2 : 1;
  // A few rows are too few chains to hide the latency of an fma: more vectors.
  while (rows >= 1 && rows * vectors * per_vector < kChains && vectors * kLanes < columns &&
         rows_that_fit(vectors + 1) >= rows)
    ++vectors;
  const std::int64_t most =
      std::clamp<std::int64_t>(rows_that_fit(vectors), 1, vectors > 1 ? kMaxRows : kMaxRowsNarrow);
  const std::int64_t tiles = std::max<std::int64_t>(1, (rows + most - 1) / most);
  return {std::max<std::int64_t>(1, (rows + tiles - 1) / tiles), vectors};
}

}  // namespace kiln
