// Control flow, memory, reductions and the step, on hand-made kernels. (Single operations:
// codegen_ops_test.cpp.)
#include "codegen/jit.h"

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <thread>

#include "tests/catch.h"
#include "tests/compiled.h"

using namespace kiln;
using namespace kiln::loop;
using Catch::Matchers::ContainsSubstring;

namespace {

std::vector<float> pattern(std::size_t count, float scale = 1) {
  std::vector<float> values(count);
  std::uint32_t state = 12345;
  for (float& value : values) {
    state = state * 1664525 + 1013904223;
    value = scale * (static_cast<float>(state >> 8) / 0x1p23f - 1);
  }
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Memory between two pages that cannot be touched.
class Guarded {
 public:
  Guarded() {
    base_ =
        static_cast<char*>(mmap(nullptr, 3 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(base_ != MAP_FAILED);
    REQUIRE(mprotect(base_ + page_, page_, PROT_READ | PROT_WRITE) == 0);
  }
  Guarded(const Guarded&) = delete;
  ~Guarded() { munmap(base_, 3 * page_); }
  char* begin() { return base_ + page_; }
  char* end() { return base_ + 2 * page_; }

 private:
  std::size_t page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  char* base_ = nullptr;
};

/// rows × 32 of C = A B with the accumulators carried through the loop over k.
Kernel gemm(int m, int n, int k, int rows) {
  return kernel_of("gemm", [&](Builder& b) {
    b.kernel().chunks = m / rows;
    const int a = b.buffer(DType::f32, Buffer::Kind::in, std::int64_t{m} * k);
    const int w = b.buffer(DType::f32, Buffer::Kind::in, std::int64_t{k} * n);
    const int c = b.buffer(DType::f32, Buffer::Kind::out, std::int64_t{m} * n);
    b.loop("i", {Affine::of(kBegin)}, {Affine::of(kEnd)}, 1, [&](Var i) {
      b.loop("j", {0}, {n}, 2 * kLanes, [&](Var j) {
        const Reg zero = b.constant({DType::f32, kLanes}, 0);
        const std::vector<Reg> sums = b.loop(
            "k", {0}, {k}, 1, std::vector<Reg>(static_cast<std::size_t>(2 * rows), zero),
            [&](Var kk, const std::vector<Reg>& inside) {
              std::vector<Reg> next;
              Reg panel[2];
              for (int v = 0; v < 2; ++v)
                panel[v] = b.load(w, Affine::of(kk, n) + Affine::of(j) + v * kLanes, kLanes);
              for (int r = 0; r < rows; ++r) {
                const Reg x =
                    b.load(a, Affine::of(i, rows * k) + Affine::of(kk) + r * k, kLanes, 0);
                for (int v = 0; v < 2; ++v)
                  next.push_back(b.let(Opcode::fma,
                                       {x, panel[v], inside[static_cast<std::size_t>(2 * r + v)]}));
              }
              return next;
            });
        for (int r = 0; r < rows; ++r)
          for (int v = 0; v < 2; ++v)
            b.store(c, Affine::of(i, rows * n) + Affine::of(j) + r * n + v * kLanes,
                    sums[static_cast<std::size_t>(2 * r + v)]);
      });
    });
  });
}

}  // namespace

TEST_CASE("bias_relu_keeps_nan_and_clears_negatives") {
  const Kernel kernel = kernel_of("bias_relu", [](Builder& b) {
    b.kernel().chunks = 3;
    const int x = b.buffer(DType::f32, Buffer::Kind::in, 3 * 32);
    const int bias = b.buffer(DType::f32, Buffer::Kind::in, 32);
    const int y = b.buffer(DType::f32, Buffer::Kind::out, 3 * 32);
    b.loop("i0", {Affine::of(kBegin)}, {Affine::of(kEnd)}, 1, [&](Var i0) {
      b.loop("i1", {0}, {32}, kLanes, [&](Var i1) {
        const Affine at = Affine::of(i0, 32) + Affine::of(i1);
        const Val sum =
            Val(b, b.load(x, at, kLanes)) + Val(b, b.load(bias, Affine::of(i1), kLanes));
        const Val zero = sum.like(0);
        b.store(y, at, select(sum <= zero, zero, sum).reg());
      });
    });
  });
  std::vector<float> x = pattern(96), bias = pattern(32, 0.5f), want(96);
  x[40] = NAN;
  for (std::size_t i = 0; i < 96; ++i) {
    const float sum = x[i] + bias[i % 32];
    want[i] = sum <= 0 ? 0 : sum;
  }
  for (const Target& target : test_targets()) {
    std::vector<float> y(96);
    run(program_of(kernel), target, {x.data(), bias.data(), y.data()});
    CHECK(same_bits(y, want));
  }
}

TEST_CASE("inactive_lanes_are_zero_and_their_addresses_are_not_touched") {
  const DType dtype = GENERATE(DType::i1, DType::i8, DType::i16, DType::f32, DType::f64);
  const auto size = static_cast<std::size_t>(size_of(dtype));
  for (const Target& target : test_targets()) {
    for (const std::int64_t stride : {1, 2, 3, -1, -2, 0}) {
      // One kernel for each number of lanes: it copies them, and stores the whole vector as well.
      Program program;
      for (int active = 1; active <= kLanes; ++active) {
        const std::int64_t span = std::abs(stride) * (active - 1) + 1;
        const std::int64_t first = stride < 0 ? span - 1 : 0;
        const Kernel kernel = kernel_of("tail", [&](Builder& b) {
          const int in = b.buffer(dtype, Buffer::Kind::in, span);
          const int out = b.buffer(dtype, Buffer::Kind::out, span);
          const int whole = b.buffer(dtype, Buffer::Kind::out, kLanes);
          const Reg value = b.load(in, first, kLanes, stride, active);
          b.store(out, first, value, stride == 0 ? 1 : stride, stride == 0 ? 1 : active);
          b.store(whole, 0, value);
        });
        const Program one = program_of(kernel);
        program.kernels.push_back(one.kernels[0]);
        program.add(one.launches[0]);
        program.launches.back().kernel = active - 1;
        for (int i = 0; i < 3; ++i)
          program.launches.back().buffers[static_cast<std::size_t>(i)].index = 3 * (active - 1) + i;
      }
      for (const bool at_end : {false, true}) {
        Guarded in, out;
        std::memset(in.begin(), 1, static_cast<std::size_t>(in.end() - in.begin()));
        std::vector<std::vector<char>> wholes(kLanes, std::vector<char>(kLanes * size, 7));
        std::vector<void*> arguments;
        for (int active = 1; active <= kLanes; ++active) {
          const auto bytes = static_cast<std::size_t>(std::abs(stride) * (active - 1) + 1) * size;
          arguments.push_back(at_end ? in.end() - bytes : in.begin());
          arguments.push_back(at_end ? out.end() - bytes : out.begin());
          arguments.push_back(wholes[static_cast<std::size_t>(active - 1)].data());
        }
        run(program, target, arguments);
        for (std::size_t active = 1; active <= kLanes; ++active)
          for (std::size_t i = 0; i < kLanes * size; ++i)
            if (wholes[active - 1][i] != (i < active * size ? 1 : 0)) {
              INFO(name_of(dtype) << " stride " << stride << " active " << active << " on "
                                  << target.cpu);
              CHECK(int{wholes[active - 1][i]} == (i < active * size ? 1 : 0));
            }
        // What the longest one stored is what it loaded, and nothing between.
        const auto step =
            static_cast<std::size_t>(std::max<std::int64_t>(std::abs(stride), 1)) * size;
        const std::size_t count = stride == 0 ? 1 : kLanes;
        const char* stored = static_cast<const char*>(arguments[3 * (kLanes - 1) + 1]);
        if (!at_end)
          for (std::size_t i = 0; i < (count - 1) * step + size; ++i)
            if ((stored[i] == 1) != (i % step < size)) {
              INFO(name_of(dtype) << " stride " << stride << " on " << target.cpu);
              CHECK(int{stored[i]} == (i % step < size));
            }
      }
    }
  }
  SUCCEED();
}

TEST_CASE("strided_loads_pick_their_elements") {
  std::vector<float> in = pattern(200);
  for (const Target& target : test_targets())
    for (const std::int64_t stride : {-5, -1, 0, 1, 2, 3, 7})
      for (const int lanes : {16, 4, 1}) {
        const Kernel kernel = kernel_of("strided", [&](Builder& b) {
          const int x = b.buffer(DType::f32, Buffer::Kind::in, 200);
          const int y = b.buffer(DType::f32, Buffer::Kind::out, kLanes);
          b.store(y, 0, b.load(x, 90, lanes, stride));
        });
        std::vector<float> out(kLanes), want(kLanes);
        for (int i = 0; i < lanes; ++i)
          want[static_cast<std::size_t>(i)] = in[static_cast<std::size_t>(90 + i * stride)];
        run(program_of(kernel), target, {in.data(), out.data()});
        INFO("stride " << stride << " lanes " << lanes << " on " << target.cpu);
        CHECK(same_bits(out, want));
      }
}

TEST_CASE("a_reduction_is_the_same_tree_on_every_target") {
  constexpr int kCount = 1000;
  const Kernel kernel = kernel_of("sum", [](Builder& b) {
    const int x = b.buffer(DType::f32, Buffer::Kind::in, kCount);
    const int y = b.buffer(DType::f32, Buffer::Kind::out, 4);
    const VType vector{DType::f32, kLanes};
    const auto accumulate = [&](Opcode opcode, double start, int last) {
      return b.loop("i", {0}, {last}, kLanes, {b.constant(vector, start)},
                    [&](Var i, const std::vector<Reg>& sum) -> std::vector<Reg> {
                      return {b.let(opcode, {sum[0], b.load(x, Affine::of(i), kLanes)})};
                    })[0];
    };
    const Reg body = accumulate(Opcode::add, 0, 992);
    const Reg tail = b.load(x, 992, kLanes, 1, 8);
    b.store(y, 0, b.let(Opcode::reduce_add, {b.let(Opcode::add, {body, tail})}));
    b.store(y, 1, b.let(Opcode::reduce_mul, {b.load(x, 0, kLanes)}));
    b.store(y, 2, b.let(Opcode::reduce_max, {accumulate(Opcode::max, -INFINITY, 992)}));
    b.store(y, 3, b.let(Opcode::reduce_min, {accumulate(Opcode::min, INFINITY, 992)}));
  });
  std::vector<float> x = pattern(kCount), want(4);
  const auto tree = [](std::vector<float> lanes, auto combine) {
    for (std::size_t half = kLanes / 2; half >= 1; half /= 2)
      for (std::size_t i = 0; i < half; ++i) lanes[i] = combine(lanes[i], lanes[i + half]);
    return lanes[0];
  };
  std::vector<float> lanes(kLanes);
  for (std::size_t i = 0; i < kCount; ++i) lanes[i % kLanes] += x[i];
  want[0] = tree(lanes, std::plus<float>());
  want[1] = tree({x.begin(), x.begin() + kLanes}, std::multiplies<float>());
  want[2] = *std::max_element(x.begin(), x.begin() + 992);
  want[3] = *std::min_element(x.begin(), x.begin() + 992);
  for (const Target& target : test_targets()) {
    std::vector<float> y(4);
    run(program_of(kernel), target, {x.data(), y.data()});
    CHECK(same_bits(y, want));
    x[500] = NAN;  // a maximum is NaN if anything is
    run(program_of(kernel), target, {x.data(), y.data()});
    CHECK(std::isnan(y[2]));
    x[500] = pattern(kCount)[500];
  }
}

TEST_CASE("a_gemm_tile_is_one_chain_of_fma_per_element") {
  constexpr int m = 16, n = 64, k = 100;
  std::vector<float> a = pattern(m * k), b = pattern(k * n), want(m * n);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t q = 0; q < k; ++q)
        want[i * n + j] = std::fma(a[i * k + q], b[q * n + j], want[i * n + j]);
  for (const Target& target : test_targets()) {
    std::vector<float> c(m * n);
    run(program_of(gemm(m, n, k, 8)), target, {a.data(), b.data(), c.data()});
    CHECK(same_bits(c, want));
  }
}

TEST_CASE("a_multiply_and_an_add_are_never_contracted") {
  const Kernel kernel = kernel_of("mad", [](Builder& b) {
    const int x = b.buffer(DType::f32, Buffer::Kind::in, 64);
    const int y = b.buffer(DType::f32, Buffer::Kind::out, 64);
    b.loop("i", {0}, {64}, kLanes, [&](Var i) {
      const Val v(b, b.load(x, Affine::of(i), kLanes));
      b.store(y, Affine::of(i), (v * v + v).reg());
    });
  });
  std::vector<float> x = pattern(64), want(64);
  for (std::size_t i = 0; i < 64; ++i) {
    const volatile float square = x[i] * x[i];
    want[i] = square + x[i];
  }
  for (const Target& target : test_targets()) {
    std::vector<float> y(64);
    run(program_of(kernel), target, {x.data(), y.data()});
    CHECK(same_bits(y, want));
  }
}

TEST_CASE("a_tile_of_any_size_is_transposed") {
  constexpr int kStride = 50;
  for (const Target& target : test_targets()) {
    // One kernel for each size, all in one program, each with its own output.
    Program program;
    std::vector<float> in = pattern(kLanes * kStride);
    std::vector<std::vector<float>> out;
    std::vector<TransposeTile> tiles;
    for (int rows : {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16})
      for (int columns : {1, 3, 4, 6, 8, 11, 15, 16, 17, 32, 43})
        for (const auto& [padded, stride] :
             {std::pair(rows, 17), std::pair(kLanes, 17), std::pair(rows, rows)}) {
          tiles.push_back({.source = 0,
                           .source_index = 0,
                           .source_stride = kStride,
                           .target = 1,
                           .target_index = 2,
                           .target_stride = stride,
                           .rows = rows,
                           .columns = columns,
                           .padded_rows = padded});
          const Kernel kernel = kernel_of("transpose", [&](Builder& b) {
            b.buffer(DType::f32, Buffer::Kind::in, (rows - 1) * kStride + columns);
            b.buffer(DType::f32, Buffer::Kind::out, 2 + (columns - 1) * stride + padded);
            b.transpose_tile(tiles.back());
          });
          const Program one = program_of(kernel);
          program.add(one.launches[0]);
          program.launches.back().kernel = static_cast<int>(program.kernels.size());
          program.launches.back().buffers[1].index = static_cast<std::int64_t>(tiles.size());
          program.kernels.push_back(one.kernels[0]);
        }
    std::vector<void*> arguments = {in.data()};
    out.assign(tiles.size(), std::vector<float>(17 * 44 + 2, -7));
    for (auto& each : out) arguments.push_back(each.data());
    run(program, target, arguments);
    for (std::size_t t = 0; t < tiles.size(); ++t) {
      std::vector<float> want(17 * 44 + 2, -7);
      for (int column = 0; column < tiles[t].columns; ++column)
        for (int row = 0; row < tiles[t].padded_rows; ++row)
          want[static_cast<std::size_t>(2 + column * tiles[t].target_stride + row)] =
              row < tiles[t].rows ? in[static_cast<std::size_t>(row * kStride + column)] : 0;
      INFO(tiles[t].rows << " x " << tiles[t].columns << " padded " << tiles[t].padded_rows
                         << " by " << tiles[t].target_stride << " on " << target.cpu);
      CHECK(same_bits(out[t], want));
    }
  }
}

TEST_CASE("loops_run_as_often_as_their_bounds_say") {
  // For each case the number of rounds is counted in a carried value.
  const Kernel kernel = kernel_of("loops", [](Builder& b) {
    b.kernel().chunks = 5;
    const int y = b.buffer(DType::i64, Buffer::Kind::out, 5 * 8);
    const Reg zero = b.constant({DType::i64, 1}, 0);
    const auto count = [&](const Affine& at, std::vector<Affine> lower, std::vector<Affine> upper,
                           std::int64_t step) {
      const Reg rounds =
          b.loop("n", std::move(lower), std::move(upper), step, {zero},
                 [&](Var n, const std::vector<Reg>& inside) -> std::vector<Reg> {
                   // 1000 + the variable: how often, and with which values.
                   return {b.let(Opcode::add, {inside[0], b.index(Affine::of(n) + 1000, 1)})};
                 })[0];
      b.store(y, at, rounds);
    };
    b.loop("c", {Affine::of(kBegin)}, {Affine::of(kEnd)}, 1, [&](Var c) {
      const Affine row = Affine::of(c, 8);
      count(row + 0, {0}, {0}, 1);                                       // never
      count(row + 1, {3}, {4}, 16);                                      // once
      count(row + 2, {0}, {10}, 3);                                      // 0 3 6 9
      count(row + 3, {0}, {Affine::of(c)}, 1);                           // c rounds, perhaps none
      count(row + 4, {Affine::of(c)}, {Affine::of(c) + 2}, 1);           // always 2
      count(row + 5, {Affine::of(c), 2}, {Affine::of(c, 2) + 1, 4}, 1);  // max to min
      count(row + 6, {Affine::of(c)}, {Affine::of(c) + 1}, 1);           // once, at c
      const Var half = b.define("half", Affine::of(c), 2, 0);
      const Var odd = b.define("odd", Affine::of(c) + 1, 1, 2);
      b.store(y, row + 7, b.index(Affine::of(half, 10) + Affine::of(odd), 1));
    });
  });
  verify(kernel);
  for (const Target& target : test_targets()) {
    const CompiledProgram compiled = CompiledProgram::compile(program_of(kernel), target);
    std::vector<std::int64_t> y(5 * 8);
    void* arguments[] = {y.data()};
    compiled.entry()(arguments, nullptr, nullptr);
    const auto sum = [](std::int64_t first, std::int64_t last, std::int64_t step) {
      std::int64_t total = 0;
      for (std::int64_t i = first; i < last; i += step) total += 1000 + i;
      return total;
    };
    for (std::int64_t c = 0; c < 5; ++c) {
      const std::int64_t* row = &y[static_cast<std::size_t>(8 * c)];
      CHECK(row[0] == 0);
      CHECK(row[1] == 1003);
      CHECK(row[2] == sum(0, 10, 3));
      CHECK(row[3] == sum(0, c, 1));
      CHECK(row[4] == sum(c, c + 2, 1));
      CHECK(row[5] == sum(std::max<std::int64_t>(c, 2), std::min<std::int64_t>(2 * c + 1, 4), 1));
      CHECK(row[6] == sum(c, c + 1, 1));
      CHECK(row[7] == c / 2 * 10 + (c + 1) % 2);
    }
  }
}

TEST_CASE("an_if_runs_only_where_its_condition_holds") {
  const Kernel kernel = kernel_of("if", [](Builder& b) {
    const int x = b.buffer(DType::f32, Buffer::Kind::in, 64);
    const int y = b.buffer(DType::f32, Buffer::Kind::out, 64);
    const int far = b.buffer(DType::f32, Buffer::Kind::inout, 1);
    b.loop("i", {0}, {64}, kLanes, [&](Var i) {
      const Val v(b, b.load(x, Affine::of(i), kLanes));
      const Val any = (v > v.like(10)).op(Opcode::reduce_or);
      const std::vector<Reg> merged = b.when(any.reg(), {v.reg()}, [&]() -> std::vector<Reg> {
        b.store(far, 0, b.constant({DType::f32, 1}, 1));
        return {(v * 2.0).reg()};
      });
      b.store(y, Affine::of(i), merged[0]);
    });
  });
  for (const Target& target : test_targets()) {
    std::vector<float> x = pattern(64), y(64), want = x;
    run(program_of(kernel), target,
        {x.data(), y.data(), nullptr});  // not taken: not stored through
    CHECK(same_bits(y, want));
    x[37] = want[37] = 11;
    for (std::size_t i = 32; i < 48; ++i) want[i] *= 2;
    float touched = 0;
    run(program_of(kernel), target, {x.data(), y.data(), &touched});
    CHECK(same_bits(y, want));
    CHECK(touched == 1);
  }
}

TEST_CASE("local_memory_is_aligned_and_private") {
  const Kernel kernel = kernel_of("local", [](Builder& b) {
    const int x = b.buffer(DType::f32, Buffer::Kind::inout, 100);
    const int scratch = b.buffer(DType::f32, Buffer::Kind::local, 112);
    b.loop("i", {0}, {96}, kLanes,
           [&](Var i) { b.store(scratch, Affine::of(i), b.load(x, Affine::of(i), kLanes)); });
    b.loop("i", {0}, {96}, kLanes, [&](Var i) {
      b.store(x, Affine::of(i), b.load(scratch, Affine::of(i, -1) + 95, kLanes, -1));
    });
  });
  for (const Target& target : test_targets()) {
    std::vector<float> x = pattern(100), want = x;
    std::reverse(want.begin(), want.begin() + 96);
    run(program_of(kernel), target, {x.data()});
    CHECK(same_bits(x, want));
  }
}

// ---- The step
// -------------------------------------------------------------------------------------

TEST_CASE("a_step_launches_in_order_from_arguments_and_arena") {
  const auto kernel_doing = [](const char* name, Val (*change)(Val)) {
    return kernel_of(name, [&](Builder& b) {
      b.kernel().chunks = 2;
      const int x = b.buffer(DType::f32, Buffer::Kind::in, 32);
      const int y = b.buffer(DType::f32, Buffer::Kind::out, 32);
      b.loop("i", {Affine::of(kBegin)}, {Affine::of(kEnd)}, 1, [&](Var i) {
        const Val v(b, b.load(x, Affine::of(i, kLanes), kLanes));
        b.store(y, Affine::of(i, kLanes), change(v).reg());
      });
    });
  };
  const auto argument = [](std::int64_t index, std::int64_t offset = 0) {
    return BufferRef{BufferRef::Kind::argument, index, offset};
  };
  const auto arena = [](std::int64_t offset) {
    return BufferRef{BufferRef::Kind::arena, 0, offset};
  };
  struct Calls {
    std::vector<std::int64_t> parallel, profiled;
  } calls;
  const RuntimeTable runtime = {[](void* context, KernelFn* kernel, void* const* buffers,
                                   std::int64_t chunks, std::int64_t threads) noexcept {
                                  static_cast<Calls*>(context)->parallel.push_back(threads);
                                  for (std::int64_t i = 0; i < chunks; ++i)
                                    kernel(buffers, i, i + 1);
                                },
                                [](void* context, std::int64_t launch) noexcept {
                                  static_cast<Calls*>(context)->profiled.push_back(launch);
                                },
                                &calls};
  // Which of two kernels each of the launches between the first and the last is: more than the step
  // resolves at once; where they repeat, it may do so in a loop.
  int (*const which[])(int) = {[](int) { return 0; }, [](int i) { return int{i % 5 == 1}; },
                               [](int i) { return i * i / 7 % 2; },
                               [](int i) { return i < 50 ? int{i % 3 == 0} : i * i / 5 % 2; }};
  for (const auto kernel : which) {
    Program program;
    program.kernels = {kernel_doing("add_one", [](Val v) { return v + 1.0; }),
                       kernel_doing("halve", [](Val v) { return v * 0.5; })};
    program.argument_count = 2;
    program.arena_bytes = 2 * 128;
    program.add({0, {argument(0, 64), arena(0)}, 1, "first"});
    for (int i = 0; i < 100; ++i)
      program.add({kernel(i), {arena(i % 2 * 128), arena((i + 1) % 2 * 128)}, 1, "again"});
    program.add({0, {arena(0), argument(1)}, 2, "last"});

    std::vector<float> in = pattern(48), out(32);
    std::vector<float> memory(64);
    void* arguments[] = {in.data(), out.data()};
    for (const Target& target : test_targets())
      for (const bool profile : {false, true}) {
        calls = {};
        program.profile = profile;
        const CompiledProgram compiled = CompiledProgram::compile(program, target);
        CHECK(compiled.entry()(arguments, memory.data(), &runtime) == 0);
        for (std::size_t i = 0; i < 32; ++i) {
          float want = in[16 + i] + 1;
          for (int k = 0; k < 100; ++k) want = kernel(k) == 0 ? want + 1 : want * 0.5f;
          CHECK(out[i] == want + 1);
        }
        CHECK(calls.parallel == std::vector<std::int64_t>{2});
        std::vector<std::int64_t> numbers;
        for (int i = 0; profile && i < 102; ++i) numbers.push_back(i);
        if (profile) numbers.push_back(-1);
        CHECK(calls.profiled == numbers);
      }
    program.launches.front().buffers.pop_back();
    CHECK_THROWS_AS(CompiledProgram::compile(program, Target::host()), InternalError);
  }
}

TEST_CASE("a_program_without_launches_is_a_step") {
  Program program;
  program.name = "nothing";
  CHECK(CompiledProgram::compile(program, Target::host()).entry()(nullptr, nullptr, nullptr) == 0);
}

TEST_CASE("a_program_shows_as_llvm_and_as_assembly") {
  const Program program = program_of(gemm(8, 32, 16, 8));
  CHECK_THAT(llvm_text(program, Target::host()),
             ContainsSubstring("define internal void @gemm.0(ptr"));
  const std::string text = asm_text(program, Target::host());
  CHECK_THAT(text, ContainsSubstring("step:"));
  if (Target::host().vector_bytes == 64) {
    CHECK_THAT(text, ContainsSubstring("%zmm31") || ContainsSubstring("%zmm18"));
    CHECK_THAT(text, !ContainsSubstring("(%rsp), %zmm"));  // nothing is spilled
  }
}

TEST_CASE("an_object_can_be_linked_later_and_a_broken_one_is_refused") {
  const Program program = program_of(gemm(8, 32, 16, 8));
  ObjectCode object = compile_object(program, Target::host());
  const CompiledProgram linked = CompiledProgram::link(object, program.name);
  CHECK(linked.object_bytes() == object.bytes.size());
  CHECK_THROWS_AS(CompiledProgram::link(object, "other"), Error);
  object.bytes.resize(object.bytes.size() / 2);
  CHECK_THROWS_AS(CompiledProgram::link(object, program.name), Error);
  object.bytes.assign(100, 'x');
  CHECK_THROWS_AS(CompiledProgram::link(object, program.name), Error);
}

TEST_CASE("programs_compile_on_several_threads_at_once") {
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (int& mine : good)
    threads.emplace_back([&mine] {
      std::vector<float> a(8 * 16, 1), b(16 * 32, 2), c(8 * 32);
      for (int i = 0; i < 5; ++i)
        run(program_of(gemm(8, 32, 16, 8)), Target::host(), {a.data(), b.data(), c.data()});
      mine = c == std::vector<float>(8 * 32, 32);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(good == std::vector<int>(4, 1));
}

TEST_CASE("targets_are_named_and_unknown_ones_refused") {
  CHECK(Target::named("native") == Target::host());
  CHECK(Target::named("x86-64").vector_bytes == 16);
  CHECK_THROWS_WITH(Target::named("pdp11"), ContainsSubstring("unknown target 'pdp11'") &&
                                                ContainsSubstring("x86-64-v3") &&
                                                ContainsSubstring("znver4"));
  CHECK_THROWS_AS(Target::named(""), Error);
  for (const std::string& name : Target::known()) {
    try {
      const Target target = Target::named(name);
      CHECK(target.vector_bytes >= 16);
    } catch (const Error& error) {
      CHECK_THAT(error.what(), ContainsSubstring("cannot run on this machine"));
    }
  }
}
