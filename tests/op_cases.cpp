#include "tests/op_cases.h"

#include <algorithm>
#include <numeric>

#include "ir/build.h"
#include "ir/op.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Values = std::span<const Value>;

/// The edge shapes. One dtype of each kind of arithmetic sees all of them, with one combiner; the
/// others see few, for compiling is what takes time.
std::vector<std::int64_t> extents(DType dtype, bool all = true) {
  const bool rich = dtype == DType::f32 || dtype == DType::i1 || dtype == DType::i64;
  if (all && rich) return {0, 1, 7, 15, 16, 17};
  return rich ? std::vector<std::int64_t>{0, 17} : std::vector<std::int64_t>{17};
}

/// Every kind of value the dtype has, over and over.
Array special(DType dtype, const Ints& dims) {
  const Array values = special_values(dtype);
  Array result(Type{dtype, dims});
  visit_dtype(dtype, [&]<class T>(T) {
    const auto from = values.data<T>();
    const auto to = result.data<T>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[(7 * i + 3) % from.size()];
  });
  return result;
}

/// Small integers, of either sign where the dtype has signs.
Array small(DType dtype, const Ints& dims, std::uint64_t stream) {
  return random_array({dtype, dims}, stream, is_unsigned(dtype) ? 0 : -4, 5);
}

Array indices(DType dtype, const Ints& dims, std::vector<std::int64_t> values) {
  Array result(Type{dtype, dims});
  visit_dtype(dtype, [&]<class T>(T) {
    const auto to = result.data<T>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<T>(values[i % values.size()]);
  });
  return result;
}

/// The op with one result, of its inputs in order.
OpCase plain(Op op, std::vector<Array> inputs, Attrs attrs,
             std::optional<Type> result = std::nullopt) {
  std::string label;
  for (const Array& input : inputs) label += input.type().pretty() + " ";
  if (result) label += "to " + result->pretty();
  return {
      label, std::move(inputs), [op, attrs, result](Values x) {
        return std::vector<Value>{{x[0].graph().make(op, {x.begin(), x.end()}, attrs, result), 0}};
      }};
}

std::vector<Value> all_results(const Node* node) {
  std::vector<Value> results;
  for (std::size_t i = 0; i < node->types().size(); ++i)
    results.push_back({node, static_cast<int>(i)});
  return results;
}

std::vector<OpCase> leaves(Op op, DType dtype) {
  std::vector<OpCase> cases;
  for (const std::int64_t n : extents(dtype)) {
    const Array values = special(dtype, {n});
    if (op == Op::parameter) {
      cases.push_back(
          {fmt::format("{}", n), {values}, [](Values x) { return std::vector<Value>{x[0]}; }});
    } else if (op == Op::constant) {
      // A leaf has no operand to make it with: the argument says in which graph.
      cases.push_back({fmt::format("{}", n), {values}, [values](Values x) {
                         return std::vector{x[0].graph().constant(values)};
                       }});
    } else if (!is_bool(dtype)) {
      for (const auto& [dims, axis] : std::vector<std::pair<Ints, std::int64_t>>{
               {{n}, 0}, {{n, 3}, 0}, {{3, n}, 1}, {{2, n, 5}, 1}})
        cases.push_back({fmt::format("{}", n), {values}, [dtype, dims, axis](Values x) {
                           return std::vector{build::iota(x[0].graph(), {dtype, dims}, axis)};
                         }});
    }
  }
  if (op == Op::constant)
    cases.push_back({"splat", {special(dtype, {2})}, [dtype](Values x) {
                       return std::vector{x[0].graph().splat({dtype, {3, 17}}, 1)};
                     }});
  return cases;
}

