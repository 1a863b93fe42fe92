// Normalisations, as torch.nn.functional has them. Weights and biases may be absent.
#pragma once

#include <optional>

#include "frontend/tensor.h"

namespace kiln {

/// (x - mean) / √(var + eps) · weight + bias over the last axes, which have these extents, as
/// weight and bias do; var with divisor n.
Tensor layer_norm(const Tensor& x, const Ints& normalized_shape, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5, Where where = Where::current());

/// x / √(mean x² + eps) · weight over the last axes, which have these extents. Without an eps it is
/// the type's: the distance from 1 to the next number.
Tensor rms_norm(const Tensor& x, const Ints& normalized_shape, const Tensor& weight = {},
                std::optional<double> eps = {}, Where where = Where::current());

/// x [N, C, …] normalised over each of `groups` groups of channels; weight and bias [C].
Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5, Where where = Where::current());

/// A batch normalised, and the running statistics after it.
struct BatchNormed {
  Tensor output, running_mean, running_var;
};
/// x [N, C, …] normalised channel by channel; statistics, weight and bias [C]. In training by the
/// batch's own mean and variance (divisor n), and the running ones become (1 - momentum) old +
/// momentum new (divisor n - 1); otherwise by the running ones, which stay. In training the running
/// ones may be empty: then they stay so.
BatchNormed batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                       const Tensor& weight = {}, const Tensor& bias = {}, bool training = false,
                       const Operand& momentum = 0.1, double eps = 1e-5,
                       Where where = Where::current());

}  // namespace kiln
