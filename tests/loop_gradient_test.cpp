// Derivatives of loops, branches and composites, against central differences; first and second.
#include <cmath>

#include "ir/build.h"
#include "ir/build_control.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "passes/autodiff.h"
#include "passes/merge_loops.h"
#include "passes/trip_count.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using namespace build;
using Values = std::vector<Value>;

Type f64(Ints dims) { return {DType::f64, std::move(dims)}; }
Array some(Ints dims, std::uint64_t stream) { return random_array(f64(std::move(dims)), stream); }
Value matmul(Value a, Value b) { return dot_general(a, b, {{}, {}, {1}, {0}}); }
Value number(Graph& graph, std::int64_t value) { return graph.constant(Array::scalar(value)); }

/// The gradient of the sum of the results' cubes, with respect to every float argument.
Body gradient_of_cubes(const Body& body) {
  return [body](const Values& in) {
    Values cubes, ones, wrt;
    for (const Value y : body(in)) {
      if (!is_float(y.type().dtype)) continue;
      cubes.push_back(multiply(y, multiply(y, y)));
      ones.push_back(like(y, 1));
    }
    for (const Value argument : in)
      if (is_float(argument.type().dtype)) wrt.push_back(argument);
    return gradients(cubes, ones, wrt);
  };
}

/// First and second derivatives, interpreted and compiled.
void check_twice(const std::vector<Array>& inputs, const Body& body) {
  check_gradient(inputs, body, 1e-6);
  check_gradient(inputs, gradient_of_cubes(body), 1e-6);
}

int loops_in(std::span<const Value> results) {
  int count = 0;
  for (const Node* node : topological(results)) count += node->op() == Op::while_;
  return count;
}

}  // namespace

TEST_CASE("a_loop_that_repeats_a_function_is_differentiated_twice", "[gradient]") {
  for (std::int64_t trips : {0, 1, 2, 5})
    check_twice({some({3}, 1), some({3}, 2)}, [&](const Values& in) {
      return counted(in[0].graph(), trips, {in[0]}, [&](Value, std::span<const Value> v) {
        return Values{unary(Op::tanh, multiply(v[0], in[1]))};
      });
    });
}

TEST_CASE("a_recurrent_network_over_the_rows_of_a_matrix_is_differentiated_twice", "[gradient]") {
  // h = tanh(x[t] w + h u + b), and every h is a row of the result.
  const std::vector<Array> inputs = {some({4, 2, 3}, 1), some({3, 2}, 2), some({2, 2}, 3),
                                     some({2}, 4), some({2, 2}, 5)};
  check_twice(inputs, [&](const Values& in) {
    Graph& graph = in[0].graph();
    const Value rows = graph.splat(f64({4, 2, 2}), 0), zero = number(graph, 0);
    return counted(graph, 4, {in[4], rows}, [&](Value t, std::span<const Value> v) {
      const Value x = reshape(dynamic_slice(in[0], Values{t, zero, zero}, {1, 2, 3}), {2, 3});
      const Value bias = broadcast(in[3], {2, 2}, {1});
      const Value h = unary(Op::tanh, add(add(matmul(x, in[1]), matmul(v[0], in[2])), bias));
      return Values{h, dynamic_update_slice(v[1], reshape(h, {1, 2, 2}), Values{t, zero, zero})};
    });
  });
}

TEST_CASE("loops_within_loops_are_differentiated_twice", "[gradient]") {
  check_twice({some({2}, 1), some({2}, 2)}, [](const Values& in) {
    return counted(in[0].graph(), 3, {in[0]}, [&](Value i, std::span<const Value> outer) {
      const Value scale = broadcast(convert(i, DType::f64), {2}, {});
      return counted(in[0].graph(), 2, {outer[0]}, [&](Value j, std::span<const Value> inner) {
        const Value shift = broadcast(convert(j, DType::f64), {2}, {});
        return Values{unary(Op::sine, add(multiply(inner[0], in[1]), add(scale, shift)))};
      });
    });
  });
}

