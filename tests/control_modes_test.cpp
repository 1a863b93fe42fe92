// Loops and branches compiled: reference = unfused = fused, at any number of threads, whatever the
// regions do with what they carry.
#include <algorithm>

#include "ir/build.h"
#include "ir/build_control.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "passes/plan_memory.h"
#include "runtime/random.h"
#include "runtime/settings.h"
#include "tests/catch.h"
#include "tests/plan_check.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using Values = std::vector<Value>;
using Span = std::span<const Value>;
using build::counted;

const Type kScalar{DType::f32, {}}, kFlag{DType::i1, {}}, kIndex{DType::i32, {}},
    kVector{DType::f32, {37}}, kSquare{DType::f32, {20, 20}};

Value number(Graph& graph, std::int64_t value) { return graph.constant(Array::scalar(value)); }
Value square_product(Value a, Value b) {
  return build::dot_general(a, b, DotAttrs{{}, {}, {1}, {0}});
}

struct Case {
  const char* name;
  std::vector<Type> types;
  Body body;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"a swap",
       {kVector, kVector},
       [](const Values& x) {
         return counted(x[0].graph(), 3, x, [](Value, Span v) { return Values{v[1], v[0]}; });
       }},
      {"a rotation of three, one of them changed",
       {kVector, kVector, kVector},
       [](const Values& x) {
         return counted(x[0].graph(), 4, x,
                        [](Value, Span v) { return Values{v[1], build::add(v[2], v[0]), v[0]}; });
       }},
      {"two whose updates read each other",
       {kVector, kVector},
       [](const Values& x) {
         return counted(x[0].graph(), 5, x, [](Value, Span v) {
           return Values{build::add(v[0], build::multiply(v[1], build::like(v[1], 0.5))),
                         build::subtract(v[1], build::multiply(v[0], build::like(v[0], 0.25)))};
         });
       }},
      {"two whose updates read each other's products",
       {kSquare, kSquare},
       [](const Values& x) {
         return counted(x[0].graph(), 2, x, [](Value, Span v) {
           return Values{square_product(v[0], v[1]), square_product(v[1], v[0])};
         });
       }},
      {"the same value carried twice",
       {kVector},
       [](const Values& x) {
         return counted(x[0].graph(), 3, {x[0], x[0]}, [&](Value, Span v) {
           return Values{build::add(v[0], v[1]), build::multiply(v[1], x[0])};
         });
       }},
      {"a computed value carried three times, and used afterwards",
       {kVector},
       [](const Values& x) {
         const Value y = build::add(x[0], x[0]);
         Values last = counted(x[0].graph(), 2, {y, y, y}, [&](Value, Span v) {
           return Values{build::add(v[0], v[1]), v[2], build::negate(v[1])};
         });
         last.push_back(y);
         last.push_back(build::subtract(y, last[0]));
         return last;
       }},
      {"a result that is the transpose of what is carried",
       {kSquare},
       [](const Values& x) {
         return counted(x[0].graph(), 3, {x[0]},
                        [](Value, Span v) { return Values{build::transpose(v[0], {1, 0})}; });
       }},
      {"a result that is a reshape and a broadcast",
       {kSquare},
       [](const Values& x) {
         return counted(x[0].graph(), 2, {build::reshape(x[0], {400})}, [](Value, Span v) {
           return Values{build::reshape(
               build::broadcast(build::slice_axis(v[0], 0, 10, 30), {20, 20}, {1}), {400})};
         });
       }},
      {"reversed and shifted reads of what is carried",
       {kVector},
       [](const Values& x) {
         return counted(x[0].graph(), 3, {x[0]}, [](Value, Span v) {
           return Values{build::add(build::reverse(v[0], {0}), v[0])};
         });
       }},
      {"a body that ignores what it is given",
       {kVector, kVector},
       [](const Values& x) {
         return counted(x[0].graph(), 3, {x[0]}, [&](Value, Span) { return Values{x[1]}; });
       }},
      {"a constant body, results that are arguments and constants",
       {kVector},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         Values last = counted(graph, 2, {x[0], build::like(x[0], 1)},
                               [&](Value, Span v) { return Values{build::like(v[0], 3), v[1]}; });
         last.push_back(x[0]);
         last.push_back(build::like(x[0], 2));
         last.push_back(x[0]);
         return last;
       }},
      {"no trips",
       {kVector, kScalar},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return build::while_(
             {x[0], x[1]},
             [&](Span v) { return build::compare(v[1], graph.splat(kScalar, 100), Direction::GT); },
             [](Span v) { return Values{build::add(v[0], v[0]), v[1]}; });
       }},
      {"as many trips as data say",
       {kVector, kScalar},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return build::while_(
             {x[0], x[1]},
             [&](Span v) { return build::compare(v[1], graph.splat(kScalar, 9), Direction::LT); },
             [&](Span v) {
               return Values{build::add(v[0], build::like(v[0], 1)),
                             build::add(v[1], graph.splat(kScalar, 1.5))};
             });
       }},
      {"a carried condition",
       {kFlag, kVector},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return build::while_(
             {x[0], x[1], number(graph, 0)}, [](Span v) { return v[0]; },
             [&](Span v) {
               const Value next = build::add(v[2], number(graph, 1));
               return Values{build::compare(next, number(graph, 4), Direction::LT),
                             build::multiply(v[1], build::like(v[1], 1.5)), next};
             });
       }},
      {"a loop in a loop that uses both counters and values outside",
       {kVector, kVector},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return counted(graph, 3, {x[0]}, [&](Value i, Span outer) {
           return counted(graph, 4, {outer[0]}, [&](Value j, Span v) {
             const Value scale = build::convert(build::add(i, j), DType::f32);
             return Values{build::add(v[0], build::multiply(build::broadcast(scale, {37}, {}),
                                                            build::subtract(x[1], outer[0])))};
           });
         });
       }},
      {"a case in a loop, in a case",
       {kVector, kIndex, kIndex},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         const build::BranchFn outer[] = {
             [&] { return Values{x[0], build::negate(x[0])}; },
             [&] {
               return counted(graph, 5, {x[0], x[0]}, [&](Value i, Span v) {
                 const build::BranchFn inner[] = {
                     [&] { return Values{v[0], build::add(v[1], v[0])}; },
                     [&] { return Values{v[1], v[0]}; },
                     [&] { return Values{build::add(v[0], x[0]), v[1]}; }};
                 return build::case_(build::binary(Op::remainder, build::convert(i, DType::i32),
                                                   graph.constant(Array::scalar<std::int32_t>(3))),
                                     inner);
               });
             },
             [&] {
               return counted(graph, 0, {x[0], x[0]},
                              [](Value, Span v) { return Values{build::add(v[0], v[1]), v[0]}; });
             }};
         Values results = build::case_(x[1], outer);
         const Values more = build::case_(x[2], outer);
         results.insert(results.end(), more.begin(), more.end());
         return results;
       }},
      {"a while whose trips data decide, in a branch",
       {kVector, kScalar, kFlag},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return build::if_(
             x[2],
             [&] {
               return build::while_(
                   {x[0], x[1]},
                   [&](Span v) {
                     return build::compare(v[1], graph.splat(kScalar, 5), Direction::LT);
                   },
                   [&](Span v) {
                     return Values{build::multiply(v[0], v[0]),
                                   build::add(v[1], graph.splat(kScalar, 3))};
                   });
             },
             [&] { return Values{build::like(x[0], 0), x[1]}; });
       }},
      {"nothing in what is carried",
       {{DType::f32, {0, 3}}, kScalar},
       [](const Values& x) {
         return counted(x[0].graph(), 3, x, [](Value, Span v) {
           return Values{build::add(v[0], v[0]),
                         build::add(v[1], build::reduce(v[0], Op::add, {0, 1}))};
         });
       }},
      {"a scan: slices in, slices out",
       {{DType::f32, {11, 5}}, {DType::f32, {5}}},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return counted(graph, 11, {x[1], build::like(x[0], 0)}, [&](Value i, Span v) {
           const Value starts[] = {i, number(graph, 0)};
           const Value row = build::reshape(build::dynamic_slice(x[0], starts, {1, 5}), {5});
           const Value next = build::unary(Op::tanh, build::add(v[0], row));
           return Values{next,
                         build::dynamic_update_slice(v[1], build::reshape(next, {1, 5}), starts)};
         });
       }},
      {"updates over updates, read before and after",
       {{DType::f32, {9, 4}}},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return counted(graph, 8, {x[0], graph.splat(kScalar, 0)}, [&](Value i, Span v) {
           const Value one = number(graph, 1), zero = number(graph, 0);
           const Value here[] = {i, zero}, after[] = {build::add(i, one), zero};
           const Value a = build::dynamic_slice(v[0], here, {1, 4});
           const Value once = build::dynamic_update_slice(
               v[0], build::add(a, build::dynamic_slice(v[0], after, {1, 4})), after);
           const Value twice =
               build::dynamic_update_slice(once, build::dynamic_slice(once, after, {1, 4}), here);
           return Values{twice, build::add(v[1], build::reduce(v[0], Op::add, {0, 1}))};
         });
       }},
      {"an update whose old value is needed later",
       {{DType::f32, {9, 4}}},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return counted(graph, 3, {x[0]}, [&](Value i, Span v) {
           const Value starts[] = {i, number(graph, 0)};
           const Value next = build::dynamic_update_slice(
               v[0], build::like(build::dynamic_slice(v[0], starts, {1, 4}), 7), starts);
           return Values{build::subtract(build::add(next, next), v[0])};
         });
       }},
      {"an update of a carried value by its own transpose",
       {{DType::f32, {6, 6}}},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return counted(graph, 3, {x[0]}, [&](Value i, Span v) {
           const Value starts[] = {i, number(graph, 1)};
           const Value part = build::transpose(build::slice(v[0], {0, 0}, {4, 3}), {1, 0});
           return Values{build::dynamic_update_slice(v[0], part, starts)};
         });
       }},
      {"an update of all of it, of nothing, of a scalar",
       {{DType::f32, {4}}, kScalar},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return counted(graph, 3, {x[0], x[0], x[1]}, [&](Value i, Span v) {
           const Value starts[] = {i};
           return Values{build::dynamic_update_slice(v[0], build::add(v[1], v[1]), starts),
                         build::dynamic_update_slice(v[1], build::slice(v[0], {0}, {0}), starts),
                         build::dynamic_update_slice(v[2], build::negate(v[2]), {})};
         });
       }},
      {"scatter into what is carried",
       {{DType::f32, {8, 3}}, {DType::i64, {5, 1}}},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return counted(graph, 4, {x[0]}, [&](Value i, Span v) {
           ScatterAttrs attrs;
           attrs.update_window_dims = {1};
           attrs.inserted_window_dims = {0};
           attrs.scatter_dims_to_operand_dims = {0};
           attrs.index_vector_dim = 1;
           const Value places = build::add(x[1], build::broadcast(i, {5, 1}, {}));
           return Values{build::scatter(v[0], places, graph.splat({DType::f32, {5, 3}}, 0.5), attrs,
                                        Op::add)};
         });
       }},
      {"an update in one branch only",
       {{DType::f32, {12, 3}}},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         return counted(graph, 6, {x[0]}, [&](Value i, Span v) {
           const Value even = build::compare(build::binary(Op::remainder, i, number(graph, 2)),
                                             number(graph, 0), Direction::EQ);
           const Value starts[] = {i, number(graph, 0)};
           return build::if_(
               even,
               [&] {
                 return Values{build::dynamic_update_slice(
                     v[0], build::like(build::dynamic_slice(v[0], starts, {1, 3}), 9), starts)};
               },
               [&] { return Values{v[0]}; });
         });
       }},
      {"sums, a softmax and a sort inside a loop",
       {{DType::f32, {6, 17}}},
       [](const Values& x) {
         return counted(x[0].graph(), 3, {x[0]}, [](Value, Span v) {
           const Value most = build::reduce(v[0], Op::maximum, {1});
           const Value e = build::unary(
               Op::exponential, build::subtract(v[0], build::broadcast(most, {6, 17}, {0})));
           const Value sum = build::broadcast(build::reduce(e, Op::add, {1}), {6, 17}, {0});
           return Values{build::sort({build::divide(e, sum)}, 1)[0]};
         });
       }},
      {"two loops that begin with the same values",
       {kVector},
       [](const Values& x) {
         Graph& graph = x[0].graph();
         const Value y = build::add(x[0], build::like(x[0], 1)), zero = build::like(x[0], 0);
         const auto step = [](Value, Span v) {
           return Values{build::add(v[0], v[1]), build::multiply(v[0], v[1])};
         };
         Values results = counted(graph, 2, {y, zero}, step);
         const Values second = counted(graph, 3, {y, zero}, step);
         const Values third = counted(graph, 2, {results[0], second[1]}, step);
         results.insert(results.end(), second.begin(), second.end());
         results.insert(results.end(), third.begin(), third.end());
         return results;
       }},
      {"work for several threads",
       {{DType::f32, {96, 700}}},
       [](const Values& x) {
         return counted(x[0].graph(), 3, {x[0]}, [](Value, Span v) {
           return Values{build::unary(
               Op::tanh, build::add(v[0], build::broadcast(build::reduce(v[0], Op::add, {1}),
                                                           {96, 700}, {0})))};
         });
       }},
  };
  return kCases;
}

