// Let: one operation of the loop IR is one LLVM instruction or intrinsic, with three exceptions:
// conversions to integers saturate, reductions are a fixed tree, and scale has no portable
// instruction. No fast-math flag is ever set, so nothing is contracted or reassociated.

#include <fmt/format.h>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "codegen/emit.h"
#include "ir/error.h"

namespace kiln::codegen {
namespace {

using llvm::Intrinsic::ID;
using loop::Opcode;
using loop::VType;

llvm::Type* element_type(llvm::LLVMContext& context, DType dtype) {
  switch (dtype) {
    case DType::i1:
      return llvm::Type::getInt1Ty(context);
    case DType::f32:
      return llvm::Type::getFloatTy(context);
    case DType::f64:
      return llvm::Type::getDoubleTy(context);
    default:
      return llvm::Type::getIntNTy(context, 8 * static_cast<unsigned>(size_of(dtype)));
  }
}

/// The operations of one Let.
class Emitter {
 public:
  Emitter(llvm::IRBuilderBase& builder, const Target& target, VType result, VType operand,
          std::span<llvm::Value* const> arguments)
      : b_(builder), target_(target), result_(result), operand_(operand), arguments_(arguments) {}

  llvm::Value* emit(const loop::Let& let, llvm::Value* affine) {
    using enum Opcode;
    const bool real = is_float(operand_.dtype);
    const bool unsign = is_unsigned(operand_.dtype) || is_bool(operand_.dtype);
    switch (let.opcode) {
      case constant:
        return constant_of(let.literal);
      case index:
        return index_of(affine);
      case splat:
        return b_.CreateVectorSplat(static_cast<unsigned>(result_.lanes), x());
      case add:
        return real ? b_.CreateFAdd(x(), y()) : b_.CreateAdd(x(), y());
      case sub:
        return real ? b_.CreateFSub(x(), y()) : b_.CreateSub(x(), y());
      case mul:
        return real ? b_.CreateFMul(x(), y()) : b_.CreateMul(x(), y());
      case div:
        return real     ? b_.CreateFDiv(x(), y())
               : unsign ? b_.CreateUDiv(x(), y())
                        : b_.CreateSDiv(x(), y());
      case rem:
        return real     ? b_.CreateFRem(x(), y())
               : unsign ? b_.CreateURem(x(), y())
                        : b_.CreateSRem(x(), y());
      case fma:
        return call(llvm::Intrinsic::fma, {x(), y(), arguments_[2]});
      case scale:
        return scaled();
      case neg:
        return real ? b_.CreateFNeg(x()) : b_.CreateNeg(x());
      case abs:
        return real ? call(llvm::Intrinsic::fabs, {x()})
                    : call(llvm::Intrinsic::abs, {x(), b_.getFalse()});
      case min:
      case reduce_min:
      case max:
      case reduce_max:
      case reduce_add:
      case reduce_mul:
      case reduce_and:
      case reduce_or:
      case reduce_xor:
        return let.opcode == min || let.opcode == max ? combine(let.opcode, x(), y())
                                                      : reduced(let.opcode);
      case sqrt:
        return call(llvm::Intrinsic::sqrt, {x()});
      case floor:
        return call(llvm::Intrinsic::floor, {x()});
      case ceil:
        return call(llvm::Intrinsic::ceil, {x()});
      case trunc:
        return call(llvm::Intrinsic::trunc, {x()});
      case round_even:
        return call(llvm::Intrinsic::roundeven, {x()});
      case bit_and:
        return b_.CreateAnd(x(), y());
      case bit_or:
        return b_.CreateOr(x(), y());
      case bit_xor:
        return b_.CreateXor(x(), y());
      case bit_not:
        return b_.CreateNot(x());
      case shl:
        return b_.CreateShl(x(), y());
      case shr:
        return unsign ? b_.CreateLShr(x(), y()) : b_.CreateAShr(x(), y());
      case popcnt:
        return call(llvm::Intrinsic::ctpop, {x()});
      case clz:
        return call(llvm::Intrinsic::ctlz, {x(), b_.getFalse()});
      case eq:
      case ne:
      case lt:
      case le:
      case gt:
      case ge:
        return b_.CreateCmp(predicate(let.opcode, real, unsign), x(), y());
      case select:
        return b_.CreateSelect(x(), y(), arguments_[2]);
      case convert:
        return converted(real, unsign);
      case bitcast:
        return b_.CreateBitCast(x(), type(result_));
    }
    internal_check(false, "every opcode is emitted");
    return nullptr;
  }

