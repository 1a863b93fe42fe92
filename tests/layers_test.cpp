// Layers and losses against PyTorch's (tests/torch/generate_layers.py): outputs, gradients and
// buffers, in every way of running. What must hold of their state, and what they complain of.
#include "frontend/layers.h"

#include <cmath>
#include <functional>
#include <memory>

#include "frontend/attention.h"
#include "frontend/functions.h"
#include "frontend/gradient.h"
#include "frontend/optim.h"
#include "frontend/random.h"
#include "frontend/recurrent.h"
#include "passes/autodiff.h"
#include "runtime/checkpoint.h"
#include "runtime/jit.h"
#include "tests/catch.h"
#include "tests/source_folder.h"
#include "tests/support.h"
#include "tests/temp_folder.h"
#include "tests/traced_step.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using Tensors = std::vector<Tensor>;

const NamedArrays& pytorch() {
  static const NamedArrays tensors =
      load_safetensors(source_folder() + "/tests/torch/layers.safetensors").tensors;
  return tensors;
}

/// The tensors NAME/x0, NAME/x1, … there are.
std::vector<Array> numbered(const std::string& name, char kind) {
  std::vector<Array> arrays;
  for (int i = 0;; ++i) {
    const auto found = pytorch().find(fmt::format("{}/{}{}", name, kind, i));
    if (found == pytorch().end()) return arrays;
    arrays.push_back(found->second);
  }
}

struct Case {
  std::string name;
  std::shared_ptr<Module> module;
  std::function<Tensors(const Tensors& inputs)> call;
};

Tensors listed(const Tensor& x) { return {x}; }
Tensors listed(const RecurrentState& x) { return {x.hidden, x.cell}; }
Tensors listed(const Attended& x) { return {x.output, x.weights}; }
Tensors listed(const RecurrentOutput& x) {
  return x.cell.value() ? Tensors{x.output, x.hidden, x.cell} : Tensors{x.output, x.hidden};
}

/// A layer of one input, made of these arguments.
template <class Layer, class... Arguments>
Case a_layer(const std::string& name, Arguments... arguments) {
  const auto layer = std::make_shared<Layer>(nullptr, "", std::move(arguments)...);
  return {name, layer, [layer](const Tensors& in) {
            if constexpr (std::is_base_of_v<RecurrentLayer, Layer>)
              return listed((*layer)(
                  in[0], {in.size() > 1 ? in[1] : Tensor(), in.size() > 2 ? in[2] : Tensor()}));
            else if constexpr (std::is_same_v<Layer, LSTMCell>)
              return listed((*layer)(in[0], {in[1], in[2]}));
            else if constexpr (std::is_base_of_v<RecurrentCell, Layer>)
              return listed((*layer)(in[0], in[1]));
            else
              return listed((*layer)(in[0]));
          }};
}

Case a_function(const std::string& name, std::function<Tensor(const Tensors& in)> f) {
  return {name, nullptr, [f = std::move(f)](const Tensors& in) { return Tensors{f(in)}; }};
}

const std::vector<std::pair<std::string, Reduction>> kReductions = {
    {"none", Reduction::none}, {"mean", Reduction::mean}, {"sum", Reduction::sum}};

