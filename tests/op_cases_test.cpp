// Each row of the op table that is not element-wise (those are ops_test.cpp's): the same bits in
// every mode for every dtype and edge shape.
#include "tests/op_cases.h"

#include "ir/op.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

void check_cases(Op op, DType dtype) {
  const std::vector<OpCase> cases = cases_of(op, dtype);
  std::vector<Array> inputs;
  for (const OpCase& one : cases) inputs.insert(inputs.end(), one.inputs.begin(), one.inputs.end());
  const Function function = function_of(types_of(inputs), [&](const std::vector<Value>& arguments) {
    std::vector<Value> results;
    std::size_t next = 0;
    for (const OpCase& one : cases) {
      const std::vector<Value> made =
          one.make(std::span(arguments).subspan(next, one.inputs.size()));
      results.insert(results.end(), made.begin(), made.end());
      next += one.inputs.size();
    }
    return results;
  });
  INFO(definition(op).name << " of " << name_of(dtype));
  check_modes(function, inputs);
}

/// The dtypes an op is tried with: every one.
void check_all(auto&& wanted) {
  for (int o = 0; o < kOpCount; ++o)
    for (int d = 0; d < kDTypeCount; ++d)
      if (const OpDef& def = definition(static_cast<Op>(o)); wanted(def))
        check_cases(def.op, static_cast<DType>(d));
}

}  // namespace

TEST_CASE("no_op_of_the_table_is_without_cases") {
  for (int o = 0; o < kOpCount; ++o) {
    const OpDef& def = definition(static_cast<Op>(o));
    if (def.traits.elementwise) continue;  // made from the row itself
    INFO(def.name);
    for (int d = 0; d < kDTypeCount; ++d) {
      const auto dtype = static_cast<DType>(d);
      const bool none = def.op == Op::iota && is_bool(dtype);  // there are no boolean numbers
      CHECK(cases_of(def.op, dtype).empty() == none);
    }
  }
}

TEST_CASE("each_leaf_and_view_gives_the_same_bits_in_every_mode") {
  check_all([](const OpDef& def) { return def.traits.leaf || def.traits.view; });
}

TEST_CASE("each_indexing_op_gives_the_same_bits_in_every_mode") {
  check_all([](const OpDef& def) { return def.traits.indexed; });
}

TEST_CASE("each_contraction_and_reduction_gives_the_same_bits_in_every_mode_where_sums_are_exact") {
  check_all([](const OpDef& def) {
    return (def.traits.contraction || def.traits.reduction) && !def.traits.window;
  });
}

TEST_CASE("each_window_op_gives_the_same_bits_in_every_mode_where_sums_are_exact") {
  check_all([](const OpDef& def) { return def.traits.window; });
}

TEST_CASE("each_sequential_op_gives_the_same_bits_in_every_mode") {
  check_all([](const OpDef& def) { return def.traits.sequential; });
}

// (What `call` means to a compiled mode every test here says: the pass fuse makes its kernels
// calls.)
TEST_CASE("each_composite_gives_the_same_bits_in_every_mode") {
  check_all([](const OpDef& def) { return def.op == Op::composite; });
}

}  // namespace kiln