std::vector<OpCase> movement(Op op, DType dtype) {
  std::vector<OpCase> cases;
  const auto add = [&](const Ints& from, Attrs attrs, std::optional<Ints> to = std::nullopt) {
    std::optional<Type> result;
    if (to) result = Type{dtype, *to};
    cases.push_back(plain(op, {special(dtype, from)}, std::move(attrs), result));
  };
  for (const std::int64_t n : extents(dtype)) switch (op) {
      case Op::broadcast_in_dim:
        add({n}, DimsAttrs{{1}}, Ints{3, n});
        add({n}, DimsAttrs{{0}}, Ints{n, 5});
        add({1}, DimsAttrs{{0}}, Ints{n});
        add({}, DimsAttrs{{}}, Ints{n});
        add({n, 1}, DimsAttrs{{0, 1}}, Ints{n, 17});
        add({2, n}, DimsAttrs{{2, 0}}, Ints{n, 3, 2});
        break;
      case Op::reshape:
        add({n, 16}, NoAttrs{}, Ints{16, n});
        add({n}, NoAttrs{}, Ints{1, n, 1});
        add({3, n, 2}, NoAttrs{}, Ints{6 * n});
        break;
      default:
        add({n, 17}, DimsAttrs{{1, 0}});
        add({16, n}, DimsAttrs{{1, 0}});
        for (Ints axes{0, 1, 2}; std::next_permutation(axes.begin(), axes.end());)
          add({3, n, 18}, DimsAttrs{axes});
    }
  if (op == Op::reshape) add({1, 1}, NoAttrs{}, Ints{});
  if (op == Op::transpose) add({}, DimsAttrs{{}});
  return cases;
}

std::vector<OpCase> indexing(Op op, DType dtype) {
  std::vector<OpCase> cases;
  const auto add = [&](std::vector<Array> inputs, Attrs attrs) {
    cases.push_back(plain(op, std::move(inputs), std::move(attrs)));
  };
  const auto of = [&](const Ints& dims) { return special(dtype, dims); };
  /// Start indices inside, before and behind every operand here, of several dtypes.
  const auto each_start = [&](auto&& with) {
    for (const DType type : {DType::i32, DType::ui8, DType::i64, DType::ui64, DType::i8})
      for (const std::int64_t start : {0, 2, -1, 100})
        with(indices(type, {}, {start}), indices(type, {}, {1}));
    with(indices(DType::i64, {}, {std::numeric_limits<std::int64_t>::min()}),
         indices(DType::i64, {}, {std::numeric_limits<std::int64_t>::max()}));
    with(indices(DType::ui64, {}, {-1}), indices(DType::ui64, {}, {-2}));
  };
  for (const std::int64_t n : extents(dtype)) switch (op) {
      case Op::concatenate:
        add({of({n})}, AxisAttrs{0});
        add({of({n}), of({1}), of({16}), of({n})}, AxisAttrs{0});
        add({of({n, 3}), of({n, 0}), of({n, 17})}, AxisAttrs{1});
        add({of({2, n, 3}), of({2, 1, 3})}, AxisAttrs{1});
        break;
      case Op::dynamic_slice:
        for (const std::int64_t size : {n, n / 2, std::int64_t{0}})
          add({of({17, n}), indices(DType::i32, {}, {3}), indices(DType::i32, {}, {n - 1})},
              DimsAttrs{{5, size}});
        break;
      case Op::dynamic_update_slice:
        for (const std::int64_t size : {n, n / 2, std::int64_t{0}})
          add({of({17, n}), of({5, size}), indices(DType::i32, {}, {3}),
               indices(DType::i32, {}, {n - 1})},
              NoAttrs{});
        break;
      case Op::gather:
        // Rows of a table, then elements of it, then slices of it, then one row for each batch.
        add({of({17, n}), indices(DType::i32, {7, 1}, {3, -1, 16, 17, 3, 100, 0})},
            GatherAttrs{{1}, {0}, {}, {}, {0}, 1, {1, n}});
        add({of({9, 5}), indices(DType::i64, {n, 2}, {3, 4, -1, 2, 8, 9, 9, -3})},
            GatherAttrs{{}, {0, 1}, {}, {}, {0, 1}, 1, {1, 1}});
        add({of({9, n}), indices(DType::ui8, {2, 3}, {3, 8, 255})},
            GatherAttrs{{0, 2}, {}, {}, {}, {0, 1}, 0, {4, n / 2}});
        add({of({3, n, 2}), indices(DType::i32, {3, 4}, {0, 1, 5, -2})},
            GatherAttrs{{2}, {1}, {0}, {0}, {1}, 2, {1, n == 0 ? 0 : 1, 2}});
        break;
      case Op::pad:
        add({of({n}), of({})}, PadAttrs{{2}, {3}, {0}});
        add({of({n}), of({})}, PadAttrs{{0}, {1}, {2}});
        add({of({n, 5}), of({})}, PadAttrs{{1, -2}, {0, -1}, {1, 3}});
        add({of({17, n}), of({})}, PadAttrs{{-16, 0}, {-1, 2}, {0, 0}});
        break;
      case Op::reverse:
        add({of({n})}, DimsAttrs{{0}});
        add({of({n, 17})}, DimsAttrs{{0, 1}});
        add({of({3, n, 2})}, DimsAttrs{{1}});
        add({of({3, n})}, DimsAttrs{{}});
        break;
      default:
        add({of({n})}, SliceAttrs{{n / 3}, {n}, {1}});
        add({of({n})}, SliceAttrs{{0}, {n}, {2}});
        add({of({n, 17})}, SliceAttrs{{n / 2, 1}, {n / 2, 16}, {1, 3}});
        add({of({18, n})}, SliceAttrs{{1, 0}, {17, n}, {5, 1}});
    }
  if (op == Op::dynamic_slice)
    each_start([&](const Array& first, const Array& second) {
      add({of({6, 7}), first, second}, DimsAttrs{{2, 3}});
    });
  if (op == Op::dynamic_slice) add({of({})}, DimsAttrs{{}});
  if (op == Op::dynamic_update_slice)
    each_start([&](const Array& first, const Array& second) {
      add({of({6, 7}), of({2, 3}), first, second}, NoAttrs{});
    });
  if (op == Op::dynamic_update_slice) add({of({}), of({})}, NoAttrs{});
  if (op == Op::gather)
    add({of({}), indices(DType::i32, {0}, {0})}, GatherAttrs{{}, {}, {}, {}, {}, 0, {}});
  if (op == Op::pad) add({of({}), of({})}, PadAttrs{});
  if (op == Op::slice) add({of({})}, SliceAttrs{});
  if (op == Op::reverse) add({of({})}, DimsAttrs{{}});
  return cases;
}