std::vector<Case> layer_cases() {
  std::vector<Case> cases = {
      a_layer<Linear>("linear", 5, 3),
      a_layer<Linear>("linear_plain", 5, 3, false),
      a_layer<Conv1d>("conv1d", 4, 6, 3,
                      Conv1dOptions{.stride = 2, .padding = 1, .dilation = 2, .groups = 2}),
      a_layer<Conv2d>("conv2d", 3, 4, 3),
      a_layer<Conv2d>(
          "conv2d_options", 4, 6, Pair{3, 2},
          Conv2dOptions{.stride = {2, 1}, .padding = {2, 1}, .dilation = {1, 2}, .groups = 2},
          false),
      a_layer<Conv2d>("conv2d_alone", 2, 3, 2),
      a_layer<ConvTranspose2d>(
          "conv_transpose2d", 4, 6, 3,
          ConvTranspose2dOptions{.stride = 2, .padding = 1, .output_padding = 1, .groups = 2}),
      a_layer<ConvTranspose2d>(
          "conv_transpose2d_dilated", 2, 3, Pair{2, 3},
          ConvTranspose2dOptions{.stride = {1, 2}, .padding = {0, 2}, .dilation = 2}),
      a_function("max_pool2d", [](const Tensors& in) { return max_pool2d(in[0], 2); }),
      a_function("max_pool2d_options",
                 [](const Tensors& in) {
                   return MaxPool2d{{3, 2},
                                    {.stride = Pair{2, 3},
                                     .padding = {1, 0},
                                     .dilation = {2, 1},
                                     .ceil_mode = true}}(in[0]);
                 }),
      a_function("avg_pool2d",
                 [](const Tensors& in) { return AvgPool2d{3, {.stride = 2}}(in[0]); }),
      a_function("avg_pool2d_options",
                 [](const Tensors& in) {
                   return avg_pool2d(in[0], {3, 2}, {.stride = 2, .padding = 1, .ceil_mode = true});
                 }),
      a_function("avg_pool2d_uncounted",
                 [](const Tensors& in) {
                   return avg_pool2d(in[0], 3,
                                     {.stride = 2, .padding = 1, .count_include_pad = false});
                 }),
      a_function("adaptive_avg_pool2d",
                 [](const Tensors& in) { return AdaptiveAvgPool2d{{3, 1}}(in[0]); }),
      a_layer<Embedding>("embedding", 7, 3),
      a_layer<LayerNorm>("layer_norm", Ints{6}),
      a_layer<LayerNorm>("layer_norm_axes", Ints{3, 4}, 0.1, true, false),
      a_layer<RMSNorm>("rms_norm", Ints{6}),
      a_layer<GroupNorm>("group_norm", 2, 4),
      a_layer<BatchNorm1d>("batch_norm1d", 3),
      a_layer<BatchNorm2d>("batch_norm2d", 3, BatchNormOptions{.eps = 0.01, .momentum = 0.3}),
      a_layer<BatchNorm1d>("batch_norm_average", 2, BatchNormOptions{.momentum = {}}),
      a_layer<BatchNorm2d>("batch_norm_eval", 3),
      a_layer<RNNCell>("rnn_cell", 3, 4, true, Nonlinearity::relu),
      a_layer<GRUCell>("gru_cell", 3, 4),
      a_layer<LSTMCell>("lstm_cell", 3, 4),
      a_function(
          "attention_causal",
          [](const Tensors& in) {
            return scaled_dot_product_attention(in[0], in[1], in[2], {.is_causal = true}).output;
          }),
      a_function("attention_scaled",
                 [](const Tensors& in) {
                   return scaled_dot_product_attention(in[0], in[1], in[2],
                                                       {.mask = in[3], .scale = 0.3})
                       .output;
                 }),
  };
  for (const Case& one : cases)
    if (one.name == "batch_norm_eval") one.module->eval();
  const auto self = std::make_shared<MultiheadAttention>(
      nullptr, "", 6, 2, MultiheadAttentionOptions{.batch_first = true});
  cases.push_back({"multihead", self, [self](const Tensors& in) {
                     const Tensor later = triu(full({5, 5}, 1, DType::i1), 1);
                     return listed((*self)(in[0], in[0], in[0], {.attn_mask = later}));
                   }});
  const auto cross = std::make_shared<MultiheadAttention>(
      nullptr, "", 6, 3, MultiheadAttentionOptions{.kdim = 4, .vdim = 5});
  cases.push_back(
      {"multihead_cross", cross, [cross](const Tensors& in) {
         const Array padding = Array::of<bool>({2, 3}, {false, false, true, false, true, true});
         return listed((*cross)(in[0], in[1], in[2], {.key_padding_mask = constant(padding)}));
       }});
  return cases;
}

std::vector<Case> sequence_cases() {
  return {
      a_layer<RNN>("rnn", 3, 4),
      a_layer<RNN>("rnn_alone", 3, 4, RecurrentOptions{.bias = false}),
      a_layer<GRU>("gru", 3, 4,
                   RecurrentOptions{.num_layers = 2, .batch_first = true, .bidirectional = true}),
      a_layer<LSTM>("lstm", 3, 4, RecurrentOptions{.num_layers = 2}),
  };
}

