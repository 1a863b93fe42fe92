// Optimisers, schedules and clipping against PyTorch's (tests/torch/generate_optim.py), and what
// must hold of their state.
#include "frontend/optim.h"

#include <cmath>
#include <filesystem>
#include <limits>

#include "frontend/functions.h"
#include "ir/interpret.h"
#include "runtime/checkpoint.h"
#include "runtime/jit.h"
#include "runtime/safetensors.h"
#include "tests/catch.h"
#include "tests/source_folder.h"
#include "tests/support.h"
#include "tests/temp_folder.h"
#include "tests/traced_step.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;

const NamedArrays& pytorch() {
  static const NamedArrays tensors =
      load_safetensors(source_folder() + "/tests/torch/optim.safetensors").tensors;
  return tensors;
}

struct Model : Module {
  explicit Model(const Ints& dims, const std::string& name = "p", DType dtype = DType::f64)
      : p(parameter(name, dims, Initializer::constant(1), dtype)) {}
  Parameter p;
};

/// Row `i` of an array.
Array row(const Array& all, std::int64_t i) {
  const Ints dims(all.dims().begin() + 1, all.dims().end());
  Array one(Type{all.dtype(), dims});
  const auto bytes = static_cast<std::ptrdiff_t>(one.bytes().size());
  std::copy_n(all.bytes().begin() + i * bytes, bytes, one.bytes().begin());
  return one;
}

struct Case {
  std::string name;
  std::function<std::unique_ptr<Optimizer>()> make;
};

template <class T, class Options>
Case a_case(const std::string& name, Options options) {
  return {name, [options] { return std::make_unique<T>(options); }};
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      a_case<SGD>("sgd", SGDOptions{}),
      a_case<SGD>("sgd_weight_decay", SGDOptions{.lr = 0.1, .weight_decay = 0.1}),
      a_case<SGD>("sgd_momentum", SGDOptions{.lr = 0.1, .momentum = 0.9}),
      a_case<SGD>("sgd_dampening",
                  SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.05}),
      a_case<SGD>("sgd_nesterov",
                  SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05, .nesterov = true}),
      a_case<Adam>("adam", AdamOptions{}),
      a_case<Adam>(
          "adam_options",
          AdamOptions{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1}),
      a_case<Adam>("adam_amsgrad",
                   AdamOptions{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.7, .amsgrad = true}),
      a_case<AdamW>("adamw", AdamWOptions{}),
      a_case<AdamW>("adamw_options",
                    AdamWOptions{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.5}),
      a_case<Adagrad>("adagrad", AdagradOptions{}),
      a_case<Adagrad>("adagrad_options", AdagradOptions{.lr = 0.1,
                                                        .lr_decay = 0.2,
                                                        .weight_decay = 0.1,
                                                        .initial_accumulator_value = 0.5,
                                                        .eps = 1e-2}),
      a_case<RMSprop>("rmsprop", RMSpropOptions{}),
      a_case<RMSprop>("rmsprop_options",
                      RMSpropOptions{.lr = 0.05, .alpha = 0.9, .eps = 1e-3, .weight_decay = 0.1}),
      a_case<RMSprop>("rmsprop_momentum", RMSpropOptions{.lr = 0.05, .momentum = 0.9}),
      a_case<RMSprop>("rmsprop_centered",
                      RMSpropOptions{.lr = 0.05, .momentum = 0.5, .centered = true}),
      a_case<SGD>("step_lr", SGDOptions{.lr = step_lr(0.1, 3, 0.5)}),
      a_case<SGD>("exponential_lr", SGDOptions{.lr = exponential_lr(0.1, 0.7), .momentum = 0.9}),
      a_case<Adam>("cosine_annealing_lr", AdamOptions{.lr = cosine_annealing_lr(0.1, 8, 0.01)}),
      a_case<AdamW>("linear_lr",
                    AdamWOptions{.lr = linear_lr(0.1, 0.25, 0.75, 4), .weight_decay = 0.2}),
      a_case<Adagrad>(
          "lambda_lr",
          AdagradOptions{.lr = lambda_lr(0.1, [](const Tensor& t) { return 1.0 / (1.0 + t); }),
                         .lr_decay = 0.1}),
      a_case<RMSprop>("linear_warmup",
                      RMSpropOptions{.lr = linear_warmup(exponential_lr(0.1, 0.5), 3, 0.25)}),
  };
  return all;
}

