#include "ir/import/import.h"

#include <algorithm>
#include <unordered_map>

#include "ir/import/context.h"
#include "ir/parse.h"

namespace kiln {

UnsupportedError::UnsupportedError(std::vector<Construct> found)
    : Error([&] {
        std::string message;
        for (const Construct& construct : found)
          message += fmt::format("{}{}{} is not supported", message.empty() ? "" : "\n",
                                 construct.where.known() ? construct.where.str() + ": " : "",
                                 construct.name);
        return message;
      }()),
      constructs(std::move(found)) {}

namespace importing {
namespace {

// Of CHLO's special functions these have no rule that keeps kiln's accuracy.
constexpr std::string_view kUnsupported[] = {
    "chlo._asin_acos_kernel",
    "chlo.broadcast_complex",
    "chlo.broadcast_polygamma",
    "chlo.broadcast_zeta",
    "chlo.dynamic_reshape",
    "chlo.minimum_broadcast_shapes",
    "chlo.polygamma",
    "chlo.ragged_dot",
    "chlo.zeta",
    "shape.shape_of",
    "stablehlo.after_all",
    "stablehlo.all_gather",
    "stablehlo.all_reduce",
    "stablehlo.all_to_all",
    "stablehlo.async_done",
    "stablehlo.async_start",
    "stablehlo.collective_broadcast",
    "stablehlo.collective_permute",
    "stablehlo.complex",
    "stablehlo.compute_reshape_shape",
    "stablehlo.create_token",
    "stablehlo.cross-replica-sum",
    "stablehlo.cstr_reshapable",
    "stablehlo.custom_call",
    "stablehlo.dynamic_conv",
    "stablehlo.fft",
    "stablehlo.get_tuple_element",
    "stablehlo.infeed",
    "stablehlo.outfeed",
    "stablehlo.partition_id",
    "stablehlo.recv",
    "stablehlo.reduce_scatter",
    "stablehlo.replica_id",
    "stablehlo.rng",
    "stablehlo.send",
    "stablehlo.set_dimension_size",
    "stablehlo.trace",
    "stablehlo.tuple",
    "stablehlo.uniform_dequantize",
    "stablehlo.uniform_quantize",
};

/// An element-wise op that stands in the graph as it stands in the text: its row in the op table
/// says all. (Ops that state attributes or a type have rows here, and are found first.)
std::optional<Op> elementwise_named(std::string_view name) {
  static const auto kNamed = [] {
    std::unordered_map<std::string_view, Op> named;
    for (int op = 0; op < kOpCount; ++op)
      if (const OpDef& def = definition(static_cast<Op>(op)); def.traits.elementwise)
        named.emplace(def.name, def.op);
    return named;
  }();
  // CHLO keeps functions that StableHLO has since taken over.
  const auto dot = name.find('.');
  const std::string_view dialect = name.substr(0, dot);
  if (dot == std::string_view::npos || (dialect != "stablehlo" && dialect != "chlo")) return {};
  const auto found = kNamed.find(name.substr(dot + 1));
  return found == kNamed.end() ? std::nullopt : std::optional(found->second);
}

const Row* row_named(std::string_view name) {
  static const auto kRows = [] {
    std::unordered_map<std::string_view, const Row*> rows;
    for (const auto family : {elementwise_imports(), structure_imports(), contraction_imports(),
                              window_imports(), control_imports(), function_imports(),
                              linear_algebra_imports(), normalization_imports(), random_imports()})
      for (const Row& row : family)
        internal_check(rows.emplace(row.name, &row).second, "an op is imported by one row");
    return rows;
  }();
  const auto found = kRows.find(name);
  return found == kRows.end() ? nullptr : found->second;
}

void check_count(const Context& context, std::string_view what, int expected, std::size_t found) {
  if (expected != kAny && static_cast<std::size_t>(expected) != found)
    context.fail(fmt::format("{} {}{}", expected, what, expected == 1 ? "" : "s"),
                 fmt::format("{}", found));
}

void check_results(const Context& context, const std::vector<Value>& results) {
  check_count(context, "result", static_cast<int>(results.size()), context.op().results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Type &inferred = results[i].type(), &stated = context.op().results[i];
    if (inferred != stated)
      context.fail(fmt::format("{} as the type of result {} (of its operands and attributes)",
                               inferred.str(), i),
                   stated.str());
  }
}

}  // namespace
}  // namespace importing

using namespace importing;

bool can_import(std::string_view name) {
  return row_named(name) != nullptr || elementwise_named(name).has_value();
}

std::vector<Value> import_op(Graph& graph, const ImportOp& op) {
  const Context context(graph, op);
  std::vector<Value> results;
  if (const Row* row = row_named(op.name)) {
    check_count(context, "operand", row->operands, op.operands.size());
    check_count(context, "region", row->regions, op.regions.size());
    results = row->import(context);
  } else if (const auto elementwise = elementwise_named(op.name)) {
    check_count(context, "region", 0, op.regions.size());
    results = {context.make(*elementwise, op.operands)};
  } else if (std::ranges::find(kUnsupported, op.name) != std::end(kUnsupported)) {
    context.unsupported();
  } else {
    throw Error(op.where, fmt::format("expected an op of StableHLO or CHLO, found {}", op.name));
  }
  check_results(context, results);
  return results;
}

}  // namespace kiln
