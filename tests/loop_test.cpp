#include "ir/loop.h"

#include <map>

#include "tests/catch.h"
#include "tests/compiled.h"

using namespace kiln;
using namespace kiln::loop;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr VType kVector{DType::f32, kLanes};

Kernel bias_relu() {
  return kernel_of("bias_relu", [](Builder& b) {
    b.kernel().chunks = 64;
    const int x = b.buffer(DType::f32, Buffer::Kind::in, 64 * 256);
    const int bias = b.buffer(DType::f32, Buffer::Kind::in, 256);
    const int y = b.buffer(DType::f32, Buffer::Kind::out, 64 * 256);
    b.loop("i0", {Affine::of(kBegin)}, {Affine::of(kEnd)}, 1, [&](Var i0) {
      b.loop("i1", {0}, {256}, kLanes, [&](Var i1) {
        const Affine at = Affine::of(i0, 256) + Affine::of(i1);
        const Val value(b, b.load(x, at, kLanes));
        const Val sum = value + Val(b, b.load(bias, Affine::of(i1), kLanes));
        const Val zero = sum.like(0);
        b.store(y, at, select(sum <= zero, zero, sum).reg());
      });
    });
  });
}

/// bias_relu with something changed.
template <class F>
void expect_complaint(F&& plant, const std::string& message) {
  Kernel kernel = bias_relu();
  plant(kernel);
  CHECK_THROWS_WITH(verify(kernel), ContainsSubstring(message));
}

For& outer_loop(Kernel& kernel) { return std::get<For>(kernel.body.front().is); }
For& inner_loop(Kernel& kernel) { return std::get<For>(outer_loop(kernel).body.front().is); }
template <class T>
T& statement(Kernel& kernel, std::size_t index) {
  return std::get<T>(inner_loop(kernel).body.at(index).is);
}

}  // namespace

TEST_CASE("affine_expressions_stay_canonical") {
  const Affine i = Affine::of(2), j = Affine::of(3, 5);
  const Affine sum = j + i * 4 + 7;
  CHECK(sum.terms == std::vector<std::pair<Var, std::int64_t>>{{2, 4}, {3, 5}});
  CHECK(sum.constant == 7);
  CHECK(sum + i * -4 == j + 7);
  CHECK((sum * 0).is_constant());
  CHECK(Affine::of(2, 0).is_constant());
  CHECK(sum.coefficient(3) == 5);
  CHECK(sum.coefficient(9) == 0);
}

TEST_CASE("a_kernel_prints_as_loop_h_shows") {
  CHECK(bias_relu().str() ==
        R"(kernel @bias_relu(%0: f32 in, %1: f32 in, %2: f32 out) chunks 64 {
  for i0 = begin to end {
    for i1 = 0 to 256 step 16 {
      %a = load f32x16 %0[256*i0 + i1]
      %b = load f32x16 %1[i1]
      %c = add %a, %b
      %d = constant f32x16 0
      %e = cmp le %c, %d
      %f = select %e, %d, %c
      store %f, %2[256*i0 + i1]
    }
  }
}
)");
}

TEST_CASE("every_statement_prints") {
  const Kernel kernel = kernel_of("all", [](Builder& b) {
    const int x = b.buffer(DType::f32, Buffer::Kind::inout, 4096);
    const int scratch = b.buffer(DType::f32, Buffer::Kind::local, 256);
    const Var row = b.define("row", Affine::of(kBegin), 4, 8);
    const Reg wide = b.load(x, Affine::of(row) + 16, kLanes, 2, 7);
    const Reg zero = b.constant(kVector, 0);
    const std::vector<Reg> sums =
        b.loop("k", {0, Affine::of(row)}, {8, Affine::of(row) + 4}, 1, {zero},
               [&](Var, const std::vector<Reg>& inside) -> std::vector<Reg> {
                 return {b.let(Opcode::fma, {wide, wide, inside[0]})};
               });
    const Reg total = b.let(Opcode::reduce_add, {sums[0]});
    const Reg positive = b.let(Opcode::gt, {total, b.constant({DType::f32, 1}, -0.5)});
    const std::vector<Reg> merged = b.when(
        positive, {total}, [&]() -> std::vector<Reg> { return {b.let(Opcode::neg, {total})}; });
    b.store(x, 3, merged[0]);
    b.transpose_tile({.source = x,
                      .source_index = 0,
                      .source_stride = 64,
                      .target = scratch,
                      .target_index = 0,
                      .target_stride = 16,
                      .rows = 5,
                      .columns = 16,
                      .padded_rows = 8});
    b.store(x, -1 + 1, b.convert(b.index(Affine::of(row), kLanes), DType::f32), 1, 3);
    b.constant_bits(kVector, 0x7fc00001);
    b.constant({DType::i8, 1}, -3);
    const Var end = b.limit("stop", b.index(Affine::of(row), 1), 64, 32);
    b.prefetch(x, Affine::of(end, 4), true);
  });
  verify(kernel);
  CHECK(kernel.str() ==
        R"(kernel @all(%0: f32 inout) chunks 1 {
  local %1: f32 x 256
  row = ((begin) / 4) mod 8
  %a = load f32x16 %0[row + 16] stride 2 active 7
  %b = constant f32x16 0
  %e = for k = max(0, row) to min(8, row + 4) carry %c = %b {
    %d = fma %a, %a, %c
    next %d
  }
  %f = reduce_add %e
  %g = constant f32 -0.5
  %h = cmp gt %f, %g
  %j = if %h else %f {
    %i = neg %f
    next %i
  }
  store %j, %0[3]
  transpose %0[0] by 64, %1[0] by 16 rows 5 columns 16 padded_rows 8
  %k = index i64x16 row
  %l = convert f32x16 %k
  store %l, %0[0] active 3
  %m = constant f32x16 0x7fc00001
  %n = constant i8 -3
  %o = index i64 row
  stop = limit %o most 64 multiple 32
  prefetch %0[4*stop] write
}
)");
  CHECK(str(kernel, kernel.body[3]).starts_with("%e = for k"));
}

