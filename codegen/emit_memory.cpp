// Loads and stores. An inactive lane's address is never touched: AVX-512 masks
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

}  // namespace kiln::codegen
