#include "tests/random_array.h"

#include <cmath>

#include "runtime/random.h"

namespace kiln {

Array random_array(const Type& type, std::uint64_t stream, double low, double high) {
  Array array(type);
  Random random(1, stream);
  visit_dtype(type.dtype, [&]<class T>(T) {
    for (T& x : array.data<T>()) {
      const float u = random.uniform(static_cast<float>(low), static_cast<float>(high));
      if constexpr (std::is_same_v<T, bool>)
        x = random.chance(0.5);
      else if constexpr (std::is_floating_point_v<T>)
        x = u;
      else
        x = static_cast<T>(static_cast<std::int64_t>(std::floor(u)));
    }
  });
  return array;
}

}  // namespace kiln
