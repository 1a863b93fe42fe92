// Writes the expressions of an iteration space into loop IR, at a point of its domain that loops
// have opened. Shared by the schedules (passes/vectorise, passes/tile), which decide those loops.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "ir/loop.h"
#include "ir/math.h"
#include "ir/space.h"
#include "passes/signs.h"

namespace kiln {

/// Memory for a value: a buffer of the space, or one of the kernel's own (`own`), which holds the
/// values of one chunk, so that parallel dimensions add lanes to its addresses but no position.
struct Place {
  space::Access access;
  bool own = false;
};

/// Follows an indexed expression of the kernel to the places it reads: `reads` are those, as far as
/// they are affine. If all it does is to read one affine place, it comes back as a load.
space::Expr with_known_reads(const space::Kernel& space, space::Expr expr);

/// select(condition, value, 0), as expressions of the kernel.
struct Choice {
  int condition = 0, value = 0;
};
/// The expression as such a choice, if it is one of floats.
std::optional<Choice> choice_or_zero(const space::Kernel& space, int expr);

/// The values of a region whose parameters have these values, in as many lanes as those.
std::vector<loop::Reg> evaluate_region(loop::Builder& builder, const Region& region,
                                       std::span<const loop::Reg> arguments);
/// A splat constant of the graph.
loop::Reg constant_of(loop::Builder& builder, const Node& node, int lanes = 1);
/// The element of an operand at these coordinates (Point::read), at so many active lanes.
loop::Val read_source(loop::Builder& builder, const space::Source& source,
                      std::span<const loop::Index> coordinates, std::optional<loop::Val> inside,
                      int active = loop::kLanes);

/// The same element = value.
void write_source(loop::Builder& builder, const space::Source& source,
                  std::span<const loop::Index> coordinates, loop::Val value,
                  std::optional<loop::Val> inside, int active = loop::kLanes);
/// A parameter for each of the space's buffers, in their order.
void declare_buffers(loop::Builder& builder, const space::Kernel& space);

/// (chunk / below) mod count: a coordinate of a grid whose points are the kernel's chunks, without
/// the parts that do nothing.
loop::Affine chunk_coordinate(loop::Builder& builder, loop::Var chunk, std::int64_t below,
                              std::int64_t count, const std::string& name = "p");

class Evaluator {
 public:
  static constexpr int kNone = -1;

  /// `kernel` gets a parameter for each of the space's buffers, in their order. `multiply_adds`:
  /// the processor has fused ones.
  Evaluator(const space::Kernel& space, loop::Kernel& kernel, bool multiply_adds);

  const space::Kernel& space() const { return space_; }
  loop::Builder& builder() { return builder_; }

  /// The dimension whose kLanes neighbouring points one register holds (kNone: scalar code).
  int vector_dim() const { return vector_dim_; }
  void set_vector_dim(int dim) { vector_dim_ = dim; }
  /// Where a dimension stands; `active` lanes of the vector dimension are inside the domain.
  void open(int dim, loop::Affine at);
  void open_vector(int dim, loop::Affine at, int active);
  void close(int dim);
  /// Memory of the kernel's own holds a block of this dimension, which begins at `first`.
  void open_block(int dim, loop::Affine first) { blocks_[dim] = std::move(first); }
  void close_block(int dim) { blocks_.erase(dim); }
  int active() const { return active_; }
  int lanes() const { return vector_open() ? loop::kLanes : 1; }
  bool vector_open() const { return vector_dim_ != kNone && at_[index(vector_dim_)].has_value(); }
  const loop::Affine& at(int dim) const { return *at_[index(dim)]; }

  /// Registers evaluated since a scope began are forgotten at its end: it is a loop's body.
  void push_scope() {
    scopes_.emplace_back();
    divisors_.emplace_back();
  }
  void pop_scope() {
    scopes_.pop_back();
    divisors_.pop_back();
  }
  /// States that an expression has this value in the current scope.
  void define(int expr, loop::Reg reg) { scopes_.back()[expr] = reg; }

  /// The expression's value here: scalar if it does not vary along the vector dimension.
  loop::Reg eval(int expr);
  /// The same in all lanes.
  loop::Reg eval_vector(int expr) { return builder_.splat(eval(expr), lanes()); }
  /// Evaluates now what `roots` need that stands still while the loops over `closed` run and whose
  /// level has been reached: hoisting by construction. What much will be divided by gets its
  /// reciprocal.
  void prepare(const std::vector<int>& roots, space::DimSet closed, int level);

  /// element = value, at this point.
  void store(const Place& place, loop::Reg value);
  loop::Reg load(const Place& place);
  /// The element at this point, and how far apart the lanes lie (0: it is one for all).
  std::pair<loop::Affine, std::int64_t> address(const Place& place) const;

  /// Gives an expression a place in memory; once filled, eval reads it there.
  void keep(int expr, Place place) { kept_[expr] = {std::move(place), false}; }
  bool is_kept(int expr) const { return kept_.contains(expr); }
  bool is_filled(int expr) const { return is_kept(expr) && kept_.at(expr).second; }
  void fill(int expr) { kept_.at(expr).second = true; }
  void store_kept(int expr, loop::Reg value) { store(kept_.at(expr).first, value); }
  /// From now on this access of a buffer of the space means that place.
  void relocate(const space::Access& access, Place place) {
    relocated_.emplace_back(access, std::move(place));
  }
  /// How far apart, in elements, neighbours along the vector dimension are in memory.
  std::int64_t lane_stride(const space::Access& access) const {
    if (vector_dim_ == kNone) return 0;
    return relocated({access, false}).access.strides[index(vector_dim_)];
  }
  /// Another chunk begins: nothing is filled.
  void forget_kept() {
    for (auto& [expr, kept] : kept_) kept.second = false;
  }

  loop::Reg constant(const Node& node, int lanes = 1) { return constant_of(builder_, node, lanes); }
  /// The running values combined with the inputs by the reduction's region.
  std::vector<loop::Reg> combine(const space::Reduction& reduction,
                                 std::span<const loop::Reg> running,
                                 std::span<const loop::Reg> inputs);

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  loop::Reg fresh(const space::Expr& expr);
  std::optional<loop::Reg> chosen_sum(const space::Expr& expr);
  void prepare_divisor(const space::Expr& expr, space::DimSet closed, int level);
  std::optional<loop::Reg> quotient(const space::Expr& expr);

  const space::Kernel& space_;
  std::vector<Sign> signs_;  // of the space's expressions
  loop::Builder builder_;
  int vector_dim_ = kNone;
  int active_ = loop::kLanes;
  std::vector<std::optional<loop::Affine>> at_;
  std::unordered_map<int, loop::Affine> blocks_;
  const bool multiply_adds_;
  std::vector<std::unordered_map<int, loop::Reg>> scopes_{1};
  std::vector<std::unordered_map<int, math::Divisor>> divisors_{1};  // by scope, as values
  const Place& relocated(const Place& place) const;

  std::unordered_map<int, std::pair<Place, bool>> kept_;
  std::vector<std::pair<space::Access, Place>> relocated_;
};

}  // namespace kiln
