// Random programs of loops and branches over exact arithmetic: every mode gives the reference's
// bits.
#include <algorithm>

#include "ir/build.h"
#include "ir/build_control.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "passes/plan_memory.h"
#include "runtime/random.h"
#include "tests/catch.h"
#include "tests/plan_check.h"
#include "tests/support.h"

namespace kiln {
namespace {

using Values = std::vector<Value>;
using Span = std::span<const Value>;

const std::vector<Type> kTypes = {
    {DType::f32, {}}, {DType::f32, {5}}, {DType::f32, {4, 3}}, {DType::i64, {}}, {DType::i1, {}}};

class Writer {
 public:
  Writer(Graph& graph, std::uint64_t seed) : graph_(graph), random_(seed, 11) {}

  /// A few further values made of those in the pool.
  void write(Values& pool, int depth, int count) {
    for (int i = 0; i < count; ++i) {
      const int kind = depth > 0 ? below(12) : below(9);
      if (kind < 9)
        pool.push_back(plain(pool, kind));
      else if (kind == 9)
        append(pool, counted_loop(pool, depth - 1));
      else if (kind == 10)
        append(pool, open_loop(pool, depth - 1));
      else
        append(pool, branches(pool, depth - 1));
    }
  }

  Values choose(const Values& pool, const std::vector<Type>& types) {
    Values chosen;
    for (const Type& type : types) chosen.push_back(one(pool, type));
    return chosen;
  }

  std::vector<Type> types(int count) {
    std::vector<Type> types;
    for (int i = 0; i < count; ++i)
      types.push_back(kTypes[static_cast<std::size_t>(below(static_cast<int>(kTypes.size())))]);
    return types;
  }

 private:
  int below(int n) { return static_cast<int>(random_.below(static_cast<std::uint64_t>(n))); }
  static void append(Values& pool, const Values& more) {
    pool.insert(pool.end(), more.begin(), more.end());
  }

  /// One of the pool, late ones likely; a constant where there is none.
  Value one(const Values& pool, const Type& type) {
    Values fitting;
    for (Value value : pool)
      if (value.type() == type) fitting.push_back(value);
    if (fitting.empty() || below(12) == 0) return graph_.splat(type, below(3));
    const int n = static_cast<int>(fitting.size());
    return fitting[static_cast<std::size_t>(n - 1 - std::min(below(n), below(n)))];
  }

  Value plain(const Values& pool, int kind) {
    const Type &scalar = kTypes[0], &matrix = kTypes[2], &number = kTypes[3];
    const Type& type = kTypes[static_cast<std::size_t>(below(3))];
    const Value a = one(pool, type), b = one(pool, type), i = one(pool, number);
    switch (kind) {
      case 0:
        return build::multiply(build::add(a, b), build::like(a, 0.5));
      case 1:
        return build::subtract(a, b);
      case 2:
        return build::binary(Op::maximum, a, b);
      case 3:
        return build::select(build::broadcast(one(pool, kTypes[4]), type.dims, {}), a, b);
      case 4:
        return build::add(i, graph_.splat(number, 1 + below(3)));
      case 5:
        return build::compare(one(pool, scalar), one(pool, scalar), Direction::LT);
      case 6: {
        const Value m = one(pool, matrix);
        return build::transpose(build::reshape(build::reverse(m, {below(2)}), {3, 4}), {1, 0});
      }
      case 7: {
        const Value starts[] = {i, graph_.splat(number, below(2))};
        const Value m = one(pool, matrix);
        const Value part = below(2) == 0 ? build::broadcast(one(pool, scalar), {2, 2}, {})
                                         : build::slice(one(pool, matrix), {1, 0}, {3, 2});
        return build::dynamic_update_slice(m, part, starts);
      }
      default: {
        const Value starts[] = {i};
        return build::reshape(build::dynamic_slice(one(pool, kTypes[1]), starts, {1}), {});
      }
    }
  }

  /// What a body does: something, then its results are any values of the right types.
  Values body(Values pool, Span own, const std::vector<Type>& types, int depth) {
    append(pool, Values(own.begin(), own.end()));
    write(pool, depth, 1 + below(4));
    return choose(pool, types);
  }

