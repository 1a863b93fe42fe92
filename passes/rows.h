// Rows: which dimension a kernel's memory lies along, and blocks of rows.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "ir/space.h"

namespace kiln {

/// How much memory traffic lies along a dimension, in elements, over some expressions and stores.
double unit_traffic(const space::Kernel& space, int dim, const std::set<int>& exprs,
                    const std::vector<int>& stores);

/// The dimension of a set that most of the kernel's memory lies along (-1: the set is empty).
struct Along {
  int dim = -1;
  double traffic = 0;
};
Along most_along(const space::Kernel& space, space::DimSet among);

/// A kernel of rows with its last parallel dimension split in two: blocks, and the rows of a block,
/// which are walked within each stage. Within a stage rows are independent, so their latencies
/// overlap, and what is computed once a row is computed for 16 rows at once. Nothing where that
/// does not apply: no reduction, memory that lies along parallel dimensions, or no block size that
/// divides the rows.
///   before:  dims p0=640 parallel, r1=100
///   after:   dims p0=10 parallel, r1=64, r2=100
std::optional<space::Kernel> split_rows(const space::Kernel& space);

}  // namespace kiln