std::vector<OpCase> dots(DType dtype) {
  std::vector<OpCase> cases;
  const auto add = [&](const Ints& lhs, const Ints& rhs, const DotAttrs& attrs) {
    const std::uint64_t stream = 2 * cases.size();
    cases.push_back(
        plain(Op::dot_general, {small(dtype, lhs, stream), small(dtype, rhs, stream + 1)}, attrs));
  };
  for (const std::int64_t n : extents(dtype)) {
    add({n, 5}, {5, 17}, {{}, {}, {1}, {0}});
    add({7, n}, {3, n}, {{}, {}, {1}, {1}});
    add({n, 16}, {n, 15}, {{}, {}, {0}, {0}});
    add({n}, {n}, {{}, {}, {0}, {0}});
    add({3, 4, n}, {3, n, 2}, {{0}, {0}, {2}, {1}});
    add({n, 2, 3}, {3, 4, n}, {{0}, {2}, {2}, {0}});
    add({3, n, 2}, {2, n, 5}, {{}, {}, {1, 2}, {1, 0}});
    add({n}, {4}, {{}, {}, {}, {}});
  }
  add({}, {}, {{}, {}, {}, {}});
  return cases;
}

/// The running extremum and its place, the first one of equals.
Region extremum_with_place(Graph& graph, DType dtype) {
  using namespace build;
  const Type value{dtype, {}}, place{DType::i32, {}};
  const Value best = graph.parameter(0, value), at = graph.parameter(1, place),
              next = graph.parameter(2, value), there = graph.parameter(3, place);
  const Value taken = compare(next, best, Direction::GT);
  return {{value, place, value, place}, {select(taken, next, best), select(taken, there, at)}};
}

bool combines(Op combiner, DType dtype) {
  const bool bits = combiner == Op::and_ || combiner == Op::or_ || combiner == Op::xor_;
  return !bits || !is_float(dtype);
}
constexpr Op kCombiners[] = {Op::add,  Op::multiply, Op::maximum, Op::minimum,
                             Op::and_, Op::or_,      Op::xor_};

