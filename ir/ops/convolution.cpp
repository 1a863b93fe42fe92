// What a convolution is.
//
// Per output element it is one ascending chain of fused multiply-adds over the kernel's spatial
// elements (in the order in which kernel_spatial names the axes, the last fastest) and, fastest of
// all, the input features of the group; of a depthwise one products are rounded before they are
// added (ir/contraction.h). Gaps (padding, and what lies between dilated elements) are zeros that
// are multiplied and added like any other element, so a kernel element that is not finite makes a
// NaN there.
#include <algorithm>
#include <limits>

#include "ir/build.h"
#include "ir/contraction.h"
#include "ir/ops/window.h"
#include "ir/reference.h"

namespace kiln {

bool rounds_products(const Node& node) {
  if (node.op() != Op::convolution) return false;
  const auto& a = node.attrs<ConvolutionAttrs>();
  const Ints& kernel = node.operand(1).type().dims;
  return a.feature_group_count > 1 && kernel[static_cast<std::size_t>(a.kernel_input_feature)] == 1;
}

}  // namespace kiln

namespace kiln::window {
namespace {

using namespace build;

std::int64_t extent(const Type& type, std::int64_t axis) {
  return type.dims[static_cast<std::size_t>(axis)];
}

/// Whether these name each axis of a tensor once.
bool names_each_axis(std::int64_t first, std::int64_t second, const Ints& others, int rank) {
  Ints all = others;
  all.push_back(first);
  all.push_back(second);
  std::sort(all.begin(), all.end());
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i] != static_cast<std::int64_t>(i)) return false;
  return static_cast<int>(all.size()) == rank;
}

Axis axis_of(const ConvolutionAttrs& a, const Type& lhs, const Type& rhs, std::size_t spatial) {
  return {.operand = extent(lhs, a.input_spatial[spatial]),
          .extent = extent(rhs, a.kernel_spatial[spatial]),
          .stride = a.strides[spatial],
          .base_dilation = a.lhs_dilation[spatial],
          .dilation = a.rhs_dilation[spatial],
          .low = a.low[spatial],
          .high = a.high[spatial],
          .reversed = a.reversed[spatial] != 0};
}

std::vector<Axis> axes_of(const Node& node) {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < node.attrs<ConvolutionAttrs>().strides.size(); ++i)
    axes.push_back(
        axis_of(node.attrs<ConvolutionAttrs>(), node.operand(0).type(), node.operand(1).type(), i));
  return axes;
}

/// How operands are shared among groups: group `g` has output features from g · outputs on, and its
/// batches and input features begin at g · batches and g · features.
struct Groups {
  std::int64_t count = 1, outputs = 0, batches = 0, features = 0;
};
Groups groups_of(const Node& node) {
  const auto& a = node.attrs<ConvolutionAttrs>();
  Groups groups{.count = a.feature_group_count * a.batch_group_count};
  groups.outputs = extent(node.type(), a.output_feature) / groups.count;
  if (a.batch_group_count > 1) groups.batches = extent(node.type(), a.output_batch);
  if (a.feature_group_count > 1)
    groups.features = extent(node.operand(1).type(), a.kernel_input_feature);
  return groups;
}

/// Axis `from` is groups · rest; the groups become the outer part of axis `to`.
Value move_groups(Value x, std::int64_t from, std::int64_t to, std::int64_t groups) {
  if (groups == 1) return x;
  Ints moved = x.type().dims;
  moved[static_cast<std::size_t>(from)] /= groups;
  Ints split = moved;
  split.insert(split.begin() + from, groups);
  moved[static_cast<std::size_t>(to)] *= groups;
  Ints permutation;
  for (std::int64_t axis = 0; axis < x.type().rank(); ++axis) {
    if (axis == to) permutation.push_back(from);
    permutation.push_back(axis < from ? axis : axis + 1);
  }
  return reshape(transpose(reshape(x, split), permutation), moved);
}

}  // namespace

