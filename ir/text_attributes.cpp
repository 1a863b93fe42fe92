#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "ir/op.h"
#include "ir/text_parts.h"

namespace kiln::text {
namespace {

constexpr std::int64_t kMaxListedElements = 64;  // larger constants are printed as hex bytes,
                                                 // except booleans, whose bits older MLIR packs

template <class T>
std::string element_text(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t> bits;
      std::memcpy(&bits, &value, sizeof bits);
      return fmt::format("0x{:0{}X}", bits, 2 * sizeof bits);
    }
    // The shortest digits that read back as the same number, in MLIR's %e look where that is one.
    std::string look = fmt::format("{:.6e}", value);
    if (static_cast<T>(std::strtod(look.c_str(), nullptr)) == value) return look;
    return fmt::format("{:.{}e}", value, sizeof(T) == 4 ? 8 : 16);
  } else {
    return fmt::format("{}", value);
  }
}
template <>
std::string element_text(std::int8_t value) {
  return fmt::format("{}", static_cast<int>(value));
}
template <>
std::string element_text(std::uint8_t value) {
  return fmt::format("{}", static_cast<int>(value));
}

/// "array<i64: 1, 2>", "array<i64>" where there is none.
std::string array(const Ints& values) {
  return fmt::format("array<i64{}{}>", values.empty() ? "" : ": ", join(values, ", "));
}

/// The fields of an attribute or of a list, each after a comma but the first.
class Fields {
 public:
  void add(std::string_view field) {
    if (!text_.empty()) text_ += ", ";
    text_ += field;
  }
  void add(std::string_view name, const std::string& value) {
    add(fmt::format("{} = {}", name, value));
  }
  /// StableHLO leaves empty lists out.
  void add_unless_empty(std::string_view name, const Ints& values) {
    if (!values.empty()) add(name, list(values));
  }
  /// An entry per axis that is left out where all are the usual one.
  void add_unless(std::int64_t usual, std::string_view name, const Ints& values) {
    if (differs(usual, values)) add(name, array(values));
  }
  static bool differs(std::int64_t usual, const Ints& values) {
    return std::any_of(values.begin(), values.end(), [&](std::int64_t v) { return v != usual; });
  }
  const std::string& str() const { return text_; }

 private:
  std::string text_;
};

std::string pairs(const Ints& low, const Ints& high) {
  Fields rows;
  for (std::size_t axis = 0; axis < low.size(); ++axis)
    rows.add(fmt::format("[{}, {}]", low[axis], high[axis]));
  return fmt::format("[{}]", rows.str());
}

/// The padding of a window: "dense<[[1, 1], [0, 0]]> : tensor<2x2xi64>".
std::string padding(const Ints& low, const Ints& high) {
  const bool even = !low.empty() && !Fields::differs(low[0], low) && !Fields::differs(low[0], high);
  return fmt::format("dense<{}> : tensor<{}x2xi64>",
                     low.empty() ? ""
                     : even      ? fmt::format("{}", low[0])
                                 : pairs(low, high),
                     low.size());
}

/// "[b, 0, 1, f]": which axis of a convolution's operand is what.
std::string axes(std::int64_t first, char first_name, std::int64_t second, char second_name,
                 const Ints& spatial) {
  std::vector<std::string> names(spatial.size() + 2);
  names[static_cast<std::size_t>(first)] = first_name;
  names[static_cast<std::size_t>(second)] = second_name;
  for (std::size_t i = 0; i < spatial.size(); ++i)
    names[static_cast<std::size_t>(spatial[i])] = fmt::format("{}", i);
  return fmt::format("[{}]", fmt::join(names, ", "));
}

std::string dimension_numbers(const ConvolutionAttrs& a) {
  return fmt::format(
      "{}x{}->{}", axes(a.input_batch, 'b', a.input_feature, 'f', a.input_spatial),
      axes(a.kernel_input_feature, 'i', a.kernel_output_feature, 'o', a.kernel_spatial),
      axes(a.output_batch, 'b', a.output_feature, 'f', a.output_spatial));
}

