#include "frontend/windows.h"

#include <algorithm>

#include "frontend/checks.h"
#include "frontend/functions.h"
#include "ir/build.h"

namespace kiln {
namespace {

Ints ints(Pair pair) { return {pair.vertical, pair.horizontal}; }

/// How windows go over the spatial axes of a convolution.
struct Windows {
  Ints stride, padding, dilation;
  std::int64_t groups = 1;
};

void check_least(std::string_view op, std::string_view name, const Ints& list, std::int64_t least,
                 Where w) {
  if (std::any_of(list.begin(), list.end(),
                  [&](std::int64_t n) { return n < least || n > std::int64_t{1} << 40; }))
    throw Error(w, fmt::format("{}: expected a {} of {} or more, found {}", op, name, least,
                               join(list, ", ")));
}

/// "[N, 3, H, W]"
std::string spatial_form(std::int64_t channels, std::size_t spatial) {
  return fmt::format("[N, {}, {}]", channels, spatial == 1 ? "L" : "H, W");
}

std::int64_t spread(std::int64_t extent, std::int64_t dilation) {
  return (extent - 1) * dilation + 1;
}

/// x with a batch axis, and whether that was added.
std::pair<Tensor, bool> batched(const Tensor& x, std::size_t spatial, Where w) {
  const bool alone = x.dim() == static_cast<int>(spatial) + 1;
  return {alone ? unsqueeze(x, 0, w) : x, alone};
}

Tensor with_bias(Tensor y, const Tensor& bias, std::size_t spatial, bool alone, Where w) {
  if (bias.value()) {
    Ints dims(spatial + 1, 1);
    dims[0] = bias.size(0, w);
    y = add(y, reshape(bias, dims, w), w);
  }
  return alone ? squeeze(y, 0, w) : y;
}

/// Operands of a convolution. `in` and `out` are the channels that the weight says.
void check_operands(std::string_view op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    std::int64_t in, std::int64_t out, const Windows& windows, Where w) {
  const std::size_t spatial = windows.stride.size();
  const int rank = static_cast<int>(spatial) + 2;
  check_least(op, "stride", windows.stride, 1, w);
  check_least(op, "padding", windows.padding, 0, w);
  check_least(op, "dilation", windows.dilation, 1, w);
  const bool ranked = x.dim() == rank || x.dim() == rank - 1;
  if (!ranked || x.dtype() != weight.dtype() || x.size(-static_cast<int>(spatial) - 1, w) != in)
    throw Error(w, fmt::format("{}: expected an input {} (or without N) for weight {} and groups "
                               "{}, found {}",
                               op, spatial_form(in, spatial), described(weight), windows.groups,
                               described(x)));
  if (bias.value() && used(bias, op, w).type() != Type{weight.dtype(), {out}})
    throw Error(w, fmt::format("{}: expected a bias of {} for weight {}, found {}", op, out,
                               described(weight), described(bias)));
}

void check_weight(std::string_view op, const Tensor& x, const Tensor& weight, std::string_view form,
                  int grouped_axis, const Windows& windows, Where w) {
  const std::size_t spatial = windows.stride.size();
  used_float(x, op, w);
  used_float(weight, op, w);
  if (weight.dim() != static_cast<int>(spatial) + 2)
    throw Error(w, fmt::format("{}: expected a weight {}, found {}", op, form, described(weight)));
  if (windows.groups < 1 || weight.size(grouped_axis, w) % windows.groups != 0)
    throw Error(w, fmt::format("{}: expected groups that divide axis {} of weight {}, found {}", op,
                               grouped_axis, described(weight), windows.groups));
}

ConvolutionAttrs attributes(const Windows& windows, bool transposed_weight) {
  const std::size_t spatial = windows.stride.size();
  ConvolutionAttrs attrs;
  attrs.input_feature = attrs.output_feature = 1;
  attrs.kernel_input_feature = transposed_weight ? 0 : 1;
  attrs.kernel_output_feature = transposed_weight ? 1 : 0;
  attrs.input_spatial = attrs.output_spatial = attrs.kernel_spatial =
      iota_axes(2, static_cast<int>(spatial));
  attrs.strides = windows.stride;
  attrs.low = attrs.high = windows.padding;
  attrs.lhs_dilation = Ints(spatial, 1);
  attrs.rhs_dilation = windows.dilation;
  attrs.reversed = Ints(spatial, 0);
  attrs.feature_group_count = windows.groups;
  return attrs;
}

Tensor convolve(std::string_view op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                const Windows& windows, Where w) {
  const std::size_t spatial = windows.stride.size();
  check_weight(op, x, weight, spatial == 1 ? "[out, in / groups, k]" : "[out, in / groups, kh, kw]",
               0, windows, w);
  const std::int64_t out = weight.size(0, w), in = weight.size(1, w) * windows.groups;
  check_operands(op, x, weight, bias, in, out, windows, w);
  const auto [input, alone] = batched(x, spatial, w);
  for (std::size_t i = 0; i < spatial; ++i) {
    const auto axis = static_cast<int>(i) + 2;
    if (input.size(axis, w) + 2 * windows.padding[i] <
        spread(weight.size(axis, w), windows.dilation[i]))
      throw Error(w, fmt::format("{}: expected an input at least as large as the dilated kernel of "
                                 "weight {} (padding {}, dilation {}), found {}",
                                 op, described(weight), join(windows.padding, ", "),
                                 join(windows.dilation, ", "), described(x)));
  }
  const Value y = build::convolution(input.value(), weight.value(), attributes(windows, false), w);
  return with_bias(Tensor(y), bias, spatial, alone, w);
}

/// How a pool's windows go over H and W.
struct Pool {
  Ints kernel, stride, padding, dilation, high;
  Ints windows;  // how many
};

Pool pool_over(std::string_view op, const Tensor& x, Pair kernel, const std::optional<Pair>& stride,
               Pair padding, Pair dilation, bool ceil_mode, Where w) {
  used_float(x, op, w);
  if (x.dim() != 3 && x.dim() != 4)
    throw Error(w, fmt::format("{}: expected an input [N, C, H, W] (or without N), found {}", op,
                               described(x)));
  Pool pool{ints(kernel), ints(stride.value_or(kernel)), ints(padding), ints(dilation), {}, {}};
  check_least(op, "kernel", pool.kernel, 1, w);
  check_least(op, "stride", pool.stride, 1, w);
  check_least(op, "padding", pool.padding, 0, w);
  check_least(op, "dilation", pool.dilation, 1, w);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t extent = x.size(static_cast<int>(i) - 2, w), low = pool.padding[i],
                       window = spread(pool.kernel[i], pool.dilation[i]), step = pool.stride[i];
    if (2 * low > pool.kernel[i])
      throw Error(w, fmt::format("{}: expected a padding of at most half the kernel, found {} for "
                                 "kernel {}",
                                 op, join(pool.padding, ", "), join(pool.kernel, ", ")));
    const std::int64_t room = extent + 2 * low - window;
    std::int64_t count = room < 0 ? 0 : room / step + 1;
    // One more that is not full, if it begins before the padding at the end does.
    if (ceil_mode && room >= 0 && room % step != 0 && count * step < extent + low) ++count;
    if (count == 0)
      throw Error(w,
                  fmt::format("{}: expected an input at least as large as the kernel {} (padding "
                              "{}, dilation {}), found {}",
                              op, join(pool.kernel, ", "), join(pool.padding, ", "),
                              join(pool.dilation, ", "), described(x)));
    pool.windows.push_back(count);
    pool.high.push_back((count - 1) * step + window - extent - low);
  }
  return pool;
}

Tensor pooled(const Tensor& x, Op combiner, const Pool& pool, Where w) {
  // Axes before H and W are windows of one element.
  const auto all = [&](std::int64_t before, const Ints& spatial) {
    Ints list(static_cast<std::size_t>(x.dim()) - 2, before);
    list.insert(list.end(), spatial.begin(), spatial.end());
    return list;
  };
  return Tensor(build::reduce_window(
      x.value(), combiner,
      WindowAttrs{all(1, pool.kernel), all(1, pool.stride), all(1, {1, 1}), all(1, pool.dilation),
                  all(0, pool.padding), all(0, pool.high)},
      w));
}

/// How many elements of each window along an axis lie in [-before, extent + after).
std::vector<double> counted(const Pool& pool, std::size_t axis, std::int64_t extent,
                            std::int64_t margin) {
  std::vector<double> counts;
  for (std::int64_t o = 0; o < pool.windows[axis]; ++o) {
    const std::int64_t begin = o * pool.stride[axis] - pool.padding[axis];
    counts.push_back(static_cast<double>(std::min(begin + pool.kernel[axis], extent + margin) -
                                         std::max(begin, -margin)));
  }
  return counts;
}

Pair tile_extents(std::string_view op, const Tensor& x, Pair tiles, Where w) {
  used_float(x, op, w);
  const bool fits = x.dim() >= 2 && tiles.vertical >= 1 && tiles.horizontal >= 1 &&
                    x.size(-2, w) >= 1 && x.size(-1, w) >= 1 &&
                    x.size(-2, w) % tiles.vertical == 0 && x.size(-1, w) % tiles.horizontal == 0;
  if (!fits)
    throw Error(w, fmt::format("{}: expected an input [N, C, H, W] whose H and W are multiples of "
                               "{} and {}, found {}",
                               op, tiles.vertical, tiles.horizontal, described(x)));
  return {x.size(-2, w) / tiles.vertical, x.size(-1, w) / tiles.horizontal};
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv1dOptions options,
              Where w) {
  return convolve("conv1d", x, weight, bias,
                  {{options.stride}, {options.padding}, {options.dilation}, options.groups}, w);
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions options,
              Where w) {
  return convolve(
      "conv2d", x, weight, bias,
      {ints(options.stride), ints(options.padding), ints(options.dilation), options.groups}, w);
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        ConvTranspose2dOptions options, Where w) {
  constexpr std::string_view op = "conv_transpose2d";
  const Windows windows{ints(options.stride), ints(options.padding), ints(options.dilation),
                        options.groups};
  const Ints extra = ints(options.output_padding);
  check_weight(op, x, weight, "[in, out / groups, kh, kw]", 0, windows, w);
  const std::int64_t in = weight.size(0, w), out = weight.size(1, w) * options.groups;
  check_operands(op, x, weight, bias, in, out, windows, w);
  check_least(op, "output padding", extra, 0, w);
  // The strides lie between the input's elements, the kernel is turned round; each group's inputs
  // come first, its outputs after those of the groups before: [in / groups, out].
  Windows unit = windows;
  unit.stride = {1, 1};
  ConvolutionAttrs attrs = attributes(unit, true);
  attrs.lhs_dilation = windows.stride;
  attrs.reversed = {1, 1};
  const auto [input, alone] = batched(x, 2, w);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto axis = static_cast<int>(i) + 2;
    const std::int64_t kernel = spread(weight.size(axis, w), windows.dilation[i]);
    attrs.low[i] = kernel - 1 - windows.padding[i];
    attrs.high[i] = attrs.low[i] + extra[i];
    if (extra[i] >= std::max(windows.stride[i], windows.dilation[i]))
      throw Error(w, fmt::format("{}: expected an output padding below the stride or the dilation, "
                                 "found {}",
                                 op, join(extra, ", ")));
    if ((input.size(axis, w) - 1) * windows.stride[i] + 1 + attrs.low[i] + attrs.high[i] < kernel)
      throw Error(w, fmt::format("{}: nothing is left of {} with weight {} and padding {}", op,
                                 described(x), described(weight), join(windows.padding, ", ")));
  }
  Tensor kernel = weight;
  if (options.groups > 1) {
    const Ints& dims = weight.shape();
    kernel = reshape(weight, {options.groups, in / options.groups, dims[1], dims[2], dims[3]}, w);
    kernel = reshape(permute(kernel, {1, 0, 2, 3, 4}, w),
                     {in / options.groups, out, dims[2], dims[3]}, w);
  }
  const Value y = build::convolution(input.value(), kernel.value(), attrs, w);
  return with_bias(Tensor(y), bias, 2, alone, w);
}

