// Products and reductions: dot_general and what older programs write in its place, reduce.
#include <algorithm>

#include "ir/build.h"
#include "ir/import/context.h"

namespace kiln::importing {
namespace {

using namespace build;
using Values = std::vector<Value>;

/// The product in the result's element type: narrower operands are converted first.
Value product(const Context& context, Value lhs, Value rhs, DotAttrs attrs) {
  const DType dtype = context.stated().dtype;
  const auto widened = [&](Value x) {
    return x.type().dtype == dtype ? x : convert(x, dtype, context.where());
  };
  return context.make(Op::dot_general, {widened(lhs), widened(rhs)}, std::move(attrs));
}

Values import_dot_general(const Context& context) {
  const auto numbers = context.fields("dot_dimension_numbers");
  return {product(context, context.operand(0), context.operand(1),
                  DotAttrs{.lhs_batch = numbers.ints("lhs_batching_dimensions"),
                           .rhs_batch = numbers.ints("rhs_batching_dimensions"),
                           .lhs_contracting = numbers.ints("lhs_contracting_dimensions"),
                           .rhs_contracting = numbers.ints("rhs_contracting_dimensions")})};
}

/// Of vectors and matrices: the last axis with the first.
Values import_dot(const Context& context) {
  const int rank = context.type(0).rank();
  if (rank < 1 || rank > 2 || context.type(1).rank() < 1 || context.type(1).rank() > 2)
    context.fail("vectors or matrices",
                 fmt::format("{} and {}", context.type(0).str(), context.type(1).str()));
  return {product(context, context.operand(0), context.operand(1),
                  DotAttrs{.lhs_batch = {},
                           .rhs_batch = {},
                           .lhs_contracting = {rank - 1},
                           .rhs_contracting = {0}})};
}

bool contains(const std::string& labels, char label) {
  return labels.find(label) != std::string::npos;
}

/// "ab,bc->ac": the labels of the operands' axes and of the result's.
std::vector<std::string> labels_of(const Context& context) {
  const std::string config = context.word("einsum_config");
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < config.size(); ++i) {
    const bool arrow = config.substr(i, 2) == "->";
    if (config[i] == ' ') continue;
    if (config[i] == ',' || arrow)
      parts.emplace_back();
    else
      parts.back() += config[i];
    if (arrow) ++i;
  }
  const std::size_t operands = context.operands().size();
  if (parts.size() != operands + 1)
    context.fail(fmt::format("an einsum_config of {} operands and a result", operands), config);
  for (std::size_t i = 0; i <= operands; ++i) {
    std::string sorted = parts[i];
    std::ranges::sort(sorted);
    if (std::ranges::adjacent_find(sorted) != sorted.end() || contains(sorted, '.'))
      context.unsupported("of diagonals or unnamed axes");
    if (i < operands && parts[i].size() != context.type(static_cast<int>(i)).dims.size())
      context.fail(fmt::format("a label for each axis of operand {}", i), config);
    for (const char label : i == operands ? parts[i] : std::string())
      if (std::none_of(parts.begin(), parts.end() - 1,
                       [&](const std::string& part) { return contains(part, label); }))
        context.fail(fmt::format("an operand's axis named {}", label), config);
  }
  return parts;
}

/// The sum over axes whose labels `kept` does not have.
Value sum_of_others(Value x, std::string& labels, const std::string& kept) {
  Ints axes;
  std::string rest;
  for (std::size_t axis = 0; axis < labels.size(); ++axis)
    if (contains(kept, labels[axis]))
      rest += labels[axis];
    else
      axes.push_back(static_cast<std::int64_t>(axis));
  labels = rest;
  return axes.empty() ? x : reduce(x, Op::add, axes);
}

/// The axes in the order that `wanted`, a permutation of their labels, has.
Value ordered(Value x, const std::string& labels, const std::string& wanted) {
  Ints permutation;
  for (const char label : wanted)
    permutation.push_back(static_cast<std::int64_t>(labels.find(label)));
  return labels == wanted ? x : transpose(x, permutation);
}

Values import_einsum(const Context& context) {
  std::vector<std::string> labels = labels_of(context);
  const Value lhs = sum_of_others(context.operand(0), labels[0], labels[1] + labels[2]);
  const Value rhs = sum_of_others(context.operand(1), labels[1], labels[0] + labels[2]);
  DotAttrs attrs;
  std::string batch, lhs_free, rhs_free;
  for (std::size_t axis = 0; axis < labels[0].size(); ++axis) {
    const char label = labels[0][axis];
    if (!contains(labels[1], label)) {
      lhs_free += label;
      continue;
    }
    const bool kept = contains(labels[2], label);
    (kept ? attrs.lhs_batch : attrs.lhs_contracting).push_back(static_cast<std::int64_t>(axis));
    (kept ? attrs.rhs_batch : attrs.rhs_contracting)
        .push_back(static_cast<std::int64_t>(labels[1].find(label)));
    if (kept) batch += label;
  }
  for (const char label : labels[1])
    if (!contains(labels[0], label)) rhs_free += label;
  return {ordered(product(context, lhs, rhs, attrs), batch + lhs_free + rhs_free, labels[2])};
}

Values import_unary_einsum(const Context& context) {
  std::vector<std::string> labels = labels_of(context);
  const Value sum = sum_of_others(context.operand(0), labels[0], labels[1]);
  return {ordered(sum, labels[0], labels[1])};
}

Values import_reduce(const Context& context) {
  return context.make_all(Op::reduce, context.operands(), DimsAttrs{context.ints("dimensions")},
                          context.op().regions);
}

constexpr Row kRows[] = {
    {"stablehlo.dot_general", 2, 0, import_dot_general},
    {"stablehlo.dot", 2, 0, import_dot},
    {"stablehlo.einsum", 2, 0, import_einsum},
    {"stablehlo.unary_einsum", 1, 0, import_unary_einsum},
    {"stablehlo.reduce", kAny, 1, import_reduce},
};

}  // namespace

std::span<const Row> contraction_imports() { return kRows; }

}  // namespace kiln::importing
