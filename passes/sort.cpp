// Sort: for each line along the sorted axis, the order of its elements (positions in the line) is
// merged bottom up, runs of 1, 2, 4 … elements, back and forth between the two halves of a line's
// scratch; then the operands are read in that order. Merging asks the comparator only whether a
// later element goes before an earlier one, so it is stable, and it is one loop without branches:
//
//   for pass = 0 to ⌈log2 n⌉ carry width, from, to
//     for k = 0 to n carry left, right, middle, end of the two runs being merged
//
// Lines are independent: each is a chunk.
#include <bit>

#include "ir/op.h"
#include "passes/evaluate.h"
#include "passes/sequential.h"

namespace kiln {
namespace {

using loop::Affine;
using loop::Index;
using loop::Opcode;
using loop::Reg;
using loop::Val;

class Sorter {
 public:
  explicit Sorter(const space::Kernel& space)
      : space_(space),
        node_(*space.sequential),
        axis_(static_cast<std::size_t>(node_.attrs<SortAttrs>().dim)),
        dims_(node_.type().dims),
        n_(dims_[axis_]),
        builder_(kernel_) {
    kernel_.name = space.name;
    declare_buffers(builder_, space);
    scratch_ = static_cast<int>(space.buffers.size()) - 1;
  }

  loop::Kernel run() {
    for (std::size_t d = 0; d < dims_.size(); ++d)
      if (d != axis_) kernel_.chunks *= dims_[d];
    builder_.loop(
        "line", {Affine::of(loop::kBegin)}, {Affine::of(loop::kEnd)}, 1, [&](loop::Var line) {
          open(line);
          line_ = Affine::of(line, 2 * n_);
          builder_.loop("k", {0}, {n_}, 1, [&](loop::Var k) {
            builder_.store(scratch_, line_ + Affine::of(k), builder_.index(Affine::of(k), 1));
          });
          write(merge());
        });
    return std::move(kernel_);
  }

 private:
  Val number(std::int64_t value) {
    return {builder_, builder_.constant_bits({DType::i64, 1}, static_cast<std::uint64_t>(value))};
  }
  static Val least(Val a, Val b) { return a.op(Opcode::min, b); }

  /// The line's coordinates along the other axes.
  void open(loop::Var line) {
    std::int64_t below = 1;
    at_.assign(dims_.size(), Index(builder_, Affine(0), 0, 1));
    for (std::size_t d = dims_.size(); d-- > 0;) {
      if (d == axis_ || dims_[d] == 1) continue;
      const bool last = below * dims_[d] == kernel_.chunks;
      const loop::Var at = builder_.define("at", Affine::of(line), below, last ? 0 : dims_[d]);
      at_[d] = Index(builder_, Affine::of(at), 0, 1);
      below *= dims_[d];
    }
  }

  /// An operand's element at a position of the line.
  Val element(std::size_t operand, Index position, std::optional<Val> inside = std::nullopt) {
    std::vector<Index> at = at_;
    at[axis_] = std::move(position);
    return read_source(builder_, space_.sources[operand], at, inside);
  }

  /// Whether the element at position `a` goes before that at `b`.
  Val before(Val a, Val has_a, Val b, Val has_b) {
    std::vector<Reg> arguments;
    for (std::size_t i = 0; i < node_.operands().size(); ++i) {
      arguments.push_back(element(i, Index(a), has_a).reg());
      arguments.push_back(element(i, Index(b), has_b).reg());
    }
    return {builder_, evaluate_region(builder_, node_.regions()[0], arguments)[0]};
  }

  Val position(Val half, Val at, Val inside) {
    return {builder_, builder_.load(scratch_, line_, 1, 0, 1, (half + at).reg(), inside.reg())};
  }

  /// Where in the line's scratch the final order lies.
  Val merge() {
    const std::int64_t passes = n_ <= 1 ? 0 : std::bit_width(static_cast<std::uint64_t>(n_ - 1));
    const Val zero = number(0), n = number(n_);
    const std::vector<Reg> merged = builder_.loop(
        "pass", {0}, {passes}, 1, {number(1).reg(), zero.reg(), n.reg()},
        [&](loop::Var, const std::vector<Reg>& now) -> std::vector<Reg> {
          const Val width(builder_, now[0]), from(builder_, now[1]), to(builder_, now[2]);
          builder_.loop("k", {0}, {n_}, 1, {zero.reg(), zero.reg(), zero.reg(), zero.reg()},
                        [&](loop::Var k, const std::vector<Reg>& runs) {
                          return step({builder_, builder_.index(Affine::of(k), 1)}, runs, width,
                                      from, to);
                        });
          return {(width + width).reg(), to.reg(), from.reg()};
        });
    return {builder_, merged[1]};
  }

  /// Writes element k of the merged runs; gives how far they are then.
  std::vector<Reg> step(Val k, const std::vector<Reg>& runs, Val width, Val from, Val to) {
    Val left(builder_, runs[0]), right(builder_, runs[1]), middle(builder_, runs[2]),
        end(builder_, runs[3]);
    const Val n = number(n_), next = k == end;  // the next two runs begin
    left = select(next, k, left);
    middle = select(next, least(k + width, n), middle);
    right = select(next, middle, right);
    end = select(next, least(middle + width, n), end);
    const Val has_left = left < middle, has_right = right < end;
    const Val a = position(from, left, has_left), b = position(from, right, has_right);
    const Val take_right = has_right & (~has_left | before(b, has_right, a, has_left));
    builder_.store(scratch_, line_, select(take_right, b, a).reg(), 1, 1, (to + k).reg());
    const Val one = number(1), zero = number(0);
    return {(left + select(take_right, zero, one)).reg(),
            (right + select(take_right, one, zero)).reg(), middle.reg(), end.reg()};
  }

  void write(Val half) {
    const Ints strides = row_major_strides(dims_);
    builder_.loop("k", {0}, {n_}, 1, [&](loop::Var k) {
      const Val from(builder_, builder_.load(scratch_, line_ + Affine::of(k), 1, 0, 1, half.reg()));
      Affine to = Affine::of(k) * strides[axis_];
      for (std::size_t d = 0; d < dims_.size(); ++d) to = to + at_[d].affine() * strides[d];
      for (std::size_t i = 0; i < node_.operands().size(); ++i)
        builder_.store(output(i), to, element(i, Index(from)).reg());
    });
  }
  int output(std::size_t result) const {
    return scratch_ - static_cast<int>(node_.types().size() - result);
  }

  const space::Kernel& space_;
  const Node& node_;
  const std::size_t axis_;
  const Ints& dims_;
  const std::int64_t n_;  // the length of a line
  loop::Kernel kernel_;
  loop::Builder builder_;
  int scratch_ = 0;
  Affine line_;            // where the line's scratch begins
  std::vector<Index> at_;  // where the line lies
};

}  // namespace

loop::Kernel sort_loops(const space::Kernel& space) { return Sorter(space).run(); }

}  // namespace kiln