Tensor max_pool2d(const Tensor& x, Pair kernel, MaxPool2dOptions options, Where w) {
  const Pool pool = pool_over("max_pool2d", x, kernel, options.stride, options.padding,
                              options.dilation, options.ceil_mode, w);
  return pooled(x, Op::maximum, pool, w);
}

Tensor avg_pool2d(const Tensor& x, Pair kernel, AvgPool2dOptions options, Where w) {
  const Pool pool =
      pool_over("avg_pool2d", x, kernel, options.stride, options.padding, 1, options.ceil_mode, w);
  const Tensor total = pooled(x, Op::add, pool, w);
  // Places beyond the padded input never count.
  const auto count = [&](std::size_t axis) {
    return counted(pool, axis, x.size(static_cast<int>(axis) - 2, w),
                   options.count_include_pad ? pool.padding[axis] : 0);
  };
  const std::vector<double> rows = count(0), columns = count(1);
  std::vector<double> divisors;
  for (const double row : rows)
    for (const double column : columns) divisors.push_back(row * column);
  if (std::all_of(divisors.begin(), divisors.end(),
                  [&](double divisor) { return divisor == divisors[0]; }))
    return div(total, divisors[0], w);
  const Array table = Array::of<double>(pool.windows, std::span<const double>(divisors));
  return div(total, constant(table.converted(x.dtype()), w), w);
}

Tensor adaptive_avg_pool2d(const Tensor& x, Pair tiles, Where w) {
  return avg_pool2d(x, tile_extents("adaptive_avg_pool2d", x, tiles, w), {}, w);
}

Tensor adaptive_max_pool2d(const Tensor& x, Pair tiles, Where w) {
  return max_pool2d(x, tile_extents("adaptive_max_pool2d", x, tiles, w), {}, w);
}

}  // namespace kiln
