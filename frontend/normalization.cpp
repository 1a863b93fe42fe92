#include "frontend/normalization.h"

#include <algorithm>
#include <limits>

#include "frontend/checks.h"
#include "frontend/functions.h"

namespace kiln {
namespace {

/// The last axes of x, which must have these extents, as must what is given of the others.
Ints last_axes(std::string_view op, const Tensor& x, const Ints& extents,
               std::initializer_list<const Tensor*> others, Where w) {
  used_float(x, op, w);
  const Ints& dims = x.shape();
  if (extents.empty() || extents.size() > dims.size() ||
      !std::equal(extents.rbegin(), extents.rend(), dims.rbegin()))
    throw Error(w, fmt::format("{}: expected an input whose last extents are [{}], found {}", op,
                               join(extents, ", "), described(x)));
  for (const Tensor* other : others)
    if (other->value() && used(*other, op, w).type() != Type{x.dtype(), extents})
      throw Error(w,
                  fmt::format("{}: expected a weight and a bias {} for {}, found {}", op,
                              Type{x.dtype(), extents}.pretty(), described(x), described(*other)));
  const auto count = static_cast<int>(extents.size());
  return iota_axes(x.dim() - count, count);
}

/// (x - mean) / √(var + eps) over these axes.
Tensor standardized(const Tensor& x, const Ints& axes, double eps, Where w) {
  const Tensor centered = sub(x, mean(x, axes, true, w), w);
  const Tensor variance = mean(square(centered, w), axes, true, w);
  return mul(centered, rsqrt(add(variance, eps, w), w), w);
}

Tensor affine(Tensor x, const Tensor& weight, const Tensor& bias, Where w) {
  if (weight.value()) x = mul(x, weight, w);
  if (bias.value()) x = add(x, bias, w);
  return x;
}

/// A tensor [C] as it broadcasts with x [N, C, …]; empty stays empty.
Tensor along_channels(const Tensor& of_channel, const Tensor& x, Where w) {
  if (!of_channel.value()) return {};
  Ints dims(static_cast<std::size_t>(x.dim()) - 1, 1);
  dims[0] = x.size(1, w);
  return reshape(of_channel, dims, w);
}

void check_channels(std::string_view op, const Tensor& x,
                    std::initializer_list<const Tensor*> others, Where w) {
  used_float(x, op, w);
  if (x.dim() < 2)
    throw Error(w, fmt::format("{}: expected an input [N, C, ...], found {}", op, described(x)));
  for (const Tensor* other : others)
    if (other->value() && used(*other, op, w).type() != Type{x.dtype(), {x.size(1, w)}})
      throw Error(w,
                  fmt::format("{}: expected {} for each of the {} channels of {}, found {}", op,
                              name_of(x.dtype()), x.size(1, w), described(x), described(*other)));
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Ints& normalized_shape, const Tensor& weight,
                  const Tensor& bias, double eps, Where w) {
  const Ints axes = last_axes("layer_norm", x, normalized_shape, {&weight, &bias}, w);
  return affine(standardized(x, axes, eps, w), weight, bias, w);
}

Tensor rms_norm(const Tensor& x, const Ints& normalized_shape, const Tensor& weight,
                std::optional<double> eps, Where w) {
  const Ints axes = last_axes("rms_norm", x, normalized_shape, {&weight}, w);
  const double least =
      eps.value_or(x.dtype() == DType::f32 ? double{std::numeric_limits<float>::epsilon()}
                                           : std::numeric_limits<double>::epsilon());
  const Tensor scale = rsqrt(add(mean(square(x, w), axes, true, w), least, w), w);
  return affine(mul(x, scale, w), weight, {}, w);
}

Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias,
                  double eps, Where w) {
  check_channels("group_norm", x, {&weight, &bias}, w);
  if (groups < 1 || x.size(1, w) % groups != 0)
    throw Error(w, fmt::format("group_norm: expected groups that divide the channels of {}, found "
                               "{}",
                               described(x), groups));
  const std::int64_t size = element_count(std::span(x.shape()).subspan(1)) / groups;
  const Tensor rows = reshape(x, {x.size(0, w), groups, size}, w);
  return affine(reshape(standardized(rows, {2}, eps, w), x.shape(), w),
                along_channels(weight, x, w), along_channels(bias, x, w), w);
}

BatchNormed batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                       const Tensor& weight, const Tensor& bias, bool training,
                       const Operand& momentum, double eps, Where w) {
  check_channels("batch_norm", x, {&running_mean, &running_var, &weight, &bias}, w);
  const Tensor scale = along_channels(weight, x, w), shift = along_channels(bias, x, w);
  if (!training) {
    if (!running_mean.value() || !running_var.value())
      throw Error(w, "batch_norm: expected running statistics when not training, found none");
    const Tensor inverse = rsqrt(add(along_channels(running_var, x, w), eps, w), w);
    const Tensor centered = sub(x, along_channels(running_mean, x, w), w);
    return {affine(mul(centered, inverse, w), scale, shift, w), running_mean, running_var};
  }
  const std::int64_t channels = x.size(1, w);
  const std::int64_t count = channels > 0 ? x.type().count() / channels : 0;
  if (count < 2)
    throw Error(w, fmt::format("batch_norm: expected more than one value of each channel to train "
                               "with, found {}",
                               described(x)));
  Ints axes = iota_axes(1, x.dim() - 1);
  axes[0] = 0;
  const Tensor average = mean(x, axes, true, w);
  const Tensor centered = sub(x, average, w);
  const Tensor variance = mean(square(centered, w), axes, true, w);
  BatchNormed result{affine(mul(centered, rsqrt(add(variance, eps, w), w), w), scale, shift, w),
                     running_mean, running_var};
  const auto n = static_cast<double>(count);
  const Operand kept =
      momentum.is_number() ? Operand(1 - momentum.number()) : Operand(sub(1.0, momentum, w));
  const auto moved = [&](const Tensor& running, const Tensor& batch) {
    const Tensor now = stop_gradient(reshape(batch, {channels}, w), w);
    return add(mul(running, kept, w), mul(now, momentum, w), w);
  };
  if (running_mean.value()) result.running_mean = moved(running_mean, average);
  if (running_var.value()) result.running_var = moved(running_var, mul(variance, n / (n - 1), w));
  return result;
}

}  // namespace kiln