std::vector<Array> inputs_of(const Case& one) {
  std::vector<Array> inputs;
  for (const Type& type : one.types) inputs.push_back(random_array(type, inputs.size() + 1));
  return inputs;
}

}  // namespace

TEST_CASE("loops_and_branches_mean_the_same_in_every_mode") {
  for (const Case& one : cases()) {
    INFO(one.name);
    const Function function = function_of(one.types, one.body);
    std::vector<Array> inputs = inputs_of(one);
    check_modes(function, inputs, {.relative = 1e-5});
    // Indices and flags of every kind.
    for (int value : {0, 1, 2})
      if (std::find_if(one.types.begin(), one.types.end(), [](const Type& t) {
            return t == kIndex || t == kFlag;
          }) != one.types.end()) {
        for (Array& input : inputs) {
          if (input.type() == kIndex) input = Array::scalar<std::int32_t>(value);
          if (input.type() == kFlag) input = Array::scalar(value == 1);
        }
        check_modes(function, inputs, {.relative = 1e-5});
      }
  }
}

TEST_CASE("loops_and_branches_need_no_pass_but_fusion") {
  for (const Case& one : cases()) {
    INFO(one.name);
    const Function function = function_of(one.types, one.body);
    const std::vector<Array> inputs = inputs_of(one), expected = interpret(function, inputs);
    PipelineOptions options;
    options.disabled = {"simplify", "fold", "cse", "dce"};
    const std::vector<Array> results = execute(function, inputs, options);
    for (std::size_t r = 0; r < expected.size(); ++r)
      CHECK(difference(results[r], expected[r], {.relative = 1e-5}) == kNone);
  }
}