std::string window(const ConvolutionAttrs& a) {
  Fields fields;
  if (Fields::differs(1, a.strides)) fields.add("stride", list(a.strides));
  if (Fields::differs(0, a.low) || Fields::differs(0, a.high))
    fields.add("pad", pairs(a.low, a.high));
  if (Fields::differs(1, a.lhs_dilation)) fields.add("lhs_dilate", list(a.lhs_dilation));
  if (Fields::differs(1, a.rhs_dilation)) fields.add("rhs_dilate", list(a.rhs_dilation));
  if (Fields::differs(0, a.reversed)) {
    Fields flags;
    for (const std::int64_t flag : a.reversed) flags.add(flag != 0 ? "true" : "false");
    fields.add("reverse", fmt::format("[{}]", flags.str()));
  }
  return fields.str();
}

std::string_view compare_type(DType dtype) {
  if (is_float(dtype)) return "FLOAT";
  return is_signed(dtype) ? "SIGNED" : "UNSIGNED";
}

struct Properties {
  Fields fields = {};

  void operator()(const GatherAttrs& a) {
    Fields numbers;
    numbers.add_unless_empty("offset_dims", a.offset_dims);
    numbers.add_unless_empty("collapsed_slice_dims", a.collapsed_slice_dims);
    numbers.add_unless_empty("operand_batching_dims", a.operand_batching_dims);
    numbers.add_unless_empty("start_indices_batching_dims", a.start_indices_batching_dims);
    numbers.add_unless_empty("start_index_map", a.start_index_map);
    numbers.add("index_vector_dim", fmt::format("{}", a.index_vector_dim));
    fields.add("dimension_numbers", fmt::format("#stablehlo.gather<{}>", numbers.str()));
    if (a.indices_are_sorted) fields.add("indices_are_sorted", "true");
    fields.add("slice_sizes", array(a.slice_sizes));
  }
  void operator()(const ScatterAttrs& a) {
    Fields numbers;
    numbers.add_unless_empty("update_window_dims", a.update_window_dims);
    numbers.add_unless_empty("inserted_window_dims", a.inserted_window_dims);
    numbers.add_unless_empty("input_batching_dims", a.input_batching_dims);
    numbers.add_unless_empty("scatter_indices_batching_dims", a.scatter_indices_batching_dims);
    numbers.add_unless_empty("scatter_dims_to_operand_dims", a.scatter_dims_to_operand_dims);
    numbers.add("index_vector_dim", fmt::format("{}", a.index_vector_dim));
    if (a.indices_are_sorted) fields.add("indices_are_sorted", "true");
    fields.add("scatter_dimension_numbers", fmt::format("#stablehlo.scatter<{}>", numbers.str()));
    if (a.unique_indices) fields.add("unique_indices", "true");
  }
  void operator()(const WindowAttrs& a) {
    fields.add_unless(1, "base_dilations", a.base_dilations);
    if (Fields::differs(0, a.low) || Fields::differs(0, a.high))
      fields.add("padding", padding(a.low, a.high));
    fields.add_unless(1, "window_dilations", a.window_dilations);
    fields.add("window_dimensions", array(a.extents));
    fields.add_unless(1, "window_strides", a.strides);
  }
  void operator()(const SortAttrs& a) {
    fields.add("dimension", fmt::format("{} : i64", a.dim));
    fields.add("is_stable", a.is_stable ? "true" : "false");
  }
  void operator()(const auto&) {}
};

struct PrettyAttributes {
  const Node& node;

  std::string operator()(const NoAttrs&) const { return ""; }
  std::string operator()(const ParameterAttrs&) const { return ""; }
  std::string operator()(const ConstantAttrs& a) const {
    return fmt::format(" dense<{}>", elements(a.value, node.type()));
  }
  std::string operator()(const AxisAttrs& a) const {
    return fmt::format("{} dim = {}", node.operands().empty() ? "" : ",", a.dim);
  }
  std::string operator()(const CompareAttrs&) const {
    return fmt::format(", {}", compare_type(node.operand(0).type().dtype));
  }
  std::string operator()(const DimsAttrs& a) const {
    return fmt::format(", {} = {}", node.op() == Op::dynamic_slice ? "sizes" : "dims",
                       list(a.dims));
  }
  std::string operator()(const SliceAttrs& a) const {
    Fields ranges;
    for (std::size_t axis = 0; axis < a.start.size(); ++axis)
      ranges.add(fmt::format("{}:{}{}", a.start[axis], a.limit[axis],
                             a.strides[axis] == 1 ? "" : fmt::format(":{}", a.strides[axis])));
    return fmt::format(" [{}]", ranges.str());
  }
  std::string operator()(const PadAttrs& a) const {
    return fmt::format(", low = {}, high = {}, interior = {}", list(a.low), list(a.high),
                       list(a.interior));
  }
  std::string operator()(const DotAttrs& a) const {
    const std::string batch =
        a.lhs_batch.empty()
            ? ""
            : fmt::format(", batching_dims = {} x {}", list(a.lhs_batch), list(a.rhs_batch));
    return fmt::format("{}, contracting_dims = {} x {}", batch, list(a.lhs_contracting),
                       list(a.rhs_contracting));
  }
  std::string operator()(const ConvolutionAttrs& a) const {
    return fmt::format(
        " dim_numbers = {}, window = {{{}}} {{batch_group_count = {} : i64, "
        "feature_group_count = {} : i64}}",
        dimension_numbers(a), window(a), a.batch_group_count, a.feature_group_count);
  }
  std::string operator()(const auto&) const {
    throw InternalError(fmt::format("{} has no pretty form", definition(node.op()).name));
  }
};

}  // namespace

