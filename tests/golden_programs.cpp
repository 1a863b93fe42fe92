#include "tests/golden_programs.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "frontend/module.h"
#include "models/convolve.h"

namespace kiln::golden {
namespace {

using nlohmann::json;

// ---- operations

Program unary(Tensor (*f)(const Tensor&, Where)) {
  return [f](Named& in, const json&) { return Named{{"out", f(in["x"], Where::current())}}; };
}
Program binary(Tensor (*f)(const Operand&, const Operand&, Where)) {
  return
      [f](Named& in, const json&) { return Named{{"out", f(in["a"], in["b"], Where::current())}}; };
}
Ints axes_of(const json& attrs) {
  return attrs["dims"].is_null() ? Ints{} : attrs["dims"].get<Ints>();
}
Program reduction(Tensor (*f)(const Tensor&, const Ints&, bool, Where)) {
  return [f](Named& in, const json& attrs) {
    return Named{{"out", f(in["x"], axes_of(attrs), attrs["keepdim"], Where::current())}};
  };
}
/// One output called "out".
Program single(std::function<Tensor(Named&, const json&)> f) {
  return [f = std::move(f)](Named& in, const json& attrs) { return Named{{"out", f(in, attrs)}}; };
}

/// x0, x1, … as far as there are.
std::vector<Tensor> numbered(Named& in) {
  std::vector<Tensor> tensors;
  for (int i = 0; in.contains(fmt::format("x{}", i)); ++i)
    tensors.push_back(in[fmt::format("x{}", i)]);
  return tensors;
}

Tensor compared(Named& in, const json& attrs) {
  const std::map<std::string, Tensor (*)(const Operand&, const Operand&, Where)> directions = {
      {"eq", eq}, {"ne", ne}, {"lt", lt}, {"le", le}, {"gt", gt}, {"ge", ge}};
  return directions.at(attrs["cmp"])(in["a"], in["b"], Where::current());
}

Tensor clamped(Named& in, const json& attrs) {
  Tensor x = in["x"];
  if (attrs.contains("min")) x = clamp_min(x, attrs["min"].get<double>());
  if (attrs.contains("max")) x = clamp_max(x, attrs["max"].get<double>());
  return x;
}

Tensor multiplied(Named& in, const json& attrs) {
  const auto operand = [&](const char* name, const char* flag) {
    return attrs.value(flag, false) ? transpose(in[name], -1, -2) : in[name];
  };
  return matmul(operand("a", "transpose_a"), operand("b", "transpose_b"));
}

Tensor sliced(Named& in, const json& attrs) {
  std::vector<Index> indices;
  const auto bound = [](const json& value) {
    return value.is_null() ? std::optional<std::int64_t>() : value.get<std::int64_t>();
  };
  for (const json& s : attrs["slices"])
    indices.emplace_back(Slice{bound(s[0]), bound(s[1]), bound(s[2]).value_or(1)});
  return index(in["x"], indices);
}

Tensor padded(Named& in, const json& attrs) {
  Ints pads;  // the last axis first
  for (auto axis = attrs["pads"].rbegin(); axis != attrs["pads"].rend(); ++axis)
    pads.insert(pads.end(), {(*axis)[0].get<std::int64_t>(), (*axis)[1].get<std::int64_t>()});
  const std::map<std::string, Padding> modes = {{"constant", Padding::constant},
                                                {"reflect", Padding::reflect},
                                                {"replicate", Padding::replicate}};
  return pad(in["x"], pads, modes.at(attrs["mode"]), attrs["value"]);
}

Named pieces(Named& in, const json& attrs) {
  const std::vector<Tensor> parts =
      attrs["size"].is_array() ? split(in["x"], attrs["size"].get<Ints>(), attrs["dim"])
                               : split(in["x"], attrs["size"].get<std::int64_t>(), attrs["dim"]);
  Named out;
  for (std::size_t i = 0; i < parts.size(); ++i) out[fmt::format("out{}", i)] = parts[i];
  return out;
}

// ---- losses, layers

Reduction reduction_of(const json& attrs) {
  const std::map<std::string, Reduction> reductions = {
      {"mean", Reduction::mean}, {"sum", Reduction::sum}, {"none", Reduction::none}};
  return reductions.at(attrs["reduction"]);
}
Program loss(Tensor (*f)(const Tensor&, const Tensor&, Reduction, Where)) {
  return single([f](Named& in, const json& attrs) {
    return f(in["x"], in["target"], reduction_of(attrs), Where::current());
  });
}

/// The extents of the last so many axes.
Ints last_extents(const Tensor& x, std::size_t axes) {
  return {x.shape().end() - static_cast<std::ptrdiff_t>(axes), x.shape().end()};
}

Named batch_normed(Named& in, const json& attrs) {
  const BatchNormed all =
      batch_norm(in["x"], in["running_mean"], in["running_var"], in["weight"], in["bias"], true,
                 attrs["momentum"].get<double>(), attrs["eps"]);
  return {{"out", all.output},
          {"new_running_mean", all.running_mean},
          {"new_running_var", all.running_var}};
}

Pair pair_of(const json& pair) { return {pair[0], pair[1]}; }

Tensor convolved(Named& in, const json& attrs) {
  return conv2d(in["x"], in["weight"], in["bias"],
                {.stride = pair_of(attrs["stride"]),
                 .padding = pair_of(attrs["padding"]),
                 .dilation = pair_of(attrs["dilation"]),
                 .groups = attrs["groups"]});
}

Tensor max_pooled(Named& in, const json& attrs) {
  return max_pool2d(in["x"], pair_of(attrs["kernel"]),
                    {.stride = pair_of(attrs["stride"]),
                     .padding = pair_of(attrs["padding"]),
                     .dilation = pair_of(attrs["dilation"]),
                     .ceil_mode = attrs["ceil_mode"]});
}

Tensor average_pooled(Named& in, const json& attrs) {
  return avg_pool2d(in["x"], pair_of(attrs["kernel"]),
                    {.stride = pair_of(attrs["stride"]),
                     .padding = pair_of(attrs["padding"]),
                     .ceil_mode = attrs["ceil_mode"],
                     .count_include_pad = attrs["count_include_pad"]});
}

const std::map<std::string, Program>& operations() {
  static const std::map<std::string, Program> table = {
      {"abs", unary(abs)},
      {"cos", unary(cos)},
      {"exp", unary(exp)},
      {"log", unary(log)},
      {"neg", unary(neg)},
      {"relu", unary(relu)},
      {"rsqrt", unary(rsqrt)},
      {"sigmoid", unary(sigmoid)},
      {"silu", unary(silu)},
      {"sin", unary(sin)},
      {"sqrt", unary(sqrt)},
      {"tanh", unary(tanh)},
      {"gelu", single([](Named& in, const json&) { return gelu(in["x"]); })},
      {"gelu_tanh", single([](Named& in, const json&) { return gelu(in["x"], Gelu::tanh); })},
      {"softplus", single([](Named& in, const json&) { return softplus(in["x"]); })},
      {"clamp", single(clamped)},

      {"add", binary(add)},
      {"div", binary(div)},
      {"maximum", binary(maximum)},
      {"minimum", binary(minimum)},
      {"mul", binary(mul)},
      {"sub", binary(sub)},
      {"compare", single(compared)},
      {"pow", single([](Named& in, const json& attrs) {
         return attrs.contains("exponent") ? pow(in["a"], attrs["exponent"].get<double>())
                                           : pow(in["a"], in["b"]);
       })},
      {"where", single([](Named& in, const json&) { return where(in["cond"], in["a"], in["b"]); })},

      {"reduce_max", reduction(amax)},
      {"reduce_mean", reduction(mean)},
      {"reduce_min", reduction(amin)},
      {"reduce_prod", reduction(prod)},
      {"reduce_sum", reduction(sum)},
      {"logsumexp", reduction(logsumexp)},
      {"reduce_var", single([](Named& in, const json& attrs) {
         return var(in["x"], axes_of(attrs), attrs["keepdim"], attrs["correction"].get<double>());
       })},
      {"argmax", single([](Named& in, const json& attrs) {
         return attrs["dim"].is_null()
                    ? argmax(in["x"])
                    : argmax(in["x"], attrs["dim"], attrs["keepdim"].get<bool>());
       })},
      {"cumsum",
       single([](Named& in, const json& attrs) { return cumsum(in["x"], attrs["dim"]); })},
      {"softmax",
       single([](Named& in, const json& attrs) { return softmax(in["x"], attrs["dim"]); })},
      {"log_softmax",
       single([](Named& in, const json& attrs) { return log_softmax(in["x"], attrs["dim"]); })},
      {"matmul", single(multiplied)},

      {"broadcast_to", single([](Named& in, const json& attrs) {
         return broadcast_to(in["x"], attrs["shape"].get<Ints>());
       })},
      {"concat",
       single([](Named& in, const json& attrs) { return cat(numbered(in), attrs["dim"]); })},
      {"pad", single(padded)},
      {"permute", single([](Named& in, const json& attrs) {
         return permute(in["x"], attrs["dims"].get<Ints>());
       })},
      {"repeat", single([](Named& in, const json& attrs) {
         return repeat(in["x"], attrs["times"].get<Ints>());
       })},
      {"repeat_interleave", single([](Named& in, const json& attrs) {
         const std::optional<int> axis =
             attrs["dim"].is_null() ? std::optional<int>() : attrs["dim"].get<int>();
         return repeat_interleave(in["x"], attrs["times"].get<std::int64_t>(), axis);
       })},
      {"reshape", single([](Named& in, const json& attrs) {
         return reshape(in["x"], attrs["shape"].get<Ints>());
       })},
      {"slice", single(sliced)},
      {"split", pieces},
      {"transpose", single([](Named& in, const json& attrs) {
         return transpose(in["x"], attrs["dims"][0], attrs["dims"][1]);
       })},

      {"gather", single([](Named& in, const json& attrs) {
         return gather(in["x"], attrs["dim"], in["index"]);
       })},
      {"scatter_add", single([](Named& in, const json& attrs) {
         return scatter_add(in["x"], attrs["dim"], in["index"], in["src"]);
       })},
      {"one_hot", single([](Named& in, const json& attrs) {
         return one_hot(in["index"], attrs["classes"], DType::i64);
       })},

      {"l1_loss", loss(l1_loss)},
      {"mse_loss", loss(mse_loss)},
      {"huber_loss", single([](Named& in, const json& attrs) {
         return huber_loss(in["x"], in["target"], attrs["delta"], reduction_of(attrs));
       })},
      {"cross_entropy", single([](Named& in, const json& attrs) {
         return cross_entropy(in["logits"], in["target"], {.reduction = reduction_of(attrs)});
       })},
      {"bce_with_logits", single([](Named& in, const json& attrs) {
         return binary_cross_entropy_with_logits(in["x"], in["target"],
                                                 {.reduction = reduction_of(attrs)});
       })},
      {"layer_norm", single([](Named& in, const json& attrs) {
         return layer_norm(in["x"], last_extents(in["x"], attrs["axes"]), in["weight"], in["bias"],
                           attrs["eps"]);
       })},
      {"rms_norm", single([](Named& in, const json& attrs) {
         return rms_norm(in["x"], last_extents(in["x"], 1), in["weight"],
                         attrs["eps"].get<double>());
       })},
      {"batch_norm", batch_normed},
      {"conv2d", single(convolved)},
      {"max_pool2d", single(max_pooled)},
      {"avg_pool2d", single(average_pooled)},
      {"embedding",
       single([](Named& in, const json&) { return take(in["weight"], in["index"], 0); })},
  };
  return table;
}

// ---- models

/// Row i of n x (n - 1): x without element i.
Tensor leave_one_out(const Tensor& x) {
  const std::int64_t n = x.size(0);
  return reshape(masked_select(repeat(x, {n, 1}), eq(eye(n), 0)), {n, -1});
}

/// Nadaraya-Watson regression: a Gaussian kernel's weights of the keys, and the values' mean.
struct Estimate {
  Tensor weights, y;
};
Estimate kernel_regression(const Tensor& queries, const Tensor& keys, const Tensor& values,
                           const Operand& width) {
  const std::int64_t n = keys.size(-1);
  const Tensor rows = reshape(repeat_interleave(queries, n), {-1, n});
  const Tensor weights = softmax(-square(mul(rows - keys, width)) / 2, 1);
  const Tensor table = expand(values, weights.shape());
  return {weights, reshape(bmm(unsqueeze(weights, 1), unsqueeze(table, -1)), {-1})};
}

Named parametric(Named& in, const json&) {
  const Tensor &x = in["x_train"], &y = in["y_train"];
  const Estimate train = kernel_regression(x, leave_one_out(x), leave_one_out(y), in["w"]);
  const Estimate test = kernel_regression(in["x_test"], x, y, in["w"]);
  const Tensor losses = 0.5 * square(train.y - y);
  return {{"loss", sum(losses)},
          {"loss_vector", losses},
          {"attention_weights_train", train.weights},
          {"y_hat_train", train.y},
          {"attention_weights_test", test.weights},
          {"y_hat_test", test.y}};
}

Named attention(Named& in, const json&) {
  const Tensor &queries = in["queries"], &keys = in["keys"], &values = in["values"];
  Tensor scores;
  if (in.contains("W_q")) {
    const Tensor features =
        tanh(unsqueeze(linear(queries, in["W_q"]), 2) + unsqueeze(linear(keys, in["W_k"]), 1));
    scores = squeeze(linear(features, in["w_v"]), -1);
  } else {
    scores = bmm(queries, transpose(keys, 1, 2)) / std::sqrt(static_cast<double>(keys.size(-1)));
  }
  const Tensor weights = masked_softmax(scores, in["valid_lens"]);
  return {{"out", bmm(weights, values)}, {"attention_weights", weights}};
}

Named causal_attention(Named& in, const json& attrs) {
  const Tensor& x = in["input"];
  const auto layer = [&](const std::string& name) {
    return linear(x, in[name + ".weight"], in[name + ".bias"]);
  };
  const Tensor k = layer("k_layer"), q = layer("q_layer"), v = layer("v_layer");
  const std::int64_t length = x.size(1);
  const Tensor product = attrs["scores"] == "Q@K^T" ? matmul(q, transpose(k, -1, -2))
                                                    : matmul(k, transpose(q, -1, -2));
  const Tensor scores = product / std::sqrt(static_cast<double>(x.size(-1)));
  const Tensor seen = tril(ones({length, length}));
  const Tensor weights = softmax(masked_fill(scores, eq(seen, 0), -INFINITY), -1);
  return {{"out", matmul(weights, v)}, {"attention_weights", weights}};
}

/// Linear layers of these names with relu between them.
Tensor perceptron_layers(Named& in, Tensor x, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) x = relu(x);
    x = linear(x, in[names[i] + ".weight"], in[names[i] + ".bias"]);
  }
  return x;
}