 private:
  llvm::Value* x() const { return arguments_[0]; }
  llvm::Value* y() const { return arguments_[1]; }
  llvm::Type* type(VType vtype) const { return llvm_type(b_.getContext(), vtype); }

  /// An intrinsic overloaded on its first operand's type.
  llvm::Value* call(ID id, llvm::ArrayRef<llvm::Value*> arguments) {
    return b_.CreateIntrinsic(id, {arguments[0]->getType()}, arguments);
  }

  llvm::Value* constant_of(std::uint64_t bits) {
    const unsigned width =
        is_bool(result_.dtype) ? 1 : 8 * static_cast<unsigned>(size_of(result_.dtype));
    const llvm::APInt raw(width, bits);
    llvm::Type* element = element_type(b_.getContext(), result_.dtype);
    llvm::Constant* one =
        is_float(result_.dtype)
            ? static_cast<llvm::Constant*>(llvm::ConstantFP::get(
                  b_.getContext(), llvm::APFloat(element->getFltSemantics(), raw)))
            : static_cast<llvm::Constant*>(llvm::ConstantInt::get(element, raw));
    return result_.lanes == 1
               ? one
               : llvm::ConstantVector::getSplat(
                     llvm::ElementCount::getFixed(static_cast<unsigned>(result_.lanes)), one);
  }

  llvm::Value* index_of(llvm::Value* first) {
    if (result_.lanes == 1) return first;
    std::vector<std::uint64_t> lanes(static_cast<std::size_t>(result_.lanes));
    for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i] = i;
    return b_.CreateAdd(b_.CreateVectorSplat(static_cast<unsigned>(result_.lanes), first),
                        llvm::ConstantDataVector::get(b_.getContext(), lanes));
  }

  static llvm::CmpInst::Predicate predicate(Opcode opcode, bool real, bool unsign) {
    using enum Opcode;
    using P = llvm::CmpInst;
    switch (opcode) {
      case eq:
        return real ? P::FCMP_OEQ : P::ICMP_EQ;
      case ne:
        return real ? P::FCMP_UNE : P::ICMP_NE;
      case lt:
        return real ? P::FCMP_OLT : unsign ? P::ICMP_ULT : P::ICMP_SLT;
      case le:
        return real ? P::FCMP_OLE : unsign ? P::ICMP_ULE : P::ICMP_SLE;
      case gt:
        return real ? P::FCMP_OGT : unsign ? P::ICMP_UGT : P::ICMP_SGT;
      default:
        return real ? P::FCMP_OGE : unsign ? P::ICMP_UGE : P::ICMP_SGE;
    }
  }

  llvm::Value* combine(Opcode opcode, llvm::Value* a, llvm::Value* b) {
    using enum Opcode;
    const bool real = is_float(operand_.dtype);
    const bool unsign = !is_signed(operand_.dtype);
    switch (opcode) {
      case reduce_add:
        return real ? b_.CreateFAdd(a, b) : b_.CreateAdd(a, b);
      case reduce_mul:
        return real ? b_.CreateFMul(a, b) : b_.CreateMul(a, b);
      case min:
      case reduce_min:
        if (is_wide(a)) return extremum(false, a, b);
        return call(real     ? llvm::Intrinsic::minimum
                    : unsign ? llvm::Intrinsic::umin
                             : llvm::Intrinsic::smin,
                    {a, b});
      case max:
      case reduce_max:
        if (is_wide(a)) return extremum(true, a, b);
        return call(real     ? llvm::Intrinsic::maximum
                    : unsign ? llvm::Intrinsic::umax
                             : llvm::Intrinsic::smax,
                    {a, b});
      case reduce_and:
        return b_.CreateAnd(a, b);
      case reduce_or:
        return b_.CreateOr(a, b);
      default:
        return b_.CreateXor(a, b);
    }
  }

