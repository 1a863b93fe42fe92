// Ops of the text become nodes: attributes in every form they have, and what is said of wrong ones.
#include "tests/import_support.h"

#include "ir/op.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

const Type kScalar{DType::f32, {}};

Array counted(Ints dims) {
  Array array(Type{DType::f32, std::move(dims)});
  float next = 0;
  for (float& element : array.data<float>()) element = next++;
  return array;
}

Region adding(Graph& graph, DType dtype = DType::f32) {
  return combiner_region(graph, Op::add, dtype);
}

}  // namespace

TEST_CASE("an element-wise op is imported by its row in the op table") {
  const Array x = Array::of<float>({3}, {1, 4, 9});
  CHECK(elements<float>(ImportCase("stablehlo.sqrt").operand(x).gives(x.type()).run()) ==
        std::vector<float>{1, 2, 3});
  CHECK(elements<float>(ImportCase("chlo.erf").operand(Array::scalar(0.0F)).gives(kScalar).run()) ==
        std::vector<float>{0});
  CHECK(elements<float>(
            ImportCase("stablehlo.multiply").operand(x).operand(x).gives(x.type()).run()) ==
        std::vector<float>{1, 16, 81});
}

TEST_CASE("lists of integers are arrays, splats or lists") {
  const Array x = counted({2, 4});
  const auto sliced = [&](Attribute start, Attribute strides) {
    return elements<float>(ImportCase("stablehlo.slice")
                               .operand(x)
                               .with("start_indices", std::move(start))
                               .with("limit_indices", attribute({2, 4}))
                               .with("strides", std::move(strides))
                               .gives({DType::f32, {1, 3}})
                               .run());
  };
  const std::vector<float> wanted = {5, 6, 7};
  const Attribute one{Array::scalar<std::int64_t>(1), {}};  // dense<1> : tensor<2xi64>
  const Attribute list{Attribute::List{attribute(1), attribute(1)}, {}};
  CHECK(sliced(attribute({1, 1}), attribute({1, 1})) == wanted);
  CHECK(sliced(one, one) == wanted);
  CHECK(sliced(list, list) == wanted);
}

TEST_CASE("a constant is a splat or has its type's elements") {
  const Type type{DType::i32, {2, 2}};
  const auto imported = [&](Array value) {
    return elements<std::int32_t>(
        ImportCase("stablehlo.constant").with("value", attribute(value)).gives(type).run());
  };
  CHECK(imported(Array::scalar(7)) == std::vector<std::int32_t>{7, 7, 7, 7});
  CHECK(imported(Array::of<std::int32_t>({2, 2}, {1, 2, 3, 4})) ==
        std::vector<std::int32_t>{1, 2, 3, 4});
  CHECK_THROWS_WITH(imported(Array::of<std::int32_t>({3}, {1, 2, 3})),
                    "test.mlir:1: stablehlo.constant: expected a value of type tensor<2x2xi32>, "
                    "found tensor<3xi32>");
}

TEST_CASE("a convolution's dimension numbers and window are read") {
  // Two elements with themselves, turned round, over every overlap.
  ImportCase op("stablehlo.convolution");
  const Attribute numbers = dictionary({{"input_batch_dimension", attribute(0)},
                                        {"input_feature_dimension", attribute(2)},
                                        {"input_spatial_dimensions", attribute({1})},
                                        {"kernel_input_feature_dimension", attribute(1)},
                                        {"kernel_output_feature_dimension", attribute(2)},
                                        {"kernel_spatial_dimensions", attribute({0})},
                                        {"output_batch_dimension", attribute(0)},
                                        {"output_feature_dimension", attribute(2)},
                                        {"output_spatial_dimensions", attribute({1})}});
  op.operand(Array::of<float>({1, 2, 1}, {1, 10}))
      .operand(Array::of<float>({2, 1, 1}, {2, 3}))
      .with("dimension_numbers", numbers)
      .with("padding", attribute(Array::of<std::int64_t>({1, 2}, {1, 1})))
      .with("window_reversal", {Array::of<bool>({1}, {true}), {}})
      .gives({DType::f32, {1, 3, 1}});
  CHECK(elements<float>(op.run()) == std::vector<float>{2, 23, 30});
}

TEST_CASE("gather and scatter read their dimension numbers; lists that are missing are empty") {
  const Array x = counted({3, 2}), rows = Array::of<std::int32_t>({2, 1}, {2, 0});
  CHECK(elements<float>(
            ImportCase("stablehlo.gather")
                .operand(x)
                .operand(rows)
                .with("dimension_numbers", dictionary({{"offset_dims", attribute({1})},
                                                       {"collapsed_slice_dims", attribute({0})},
                                                       {"start_index_map", attribute({0})},
                                                       {"index_vector_dim", attribute(1)}}))
                .with("slice_sizes", attribute({1, 2}))
                .gives({DType::f32, {2, 2}})
                .run()) == std::vector<float>{4, 5, 0, 1});
  ImportCase scatter("stablehlo.scatter");
  scatter.operand(x)
      .operand(rows)
      .operand(Array::full({DType::f32, {2, 2}}, 10))
      .with("scatter_dimension_numbers",
            dictionary({{"update_window_dims", attribute({1})},
                        {"inserted_window_dims", attribute({0})},
                        {"scatter_dims_to_operand_dims", attribute({0})},
                        {"index_vector_dim", attribute(1)}}))
      .region(adding(scatter.graph()))
      .gives(x.type());
  CHECK(elements<float>(scatter.run()) == std::vector<float>{10, 11, 2, 3, 14, 15});
}