TEST_CASE("a_power_iteration_is_differentiated_twice", "[gradient]") {
  check_twice({some({3, 3}, 1), some({3, 1}, 2)}, [](const Values& in) {
    return counted(in[0].graph(), 4, {in[1]}, [&](Value, std::span<const Value> v) {
      const Value next = matmul(in[0], v[0]);
      const Value length = unary(Op::sqrt, reduce(multiply(next, next), Op::add, {0, 1}));
      return Values{divide(next, broadcast(length, {3, 1}, {}))};
    });
  });
}

TEST_CASE("counters_of_any_start_step_and_width_are_turned_round", "[gradient]") {
  // x is multiplied by the counter's own value, so that an iteration out of order shows.
  const struct {
    DType dtype;
    std::int64_t start, step, limit;
    Direction direction;
  } cases[] = {{DType::i32, 3, 1, 7, Direction::LT},   {DType::i64, 9, -2, 0, Direction::GT},
               {DType::i8, -3, 3, 6, Direction::LE},   {DType::ui8, 248, 2, 252, Direction::LE},
               {DType::i32, 2, 5, 17, Direction::NE},  {DType::i16, 1, 0, 1, Direction::NE},
               {DType::ui32, 5, -1, 2, Direction::GE}, {DType::i64, 5, 1, 5, Direction::EQ}};
  for (const auto& c : cases) {
    INFO(name_of(c.dtype) << " from " << c.start << " by " << c.step << " while "
                          << name_of(c.direction) << " " << c.limit);
    check_twice({some({2}, 7)}, [&](const Values& in) {
      Graph& graph = in[0].graph();
      const auto constant = [&](std::int64_t value) {
        return graph.constant(Array::scalar(value).converted(c.dtype));
      };
      const Values last = while_(
          {constant(c.start), in[0]},
          [&](std::span<const Value> v) { return compare(v[0], constant(c.limit), c.direction); },
          [&](std::span<const Value> v) {
            const Value counter = broadcast(convert(v[0], DType::f64), {2}, {});
            const Value next = unary(Op::sine, add(multiply(v[1], like(v[1], 0.5)), counter));
            const Value counted =
                c.step < 0 ? subtract(v[0], constant(-c.step)) : add(v[0], constant(c.step));
            return Values{counted, next};
          });
      return Values{last[1]};
    });
  }
}

TEST_CASE("carried_values_that_swap_places_get_each_others_cotangents", "[gradient]") {
  check_twice({some({2}, 1), some({2}, 2), some({2}, 3)}, [](const Values& in) {
    return counted(in[0].graph(), 5, {in[0], in[1], in[2]}, [&](Value, std::span<const Value> v) {
      return Values{v[1], v[2], multiply(v[0], unary(Op::cosine, v[1]))};
    });
  });
}

TEST_CASE("integers_carried_along_decide_but_have_no_cotangent", "[gradient]") {
  // Which element is doubled is a carried index; the index also is a result.
  check_twice({some({4}, 1)}, [](const Values& in) {
    Graph& graph = in[0].graph();
    return counted(graph, 5, {in[0], number(graph, 3)}, [&](Value, std::span<const Value> v) {
      const Value at = v[1];
      const Value taken = dynamic_slice(v[0], Values{at}, {1});
      const Value next = dynamic_update_slice(v[0], multiply(taken, taken), Values{at});
      const Value other = binary(
          Op::remainder, add(multiply(at, number(graph, 3)), number(graph, 1)), number(graph, 4));
      return Values{next, other};
    });
  });
}

TEST_CASE("a_branch_has_the_gradient_of_the_one_taken", "[gradient]") {
  for (std::int32_t index : {-1, 0, 1, 2, 7}) {
    const std::vector<Array> inputs = {some({3}, 1), some({3}, 2)};
    check_twice(inputs, [&](const Values& in) {
      const Value which = in[0].graph().constant(Array::scalar(index));
      const BranchFn branches[] = {
          [&] { return Values{unary(Op::sine, in[0]), in[1]}; },
          [&] { return Values{multiply(in[0], in[1]), like(in[1], 3)}; },
          [&] { return Values{unary(Op::exponential, in[1]), multiply(in[0], in[0])}; }};
      return case_(which, branches);
    });
  }
}