std::vector<Type> infer_convolution(const InferContext& context) {
  const Type &lhs = context.type(0), &rhs = context.type(1);
  const auto& a = context.get<ConvolutionAttrs>();
  if (lhs.dtype != rhs.dtype) shape_error("operands of one element type");
  if (lhs.rank() != rhs.rank() || lhs.rank() < 2)
    shape_error("operands of one rank, at least 2 (batch or output features, and features)");

  const auto check_names = [&](std::string_view whose, std::string_view what, std::int64_t first,
                               std::int64_t second, const Ints& spatial) {
    if (!names_each_axis(first, second, spatial, lhs.rank()))
      shape_error(fmt::format(
          "{} dimension numbers that name each of {} axes once, not {} {}, {} and spatial [{}]",
          whose, lhs.rank(), what, first, second, join(spatial, ", ")));
  };
  check_names("input", "batch and feature", a.input_batch, a.input_feature, a.input_spatial);
  check_names("kernel", "input and output feature", a.kernel_input_feature, a.kernel_output_feature,
              a.kernel_spatial);
  check_names("output", "batch and feature", a.output_batch, a.output_feature, a.output_spatial);

  const std::size_t spatial = a.input_spatial.size();
  constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::min();
  check_list("window strides", a.strides, spatial, 1);
  check_list("low padding", a.low, spatial, kAny);
  check_list("high padding", a.high, spatial, kAny);
  check_list("lhs dilations", a.lhs_dilation, spatial, 1);
  check_list("rhs dilations", a.rhs_dilation, spatial, 1);
  check_list("window reversals", a.reversed, spatial, 0);

  const std::int64_t batches = extent(lhs, a.input_batch);
  const std::int64_t features = extent(lhs, a.input_feature);
  const std::int64_t outputs = extent(rhs, a.kernel_output_feature);
  if (a.feature_group_count < 1 || a.batch_group_count < 1 ||
      (a.feature_group_count > 1 && a.batch_group_count > 1))
    shape_error(fmt::format(
        "group counts of at least 1, only one of them larger, not {} of features and {} of batches",
        a.feature_group_count, a.batch_group_count));
  const auto check_groups = [](std::string_view what, std::int64_t count, std::int64_t groups) {
    if (count % groups != 0)
      shape_error(fmt::format("{} that {} groups share evenly, not {}", what, groups, count));
  };
  check_groups("input features", features, a.feature_group_count);
  check_groups("output features", outputs, a.feature_group_count);
  check_groups("batches", batches, a.batch_group_count);
  check_groups("output features", outputs, a.batch_group_count);
  if (extent(rhs, a.kernel_input_feature) != features / a.feature_group_count)
    shape_error(fmt::format("a kernel of {} input features (its axis {})",
                            features / a.feature_group_count, a.kernel_input_feature));

  Type result{lhs.dtype, Ints(lhs.dims.size())};
  const auto set = [&](std::int64_t axis, std::int64_t count) {
    result.dims[static_cast<std::size_t>(axis)] = count;
  };
  set(a.output_batch, batches / a.batch_group_count);
  set(a.output_feature, outputs);
  for (std::size_t i = 0; i < spatial; ++i) {
    const Axis axis = axis_of(a, lhs, rhs, i);
    check_places(axis);
    set(a.output_spatial[i], axis.windows());
  }
  element_count(result.dims);
  return {result};
}

// The gradients are convolutions too: strides and dilations of the one are dilations and strides of
// the other, groups of features become groups of batches, so they nest.
std::vector<Value> gradient_convolution(const Node& node, std::span<const Value> cotangents) {
  const auto& a = node.attrs<ConvolutionAttrs>();
  const Value lhs = node.operand(0), rhs = node.operand(1), ct = cotangents[0];
  if (lhs.type().count() == 0 || rhs.type().count() == 0 || ct.type().count() == 0)
    return {like(lhs, 0), like(rhs, 0)};
  const std::vector<Axis> axes = axes_of(node);

  // lhs: the cotangent, spread out by the strides, seen through the kernel turned round; a group's
  // output features are what is summed over. Groups of batches are found as groups of features.
  ConvolutionAttrs back;
  back.input_batch = a.output_batch;
  back.input_feature = a.output_feature;
  back.input_spatial = a.output_spatial;
  back.kernel_input_feature = a.kernel_output_feature;
  back.kernel_output_feature = a.kernel_input_feature;
  back.kernel_spatial = a.kernel_spatial;
  back.output_batch = a.input_batch;
  back.output_feature = a.input_feature;
  back.output_spatial = a.input_spatial;
  back.strides = a.lhs_dilation;
  back.lhs_dilation = a.strides;
  back.rhs_dilation = a.rhs_dilation;
  back.feature_group_count = a.feature_group_count * a.batch_group_count;
  for (const Axis& axis : axes) {
    back.low.push_back(axis.spread_window() - 1 - axis.low);
    back.high.push_back(axis.spread_operand() + axis.low -
                        Axis::spread(axis.windows(), axis.stride));
    back.reversed.push_back(axis.reversed ? 0 : 1);
  }
  const Value kernel =
      move_groups(rhs, a.kernel_output_feature, a.kernel_input_feature, back.feature_group_count);
  const Value of_lhs = move_groups(convolution(ct, kernel, back), a.input_feature, a.input_batch,
                                   a.batch_group_count);

  // rhs: the operand seen through the cotangent, summed over the batch.
  ConvolutionAttrs across;
  across.input_batch = a.input_feature;
  across.input_feature = a.input_batch;
  across.input_spatial = a.input_spatial;
  across.kernel_input_feature = a.output_batch;
  across.kernel_output_feature = a.output_feature;
  across.kernel_spatial = a.output_spatial;
  across.output_batch = a.kernel_input_feature;
  across.output_feature = a.kernel_output_feature;
  across.output_spatial = a.kernel_spatial;
  across.strides = a.rhs_dilation;
  across.lhs_dilation = a.lhs_dilation;
  across.rhs_dilation = a.strides;
  across.low = a.low;
  across.feature_group_count = a.batch_group_count;
  across.batch_group_count = a.feature_group_count;
  Ints turned;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const Axis& axis = axes[i];
    across.high.push_back(axis.spread_window() - 1 + Axis::spread(axis.windows(), axis.stride) -
                          axis.spread_operand() - axis.low);
    across.reversed.push_back(0);
    if (axis.reversed) turned.push_back(a.kernel_spatial[i]);
  }
  Value of_rhs = convolution(lhs, ct, across);
  if (!turned.empty()) of_rhs = reverse(of_rhs, turned);
  return {of_lhs, of_rhs};
}

