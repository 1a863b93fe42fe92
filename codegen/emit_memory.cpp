// Loads, stores and the transposed tile. An inactive lane's address is never touched: AVX-512 masks
// it, elsewhere the active lanes are moved in pieces of 8, 4, 2 and 1. Where data decide which
// lanes are touched, neighbours go by a masked load or store (scalar code in LLVM where the
// processor has none), single elements to a place of no meaning instead. Alignment is the
// element's.

#include <bit>
#include <numeric>

#include <llvm/IR/IRBuilder.h>

#include "codegen/emit.h"
#include "ir/error.h"

namespace kiln::codegen {
namespace {

using loop::VType;

std::vector<int> lanes_from(int first, int count, int step = 1) {
  std::vector<int> lanes(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) lanes[static_cast<std::size_t>(i)] = first + i * step;
  return lanes;
}

class Memory {
 public:
  /// i1 lives in memory as a byte.
  Memory(llvm::IRBuilderBase& builder, const Target& target, VType type)
      : b_(builder),
        target_(target),
        stored_({is_bool(type.dtype) ? DType::ui8 : type.dtype, type.lanes}),
        align_(static_cast<std::uint64_t>(size_of(type.dtype))) {}

  llvm::Value* load(llvm::Value* pointer, const LaneAddresses& at) {
    if (at.offsets == nullptr && at.mask == nullptr) return load(pointer, at.stride, at.active);
    if (stored_.lanes == 1)
      return b_.CreateAlignedLoad(type(1), element_address(pointer, at, 0), align_);
    if (at.offsets == nullptr && at.stride == 1)
      return b_.CreateMaskedLoad(type(stored_.lanes), pointer, align_, active_mask(at), zeros());
    if (at.offsets == nullptr && at.stride == 0) {
      llvm::Value* touched = active_mask(at);
      llvm::Value* place = b_.CreateSelect(b_.CreateOrReduce(touched), pointer, at.nowhere);
      llvm::Value* element = b_.CreateAlignedLoad(type(1), place, align_);
      return b_.CreateSelect(
          touched, b_.CreateVectorSplat(static_cast<unsigned>(stored_.lanes), element), zeros());
    }
    llvm::Value* gathered = zeros();
    for (int lane = 0; lane < at.active; ++lane)
      gathered = b_.CreateInsertElement(
          gathered, b_.CreateAlignedLoad(type(1), element_address(pointer, at, lane), align_),
          static_cast<std::uint64_t>(lane));
    return gathered;
  }

  void store(llvm::Value* value, llvm::Value* pointer, const LaneAddresses& at) {
    if (at.offsets == nullptr && at.mask == nullptr) {
      store(value, pointer, at.stride, at.active);
    } else if (stored_.lanes == 1) {
      b_.CreateAlignedStore(value, element_address(pointer, at, 0), align_);
    } else if (at.offsets == nullptr && at.stride == 1) {
      b_.CreateMaskedStore(value, pointer, align_, active_mask(at));
    } else {
      for (int lane = 0; lane < at.active; ++lane)
        b_.CreateAlignedStore(b_.CreateExtractElement(value, static_cast<std::uint64_t>(lane)),
                              element_address(pointer, at, lane), align_);
    }
  }

  llvm::Value* load(llvm::Value* pointer, std::int64_t stride, int active) {
    const int lanes = stored_.lanes;
    if (lanes == 1) return b_.CreateAlignedLoad(type(1), pointer, align_);
    if (stride == 0) {
      llvm::Value* all = b_.CreateVectorSplat(static_cast<unsigned>(lanes),
                                              b_.CreateAlignedLoad(type(1), pointer, align_));
      return active == lanes ? all : blend(zeros(), all, 0, active);
    }
    if (stride == 1) return contiguous(pointer, active);
    if (stride == -1) {
      std::vector<int> order = lanes_from(active - 1, active, -1);
      order.resize(static_cast<std::size_t>(lanes), lanes);  // a lane of the zeros
      return b_.CreateShuffleVector(contiguous(at(pointer, 1 - active), active), zeros(), order);
    }
    if (stride == 2 && active == lanes && lanes % 2 == 0) {
      // Even elements of [0, lanes), odd ones of [lanes - 1, 2·lanes - 1): nothing beyond the last.
      std::vector<int> order = lanes_from(0, lanes / 2, 2);
      for (int lane : lanes_from(lanes + 1, lanes / 2, 2)) order.push_back(lane);
      return b_.CreateShuffleVector(contiguous(pointer, lanes),
                                    contiguous(at(pointer, lanes - 1), lanes), order);
    }
    // One by one: on Zen a gather is slower than this, and elsewhere hardly faster.
    llvm::Value* gathered = zeros();
    for (int lane = 0; lane < active; ++lane)
      gathered = b_.CreateInsertElement(
          gathered, b_.CreateAlignedLoad(type(1), at(pointer, lane * stride), align_),
          static_cast<std::uint64_t>(lane));
    return gathered;
  }