TEST_CASE("loops_give_the_same_bits_at_any_number_of_threads") {
  const int before = settings().pool().threads();
  for (const Case& one : cases()) {
    INFO(one.name);
    const Function function = function_of(one.types, one.body);
    const std::vector<Array> inputs = inputs_of(one);
    std::vector<Array> first;
    for (int threads : {1, 2, 3}) {
      settings().set_threads(threads);
      const std::vector<Array> results = execute(function, inputs);
      if (first.empty()) first = results;
      for (std::size_t r = 0; r < results.size(); ++r) CHECK(results[r].same_bits(first[r]));
    }
  }
  settings().set_threads(before);
}

TEST_CASE("every_dtype_can_be_carried_swapped_and_updated") {
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    const Type rows{dtype, {5, 18}}, scalar{dtype, {}};
    INFO(name_of(dtype));
    const Function function = function_of({rows, scalar, scalar}, [&](const Values& x) {
      Graph& graph = x[0].graph();
      return counted(graph, 3, x, [&](Value t, Span v) {
        const Value starts[] = {build::convert(t, DType::ui8), graph.splat({DType::ui8, {}}, 1)};
        const Value row = build::broadcast(build::add(v[1], v[2]), {1, 17}, {});
        return Values{build::dynamic_update_slice(v[0], row, starts), v[2], v[1]};
      });
    });
    const std::vector<Array> inputs = {random_array(rows, 1), random_array(scalar, 2),
                                       random_array(scalar, 3)};
    check_modes(function, inputs);
  }
}