/// What a combiner is given: exact for sums and products, everything for the others.
Array combined(Op combiner, DType dtype, const Ints& dims, std::uint64_t stream) {
  if (!is_float(dtype)) return special(dtype, dims);
  if (combiner == Op::add) {
    const Array whole = small(DType::i32, dims, stream);
    return whole.converted(dtype);
  }
  if (combiner == Op::multiply) {  // ±1, and seldom ±2
    Array powers = random_array({dtype, dims}, stream, -1.2, 1.2);
    visit_dtype(dtype, [&]<class T>(T) {
      for (T& x : powers.data<T>()) x = static_cast<T>((x < T(0) ? -1 : 1) * (x > T(1) ? 2 : 1));
    });
    return powers;
  }
  return special(dtype, dims);
}

std::vector<OpCase> reductions(DType dtype) {
  std::vector<OpCase> cases;
  const auto add = [&](Op combiner, const Ints& dims, const Ints& axes, double initial) {
    OpCase one =
        plain(Op::reduce,
              {combined(combiner, dtype, dims, cases.size()), Array::full({dtype, {}}, initial)},
              DimsAttrs{axes});
    one.label = fmt::format("{} {}", definition(combiner).name, one.label);
    one.make = [combiner, axes, dtype](Values x) {
      Graph& graph = x[0].graph();
      return all_results(graph.make(Op::reduce, {x.begin(), x.end()}, DimsAttrs{axes}, std::nullopt,
                                    {combiner_region(graph, combiner, dtype)}));
    };
    cases.push_back(one);
  };
  for (const Op combiner : kCombiners) {
    if (!combines(combiner, dtype)) continue;
    for (const std::int64_t n : extents(dtype, combiner == Op::add)) {
      add(combiner, {n}, {0}, 1);
      add(combiner, {n, 17}, {0}, 0);
      add(combiner, {16, n}, {1}, 1);
      add(combiner, {3, n, 5}, {0, 2}, 1);
    }
    add(combiner, {}, {}, 1);
    add(combiner, {3, 4}, {}, 1);
  }
  if (is_bool(dtype)) return cases;
  for (const std::int64_t n : extents(dtype))
    for (const auto& [dims, axes] : std::vector<std::pair<Ints, Ints>>{
             {{n}, {0}}, {{n, 17}, {0}}, {{5, n}, {1}}, {{2, n, 3}, {0, 1}}})
      cases.push_back(
          {"extremum with its place",
           {special(dtype, dims), indices(DType::i32, dims, {5, 3, 8, 1})},
           [dtype, axes](Values x) {
             Graph& graph = x[0].graph();
             return all_results(graph.make(
                 Op::reduce,
                 {x[0], x[1], graph.splat({dtype, {}}, 0), graph.splat({DType::i32, {}}, -1)},
                 DimsAttrs{axes}, std::nullopt, {extremum_with_place(graph, dtype)}));
           }});
  return cases;
}

