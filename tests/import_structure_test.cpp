// Products, windows and regions that become other ops: each against its definition.
#include <algorithm>
#include <cmath>

#include "ir/op.h"
#include "ir/reference.h"
#include "tests/import_support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

Array counted(Ints dims) {
  Array array(Type{DType::f32, std::move(dims)});
  float next = 0;
  for (float& element : array.data<float>()) element = next++;
  return array;
}

Region compare_region(Graph& graph, Direction direction) {
  const Type scalar{DType::f32, {}};
  return {{scalar, scalar},
          {build::compare(graph.parameter(0, scalar), graph.parameter(1, scalar), direction)}};
}

}  // namespace

TEST_CASE("dot contracts the last axis with the first") {
  const auto product = [](const Array& a, const Array& b, Ints dims) {
    return elements<float>(ImportCase("stablehlo.dot")
                               .operand(a)
                               .operand(b)
                               .gives({DType::f32, std::move(dims)})
                               .run());
  };
  CHECK(product(counted({3}), counted({3}), {}) == std::vector<float>{5});
  CHECK(product(counted({2, 3}), counted({3}), {2}) == std::vector<float>{5, 14});
  CHECK(product(counted({2, 2}), counted({2, 2}), {2, 2}) == std::vector<float>{2, 3, 6, 11});
  CHECK_THROWS_WITH(product(counted({}), counted({3}), {3}),
                    ContainsSubstring("vectors or matrices"));
}

TEST_CASE("a product of narrow integers has the result's width") {
  CHECK(elements<std::int32_t>(ImportCase("stablehlo.dot")
                                   .operand(Array::of<std::int8_t>({2}, {100, 100}))
                                   .operand(Array::of<std::int8_t>({2}, {100, 100}))
                                   .gives({DType::i32, {}})
                                   .run()) == std::vector<std::int32_t>{20000});
}

TEST_CASE("einsum sums over what the result does not name") {
  const Array a = counted({2, 3, 4}), b = counted({4, 2, 5});
  // d: a alone has it; e: b alone; k is contracted, n is batch.
  const Array got = ImportCase("stablehlo.einsum")
                        .operand(a)
                        .operand(b)
                        .with("einsum_config", quoted("ndk,kne->en"))
                        .gives({DType::f32, {5, 2}})
                        .run();
  for (std::size_t e = 0; e < 5; ++e)
    for (std::size_t n = 0; n < 2; ++n) {
      float sum = 0;
      for (std::size_t d = 0; d < 3; ++d)
        for (std::size_t k = 0; k < 4; ++k)
          sum += a.data<float>()[(n * 3 + d) * 4 + k] * b.data<float>()[(k * 2 + n) * 5 + e];
      CHECK(got.data<float>()[e * 2 + n] == sum);
    }
  CHECK(elements<float>(ImportCase("stablehlo.unary_einsum")
                            .operand(counted({2, 3}))
                            .with("einsum_config", quoted("ab->b"))
                            .gives({DType::f32, {3}})
                            .run()) == std::vector<float>{3, 5, 7});
  const auto unary = [](const char* config) {
    return ImportCase("stablehlo.unary_einsum")
        .operand(counted({2, 2}))
        .with("einsum_config", quoted(config))
        .gives({DType::f32, {2}})
        .import();
  };
  CHECK_THROWS_AS(unary("aa->a"), UnsupportedError);
  CHECK_THROWS_WITH(unary("ab->c"), ContainsSubstring("an operand's axis named c"));
  CHECK_THROWS_WITH(unary("abc->a"), ContainsSubstring("a label for each axis of operand 0"));
  CHECK_THROWS_WITH(unary("ab"), ContainsSubstring("1 operands and a result"));
}

TEST_CASE("torch_index_select takes rows along an axis, batch by batch") {
  const Array x = counted({2, 3, 2});
  const Array got = ImportCase("stablehlo.torch_index_select")
                        .operand(x)
                        .operand(Array::of<std::int64_t>({2, 2}, {2, 0, 1, 1}))
                        .with("dim", attribute(1))
                        .with("batch_dims", attribute(1))
                        .gives({DType::f32, {2, 2, 2}})
                        .run();
  CHECK(elements<float>(got) == std::vector<float>{4, 5, 0, 1, 8, 9, 8, 9});
  const Array rows = ImportCase("stablehlo.torch_index_select")
                         .operand(x)
                         .operand(Array::of<std::int64_t>({1}, {1}))
                         .with("dim", attribute(2))
                         .with("batch_dims", attribute(0))
                         .gives({DType::f32, {2, 3, 1}})
                         .run();
  CHECK(elements<float>(rows) == std::vector<float>{1, 3, 5, 7, 9, 11});
}

