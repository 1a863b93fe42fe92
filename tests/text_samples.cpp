#include "tests/text_samples.h"

#include <algorithm>

#include "ir/build.h"
#include "ir/build_control.h"
#include "ir/op.h"
#include "tests/support.h"

namespace kiln {
namespace {

using namespace build;
using Values = const std::vector<Value>&;

constexpr DType kDTypes[] = {DType::i1,   DType::i8,  DType::i16,  DType::i32,
                             DType::i64,  DType::ui8, DType::ui16, DType::ui32,
                             DType::ui64, DType::f32, DType::f64};

const Type kScalar{DType::f32, {}}, kIndex{DType::i32, {}}, kMatrix{DType::f32, {4, 6}};

std::vector<Value> results_of(const Node* node) {
  std::vector<Value> results;
  for (std::size_t i = 0; i < node->types().size(); ++i)
    results.push_back({node, static_cast<int>(i)});
  return results;
}

/// Functions, added one by one.
class Samples {
 public:
  void add(const std::vector<Type>& types, const Body& body) {
    samples_.push_back(function_of(types, body));
  }
  /// Not where the op's shape rule wants other types.
  void add_if_valid(const std::vector<Type>& types, const Body& body) {
    try {
      add(types, body);
    } catch (const Error&) {
    }
  }
  std::vector<Function> take() { return std::move(samples_); }

