// while and case: what they mean, in every mode, and what their regions may be.
#include "ir/build.h"
#include "ir/build_control.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "passes/trip_count.h"
#include "tests/catch.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using Values = std::vector<Value>;
using Span = std::span<const Value>;

Value number(Graph& graph, std::int64_t value) { return graph.constant(Array::scalar(value)); }

std::string complaint_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

/// The trips of a loop over one counter of a dtype, from constants.
std::optional<TripCounter> counter_of(DType dtype, double start, Op op, double step,
                                      Direction direction, double limit, bool swapped = false) {
  Graph graph;
  const Type type{dtype, {}};
  const Values last = build::while_(
      {graph.splat(type, start)},
      [&](Span v) {
        const Value end = graph.splat(type, limit);
        return swapped ? build::compare(end, v[0], direction)
                       : build::compare(v[0], end, direction);
      },
      [&](Span v) { return Values{build::binary(op, v[0], graph.splat(type, step))}; });
  return trip_counter(*last[0].node);
}

std::int64_t trips(const std::optional<TripCounter>& counter) {
  return counter ? counter->trips : -1;
}

}  // namespace

TEST_CASE("while_and_case_run_their_regions_as_often_as_data_say") {
  const Function collatz = function_of({{DType::i64, {}}}, [](const Values& x) {
    Graph& graph = x[0].graph();
    return build::while_(
        {x[0], number(graph, 0)},
        [&](Span v) { return build::compare(v[0], number(graph, 1), Direction::NE); },
        [&](Span v) {
          const Value two = number(graph, 2);
          const Value odd = build::compare(build::binary(Op::remainder, v[0], two),
                                           number(graph, 1), Direction::EQ);
          const Value next = build::if_(
              odd,
              [&] {
                return Values{
                    build::add(build::multiply(v[0], number(graph, 3)), number(graph, 1))};
              },
              [&] { return Values{build::divide(v[0], two)}; })[0];
          return Values{next, build::add(v[1], number(graph, 1))};
        });
  });
  const auto results = interpret(collatz, std::vector{Array::scalar<std::int64_t>(27)});
  CHECK(results[0].item() == 1);
  CHECK(results[1].item() == 111);
}

TEST_CASE("an_index_that_names_no_branch_takes_the_last_one") {
  const Function function = function_of({{DType::i32, {}}, {DType::f32, {}}}, [](const Values& x) {
    const build::BranchFn branches[] = {[&] { return Values{x[1]}; },
                                        [&] { return Values{build::negate(x[1])}; },
                                        [&] { return Values{build::add(x[1], x[1])}; }};
    return build::case_(x[0], branches);
  });
  const std::vector<std::pair<int, double>> expected = {
      {0, 3}, {1, -3}, {2, 6}, {3, 6}, {-1, 6}, {1 << 30, 6}, {-(1 << 30), 6}};
  for (const auto& [index, result] : expected)
    CHECK(
        interpret(function, std::vector{Array::scalar<std::int32_t>(index), Array::scalar(3.0f)})[0]
            .item() == result);
}

TEST_CASE("what_a_loop_uses_from_outside_becomes_an_operand_and_its_namesakes_are_kept_apart") {
  // The outer argument 0 and the carried value 0 have one type; so have both loops' values.
  const Type type{DType::f64, {3}};
  const Function function = function_of({type, type}, [](const Values& x) {
    Graph& graph = x[0].graph();
    return build::counted(graph, 3, {build::like(x[0], 1)}, [&](Value, Span outer) {
      const Values inner = build::counted(graph, 2, {outer[0]}, [&](Value, Span v) {
        return Values{build::add(build::multiply(v[0], x[0]), outer[0])};
      });
      return Values{build::add(inner[0], x[1])};
    });
  });
  for (const Node* node : topological(function.results))
    for (const Region& region : node->regions()) {
      CHECK(region.parameters.size() == node->operands().size());
      for (const Node* inside : topological(region.results))
        if (inside->op() == Op::parameter)
          CHECK(static_cast<std::size_t>(inside->attrs<ParameterAttrs>().index) <
                region.parameters.size());
    }
  const double x[] = {0.5, -1, 2}, y[] = {1, 0.25, -3};
  const Array got =
      interpret(function, std::vector{Array::of<double>({3}, x), Array::of<double>({3}, y)})[0];
  for (std::size_t e = 0; e < 3; ++e) {
    double outer = 1;
    for (int i = 0; i < 3; ++i) {
      double inner = outer;
      for (int j = 0; j < 2; ++j) inner = inner * x[e] + outer;
      outer = inner + y[e];
    }
    CHECK(got.data<double>()[e] == outer);
  }
}

