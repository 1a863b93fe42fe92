// Texts with something wrong in them, and what reading such a text must come to.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "runtime/random.h"

namespace kiln {

/// The texts that are spoiled: all ops with all they can carry, all forms of the text, and what JAX
/// lowers.
std::vector<std::string> hostile_seeds();

/// The text with one to three things changed: words or bytes lost, doubled, swapped or replaced,
/// numbers made odd or huge, element types and extents changed everywhere alike, lines lost or
/// doubled, the end cut off.
std::string spoiled(const std::string& text, Random& random);

/// A function of one op, in generic form: any of those kiln reads, of operands, attributes and
/// regions that may or may not fit it.
std::string hostile_op(Random& random);

struct Reading {
  std::string complaint;  // what the Error says; empty where the text was read
  std::string bug;        // what should not be: any other exception, an Error without a place, a
                          // graph that does not verify or that prints as another; else empty
  std::vector<Function> functions = {};
};
Reading read_hostile(const std::string& text);

/// Reads the text; where only a stated type is wrong, states the type that the message expects
/// instead and reads again. So odd attributes get past the types around them. `text` becomes what
/// was read last.
Reading read_repaired(std::string& text);

/// How many elements evaluating the function touches, roughly; infinite where it may not end.
double work_of(const Function& function);

}  // namespace kiln
