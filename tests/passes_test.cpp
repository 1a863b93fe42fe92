// What each pass promises: its rules, the examples in its header, the kernels fusion finds, the
// memory plan.
#include <algorithm>
#include <map>
#include <set>

#include "frontend/gradient.h"
#include "frontend/layers.h"
#include "frontend/optim.h"
#include "frontend/trace.h"
#include "ir/build.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "ir/text.h"
#include "passes/autodiff.h"
#include "passes/error_bound.h"
#include "passes/fuse.h"
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "passes/plan_memory.h"
#include "passes/simplify.h"
#include "tests/catch.h"
#include "tests/plan_check.h"
#include "tests/random_graph.h"
#include "tests/support.h"

namespace kiln {
namespace {

using namespace build;
using Catch::Matchers::ContainsSubstring;

/// An element-wise rule's side over tensors instead of scalars.
Value over_tensors(Value scalar, const std::vector<Value>& arguments) {
  Graph& graph = arguments[0].graph();
  std::vector<Value> operands;
  const Node& node = *scalar.node;
  if (node.op() == Op::parameter)
    return arguments[static_cast<std::size_t>(node.attrs<ParameterAttrs>().index)];
  for (Value operand : node.operands()) operands.push_back(over_tensors(operand, arguments));
  return {graph.make(node.op(), operands, node.attrs(),
                     Type{scalar.type().dtype, arguments[0].type().dims}),
          0};
}

std::string rule_name(const ElementwiseRule& rule) {
  return fmt::format("{} of {}", rule.name, name_of(rule.dtype));
}

Value simplified(Value value) {
  Function function;
  function.results = {value};
  simplify(function);
  return function.results[0];
}

}  // namespace

// ---- simplify

TEST_CASE("each_elementwise_rule_keeps_every_bit") {
  for (const ElementwiseRule& rule : elementwise_rules()) {
    const Array some = special_values(rule.dtype);
    const std::int64_t n = some.count();
    // All pairs for two wildcards; a third is not in use.
    std::vector<Array> inputs(3, Array(Type{rule.dtype, {n * n}}));
    for (Array& input : inputs) input = input.clone();
    visit_dtype(rule.dtype, [&]<class T>(T) {
      for (std::int64_t i = 0; i < n * n; ++i) {
        inputs[0].data<T>()[static_cast<std::size_t>(i)] =
            some.data<T>()[static_cast<std::size_t>(i % n)];
        inputs[1].data<T>()[static_cast<std::size_t>(i)] =
            some.data<T>()[static_cast<std::size_t>(i / n)];
      }
    });
    const Function both = function_of(types_of(inputs), [&](const std::vector<Value>& x) {
      return std::vector{over_tensors(rule.pattern, x), over_tensors(rule.replacement, x)};
    });
    const auto results = interpret(both, inputs);
    INFO(rule_name(rule));
    // x² by pow is within an ulp in f64, where the product is exactly rounded.
    const bool square = rule.name == "power_two" && rule.dtype == DType::f64;
    CHECK(difference(results[1], results[0], {.ulps = square ? 1 : 0}) == kNone);
  }
}

TEST_CASE("each_elementwise_rule_is_applied_on_tensors_and_improves") {
  std::set<std::pair<std::string_view, DType>> seen;
  for (const ElementwiseRule& rule : elementwise_rules()) {
    INFO(rule_name(rule));
    CHECK(seen.emplace(rule.name, rule.dtype).second);
    Graph graph;
    std::vector<Value> x;
    for (int i = 0; i < 3; ++i) x.push_back(graph.parameter(i, {rule.dtype, {2, 3}}));
    const Value pattern = over_tensors(rule.pattern, x),
                replacement = over_tensors(rule.replacement, x);
    CHECK(simplified(pattern) == simplified(replacement));
    CHECK(pattern != replacement);
    CHECK(topological(std::vector{replacement}).size() <= topological(std::vector{pattern}).size());
    const Node& root = *pattern.node;
    if (traits(root).commutative && root.operand(0) != root.operand(1)) {
      const Value swapped = binary(root.op(), root.operand(1), root.operand(0));
      CHECK(simplified(swapped) != swapped);
    }
  }
}

TEST_CASE("an_elementwise_rule_needs_one_value_for_one_wildcard") {
  Graph graph;
  const Value x = graph.parameter(0, {DType::f32, {4}}), y = graph.parameter(1, {DType::f32, {4}});
  const Value different = binary(Op::maximum, x, y);
  CHECK(simplified(different) == different);
  CHECK(simplified(binary(Op::maximum, x, x)) == x);
  const Value plus_zero = add(x, like(x, 0));  // -0 + 0 is +0
  CHECK(simplified(plus_zero) == plus_zero);
}

TEST_CASE("rules_about_shapes_give_the_better_graph") {
  Graph graph;
  const auto f32 = [&](int index, Ints dims) {
    return graph.parameter(index, {DType::f32, std::move(dims)});
  };
  const Value m = f32(0, {2, 3}), n = f32(1, {3, 5}), t = f32(2, {5, 3}), v = f32(3, {3}),
              c = f32(4, {2, 3, 5});
  const Value p = graph.parameter(5, {DType::i1, {2, 3}}), u = f32(6, {3, 2});
  const DotAttrs matmul{{}, {}, {1}, {0}};
  struct Case {
    const char* name;
    Value before, after;
  };
  const std::vector<Case> cases = {
      {"view_of_splat", transpose(like(m, 2), {1, 0}), graph.splat({DType::f32, {3, 2}}, 2)},
      {"view_of_splat, broadcast", broadcast(like(v, 2), {4, 3}, {1}),
       graph.splat({DType::f32, {4, 3}}, 2)},
      {"trivial_view", transpose(m, {0, 1}), m},
      {"trivial_view, broadcast", broadcast(m, {2, 3}, {0, 1}), m},
      {"trivial_convert", convert(m, DType::f32), m},
      {"select_between_equals", select(p, m, m), m},
      {"reshape_of_reshape", reshape(reshape(m, {6}), {3, 2}), reshape(m, {3, 2})},
      {"reshape_of_reshape, back", reshape(reshape(m, {6}), {2, 3}), m},
      {"transpose_of_transpose", transpose(transpose(c, {2, 0, 1}), {1, 0, 2}),
       transpose(c, {0, 2, 1})},
      {"transpose_of_transpose, back", transpose(transpose(c, {2, 0, 1}), {1, 2, 0}), c},
      {"broadcast_of_broadcast", broadcast(broadcast(v, {3, 5}, {0}), {2, 3, 5}, {1, 2}),
       broadcast(v, {2, 3, 5}, {1})},
      {"broadcast_of_unit_reshape", broadcast(reshape(v, {3, 1}), {3, 5}, {0, 1}),
       broadcast(v, {3, 5}, {0})},
      {"dot_of_transpose, left", dot_general(transpose(u, {1, 0}), n, matmul),
       dot_general(u, n, {{}, {}, {0}, {0}})},
      {"dot_of_transpose, right", dot_general(m, transpose(t, {1, 0}), matmul),
       dot_general(m, t, {{}, {}, {1}, {1}})},
      {"transpose_of_dot", transpose(dot_general(m, n, matmul), {1, 0}),
       dot_general(n, m, {{}, {}, {0}, {1}})},
      {"reduce_over_nothing", reduce(m, Op::maximum, {}), m},
      // What must stay:
      {"transpose of a square", transpose(f32(7, {3, 3}), {1, 0}),
       transpose(f32(7, {3, 3}), {1, 0})},
      {"a broadcast that swaps", broadcast(f32(7, {3, 3}), {3, 3}, {1, 0}),
       broadcast(f32(7, {3, 3}), {3, 3}, {1, 0})},
      {"a sum over nothing turns -0 into +0", reduce(m, Op::add, {}), reduce(m, Op::add, {})},
      {"free axes that change their order",
       dot_general(transpose(c, {2, 1, 0}), v, {{}, {}, {1}, {0}}),
       dot_general(transpose(c, {2, 1, 0}), v, {{}, {}, {1}, {0}})},
  };
  for (const Case& one : cases) {
    INFO(one.name);
    CHECK(simplified(one.before) == one.after);
    // And both mean the same.
    std::vector<Array> inputs;
    for (const Value parameter : {m, n, t, v, c, p, u, f32(7, {3, 3})})
      inputs.push_back(random_array(parameter.type(), inputs.size()));
    const Region region{{}, {one.before, one.after}};
    const auto results = interpret(region, inputs);
    CHECK(difference(results[1], results[0]) == kNone);
  }
}

TEST_CASE("simplify_reaches_through_several_rules_at_once") {
  Graph graph;
  const Value x = graph.parameter(0, {DType::f32, {2, 3}});
  const Value one = broadcast(graph.splat({DType::f32, {}}, 1), {2, 3}, {});
  const Value messy =
      negate(negate(multiply(transpose(transpose(divide(x, one), {1, 0}), {1, 0}), one)));
  CHECK(simplified(messy) == x);
}

// ---- fold, cse, dce, composites

namespace {

/// A pass of the list, by name.
void run_pass(std::string_view name, Function& function) {
  for (const Pass& pass : graph_passes(Mode::fused))
    if (pass.name == name) return pass.run(function);
  FAIL("no pass " << name);
}

int count(const Function& function, Op op) {
  int found = 0;
  for (const Node* node : topological(function.results)) found += node->op() == op;
  return found;
}

}  // namespace

TEST_CASE("fold_computes_what_depends_on_constants_alone") {
  Function function = function_of({Type{DType::f32, {2, 2}}}, [](const std::vector<Value>& x) {
    Graph& graph = x[0].graph();
    const Value e = unary(Op::exponential, graph.splat({DType::f32, {2, 2}}, 3));
    const Value list = graph.constant(Array::of<float>({2, 2}, {1, 2, 3, 4}));
    const Value dot = dot_general(list, transpose(list, {1, 0}), {{}, {}, {1}, {0}});
    const Value huge =
        add(iota(graph, {DType::f32, {5000}}, 0), graph.splat({DType::f32, {5000}}, 1));
    return std::vector{multiply(x[0], e), dot, reduce(list, Op::add, {0, 1}), huge,
                       convert(compare(list, e, Direction::LT), DType::i32)};
  });
  run_pass("fold", function);
  const auto constant = [&](std::size_t r) {
    return function.results[r].node->attrs<ConstantAttrs>().value;
  };
  CHECK(function.results[0].node->operand(1).node->attrs<ConstantAttrs>().value.same_bits(
      Array::scalar(20.0855369231876677F)));
  CHECK(constant(1).same_bits(Array::of<float>({2, 2}, {5, 11, 11, 25})));
  CHECK(constant(2).same_bits(Array::scalar(10.0F)));
  CHECK(function.results[3].node->op() == Op::add);  // too large to be worth a constant
  CHECK(constant(4).same_bits(Array::scalar(1)));    // all equal: stored once
  CHECK(function.results[4].type() == Type{DType::i32, {2, 2}});
  verify(function);
}

TEST_CASE("cse_makes_one_node_of_a_plus_b_and_b_plus_a") {
  Function function =
      function_of({Type{DType::f32, {4}}, Type{DType::f32, {4}}}, [](const std::vector<Value>& x) {
        return std::vector{add(x[0], x[1]), add(x[1], x[0]), subtract(x[1], x[0]),
                           subtract(x[0], x[1])};
      });
  CHECK(function.results[0] != function.results[1]);
  run_pass("cse", function);
  CHECK(function.results[0] == function.results[1]);
  CHECK(function.results[2] != function.results[3]);
}

TEST_CASE("dce_copies_what_the_results_need_and_where_it_was_written") {
  Function function = function_of({Type{DType::f32, {4}}}, [](const std::vector<Value>& x) {
    unary(Op::sine, x[0]);  // dead
    return std::vector{unary(Op::tanh, x[0], {"user.cpp", 3, 1})};
  });
  const int before = function.graph->size();
  run_pass("dce", function);
  CHECK(before == 3);
  CHECK(function.graph->size() == 2);
  CHECK(function.graph->locations(function.results[0].node).at(0) == Location("user.cpp", 3, 1));
  verify(function);
}

TEST_CASE("composites_are_inlined_and_stop_gradient_is_honoured") {
  Function function = trace({Type{DType::f64, {3}}}, [](const std::vector<Tensor>& x) {
    const Tensor loss = sum(stop_gradient(x[0] * 2.0) * x[0]);
    return std::vector{loss, grad(loss, {x[0]})[0]};
  });
  const std::vector<Array> inputs = {Array::of<double>({3}, {1, 2, 3})};
  CHECK(difference(interpret(function, inputs)[1], Array::of<double>({3}, {2, 4, 6})) == kNone);
  CHECK(count(function, Op::composite) == 1);
  run_pass("inline_composites", function);
  CHECK(count(function, Op::composite) == 0);
  CHECK(difference(interpret(function, inputs)[1], Array::of<double>({3}, {2, 4, 6})) == kNone);
  check_modes(function, inputs);
}

TEST_CASE("each_pass_can_be_switched_off_and_the_results_stay_right") {
  for (const Mode mode : {Mode::unfused, Mode::fused})
    for (const std::string_view name :
         {"inline_composites", "merge_loops", "simplify", "fold", "cse", "dce"})
      for (std::uint64_t seed = 5000; seed < 5006; ++seed) {
        const RandomGraph graph = random_graph(seed);
        PipelineOptions options;
        options.mode = mode;
        options.disabled.emplace(name);
        INFO("without " << name << ", seed " << seed << "\n" << to_text(graph.function));
        const auto expected = error_bounds(graph.function, graph.inputs);
        const auto results = execute(graph.function, graph.inputs, options);
        for (std::size_t r = 0; r < results.size(); ++r)
          CHECK(violation(results[r], expected[r]) == kNone);
      }
}

TEST_CASE("the_runner_reports_each_pass_and_shows_the_graph_after_it") {
  Function function = random_graph(1).function;
  PipelineOptions options;
  std::vector<std::string> shown;
  options.after = [&](std::string_view pass, const Function& after) {
    shown.emplace_back(pass);
    verify(after);
  };
  options.disabled = {"cse"};
  const auto reports = run_passes(function, options);
  CHECK(shown == std::vector<std::string>{"inline_composites", "merge_loops", "simplify", "fold",
                                          "dce", "stream", "fuse", "rematerialise"});
  REQUIRE(reports.size() == shown.size());
  for (std::size_t i = 0; i < shown.size(); ++i) {
    CHECK(reports[i].name == shown[i]);
    CHECK(reports[i].nodes_before > 0);
    CHECK(reports[i].seconds >= 0);
  }
}

TEST_CASE("switching_off_an_unknown_pass_is_an_error_that_lists_the_passes") {
  Function function = random_graph(1).function;
  PipelineOptions options;
  options.disabled = {"simplyfy"};
  CHECK_THROWS_WITH(run_passes(function, options),
                    "there is no pass 'simplyfy'; the passes are inline_composites, merge_loops, "
                    "simplify, fold, cse, dce, stream, fuse, rematerialise");
}

TEST_CASE("verify_finds_planted_breakage") {
  const Type type{DType::f32, {4}};
  const Function good = function_of({type, type}, [](const std::vector<Value>& x) {
    return std::vector{add(x[0], x[1]), negate(x[0])};
  });
  verify(good);
  const auto broken = [&](const std::function<void(Function&)>& plant,
                          const std::string& complaint) {
    Function function = good;
    plant(function);
    INFO(complaint);
    CHECK_THROWS_WITH(verify(function), ContainsSubstring(complaint));
    CHECK_THROWS_AS(verify(function), InternalError);
  };
  broken([](Function& f) { f.arguments.pop_back(); }, "uses the parameters it has");
  broken([](Function& f) { f.arguments[1].type.dims = {5}; }, "uses the parameters it has");
  broken([](Function& f) { f.arguments[0].alias = 2; }, "an aliased result exists");
  broken([](Function& f) { f.arguments[0].alias = f.arguments[1].alias = 0; },
         "aliased to one argument");
  broken(
      [](Function& f) {
        f.results[0] = convert(f.results[0], DType::f64);
        f.arguments[0].alias = 0;
      },
      "has its argument's type");
  broken(
      [](Function& f) {
        static Graph other;
        f.results[0] = other.parameter(0, f.arguments[0].type);
      },
      "belongs to the function's graph");
  broken([](Function& f) { f.results[0] = {f.results[0].node, 1}; }, "exists");
}

// ---- autodiff

TEST_CASE("the_example_in_autodiff_h_stays_true") {
  const Function function = function_of({Type{DType::f32, {3}}}, [](const std::vector<Value>& x) {
    const Value sum = reduce(multiply(x[0], x[0]), Op::add, {0});
    return gradients(std::vector{sum}, std::vector{like(sum, 1)}, std::vector{x[0]});
  });
  const Value gradient = function.results[0];
  CHECK(gradient.node->op() == Op::add);
  CHECK(gradient.node->operand(0) == gradient.node->operand(1));
  const Value product = gradient.node->operand(0);
  CHECK(product.node->op() == Op::multiply);
  CHECK(product.node->operand(0) == broadcast(product.graph().splat({DType::f32, {}}, 1), {3}, {}));
  CHECK(product.node->operand(1) == function.argument(0));
}

TEST_CASE("gradients_of_what_a_result_does_not_depend_on_are_zero") {
  Graph graph;
  const Value x = graph.parameter(0, {DType::f32, {2}}), y = graph.parameter(1, {DType::f32, {3}});
  const Value i = graph.parameter(2, {DType::i32, {2}});
  const Value z = multiply(x, convert(i, DType::f32));
  const auto g = gradients(std::vector{z}, std::vector{like(z, 1)}, std::vector{y, i, x, z});
  CHECK(g[0] == like(y, 0));
  CHECK(g[1] == like(i, 0));
  CHECK(g[2] == multiply(like(z, 1), convert(i, DType::f32)));
  CHECK(g[3] == like(z, 1));
}

// ---- fuse

namespace {

struct Kernel {
  std::string kind;
  std::multiset<std::string> ops;  // without leaves and views
  const Node* call;
  bool has(const std::string& op) const { return ops.contains(op); }
};

std::vector<Kernel> kernels(const Function& function) {
  std::vector<Kernel> found;
  for (const Node* node : topological(function.results)) {
    if (node->op() != Op::call) continue;
    Kernel kernel{node->attrs<CallAttrs>().kind, {}, node};
    for (const Node* inner : topological(node->regions()[0].results))
      if (!traits(*inner).leaf && !traits(*inner).view)
        kernel.ops.emplace(definition(inner->op()).name);
    found.push_back(std::move(kernel));
  }
  return found;
}

std::vector<Kernel> fused(Function function) {
  run_passes(function);
  return kernels(function);
}

struct Perceptron : Module {
  Linear layer1{this, "layer1", 784, 256}, layer2{this, "layer2", 256, 128},
      layer3{this, "layer3", 128, 10};
  Tensor operator()(const Tensor& x) const { return layer3(relu(layer2(relu(layer1(x))))); }
};

/// The training step of the digits model.
Function digits_step() {
  const Perceptron network;
  Adam adam;
  return Trace::run(
             [&](const std::vector<Tensor>& in) {
               auto [loss, gradients] = value_and_grad(
                   [&] { return cross_entropy(network(in[0]), in[1]); }, network.parameters());
               adam.update(network.parameters(), gradients);
               return std::vector{loss};
             },
             {Type{DType::f32, {64, 784}}, Type{DType::i32, {64}}})
      .function;
}

}  // namespace

TEST_CASE("softmax_and_cross_entropy_forward_and_backward_are_one_row_kernel") {
  for (const Type& target : {Type{DType::i32, {64}}, Type{DType::f32, {64, 10}}}) {
    const auto found =
        fused(trace({Type{DType::f32, {64, 10}}, target}, [](const std::vector<Tensor>& in) {
          const Tensor loss = cross_entropy(in[0], in[1]);
          return std::vector{loss, grad(loss, {in[0]})[0]};
        }));
    INFO(target.pretty());
    REQUIRE(found.size() == 1);
    CHECK(found[0].kind == "row");
    CHECK(found[0].ops.count("reduce") >= 3);
  }
}

TEST_CASE("a_masked_softmax_is_one_row_kernel_and_so_is_layer_norm_with_their_gradients") {
  const auto softmax_kernels =
      fused(trace({Type{DType::f32, {32, 50}}, Type{DType::i1, {32, 50}}}, [](const auto& in) {
        return std::vector{softmax(where(in[1], in[0], -1e6), 1)};
      }));
  CHECK(softmax_kernels.size() == 1);
  const auto norm_kernels = fused(trace({Type{DType::f32, {32, 50}}}, [](const auto& in) {
    const Tensor centred = in[0] - mean(in[0], {1}, true);
    return std::vector{centred * rsqrt(mean(square(centred), {1}, true) + 1e-5)};
  }));
  CHECK(norm_kernels.size() == 1);
}

TEST_CASE("bias_and_relu_sit_in_the_contractions_kernel") {
  // The example in passes/fuse.h.
  const auto found = fused(
      trace({Type{DType::f32, {64, 784}}, Type{DType::f32, {256, 784}}, Type{DType::f32, {256}}},
            [](const auto& in) { return std::vector{relu(linear(in[0], in[1], in[2]))}; }));
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == "contract");
  CHECK(found[0].ops == std::multiset<std::string>{"dot_general", "add", "compare", "select"});
}

