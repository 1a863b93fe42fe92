// scan: what it computes, in which order, with which gradients; what may happen in its body.
#include "frontend/scan.h"

#include "frontend/functions.h"
#include "frontend/random.h"
#include "ir/interpret.h"
#include "tests/catch.h"
#include "tests/support.h"
#include "tests/traced_step.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using Tensors = std::vector<Tensor>;

Type f32(Ints dims) { return {DType::f32, std::move(dims)}; }

std::string complaint(const std::function<void()>& body) {
  try {
    trace({}, [&](const auto&) {
      body();
      return Tensors{};
    });
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

}  // namespace

TEST_CASE("scan_is_the_loop_written_out") {
  const auto step = [](const Tensor& h, const Tensor& x, const Tensor& w) {
    return tanh(matmul(h, w) + x);
  };
  for (const bool reverse : {false, true}) {
    const std::vector<Array> inputs = {random_array(f32({2, 3}), 1),
                                       random_array(f32({5, 2, 3}), 2),
                                       random_array(f32({3, 3}), 3)};
    const Traced traced = Trace::run(
        [&](const Tensors& in) {
          const auto [last, all] = scan(
              [&](const Tensor& h, const Tensor& x) {
                const Tensor next = step(h, x, in[2]);
                return std::pair{next, next * 2.0};
              },
              in[0], in[1], reverse);
          Tensor h = in[0];
          Tensors outputs(5);
          for (std::int64_t t = 0; t < 5; ++t) {
            const std::int64_t at = reverse ? 4 - t : t;
            h = step(h, select(in[1], 0, at), in[2]);
            outputs[static_cast<std::size_t>(at)] = h * 2.0;
          }
          const Tensor written = stack(outputs);
          return Tensors{last, all, h, written};
        },
        types_of(inputs));
    for (const Way way : kWays) {
      const auto results = TracedStep(traced, way)(inputs);
      INFO(name_of(way) << (reverse ? ", reverse" : ""));
      CHECK(difference(results[0], results[2], {.relative = 1e-6}) == kNone);
      CHECK(difference(results[1], results[3], {.relative = 1e-6}) == kNone);
    }
  }
}

TEST_CASE("scans_carry_several_tensors_nest_and_may_be_empty") {
  // Σᵢ Σⱼ xᵢ yⱼ, counted on the way, by a scan within a scan.
  const std::vector<Array> inputs = {random_array(f32({4}), 1), random_array(f32({3}), 2),
                                     Array(f32({0, 2}))};
  const Traced traced = Trace::run(
      [](const Tensors& in) {
        const Scanned outer = scan(
            [&](const Tensors& carry, const Tensors& x) {
              const Tensor inner =
                  scan([&](const Tensor& total,
                           const Tensor& y) { return std::pair{total + x[0] * y, y}; },
                       carry[0], in[1])
                      .first;
              return Scanned{{inner, carry[1] + 1.0}, {}};
            },
            {full({}, 0), full({}, 0, DType::i64)}, {in[0]});
        const auto [last, none] =
            scan([](const Tensor& c, const Tensor& x) { return std::pair{c + sum(x), x * 2.0}; },
                 full({}, 7), in[2]);
        return Tensors{outer.carry[0], outer.carry[1], sum(in[0]) * sum(in[1]), last, none};
      },
      types_of(inputs));
  for (const Way way : kWays) {
    const auto results = TracedStep(traced, way)(inputs);
    CHECK(results[0].item() == Approx(results[2].item()).epsilon(1e-5));
    CHECK(results[1].item() == 4);
    CHECK(results[3].item() == 7);
    CHECK(results[4].type() == f32({0, 2}));
  }
}

TEST_CASE("each_turn_of_a_scan_draws_bits_of_its_own") {
  const Array x = Array::full(f32({6, 50}), 1);
  const Traced traced = Trace::run(
      [](const Tensors& in) {
        return Tensors{
            scan([](const Tensor& c, const Tensor& row) { return std::pair{c, dropout(row, 0.5)}; },
                 full({}, 0), in[0])
                .second};
      },
      {x.type()});
  Array reference;
  for (const Way way : kWays) {
    const Array rows = TracedStep(traced, way)({x})[0];
    for (int a = 0; a < 6; ++a)
      for (int b = 0; b < a; ++b) {
        int equal = 0;
        for (int i = 0; i < 50; ++i)
          equal += rows.as_double(50 * a + i) == rows.as_double(50 * b + i);
        CHECK(equal < 45);
      }
    if (way == Way::reference)
      reference = rows;
    else
      CHECK(rows.same_bits(reference));
  }
}

TEST_CASE("scan_complains_of_bodies_that_do_not_fit") {
  CHECK_THAT(complaint([] {
               scan([](const Tensors& c, const Tensors&) { return Scanned{c, {}}; }, {}, {});
             }),
             ContainsSubstring("scan: expected at least one tensor to go over"));
  CHECK_THAT(complaint([] {
               scan([](const Tensors& c, const Tensors&) { return Scanned{c, {}}; }, {},
                    {full({2}, 0), full({3}, 0)});
             }),
             ContainsSubstring("first axes are equally long"));
  CHECK_THAT(complaint([] {
               scan([](const Tensor& c, const Tensor& x) { return std::pair{c + x, x}; },
                    full({}, 0), full({3, 2}, 1));
             }),
             ContainsSubstring("return carry 0 with the type it came with, f32[]"));
  const auto variable =
      std::make_shared<Variable>(Variable{"total", f32({}), Initializer::constant(0), false});
  CHECK_THAT(
      complaint([&] {
        scan(
            [&](const Tensor& c, const Tensor& x) {
              Trace::current("test").assign(variable, x);
              return std::pair{c, x};
            },
            full({}, 0), full({3}, 1));
      }),
      ContainsSubstring("variable 'total' cannot be given what the body of a loop computes"));
}

}  // namespace kiln