std::vector<OpCase> convolutions(DType dtype) {
  std::vector<OpCase> cases;
  // Of [batch, spatial…, feature] with [spatial…, in, out].
  const auto add = [&](const Ints& lhs, const Ints& rhs, auto&& change) {
    ConvolutionAttrs a;
    const auto spatial = static_cast<std::int64_t>(lhs.size()) - 2;
    a.input_feature = a.output_feature = a.kernel_output_feature = spatial + 1;
    a.kernel_input_feature = spatial;
    for (std::int64_t i = 0; i < spatial; ++i) {
      a.input_spatial.push_back(1 + i);
      a.output_spatial.push_back(1 + i);
      a.kernel_spatial.push_back(i);
    }
    const auto ones = Ints(static_cast<std::size_t>(spatial), 1);
    a.strides = a.lhs_dilation = a.rhs_dilation = ones;
    a.low = a.high = a.reversed = Ints(static_cast<std::size_t>(spatial), 0);
    change(a);
    const std::uint64_t stream = 2 * cases.size();
    cases.push_back(
        plain(Op::convolution, {small(dtype, lhs, stream), small(dtype, rhs, stream + 1)}, a));
  };
  const auto as_is = [](ConvolutionAttrs&) {};
  for (const std::int64_t n : extents(dtype)) {
    add({2, n, 3}, {3, 3, 5}, [](ConvolutionAttrs& a) { a.low = a.high = {1}; });
    add({1, 9, n}, {3, n, 4}, as_is);
    add({1, 9, 2}, {2, 2, n}, [](ConvolutionAttrs& a) { a.strides = {3}; });
    add({n, 5, 6, 2}, {2, 3, 2, 3}, [](ConvolutionAttrs& a) {
      a.strides = {2, 1};
      a.low = {1, -1};
      a.high = {0, 2};
      a.rhs_dilation = {1, 2};
    });
    add({1, 4, n, 1}, {3, 2, 1, 2}, [](ConvolutionAttrs& a) {
      a.lhs_dilation = {3, 2};
      a.reversed = {1, 0};
    });
    add({2, n, 6}, {2, 2, 6}, [](ConvolutionAttrs& a) { a.feature_group_count = 3; });
    add({4, n, 3}, {2, 3, 6}, [](ConvolutionAttrs& a) { a.batch_group_count = 2; });
  }
  add({3, 4}, {4, 5}, as_is);         // nothing spatial
  add({1, 17, 1}, {0, 1, 2}, as_is);  // an empty window
  add({1, 2, 1}, {5, 1, 2}, as_is);   // a window that does not fit
  return cases;
}

std::vector<OpCase> windows(DType dtype) {
  std::vector<OpCase> cases;
  const auto add = [&](Op combiner, const Ints& dims, auto&& change) {
    WindowAttrs a;
    a.extents = a.strides = a.base_dilations = a.window_dilations = Ints(dims.size(), 1);
    a.low = a.high = Ints(dims.size(), 0);
    change(a);
    OpCase one{
        fmt::format("{} {}", definition(combiner).name, Type{dtype, dims}.pretty()),
        {combined(combiner, dtype, dims, cases.size()), Array::full({dtype, {}}, 1)},
        [combiner, a, dtype](Values x) {
          Graph& graph = x[0].graph();
          return all_results(graph.make(Op::reduce_window, {x.begin(), x.end()}, a, std::nullopt,
                                        {combiner_region(graph, combiner, dtype)}));
        }};
    cases.push_back(one);
  };
  for (const Op combiner : kCombiners) {
    if (!combines(combiner, dtype)) continue;
    for (const std::int64_t n : extents(dtype, combiner == Op::add)) {
      add(combiner, {n}, [](WindowAttrs& a) {
        a.extents = {3};
        a.low = a.high = {1};
      });
      add(combiner, {n, 7}, [](WindowAttrs& a) {
        a.extents = {2, 2};
        a.strides = {2, 1};
        a.window_dilations = {1, 3};
      });
      add(combiner, {3, n}, [](WindowAttrs& a) {
        a.extents = {1, 4};
        a.base_dilations = {2, 3};
        a.low = {-1, 2};
        a.high = {1, -1};
      });
    }
    add(combiner, {}, [](WindowAttrs&) {});
  }
  if (is_bool(dtype)) return cases;
  for (const std::int64_t n : extents(dtype))
    cases.push_back(
        {"extremum with its place",
         {special(dtype, {2, n}), indices(DType::i32, {2, n}, {5, 3, 8, 1})},
         [dtype](Values x) {
           Graph& graph = x[0].graph();
           return all_results(graph.make(
               Op::reduce_window,
               {x[0], x[1], graph.splat({dtype, {}}, 0), graph.splat({DType::i32, {}}, -1)},
               WindowAttrs{{1, 3}, {1, 2}, {1, 1}, {1, 1}, {0, 1}, {0, 1}}, std::nullopt,
               {extremum_with_place(graph, dtype)}));
         }});
  return cases;
}

Region replacing(const std::vector<DType>& dtypes, Graph& graph) {
  Region region;
  for (int side = 0; side < 2; ++side)
    for (DType dtype : dtypes) region.parameters.push_back({dtype, {}});
  for (std::size_t i = 0; i < dtypes.size(); ++i)
    region.results.push_back(
        graph.parameter(static_cast<std::int64_t>(dtypes.size() + i), {dtypes[i], {}}));
  return region;
}