TEST_CASE("adams_update_sits_in_the_weight_gradients_kernel") {
  const auto found = fused(digits_step());
  int contractions = 0, updates = 0;
  for (const Kernel& kernel : found) {
    contractions += kernel.kind == "contract";
    // The moments and the quotient of the update beside the product that is the gradient.
    updates += kernel.kind == "contract" && kernel.has("sqrt") && kernel.has("divide");
  }
  CHECK(contractions == 3 + 2 + 3);  // forward, through the layers, weight gradients
  CHECK(updates == 3);
  CHECK(found.size() <= 11);
}

TEST_CASE("each_op_is_a_kernel_of_its_own_in_unfused_mode") {
  Function function = trace({Type{DType::f32, {8, 5}}},
                            [](const auto& in) { return std::vector{softmax(in[0], 1)}; });
  PipelineOptions options;
  options.mode = Mode::unfused;
  run_passes(function, options);
  for (const Kernel& kernel : kernels(function)) CHECK(kernel.ops.size() == 1);
  CHECK(kernels(function).size() == 5);  // max, subtract, exp, sum, divide
}

TEST_CASE("graphs_that_could_trap_fusion_compile_to_the_same_results") {
  const auto f32 = [](Ints dims, std::uint64_t stream) {
    return random_array({DType::f32, std::move(dims)}, stream);
  };
  struct Case {
    const char* name;
    std::vector<Array> inputs;
    TensorBody body;
  };
  const std::vector<Case> cases = {
      {"x + transpose(x)",
       {f32({20, 20}, 1)},
       [](const auto& in) { return std::vector{in[0] + transpose(in[0], 0, 1)}; }},
      {"exp(x) + transpose(exp(x))",
       {f32({20, 20}, 1)},
       [](const auto& in) {
         const Tensor e = exp(in[0]);
         return std::vector{e + transpose(e, 0, 1), sum(e, {0}) + sum(e, {1})};
       }},
      {"a diamond through a contraction",
       {f32({20, 20}, 1)},
       [](const auto& in) {
         const Tensor a = tanh(in[0]), b = matmul(a, a);
         return std::vector{a + b, a * 2.0, relu(b) - a};
       }},
      {"a diamond through a reduction over rows and columns",
       {f32({18, 33}, 1)},
       [](const auto& in) {
         const Tensor a = in[0] * 2.0;
         return std::vector{a - sum(a, {1}, true) + sum(a, {0}, true) * sum(a)};
       }},
      {"two products of one operand with a common epilogue",
       {f32({8, 16}, 1), f32({16, 24}, 2)},
       [](const auto& in) {
         const Tensor a = matmul(in[0], in[1]), b = matmul(in[0] * 2.0, in[1]);
         return std::vector{a + b, a - b, sum(a * b)};
       }},
      {"a value and its reshape in one sum",
       {f32({6, 4}, 1)},
       [](const auto& in) {
         const Tensor a = in[0] + 1.0;
         return std::vector{reshape(a, {4, 6}) * 2.0, a, reshape(reshape(a, {24}), {6, 4}) + a};
       }},
      {"a softmax of a softmax the other way",
       {f32({16, 17}, 1)},
       [](const auto& in) { return std::vector{softmax(softmax(in[0], 1), 0)}; }},
  };
  for (const Case& one : cases) {
    INFO(one.name);
    check(one.body, one.inputs);
  }
}

