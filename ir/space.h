// The iteration space: what a fused kernel computes, between graph and loops.
//
// A kernel is a domain of dimensions, expressions over its points, and the reductions and stores
// made of them. Operands are affine maps from the domain to memory, so views have vanished into
// strides; where the place depends on data or on where edges are (gather, pad), an op says itself
// what it reads at a point. dot_general is a reduction of products. How loops are ordered, tiled
// and vectorised is not said here: that is passes/vectorise and passes/tile.
//
//   kernel @fused_3 row  dims p0=64 parallel, r1=10
//     buffers b0: f32[640] in, b1: f32[64] out
//     e0 = load b0[10·p0 + r1]
//     e1 = reduced #0
//     e2 = subtract e0, e1
//     e3 = exponential e2
//     e4 = reduced #1
//     #0 = maximum of e0 over r1            level 0
//     #1 = add of e3 over r1                level 1
//     store b1[p0] = e4                     level 2
//
// The level of a value is the number of reductions on the longest path below it: values of one
// level can share loops, those of a later one must wait.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace kiln::space {

/// A set of dimensions, one bit each.
using DimSet = std::uint64_t;
inline constexpr int kMaxDims = 64;

struct Dim {
  std::int64_t extent = 1;
  bool parallel = false;  // every value of the kernel has it: its points are independent
};

/// An affine map: offset + Σ strides[d] · point[d], in elements.
struct Access {
  int buffer = 0;
  std::int64_t offset = 0;
  Ints strides;  // one per dimension of the kernel
  bool operator==(const Access&) const = default;
};

/// An operand that an op reads at places it computes: where the element at given coordinates lies.
struct Source {
  enum class Kind : std::uint8_t {
    memory,    // the element of `buffer` at offset + Σ coordinate · stride
    iota,      // that very number
    constant,  // of `node`, whatever the coordinates
  };
  Kind kind = Kind::memory;
  DType dtype = DType::f32;
  int buffer = 0;
  std::int64_t offset = 0;
  Ints strides;  // one an axis of the operand
  const Node* node = nullptr;
};

struct Expr {
  enum class Kind : std::uint8_t { load, constant, iota, apply, indexed, reduced };
  Kind kind = Kind::constant;
  DType dtype = DType::f32;
  DimSet dims = 0;  // the dimensions it varies along
  int level = 0;
  Access access;               // load
  const Node* node = nullptr;  // apply: the element-wise op; constant: the splat; indexed: the op
  std::vector<int> operands;   // apply: expressions
  int input = 0;               // indexed: which operand, where the op is a window op
  std::vector<int> axes;       // indexed: dimensions of the result's (then the window's) axes, or -1
  std::vector<Source> sources;  // indexed: the op's operands
  std::vector<Access> reads;    // indexed: the places it reads, as far as they are affine: a hint
  int dim = 0;                 // iota
  int reduction = 0;           // reduced: which
  int result = 0;              // reduced: which of its results
};

/// Σ and its kin: the inputs of each point over `over`, combined by the region (its parameters: the
/// running values, then the inputs). A contraction instead sums the products of its two inputs, one
/// ascending chain of fused multiply-adds per result.
struct Reduction {
  const Region* region = nullptr;  // null for a contraction
  std::vector<int> inputs;         // expressions
  std::vector<int> initial;        // expressions, constant along `over`; none for a contraction
  std::vector<int> over;           // dimensions, outermost first
  DimSet kept = 0;                 // dimensions of the result
  DType dtype = DType::f32;        // contraction
  int level = 0;
  bool is_contraction() const { return region == nullptr; }
  DimSet over_set() const;
};

struct Store {
  int expr = 0;
  Access access;
  DimSet dims = 0;
  int level = 0;
};

struct Buffer {
  DType dtype = DType::f32;
  std::int64_t count = 0;
  bool output = false;   // written by the kernel
  bool scratch = false;  // an output that nobody reads later
};

struct Kernel {
  std::string name;
  std::string kind;  // map, row, contract, scatter, sort, update
  std::vector<Dim> dims;
  std::vector<Buffer> buffers;  // the call's operands, its results, scratch
  std::vector<Expr> exprs;      // operands before users
  std::vector<Reduction> reductions;
  std::vector<Store> stores;
  /// An op whose elements wait for each other is a kernel of its own, without an iteration space:
  /// it reads these and writes all its results.
  const Node* sequential = nullptr;
  std::vector<Source> sources;
  bool in_place = false;  // an op that updates finds its operands in its results already

  DimSet parallel() const;
  std::int64_t volume(DimSet dims) const;
  int levels() const;  // one more than the highest level
  /// Floating-point operations and bytes touched, for the cost model and for people.
  double flops() const;
  double contraction_flops() const;  // the part of flops() that is sums of products
  std::int64_t bytes() const;
  std::string str() const;
};

inline bool has(DimSet set, int dim) { return (set >> dim & 1) != 0; }
inline DimSet bit(int dim) { return DimSet{1} << dim; }

/// Merges neighbouring dimensions that every access walks as one (rows of a dense matrix), so that
/// loops are long and few.
///   before: dims p0=64, p1=256   load b0[256·p0 + p1]  store b1[256·p0 + p1]
///   after:  dims p0=16384        load b0[p0]           store b1[p0]
void collapse(Kernel& kernel);

}  // namespace kiln::space
