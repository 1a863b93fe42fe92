// Control flow: regions run as often as data say. Both take all that their regions see as operands.
#include <algorithm>
#include <array>

#include "ir/interpret.h"
#include "ir/op.h"

namespace kiln {
namespace {

std::string list(std::span<const Type> types) {
  std::string text;
  for (const Type& type : types) text += (text.empty() ? "" : ", ") + type.pretty();
  return "(" + text + ")";
}

std::vector<Type> types_of(std::span<const Value> values) {
  std::vector<Type> types;
  for (Value value : values) types.push_back(value.type());
  return types;
}

bool is_scalar(const Type& type, DType dtype) { return type == Type{dtype, {}}; }

std::vector<Type> infer_while(const InferContext& context) {
  if (context.regions.size() != 2)
    shape_error(fmt::format("a condition and a body, not {} regions", context.regions.size()));
  const Region &condition = context.regions[0], &body = context.regions[1];
  std::vector<Type> carried = types_of(context.operands);
  if (carried.empty()) shape_error("at least one carried value");
  if (condition.parameters != carried)
    shape_error("carried values of the types its condition takes, " + list(condition.parameters));
  if (body.parameters != carried)
    shape_error("carried values of the types its body takes, " + list(body.parameters));
  const std::vector<Type> decision = types_of(condition.results), next = types_of(body.results);
  if (decision.size() != 1 || !is_scalar(decision[0], DType::i1))
    shape_error(fmt::format("a condition that gives (i1[]), not {}", list(decision)));
  if (next != carried)
    shape_error(
        fmt::format("a body that gives the carried types {}, not {}", list(carried), list(next)));
  return carried;
}

std::vector<Type> infer_case(const InferContext& context) {
  if (context.regions.empty()) shape_error("at least one branch");
  if (context.operands.empty() || !is_scalar(context.type(0), DType::i32))
    shape_error("a branch index of type i32[] first");
  const std::vector<Type> operands = types_of(std::span(context.operands).subspan(1)),
                          results = types_of(context.regions[0].results);
  if (results.empty()) shape_error("branches with at least one result");
  for (std::size_t branch = 0; branch < context.regions.size(); ++branch) {
    const Region& region = context.regions[branch];
    if (region.parameters != operands)
      shape_error(fmt::format("operands, after the index, of the types branch {} takes, {}", branch,
                              list(region.parameters)));
    if (const std::vector<Type> own = types_of(region.results); own != results)
      shape_error(fmt::format("branches of the same result types: branch 0 gives {}, branch {} {}",
                              list(results), branch, list(own)));
  }
  return results;
}

using Arrays = std::span<const Array>;

std::vector<Array> reference_while(const Node& node, Arrays operands) {
  Interpreter condition(node.regions()[0]), body(node.regions()[1]);
  std::vector<Array> carried(operands.begin(), operands.end());
  while (condition(carried)[0].data<bool>()[0]) carried = body(carried);
  return carried;
}

/// An index that names no branch means the last one.
std::vector<Array> reference_case(const Node& node, Arrays operands) {
  const std::vector<Region>& branches = node.regions();
  const auto last = static_cast<std::int64_t>(branches.size()) - 1;
  const std::int64_t index = operands[0].data<std::int32_t>()[0];
  const std::int64_t taken = index < 0 ? last : std::min(index, last);
  return interpret(branches[static_cast<std::size_t>(taken)], operands.subspan(1));
}

constexpr std::array kRows = {
    OpDef{.op = Op::case_,
          .name = "case",
          .arity = kVariadic,
          .traits = {.control = true},
          .infer = infer_case,
          .gradient = differentiated_by_pass,
          .reference = reference_case,
          .lowering = not_pointwise},
    OpDef{.op = Op::while_,
          .name = "while",
          .arity = kVariadic,
          .traits = {.control = true},
          .infer = infer_while,
          .gradient = differentiated_by_pass,
          .reference = reference_while,
          .lowering = not_pointwise},
};
static_assert(complete(kRows, Op::case_, Op::while_));

}  // namespace

std::span<const OpDef> control_rows() { return kRows; }

}  // namespace kiln
