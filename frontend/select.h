// Choosing elements: by a condition, by indices, by a mask.
#pragma once

#include "frontend/tensor.h"

namespace kiln {

/// condition ? yes : no, all broadcast together.
Tensor where(const Tensor& condition, const Operand& yes, const Operand& no,
             Where where = Where::current());

}  // namespace kiln