TEST_CASE("while_and_case_refuse_regions_that_do_not_fit_by_name") {
  Graph graph;
  const Type f{DType::f32, {3}}, i{DType::i32, {}}, b{DType::i1, {}};
  const Value x = graph.parameter(0, f), index = graph.parameter(1, i),
              flag = graph.parameter(2, b);
  const Value x0 = x, yes = graph.constant(Array::scalar(true));
  const auto while_of = [&](Values operands, std::vector<Region> regions) {
    return complaint_of(
        [&] { graph.make(Op::while_, std::move(operands), {}, std::nullopt, std::move(regions)); });
  };
  const auto case_of = [&](Values operands, std::vector<Region> regions) {
    return complaint_of(
        [&] { graph.make(Op::case_, std::move(operands), {}, std::nullopt, std::move(regions)); });
  };
  const Region condition{{f}, {yes}}, body{{f}, {x0}};
  CHECK(while_of({x}, {condition, body}) == "no Error");
  CHECK_THAT(while_of({x}, {condition}),
             ContainsSubstring("while: expected a condition and a body"));
  CHECK_THAT(while_of({}, {{{}, {yes}}, {{}, {}}}),
             ContainsSubstring("at least one carried value, found none"));
  CHECK_THAT(while_of({x}, {{{f, f}, {yes}}, body}),
             ContainsSubstring("types its condition takes, (f32[3], f32[3]), found f32[3]"));
  CHECK_THAT(while_of({x}, {condition, {{i}, {graph.parameter(0, i)}}}),
             ContainsSubstring("types its body takes, (i32[]), found f32[3]"));
  CHECK_THAT(while_of({x}, {{{f}, {x0}}, body}),
             ContainsSubstring("a condition that gives (i1[]), not (f32[3])"));
  CHECK_THAT(while_of({x}, {condition, {{f}, {x0, x0}}}),
             ContainsSubstring("the carried types (f32[3]), not (f32[3], f32[3])"));
  CHECK(case_of({index, x}, {body, body}) == "no Error");
  CHECK_THAT(case_of({index}, {}), ContainsSubstring("case: expected at least one branch"));
  CHECK_THAT(case_of({flag, x}, {body}), ContainsSubstring("a branch index of type i32[] first"));
  CHECK_THAT(case_of({index, x}, {body, {{}, {yes}}}),
             ContainsSubstring("of the types branch 1 takes, ()"));
  CHECK_THAT(case_of({index, x}, {body, condition}),
             ContainsSubstring("branch 0 gives (f32[3]), branch 1 (i1[])"));
  CHECK_THAT(case_of({index}, {{{}, {}}}), ContainsSubstring("at least one result"));
}

TEST_CASE("the_trip_count_of_a_counting_loop_is_read_from_its_constants") {
  using enum Direction;
  CHECK(trips(counter_of(DType::i32, 0, Op::add, 1, LT, 10)) == 10);
  CHECK(trips(counter_of(DType::i64, 3, Op::add, 4, LT, 12)) == 3);
  CHECK(trips(counter_of(DType::i64, 3, Op::add, 4, LE, 11)) == 3);
  CHECK(trips(counter_of(DType::i64, 3, Op::add, 4, LE, 10)) == 2);
  CHECK(trips(counter_of(DType::i32, 10, Op::subtract, 3, GT, 0)) == 4);
  CHECK(trips(counter_of(DType::i32, 10, Op::add, -5, GE, 0)) == 3);
  CHECK(trips(counter_of(DType::i32, 0, Op::add, 2, NE, 10)) == 5);
  CHECK(trips(counter_of(DType::i32, 7, Op::add, 2, EQ, 7)) == 1);
  CHECK(trips(counter_of(DType::i32, 8, Op::add, 2, EQ, 7)) == 0);
  CHECK(trips(counter_of(DType::i32, 5, Op::add, 1, LT, 5)) == 0);
  CHECK(trips(counter_of(DType::i32, 0, Op::add, 1, GT, 10, true)) == 10);
  CHECK(trips(counter_of(DType::ui8, 0, Op::add, 1, LT, 255)) == 255);
  // These never end, or would wrap around before they do.
  CHECK(trips(counter_of(DType::i32, 0, Op::add, 0, LT, 10)) == -1);
  CHECK(trips(counter_of(DType::i32, 0, Op::add, -1, LT, 10)) == -1);
  CHECK(trips(counter_of(DType::i32, 0, Op::add, 3, NE, 10)) == -1);
  CHECK(trips(counter_of(DType::i8, 0, Op::add, 2, LT, 127)) == -1);
  CHECK(trips(counter_of(DType::ui8, 0, Op::add, 1, LE, 255)) == -1);
  CHECK(trips(counter_of(DType::i32, 0, Op::multiply, 2, LT, 10)) == -1);
  CHECK(trips(counter_of(DType::f32, 0, Op::add, 1, LT, 10)) == -1);
}

TEST_CASE("a_counter_may_be_compared_with_a_carried_constant_but_not_with_an_argument") {
  const Type scalar{DType::i64, {}};
  Graph graph;
  const auto loop_to = [&](Value limit) {
    const Type types[] = {scalar, scalar};
    const Values v = build::placeholders(graph, types);
    const Region condition = build::close({v, {build::compare(v[0], v[1], Direction::LT)}});
    const Region body = build::close({v, {build::add(v[0], number(graph, 1)), v[1]}});
    return graph.make(Op::while_, {number(graph, 0), limit}, {}, std::nullopt, {condition, body});
  };
  const Value five = build::convert(graph.constant(Array::scalar<std::int32_t>(5)), DType::i64);
  CHECK(trips(trip_counter(*loop_to(five))) == 5);
  CHECK(trips(trip_counter(*loop_to(graph.parameter(0, scalar)))) == -1);
}

}  // namespace kiln