  Values counted_loop(const Values& pool, int depth) {
    const std::vector<Type> carried = types(1 + below(4));
    return build::counted(graph_, below(4), choose(pool, carried), [&](Value i, Span v) {
      Values own = {i};
      append(own, Values(v.begin(), v.end()));
      return body(pool, own, carried, depth);
    });
  }

  /// Up to three trips, as data say.
  Values open_loop(const Values& pool, int depth) {
    const Type& number = kTypes[3];
    const std::vector<Type> carried = types(1 + below(3));
    Values begin = choose(pool, carried);
    begin.push_back(build::binary(Op::remainder, one(pool, number), graph_.splat(number, 4)));
    Values last = build::while_(
        begin,
        [&](Span v) { return build::compare(v.back(), graph_.splat(number, 0), Direction::GT); },
        [&](Span v) {
          Values next = body(pool, v.first(carried.size()), carried, depth);
          next.push_back(build::subtract(v.back(), graph_.splat(number, 1)));
          return next;
        });
    return last;
  }

  Values branches(const Values& pool, int depth) {
    const std::vector<Type> results = types(1 + below(3));
    const Value index = build::convert(
        build::binary(Op::remainder, one(pool, kTypes[3]), graph_.splat(kTypes[3], 4)), DType::i32);
    std::vector<build::BranchFn> all;
    for (int i = 2 + below(2); i > 0; --i)
      all.push_back([&] { return body(pool, {}, results, depth); });
    return build::case_(index, all);
  }

  Graph& graph_;
  Random random_;
};

Function random_program(std::uint64_t seed) {
  return function_of(kTypes, [&](const Values& x) {
    Writer writer(x[0].graph(), seed);
    Values pool = x;
    writer.write(pool, 3, 6);
    return writer.choose(pool, writer.types(4));
  });
}

}  // namespace

TEST_CASE("random_loops_and_branches_give_the_bits_of_the_reference_in_every_mode") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Function function = random_program(seed);
    std::vector<Array> inputs;
    for (const Type& type : kTypes) inputs.push_back(random_array(type, 10 * seed + inputs.size()));
    // State too: some arguments take a result of their type.
    for (std::size_t a = 0; a < kTypes.size() && seed % 2 == 0; ++a)
      for (std::size_t r = 0; r < function.results.size(); ++r)
        if (function.results[r].type() == kTypes[a] &&
            std::none_of(function.arguments.begin(), function.arguments.end(),
                         [&](const Argument& other) { return other.alias == static_cast<int>(r); }))
          function.arguments[a].alias = static_cast<int>(r);
    const std::vector<Array> expected = interpret(function, inputs);
    for (const Mode mode : {Mode::unfused, Mode::fused}) {
      PipelineOptions options;
      options.mode = mode;
      const std::vector<Array> results = execute(function, inputs, options);
      for (std::size_t r = 0; r < results.size(); ++r)
        if (const std::string found = difference(results[r], expected[r]); !found.empty())
          FAIL("seed " << seed << ", " << (mode == Mode::fused ? "fused" : "unfused") << ", result "
                       << r << ": " << found);
      Function planned = function;
      run_passes(planned, options);
      const StepPlan plan = plan_step(planned, {});
      Random random(seed, 3);
      for (int run = 0; run < 4; ++run)
        if (const std::string found =
                overlap(plan,
                        [&](int n) {
                          return static_cast<int>(random.below(static_cast<std::uint64_t>(n)));
                        });
            !found.empty())
          FAIL("seed " << seed << ": " << found << "\n" << plan.memory_text());
    }
  }
}

TEST_CASE("loops_nest_deep_without_compiling_for_ever") {
  constexpr int kDepth = 60;
  const Type type{DType::f32, {3}};
  const Function function = function_of({type}, [&](const Values& x) {
    const auto nest = [&](auto& self, Value v, int depth) -> Value {
      if (depth == 0) return build::add(v, x[0]);
      return build::counted(x[0].graph(), depth % 20 == 0 ? 2 : 1, {v}, [&](Value, Span inner) {
        return Values{self(self, inner[0], depth - 1)};
      })[0];
    };
    return Values{nest(nest, build::like(x[0], 0), kDepth)};
  });
  check_modes(function, std::vector{random_array(type, 1)});
}

}  // namespace kiln