  /// Lane i with lane i + lanes/2, then the same of what is left: a tree that no target reorders.
  llvm::Value* reduced(Opcode opcode) {
    if (arguments_.size() > 1) return reduced_together(opcode);
    llvm::Value* rest = x();
    if (operand_.lanes == 1) return rest;
    if (is_bool(operand_.dtype)) return reduced_mask(opcode);
    for (int half = operand_.lanes / 2; half >= 1; half /= 2) {
      std::vector<int> low, high;
      for (int i = 0; i < half; ++i) low.push_back(i), high.push_back(half + i);
      rest = combine(opcode, b_.CreateShuffleVector(rest, low), b_.CreateShuffleVector(rest, high));
    }
    return b_.CreateExtractElement(rest, std::uint64_t{0});
  }

  /// The same tree for as many vectors as they have lanes: of two vectors the halves that are
  /// combined are gathered in one, and so on, until each lane is a vector's result.
  llvm::Value* reduced_together(Opcode opcode) {
    const int lanes = operand_.lanes;
    std::vector<llvm::Value*> rest(arguments_.begin(), arguments_.end());
    for (int half = lanes / 2; half >= 1; half /= 2) {
      // A register holds runs of 2 · half lanes, each of another vector.
      std::vector<int> low, high;
      for (int run = 0; run < lanes; run += 2 * half)
        for (int from : {run, lanes + run})
          for (int i = 0; i < half; ++i) low.push_back(from + i), high.push_back(from + half + i);
      const std::size_t pairs = rest.size() / 2;
      for (std::size_t i = 0; i < pairs; ++i)
        rest[i] = combine(opcode, b_.CreateShuffleVector(rest[i], rest[i + pairs], low),
                          b_.CreateShuffleVector(rest[i], rest[i + pairs], high));
      rest.resize(pairs);
    }
    return rest[0];
  }

  /// Of booleans the order does not matter; the intrinsics become one test of a mask.
  llvm::Value* reduced_mask(Opcode opcode) {
    using enum Opcode;
    switch (opcode) {
      case reduce_min:
      case reduce_and:
        return b_.CreateAndReduce(x());
      case reduce_max:
      case reduce_or:
        return b_.CreateOrReduce(x());
      default:
        return b_.CreateXorReduce(x());
    }
  }

  llvm::Value* converted(bool real, bool unsign) {
    llvm::Type* to = type(result_);
    const bool to_unsigned = is_unsigned(result_.dtype);
    if (is_bool(result_.dtype)) {
      llvm::Value* zero = llvm::Constant::getNullValue(x()->getType());
      return real ? b_.CreateFCmpUNE(x(), zero) : b_.CreateICmpNE(x(), zero);
    }
    if (is_float(result_.dtype))
      return real     ? b_.CreateFPCast(x(), to)
             : unsign ? b_.CreateUIToFP(x(), to)
                      : b_.CreateSIToFP(x(), to);
    if (real)
      return b_.CreateIntrinsic(
          to_unsigned ? llvm::Intrinsic::fptoui_sat : llvm::Intrinsic::fptosi_sat,
          {to, x()->getType()}, {x()});
    return unsign ? b_.CreateZExtOrTrunc(x(), to) : b_.CreateSExtOrTrunc(x(), to);
  }

  /// Whether these are floats that fill AVX-512 registers.
  bool is_wide(llvm::Value* values) const {
    const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(values->getType());
    return target_.vector_bytes == 64 && is_float(operand_.dtype) && vector != nullptr &&
           vector->getNumElements() * size_of(operand_.dtype) % 64 == 0;
  }

  /// AVX-512's range knows the order of zeros; only of NaN does it keep the other operand.
  llvm::Value* extremum(bool largest, llvm::Value* x, llvm::Value* y) {
    const bool f32 = operand_.dtype == DType::f32;
    return in_pieces(f32 ? 16 : 8, x, y, [&](llvm::Value* a, llvm::Value* b) {
      llvm::Value* all = llvm::Constant::getAllOnesValue(f32 ? b_.getInt16Ty() : b_.getInt8Ty());
      llvm::Value* found = b_.CreateIntrinsic(
          f32 ? llvm::Intrinsic::x86_avx512_mask_range_ps_512
              : llvm::Intrinsic::x86_avx512_mask_range_pd_512,
          {},
          {a, b, b_.getInt32(largest ? 5 : 4 /* with the sign of what is chosen */), a, all,
           b_.getInt32(4 /* the current rounding */)});
      return b_.CreateSelect(b_.CreateFCmpUNO(a, b), b_.CreateFAdd(a, b), found);
    });
  }

