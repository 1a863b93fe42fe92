// Convolutions and pooling, as torch.nn.functional has them. The batch axis may be absent.
#pragma once

#include <optional>

#include "frontend/tensor.h"

namespace kiln {

/// One number for the vertical and one for the horizontal axis, or one for both.
struct Pair {
  std::int64_t vertical, horizontal;
  Pair(std::int64_t both) : vertical(both), horizontal(both) {}  // NOLINT
  Pair(std::int64_t down, std::int64_t across) : vertical(down), horizontal(across) {}
};

struct Conv1dOptions {
  std::int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
};
/// Cross-correlation: x [N, in, L], weight [out, in / groups, k], bias [out] or none.
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Conv1dOptions options = {}, Where where = Where::current());

struct Conv2dOptions {
  Pair stride = 1, padding = 0, dilation = 1;
  std::int64_t groups = 1;
};
/// x [N, in, H, W], weight [out, in / groups, kh, kw], bias [out] or none.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Conv2dOptions options = {}, Where where = Where::current());

struct ConvTranspose2dOptions {
  Pair stride = 1, padding = 0, output_padding = 0, dilation = 1;
  std::int64_t groups = 1;
};
/// What the gradient of conv2d does to its input: x [N, in, H, W], weight [in, out / groups, kh,
/// kw].
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        ConvTranspose2dOptions options = {}, Where where = Where::current());

struct MaxPool2dOptions {
  std::optional<Pair> stride = {};  // the kernel's extents
  Pair padding = 0, dilation = 1;   // padding counts as -inf
  bool ceil_mode = false;           // a last window that begins inside may end outside
};
/// The largest element of each window of x [N, C, H, W]; NaN wins. The gradient goes to the first
/// of equals.
Tensor max_pool2d(const Tensor& x, Pair kernel, MaxPool2dOptions options = {},
                  Where where = Where::current());

struct AvgPool2dOptions {
  std::optional<Pair> stride = {};
  Pair padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;  // zeros of the padding count in the divisor
};
/// The mean of each window of x [N, C, H, W].
Tensor avg_pool2d(const Tensor& x, Pair kernel, AvgPool2dOptions options = {},
                  Where where = Where::current());

/// The mean, or the maximum, of equal tiles, as many as asked for; x's extents must be multiples of
/// these. 1 is global pooling.
Tensor adaptive_avg_pool2d(const Tensor& x, Pair tiles, Where where = Where::current());
Tensor adaptive_max_pool2d(const Tensor& x, Pair tiles, Where where = Where::current());

}  // namespace kiln