  void store(llvm::Value* value, llvm::Value* pointer, std::int64_t stride, int active) {
    const int lanes = stored_.lanes;
    if (lanes == 1 || (stride == 1 && active == lanes)) {
      b_.CreateAlignedStore(value, pointer, align_);
    } else if (stride != 1) {
      for (int lane = 0; lane < active; ++lane)
        b_.CreateAlignedStore(b_.CreateExtractElement(value, static_cast<std::uint64_t>(lane)),
                              at(pointer, lane * stride), align_);
    } else if (masks()) {
      b_.CreateMaskedStore(value, pointer, align_, mask(active));
    } else {
      for_pieces(active, [&](int first, int count) {
        llvm::Value* piece = count == 1
                                 ? b_.CreateExtractElement(value, static_cast<std::uint64_t>(first))
                                 : b_.CreateShuffleVector(value, lanes_from(first, count));
        b_.CreateAlignedStore(piece, at(pointer, first), align_);
      });
    }
  }

  llvm::Value* at(llvm::Value* pointer, std::int64_t element) {
    if (element == 0) return pointer;
    return b_.CreateConstInBoundsGEP1_64(
        b_.getInt8Ty(), pointer,
        static_cast<std::uint64_t>(element * static_cast<std::int64_t>(size_of(stored_.dtype))));
  }

  llvm::Type* type(int lanes) const { return llvm_type(b_.getContext(), {stored_.dtype, lanes}); }
  llvm::Value* zeros() const { return llvm::Constant::getNullValue(type(stored_.lanes)); }

 private:
  bool masks() const { return target_.vector_bytes == 64; }

  /// Where one lane's element lies; `nowhere` if it is not to be touched.
  llvm::Value* element_address(llvm::Value* pointer, const LaneAddresses& lanes, int lane) {
    const auto size = static_cast<std::uint64_t>(size_of(stored_.dtype));
    const auto of_lane = [&](llvm::Value* all) {
      return all->getType()->isVectorTy()
                 ? b_.CreateExtractElement(all, static_cast<std::uint64_t>(lane))
                 : all;
    };
    // Not "in bounds": what is not touched may lie anywhere.
    if (const std::int64_t step = lanes.stride * lane; step != 0)
      pointer = b_.CreateGEP(b_.getInt8Ty(), pointer,
                             b_.getInt64(static_cast<std::uint64_t>(step) * size));
    if (lanes.offsets != nullptr)
      pointer = b_.CreateGEP(b_.getInt8Ty(), pointer,
                             b_.CreateMul(of_lane(lanes.offsets), b_.getInt64(size)));
    if (lanes.mask != nullptr)
      pointer = b_.CreateSelect(of_lane(lanes.mask), pointer, lanes.nowhere);
    return pointer;
  }

  llvm::Value* active_mask(const LaneAddresses& lanes) {
    return lanes.active == stored_.lanes ? lanes.mask
                                         : b_.CreateAnd(lanes.mask, mask(lanes.active));
  }

  llvm::Value* mask(int active) {
    std::vector<llvm::Constant*> bits;
    for (int lane = 0; lane < stored_.lanes; ++lane) bits.push_back(b_.getInt1(lane < active));
    return llvm::ConstantVector::get(bits);
  }

