// What control flow carries round, made less: rules of simplify, and dce's part.
//
//   before:  %r:3 = while(%i = 0, %x = %a, %w = %b)      after:  %r:2 = while(%i = 0, %x = %a)
//            cond { compare LT, %i, 10 }                         … with %b's constant in the body;
//            do { …, return %i + 1, f(%x, %w), %w }              %r#2 is %b
//
// simplify: a carried value that the body passes through is its operand, and where that is a
// constant the regions hold it themselves; a while that never runs gives its operands; a case of a
// constant index is its branch; what all branches pass through is the operand.
// dce: a carried value on which no used result and no condition depends is dropped with all that
// computes it; a case's unused results and operands likewise.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"

namespace kiln {

/// What the results of a while or a case are, by the rules of simplify: those of a smaller node of
/// its kind (null: of none), or other values.
struct LessCarried {
  const Node* node = nullptr;
  std::vector<Value> results;
};
/// The regions are not entered.
LessCarried with_less_carried(const Node& control);

/// The same results from control flow that carries only what they need, regions included.
std::vector<Value> without_dead_carried(std::span<const Value> results);

}  // namespace kiln