Named classified(const Tensor& scores, const Tensor& y) {
  return {{"scores", scores}, {"loss", cross_entropy(scores, y)}};
}

Named sin_mlp(Named& in, const json&) {
  const Tensor scores =
      perceptron_layers(in, in["x"], {"layer1", "layer2", "layer3", "output_layer"});
  return {{"scores", scores}, {"loss", mse_loss(scores, in["y"])}};
}

Named digit_mlp(Named& in, const json&) {
  return classified(perceptron_layers(in, in["x"], {"layer1", "layer2", "output_layer"}), in["y"]);
}

Named digit_conv(Named& in, const json&) {
  const Tensor images = unflatten(in["x"], 1, {28, 28});
  const Tensor features = flatten(convolve(images, in["convolution_weights"]), 1);
  return classified(perceptron_layers(in, features, {"layer1", "layer2", "output_layer"}), in["y"]);
}

Named language_id(Named& in, const json& attrs) {
  const auto layer = [&](const std::string& name, const Tensor& x) {
    return linear(x, in[name + ".weight"], in[name + ".bias"]);
  };
  const std::vector<Tensor> letters = unbind(one_hot(in["chars"], attrs["alphabet"]), 1);
  Tensor hidden = relu(layer("char_layer", letters[0]));
  for (std::size_t i = 1; i < letters.size(); ++i)
    hidden = relu(layer("middle_layer",
                        relu(layer("char_layer", letters[i]) + layer("hidden_layer", hidden))));
  return classified(layer("output_layer", hidden), in["y"]);
}

