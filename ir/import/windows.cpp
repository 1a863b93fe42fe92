// Ops over windows.
#include <algorithm>
#include <tuple>

#include "ir/build.h"
#include "ir/import/context.h"

namespace kiln::importing {
namespace {

using namespace build;
using Values = std::vector<Value>;

Values import_convolution(const Context& context) {
  const auto numbers = context.fields("dimension_numbers");
  const int spatial = std::max(context.type(0).rank() - 2, 0);
  ConvolutionAttrs attrs;
  attrs.input_batch = numbers.integer("input_batch_dimension");
  attrs.input_feature = numbers.integer("input_feature_dimension");
  attrs.input_spatial = numbers.ints("input_spatial_dimensions");
  attrs.kernel_input_feature = numbers.integer("kernel_input_feature_dimension");
  attrs.kernel_output_feature = numbers.integer("kernel_output_feature_dimension");
  attrs.kernel_spatial = numbers.ints("kernel_spatial_dimensions");
  attrs.output_batch = numbers.integer("output_batch_dimension");
  attrs.output_feature = numbers.integer("output_feature_dimension");
  attrs.output_spatial = numbers.ints("output_spatial_dimensions");
  attrs.strides = context.ints_per_axis("window_strides", spatial, 1);
  std::tie(attrs.low, attrs.high) = context.padding(spatial);
  attrs.lhs_dilation = context.ints_per_axis("lhs_dilation", spatial, 1);
  attrs.rhs_dilation = context.ints_per_axis("rhs_dilation", spatial, 1);
  attrs.reversed = context.ints_per_axis("window_reversal", spatial, 0);
  attrs.feature_group_count = context.integer("feature_group_count", 1);
  attrs.batch_group_count = context.integer("batch_group_count", 1);
  // The result's element type is the one that is computed in.
  Values operands = context.operands();
  for (Value& operand : operands)
    if (operand.type().dtype != context.stated().dtype)
      operand = convert(operand, context.stated().dtype, context.where());
  return {context.make(Op::convolution, operands, attrs)};
}

WindowAttrs window_of(const Context& context) {
  if (context.operands().empty()) context.fail("at least one operand", "none");
  const int rank = context.type(0).rank();
  WindowAttrs attrs;
  attrs.extents = context.ints_per_axis("window_dimensions", rank);
  attrs.strides = context.ints_per_axis("window_strides", rank, 1);
  attrs.base_dilations = context.ints_per_axis("base_dilations", rank, 1);
  attrs.window_dilations = context.ints_per_axis("window_dilations", rank, 1);
  std::tie(attrs.low, attrs.high) = context.padding(rank);
  return attrs;
}

Values import_reduce_window(const Context& context) {
  return context.make_all(Op::reduce_window, context.operands(), window_of(context),
                          context.op().regions);
}

void expect_scalar_region(const Context& context, int number, const std::vector<Type>& parameters,
                          const Type& result) {
  const Region& region = context.region(number);
  if (region.parameters != parameters || region.results.size() != 1 ||
      region.results[0].type() != result)
    context.fail(fmt::format("a region {} of two {} that gives one {}", number, parameters[0].str(),
                             result.str()),
                 "another");
}

/// Each window of the operand selects one of its elements, and the source's elements are scattered,
/// in their order, to the places so selected:
///
///   %places = reduce_window (%operand, places of it) applying `select`, padding left out
///   result  = scatter %source to %places of a tensor of %init, applying `scatter`
Values import_select_and_scatter(const Context& context) {
  const Value operand = context.operand(0), source = context.operand(1), init = context.operand(2);
  const Type value{operand.type().dtype, {}}, place{DType::i64, {}};
  context.expect_type(2, value);
  expect_scalar_region(context, 0, {value, value}, Type{DType::i1, {}});
  expect_scalar_region(context, 1, {value, value}, value);
  Graph& graph = context.graph();
  const std::int64_t count = operand.type().count();

  // Padding has place -1; whatever is selected stands against the next element.
  const Value best = graph.parameter(0, value), best_place = graph.parameter(1, place);
  const Value next = graph.parameter(2, value), next_place = graph.parameter(3, place);
  const Value none = like(best_place, -1);
  const Value keeps = inline_region(context.region(0), Values{best, next})[0];
  const Value taken =
      binary(Op::and_, compare(next_place, none, Direction::NE),
             binary(Op::or_, compare(best_place, none, Direction::EQ), unary(Op::not_, keeps)));
  const Region selection{{value, place, value, place},
                         {select(taken, next, best), select(taken, next_place, best_place)}};
  const Value flat = iota(graph, {DType::i64, {count}}, 0);
  const Values selected =
      context.make_all(Op::reduce_window,
                       {operand, reshape(flat, operand.type().dims), init, graph.splat(place, -1)},
                       window_of(context), {selection});
  context.expect_type(1, selected[0].type());

  const std::int64_t updates = source.type().count();
  if (count == 0 || updates == 0) return {broadcast_scalar(init, operand.type())};
  const Type all{value.dtype, {count}};
  const Value places = reshape(selected[1], {updates});
  const Value scattered =
      scatter({broadcast_scalar(init, all)}, places, {reshape(source, {updates})},
              take_places(all, places.type(), 0), context.region(1), context.where())[0];
  return {reshape(scattered, operand.type().dims)};
}

constexpr Row kRows[] = {
    {"stablehlo.convolution", 2, 0, import_convolution},
    {"stablehlo.reduce_window", kAny, 1, import_reduce_window},
    {"stablehlo.select_and_scatter", 3, 2, import_select_and_scatter},
};

}  // namespace

std::span<const Row> window_imports() { return kRows; }

}  // namespace kiln::importing
