#include "passes/micro_tile.h"

#include <cmath>
#include <cstring>

#include "tests/catch.h"
#include "tests/compiled.h"

using namespace kiln;
using namespace kiln::loop;

namespace {

template <class T>
std::vector<T> pattern(std::size_t count, std::uint32_t state) {
  std::vector<T> values(count);
  for (T& value : values) {
    state = state * 1664525 + 1013904223;
    value = static_cast<T>(state >> 8) / T(0x1p23) - 1;
  }
  return values;
}

/// rows × columns of Σ_{h, k} a[h, r, k] · b[h, k, c] with k in blocks; b's columns lie `step`
/// apart.
struct Product {
  DType dtype;
  std::int64_t rows, columns, h, k, block, step;

  Kernel kernel() const {
    return kernel_of("product", [&](Builder& b) {
      const int x = b.buffer(dtype, Buffer::Kind::in, h * rows * k);
      const int y = b.buffer(dtype, Buffer::Kind::in, h * k * columns * step);
      const int z = b.buffer(dtype, Buffer::Kind::out, rows * columns);
      const TileFactor row{x, 0, k, {rows * k, 1}};
      const TileFactor column{y, 0, step, {k * columns * step, columns * step}};
      MicroTile tile{dtype, rows, columns, row, column, {{0, {h}}, {0, {k}}}};
      std::vector<Reg> sums;
      if (block > 0 && h == 1) {
        const auto count = static_cast<std::size_t>(rows * tile.vectors());
        sums.assign(count, b.constant({dtype, kLanes}, 0));
        sums = b.loop("block", {0}, {k}, block, sums, [&](Var at, const std::vector<Reg>& now) {
          tile.over[1] = {Affine::of(at), {Affine::of(at) + Affine(block), k}};
          return emit_micro_tile(b, tile, now);
        });
      } else {
        sums = emit_micro_tile(b, tile);
      }
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t v = 0; v < tile.vectors(); ++v)
          b.store(z, r * columns + v * kLanes,
                  sums[static_cast<std::size_t>(r * tile.vectors() + v)], 1, tile.lanes(v));
    });
  }

  template <class T>
  void check() const {
    const auto n = [](std::int64_t count) { return static_cast<std::size_t>(count); };
    std::vector<T> x = pattern<T>(n(h * rows * k), 1), y = pattern<T>(n(h * k * columns * step), 2);
    std::vector<T> want(n(rows * columns));
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c)
        for (std::int64_t at = 0; at < h * k; ++at)
          want[n(r * columns + c)] =
              std::fma(x[n((at / k * rows + r) * k + at % k)], y[n((at * columns + c) * step)],
                       want[n(r * columns + c)]);
    for (const Target& target : test_targets()) {
      std::vector<T> z(want.size(), 7);
      run(program_of(kernel()), target, {x.data(), y.data(), z.data()});
      INFO(rows << " x " << columns << ", " << h << " times " << k << " in blocks of " << block);
      CHECK(std::memcmp(z.data(), want.data(), z.size() * sizeof(T)) == 0);
    }
  }
};

}  // namespace

TEST_CASE("a_micro_tile_is_one_ascending_chain_an_element_whatever_its_shape") {
  for (const auto& [rows, columns, h, k, block, step] :
       {std::array<std::int64_t, 6>{8, 32, 1, 20, 0, 1},
        {7, 27, 1, 21, 0, 1},  // columns short of a vector, an odd last round
        {1, 3, 1, 1, 0, 1},
        {3, 16, 1, 22, 8, 1},    // in blocks of k, the last of them shorter
        {3, 16, 5, 6, 0, 1},     // two dimensions are summed over
        {2, 20, 1, 9, 0, 3}}) {  // columns that lie apart
    Product{DType::f32, rows, columns, h, k, block, step}.check<float>();
    Product{DType::f64, rows, columns, h, k, block, step}.check<double>();
  }
}

TEST_CASE("a_chosen_micro_tile_fits_the_registers_and_splits_rows_evenly") {
  for (const VectorTarget target : {VectorTarget{64, 32}, {32, 16}, {16, 16}})
    for (const DType dtype : {DType::f32, DType::f64})
      for (const std::int64_t rows : {0, 1, 7, 10, 64, 100})
        for (const std::int64_t columns : {1, 10, 16, 17, 256}) {
          const TileShape shape = choose_micro_tile(target, dtype, rows, columns);
          const std::int64_t registers =
              shape.rows * shape.vectors * kLanes * size_of(dtype) / target.vector_bytes;
          INFO(rows << " x " << columns << " on " << target.vector_bytes << " bytes");
          CHECK((shape.rows == 1 || registers < target.vector_registers));
          CHECK(shape.vectors * kLanes < columns + kLanes);
          if (rows == 0) continue;
          const std::int64_t tiles = (rows + shape.rows - 1) / shape.rows;
          CHECK(shape.rows == (rows + tiles - 1) / tiles);
        }
}