TEST_CASE("state_may_go_through_a_loop_and_be_updated_in_place") {
  for (const Case& one : cases()) {
    Function function = function_of(one.types, one.body);
    // Each argument takes the first result of its type.
    std::vector<bool> taken(function.results.size());
    for (Argument& argument : function.arguments)
      for (std::size_t r = 0; r < taken.size() && argument.alias < 0; ++r)
        if (!taken[r] && function.results[r].type() == argument.type) {
          argument.alias = static_cast<int>(r);
          taken[r] = true;
        }
    INFO(one.name);
    check_modes(function, inputs_of(one), {.relative = 1e-5});
  }
}

TEST_CASE("the_arena_never_overlaps_values_of_loops_and_branches") {
  for (const Case& one : cases())
    for (const Mode mode : {Mode::unfused, Mode::fused}) {
      Function function = function_of(one.types, one.body);
      PipelineOptions options;
      options.mode = mode;
      run_passes(function, options);
      const StepPlan plan = plan_step(function, {});
      CHECK(plan.program.arena_bytes >= plan.memory.bound);
      Random random(7, 1);
      for (int run = 0; run < 8; ++run) {
        const std::string found = overlap(plan, [&](int n) {
          return static_cast<int>(random.below(static_cast<std::uint32_t>(n)));
        });
        if (!found.empty()) FAIL(one.name << ": " << found << "\n" << plan.memory_text());
      }
    }
}