TEST_CASE("a reduce has a region for several inputs or one") {
  ImportCase op("stablehlo.reduce");
  op.operand(counted({2, 3}))
      .operand(Array::scalar(100.0F))
      .with("dimensions", attribute({1}))
      .region(adding(op.graph()))
      .gives({DType::f32, {2}});
  CHECK(elements<float>(op.run()) == std::vector<float>{103, 112});
}

TEST_CASE("a sort's axis counts from the end where it is negative") {
  ImportCase op("stablehlo.sort");
  op.operand(Array::of<float>({2, 2}, {4, 3, 2, 1}))
      .region(build::order_region(op.graph(), {DType::f32}))
      .with("dimension", attribute(-1))
      .gives({DType::f32, {2, 2}});
  CHECK(elements<float>(op.run()) == std::vector<float>{3, 4, 1, 2});
}

TEST_CASE("types that the text states must be those that follow") {
  const Array x = counted({2, 3});
  CHECK_THROWS_WITH(ImportCase("stablehlo.tanh").operand(x).gives({DType::f32, {3, 2}}).import(),
                    "test.mlir:1: stablehlo.tanh: expected tensor<2x3xf32> as the type of result 0 "
                    "(of its operands and attributes), found tensor<3x2xf32>");
  CHECK_THROWS_WITH(ImportCase("stablehlo.tanh").operand(x).import(),
                    ContainsSubstring("expected 1 result, found 0"));
}

TEST_CASE("wrong attributes, operands and regions are named") {
  const Array x = counted({2, 3});
  const auto transpose = [&] {
    return ImportCase("stablehlo.transpose").operand(x).gives(x.type());
  };
  CHECK_THROWS_WITH(transpose().import(),
                    "test.mlir:1: stablehlo.transpose: expected attribute permutation, found none");
  CHECK_THROWS_WITH(transpose().with("permutation", attribute(true)).import(),
                    "test.mlir:1: stablehlo.transpose: expected a list of integers as attribute "
                    "permutation, found a boolean");
  CHECK_THROWS_WITH(transpose().with("permutation", attribute({0, 0})).import(),
                    ContainsSubstring("a permutation of 2 axes, not [0, 0]"));
  CHECK_THROWS_WITH(transpose().operand(x).with("permutation", attribute({0, 1})).import(),
                    ContainsSubstring("expected 1 operand, found 2"));
  CHECK_THROWS_WITH(ImportCase("stablehlo.reduce")
                        .operand(x)
                        .operand(Array::scalar(0.0F))
                        .with("dimensions", attribute({0}))
                        .gives({DType::f32, {3}})
                        .import(),
                    ContainsSubstring("expected 1 region, found 0"));
  CHECK_THROWS_WITH(ImportCase("stablehlo.slice")
                        .operand(x)
                        .with("start_indices", attribute({0}))
                        .with("limit_indices", attribute({1, 1}))
                        .gives({DType::f32, {1, 1}})
                        .import(),
                    ContainsSubstring("expected start_indices of 2 axes, found [0]"));
  CHECK_THROWS_WITH(ImportCase("stablehlo.compare")
                        .operand(x)
                        .operand(x)
                        .with("comparison_direction", keyword("SMALLER"))
                        .gives({DType::i1, {2, 3}})
                        .import(),
                    ContainsSubstring("EQ, NE, GE, GT, LE or LT"));
}

TEST_CASE("ops outside kiln's scope are refused by name, unknown ones are errors") {
  CHECK_FALSE(can_import("stablehlo.fft"));
  CHECK(can_import("stablehlo.add"));
  CHECK(can_import("stablehlo.clamp"));
  try {
    ImportCase("stablehlo.fft").operand(counted({4})).gives({DType::f32, {4}}).import();
    FAIL("fft was imported");
  } catch (const UnsupportedError& error) {
    REQUIRE(error.constructs.size() == 1);
    CHECK(error.constructs[0].name == "stablehlo.fft");
    CHECK(error.constructs[0].where == Location("test.mlir", 1, 1));
    CHECK(std::string(error.what()) == "test.mlir:1: stablehlo.fft is not supported");
  }
  CHECK_THROWS_WITH(ImportCase("stablehlo.ad").gives(kScalar).import(),
                    "test.mlir:1: expected an op of StableHLO or CHLO, found stablehlo.ad");
}

}  // namespace kiln
