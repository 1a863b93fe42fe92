// dynamic_update_slice as a kernel of its own: the operand is copied to the result (unless it lies
// there), then the update is written over its place, 16 elements of the last axis at once. The rows
// of a large update are shared by threads.
#include <algorithm>

#include "ir/op.h"
#include "passes/evaluate.h"
#include "passes/sequential.h"

namespace kiln {
namespace {

using loop::Affine;
using loop::Index;
using loop::kLanes;
using loop::Opcode;
using loop::Val;
using space::Source;

constexpr std::int64_t kChunkElements = 16384;

class Updater {
 public:
  explicit Updater(const space::Kernel& space)
      : space_(space), update_(space.sequential->operand(1).type().dims), builder_(kernel_) {
    kernel_.name = space.name;
    declare_buffers(builder_, space);
  }

  loop::Kernel run() {
    const std::int64_t rows = update_.empty() ? 1 : update_[0];
    std::int64_t chunk_rows = rows;
    if (space_.in_place && update_.size() > 1 && element_count(update_) > kChunkElements) {
      const std::int64_t row = element_count(update_) / rows;
      chunk_rows = std::max<std::int64_t>(kChunkElements / row, 1);
      kernel_.chunks = (rows + chunk_rows - 1) / chunk_rows;
    }
    builder_.loop("chunk", {Affine::of(loop::kBegin)}, {Affine::of(loop::kEnd)}, 1,
                  [&](loop::Var chunk) {
                    if (!space_.in_place) copy_operand(builder_, space_, 0);
                    if (element_count(update_) == 0) return;
                    find_start();
                    if (kernel_.chunks == 1) return write({});
                    const Affine first = Affine::of(chunk) * chunk_rows;
                    builder_.loop("u", {first}, {first + chunk_rows, Affine(rows)}, 1,
                                  [&](loop::Var row) { write({row_at(row)}); });
                  });
    return std::move(kernel_);
  }

 private:
  Index row_at(loop::Var v) { return {builder_, Affine::of(v), 0, 1}; }

  /// The start indices, moved so that the update lies inside.
  void find_start() {
    const Ints& dims = space_.sequential->type().dims;
    for (std::size_t axis = 0; axis < dims.size(); ++axis) {
      const std::int64_t last = dims[axis] - update_[axis];
      Val start = read_source(builder_, space_.sources[axis + 2], {}, std::nullopt);
      const Val wide_last = {
          builder_, builder_.constant_bits({DType::i64, 1}, static_cast<std::uint64_t>(last))};
      // What i64 cannot hold is past the end.
      if (start.type().dtype == DType::ui64)
        start = start.op(Opcode::min, wide_last.convert(DType::ui64));
      start = start.convert(DType::i64);
      start_.push_back(Index(start.op(Opcode::max, start.like(0)).op(Opcode::min, wide_last)));
    }
  }

  /// The part of the update whose first coordinates are `at`.
  void write(std::vector<Index> at) {
    const std::size_t axis = at.size();
    if (axis == update_.size()) return write_elements(at, 1);
    at.emplace_back(builder_, Affine(0), 0, 1);
    if (axis + 1 < update_.size()) {
      builder_.loop("u", {0}, {update_[axis]}, 1, [&](loop::Var v) {
        at.back() = row_at(v);
        write(at);
      });
      return;
    }
    vectors(builder_, "u", update_[axis], [&](const Affine& first, int active) {
      at.back() = Index(builder_, first, 1, kLanes);
      write_elements(at, active);
    });
  }

  void write_elements(const std::vector<Index>& at, int active) {
    std::vector<Index> place;
    for (std::size_t axis = 0; axis < at.size(); ++axis) place.push_back(at[axis] + start_[axis]);
    const Val value = read_source(builder_, space_.sources[1], at, std::nullopt, active);
    write_source(builder_, result_source(space_, 0), place,
                 at.empty() ? value : value.across(kLanes), std::nullopt, active);
  }

  const space::Kernel& space_;
  const Ints& update_;  // its extents
  loop::Kernel kernel_;
  loop::Builder builder_;
  std::vector<Index> start_;
};

}  // namespace

loop::Kernel update_loops(const space::Kernel& space) { return Updater(space).run(); }

}  // namespace kiln
