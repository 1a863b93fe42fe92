#include "frontend/layers.h"

#include <algorithm>
#include <cmath>

#include "frontend/checks.h"
#include "frontend/functions.h"
#include "frontend/random.h"

namespace kiln {
namespace {

/// kaiming_uniform with a = √5, PyTorch's default for weights, comes to 1/√fan_in, as its bound of
/// biases is.
Initializer uniform_of(std::int64_t fan_in) {
  const double bound = fan_in > 0 ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0;
  return Initializer::uniform(-bound, bound);
}

Tensor or_none(const Parameter& parameter) { return parameter ? Tensor(parameter) : Tensor(); }

void check_positive(std::string_view kind, std::initializer_list<std::int64_t> sizes) {
  if (std::any_of(sizes.begin(), sizes.end(), [](std::int64_t n) { return n < 1; }))
    throw Error(fmt::format("{}: expected sizes and groups of 1 or more, found {}", kind,
                            join(Ints(sizes), ", ")));
}

void check_groups(std::string_view kind, std::int64_t in, std::int64_t out, std::int64_t groups) {
  check_positive(kind, {in, out, groups});
  if (in % groups != 0 || out % groups != 0)
    throw Error(fmt::format("{}: expected groups that divide {} inputs and {} outputs, found {}",
                            kind, in, out, groups));
}

}  // namespace

Linear::Linear(Module* parent, std::string name, std::int64_t in, std::int64_t out, bool with_bias)
    : Module(parent, std::move(name)) {
  weight = parameter("weight", {out, in}, uniform_of(in));
  if (with_bias) bias = parameter("bias", {out}, uniform_of(in));
}

Tensor Linear::operator()(const Tensor& x, Where where) const {
  return in_layer("Linear", [&] { return linear(x, weight, or_none(bias), where); });
}

Conv1d::Conv1d(Module* parent, std::string name, std::int64_t in, std::int64_t out,
               std::int64_t kernel, Conv1dOptions options, bool with_bias)
    : Module(parent, std::move(name)), options_(options) {
  check_groups("Conv1d", in, out, options.groups);
  check_positive("Conv1d", {kernel});
  const std::int64_t inputs = in / options.groups;
  weight = parameter("weight", {out, inputs, kernel}, uniform_of(inputs * kernel));
  if (with_bias) bias = parameter("bias", {out}, uniform_of(inputs * kernel));
}

Tensor Conv1d::operator()(const Tensor& x, Where where) const {
  return in_layer("Conv1d", [&] { return conv1d(x, weight, or_none(bias), options_, where); });
}

Conv2d::Conv2d(Module* parent, std::string name, std::int64_t in, std::int64_t out, Pair kernel,
               Conv2dOptions options, bool with_bias)
    : Module(parent, std::move(name)), options_(options) {
  check_groups("Conv2d", in, out, options.groups);
  check_positive("Conv2d", {kernel.vertical, kernel.horizontal});
  const std::int64_t inputs = in / options.groups,
                     fan_in = inputs * kernel.vertical * kernel.horizontal;
  weight =
      parameter("weight", {out, inputs, kernel.vertical, kernel.horizontal}, uniform_of(fan_in));
  if (with_bias) bias = parameter("bias", {out}, uniform_of(fan_in));
}

Tensor Conv2d::operator()(const Tensor& x, Where where) const {
  return in_layer("Conv2d", [&] { return conv2d(x, weight, or_none(bias), options_, where); });
}

ConvTranspose2d::ConvTranspose2d(Module* parent, std::string name, std::int64_t in,
                                 std::int64_t out, Pair kernel, ConvTranspose2dOptions options,
                                 bool with_bias)
    : Module(parent, std::move(name)), options_(options) {
  check_groups("ConvTranspose2d", in, out, options.groups);
  check_positive("ConvTranspose2d", {kernel.vertical, kernel.horizontal});
  // PyTorch counts the weight's second axis as what goes in, here too.
  const std::int64_t outputs = out / options.groups,
                     fan_in = outputs * kernel.vertical * kernel.horizontal;
  weight =
      parameter("weight", {in, outputs, kernel.vertical, kernel.horizontal}, uniform_of(fan_in));
  if (with_bias) bias = parameter("bias", {out}, uniform_of(fan_in));
}

Tensor ConvTranspose2d::operator()(const Tensor& x, Where where) const {
  return in_layer("ConvTranspose2d",
                  [&] { return conv_transpose2d(x, weight, or_none(bias), options_, where); });
}

Embedding::Embedding(Module* parent, std::string name, std::int64_t count, std::int64_t size,
                     Initializer initializer)
    : Module(parent, std::move(name)), weight(parameter("weight", {count, size}, initializer)) {
  check_positive("Embedding", {count, size});
}

Tensor Embedding::operator()(const Tensor& index, Where where) const {
  return in_layer("Embedding", [&] { return take(weight, index, 0, where); });
}

LayerNorm::LayerNorm(Module* parent, std::string name, Ints normalized_shape, double eps,
                     bool affine, bool with_bias)
    : Module(parent, std::move(name)), normalized_shape_(std::move(normalized_shape)), eps_(eps) {
  if (affine) weight = parameter("weight", normalized_shape_, Initializer::constant(1));
  if (affine && with_bias) bias = parameter("bias", normalized_shape_, Initializer::constant(0));
}

Tensor LayerNorm::operator()(const Tensor& x, Where where) const {
  return in_layer("LayerNorm", [&] {
    return layer_norm(x, normalized_shape_, or_none(weight), or_none(bias), eps_, where);
  });
}

RMSNorm::RMSNorm(Module* parent, std::string name, Ints normalized_shape, std::optional<double> eps,
                 bool affine)
    : Module(parent, std::move(name)), normalized_shape_(std::move(normalized_shape)), eps_(eps) {
  if (affine) weight = parameter("weight", normalized_shape_, Initializer::constant(1));
}

Tensor RMSNorm::operator()(const Tensor& x, Where where) const {
  return in_layer("RMSNorm",
                  [&] { return rms_norm(x, normalized_shape_, or_none(weight), eps_, where); });
}

GroupNorm::GroupNorm(Module* parent, std::string name, std::int64_t groups, std::int64_t channels,
                     double eps, bool affine)
    : Module(parent, std::move(name)), groups_(groups), channels_(channels), eps_(eps) {
  check_groups("GroupNorm", channels, channels, groups);
  if (!affine) return;
  weight = parameter("weight", {channels}, Initializer::constant(1));
  bias = parameter("bias", {channels}, Initializer::constant(0));
}

Tensor GroupNorm::operator()(const Tensor& x, Where where) const {
  return in_layer("GroupNorm", [&] {
    if (used_float(x, "group_norm", where).type().rank() < 2 || x.size(1, where) != channels_)
      throw Error(where, fmt::format("group_norm: expected an input [N, {}, ...], found {}",
                                     channels_, described(x)));
    return group_norm(x, groups_, or_none(weight), or_none(bias), eps_, where);
  });
}

BatchNorm::BatchNorm(Module* parent, std::string name, std::string_view kind,
                     std::vector<int> ranks, std::int64_t channels, BatchNormOptions options)
    : Module(parent, std::move(name)),
      kind_(kind),
      ranks_(std::move(ranks)),
      channels_(channels),
      options_(options) {
  check_positive(kind, {channels});
  if (options.affine) {
    weight = parameter("weight", {channels}, Initializer::constant(1));
    bias = parameter("bias", {channels}, Initializer::constant(0));
  }
  if (!options.track_running_stats) return;
  running_mean = buffer("running_mean", {channels}, Initializer::constant(0));
  running_var = buffer("running_var", {channels}, Initializer::constant(1));
  num_batches_tracked = buffer("num_batches_tracked", {}, Initializer::constant(0), DType::i64);
}

Tensor BatchNorm::operator()(const Tensor& x, Where where) const {
  return in_layer(kind_, [&] {
    const bool ranked = std::find(ranks_.begin(), ranks_.end(),
                                  used_float(x, "batch_norm", where).type().rank()) != ranks_.end();
    if (!ranked || x.size(1, where) != channels_)
      throw Error(where,
                  fmt::format("batch_norm: expected an input [N, {}{}], found {}", channels_,
                              ranks_.size() == 1 ? ", H, W" : "] or [N, C, L", described(x)));
    const Tensor scale = or_none(weight), shift = or_none(bias);
    if (!running_mean)
      return batch_norm(x, {}, {}, scale, shift, true, 0.0, options_.eps, where).output;
    if (!training())
      return batch_norm(x, running_mean, running_var, scale, shift, false, 0.0, options_.eps, where)
          .output;
    const Tensor batches = add(num_batches_tracked, 1.0, where);
    num_batches_tracked.assign(batches, where);
    const Operand momentum = options_.momentum
                                 ? Operand(*options_.momentum)
                                 : Operand(div(1.0, to(batches, x.dtype(), where), where));
    const BatchNormed normed =
        batch_norm(x, running_mean, running_var, scale, shift, true, momentum, options_.eps, where);
    running_mean.assign(normed.running_mean, where);
    running_var.assign(normed.running_var, where);
    return normed.output;
  });
}

Dropout::Dropout(Module* parent, std::string name, double p, Where where)
    : Module(parent, std::move(name)), p_(p) {
  if (!(p >= 0 && p <= 1))
    throw Error(where, fmt::format("Dropout: expected a probability from 0 to 1, found {}", p));
}

Tensor Dropout::operator()(const Tensor& x, Where where) const {
  if (!training()) return x;
  return in_layer("Dropout", [&] { return dropout(x, p_, default_generator(), where); });
}

Tensor Sequential::operator()(const Tensor& x, Where where) const {
  Tensor y = x;
  for (const auto& function : functions_) y = function(y, where);
  return y;
}

}  // namespace kiln