TEST_CASE("a_norm_over_more_tensors_than_a_kernel_has_dimensions_takes_several_kernels") {
  std::vector<Array> inputs;
  for (std::int64_t i = 0; i < 40; ++i)
    inputs.push_back(
        random_array({DType::f32, {2 + i % 23, 3 + i % 17}}, static_cast<std::uint64_t>(i)));
  check(
      [](const auto& in) {
        Tensor total = sum(square(in[0]));
        for (std::size_t i = 1; i < in.size(); ++i) total = total + sum(square(in[i]));
        const Tensor scale = minimum(1.0, 1.0 / sqrt(total));  // as gradients are clipped
        std::vector<Tensor> results = {total};
        for (const Tensor& x : in) results.push_back(x * scale);
        return results;
      },
      inputs);
}

TEST_CASE("dce_and_fusion_of_a_deep_network_stay_fast", "[timing]") {
  // What copies the graph for each node takes minutes.
  Function function =
      trace({Type{DType::f32, {4, 8}}, Type{DType::f32, {8, 8}}}, [](const auto& in) {
        Tensor x = in[0];
        for (int i = 0; i < 4000; ++i) x = x + tanh(matmul(x, in[1]));
        return std::vector{x};
      });
  double seconds = 0;
  for (const PassReport& report : run_passes(function)) seconds += report.seconds;
  CHECK(kernels(function).size() == 4000);
  CHECK(seconds < 3);
}