std::vector<Case> loss_cases() {
  std::vector<Case> cases = {
      a_function("l1", [](const Tensors& in) { return l1_loss(in[0], in[1]); }),
      a_function("smooth_l1", [](const Tensors& in) { return smooth_l1_loss(in[0], in[1], 0.7); }),
      a_function("huber", [](const Tensors& in) { return huber_loss(in[0], in[1], 0.7); }),
      a_function(
          "cross_entropy_probabilities",
          [](const Tensors& in) { return cross_entropy(in[0], in[1], {.label_smoothing = 0.1}); }),
      a_function("cross_entropy_one",
                 [](const Tensors& in) { return cross_entropy(in[0], in[1]); }),
      a_function(
          "cross_entropy_ignored",
          [](const Tensors& in) { return cross_entropy(in[0], in[1], {.ignore_index = 2}); }),
      a_function("nll", [](const Tensors& in) { return nll_loss(in[0], in[1]); }),
      a_function("bce", [](const Tensors& in) { return binary_cross_entropy(in[0], in[1]); }),
      a_function("bce_with_logits_zero",
                 [](const Tensors& in) { return binary_cross_entropy_with_logits(in[0], in[1]); }),
      a_function("kl_div",
                 [](const Tensors& in) { return kl_div(in[0], in[1], Reduction::batchmean); }),
      a_function("kl_div_log",
                 [](const Tensors& in) { return kl_div(in[0], in[1], Reduction::mean, true); }),
  };
  for (const auto& [suffix, reduction] : kReductions) {
    cases.push_back(a_function(
        "mse_" + suffix, [r = reduction](const Tensors& in) { return mse_loss(in[0], in[1], r); }));
    cases.push_back(a_function("cross_entropy_" + suffix, [r = reduction](const Tensors& in) {
      return cross_entropy(in[0], in[1], {.reduction = r});
    }));
    cases.push_back(a_function("cross_entropy_images_" + suffix, [r = reduction](
                                                                     const Tensors& in) {
      return cross_entropy(in[0], in[1], {.weight = in[2], .reduction = r, .label_smoothing = 0.2});
    }));
    cases.push_back(a_function("bce_with_logits_" + suffix, [r = reduction](const Tensors& in) {
      return binary_cross_entropy_with_logits(in[0], in[1], {.pos_weight = in[2], .reduction = r});
    }));
  }
  return cases;
}

/// Runs the case in every way and compares all that PyTorch's file says of it. Returns how many
/// tensors that were.
int check_against_pytorch(const Case& one) {
  const std::vector<Array> x = numbered(one.name, 'x'), d = numbered(one.name, 'd');
  std::vector<Array> inputs = x;
  inputs.insert(inputs.end(), d.begin(), d.end());
  std::vector<std::string> keys;  // of the outputs, in the file
  const Traced traced = Trace::run(
      [&](const Tensors& in) {
        const Tensors called(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(x.size()));
        Tensors results = one.call(called);
        std::vector<Value> outputs, cotangents, wrt;
        for (std::size_t i = 0; i < results.size(); ++i) {
          keys.push_back(fmt::format("y{}", i));
          outputs.push_back(results[i].value());
          cotangents.push_back(in[x.size() + i].value());
        }
        for (std::size_t i = 0; i < x.size(); ++i)
          if (const std::string key = fmt::format("g{}", i);
              pytorch().contains(one.name + "/" + key)) {
            keys.push_back(key);
            wrt.push_back(called[i].value());
          }
        if (one.module)
          for (const Parameter& parameter : one.module->parameters()) {
            keys.push_back("grad/" + parameter.name());
            wrt.push_back(Tensor(parameter).value());
          }
        for (Value gradient : gradients(outputs, cotangents, wrt)) results.emplace_back(gradient);
        return results;
      },
      types_of(inputs));
  NamedArrays state;
  if (one.module)
    for (const VariablePtr& variable : one.module->state())
      state[variable->name] = pytorch().at(one.name + "/state/" + variable->name);
  int compared = 0;
  for (const Way way : kWays) {
    INFO(one.name << ", " << name_of(way));
    TracedStep step(traced, way, state);
    const std::vector<Array> results = step(inputs);
    REQUIRE(results.size() == keys.size());
    const auto compare = [&](const std::string& key, const Array& got) {
      INFO(key);
      CHECK(difference(got, pytorch().at(one.name + "/" + key), {.relative = 1e-5}) == kNone);
      ++compared;
    };
    for (std::size_t i = 0; i < keys.size(); ++i) compare(keys[i], results[i]);
    if (!one.module || !one.module->training()) continue;
    for (const Buffer& buffer : one.module->buffers())
      compare("after/" + buffer.name(), step.state(buffer.name()));
  }
  return compared;
}

