// Convolution written by hand, from slices, products and sums. models/convolve.cpp shows it.
#pragma once

#include "frontend/functions.h"

namespace kiln {

/// out[…, y, x] = Σᵢⱼ images[…, y + i, x + j] kernel[i, j], for images [..., H, W] and a kernel
/// [h, w]; [..., H - h + 1, W - w + 1]. It is a sum of h w shifted slices, each times one number of
/// the kernel. Throws Error for a kernel that is larger than the images.
Tensor convolve(const Tensor& images, const Tensor& kernel, Where where = Where::current());

/// The same, an element of the result at a time: a slice of the kernel's size, multiplied, summed;
/// the elements are stacked.
Tensor convolve_by_pixel(const Tensor& images, const Tensor& kernel,
                         Where where = Where::current());

}  // namespace kiln