TEST_CASE("kernels_of_random_graphs_are_in_an_order_that_can_run") {
  for (std::uint64_t seed = 6000; seed < 6200; ++seed) {
    Function function = random_graph(seed).function;
    run_passes(function);  // verifies
    const auto needs_none = [](const Node& node) {
      return traits(node).leaf || traits(node).control || node.op() == Op::reshape;
    };
    for (const Node* node : topological(function.results))
      if (node->op() != Op::call && !needs_none(*node))
        FAIL("seed " << seed << ": " << summary(*node) << " is in no kernel");
  }
}

// ---- lower, plan memory

TEST_CASE("views_vanish_into_strides") {
  Function function = trace({Type{DType::f32, {4, 6}}, Type{DType::f32, {6}}}, [](const auto& in) {
    return std::vector{transpose(in[0], 0, 1) * unsqueeze(in[1], 1)};
  });
  run_passes(function);
  const auto found = kernels(function);
  REQUIRE(found.size() == 1);
  const space::Kernel kernel = lower(*found[0].call);
  CHECK(kernel.dims.size() == 2);
  std::multiset<Ints> strides;
  for (const auto& expr : kernel.exprs)
    if (expr.kind == space::Expr::Kind::load) strides.insert(expr.access.strides);
  CHECK(strides == std::multiset<Ints>{{1, 6}, {1, 0}});
  CHECK(kernel.stores.at(0).access.strides == Ints{4, 1});
}