TEST_CASE("a_branch_inside_a_loop_is_differentiated_twice", "[gradient]") {
  check_twice({some({3}, 1), some({3}, 2)}, [](const Values& in) {
    Graph& graph = in[0].graph();
    return counted(graph, 4, {in[0]}, [&](Value i, std::span<const Value> v) {
      const Value odd =
          compare(binary(Op::remainder, i, number(graph, 2)), number(graph, 1), Direction::EQ);
      return if_(
          odd, [&] { return Values{unary(Op::sine, multiply(v[0], in[1]))}; },
          [&] { return Values{add(v[0], multiply(in[1], in[1]))}; });
    });
  });
}

TEST_CASE("a_loop_inside_a_branch_inside_a_loop_is_differentiated_twice", "[gradient]") {
  check_twice({some({2}, 1), some({2}, 2)}, [](const Values& in) {
    Graph& graph = in[0].graph();
    return counted(graph, 3, {in[0]}, [&](Value i, std::span<const Value> v) {
      return if_(
          compare(i, number(graph, 1), Direction::EQ),
          [&] {
            return counted(graph, 2, {v[0]}, [&](Value, std::span<const Value> w) {
              return Values{unary(Op::tanh, multiply(w[0], in[1]))};
            });
          },
          [&] { return Values{multiply(v[0], in[1])}; });
    });
  });
}

TEST_CASE("a_third_derivative_through_a_loop_is_right", "[gradient]") {
  const Body body = [](const Values& in) {
    return counted(in[0].graph(), 3, {in[0]}, [&](Value, std::span<const Value> v) {
      return Values{unary(Op::sine, multiply(v[0], in[1]))};
    });
  };
  check_differences({some({2}, 1), some({2}, 2)}, gradient_of_cubes(gradient_of_cubes(body)), 1e-5);
}

TEST_CASE("a_loop_whose_end_depends_on_data_says_so", "[gradient]") {
  const Body body = [](const Values& in) {
    return while_(
        {in[0]},
        [&](std::span<const Value> v) { return compare(v[0], like(v[0], 10), Direction::LT); },
        [&](std::span<const Value> v) { return Values{multiply(v[0], like(v[0], 2))}; },
        {"loop.cpp", 12, 1});
  };
  const Function function = function_of({f64({})}, body);
  CHECK_THROWS_WITH(gradient_of(function),
                    ContainsSubstring("loop.cpp:12: while is differentiable only where its number "
                                      "of iterations is static") &&
                        ContainsSubstring("compares it with a constant"));
  // Where no derivative passes through it, it may be anything.
  const Function beside = function_of({f64({})}, [&](const Values& in) {
    const Value count = convert(body(in)[0], DType::i32);
    return Values{multiply(in[0], convert(count, DType::f64))};
  });
  const auto found = interpret(gradient_of(beside),
                               std::vector{Array::scalar<double>(3), Array::scalar<double>(1)});
  CHECK(found[0].as_double(0) == 12);
}

TEST_CASE("a_loop_and_its_derivative_run_forward_once", "[gradient]") {
  Function function = function_of({f64({2}), f64({2})}, [](const Values& in) {
    const Value y = counted(in[0].graph(), 3, {in[0]}, [&](Value, std::span<const Value> outer) {
      return counted(in[0].graph(), 2, {outer[0]}, [&](Value, std::span<const Value> inner) {
        return Values{unary(Op::sine, multiply(inner[0], in[1]))};
      });
    })[0];
    Values results = gradients(Values{y}, Values{like(y, 1)}, in);
    results.insert(results.begin(), y);
    return results;
  });
  const std::vector<Array> inputs = {some({2}, 1), some({2}, 2)};
  const std::vector<Array> expected = interpret(function, inputs);
  CHECK(loops_in(function.results) == 3);
  merge_loops(function);
  CHECK(loops_in(function.results) == 2);
  for (const Node* node : topological(function.results))
    if (node->op() == Op::while_) CHECK(loops_in(node->regions()[1].results) == 1);
  const std::vector<Array> found = interpret(function, inputs);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(found[i].same_bits(expected[i]));
}