TEST_CASE("loops_end_where_data_say_and_never_beyond") {
  // Of 64 numbers, in steps of 2, as many as the limit says: multiples of 32.
  for (const auto& [wanted, counted] : std::map<std::int64_t, float>{
           {-5, 0}, {0, 0}, {1, 32}, {32, 32}, {33, 64}, {64, 64}, {1000, 64}}) {
    const Kernel kernel = kernel_of("limited", [&](Builder& b) {
      const int x = b.buffer(DType::f32, Buffer::Kind::in, 64);
      const int n = b.buffer(DType::i64, Buffer::Kind::in, 1);
      const int y = b.buffer(DType::f32, Buffer::Kind::out, 1);
      b.prefetch(x, 1 << 20, false);
      const Var end = b.limit("stop", b.load(n, 0, 1), 64, 32);
      const std::vector<Reg> sum =
          b.loop("k", {0}, {Affine::of(end)}, 2, {b.constant({DType::f32, 1}, 0)},
                 [&](Var k, const std::vector<Reg>& now) -> std::vector<Reg> {
                   const Reg first = b.let(Opcode::add, {now[0], b.load(x, Affine::of(k), 1)});
                   return {b.let(Opcode::add, {first, b.load(x, Affine::of(k) + 1, 1)})};
                 });
      b.store(y, 0, sum[0]);
    });
    verify(kernel);
    std::vector<float> ones(64, 1), result(1);
    std::vector<std::int64_t> limit{wanted};
    for (const Target& target : test_targets()) {
      run(program_of(kernel), target, {ones.data(), limit.data(), result.data()});
      CHECK(result[0] == counted);
    }
  }
}

TEST_CASE("content_leaves_out_the_names") {
  Kernel a = bias_relu(), b = bias_relu();
  b.name = "other";
  b.variables[2] = "row";
  CHECK(a.str() != b.str());
  CHECK(a.content() == b.content());
  statement<Store>(b, 6).active = 3;
  CHECK(a.content() != b.content());
}

TEST_CASE("a_constant_is_made_once_where_it_can_be_used") {
  const Kernel kernel = kernel_of("constants", [](Builder& b) {
    const Reg before = b.constant(kVector, 1);
    Reg inside = -1;
    b.loop("i", {0}, {4}, 1, [&](Var) {
      CHECK(b.constant(kVector, 1) == before);
      inside = b.constant(kVector, 2);
      CHECK(b.constant(kVector, 2) == inside);
    });
    CHECK(b.constant(kVector, 2) != inside);
    CHECK(b.constant(kVector, -0.0) != b.constant(kVector, 0.0));
  });
  verify(kernel);
}

TEST_CASE("the_builder_rejects_wrong_operands") {
  kernel_of("wrong", [](Builder& b) {
    const int ints = b.buffer(DType::i32, Buffer::Kind::inout, 64);
    const Reg floats = b.constant(kVector, 1);
    const Reg integers = b.load(ints, 0, kLanes);
    const Reg scalar = b.constant({DType::f32, 1}, 1);
    CHECK_THROWS_AS(b.let(Opcode::add, {floats, integers}), InternalError);
    CHECK_THROWS_AS(b.let(Opcode::add, {floats, scalar}), InternalError);
    CHECK_THROWS_AS(b.let(Opcode::add, {floats}), InternalError);
    CHECK_THROWS_AS(b.let(Opcode::sqrt, {integers}), InternalError);
    CHECK_THROWS_AS(b.let(Opcode::bit_and, {floats, floats}), InternalError);
    CHECK_THROWS_AS(b.let(Opcode::select, {floats, floats, floats}), InternalError);
    CHECK_THROWS_AS(b.store(ints, 0, floats), InternalError);
    CHECK_THROWS_AS(b.constant({DType::i8, 1}, 200), InternalError);
    CHECK_THROWS_AS(b.bitcast(floats, DType::i64), InternalError);
    CHECK_THROWS_AS(b.splat(floats, 8), InternalError);
  });
}

