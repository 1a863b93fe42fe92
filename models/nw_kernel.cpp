// nw-kernel: Nadaraya-Watson regression, attention without anything to learn.
//
//   f(x) = Σᵢ softmaxᵢ(-(x - xᵢ)² / 2) yᵢ
//
// What lies near x counts more: a Gaussian kernel of width 1 (Nadaraya, 1964; Watson, 1964), whose
// normalisation is just the softmax of its exponents. The prediction is smooth and follows the
// truth, but too flat: a width of 1 is a fifth of the whole range, so hills and valleys are
// averaged away. nw-parametric learns the width.
#include "models/nadaraya_watson.h"

namespace kiln {
namespace {

Attended gaussian(const Tensor& queries, const Tensor& keys, const Tensor& values) {
  return kernel_pooling(queries, keys, values, 1);
}

const Registration kKernel{"nw-kernel", "regression by a Gaussian kernel: attention, unlearned",
                           [] { return std::make_unique<Pooling>(gaussian, 0.7); }};

}  // namespace
}  // namespace kiln