namespace {

/// The scan that JAX prints: xs[i] in, ys[i] out, the index made non-negative first.
Function scan(std::int64_t steps, std::int64_t width) {
  const Type stacked{DType::f32, {steps, width}}, row{DType::f32, {width}};
  return function_of({stacked, row}, [&](const Values& x) {
    Graph& graph = x[0].graph();
    const auto i32 = [&](std::int32_t v) { return graph.constant(Array::scalar(v)); };
    const Values last = build::while_(
        {i32(0), x[1], build::like(x[0], 0), x[0]},
        [&](Span v) {
          return build::compare(v[0], i32(static_cast<std::int32_t>(steps)), Direction::LT);
        },
        [&](Span v) {
          const Value wrapped =
              build::select(build::compare(v[0], i32(0), Direction::LT),
                            build::add(v[0], i32(static_cast<std::int32_t>(steps))), v[0]);
          const Value starts[] = {wrapped, i32(0)};
          const Value in = build::reshape(build::dynamic_slice(v[3], starts, {1, width}), {width});
          const Value next = build::unary(Op::tanh, build::add(v[1], in));
          return Values{build::add(v[0], i32(1)), next,
                        build::dynamic_update_slice(v[2], build::reshape(next, {1, width}), starts),
                        v[3]};
        });
    return Values{last[1], last[2]};
  });
}

}  // namespace