Traced traced_update(Optimizer& optimizer, const Module& model, const Type& gradient) {
  return Trace::run(
      [&](const std::vector<Tensor>& in) {
        optimizer.update(model.parameters(), {in[0]});
        return std::vector<Tensor>{};
      },
      {gradient});
}

std::string complaint(const std::function<void()>& body) {
  try {
    Trace::run(
        [&](const auto&) {
          body();
          return std::vector<Tensor>{};
        },
        {});
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

}  // namespace

TEST_CASE("optimisers_and_schedules_take_pytorchs_steps_in_every_way_of_running") {
  for (const auto& [name, make] : cases()) {
    const Array &start = pytorch().at(name + "/p"), &gradients = pytorch().at(name + "/gradients"),
                &steps = pytorch().at(name + "/steps");
    const Model model(start.dims());
    const auto optimizer = make();
    const Traced traced = traced_update(*optimizer, model, start.type());
    for (const Way way : kWays) {
      TracedStep step(traced, way, {{"p", start}});
      for (std::int64_t s = 0; s < gradients.dims()[0]; ++s) {
        step({row(gradients, s)});
        INFO(name << ", " << name_of(way) << ", step " << s + 1);
        CHECK(difference(step.state("p"), row(steps, s), {.relative = 1e-13}) == kNone);
      }
    }
  }
}

TEST_CASE("an_optimiser_works_in_the_parameters_own_type") {
  for (const auto& [name, make] : cases()) {
    const Array start = pytorch().at(name + "/p").converted(DType::f32);
    const Array gradients = pytorch().at(name + "/gradients").converted(DType::f32);
    const Array steps = pytorch().at(name + "/steps").converted(DType::f32);
    const Model model(start.dims(), "p", DType::f32);
    const auto optimizer = make();
    TracedStep step(traced_update(*optimizer, model, start.type()), Way::fused, {{"p", start}});
    for (std::int64_t s = 0; s < gradients.dims()[0]; ++s) {
      step({row(gradients, s)});
      INFO(name << ", step " << s + 1);
      CHECK(difference(step.state("p"), row(steps, s), {.relative = 2e-6}) == kNone);
    }
  }
}

TEST_CASE("gradients_are_clipped_as_pytorch_clips_them") {
  struct Clip {
    std::string name;
    double norm_type, limit;
  };
  for (const auto& [name, norm_type, limit] :
       {Clip{"clip_2", 2, 1.5}, Clip{"clip_1", 1, 2},
        Clip{"clip_inf", std::numeric_limits<double>::infinity(), 0.5}, Clip{"clip_3", 3, 1},
        Clip{"clip_not", 2, 100}}) {
    const std::vector<Array> inputs = {pytorch().at(name + "/g0"), pytorch().at(name + "/g1")};
    const Traced traced = Trace::run(
        [norm_type = norm_type, limit = limit](const std::vector<Tensor>& in) {
          auto results = clip_grad_norm(in, limit, norm_type);
          results.push_back(total_norm(in, norm_type));
          return results;
        },
        types_of(inputs));
    for (const Way way : kWays) {
      const auto results = TracedStep(traced, way)(inputs);
      INFO(name << ", " << name_of(way));
      CHECK(difference(results[0], pytorch().at(name + "/clipped0"), {.relative = 1e-6}) == kNone);
      CHECK(difference(results[1], pytorch().at(name + "/clipped1"), {.relative = 1e-6}) == kNone);
      CHECK(difference(results[2], pytorch().at(name + "/norm"), {.relative = 1e-6}) == kNone);
    }
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Array x = Array::of<float>({4}, {-3, 0.5F, 2, nan});
  check([](const auto& in) { return clip_grad_value(in, 1); }, {x});
  const auto clipped = interpret(
      trace({x.type()}, [](const auto& in) { return clip_grad_value(in, 1); }), std::vector{x});
  CHECK(difference(clipped[0], Array::of<float>({4}, {-1, 0.5F, 1, nan})) == kNone);
}

TEST_CASE("a_run_that_is_resumed_takes_the_very_same_steps") {
  const TempFolder folder;
  const std::string file = folder.file("half.safetensors");
  for (const auto& [name, make] : cases()) {
    const Array &start = pytorch().at(name + "/p"), &gradients = pytorch().at(name + "/gradients");
    const std::int64_t steps = gradients.dims()[0];
    // A run of its own variables: the whole of it, or one of its halves.
    const auto run = [&](std::int64_t from, std::int64_t to) {
      const Model model(start.dims());
      const auto optimizer = make();
      auto step = jit([&](const Tensor& g) {
        optimizer->update(model.parameters(), {g});
        return Tensor(model.p) * 1.0;
      });
      step.compile({start.type()});
      std::vector<VariablePtr> everything = model.state();
      for (const VariablePtr& variable : optimizer->state()) everything.push_back(variable);
      if (from == 0)
        *model.p.variable()->storage = start.clone();
      else
        load_checkpoint(file, everything);
      for (std::int64_t s = from; s < to; ++s) step(row(gradients, s));
      if (to < steps) save_checkpoint(file, everything);
      return hash_of(everything);
    };
    const std::uint64_t whole = run(0, steps);
    run(0, 4);
    INFO(name);
    CHECK(run(4, steps) == whole);
  }
}

TEST_CASE("two_optimisers_in_one_step_do_not_clash") {
  // Of different parameters, even unnamed and with steps of their own; updated apart by one, too.
  const Model a({2}, "a"), b({2}, "b"), c({2}, "c");
  Adam first({.lr = 0.1}), second({.lr = 0.2});
  auto step = jit([&](const Tensor& g) {
    first.update(a.parameters(), {g});
    second.update(b.parameters(), {g});
    second.update(c.parameters(), {g});
    return std::vector{Tensor(a.p) * 1.0, Tensor(b.p) * 1.0, Tensor(c.p) * 1.0};
  });
  const Array gradient = Array::of<double>({2}, {1, -2});
  for (int t = 1; t <= 3; ++t) {
    const auto& results = step(gradient);
    // With a constant gradient every step of Adam's is lr long.
    CHECK(results[0].as_double(0) == Approx(1 - 0.1 * t));
    CHECK(results[1].as_double(0) == Approx(1 - 0.2 * t));
    CHECK(results[2].as_double(1) == Approx(1 + 0.2 * t));
  }
  // Of the same parameters they need names.
  const Model shared({2}, "shared");
  Adam other({.lr = 0.1}), named({.lr = 0.1}, "named");
  const auto both = [&](Optimizer& one, Optimizer& two) {
    return complaint([&] {
      one.update(shared.parameters(), {full({2}, 1, DType::f64)});
      two.update(shared.parameters(), {full({2}, 1, DType::f64)});
    });
  };
  CHECK_THAT(both(first, other), ContainsSubstring("two variables are named 'optimizer."));
  CHECK(both(first, named) == "no Error");
}

TEST_CASE("optimisers_and_schedules_complain_of_what_they_cannot_use") {
  CHECK_THROWS_WITH(
      SGD({.lr = 0.1, .nesterov = true}),
      ContainsSubstring("expects a momentum above 0 and no dampening, found 0 and 0"));
  CHECK_THROWS_WITH(step_lr(0.1, 0), ContainsSubstring("expected at least one step, found 0"));
  CHECK_THAT(complaint([] { total_norm({}); }), ContainsSubstring("at least one gradient"));
  CHECK_THAT(complaint([] { total_norm({full({2}, 1)}, -1); }),
             ContainsSubstring("expected a norm above 0 (1, 2, infinity), found -1"));
  CHECK_THAT(complaint([] {
               const Model model({2});
               SGD sgd;
               sgd.update(model.parameters(), {full({3}, 1, DType::f64)});
             }),
             ContainsSubstring("expected a gradient of 'p' that is f64[2], found f64[3]"));
}

}  // namespace kiln