std::string quoted(std::string_view text) {
  std::string literal = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      literal += fmt::format("\\{}", c);
    else if (c < ' ' || c > '~')
      literal += fmt::format("\\{:02X}", static_cast<unsigned char>(c));
    else
      literal += c;
  }
  return literal + "\"";
}

std::string symbol(std::string_view name) {
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  const bool identifier =
      !name.empty() && (is_letter(name[0]) || name[0] == '_') &&
      std::all_of(name.begin(), name.end(), [&](char c) {
        return is_letter(c) || std::string_view("0123456789_$.").find(c) != std::string_view::npos;
      });
  return "@" + (identifier ? std::string(name) : quoted(name));
}

std::string elements(const Array& value, const Type& type) {
  return visit_dtype(value.dtype(), [&]<class T>(T) -> std::string {
    const auto data = value.data<T>();
    if (type.count() == 0) return "";
    if (value.count() == 1) return element_text(data[0]);
    if (value.count() > kMaxListedElements && !is_bool(value.dtype())) {
      std::string hex = "\"0x";
      for (std::byte byte : value.bytes())
        hex += fmt::format("{:02X}", static_cast<unsigned>(byte));
      return hex + "\"";
    }
    std::size_t next = 0;
    const auto nest = [&](auto& self, std::size_t axis) -> std::string {
      if (axis == type.dims.size()) return element_text(data[next++]);
      std::string list = "[";
      for (std::int64_t i = 0; i < type.dims[axis]; ++i)
        list += (i == 0 ? "" : ", ") + self(self, axis + 1);
      return list + "]";
    };
    return nest(nest, 0);
  });
}

std::string list(const Ints& values) { return fmt::format("[{}]", join(values, ", ")); }

std::string types(std::span<const Value> values) {
  Fields types;
  for (const Value value : values) types.add(value.type().str());
  return types.str();
}

bool is_generic(const Node& node) {
  switch (node.op()) {
    case Op::gather:
    case Op::reduce_window:
    case Op::scatter:
    case Op::sort:
    case Op::case_:
      return true;
    default:
      return false;
  }
}

std::string properties(const Node& node) {
  Properties properties;
  visit_attrs(properties, node.attrs());
  const std::string& fields = properties.fields.str();
  return fields.empty() ? "" : fmt::format(" <{{{}}}>", fields);
}

std::string pretty_attributes(const Node& node) {
  return visit_attrs(PrettyAttributes{node}, node.attrs());
}

std::string pretty_types(const Node& node) {
  if (node.operands().empty()) return node.type().str();
  if (node.op() == Op::select)
    return fmt::format("{}, {}", node.operand(0).type().str(), node.type().str());
  if (traits(node).chlo)
    return fmt::format("{} -> {}", node.operand(0).type().str(), node.type().str());
  const bool one_type =
      node.op() == Op::reverse ||
      (traits(node).elementwise && node.op() != Op::bitcast_convert && node.op() != Op::compare);
  const bool same = std::all_of(node.operands().begin(), node.operands().end(),
                                [&](Value operand) { return operand.type() == node.type(); });
  return one_type && same ? node.type().str() : signature(node.operands(), node.types());
}

std::string signature(std::span<const Value> operands, const std::vector<Type>& results) {
  Fields to;
  for (const Type& type : results) to.add(type.str());
  return fmt::format("({}) -> {}", types(operands),
                     results.size() == 1 ? to.str() : "(" + to.str() + ")");
}

}  // namespace kiln::text
