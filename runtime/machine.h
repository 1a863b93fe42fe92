// What this machine reaches at best, measured when asked, so that a figure can be quoted as a
// share.
#pragma once

#include "codegen/target.h"
#include "runtime/thread_pool.h"

namespace kiln {

/// GFLOP/s of independent f32 fused multiply-adds in registers on one thread, in code made for
/// `target`: the best of a few runs, a tenth of a second in all.
double measured_peak_gflops(const Target& target);

/// GB/s, read and written, of copying memory that no cache holds on all threads of the pool: the
/// best of a few runs, a quarter of a second in all.
double measured_copy_gbs(ThreadPool& pool);

}  // namespace kiln