TEST_CASE("select_and_scatter scatters to what each window selects") {
  // Windows of 3 x 2, stride 2 x 1, padding on both sides: against a loop over windows.
  const Array operand = random_array({DType::f32, {6, 5}}, 11).converted(DType::f32);
  const Ints extents = {3, 2}, strides = {2, 1};
  const Ints low = {1, 0}, result = {3, 5};  // high padding 0 and 1
  const Array source = random_array({DType::f32, result}, 12);
  for (const Direction direction : {Direction::GE, Direction::LT}) {
    ImportCase op("stablehlo.select_and_scatter");
    op.operand(operand)
        .operand(source)
        .operand(Array::scalar(0.5F))
        .with("window_dimensions", attribute({3, 2}))
        .with("window_strides", attribute({2, 1}))
        .with("padding", attribute(Array::of<std::int64_t>({2, 2}, {1, 0, 0, 1})))
        .region(compare_region(op.graph(), direction))
        .region(combiner_region(op.graph(), Op::add, DType::f32))
        .gives(operand.type());
    std::vector<float> want(30, 0.5F);
    std::size_t window = 0;
    reference::for_each_point(result, [&](const Ints& at) {
      std::int64_t best = -1;
      reference::for_each_point(extents, [&](const Ints& k) {
        const std::int64_t i = at[0] * strides[0] + k[0] - low[0],
                           j = at[1] * strides[1] + k[1] - low[1];
        if (i < 0 || i >= 6 || j < 0 || j >= 5) return;
        const double value = operand.as_double(i * 5 + j);
        const bool keeps =
            best >= 0 && (direction == Direction::GE ? operand.as_double(best) >= value
                                                     : operand.as_double(best) < value);
        if (!keeps) best = i * 5 + j;
      });
      want[static_cast<std::size_t>(best)] += source.data<float>()[window++];
    });
    CHECK(elements<float>(op.run()) == want);
  }
}

TEST_CASE("a window of padding alone selects nothing") {
  ImportCase op("stablehlo.select_and_scatter");
  op.operand(counted({2}))
      .operand(Array::of<float>({3}, {100, 10, 1}))
      .operand(Array::scalar(0.0F))
      .with("window_dimensions", attribute({2}))
      .with("window_strides", attribute({2}))
      .with("padding", attribute(Array::of<std::int64_t>({1, 2}, {2, 2})))
      .region(compare_region(op.graph(), Direction::GE))
      .region(combiner_region(op.graph(), Op::add, DType::f32))
      .gives({DType::f32, {2}});
  CHECK(elements<float>(op.run()) == std::vector<float>{0, 10});
}

TEST_CASE("map applies its region to all elements at once") {
  ImportCase op("stablehlo.map");
  const Type scalar{DType::f32, {}};
  const Value a = op.graph().parameter(0, scalar), b = op.graph().parameter(1, scalar);
  op.operand(counted({2, 2}))
      .operand(counted({2, 2}))
      .with("dimensions", attribute({0, 1}))
      .region({{scalar, scalar}, {build::add(build::multiply(a, b), build::like(a, 1))}})
      .gives({DType::f32, {2, 2}});
  CHECK(elements<float>(op.run()) == std::vector<float>{1, 2, 5, 10});
}

TEST_CASE("an if is a case whose second branch is the true one") {
  for (const bool condition : {false, true}) {
    ImportCase op("stablehlo.if");
    const Type scalar{DType::f32, {}};
    const Value x = op.graph().parameter(0, scalar);
    op.operand(Array::scalar(condition))
        .operand(Array::scalar(3.0F))
        .region({{scalar}, {build::add(x, x)}})
        .region({{scalar}, {build::negate(x)}})
        .gives(scalar);
    CHECK(elements<float>(op.run()) == std::vector<float>{condition ? 6.0F : -3.0F});
  }
}

TEST_CASE("a composite is its decomposition, but kiln's own are kept") {
  const Type scalar{DType::f32, {}};
  const auto composite = [&](const char* name) {
    ImportCase op("stablehlo.composite");
    op.operand(Array::scalar(3.0F))
        .with("name", quoted(name))
        .region({{scalar}, {build::negate(op.graph().parameter(0, scalar))}})
        .gives(scalar);
    CHECK(elements<float>(op.run()) == std::vector<float>{-3});
    return op.import()[0].node->op();
  };
  CHECK(composite("library.negative") == Op::negate);
  CHECK(composite("kiln.stop_gradient") == Op::composite);
}