std::vector<OpCase> scatters(DType dtype) {
  std::vector<OpCase> cases;
  const auto add = [&](std::optional<Op> combiner, const Ints& input, const Array& index,
                       const Ints& updates, const ScatterAttrs& attrs) {
    // Without a combiner updates replace.
    const Op data = combiner.value_or(Op::maximum);
    const std::uint64_t stream = 2 * cases.size();
    cases.push_back(
        {fmt::format("{} {} {} {}", combiner ? definition(*combiner).name : "replace",
                     Type{dtype, input}.pretty(), index.type().pretty(),
                     Type{dtype, updates}.pretty()),
         {combined(data, dtype, input, stream), index, combined(data, dtype, updates, stream + 1)},
         [=](Values x) {
           Graph& graph = x[0].graph();
           const Region region =
               combiner ? combiner_region(graph, *combiner, dtype) : replacing({dtype}, graph);
           return all_results(
               graph.make(Op::scatter, {x.begin(), x.end()}, attrs, std::nullopt, {region}));
         }});
  };
  std::vector<std::optional<Op>> combiners{std::nullopt};
  for (const Op combiner : kCombiners)
    if (combines(combiner, dtype)) combiners.push_back(combiner);
  for (const auto combiner : combiners)
    for (const std::int64_t n : extents(dtype, combiner == Op::add)) {
      // Rows, repeated and outside; elements; windows that stick out; one row for each batch.
      add(combiner, {9, n}, indices(DType::i32, {7, 1}, {3, -1, 8, 9, 3, 100, 0}), {7, n},
          ScatterAttrs{{1}, {0}, {}, {}, {0}, 1});
      add(combiner, {9, 5}, indices(DType::i64, {n, 2}, {3, 4, -1, 2, 8, 4, 9, -3, 3, 4}), {n},
          ScatterAttrs{{}, {0, 1}, {}, {}, {0, 1}, 1});
      add(combiner, {9, n}, indices(DType::ui8, {2, 3}, {3, 6, 255}), {4, 3, n / 2},
          ScatterAttrs{{0, 2}, {}, {}, {}, {0, 1}, 0});
      add(combiner, {3, n, 2}, indices(DType::i32, {3, 4}, {0, 1, 5, -2, 1}), {3, 4, 2},
          ScatterAttrs{{2}, {1}, {0}, {0}, {1}, 2});
    }
  add(std::nullopt, {}, indices(DType::i32, {0}, {0}), {}, ScatterAttrs{{}, {}, {}, {}, {}, 0});
  cases.push_back({"two inputs",
                   {special(dtype, {5}), special(DType::f32, {5}),
                    indices(DType::i32, {6, 1}, {4, 1, 4, -1, 0, 5}), special(dtype, {6}),
                    special(DType::f32, {6})},
                   [dtype](Values x) {
                     Graph& graph = x[0].graph();
                     return all_results(graph.make(
                         Op::scatter, {x.begin(), x.end()}, ScatterAttrs{{}, {0}, {}, {}, {0}, 1},
                         std::nullopt, {replacing({dtype, DType::f32}, graph)}));
                   }});
  return cases;
}

std::vector<OpCase> sorts(DType dtype) {
  std::vector<OpCase> cases;
  const auto add = [&](const Ints& dims, std::int64_t dim, Direction direction) {
    Array places(Type{DType::i32, dims});
    std::iota(places.data<std::int32_t>().begin(), places.data<std::int32_t>().end(), 0);
    // Plain comparisons, so that NaN and the zeros are equal to what is beside them.
    cases.push_back(
        {fmt::format("{} {} along {}", name_of(direction), Type{dtype, dims}.pretty(), dim),
         {special(dtype, dims), places},
         [dtype, dim, direction](Values x) {
           Graph& graph = x[0].graph();
           const Type value{dtype, {}}, place{DType::i32, {}};
           const Region region{
               {value, value, place, place},
               {build::compare(graph.parameter(0, value), graph.parameter(1, value), direction)}};
           return all_results(graph.make(Op::sort, {x.begin(), x.end()}, SortAttrs{dim, true},
                                         std::nullopt, {region}));
         }});
  };
  for (const std::int64_t n : extents(dtype)) {
    add({n}, 0, Direction::LT);
    add({n, 17}, 0, Direction::GT);
    add({3, n}, 1, Direction::LE);
    add({2, n, 3}, 1, Direction::LT);
  }
  add({200}, 0, Direction::LT);
  add({2, 131}, 1, Direction::GE);
  // NaN last, -0 before +0.
  if (!is_bool(dtype))
    cases.push_back({"total order", {special(dtype, {3, 67})}, [](Values x) {
                       return build::sort({x[0]}, 1);
                     }});
  return cases;
}

