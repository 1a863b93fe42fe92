// Ops whose operands, attributes and regions may or may not belong to them.
#include <array>

#include "ir/op.h"
#include "tests/hostile_text.h"

namespace kiln {
namespace {

/// Ops that are decomposed while reading; those of the table come with their own names.
constexpr const char* kDecomposed[] = {
    "batch_norm_grad",
    "batch_norm_inference",
    "batch_norm_training",
    "broadcast",
    "cholesky",
    "clamp",
    "dot",
    "dynamic_broadcast_in_dim",
    "dynamic_gather",
    "dynamic_iota",
    "dynamic_pad",
    "dynamic_reshape",
    "einsum",
    "get_dimension_size",
    "if",
    "map",
    "optimization_barrier",
    "real_dynamic_slice",
    "reduce_precision",
    "rng_bit_generator",
    "round_nearest_afz",
    "select_and_scatter",
    "torch_index_select",
    "triangular_solve",
    "unary_einsum",
};
constexpr const char* kChlo[] = {"chlo.acos",
                                 "chlo.bessel_i1e",
                                 "chlo.broadcast_add",
                                 "chlo.broadcast_compare",
                                 "chlo.broadcast_select",
                                 "chlo.constant_like",
                                 "chlo.is_inf",
                                 "chlo.next_after",
                                 "chlo.top_k"};
constexpr const char* kTypes[] = {
    "tensor<f32>",         "tensor<4xf32>",   "tensor<2x3xf32>", "tensor<3x2xf32>",
    "tensor<0x3xf32>",     "tensor<3x3xf32>", "tensor<3x3xf64>", "tensor<1x4x4x2xf32>",
    "tensor<2x2x2x3xf32>", "tensor<i1>",      "tensor<2x3xi1>",  "tensor<i32>",
    "tensor<2xi32>",       "tensor<2x1xi64>", "tensor<ui8>",     "tensor<2xui64>",
    "tensor<2x3xi8>",
};
constexpr const char* kLists[] = {
    "broadcast_dimensions",
    "broadcast_sizes",
    "dimensions",
    "edge_padding_high",
    "edge_padding_low",
    "interior_padding",
    "lhs_dilation",
    "limit_indices",
    "permutation",
    "rhs_dilation",
    "slice_sizes",
    "start_indices",
    "strides",
    "window_dimensions",
    "window_reversal",
    "window_strides",
    "base_dilations",
    "window_dilations",
};
constexpr const char* kIntegers[] = {
    "batch_dims",    "batch_group_count",
    "dim",           "dimension",
    "exponent_bits", "feature_group_count",
    "feature_index", "iota_dimension",
    "is_stable",     "k",
    "left_side",     "lower",
    "mantissa_bits", "unit_diagonal",
};
constexpr const char* kFields[] = {
    "collapsed_slice_dims",
    "inserted_window_dims",
    "lhs_batching_dimensions",
    "lhs_contracting_dimensions",
    "offset_dims",
    "rhs_batching_dimensions",
    "rhs_contracting_dimensions",
    "scatter_dims_to_operand_dims",
    "start_index_map",
    "update_window_dims",
    "operand_batching_dims",
    "start_indices_batching_dims",
};
constexpr const char* kOthers[] = {
    "comparison_direction = #stablehlo<comparison_direction LT>",
    "comparison_direction = #stablehlo<comparison_direction XX>",
    "compare_type = #stablehlo<comparison_type TOTALORDER>",
    "rng_algorithm = #stablehlo<rng_algorithm THREE_FRY>",
    "transpose_a = #stablehlo<transpose TRANSPOSE>",
    "dimension_numbers = #stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>",
    "dimension_numbers = #stablehlo.conv<[b, 0, f]x[i, o]->[0, b, f]>",
    "value = dense<1.0> : tensor<2x3xf32>",
    "value = dense<[]> : tensor<0xi32>",
    "value = 3.5 : f32",
    "epsilon = 1.0e-3 : f32",
    "einsum_config = \"ab,bc->ac\"",
    "einsum_config = \"ab->ba\"",
    "einsum_config = \",,->aa\"",
    "padding = dense<[[0, 1], [1, 0]]> : tensor<2x2xi64>",
    "padding = dense<-1> : tensor<2x2xi64>",
    "padding = dense<9223372036854775807> : tensor<1x2xi64>",
    "decomposition = @nothing, name = \"kiln.stop_gradient\"",
};

class OpText {
 public:
  explicit OpText(Random& random) : random_(random) {}

