// Random numbers in the graph: a counter generator keyed by (seed, step, stream).
//
// Bits are Threefry-2x32 with 20 rounds (J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel
// random numbers: as easy as 1, 2, 3", SC 2011): a pure function of a key, made of the generator's
// seed and the number of steps that have drawn from it, and a counter, made of the element's place
// and the number of the call in the trace. So a step stays a pure function of its state, two calls
// never give the same bits, and a run that is resumed goes on with the bits it would have had.
#pragma once

#include <utility>

#include "frontend/tensor.h"
#include "frontend/trace.h"

namespace kiln {

/// A seed and the number of steps that have drawn from it (torch.Generator), both variables: a
/// checkpoint holds "NAME.seed" and "NAME.step". Every step that draws counts as one, however often
/// it does.
class Generator {
 public:
  explicit Generator(const std::string& name);
  const VariablePtr& seed() const { return seed_; }
  const VariablePtr& step() const { return step_; }

 private:
  VariablePtr seed_, step_;
};

/// The one that functions draw from where none is named ("random"); torch.manual_seed sets it.
Generator& default_generator();

/// From U[0, 1).
Tensor rand(const Ints& dims, DType dtype = DType::f32, Generator& generator = default_generator(),
            Where where = Where::current());
/// From N(0, 1).
Tensor randn(const Ints& dims, DType dtype = DType::f32, Generator& generator = default_generator(),
             Where where = Where::current());
/// Integers of [low, high), each equally likely (but for the 2⁻⁶⁴ that a remainder costs).
Tensor randint(std::int64_t low, std::int64_t high, const Ints& dims, DType dtype = DType::i64,
               Generator& generator = default_generator(), Where where = Where::current());
/// 1 with the probability that p says for each element, else 0; of p's type.
Tensor bernoulli(const Tensor& p, Generator& generator = default_generator(),
                 Where where = Where::current());
/// Each element is zero with probability p, else x / (1 - p).
Tensor dropout(const Tensor& x, double p = 0.5, Generator& generator = default_generator(),
               Where where = Where::current());

/// Two words of Threefry-2x32-20 for each element of the counters (ui32, of any one shape). The key
/// is a pair of ui32 scalars.
std::pair<Tensor, Tensor> threefry2x32(const std::pair<Tensor, Tensor>& key,
                                       const std::pair<Tensor, Tensor>& counter);

}  // namespace kiln
