// Each row of the op table that is not element-wise (those are ops_test.cpp's): the same bits in
// every mode for every dtype and edge shape.
#include "tests/op_cases.h"

#include "ir/build.h"
#include "ir/op.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

/// -x, or not x of booleans: exact, and nothing cancels it on the other side of an op.
Value turned(Value x) { return build::unary(is_bool(x.type().dtype) ? Op::not_ : Op::negate, x); }

/// The case with element-wise work on both sides of the op: what fusion takes into its kernel.
OpCase amid_arithmetic(OpCase one, DType dtype) {
  one.make = [make = one.make, dtype](std::span<const Value> x) {
    std::vector<Value> operands(x.begin(), x.end());
    for (Value& operand : operands)
      if (operand.type().dtype == dtype && operand.type().rank() > 0) operand = turned(operand);
    std::vector<Value> results = make(operands);
    for (std::size_t i = 0, count = results.size(); i < count; ++i)
      results.push_back(turned(results[i]));
    return results;
  };
  return one;
}

void check_cases(Op op, DType dtype, bool alone) {
  std::vector<OpCase> cases = cases_of(op, dtype);
  if (!alone)
    for (OpCase& one : cases) one = amid_arithmetic(one, dtype);
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

void check_all(auto&& wanted) {
  for (int o = 0; o < kOpCount; ++o) {
    const OpDef& def = definition(static_cast<Op>(o));
    if (!wanted(def.traits)) continue;
    for (int d = 0; d < kDTypeCount; ++d) check_cases(def.op, static_cast<DType>(d), true);
    for (const DType dtype : {DType::f32, DType::i1}) check_cases(def.op, dtype, false);
  }
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
  check_all([](const Traits& t) { return t.leaf || t.view; });
}

TEST_CASE("each_indexing_op_gives_the_same_bits_in_every_mode") {
  check_all([](const Traits& t) { return t.indexed; });
}

TEST_CASE("each_contraction_and_reduction_gives_the_same_bits_in_every_mode_where_sums_are_exact") {
  check_all([](const Traits& t) { return (t.contraction || t.reduction) && !t.window; });
}

TEST_CASE("each_window_op_gives_the_same_bits_in_every_mode_where_sums_are_exact") {
  check_all([](const Traits& t) { return t.window; });
}

TEST_CASE("each_sequential_op_gives_the_same_bits_in_every_mode") {
  check_all([](const Traits& t) { return t.sequential; });
}

TEST_CASE("each_op_of_control_gives_the_same_bits_in_every_mode") {
  check_all([](const Traits& t) { return t.control; });
}

TEST_CASE("each_call_gives_the_same_bits_in_every_mode") {
  check_all([](const Traits& t) { return t.calls; });
}

}  // namespace kiln