TEST_CASE("dense_neighbours_collapse_into_one_dimension") {
  Function function =
      trace({Type{DType::f32, {4, 6, 5}}}, [](const auto& in) { return std::vector{tanh(in[0])}; });
  run_passes(function);
  const space::Kernel kernel = lower(*kernels(function).at(0).call);
  CHECK(kernel.dims.size() == 1);
  CHECK(kernel.dims.at(0).extent == 120);
}

TEST_CASE("the_arena_never_overlaps_live_values") {
  for (std::uint64_t seed = 7000; seed < 7150; ++seed)
    for (const Mode mode : {Mode::unfused, Mode::fused}) {
      Function function = random_graph(seed).function;
      PipelineOptions options;
      options.mode = mode;
      run_passes(function, options);
      const StepPlan plan = plan_step(function, {});
      if (const std::string found = overlap(plan); !found.empty())
        FAIL("seed " << seed << ": " << found << "\n" << plan.memory_text());
      CHECK(plan.program.arena_bytes >= plan.memory.bound);
    }
}

TEST_CASE("the_arena_of_the_digits_step_is_hardly_larger_than_what_lives_at_once") {
  Function function = digits_step();
  run_passes(function);
  const StepPlan plan = plan_step(function, {});
  CHECK(overlap(plan) == kNone);
  CHECK(static_cast<double>(plan.program.arena_bytes) <=
        1.05 * static_cast<double>(plan.memory.bound));
  // Weights and moments are updated in place; only the step number, which updates read, may be
  // copied.
  CHECK(plan.memory.copies <= 1);
  int copied = 0;
  for (const Launch& launch : plan.program.launches)
    if (launch.label == "copy")
      copied += static_cast<int>(plan.space_of(launch).buffers.at(0).count);
  CHECK(copied <= 1);
}