  /// a * 2^b. AVX-512 has an instruction; elsewhere two multiplications by powers of two, the first
  /// of which is exact because the contract keeps a near 1: so both round once and agree in all
  /// bits.
  llvm::Value* scaled() {
    const bool f32 = operand_.dtype == DType::f32;
    if (is_wide(x()))
      return in_pieces(f32 ? 16 : 8, x(), y(), [&](llvm::Value* a, llvm::Value* exponent) {
        llvm::Value* all = llvm::Constant::getAllOnesValue(f32 ? b_.getInt16Ty() : b_.getInt8Ty());
        return b_.CreateIntrinsic(f32 ? llvm::Intrinsic::x86_avx512_mask_scalef_ps_512
                                      : llvm::Intrinsic::x86_avx512_mask_scalef_pd_512,
                                  {},
                                  {a, exponent, a, all, b_.getInt32(4 /* the current rounding */)});
      });
    // Adding 1.5 · 2^23 (2^52) leaves an integer in the lowest bits; the bias of both factors'
    // exponents goes along. Above them is what shifting left drops.
    llvm::Type* integers = type({f32 ? DType::i32 : DType::i64, operand_.lanes});
    const auto number = [&](int value) {
      return llvm::ConstantInt::get(integers, static_cast<std::uint64_t>(value));
    };
    llvm::Value* rounder =
        llvm::ConstantFP::get(type(operand_), f32 ? 0x1.8p23 + 2 * 127 : 0x1.8p52 + 2 * 1023);
    llvm::Value* whole = b_.CreateBitCast(b_.CreateFAdd(y(), rounder), integers);
    llvm::Value* half = b_.CreateLShr(whole, number(1));
    const auto power = [&](llvm::Value* biased) {
      return b_.CreateBitCast(b_.CreateShl(biased, number(f32 ? 23 : 52)), type(operand_));
    };
    return b_.CreateFMul(b_.CreateFMul(x(), power(half)), power(b_.CreateSub(whole, half)));
  }

  /// Cuts both operands into vectors of `size` lanes and joins the results.
  template <class F>
  llvm::Value* in_pieces(int size, llvm::Value* x, llvm::Value* y, F&& piece) {
    const int count =
        static_cast<int>(llvm::cast<llvm::FixedVectorType>(x->getType())->getNumElements());
    std::vector<llvm::Value*> results;
    for (int first = 0; first < count; first += size) {
      std::vector<int> lanes;
      for (int i = 0; i < size; ++i) lanes.push_back(first + i);
      const bool whole = size == count;
      results.push_back(
          whole ? piece(x, y)
                : piece(b_.CreateShuffleVector(x, lanes), b_.CreateShuffleVector(y, lanes)));
    }
    while (results.size() > 1) {
      std::vector<llvm::Value*> joined;
      internal_check(results.size() % 2 == 0, "pieces of a vector pair up");
      for (std::size_t i = 0; i < results.size(); i += 2) {
        std::vector<int> lanes(2 * static_cast<std::size_t>(size));
        for (std::size_t lane = 0; lane < lanes.size(); ++lane)
          lanes[lane] = static_cast<int>(lane);
        joined.push_back(b_.CreateShuffleVector(results[i], results[i + 1], lanes));
      }
      results = std::move(joined);
      size *= 2;
    }
    return results.front();
  }

  llvm::IRBuilderBase& b_;
  const Target& target_;
  const VType result_, operand_;
  std::span<llvm::Value* const> arguments_;
};

}  // namespace

llvm::Type* llvm_type(llvm::LLVMContext& context, VType type) {
  llvm::Type* element = element_type(context, type.dtype);
  return type.lanes == 1 ? element
                         : llvm::FixedVectorType::get(element, static_cast<unsigned>(type.lanes));
}

llvm::Value* emit_let(llvm::IRBuilderBase& builder, const Target& target, const loop::Let& let,
                      VType result, VType operand, std::span<llvm::Value* const> arguments,
                      llvm::Value* index) {
  const VType judged = let.opcode == Opcode::select ? result : operand;
  return Emitter(builder, target, result, judged, arguments).emit(let, index);
}

}  // namespace kiln::codegen