TEST_CASE("a_scan_updates_what_it_stacks_in_place_and_touches_a_row_a_step") {
  Function function = scan(1000, 64);
  run_passes(function);
  const StepPlan plan = plan_step(function, {});
  const std::string text = plan.memory_text();
  INFO(text);
  CHECK_THAT(text, ContainsSubstring("loop 1000 times"));
  int updates = 0;
  for (int number : launches_in_loops(plan.program)) {
    const Launch& launch = plan.program.launches[static_cast<std::size_t>(number)];
    const space::Kernel& kernel = plan.space_of(launch);
    CHECK(kernel.name != "copy");
    CHECK(launch.threads == 1);
    if (kernel.kind == "update") {
      ++updates;
      CHECK(kernel.in_place);
      CHECK(launch.buffers.front() == launch.buffers.back());
    } else {
      // Nothing else writes more than a row.
      for (const space::Buffer& buffer : kernel.buffers)
        if (buffer.output) CHECK(buffer.count <= 64);
    }
  }
  CHECK(updates == 1);
  check_modes(
      scan(50, 19),
      std::vector{random_array({DType::f32, {50, 19}}, 1), random_array({DType::f32, {19}}, 2)},
      {.relative = 1e-5});
}

TEST_CASE("state_that_a_loop_or_a_branch_updates_a_little_is_not_copied") {
  // A cache of rows, donated: a loop writes rows into it, then a branch one more, or none.
  const Type cache{DType::f32, {100, 8}}, row{DType::f32, {1, 8}};
  Function function = function_of({cache, row, kFlag}, [](const Values& x) {
    Graph& graph = x[0].graph();
    const auto put = [&](Value into, Value at) {
      const Value starts[] = {at, number(graph, 0)};
      return build::dynamic_update_slice(into, x[1], starts);
    };
    const Value filled =
        counted(graph, 10, {x[0]}, [&](Value i, Span v) { return Values{put(v[0], i)}; })[0];
    return build::if_(
        x[2], [&] { return Values{put(filled, number(graph, 50))}; },
        [&] { return Values{filled}; });
  });
  function.arguments[0].alias = 0;
  Function planned = function;
  run_passes(planned);
  const StepPlan plan = plan_step(planned, {});
  INFO(plan.memory_text());
  CHECK(plan.memory.copies == 0);
  for (const space::Kernel& kernel : plan.spaces) CHECK(kernel.bytes() < 2 * 100 * 8 * 4 + 100);
  int whole = 0;  // launches that write all of the cache
  for (const Launch& launch : plan.program.launches) {
    const space::Kernel& kernel = plan.space_of(launch);
    whole += kernel.buffers.back().count == 800 && !kernel.in_place;
  }
  CHECK(whole == 0);
  for (const bool flag : {false, true})
    check_modes(function,
                std::vector{random_array(cache, 1), random_array(row, 2), Array::scalar(flag)});
}

TEST_CASE("a_loop_carries_only_what_its_used_results_need") {
  const Function function = function_of({kVector, kVector, kVector}, [](const Values& x) {
    const Values last = counted(x[0].graph(), 4, x, [](Value i, Span v) {
      const Value scale = build::broadcast(build::convert(i, DType::f32), {37}, {});
      return Values{build::add(v[0], v[1]), build::multiply(v[1], scale), build::add(v[2], v[0])};
    });
    return Values{last[1]};
  });
  Function less = function;
  run_passes(less);
  for (const Node* node : topological(less.results))
    if (node->op() == Op::while_) CHECK(node->operands().size() == 2);  // the counter and v[1]
  check_modes(function, std::vector{random_array(kVector, 1), random_array(kVector, 2),
                                    random_array(kVector, 3)});
}

}  // namespace kiln
