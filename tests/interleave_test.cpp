#include "passes/interleave.h"

#include <algorithm>
#include <numeric>

#include "passes/micro_tile.h"
#include "tests/catch.h"

namespace kiln {
namespace {

using loop::Buffer;
using loop::Opcode;
using loop::Reg;
using loop::Statement;

std::vector<Reg> lets_of(const loop::Block& block) {
  std::vector<Reg> order;
  for (const Statement& s : block)
    if (const auto* let = std::get_if<loop::Let>(&s.is)) order.push_back(let->result);
  return order;
}

}  // namespace

TEST_CASE("chains_of_operations_are_interleaved") {
  loop::Kernel kernel;
  loop::Builder build(kernel);
  const int in = build.buffer(DType::f32, Buffer::Kind::in, 32);
  std::vector<Reg> chains[2];
  for (std::size_t row = 0; row < 2; ++row) {
    Reg x = build.load(in, static_cast<std::int64_t>(16 * row), 16);
    for (int i = 0; i < 5; ++i) chains[row].push_back(x = build.let(Opcode::mul, {x, x}));
  }
  CHECK(lets_of(kernel.body)[1] == chains[0][1]);
  interleave(kernel);
  std::vector<Reg> expected;
  for (std::size_t i = 0; i < 5; ++i)
    for (const auto& chain : chains) expected.push_back(chain[i]);
  CHECK(lets_of(kernel.body) == expected);
  verify(kernel);
}

TEST_CASE("what_memory_holds_is_read_and_written_in_order") {
  // Each load of the kernel's own memory needs the store before it.
  loop::Kernel kernel;
  loop::Builder build(kernel);
  const int in = build.buffer(DType::f32, Buffer::Kind::in, 16);
  const int out = build.buffer(DType::f32, Buffer::Kind::out, 16);
  const int own = build.buffer(DType::f32, Buffer::Kind::local, 16 * 9);
  build.store(own, 0, build.load(in, 0, 16));
  for (int i = 0; i < 8; ++i) {
    const Reg x = build.load(own, 16 * i, 16);
    build.store(own, 16 * (i + 1), build.let(Opcode::mul, {x, x}));
  }
  // `out` may be the same place as `in`.
  Reg slow = build.load(in, 0, 16);
  for (int i = 0; i < 9; ++i) slow = build.let(Opcode::add, {slow, slow});
  const Reg last = build.load(in, 0, 16);
  build.store(out, 0, build.constant({DType::f32, 16}, 1));
  interleave(kernel);
  verify(kernel);

  std::int64_t stored = 0, loaded = 0;
  bool last_is_read = false;
  for (const Statement& s : kernel.body) {
    if (const auto* store = std::get_if<loop::Store>(&s.is)) {
      if (store->buffer == own) CHECK(store->index == loop::Affine(16 * stored++));
      if (store->buffer == out) CHECK(last_is_read);
    } else if (const auto* load = std::get_if<loop::Load>(&s.is)) {
      if (load->result == last) last_is_read = true;
      if (load->buffer != own) continue;
      CHECK(load->index == loop::Affine(16 * loaded++));
      CHECK(loaded <= stored);
    }
  }
  CHECK(stored == 9);
  CHECK(loaded == 8);
}

TEST_CASE("no_statement_is_lost_and_values_do_not_wait_beyond_a_window") {
  loop::Kernel kernel;
  loop::Builder build(kernel);
  const int out = build.buffer(DType::f32, Buffer::Kind::out, std::int64_t{16} * 400);
  std::vector<Reg> made;
  for (int i = 0; i < 400; ++i) {
    made.push_back(build.constant({DType::f32, 16}, i));
    for (int k = 0; k < 3; ++k) made.push_back(build.let(Opcode::add, {made.back(), made.back()}));
    build.store(out, 16 * i, made.back());
  }
  interleave(kernel);
  verify(kernel);
  CHECK(kernel.body.size() == 2000);
  std::vector<Reg> order = lets_of(kernel.body);
  CHECK(order != made);
  std::int64_t furthest = 0;
  for (std::size_t i = 0; i < order.size(); ++i)
    furthest = std::max(furthest, std::find(made.begin(), made.end(), order[i]) - made.begin() -
                                      static_cast<std::int64_t>(i));
  CHECK(furthest < 64);
  std::sort(order.begin(), order.end());
  std::sort(made.begin(), made.end());
  CHECK(order == made);
}

TEST_CASE("a_register_tile_of_a_product_stays_in_its_order") {
  loop::Kernel kernel;
  loop::Builder build(kernel);
  const int a = build.buffer(DType::f32, Buffer::Kind::in, std::int64_t{12} * 64);
  const int b = build.buffer(DType::f32, Buffer::Kind::in, std::int64_t{64} * 32);
  emit_micro_tile(build, {DType::f32, 12, 32, {a, 0, 64, {1}}, {b, 0, 1, {32}}, {{0, {64}}}});
  const std::string before = kernel.content();
  interleave(kernel);
  CHECK(kernel.content() == before);
}

}  // namespace kiln
