// Control flow: regions run as often as data say.
#include <array>

#include "ir/op.h"

namespace kiln {
namespace {

// Still to be written; every use below goes away with it.
std::vector<Type> unwritten_infer(const InferContext&) { throw InternalError("unwritten"); }
std::vector<Array> unwritten(const Node&, std::span<const Array>) {
  throw InternalError("unwritten");
}

constexpr std::array kRows = {
    OpDef{.op = Op::case_,
          .name = "case",
          .arity = kVariadic,
          .traits = {.control = true},
          .infer = unwritten_infer,
          .gradient = differentiated_by_pass,
          .reference = unwritten,
          .lowering = not_pointwise},
    OpDef{.op = Op::while_,
          .name = "while",
          .arity = kVariadic,
          .traits = {.control = true},
          .infer = unwritten_infer,
          .gradient = differentiated_by_pass,
          .reference = unwritten,
          .lowering = not_pointwise},
};
static_assert(complete(kRows, Op::case_, Op::while_));

}  // namespace

std::span<const OpDef> control_rows() { return kRows; }

}  // namespace kiln
