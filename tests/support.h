// What tests share: functions built by hand, arrays of random and of special values, the ways to
// run a function compared with each other, gradients compared with differences.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "codegen/target.h"
#include "frontend/functions.h"
#include "ir/graph.h"
#include "passes/pipeline.h"
#include "tests/random_array.h"

namespace kiln {

/// A function of arguments of these types, whose results `body` makes from their values.
using Body = std::function<std::vector<Value>(const std::vector<Value>& arguments)>;
Function function_of(const std::vector<Type>& types, const Body& body);
/// The same from a callable of Tensors, as jit traces it.
using TensorBody = std::function<std::vector<Tensor>(const std::vector<Tensor>& arguments)>;
Function trace(const std::vector<Type>& types, const TensorBody& body);

std::vector<Type> types_of(std::span<const Array> arrays);

/// Where arithmetic goes wrong: zeros, infinities, NaN, subnormals, extremes, neighbours of powers
/// of two; some random bits after them. Rank 1.
Array special_values(DType dtype);

/// The results of a compiled function; arguments are copied, so state stays as it was. Runs twice
/// (the second time on a used arena) and throws when the bits differ.
std::vector<Array> execute(const Function& function, std::span<const Array> inputs,
                           const PipelineOptions& options = {},
                           const Target& target = Target::host());

/// How far apart two floats may be: in units of the last place, or relative to the largest
/// magnitude of the array. By default not at all. Below `floor` in magnitude an ulp is that of it.
struct Tolerance {
  int ulps = 0;
  double relative = 0;
  double absolute = 0;
  double floor = 0;
};
/// What a search for something wrong says when nothing is.
inline const std::string kNone;
/// The first place where `got` is not `want`, in words; kNone where there is none. NaN equals NaN.
std::string difference(const Array& got, const Array& want, Tolerance tolerance = {});

/// Reference = unfused = fused.
void check_modes(const Function& function, std::span<const Array> inputs, Tolerance tolerance = {});
void check(const TensorBody& body, const std::vector<Array>& inputs,
           Tolerance tolerance = {.relative = 1e-5});

/// The gradient of Σ results · cotangents: takes the arguments, then a cotangent for each float
/// result; gives a gradient for each float argument.
Function gradient_of(const Function& function);
/// A function and what to call it with.
struct Call {
  Function function;
  std::vector<Array> arguments;
};
/// The symbolic gradient at `inputs` (f64) is, interpreted, what central differences say, element
/// by element. Returns that gradient.
Call check_differences(const std::vector<Array>& inputs, const Body& body, double tolerance = 1e-7);
Call check_differences(const Function& function, const std::vector<Array>& inputs,
                       double tolerance = 1e-7);
/// And its compiled forms agree with it.
void check_gradient(const std::vector<Array>& inputs, const Body& body, double tolerance = 1e-7);

}  // namespace kiln
