// Whether a new value may lie where an old one lies.
//
//   kernel @map_0  e0 = load b0[p0]  store b1[p0] = tanh e0        b1 may lie where b0 lies
//   kernel @map_1  e0 = load b0[99 - p0]  store b1[p0] = e0        it may not
//   update of b0 with b1 at b2, to b3                              b3 may lie where b0 lies, not b1
#pragma once

#include <vector>

#include "ir/graph.h"
#include "ir/space.h"

namespace kiln {

/// Whether `output` of a kernel may lie where `inputs` (buffers of it) lie: each old element is
/// read before the new one is written over it, and by no other point.
bool may_overwrite(const space::Kernel& kernel, int output, const std::vector<int>& inputs);

/// The value that `value` (made by a kernel or by control flow) is an update of: if both lie in one
/// place, what is not updated need not be copied. Empty where there is none.
Value updated(Value value);

/// A kernel that does nothing but copy: where its two buffers are one place, it need not run.
bool is_copy(const space::Kernel& kernel);

/// The value whose memory this is: reshapes are free, and what a loop passes through stays where it
/// is.
Value storage(Value value);

}  // namespace kiln