  llvm::Value* contiguous(llvm::Value* pointer, int active) {
    if (active == stored_.lanes) return b_.CreateAlignedLoad(type(active), pointer, align_);
    if (masks())
      return b_.CreateMaskedLoad(type(stored_.lanes), pointer, align_, mask(active), zeros());
    llvm::Value* whole = zeros();
    for_pieces(active, [&](int first, int count) {
      llvm::Value* piece = b_.CreateAlignedLoad(type(count), at(pointer, first), align_);
      if (count == 1) {
        whole = b_.CreateInsertElement(whole, piece, static_cast<std::uint64_t>(first));
        return;
      }
      std::vector<int> widened(static_cast<std::size_t>(stored_.lanes), llvm::PoisonMaskElem);
      std::iota(widened.begin() + first, widened.begin() + first + count, 0);
      whole = blend(whole, b_.CreateShuffleVector(piece, widened), first, count);
    });
    return whole;
  }

  /// Lanes [first, first + count) of `b`, the others of `a`.
  llvm::Value* blend(llvm::Value* a, llvm::Value* b, int first, int count) {
    std::vector<int> order = lanes_from(0, stored_.lanes);
    for (int lane = first; lane < first + count; ++lane)
      order[static_cast<std::size_t>(lane)] = stored_.lanes + lane;
    return b_.CreateShuffleVector(a, b, order);
  }

  template <class F>
  static void for_pieces(int active, F&& piece) {
    for (int first = 0; first < active;) {
      const int count = static_cast<int>(std::bit_floor(static_cast<unsigned>(active - first)));
      piece(first, count);
      first += count;
    }
  }