  std::string function() {
    std::string arguments, operands, types;
    for (std::uint64_t i = 0, count = random_.below(5); i < count; ++i) {
      const std::string type = one_of(kTypes), comma = i == 0 ? "" : ", ";
      arguments += fmt::format("{}%arg{}: {}", comma, i, type);
      operands += fmt::format("{}%arg{}", comma, i);
      types += comma + type;
    }
    const std::string result = one_of(kTypes);
    std::string regions;
    for (std::uint64_t i = 0, count = random_.below(4); i < count && random_.chance(0.7F); ++i)
      regions += (i == 0 ? "" : ", ") + region();
    return fmt::format(
        "func.func @main({}) -> {} {{\n  %0 = \"{}\"({}) <{{{}}}> {}: ({}) -> {}\n  return %0 : "
        "{}\n}}\n",
        arguments, result, name(), operands, attributes(),
        regions.empty() ? "" : "(" + regions + ") ", types, result, result);
  }

 private:
  template <class List>
  std::string one_of(const List& list) {
    return list[static_cast<std::size_t>(random_.below(std::size(list)))];
  }
  std::string name() {
    if (random_.chance(0.1F)) return one_of(kChlo);
    if (random_.chance(0.4F)) return std::string("stablehlo.") + one_of(kDecomposed);
    const OpDef& def = definition(static_cast<Op>(random_.below(kOpCount)));
    return fmt::format("{}.{}", def.traits.chlo ? "chlo" : "stablehlo", def.name);
  }
  std::string integer() {
    constexpr const char* kHuge[] = {"-9223372036854775808",
                                     "9223372036854775807",
                                     "4611686018427387904",
                                     "281474976710656",
                                     "-1",
                                     "64",
                                     "1000000"};
    return random_.chance(0.1F) ? one_of(kHuge) : std::to_string(random_.below(5));
  }
  std::string list() {
    std::string text;
    for (std::uint64_t i = 0, count = random_.below(5); i < count; ++i)
      text += (i == 0 ? "" : ", ") + integer();
    return text;
  }
  /// Each kind at most once: an attribute that is there twice is an error already.
  std::string attributes() {
    std::string text;
    const auto add = [&](const std::string& entry) { text += (text.empty() ? "" : ", ") + entry; };
    for (const char* name : kLists)
      if (random_.chance(0.3F)) {
        const std::string values = list();
        add(fmt::format("{} = array<i64{}{}>", name, values.empty() ? "" : ": ", values));
      }
    for (const char* name : kIntegers)
      if (random_.chance(0.5F)) add(fmt::format("{} = {} : i64", name, integer()));
    add(one_of(kOthers));
    if (random_.chance(0.5F)) {
      std::string fields = "index_vector_dim = " + integer();
      for (const char* name : kFields)
        if (random_.chance(0.4F)) fields += fmt::format(", {} = [{}]", name, list());
      for (const char* numbers : {"dot_dimension_numbers", "scatter_dimension_numbers"})
        add(fmt::format("{} = #stablehlo.scatter<{}>", numbers, fields));
      if (text.find("dimension_numbers = #stablehlo.conv") == std::string::npos)
        add(fmt::format("dimension_numbers = #stablehlo.gather<{}>", fields));
    }
    return text;
  }
  std::string region() {
    const std::string type = one_of(std::array{"tensor<f32>", "tensor<i32>", "tensor<2x3xf32>"});
    std::string parameters;
    const std::uint64_t count = random_.below(4);
    const std::string prefix = fmt::format("%r{}_", regions_++);
    for (std::uint64_t i = 0; i < count; ++i)
      parameters += fmt::format("{}{}{}: {}", i == 0 ? "" : ", ", prefix, i, type);
    const std::string head = count == 0 ? "" : fmt::format("^bb0({}):\n", parameters);
    if (count == 0 || random_.chance(0.2F))
      return fmt::format(
          "{{\n{}    %c{} = stablehlo.constant dense<1> : tensor<i32>\n"
          "    stablehlo.return %c{} : tensor<i32>\n  }}",
          head, prefix.substr(1), prefix.substr(1));
    const std::string other = fmt::format("{}{}", prefix, count - 1);
    if (random_.chance(0.3F))
      return fmt::format(
          "{{\n{0}    %p{1} = stablehlo.compare LT, %{1}0, {2} : ({3}, {3}) -> {4}\n"
          "    stablehlo.return %p{1} : {4}\n  }}",
          head, prefix.substr(1), other, type,
          type == "tensor<2x3xf32>" ? "tensor<2x3xi1>" : "tensor<i1>");
    return fmt::format(
        "{{\n{0}    %s{1} = stablehlo.add %{1}0, {2} : {3}\n"
        "    stablehlo.return %s{1} : {3}\n  }}",
        head, prefix.substr(1), other, type);
  }

  Random& random_;
  int regions_ = 0;
};

}  // namespace

std::string hostile_op(Random& random) { return OpText(random).function(); }

}  // namespace kiln