std::string complaint(const std::vector<Type>& types,
                      const std::function<void(const Tensors& in)>& body) {
  try {
    trace(types, [&](const auto& in) {
      body(in);
      return Tensors{};
    });
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

Type f32(Ints dims) { return {DType::f32, std::move(dims)}; }

}  // namespace

TEST_CASE("layers_and_their_gradients_are_pytorchs_in_every_way_of_running") {
  int compared = 0;
  for (const Case& one : layer_cases()) compared += check_against_pytorch(one);
  CHECK(compared > 3 * 120);
}

TEST_CASE("losses_and_their_gradients_are_pytorchs_in_every_way_of_running") {
  int compared = 0;
  for (const Case& one : loss_cases()) compared += check_against_pytorch(one);
  CHECK(compared > 3 * 45);
}

TEST_CASE("parameters_have_pytorchs_names_and_shapes") {
  std::vector<Case> cases = layer_cases();
  for (const Case& one : sequence_cases()) cases.push_back(one);
  for (const Case& one : cases) {
    if (!one.module) continue;
    std::size_t known = 0;
    for (const auto& [key, value] : pytorch()) known += key.starts_with(one.name + "/state/");
    INFO(one.name);
    CHECK(one.module->state().size() == known);
    for (const VariablePtr& variable : one.module->state())
      CHECK(variable->type == pytorch().at(one.name + "/state/" + variable->name).type());
  }
}

TEST_CASE("first_values_are_drawn_from_pytorchs_distributions") {
  const auto bound = [](const Parameter& parameter, double expected) {
    INFO(parameter.name());
    const Initializer& init = parameter.variable()->initializer;
    CHECK(init.kind == Initializer::Kind::uniform);
    CHECK(init.b == Approx(expected));
    CHECK(init.a == Approx(-expected));
  };
  const Conv2d conv(nullptr, "conv", 6, 4, {3, 5}, {.groups = 2});
  bound(conv.weight, 1 / std::sqrt(3.0 * 15));
  bound(conv.bias, 1 / std::sqrt(3.0 * 15));
  const ConvTranspose2d transposed(nullptr, "transposed", 6, 4, 3);
  bound(transposed.weight, 1 / std::sqrt(4.0 * 9));
  const GRU gru(nullptr, "gru", 3, 16);
  for (const Parameter& parameter : gru.parameters()) bound(parameter, 0.25);
  const MultiheadAttention attention(nullptr, "attention", 8, 2);
  bound(attention.in_proj_weight, std::sqrt(6.0 / (8 + 24)));
  CHECK(attention.in_proj_bias.variable()->initializer.a == 0);
  const Embedding embedding(nullptr, "embedding", 50, 40);
  const Array table = value_of(embedding.weight.variable());
  double squares = 0;
  for (std::int64_t i = 0; i < table.count(); ++i) squares += std::pow(table.as_double(i), 2);
  CHECK(squares / 2000 == Approx(1).epsilon(0.15));
  const BatchNorm2d norm(nullptr, "norm", 3);
  CHECK(value_of(norm.running_var.variable()).as_double(2) == 1);
}

// ---- modes and state

TEST_CASE("the_mode_is_part_of_jits_key") {
  struct Net : Module {
    Linear linear{this, "linear", 4, 30};
    Dropout dropout{this, "dropout", 0.5};
    Tensor operator()(const Tensor& x) const { return dropout(linear(x)); }
  };
  Net net;
  auto f = jit([&](const Tensor& x) { return net(x); });
  const Array x = random_array(f32({50, 4}), 1);
  const Array first = f(x).clone(), second = f(x).clone();
  CHECK_FALSE(first.same_bits(second));  // another step, another mask
  CHECK(f.traces() == 1);
  net.eval();
  const Array plain = f(x).clone();
  CHECK(f.traces() == 2);
  CHECK(f(x).same_bits(plain));
  net.dropout.train();  // one layer alone
  const Array third = f(x).clone();
  CHECK(f.traces() == 2);  // back to the first trace
  CHECK_FALSE(third.same_bits(second));
  for (std::int64_t i = 0; i < plain.count(); ++i)
    REQUIRE((third.as_double(i) == 0 || third.as_double(i) == 2 * plain.as_double(i)));
}

TEST_CASE("batch_norms_statistics_are_trained_saved_and_loaded") {
  struct Net : Module {
    BatchNorm1d norm{this, "norm", 3};
    Linear out{this, "out", 3, 1};
    Tensor operator()(const Tensor& x) const { return out(norm(x)); }
  };
  const TempFolder folder;
  const Array x = random_array(f32({64, 3}), 3, 1, 5), y = random_array(f32({64, 1}), 4);
  const auto train = [&](Net& net, int steps) {
    SGD sgd({.lr = 0.1});
    auto step = jit([&](const Tensor& a, const Tensor& b) {
      const auto [loss, grads] =
          value_and_grad([&] { return mse_loss(net(a), b); }, net.parameters());
      sgd.update(net.parameters(), grads);
      return loss;
    });
    for (int i = 0; i < steps; ++i) step(x, y);
  };
  const auto evaluate = [&](Net& net) {
    net.eval();
    auto f = jit([&](const Tensor& a) { return net(a); });
    const Array result = f(x).clone();
    net.train();
    return result;
  };
  Net net;
  train(net, 100);
  CHECK(value_of(net.norm.num_batches_tracked.variable()).item() == 100);
  for (int channel = 0; channel < 3; ++channel) {
    double mean = 0, square = 0;
    for (int i = 0; i < 64; ++i) {
      mean += x.as_double(3 * i + channel) / 64;
      square += std::pow(x.as_double(3 * i + channel), 2) / 64;
    }
    CHECK(value_of(net.norm.running_mean.variable()).as_double(channel) ==
          Approx(mean).epsilon(1e-3));
    CHECK(value_of(net.norm.running_var.variable()).as_double(channel) ==
          Approx((square - mean * mean) * 64 / 63).epsilon(1e-3));
  }
  const Array expected = evaluate(net);
  CHECK(value_of(net.norm.num_batches_tracked.variable()).item() == 100);
  save_checkpoint(folder.file("net"), net.state());
  Net loaded;
  load_checkpoint(folder.file("net"), loaded.state());
  CHECK(evaluate(loaded).same_bits(expected));
}

TEST_CASE("a_training_with_dropout_that_is_resumed_ends_with_the_very_same_weights") {
  struct Net : Module {
    Sequential layers{this, "layers"};
    Net() {
      layers.add<Linear>(4, 16);
      layers.add(relu);
      layers.add<Dropout>(0.3);
      layers.add([](const Tensor& x) { return x * 1.5; });
      layers.add<Linear>(16, 1);
    }
  };
  const TempFolder folder;
  const Array x = random_array(f32({32, 4}), 3), y = random_array(f32({32, 1}), 4);
  const auto run = [&](int from, int to) {
    manual_seed(11);
    Net net;
    Adam adam;
    auto step = jit([&](const Tensor& a, const Tensor& b) {
      const auto [loss, grads] =
          value_and_grad([&] { return mse_loss(net.layers(a), b); }, net.parameters());
      adam.update(net.parameters(), grads);
      return loss;
    });
    const auto& variables = step.compile({x.type(), y.type()}).variables();
    if (from > 0) load_checkpoint(folder.file("half"), variables);
    for (int i = from; i < to; ++i) step(x, y);
    save_checkpoint(folder.file("half"), variables);
    CHECK(net.parameters()[2].name() == "layers.4.weight");
    return hash_of(variables);
  };
  const std::uint64_t whole = run(0, 6);
  CHECK(run(0, 3) != whole);
  CHECK(run(3, 6) == whole);
}

TEST_CASE("a_list_of_modules_names_them_by_number") {
  struct Net : Module {
    ModuleList<Linear> layers{this, "layers"};
    Net() {
      for (int i = 0; i < 3; ++i) layers.add(4, 4, i != 1);
    }
  };
  const Net net;
  std::vector<std::string> names;
  for (const Parameter& parameter : net.parameters()) names.push_back(parameter.name());
  CHECK(names == std::vector<std::string>{"layers.0.weight", "layers.0.bias", "layers.1.weight",
                                          "layers.2.weight", "layers.2.bias"});
  check(
      [&](const auto& in) {
        Tensor x = in[0];
        for (const Linear& layer : net.layers)
          x = linear(x, full({4, 4}, 0.1 * static_cast<double>(layer.parameters().size())));
        return std::vector{x};
      },
      {random_array(f32({2, 4}), 1)});
}

// ---- attention of the articles

TEST_CASE("the_articles_attentions_weigh_only_what_is_valid") {
  const DotProductAttention dot(nullptr, "dot", 0.5);
  const AdditiveAttention additive(nullptr, "additive", 2, 20, 8, 0.1);
  const std::vector<Array> inputs = {
      random_array(f32({2, 1, 20}), 1), Array::full(f32({2, 10, 2}), 1),
      Array::of<std::int64_t>({2}, {2, 6}), random_array(f32({2, 1, 2}), 2)};
  const_cast<DotProductAttention&>(dot).eval();
  const_cast<AdditiveAttention&>(additive).eval();
  const Traced traced = Trace::run(
      [&](const Tensors& in) {
        // Row i of the values holds 4 i … 4 i + 3, as in the article.
        const Tensor values = expand(reshape(arange(40, DType::f32), {1, 10, 4}), {2, 10, 4});
        const Attended a = additive(in[0], in[1], values, in[2]);
        const Attended b = dot(in[3], in[1], values, in[2]);
        return std::vector{a.output, a.weights, b.output, b.weights};
      },
      types_of(inputs));
  const Array expected = Array::of<float>({2, 1, 4}, {2, 3, 4, 5, 10, 11, 12, 13});
  for (const Way way : kWays) {
    const auto results = TracedStep(traced, way)(inputs);
    CHECK(difference(results[0], expected, {.relative = 1e-6}) == kNone);
    CHECK(difference(results[2], expected, {.relative = 1e-6}) == kNone);
    for (const std::size_t weights : {1, 3})
      for (std::int64_t key = 0; key < 10; ++key) {
        CHECK(results[weights].as_double(key) == Approx(key < 2 ? 0.5 : 0));
        CHECK(results[weights].as_double(10 + key) == Approx(key < 6 ? 1.0 / 6 : 0));
      }
  }
}

TEST_CASE("causal_self_attention_never_looks_ahead") {
  const CausalSelfAttention attention(nullptr, "attention", 4);
  std::vector<std::string> names;
  for (const Parameter& parameter : attention.parameters()) names.push_back(parameter.name());
  CHECK(names[0] == "attention.k_layer.weight");
  Array x = random_array(f32({1, 5, 4}), 1);
  auto f = jit([&](const Tensor& in) {
    const Attended made = attention(in);
    return std::vector{made.output, made.weights};
  });
  const Array before = f(x)[0].clone();
  for (int i = 12; i < 20; ++i) x.data<float>()[static_cast<std::size_t>(i)] += 1;
  const auto& after = f(x);
  for (std::int64_t i = 0; i < 20; ++i)
    CHECK((after[0].as_double(i) == before.as_double(i)) == (i < 12));
  for (std::int64_t q = 0; q < 5; ++q)
    for (std::int64_t k = q + 1; k < 5; ++k) CHECK(after[1].as_double(5 * q + k) == 0);
}

// ---- complaints

TEST_CASE("layers_say_what_they_expected_what_they_found_and_which_one_it_was") {
  struct Net : Module {
    Linear linear{this, "hidden", 784, 10};
    Conv2d conv{this, "conv", 3, 8, 3};
    BatchNorm2d norm{this, "norm", 3};
    LayerNorm layer_norm{this, "layer_norm", {6}};
    GRU gru{this, "gru", 3, 4};
    LSTMCell cell{this, "cell", 3, 4};
    Embedding table{this, "table", 5, 2};
    MultiheadAttention heads{this, "heads", 6, 2};
  };
  const Net net;
  const auto says = [](const std::string& text, const std::vector<std::string>& parts) {
    for (const std::string& part : parts) CHECK_THAT(text, ContainsSubstring(part));
    CHECK_THAT(text, ContainsSubstring("layers_test.cpp:"));
  };
  says(complaint({f32({64, 10})}, [&](const auto& in) { net.linear(in[0]); }),
       {"expected an input [..., 784] for weight f32[10, 784]", "found f32[64, 10]",
        "; in Linear 'hidden'"});
  says(complaint({f32({2, 4, 8, 8})}, [&](const auto& in) { net.conv(in[0] * 2.0); }),
       {"conv2d: expected an input [N, 3, H, W] (or without N) for weight f32[8, 3, 3, 3]",
        "found f32[2, 4, 8, 8] (from", "; in Conv2d 'conv'"});
  says(complaint({f32({2, 3, 2, 8})}, [&](const auto& in) { net.conv(in[0]); }),
       {"at least as large as the dilated kernel", "f32[2, 3, 2, 8]"});
  says(complaint({f32({2, 3, 4})}, [&](const auto& in) { net.norm(in[0]); }),
       {"expected an input [N, 3, H, W], found f32[2, 3, 4]", "in BatchNorm2d 'norm'"});
  says(complaint({f32({1, 3, 1, 1})}, [&](const auto& in) { net.norm(in[0]); }),
       {"more than one value of each channel"});
  says(complaint({f32({2, 5})}, [&](const auto& in) { net.layer_norm(in[0]); }),
       {"last extents are [6], found f32[2, 5]", "in LayerNorm 'layer_norm'"});
  says(complaint({f32({5, 2, 4})}, [&](const auto& in) { net.gru(in[0]); }),
       {"expected a sequence [T, N, 3] (or without N), found f32[5, 2, 4]", "in GRU 'gru'"});
  says(complaint({f32({2, 3}), f32({2, 5})}, [&](const auto& in) { net.cell(in[0], {in[1], {}}); }),
       {"expected a hidden state f32[2, 4], found f32[2, 5]", "in LSTMCell 'cell'"});
  says(complaint({f32({2})}, [&](const auto& in) { net.table(in[0]); }),
       {"f32[2]", "in Embedding 'table'"});
  says(complaint({f32({4, 2, 5})}, [&](const auto& in) { net.heads(in[0], in[0], in[0]); }),
       {"f32[2, 4, 5]", "in MultiheadAttention 'heads'"});
  says(complaint({f32({2, 3}), f32({2, 4})}, [&](const auto& in) { l1_loss(in[0], in[1]); }),
       {"l1_loss: expected floats of equal shapes", "f32[2, 4]"});
  says(
      complaint({f32({2, 3, 4, 4})}, [&](const auto& in) { max_pool2d(in[0], 2, {.padding = 2}); }),
      {"a padding of at most half the kernel"});
  says(complaint({f32({2, 3, 5, 4})}, [&](const auto& in) { adaptive_avg_pool2d(in[0], 2); }),
       {"multiples of 2 and 2, found f32[2, 3, 5, 4]"});
  CHECK_THROWS_WITH(Conv2d(nullptr, "", 3, 4, 3, {.groups = 2}),
                    ContainsSubstring("groups that divide 3 inputs and 4 outputs, found 2"));
  CHECK_THROWS_WITH(MultiheadAttention(nullptr, "", 6, 4),
                    ContainsSubstring("divides embed_dim 6"));
  CHECK_THROWS_WITH(Dropout(nullptr, "", 1.5), ContainsSubstring("from 0 to 1, found 1.5"));
}

}  // namespace kiln