TEST_CASE("shapes that operands state follow from the result type or from constants") {
  const Array shape = Array::of<std::int64_t>({2}, {3, 2});
  CHECK(elements<float>(ImportCase("stablehlo.dynamic_reshape")
                            .operand(counted({6}))
                            .operand(shape)
                            .gives({DType::f32, {3, 2}})
                            .run()) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(elements<std::int32_t>(ImportCase("stablehlo.dynamic_iota")
                                   .operand(shape)
                                   .with("iota_dimension", attribute(0))
                                   .gives({DType::i32, {3, 2}})
                                   .run()) == std::vector<std::int32_t>{0, 0, 1, 1, 2, 2});
  CHECK(elements<std::int32_t>(ImportCase("stablehlo.get_dimension_size")
                                   .operand(counted({6, 7}))
                                   .with("dimension", attribute(1))
                                   .gives({DType::i32, {}})
                                   .run()) == std::vector<std::int32_t>{7});
  // A parameter's value is not known.
  CHECK_THROWS_AS(ImportCase("stablehlo.real_dynamic_slice")
                      .operand(counted({6}))
                      .operand(Array::of<std::int64_t>({1}, {0}))
                      .operand(Array::of<std::int64_t>({1}, {3}))
                      .operand(Array::of<std::int64_t>({1}, {1}))
                      .gives({DType::f32, {3}})
                      .import(),
                  UnsupportedError);
}

TEST_CASE("triangular systems are solved on either side, from either triangle") {
  const std::size_t n = 4, m = 3;
  Array a = random_array({DType::f64, {2, 4, 4}}, 21);
  for (std::size_t batch = 0; batch < 2; ++batch)
    for (std::size_t i = 0; i < n; ++i) a.data<double>()[(batch * n + i) * n + i] += 4;
  for (const bool left : {true, false})
    for (const bool lower : {true, false})
      for (const bool unit : {true, false})
        for (const std::string operation : {"NO_TRANSPOSE", "TRANSPOSE"}) {
          INFO(left << lower << unit << operation);
          const Array b = random_array({DType::f64, left ? Ints{2, 4, 3} : Ints{2, 3, 4}}, 22);
          const Array x = ImportCase("stablehlo.triangular_solve")
                              .operand(a)
                              .operand(b)
                              .with("left_side", attribute(left))
                              .with("lower", attribute(lower))
                              .with("unit_diagonal", attribute(unit))
                              .with("transpose_a", keyword(operation))
                              .gives(b.type())
                              .run();
          const auto coefficient = [&](std::size_t batch, std::size_t i, std::size_t j) {
            if (operation == "TRANSPOSE") std::swap(i, j);
            if (i == j && unit) return 1.0;
            return (lower ? i >= j : i <= j) ? a.data<double>()[(batch * n + i) * n + j] : 0.0;
          };
          for (std::size_t batch = 0; batch < 2; ++batch)
            for (std::size_t i = 0; i < n; ++i)
              for (std::size_t k = 0; k < m; ++k) {
                double sum = 0;
                const auto at = [&](const Array& array, std::size_t row) {
                  return array.data<double>()[batch * n * m + (left ? row * m + k : k * n + row)];
                };
                for (std::size_t j = 0; j < n; ++j)
                  sum += at(x, j) * (left ? coefficient(batch, i, j) : coefficient(batch, j, i));
                CHECK(sum == Approx(at(b, i)).margin(1e-12));
              }
        }
  CHECK_THROWS_WITH(ImportCase("stablehlo.triangular_solve")
                        .operand(a)
                        .operand(random_array({DType::f64, {2, 3, 4}}, 1))
                        .with("left_side", attribute(true))
                        .gives({DType::f64, {2, 3, 4}})
                        .import(),
                    ContainsSubstring("operand 1 of type tensor<2x4x4xf64>"));
}

TEST_CASE("cholesky reads one triangle; the root's square is the matrix") {
  const std::size_t n = 5;
  const Array root = random_array({DType::f64, {5, 5}}, 31);
  Array a(root.type());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t k = 0; k < n; ++k)
        a.data<double>()[i * n + j] +=
            root.data<double>()[i * n + k] * root.data<double>()[j * n + k];
  for (const bool lower : {true, false}) {
    Array triangle = a.clone();
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        if (lower ? i < j : i > j) triangle.data<double>()[i * n + j] = NAN;
    const Array l = ImportCase("stablehlo.cholesky")
                        .operand(triangle)
                        .with("lower", attribute(lower))
                        .gives(a.type())
                        .run();
    const auto at = [&](std::size_t i, std::size_t j) {
      return l.data<double>()[lower ? i * n + j : j * n + i];
    };
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        if (i < j) CHECK(at(i, j) == 0);
        double sum = 0;
        for (std::size_t k = 0; k < n; ++k) sum += at(i, k) * at(j, k);
        CHECK(sum == Approx(a.data<double>()[i * n + j]).margin(1e-12));
      }
  }
  CHECK_THROWS_WITH(ImportCase("stablehlo.cholesky")
                        .operand(random_array({DType::f64, {2, 3}}, 1))
                        .gives({DType::f64, {2, 3}})
                        .import(),
                    ContainsSubstring("square matrices"));
}

}  // namespace kiln