/// `count` rounds of x = x + x, from a counter that is carried.
std::vector<OpCase> loops(DType dtype) {
  std::vector<OpCase> cases;
  for (const std::int64_t n : extents(dtype))
    for (const std::int32_t rounds : {0, 1, 7})
      cases.push_back(
          {fmt::format("{} rounds of {}", rounds, n),
           {indices(DType::i32, {}, {rounds}), small(dtype, {n}, 5)},
           [dtype, n](Values x) {
             Graph& graph = x[0].graph();
             const Type counter{DType::i32, {}}, data{dtype, {n}};
             const Value left = graph.parameter(0, counter), value = graph.parameter(1, data);
             const Region condition{{counter, data},
                                    {build::compare(left, build::like(left, 0), Direction::GT)}};
             const Region body{
                 {counter, data},
                 {build::subtract(left, build::like(left, 1)), build::add(value, value)}};
             return all_results(
                 graph.make(Op::while_, {x.begin(), x.end()}, {}, std::nullopt, {condition, body}));
           }});
  return cases;
}

std::vector<OpCase> branches(DType dtype) {
  std::vector<OpCase> cases;
  for (const std::int64_t n : extents(dtype))
    for (const std::int32_t taken : {0, 1, 2, -1, 9})
      cases.push_back(
          {fmt::format("branch {} of {}", taken, n),
           {indices(DType::i32, {}, {taken}), small(dtype, {n}, 5), small(dtype, {n}, 6)},
           [dtype, n](Values x) {
             Graph& graph = x[0].graph();
             const Type data{dtype, {n}};
             const Value a = graph.parameter(0, data), b = graph.parameter(1, data);
             const std::vector<Type> parameters{data, data};
             return all_results(graph.make(Op::case_, {x.begin(), x.end()}, {}, std::nullopt,
                                           {{parameters, {a, build::add(a, b)}},
                                            {parameters, {build::multiply(a, b), b}},
                                            {parameters, {b, a}}}));
           }});
  return cases;
}

std::vector<OpCase> calls(Op op, DType dtype) {
  std::vector<OpCase> cases;
  for (const std::int64_t n : extents(dtype))
    cases.push_back({fmt::format("{}", n),
                     {small(dtype, {n}, 5), small(dtype, {n}, 6)},
                     [op, dtype, n](Values x) {
                       Graph& graph = x[0].graph();
                       const Type data{dtype, {n}};
                       const Value a = graph.parameter(0, data), b = graph.parameter(1, data);
                       return all_results(
                           graph.make(op, {x.begin(), x.end()},
                                      CallAttrs{op == Op::call ? "sum" : "kiln.stop_gradient", ""},
                                      std::nullopt, {{{data, data}, {build::add(a, b), b}}}));
                     }});
  return cases;
}

}  // namespace

std::vector<OpCase> cases_of(Op op, DType dtype) {
  const Traits& traits = definition(op).traits;
  if (traits.leaf) return leaves(op, dtype);
  if (traits.view) return movement(op, dtype);
  if (traits.indexed) return indexing(op, dtype);
  switch (op) {
    case Op::dot_general:
      return dots(dtype);
    case Op::reduce:
      return reductions(dtype);
    case Op::convolution:
      return convolutions(dtype);
    case Op::reduce_window:
      return windows(dtype);
    case Op::scatter:
      return scatters(dtype);
    case Op::sort:
      return sorts(dtype);
    case Op::while_:
      return loops(dtype);
    case Op::case_:
      return branches(dtype);
    case Op::call:
    case Op::composite:
      return calls(op, dtype);
    default:
      return {};
  }
}

}  // namespace kiln
