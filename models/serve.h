// `kiln bench WORKLOAD --serve FOLDER`: one side of a comparison. tests/bench/peers runs it beside
// the same work in other libraries and has them take turns. A line on stdin asks, a line of JSON on
// stdout answers:
//
//   (start)         writes FOLDER/inputs.safetensors: the inputs, and the state before the first
//                   step                                                       {"ready": true, …}
//   first           compiles and runs the first three steps; writes FOLDER/kiln.safetensors, or
//                   unfused.safetensors: the results and the state after the first, and as
//                   again.NAME the results of the second
//                             {"compile_seconds", "step_seconds", "peak_bytes", "flops", "bytes"}
//   block SECONDS   from the state before the first step, about that long of steps, timed
//                                                                    {"seconds", "steps"} a step
//   machine         what this machine reaches        {"peak_gflops", "copy_gbs"} on the threads
//   (end of input)  ends
//
// peak_bytes is how far the process's resident memory rose over what it was before `first`.
#pragma once

#include <string>

#include "runtime/kiln.h"

namespace kiln {

void serve(const std::string& workload, Mode mode, const std::string& folder);

}  // namespace kiln