TEST_CASE("what_does_not_change_from_one_iteration_to_the_next_is_not_kept", "[gradient]") {
  const Function function = function_of({f64({8}), f64({4, 8})}, [](const Values& in) {
    Graph& graph = in[0].graph();
    const Value y = counted(graph, 4, {in[0]}, [&](Value i, std::span<const Value> v) {
      const Value row = reshape(dynamic_slice(in[1], Values{i, number(graph, 0)}, {1, 8}), {8});
      return Values{multiply(multiply(v[0], v[0]), row)};
    })[0];
    return gradients(Values{y}, Values{like(y, 1)}, in);
  });
  int kept = 0;
  for (const Node* node : topological(function.results))
    if (node->op() == Op::while_)
      for (Value operand : node->operands())
        kept += operand.type() == f64({4, 8}) && operand.node->op() == Op::constant;
  CHECK(kept == 2);  // the stack of v[0], and the cotangent of the matrix
}

TEST_CASE("the_cotangent_of_a_matrix_read_row_by_row_is_updated_in_place", "[gradient]") {
  const Function function = function_of({f64({3, 5})}, [](const Values& in) {
    Graph& graph = in[0].graph();
    const Value y =
        counted(graph, 3, {graph.splat(f64({1, 5}), 1)}, [&](Value i, std::span<const Value> v) {
          const Value row = dynamic_slice(in[0], Values{i, number(graph, 0)}, {1, 5});
          return Values{multiply(v[0], row)};
        })[0];
    return gradients(Values{y}, Values{like(y, 1)}, in);
  });
  for (const Node* node : topological(function.results)) {
    if (node->op() != Op::while_) continue;
    for (const Node* inside : topological(node->regions()[1].results))
      if (inside->op() == Op::add) CHECK(inside->type() != f64({3, 5}));
  }
  check_differences({some({3, 5}, 1)}, [](const Values& in) {
    Graph& graph = in[0].graph();
    return counted(graph, 3, {graph.splat(f64({1, 5}), 1)}, [&](Value i, std::span<const Value> v) {
      const Value row = dynamic_slice(in[0], Values{i, number(graph, 0)}, {1, 5});
      return Values{multiply(v[0], row)};
    });
  });
}

TEST_CASE("composites_honour_their_own_derivatives_wherever_they_stand", "[gradient]") {
  const auto composite = [](Value x, const std::string& name, std::vector<Region> regions) {
    return Value{
        x.graph().make(Op::composite, {x}, CallAttrs{name, ""}, std::nullopt, std::move(regions)),
        0};
  };
  const auto sine = [](Graph& graph) {
    return Region{{f64({})}, {unary(Op::sine, graph.parameter(0, f64({})))}};
  };
  const auto slope_at = [](const Body& body, double x) {
    return interpret(gradient_of(function_of({f64({})}, body)),
                     std::vector{Array::scalar(x), Array::scalar<double>(1)})[0]
        .as_double(0);
  };
  // An ordinary one has the derivative of what it is made of.
  const Body plain = [&](const Values& in) {
    return Values{composite(in[0], "some.sine", {sine(in[0].graph())})};
  };
  CHECK(slope_at(plain, 0.7) == Approx(std::cos(0.7)));
  check_twice({Array::scalar<double>(0.7)}, plain);
  // A region of its own is the derivative, whatever it is.
  const Body own = [&](const Values& in) {
    Graph& graph = in[0].graph();
    const Value x = graph.parameter(0, f64({})), ct = graph.parameter(1, f64({}));
    return Values{composite(in[0], "some.sine",
                            {sine(graph), {{f64({}), f64({})}, {multiply(ct, multiply(x, x))}}})};
  };
  CHECK(slope_at(own, 0.7) == Approx(0.49));
  const auto looped = [](const Body& step) {
    return [step](const Values& in) {
      return counted(in[0].graph(), 1, {in[0]},
                     [&](Value, std::span<const Value> v) { return step({v[0]}); });
    };
  };
  CHECK(slope_at(looped(own), 0.7) == Approx(0.49));
  CHECK(slope_at(looped(plain), 0.7) == Approx(std::cos(0.7)));
  // stop_gradient stops it inside regions as well.
  const Body stopped = [&](const Values& in) {
    const Value x{in[0].graph().parameter(0, f64({}))};
    return Values{multiply(in[0], composite(in[0], "kiln.stop_gradient", {{{f64({})}, {x}}}))};
  };
  CHECK(slope_at(stopped, 0.7) == Approx(0.7));
  CHECK(slope_at(looped(stopped), 0.7) == Approx(0.7));
}

}  // namespace kiln