std::vector<Array> reference_convolution(const Node& node, std::span<const Array> operands) {
  const auto& a = node.attrs<ConvolutionAttrs>();
  const Array &lhs = operands[0], &rhs = operands[1];
  const std::vector<Axis> axes = axes_of(node);
  const Groups groups = groups_of(node);
  const Ints lhs_strides = row_major_strides(lhs.dims()),
             rhs_strides = row_major_strides(rhs.dims());
  const auto along = [](const Ints& of, std::int64_t axis) {
    return of[static_cast<std::size_t>(axis)];
  };
  Ints window;
  for (const Axis& axis : axes) window.push_back(axis.extent);
  const std::int64_t features = extent(rhs.type(), a.kernel_input_feature);
  const bool rounds = rounds_products(node) && is_float(node.type().dtype);

  Array result(node.type());
  visit_dtype(result.dtype(), [&]<class T>(T) {
    const auto x = lhs.data<T>(), w = rhs.data<T>();
    const auto out = result.data<T>();
    std::size_t next = 0;
    reference::for_each_point(result.dims(), [&](const Ints& at) {
      const std::int64_t output = along(at, a.output_feature);
      const std::int64_t group = output / groups.outputs;
      const std::int64_t batch = along(at, a.output_batch) + group * groups.batches;
      T sum{};
      reference::for_each_point(window, [&](const Ints& k) {
        std::int64_t x_at = along(lhs_strides, a.input_batch) * batch +
                            along(lhs_strides, a.input_feature) * group * groups.features;
        std::int64_t w_at = along(rhs_strides, a.kernel_output_feature) * output;
        bool gap = false;
        for (std::size_t i = 0; i < axes.size(); ++i) {
          const auto element = axes[i].element(along(at, a.output_spatial[i]), k[i]);
          gap = gap || !element;
          x_at += along(lhs_strides, a.input_spatial[i]) * element.value_or(0);
          w_at += along(rhs_strides, a.kernel_spatial[i]) * k[i];
        }
        for (std::int64_t feature = 0; feature < features; ++feature) {
          const T element = gap ? T{} : x[static_cast<std::size_t>(x_at)];
          const T factor = w[static_cast<std::size_t>(w_at)];
          sum = rounds ? static_cast<T>(sum + static_cast<T>(element * factor))
                       : reference::multiply_add<T>(element, factor, sum);
          x_at += along(lhs_strides, a.input_feature);
          w_at += along(rhs_strides, a.kernel_input_feature);
        }
      });
      out[next++] = sum;
    });
  });
  return {result};
}

// The point's axes: the result's, the kernel's spatial ones in the order of kernel_spatial, the
// input feature within its group. The kernel is read as it lies, without a mask.
loop::Val convolution_at(const Node& node, int input, Point& point) {
  const auto& a = node.attrs<ConvolutionAttrs>();
  const std::vector<Axis> axes = axes_of(node);
  const int rank = node.type().rank();
  const auto in_result = [&](std::int64_t axis) { return point.at(static_cast<int>(axis)); };
  const auto in_window = [&](std::size_t axis) { return point.at(rank + static_cast<int>(axis)); };
  const loop::Index output = in_result(a.output_feature), feature = in_window(axes.size());

  std::vector<loop::Index> coordinates(static_cast<std::size_t>(rank), feature);
  const auto set = [&](std::int64_t axis, const loop::Index& coordinate) {
    coordinates[static_cast<std::size_t>(axis)] = coordinate;
  };
  if (input == 1) {
    set(a.kernel_input_feature, feature);
    set(a.kernel_output_feature, output);
    for (std::size_t i = 0; i < axes.size(); ++i) set(a.kernel_spatial[i], in_window(i));
    return point.read(1, coordinates);
  }

  set(a.input_batch, in_result(a.output_batch));
  set(a.input_feature, feature);
  if (const Groups groups = groups_of(node); groups.count > 1 && groups.outputs > 0) {
    // Affine where each output feature is a group of its own.
    const auto divided = [&](const loop::Val& value) {
      return loop::Index(value / value.like(static_cast<double>(groups.outputs)));
    };
    const loop::Index group = groups.outputs == 1 ? output : divided(output.value());
    set(a.input_batch, in_result(a.output_batch) + group * groups.batches);
    set(a.input_feature, feature + group * groups.features);
  }
  std::optional<loop::Val> inside;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const Element seen = element(axes[i], in_result(a.output_spatial[i]), in_window(i));
    set(a.input_spatial[i], seen.coordinate);
    inside = both(inside, seen.inside);
  }
  return point.read(0, coordinates, inside);
}

}  // namespace kiln::window
