// convolve: a convolution layer written by hand, in two ways, and what it makes of an image.
//
//   out[y, x] = Σᵢⱼ in[y + i, x + j] k[i, j]       H x W by h x w  →  (H - h + 1) x (W - w + 1)
//
// without padding, in steps of 1. The article calls it convolution, as everyone does in deep
// learning; it is cross-correlation, for the kernel is not flipped (V. Dumoulin and F. Visin, "A
// guide to convolution arithmetic for deep learning", 2016, has the output-size rule).
//
// The article visits the output's elements one by one: slice, multiply, sum, stack. Turned inside
// out, the sum over (i, j) outermost, it is h w products of whole shifted images: 9 operations on
// arrays in place of some 2000 for 28 x 28 by 3 x 3, and batches come for free. Both add the same
// products, the slices row by row and a window's sum column by column, as every sum along a vector;
// so the last bits may differ.
//
// For a kernel larger than its image the rule gives no size. The article's loops are then empty
// and it fails in `stack`, on "a non-empty TensorList"; here the message names the two sizes.
#include "models/convolve.h"

#include <chrono>
#include <cmath>

#include "models/draw_digits.h"
#include "models/model.h"

namespace kiln {
namespace {

/// Height and width of the result.
std::array<std::int64_t, 2> output_size(const Tensor& images, const Tensor& kernel, Where where) {
  if (images.dim() < 2 || kernel.dim() != 2)
    throw Error(where, fmt::format("convolve: expected images [..., H, W] and a kernel [h, w], "
                                   "found {} and {}",
                                   images.type().pretty(), kernel.type().pretty()));
  const std::array size = {images.size(-2) - kernel.size(0) + 1,
                           images.size(-1) - kernel.size(1) + 1};
  if (size[0] < 1 || size[1] < 1)
    throw Error(where,
                fmt::format("convolve: expected a kernel no larger than its image, found a kernel "
                            "of {} x {} for an image of {} x {}",
                            kernel.size(0), kernel.size(1), images.size(-2), images.size(-1)));
  return size;
}

}  // namespace

Tensor convolve(const Tensor& images, const Tensor& kernel, Where where) {
  const auto [height, width] = output_size(images, kernel, where);
  Tensor total;
  for (std::int64_t i = 0; i < kernel.size(0); ++i)
    for (std::int64_t j = 0; j < kernel.size(1); ++j) {
      const Tensor shifted = narrow(narrow(images, -2, i, height), -1, j, width);
      const Tensor part = shifted * index(kernel, {i, j});
      total = i + j == 0 ? part : total + part;
    }
  return total;
}

Tensor convolve_by_pixel(const Tensor& images, const Tensor& kernel, Where where) {
  const auto [height, width] = output_size(images, kernel, where);
  std::vector<Tensor> rows;
  for (std::int64_t y = 0; y < height; ++y) {
    std::vector<Tensor> row;
    for (std::int64_t x = 0; x < width; ++x) {
      const Tensor window = narrow(narrow(images, -2, y, kernel.size(0)), -1, x, kernel.size(1));
      row.push_back(sum(window * kernel, {-2, -1}));
    }
    rows.push_back(stack(row, -1));
  }
  return stack(rows, -2);
}

namespace {

std::string text_of(const Array& matrix) {
  std::vector<std::string> rows;
  for (std::int64_t i = 0; i < matrix.dims()[0]; ++i) {
    std::vector<double> row;
    for (std::int64_t j = 0; j < matrix.dims()[1]; ++j)
      row.push_back(matrix.as_double(i * matrix.dims()[1] + j));
    rows.push_back(fmt::format("[{}]", fmt::join(row, ", ")));
  }
  return fmt::format("[{}]", fmt::join(rows, ", "));
}

class Convolve : public Model {
 public:
  Outcome run(const TrainOptions& options, Report& report) override {
    if (!options.data.empty()) throw Error("convolve: expected no --data: it draws its image");
    report.print("H x W by h x w gives (H - h + 1) x (W - w + 1):\n");
    const Array small = Array::of<float>({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
    const Array diagonal = Array::of<float>({2, 2}, {1, 0, 0, 1});
    report.print("  {} by {}\n    3 x 3 by 2 x 2 is 2 x 2: {}\n", text_of(small), text_of(diagonal),
                 text_of(jit(slices)(small, diagonal)));
    try {
      jit(slices).compile({diagonal.type(), small.type()});
    } catch (const Error& error) {
      report.print("  2 x 2 by 3 x 3 is an error: {}\n", error.what());
    }

    Array image = draw_digits(1, options.seed).images.converted(DType::f32).reshaped({28, 28});
    for (float& pixel : image.data<float>()) pixel /= 255;
    constexpr float kThird = 1.0F / 3;
    const Array edges =
        Array::of<float>({3, 3}, {-kThird, -kThird, -kThird, 0, 0, 0, kThird, kThird, kThird});
    auto by_slice = jit(slices), by_pixel = jit(pixels);
    const double slice_seconds = compile_seconds(by_slice, {image.type(), edges.type()});
    const double pixel_seconds = compile_seconds(by_pixel, {image.type(), edges.type()});
    const Array out = by_slice(image, edges).clone(), same = by_pixel(image, edges);
    double difference = 0;
    for (std::int64_t i = 0; i < out.count(); ++i)
      difference = std::max(difference, std::fabs(out.as_double(i) - same.as_double(i)));
    report.print(
        "  28 x 28 by 3 x 3 is {} x {}: compiled in {:.0f} ms from slices, in {:.0f} ms "
        "pixel by pixel; the results differ by {} at most\n",
        out.dims()[0], out.dims()[1], 1e3 * slice_seconds, 1e3 * pixel_seconds, difference);
    report.heatmaps("edges", {.title = "convolve: a kernel that sees upper and lower edges",
                              .x_label = "column x",
                              .y_label = "row y",
                              .panels = {{"image, 28 x 28", image}, {"result, 26 x 26", out}},
                              .columns = 2});
    return {.metric = {.name = "difference", .lower_is_better = true},
            .value = difference,
            .required = 1e-6};
  }
  Traced traced() override {
    return Jit<Tensor>(
               [](const std::vector<Tensor>& in) { return std::vector{convolve(in[0], in[1])}; })
        .trace({Type{DType::f32, {28, 28}}, Type{DType::f32, {3, 3}}});
  }

 private:
  static Tensor slices(const Tensor& image, const Tensor& kernel) {
    return convolve(image, kernel);
  }
  static Tensor pixels(const Tensor& image, const Tensor& kernel) {
    return convolve_by_pixel(image, kernel);
  }
  static double compile_seconds(Jit<Tensor>& function, const std::vector<Type>& types) {
    const auto start = std::chrono::steady_clock::now();
    function.compile(types);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
};

const Registration kConvolve{"convolve", "convolution by hand: shifted slices, or pixel by pixel",
                             [] { return std::make_unique<Convolve>(); }};

}  // namespace
}  // namespace kiln
