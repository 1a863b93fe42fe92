// nw-average: the plainest guess at a function from noisy measurements, their mean everywhere.
//
//   f(x) = Σᵢ yᵢ / n
//
// It is attention whose weights know nothing of the query: each key gets 1/n. The other nw models
// show what there is to gain from looking at x. The data are y = 2 sin x + x^0.8 + N(0, 0.5), as in
// "Dive into Deep Learning" (Zhang, Lipton, Li and Smola), Attention Pooling: Nadaraya-Watson
// Kernel Regression.
#include "models/nadaraya_watson.h"

namespace kiln {
namespace {

Attended average(const Tensor& queries, const Tensor& keys, const Tensor& values) {
  const std::int64_t count = keys.size(0);
  return {expand(mean(values), queries.shape()),
          full({queries.size(0), count}, 1 / static_cast<double>(count))};
}

const Registration kAverage{"nw-average", "regression by the mean of all that was measured",
                            [] { return std::make_unique<Pooling>(average, 1.2); }};

}  // namespace
}  // namespace kiln