/// One sample x [d] with its class ±1.
Named perceptron_update(Named& in, const json&) {
  const Tensor& w = in["w"];
  const Tensor score = sum(w * in["x"]);
  const Tensor predicted = where(score >= 0, full({}, 1, DType::i32), -1);
  const Tensor wrong = ne(predicted, in["y"]);
  return {{"w", where(wrong, w + to(in["y"], DType::f32) * in["x"], w)},
          {"mistake", to(wrong, DType::i32)}};
}

/// By the beginning of a case's name.
const std::vector<std::pair<std::string, Program>>& models() {
  static const std::vector<std::pair<std::string, Program>> table = {
      {"nw/truth",
       [](Named& in, const json&) {
         const Tensor& x = in["x_test"];
         return Named{{"y_truth", 2 * sin(x) + pow(x, 0.8)}};
       }},
      {"nw/average",
       [](Named& in, const json&) {
         return Named{{"y_hat", repeat_interleave(mean(in["y_train"]), in["x_test"].size(0))}};
       }},
      {"nw/nonparametric",
       [](Named& in, const json&) {
         const Estimate e = kernel_regression(in["x_test"], in["x_train"], in["y_train"], 1);
         return Named{{"attention_weights", e.weights}, {"y_hat", e.y}};
       }},
      {"nw/leave_one_out",
       [](Named& in, const json&) {
         return Named{{"keys", leave_one_out(in["x_train"])},
                      {"values", leave_one_out(in["y_train"])}};
       }},
      {"nw/parametric", parametric},
      {"nw/batch_matmul_shape",
       [](Named& in, const json&) { return Named{{"out", bmm(in["X"], in["Y"])}}; }},
      {"nw/batch_matmul_average",
       [](Named& in, const json&) {
         return Named{{"out", bmm(unsqueeze(in["weights"], 1), unsqueeze(in["values"], -1))}};
       }},
      {"masked_softmax/",
       [](Named& in, const json&) {
         return Named{{"weights", masked_softmax(in["X"], in["valid_lens"])}};
       }},
      {"attention_scoring/", attention},
      {"causal_attention/", causal_attention},
      {"convolve/",
       [](Named& in, const json&) { return Named{{"out", convolve(in["input"], in["weight"])}}; }},
      {"perceptron/", perceptron_update},
      {"linear_regression/",
       [](Named& in, const json&) {
         return Named{{"loss", mse_loss(matmul(in["x"], in["m"]) + in["b"], in["y"])}};
       }},
      {"sin_mlp/", sin_mlp},
      {"digit_mlp/", digit_mlp},
      {"digit_conv/", digit_conv},
      {"language_id/", language_id},
      // The gradients are given.
      {"optimizers/", [](Named& in, const json&) { return Named{{"grad_p", in["gradients"]}}; }},
  };
  return table;
}

}  // namespace

const Program& program_of(const json& golden_case) {
  if (golden_case.contains("op") && !golden_case["op"].is_null())
    return operations().at(golden_case["op"]);
  const std::string name = golden_case["name"];
  for (const auto& [prefix, program] : models())
    if (name.starts_with(prefix)) return program;
  throw std::out_of_range("no program for the golden case " + name);
}

}  // namespace kiln::golden