  llvm::IRBuilderBase& b_;
  const Target& target_;
  const VType stored_;
  const llvm::Align align_;
};

/// size × size elements in registers (4, 8 or 16 rows), transposed: 4 × 4 blocks inside the 128-bit
/// groups by interleaving, then the groups among each other.
std::vector<llvm::Value*> transposed(llvm::IRBuilderBase& b,
                                     const std::vector<llvm::Value*>& rows) {
  const int size = static_cast<int>(rows.size());
  const int groups = size / 4;
  const auto shuffle = [&](llvm::Value* x, llvm::Value* y, const int(&within)[4]) {
    std::vector<int> order;
    for (int group = 0; group < groups; ++group)
      for (int lane : within) order.push_back(4 * group + (lane < 4 ? lane : size + lane - 4));
    return b.CreateShuffleVector(x, y, order);
  };
  // Instruction selection tries to merge shuffles of shuffles, in vain and for half of all compile
  // time: here it looks no further. A fence is no instruction.
  const auto fence = [&](llvm::Value* value) {
    return b.CreateIntrinsic(llvm::Intrinsic::arithmetic_fence, {value->getType()}, {value});
  };
  // block[q][j]: in group g, rows 4q…4q+3 of column 4g + j.
  std::vector<std::vector<llvm::Value*>> block;
  for (int q = 0; q < groups; ++q) {
    const auto row = [&](int i) { return rows[static_cast<std::size_t>(4 * q + i)]; };
    llvm::Value* low01 = shuffle(row(0), row(1), {0, 4, 1, 5});
    llvm::Value* high01 = shuffle(row(0), row(1), {2, 6, 3, 7});
    llvm::Value* low23 = shuffle(row(2), row(3), {0, 4, 1, 5});
    llvm::Value* high23 = shuffle(row(2), row(3), {2, 6, 3, 7});
    block.push_back({fence(shuffle(low01, low23, {0, 1, 4, 5})),
                     fence(shuffle(low01, low23, {2, 3, 6, 7})),
                     fence(shuffle(high01, high23, {0, 1, 4, 5})),
                     fence(shuffle(high01, high23, {2, 3, 6, 7}))});
  }
  const auto groups_of = [&](llvm::Value* x, llvm::Value* y, const std::vector<int>& picked) {
    std::vector<int> order;
    for (int group : picked)
      for (int lane = 0; lane < 4; ++lane) order.push_back(4 * group + lane);
    return b.CreateShuffleVector(x, y, order);
  };
  std::vector<llvm::Value*> columns(static_cast<std::size_t>(size));
  for (std::size_t j = 0; j < 4; ++j) {
    if (groups == 1) {
      columns[j] = block[0][j];
    } else if (groups == 2) {
      columns[j] = groups_of(block[0][j], block[1][j], {0, 2});
      columns[4 + j] = groups_of(block[0][j], block[1][j], {1, 3});
    } else {
      for (std::size_t upper = 0; upper < 2; ++upper) {
        const std::vector<int> halves =
            upper == 0 ? std::vector{0, 1, 4, 5} : std::vector{2, 3, 6, 7};
        llvm::Value* first = groups_of(block[0][j], block[1][j], halves);
        llvm::Value* second = groups_of(block[2][j], block[3][j], halves);
        columns[8 * upper + j] = groups_of(first, second, {0, 2, 4, 6});
        columns[8 * upper + 4 + j] = groups_of(first, second, {1, 3, 5, 7});
      }
    }
  }
  return columns;
}

/// Runs of `length` elements, fewer than a vector has, that lie one after the other, stored as
/// whole vectors: stores that cross cache lines take longer than the shuffles.
void store_runs(llvm::IRBuilderBase& b, Memory& memory, const std::vector<llvm::Value*>& runs,
                int length, int size, llvm::Value* destination) {
  const int total = static_cast<int>(runs.size()) * length;
  for (int first = 0; first < total; first += size) {
    const int count = std::min(size, total - first);
    const int low = first / length, high = (first + count - 1) / length;
    llvm::Value* value = runs[static_cast<std::size_t>(low)];
    for (int run = std::min(low + 1, high); run <= high; ++run) {
      std::vector<int> order;
      for (int lane = 0; lane < size; ++lane) {
        const int element = first + lane, owner = element / length;
        if (owner == run)
          order.push_back(size + element - run * length);
        else if (owner < run)  // the first run's are still where they were
          order.push_back(run == low + 1 ? element - low * length : lane);
        else
          order.push_back(llvm::PoisonMaskElem);
      }
      value = b.CreateShuffleVector(value, runs[static_cast<std::size_t>(run)], order);
    }
    memory.store(value, memory.at(destination, first), 1, count);
  }
}

}  // namespace

llvm::Value* emit_load(llvm::IRBuilderBase& builder, const Target& target, VType type,
                       llvm::Value* pointer, const LaneAddresses& lanes) {
  llvm::Value* value = Memory(builder, target, type).load(pointer, lanes);
  if (!is_bool(type.dtype)) return value;
  return builder.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
}

void emit_store(llvm::IRBuilderBase& builder, const Target& target, VType type, llvm::Value* value,
                llvm::Value* pointer, const LaneAddresses& lanes) {
  if (is_bool(type.dtype))
    value = builder.CreateZExt(value, llvm_type(builder.getContext(), {DType::ui8, type.lanes}));
  Memory(builder, target, type).store(value, pointer, lanes);
}

void emit_transpose(llvm::IRBuilderBase& builder, const Target& target,
                    const loop::TransposeTile& tile, llvm::Value* source,
                    llvm::Value* destination) {
  const int size = target.vector_bytes / 4;
  Memory memory(builder, target, {DType::f32, size});  // whatever they are: they are only moved
  for (int column = 0; column < tile.columns; column += size) {
    const int wide = std::min(size, tile.columns - column);
    for (int row = 0; row < tile.padded_rows; row += size) {
      std::vector<llvm::Value*> rows(static_cast<std::size_t>(size), memory.zeros());
      for (int i = row; i < std::min(row + size, tile.rows); ++i)
        rows[static_cast<std::size_t>(i - row)] =
            memory.load(memory.at(source, i * tile.source_stride + column), 1, wide);
      const std::vector<llvm::Value*> columns = transposed(builder, rows);
      const int high = std::min(size, tile.padded_rows - row);
      if (high < size && tile.target_stride == high && tile.padded_rows == high) {
        store_runs(builder, memory, {columns.begin(), columns.begin() + wide}, high, size,
                   memory.at(destination, column * tile.target_stride));
        continue;
      }
      for (int j = 0; j < wide; ++j)
        memory.store(columns[static_cast<std::size_t>(j)],
                     memory.at(destination, (column + j) * tile.target_stride + row), 1, high);
    }
  }
}

}  // namespace kiln::codegen