 private:
  std::vector<Function> samples_;
};

void elementwise(Samples& samples, Op op) {
  for (const DType dtype : kDTypes)
    for (const Ints& dims : {Ints{}, Ints{2, 3}, Ints{0, 1}}) {
      const std::vector<Type> types(static_cast<std::size_t>(definition(op).arity), {dtype, dims});
      if (op == Op::compare) {
        for (const Direction direction : {Direction::EQ, Direction::NE, Direction::GE,
                                          Direction::GT, Direction::LE, Direction::LT})
          samples.add(types, [&](Values x) { return std::vector{compare(x[0], x[1], direction)}; });
      } else if (op == Op::convert || op == Op::bitcast_convert) {
        for (const DType to : kDTypes)
          samples.add_if_valid(types, [&](Values x) {
            return results_of(x[0].graph().make(op, {x[0]}, {}, Type{to, dims}));
          });
      } else if (op == Op::select) {
        for (const Ints& chosen : {Ints{}, dims})
          samples.add_if_valid({{DType::i1, chosen}, types[0], types[0]},
                               [&](Values x) { return std::vector{select(x[0], x[1], x[2])}; });
      } else {
        samples.add_if_valid(types, [&](Values x) { return results_of(x[0].graph().make(op, x)); });
      }
    }
}

void constants(Samples& samples) {
  for (const DType dtype : kDTypes) {
    const Array special = special_values(dtype);
    const auto constant = [&](const Array& array) {
      samples.add({kScalar}, [&](Values x) { return std::vector{x[0].graph().constant(array)}; });
    };
    constant(special);
    constant(random_array({dtype, {3, 2}}, 1));
    constant(random_array({dtype, {5, 40}}, 2));  // as bytes
    constant(Array(Type{dtype, {0, 3}}));
    constant(Array(Type{dtype, {100000}}));  // a splat
    for (std::int64_t i = 0; i < special.count(); ++i) {
      const auto size = static_cast<std::size_t>(size_of(dtype));
      Array one(Type{dtype, {}});
      std::copy_n(special.bytes().begin() + i * static_cast<std::int64_t>(size), size,
                  one.bytes().begin());
      constant(one);
    }
  }
}

/// A dot_general of these axes over an argument and itself.
void dot_generals(Samples& samples) {
  const auto dot = [&](const Ints& lhs, const Ints& rhs, const DotAttrs& attrs) {
    samples.add({{DType::f32, lhs}, {DType::f32, rhs}},
                [&](Values x) { return std::vector{dot_general(x[0], x[1], attrs)}; });
  };
  dot({}, {}, {});
  dot({3}, {3}, {{}, {}, {0}, {0}});
  dot({2, 3}, {3, 5}, {{}, {}, {1}, {0}});
  dot({4, 2, 3}, {4, 3, 5}, {{0}, {0}, {2}, {1}});
  dot({4, 2}, {4, 3}, {{0}, {0}, {}, {}});
  dot({0, 2}, {2, 0}, {{}, {}, {1}, {0}});
}

void convolutions(Samples& samples) {
  const ConvolutionAttrs nothing{.input_batch = 0,
                                 .input_feature = 1,
                                 .input_spatial = {},
                                 .kernel_input_feature = 1,
                                 .kernel_output_feature = 0,
                                 .kernel_spatial = {},
                                 .output_batch = 0,
                                 .output_feature = 1,
                                 .output_spatial = {},
                                 .strides = {},
                                 .low = {},
                                 .high = {},
                                 .lhs_dilation = {},
                                 .rhs_dilation = {},
                                 .reversed = {}};
  samples.add({{DType::f32, {2, 3}}, {DType::f32, {5, 3}}},
              [&](Values x) { return std::vector{convolution(x[0], x[1], nothing)}; });
  ConvolutionAttrs plain{.input_batch = 0,
                         .input_feature = 3,
                         .input_spatial = {1, 2},
                         .kernel_input_feature = 2,
                         .kernel_output_feature = 3,
                         .kernel_spatial = {1, 0},
                         .output_batch = 2,
                         .output_feature = 0,
                         .output_spatial = {1, 3},
                         .strides = {1, 1},
                         .low = {0, 0},
                         .high = {0, 0},
                         .lhs_dilation = {1, 1},
                         .rhs_dilation = {1, 1},
                         .reversed = {0, 0}};
  ConvolutionAttrs full = plain;
  full.strides = {2, 1};
  full.low = {1, -1};
  full.high = {0, 3};
  full.lhs_dilation = {1, 2};
  full.rhs_dilation = {2, 1};
  full.reversed = {0, 1};
  full.feature_group_count = 2;
  for (const ConvolutionAttrs& attrs : {plain, full}) {
    const std::int64_t features = 4 / attrs.feature_group_count;
    samples.add({{DType::f64, {2, 8, 9, 4}}, {DType::f64, {3, 3, features, 6}}},
                [&](Values x) { return std::vector{convolution(x[0], x[1], attrs)}; });
  }
}

/// add, a combiner that is no one op, several inputs, one that ignores its arguments.
void reductions(Samples& samples) {
  for (const Ints& axes : {Ints{}, Ints{1}, Ints{0, 1}})
    for (const Op op : {Op::add, Op::maximum})
      samples.add({kMatrix}, [&](Values x) { return std::vector{reduce(x[0], op, axes)}; });
  const auto with = [&](const std::function<Value(Value, Value)>& combine) {
    samples.add({kMatrix, kScalar}, [&](Values x) {
      Graph& graph = x[0].graph();
      const Value result = combine(graph.parameter(0, kScalar), graph.parameter(1, kScalar));
      return results_of(graph.make(Op::reduce, {x[0], x[1]}, DimsAttrs{{1}}, std::nullopt,
                                   {{{kScalar, kScalar}, {result}}}));
    });
  };
  with([](Value a, Value b) { return add(b, a); });
  with([](Value a, Value b) { return subtract(a, b); });
  with([](Value a, Value b) { return add(a, multiply(b, b)); });
  with([](Value a, Value) { return a; });
  with([](Value a, Value) { return like(a, 7); });
  samples.add({kMatrix, {DType::i32, {4, 6}}, kScalar, kIndex}, [&](Values x) {
    Graph& graph = x[0].graph();
    const Value best = graph.parameter(0, kScalar), place = graph.parameter(1, kIndex),
                element = graph.parameter(2, kScalar), here = graph.parameter(3, kIndex),
                better = compare(element, best, Direction::GT);
    const Region region{{kScalar, kIndex, kScalar, kIndex},
                        {select(better, element, best), select(better, here, place)}};
    return results_of(graph.make(Op::reduce, x, DimsAttrs{{0}}, std::nullopt, {region}));
  });
}

void windows(Samples& samples) {
  const WindowAttrs plain{{2, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
  const WindowAttrs full{{2, 3}, {2, 1}, {1, 2}, {2, 1}, {1, 0}, {-1, 2}};
  const WindowAttrs even{{2, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  for (const WindowAttrs& attrs : {plain, full, even})
    samples.add({kMatrix},
                [&](Values x) { return std::vector{reduce_window(x[0], Op::maximum, attrs)}; });
  samples.add({kScalar}, [&](Values x) { return std::vector{reduce_window(x[0], Op::add, {})}; });
}

void gathers(Samples& samples) {
  GatherAttrs rows;
  rows.offset_dims = {2};
  rows.collapsed_slice_dims = {0};
  rows.start_index_map = {0};
  rows.index_vector_dim = 2;
  rows.slice_sizes = {1, 4};
  rows.indices_are_sorted = true;
  samples.add({{DType::f32, {5, 6}}, {DType::i64, {2, 3, 1}}},
              [&](Values x) { return std::vector{gather(x[0], x[1], rows)}; });
  GatherAttrs batched;
  batched.offset_dims = {1};
  batched.collapsed_slice_dims = {1};
  batched.operand_batching_dims = {0};
  batched.start_indices_batching_dims = {0};
  batched.start_index_map = {1};
  batched.index_vector_dim = 1;
  batched.slice_sizes = {1, 1, 6};
  samples.add({{DType::i1, {3, 5, 6}}, {DType::i32, {3, 1}}},
              [&](Values x) { return std::vector{gather(x[0], x[1], batched)}; });
  samples.add({kScalar, {DType::i32, {0}}},
              [](Values x) { return std::vector{gather(x[0], x[1], {})}; });
}

void scatters(Samples& samples) {
  ScatterAttrs rows;
  rows.update_window_dims = {1};
  rows.inserted_window_dims = {0};
  rows.scatter_dims_to_operand_dims = {0};
  rows.index_vector_dim = 1;
  rows.indices_are_sorted = rows.unique_indices = true;
  const std::vector<Type> types{kMatrix, {DType::i32, {2, 1}}, {DType::f32, {2, 6}}};
  samples.add(types,
              [&](Values x) { return std::vector{scatter(x[0], x[1], x[2], rows, Op::add)}; });
  samples.add(types,
              [&](Values x) { return std::vector{scatter_replace(x[0], x[1], x[2], rows)}; });
  samples.add(types, [&](Values x) {
    Graph& graph = x[0].graph();
    std::vector<Value> p;
    for (int i = 0; i < 4; ++i) p.push_back(graph.parameter(i, kScalar));
    return scatter({x[0], negate(x[0])}, x[1], {x[2], x[2]}, rows,
                   {{kScalar, kScalar, kScalar, kScalar}, {add(p[0], p[3]), multiply(p[1], p[2])}});
  });
}

void loops(Samples& samples) {
  const auto less = [](Value bound) {
    return [bound](auto v) { return compare(v[0], bound, Direction::LT); };
  };
  samples.add({kIndex, kScalar, kMatrix}, [&](Values x) {
    return while_({x[0], x[1]}, less(like(x[0], 9)), [&](auto v) {
      return std::vector{add(v[0], like(v[0], 1)), multiply(v[1], x[1])};
    });
  });
  // A loop in a loop's body, a case in that, a value of the outermost in the innermost.
  samples.add({kIndex, kScalar, kMatrix}, [&](Values x) {
    return while_({x[0], x[2]}, less(x[0]), [&](auto v) {
      const Value i = v[0], m = v[1];
      const std::vector<Value> inner = while_({i, m}, less(i), [&](auto w) {
        const Value chosen = if_(
            compare(w[0], x[0], Direction::EQ), [&] { return std::vector{multiply(w[1], x[2])}; },
            [&] { return std::vector{negate(w[1])}; })[0];
        return std::vector{add(w[0], i), chosen};
      });
      return std::vector{add(i, like(i, 1)), inner[1]};
    });
  });
  samples.add({kScalar}, [&](Values x) {
    return counted(x[0].graph(), 5, {x[0], x[0]}, [](Value, std::span<const Value> v) {
      return std::vector{v[1], add(v[0], v[1])};
    });
  });
}

void choices(Samples& samples) {
  samples.add({kIndex, kMatrix, kMatrix}, [](Values x) {
    const std::vector<BranchFn> branches{
        [&] { return std::vector{add(x[1], x[2]), x[1]}; }, [&] { return std::vector{x[2], x[1]}; },
        [&] { return std::vector{multiply(x[2], x[1]), like(x[1], 3)}; }};
    return case_(x[0], branches);
  });
  // The same value outside under two operands, an operand that is not used, operands in another
  // order than that of their use; one of several results.
  samples.add({kIndex, kScalar, kScalar}, [](Values x) {
    Graph& graph = x[0].graph();
    const Value sorted = build::sort({reshape(x[1], {1}), reshape(x[2], {1})}, 0)[1];
    const Value p = graph.parameter(0, kScalar), q = graph.parameter(2, kScalar),
                r = graph.parameter(3, {DType::f32, {1}});
    const std::vector<Type> types{kScalar, kScalar, kScalar, {DType::f32, {1}}};
    return results_of(graph.make(Op::case_, {x[0], negate(x[1]), x[2], negate(x[1]), sorted}, {},
                                 std::nullopt, {{types, {q, r}}, {types, {subtract(p, q), r}}}));
  });
  // In each other; a constant from outside.
  samples.add({kIndex, kScalar}, [](Values x) {
    const Value seven = like(x[1], 7);
    return if_(
        compare(x[0], like(x[0], 0), Direction::GT),
        [&] {
          return if_(
              compare(x[1], seven, Direction::LT), [&] { return std::vector{add(x[1], seven)}; },
              [&] { return std::vector{seven}; });
        },
        [&] { return std::vector{x[1]}; });
  });
}

void movement(Samples& samples, Op op) {
  const auto add = [&](const std::vector<Type>& types, const std::function<Value(Values)>& make) {
    samples.add(types, [&](Values x) { return std::vector{make(x)}; });
  };
  switch (op) {
    case Op::iota:
      for (const DType dtype : {DType::i8, DType::ui64, DType::f32, DType::f64})
        for (const std::int64_t dim : {0, 1})
          add({kScalar}, [&](Values x) { return iota(x[0].graph(), {dtype, {3, 4}}, dim); });
      break;
    case Op::broadcast_in_dim:
      add({kScalar}, [](Values x) { return broadcast(x[0], {3}, {}); });
      add({kMatrix}, [](Values x) { return broadcast(x[0], {4, 2, 6}, {0, 2}); });
      add({{DType::i1, {4, 1}}}, [](Values x) { return broadcast(x[0], {4, 6}, {0, 1}); });
      break;
    case Op::reshape:
      add({kMatrix}, [](Values x) { return reshape(x[0], {2, 12}); });
      add({kScalar}, [](Values x) { return reshape(x[0], {1, 1}); });
      add({{DType::i8, {0, 3}}}, [](Values x) { return reshape(x[0], {5, 0}); });
      break;
    case Op::transpose:
      add({kMatrix}, [](Values x) { return transpose(x[0], {1, 0}); });
      add({kMatrix}, [](Values x) { return transpose(x[0], {0, 1}); });
      add({kScalar}, [](Values x) { return transpose(x[0], {}); });
      break;
    case Op::reverse:
      add({kMatrix}, [](Values x) { return reverse(x[0], {0, 1}); });
      add({kMatrix}, [](Values x) { return reverse(x[0], {1}); });
      break;
    case Op::slice:
      add({kMatrix}, [](Values x) { return slice(x[0], {0, 1}, {4, 6}, {1, 2}); });
      add({kMatrix}, [](Values x) { return slice(x[0], {2, 3}, {2, 6}); });
      break;
    case Op::pad:
      add({kMatrix, kScalar}, [](Values x) { return pad(x[0], x[1], {0, -1}, {1, 1}, {0, 1}); });
      add({kMatrix}, [](Values x) { return pad_zero(x[0], {0, 0}, {2, -3}); });
      break;
    case Op::concatenate:
      add({kMatrix, kMatrix, {DType::f32, {0, 6}}},
          [](Values x) { return concatenate({x[0], x[1], x[2], x[0]}, 0); });
      add({kMatrix}, [](Values x) { return concatenate({x[0], x[0]}, 1); });
      break;
    case Op::dynamic_slice:
      add({kMatrix, kIndex},
          [](Values x) { return dynamic_slice(x[0], std::vector{x[1], x[1]}, {2, 3}); });
      add({kScalar}, [](Values x) { return dynamic_slice(x[0], {}, {}); });
      break;
    case Op::dynamic_update_slice:
      add({kMatrix, {DType::f32, {2, 3}}, {DType::ui8, {}}},
          [](Values x) { return dynamic_update_slice(x[0], x[1], std::vector{x[2], x[2]}); });
      add({kScalar}, [](Values x) { return dynamic_update_slice(x[0], x[0], {}); });
      break;
    default:
      break;
  }
}

void sorts(Samples& samples) {
  for (const bool descending : {false, true})
    samples.add({kMatrix, {DType::i32, {4, 6}}},
                [&](Values x) { return build::sort(std::vector{x[0], x[1]}, 1, descending); });
  samples.add({{DType::i8, {5}}}, [](Values x) { return build::sort(std::vector{x[0]}, 0); });
  samples.add({{DType::i8, {5}}}, [](Values x) {
    const Node* node = build::sort(std::vector{x[0]}, 0)[0].node;
    return results_of(
        x[0].graph().make(Op::sort, {x[0]}, SortAttrs{0, false}, std::nullopt, node->regions()));
  });
}

/// Regions that are called: fused kernels that call each other's names, kiln's composites.
void calls(Samples& samples, Op op) {
  samples.add({kScalar, kMatrix}, [&](Values x) {
    Graph& graph = x[0].graph();
    std::vector<Value> results;
    for (const Value value : {x[0], x[1], negate(x[0])}) {
      const Value p = graph.parameter(0, value.type());
      const CallAttrs attrs{op == Op::call ? "map.0" : "kiln.stop_gradient",
                            op == Op::call ? "map" : ""};
      const Region region{{value.type()}, {op == Op::call ? multiply(p, p) : p}};
      results.push_back({graph.make(op, {value}, attrs, std::nullopt, {region}), 0});
    }
    return results;
  });
}

}  // namespace

std::vector<Function> text_samples(Op op) {
  Samples samples;
  if (definition(op).traits.elementwise) {
    elementwise(samples, op);
  } else {
    switch (op) {
      case Op::parameter:
        samples.add({kScalar, kMatrix}, [](Values x) { return std::vector{x[1], x[0], x[1]}; });
        break;
      case Op::constant:
        constants(samples);
        break;
      case Op::dot_general:
        dot_generals(samples);
        break;
      case Op::convolution:
        convolutions(samples);
        break;
      case Op::reduce:
        reductions(samples);
        break;
      case Op::reduce_window:
        windows(samples);
        break;
      case Op::gather:
        gathers(samples);
        break;
      case Op::scatter:
        scatters(samples);
        break;
      case Op::sort:
        sorts(samples);
        break;
      case Op::while_:
        loops(samples);
        break;
      case Op::case_:
        choices(samples);
        break;
      case Op::call:
      case Op::composite:
        calls(samples, op);
        break;
      default:
        movement(samples, op);
    }
  }
  return samples.take();
}

}  // namespace kiln