namespace {

struct StateCase {
  const char* name;
  Ints dims;
  // From the state and an input of its shape: its new value, then results.
  std::function<std::vector<Tensor>(const Tensor& state, const Tensor& x)> body;
  int copies;  // in fused mode
};

/// argument 0 takes result 0.
Function with_state(const StateCase& one) {
  const Type type{DType::f32, one.dims};
  Function function = trace({type, type}, [&](const auto& in) { return one.body(in[0], in[1]); });
  function.arguments[0].alias = 0;
  return function;
}

}  // namespace

TEST_CASE("state_is_updated_in_place_only_where_nothing_needs_the_old_value_later") {
  const std::vector<StateCase> cases = {
      {"a moving average",
       {40},
       [](const Tensor& s, const Tensor& x) { return std::vector{s * 0.9 + x * 0.1}; },
       0},
      {"its old value is another result of the same kernel",
       {40},
       [](const Tensor& s, const Tensor& x) { return std::vector{s * 0.9 + x, s * 2.0}; },
       0},
      {"its old value is read by a contraction before",
       {20, 20},
       [](const Tensor& s, const Tensor& x) { return std::vector{s - x, matmul(s, x)}; },
       0},
      {"its old value is read by a kernel that needs the new one",
       {20, 20},
       [](const Tensor& s, const Tensor& x) {
         const Tensor next = s * 0.5 + x;
         return std::vector{next, matmul(next, x) + s};
       },
       1},
      {"its new value is its transpose",
       {20, 20},
       [](const Tensor& s, const Tensor&) { return std::vector{transpose(s, 0, 1)}; },
       1},
      {"it is contracted with itself",
       {20, 20},
       [](const Tensor& s, const Tensor&) { return std::vector{matmul(s, s)}; },
       1},
      {"its new value depends on its sum",
       {40},
       [](const Tensor& s, const Tensor&) { return std::vector{s - sum(s)}; },
       0},
      {"its new value depends on its row",
       {16, 33},
       [](const Tensor& s, const Tensor&) { return std::vector{softmax(s, 1)}; },
       0},
      {"its new value is the other argument",
       {40},
       [](const Tensor&, const Tensor& x) { return std::vector{x, x + 1.0}; },
       0},
      {"its old value comes back in another shape",
       {6, 4},
       [](const Tensor& s, const Tensor& x) {
         return std::vector{s + x, reshape(s, {4, 6}) * 2.0};
       },
       0},
      {"its new value is an unrelated constant",
       {40},
       [](const Tensor& s, const Tensor& x) { return std::vector{x * 0.0 + 3.0, s}; },
       0},
  };
  for (const StateCase& one : cases) {
    INFO(one.name);
    const Function function = with_state(one);
    const std::vector<Array> inputs = {random_array({DType::f32, one.dims}, 1),
                                       random_array({DType::f32, one.dims}, 2)};
    check_modes(function, inputs, {.relative = 1e-5});
    Function compiled = function;
    run_passes(compiled);
    CHECK(plan_step(compiled, {}).memory.copies == one.copies);
  }
}