TEST_CASE("verify_finds_planted_errors") {
  CHECK_NOTHROW(verify(bias_relu()));
  expect_complaint(
      [](Kernel& k) { k.buffers[1].count = 255; },
      "elements 0 to 255 of %1 are touched, which has 255, in: %b = load f32x16 %1[i1]");
  expect_complaint([](Kernel& k) { k.chunks = 65; }, "elements 0 to 16639 of %0 are touched");
  expect_complaint([](Kernel& k) { statement<Load>(k, 0).index.constant = -1; },
                   "elements -1 to 16382 of %0");
  expect_complaint([](Kernel& k) { statement<Load>(k, 0).stride = -1; }, "elements -15 to");
  expect_complaint([](Kernel& k) { inner_loop(k).step = 0; }, "a loop steps forward");
  expect_complaint([](Kernel& k) { inner_loop(k).lower.clear(); }, "a loop has bounds");
  expect_complaint([](Kernel& k) { statement<Let>(k, 2).arguments[1] = 5; },
                   "a register is defined before its use");
  expect_complaint([](Kernel& k) { statement<Let>(k, 2).result = 0; },
                   "a register is defined once");
  expect_complaint([](Kernel& k) { statement<Let>(k, 2).arguments[1] = 77; }, "a register exists");
  expect_complaint([](Kernel& k) { statement<Load>(k, 0).buffer = 3; }, "a buffer exists");
  expect_complaint([](Kernel& k) { k.buffers[0].dtype = DType::i32; }, "its buffer's element type");
  expect_complaint([](Kernel& k) { k.buffers[2].kind = Buffer::Kind::in; },
                   "an input is not stored to");
  expect_complaint([](Kernel& k) { k.buffers[0].kind = Buffer::Kind::local; },
                   "parameters come before locals");
  expect_complaint([](Kernel& k) { statement<Let>(k, 4).opcode = Opcode::add; },
                   "the result has the operation's type");
  expect_complaint([](Kernel& k) { statement<Load>(k, 0).active = 17; }, "active lanes are lanes");
  expect_complaint([](Kernel& k) { statement<Store>(k, 6).stride = 0; }, "places of their own");
  expect_complaint([](Kernel& k) { outer_loop(k).body.push_back({Store{2, 0, 5, 1, 16}}); },
                   "a register is used inside the block that defines it");
  expect_complaint([](Kernel& k) { k.body.push_back({Load{5, 0, Affine::of(2), 1, 16}}); },
                   "a register is defined once");
  expect_complaint(
      [](Kernel& k) { outer_loop(k).body.push_back({Store{2, Affine::of(3), 0, 1, 16}}); },
      "a register is used inside the block that defines it");
  expect_complaint([](Kernel& k) { outer_loop(k).upper = {Affine::of(3)}; },
                   "a variable is used inside the block that defines it");
  expect_complaint([](Kernel& k) { inner_loop(k).variable = outer_loop(k).variable; },
                   "a variable is defined once");
}

TEST_CASE("verify_knows_how_far_loops_go") {
  // A tiled, ragged copy: 100 elements in tiles of 64, vectors of 16 and a masked tail.
  const auto tiled = [](std::int64_t count) {
    return kernel_of("tiled", [&](Builder& b) {
      b.kernel().chunks = 2;
      const int x = b.buffer(DType::f32, Buffer::Kind::inout, count);
      const int tile = b.buffer(DType::f32, Buffer::Kind::local, 64);
      b.loop("t", {Affine::of(kBegin)}, {Affine::of(kEnd)}, 1, [&](Var t) {
        b.loop("i", {Affine::of(t, 64)}, {Affine::of(t, 64) + 64, 96}, kLanes, [&](Var i) {
          const Reg value = b.load(x, Affine::of(i), kLanes);
          b.store(tile, Affine::of(i) + Affine::of(t, -64), value);
        });
      });
      b.store(x, 96, b.load(x, 96, kLanes, 1, 4), 1, 4);
    });
  };
  CHECK_NOTHROW(verify(tiled(100)));
  CHECK_THROWS_WITH(verify(tiled(99)), ContainsSubstring("elements 96 to 99 of %0"));
  // Coordinates from a chunk number.
  const auto decoded = [](std::int64_t count) {
    return kernel_of("decoded", [&](Builder& b) {
      b.kernel().chunks = 12;
      const int x = b.buffer(DType::f32, Buffer::Kind::out, count);
      const Var row = b.define("row", Affine::of(kBegin), 4, 0);
      const Var column = b.define("column", Affine::of(kBegin), 1, 4);
      b.store(x, Affine::of(row, 10) + Affine::of(column, 2), b.constant({DType::f32, 1}, 0));
    });
  };
  CHECK_NOTHROW(verify(decoded(27)));
  CHECK_THROWS_WITH(verify(decoded(26)), ContainsSubstring("elements 0 to 26"));
}