TEST_CASE("two_states_may_exchange_their_values") {
  const Type type{DType::f32, {33}};
  Function function = trace({type, type, type}, [](const auto& in) {
    return std::vector{in[1], in[0], in[2] + in[0] * in[1]};
  });
  for (int i = 0; i < 3; ++i) function.arguments[static_cast<std::size_t>(i)].alias = i;
  const std::vector<Array> inputs = {random_array(type, 1), random_array(type, 2),
                                     random_array(type, 3)};
  check_modes(function, inputs);
}

TEST_CASE("a_kernel_of_many_long_rows_keeps_to_its_share_of_the_stack") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Type type{dtype, {16000, 20}};
    const Function function = trace({type}, [](const auto& in) {
      Tensor x = in[0];
      for (int i = 0; i < 6; ++i) x = softmax(x, 0) + tanh(x);  // a column is a row of 16000
      return std::vector{x};
    });
    PipelineOptions options;
    Function compiled = function;
    run_passes(compiled, options);
    for (const loop::Kernel& kernel : plan_step(compiled, {}).program.kernels) {
      std::int64_t bytes = 0;
      for (const loop::Buffer& buffer : kernel.buffers)
        if (buffer.kind == loop::Buffer::Kind::local) bytes += buffer.count * size_of(buffer.dtype);
      CHECK(bytes <= 2 << 20);
    }
    const std::vector<Array> inputs = {random_array(type, 1)};
    const Array fused = execute(function, inputs, options)[0];
    options.mode = Mode::unfused;
    CHECK(difference(fused, execute(function, inputs, options)[0], {.relative = 1e-5}) == kNone);
  }
}

TEST_CASE("the_memory_text_lists_every_launch") {
  Function function = digits_step();
  run_passes(function);
  const StepPlan plan = plan_step(function, {});
  const std::string text = plan.memory_text();
  for (std::size_t launch = 0; launch < plan.program.launches.size(); ++launch)
    CHECK_THAT(text, ContainsSubstring(fmt::format("\nlaunch {:3} ", launch)));
  CHECK_THAT(text,
             ContainsSubstring("parameters") && ContainsSubstring("launch   0 contract_0 (arg0"));
}

}  // namespace kiln
