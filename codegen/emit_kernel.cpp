// One kernel: control flow and addresses. There is no middle-end behind this, so what it would do
// is done here: loops are rotated (tested at the bottom), and the part of an address that depends
// on an outer variable is computed where that variable is, once for all that use it.

#include <map>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>

#include "codegen/emit.h"
#include "ir/error.h"

namespace kiln::codegen {
namespace {

using namespace loop;
using Terms = std::vector<std::pair<Var, std::int64_t>>;

/// A variable's value, and where code that needs only it and outer variables is put.
struct Place {
  llvm::Value* value = nullptr;
  llvm::BasicBlock* block = nullptr;
  llvm::Instruction* last = nullptr;  // the next goes after this one; null: first in the block
};

class KernelEmitter {
 public:
  KernelEmitter(const Kernel& kernel, const Target& target, llvm::Function& function)
      : kernel_(kernel),
        target_(target),
        function_(function),
        b_(function.getContext()),
        values_(kernel.registers.size()),
        places_(kernel.variables.size()),
        aliases_(kernel.variables.size()) {}

  void run() {
    b_.SetInsertPoint(new_block("entry"));
    llvm::Value* table = function_.getArg(0);
    for (std::size_t i = 0; i < kernel_.buffers.size(); ++i) {
      const Buffer& buffer = kernel_.buffers[i];
      if (buffer.kind == Buffer::Kind::local) {
        const VType element{is_bool(buffer.dtype) ? DType::ui8 : buffer.dtype, 1};
        llvm::AllocaInst* memory = b_.CreateAlloca(
            type(element), b_.getInt64(static_cast<std::uint64_t>(buffer.count)), "local");
        memory->setAlignment(llvm::Align(64));
        pointers_.push_back(memory);
      } else {
        llvm::Value* slot = b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), table, i);
        pointers_.push_back(b_.CreateLoad(b_.getPtrTy(), slot, fmt::format("p{}", i)));
      }
    }
    llvm::BasicBlock* entry = b_.GetInsertBlock();
    llvm::Instruction* last = entry->empty() ? nullptr : &entry->back();
    places_[kBegin] = {function_.getArg(1), entry, last};
    places_[kEnd] = {function_.getArg(2), entry, last};
    block(kernel_.body);
    b_.CreateRetVoid();
  }

 private:
  llvm::Type* type(VType vtype) { return llvm_type(function_.getContext(), vtype); }
  VType vtype(Reg reg) const { return kernel_.registers[static_cast<std::size_t>(reg)]; }
  llvm::Value*& value(Reg reg) { return values_[static_cast<std::size_t>(reg)]; }
  Place& place(Var var) { return places_[static_cast<std::size_t>(var)]; }

  llvm::BasicBlock* new_block(const std::string& name) {
    return llvm::BasicBlock::Create(function_.getContext(), name, &function_);
  }

  // ---- Affine expressions and addresses ----

  /// With the variables of loops that run once replaced by their only value.
  Affine resolve(const Affine& affine) const {
    Affine resolved(affine.constant);
    for (const auto& [var, coefficient] : affine.terms) {
      const std::optional<Affine>& alias = aliases_[static_cast<std::size_t>(var)];
      resolved = resolved + (alias ? *alias * coefficient : Affine::of(var, coefficient));
    }
    return resolved;
  }

  /// Emits at a variable's place instead of here.
  template <class F>
  llvm::Value* emit_at(Var var, F&& emit) {
    Place& where = place(var);
    const llvm::IRBuilderBase::InsertPointGuard guard(b_);
    b_.SetInsertPoint(where.block, where.last ? std::next(where.last->getIterator())
                                              : where.block->getFirstInsertionPt());
    llvm::Value* result = emit();
    if (b_.GetInsertPoint() != where.block->begin()) where.last = &*std::prev(b_.GetInsertPoint());
    return result;
  }

  /// Σ coefficient · variable. Variables are numbered from the outermost inwards, so the sum
  /// without its last term is known further out and is shared.
  llvm::Value* sum(const Terms& terms) {
    if (const auto found = sums_.find(terms); found != sums_.end()) return found->second;
    const auto [var, coefficient] = terms.back();
    llvm::Value* outer = terms.size() > 1 ? sum(Terms(terms.begin(), terms.end() - 1)) : nullptr;
    llvm::Value* result = emit_at(var, [&] {
      llvm::Value* term =
          coefficient == 1 ? place(var).value : b_.CreateMul(place(var).value, number(coefficient));
      return outer ? b_.CreateAdd(outer, term) : term;
    });
    return sums_[terms] = result;
  }

  llvm::ConstantInt* number(std::int64_t value) {
    return b_.getInt64(static_cast<std::uint64_t>(value));
  }

  /// The value of an expression, here.
  llvm::Value* evaluate(const Affine& unresolved) {
    const Affine affine = resolve(unresolved);
    if (affine.is_constant()) return number(affine.constant);
    llvm::Value* variable_part = sum(affine.terms);
    return affine.constant == 0 ? variable_part
                                : b_.CreateAdd(variable_part, number(affine.constant));
  }

  /// The address of an element: what varies is added where it varies, the constant stays an offset
  /// that every instruction has room for. `inside`: known to lie in the buffer.
  llvm::Value* address(int buffer, const Affine& unresolved, bool inside = true) {
    const auto flags = inside ? llvm::GEPNoWrapFlags::inBounds() : llvm::GEPNoWrapFlags::none();
    const std::int64_t size = size_of(kernel_.buffers[static_cast<std::size_t>(buffer)].dtype);
    const Affine offset = resolve(unresolved) * size;
    llvm::Value* pointer = pointers_[static_cast<std::size_t>(buffer)];
    if (!offset.terms.empty()) {
      llvm::Value*& moved = moved_[{buffer, inside, offset.terms}];
      if (!moved) {
        llvm::Value* bytes = sum(offset.terms);
        moved = emit_at(offset.terms.back().first,
                        [&] { return b_.CreateGEP(b_.getInt8Ty(), pointer, bytes, "", flags); });
      }
      pointer = moved;
    }
    return offset.constant == 0
               ? pointer
               : b_.CreateGEP(b_.getInt8Ty(), pointer, number(offset.constant), "", flags);
  }

  /// Where the lanes of a load or store lie: a pointer, and what the lanes add to it.
  template <class Access>
  std::pair<llvm::Value*, LaneAddresses> lane_addresses(const Access& access, bool load) {
    LaneAddresses lanes{access.stride, access.active};
    const bool inside = !access.offset && !access.mask;
    llvm::Value* pointer = address(access.buffer, access.index, inside);
    if (access.mask) {
      lanes.mask = value(*access.mask);
      lanes.nowhere = nowhere(load);
    }
    if (access.offset && vtype(*access.offset).lanes == 1) {
      const std::int64_t size =
          size_of(kernel_.buffers[static_cast<std::size_t>(access.buffer)].dtype);
      pointer =
          b_.CreateGEP(b_.getInt8Ty(), pointer, b_.CreateMul(value(*access.offset), number(size)));
    } else if (access.offset) {
      lanes.offsets = value(*access.offset);
    }
    return {pointer, lanes};
  }

  /// Memory for what is not to be touched: zero where loads go, anything where stores do.
  llvm::Value* nowhere(bool load) {
    llvm::Value*& slot = load ? load_nowhere_ : store_nowhere_;
    if (slot) return slot;
    const llvm::IRBuilderBase::InsertPointGuard guard(b_);
    llvm::BasicBlock& entry = function_.getEntryBlock();
    b_.SetInsertPoint(&entry, entry.getFirstInsertionPt());
    llvm::AllocaInst* memory = b_.CreateAlloca(b_.getInt64Ty(), nullptr, "nowhere");
    if (load) b_.CreateStore(b_.getInt64(0), memory);
    return slot = memory;
  }

  // ---- Statements ----

  void block(const Block& statements) {
    for (const Statement& statement : statements)
      std::visit([this](const auto& is) { emit(is); }, statement.is);
  }

  void emit(const Let& let) {
    llvm::SmallVector<llvm::Value*, 4> arguments;
    for (Reg reg : let.arguments) arguments.push_back(value(reg));
    const VType result = vtype(let.result);
    const VType operand = let.arguments.empty() ? result : vtype(let.arguments[0]);
    llvm::Value* index = let.opcode == Opcode::index ? evaluate(let.affine) : nullptr;
    value(let.result) = emit_let(b_, target_, let, result, operand, arguments, index);
  }

  void emit(const Load& load) {
    const auto [pointer, lanes] = lane_addresses(load, true);
    value(load.result) = emit_load(b_, target_, vtype(load.result), pointer, lanes);
  }

  void emit(const Store& store) {
    const auto [pointer, lanes] = lane_addresses(store, false);
    emit_store(b_, target_, vtype(store.value), value(store.value), pointer, lanes);
  }

  void emit(const TransposeTile& tile) {
    emit_transpose(b_, target_, tile, address(tile.source, tile.source_index),
                   address(tile.target, tile.target_index));
  }

  void emit(const Prefetch& prefetch) {
    constexpr int kKeep = 3, kData = 1;  // in all caches; not instructions
    b_.CreateIntrinsic(
        llvm::Intrinsic::prefetch, {b_.getPtrTy()},
        {address(prefetch.buffer, prefetch.index, false), b_.getInt32(prefetch.write ? 1 : 0),
         b_.getInt32(kKeep), b_.getInt32(kData)});
  }

  void emit(const Define& define) {
    const Affine affine = resolve(define.affine);
    if (define.divisor == 1 && define.modulus == 0) {
      aliases_[static_cast<std::size_t>(define.variable)] = affine;
      return;
    }
    if (affine.is_constant()) {
      const std::int64_t quotient = affine.constant / define.divisor;
      aliases_[static_cast<std::size_t>(define.variable)] =
          define.modulus == 0 ? quotient : quotient % define.modulus;
      return;
    }
    llvm::Value* result = evaluate(define.affine);
    if (define.divisor != 1) result = b_.CreateUDiv(result, number(define.divisor));
    if (define.modulus != 0) result = b_.CreateURem(result, number(define.modulus));
    result->setName(kernel_.variables[static_cast<std::size_t>(define.variable)]);
    place(define.variable) = {result, b_.GetInsertBlock(), llvm::cast<llvm::Instruction>(result)};
  }

  void emit(const Limit& limit) {
    llvm::Value* least =
        b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, value(limit.value), number(limit.most));
    least = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, least, number(0));
    llvm::Value* result =
        b_.CreateAnd(b_.CreateAdd(least, number(limit.multiple - 1)), number(-limit.multiple));
    if (const auto* known = llvm::dyn_cast<llvm::ConstantInt>(result)) {
      aliases_[static_cast<std::size_t>(limit.variable)] = known->getSExtValue();
      return;
    }
    result->setName(kernel_.variables[static_cast<std::size_t>(limit.variable)]);
    place(limit.variable) = {result, b_.GetInsertBlock(), llvm::cast<llvm::Instruction>(result)};
  }

  llvm::Value* extreme(const std::vector<Affine>& bounds, llvm::Intrinsic::ID combine) {
    llvm::Value* result = evaluate(bounds.front());
    for (std::size_t i = 1; i < bounds.size(); ++i)
      result = b_.CreateBinaryIntrinsic(combine, result, evaluate(bounds[i]));
    return result;
  }

  /// The number of rounds, where one distance between single bounds decides it.
  std::optional<std::int64_t> trip_count(const For& loop) const {
    if (loop.lower.size() != 1 || loop.upper.size() != 1) return std::nullopt;
    const Affine distance = resolve(loop.upper[0]) + resolve(loop.lower[0]) * -1;
    if (!distance.is_constant()) return std::nullopt;
    return distance.constant <= 0 ? 0 : (distance.constant + loop.step - 1) / loop.step;
  }

  bool runs_at_least_once(const For& loop) const {
    for (const Affine& lower : loop.lower)
      for (const Affine& upper : loop.upper)
        if (const Affine distance = resolve(upper) + resolve(lower) * -1;
            !distance.is_constant() || distance.constant <= 0)
          return false;
    return true;
  }

  void emit(const For& loop) {
    const std::optional<std::int64_t> trips = trip_count(loop);
    if (trips && *trips <= 1) {
      for (const Carried& each : loop.carried) value(each.inside) = value(each.initial);
      if (*trips == 1) {
        aliases_[static_cast<std::size_t>(loop.variable)] = resolve(loop.lower[0]);
        block(loop.body);
      }
      for (const Carried& each : loop.carried)
        value(each.result) = value(*trips == 1 ? each.next : each.initial);
      return;
    }

    const std::string& name = kernel_.variables[static_cast<std::size_t>(loop.variable)];
    llvm::Value* lower = extreme(loop.lower, llvm::Intrinsic::smax);
    llvm::Value* upper = extreme(loop.upper, llvm::Intrinsic::smin);
    llvm::BasicBlock* before = b_.GetInsertBlock();
    llvm::BasicBlock* body = new_block(name);
    llvm::BasicBlock* after = llvm::BasicBlock::Create(function_.getContext(), name + ".end");
    const bool guarded = !runs_at_least_once(loop);
    if (guarded)
      b_.CreateCondBr(b_.CreateICmpSLT(lower, upper), body, after);
    else
      b_.CreateBr(body);

    b_.SetInsertPoint(body);
    llvm::PHINode* variable = b_.CreatePHI(b_.getInt64Ty(), 2, name);
    variable->addIncoming(lower, before);
    std::vector<llvm::PHINode*> inside;
    for (const Carried& each : loop.carried) {
      inside.push_back(b_.CreatePHI(type(vtype(each.inside)), 2));
      inside.back()->addIncoming(value(each.initial), before);
      value(each.inside) = inside.back();
    }
    place(loop.variable) = {variable, body, inside.empty() ? variable : inside.back()};
    block(loop.body);

    llvm::BasicBlock* latch = b_.GetInsertBlock();
    llvm::Value* next = b_.CreateNSWAdd(variable, number(loop.step));
    variable->addIncoming(next, latch);
    for (std::size_t i = 0; i < inside.size(); ++i)
      inside[i]->addIncoming(value(loop.carried[i].next), latch);
    b_.CreateCondBr(b_.CreateICmpSLT(next, upper), body, after);

    function_.insert(function_.end(), after);
    b_.SetInsertPoint(after);
    for (const Carried& each : loop.carried) {
      if (!guarded) {
        value(each.result) = value(each.next);
        continue;
      }
      llvm::PHINode* result = b_.CreatePHI(type(vtype(each.result)), 2);
      result->addIncoming(value(each.initial), before);
      result->addIncoming(value(each.next), latch);
      value(each.result) = result;
    }
  }

  void emit(const If& branch) {
    llvm::BasicBlock* before = b_.GetInsertBlock();
    llvm::BasicBlock* body = new_block("then");
    llvm::BasicBlock* after = llvm::BasicBlock::Create(function_.getContext(), "then.end");
    b_.CreateCondBr(value(branch.condition), body, after);
    b_.SetInsertPoint(body);
    block(branch.body);
    llvm::BasicBlock* end = b_.GetInsertBlock();
    b_.CreateBr(after);
    function_.insert(function_.end(), after);
    b_.SetInsertPoint(after);
    for (const Merged& each : branch.merged) {
      llvm::PHINode* result = b_.CreatePHI(type(vtype(each.result)), 2);
      result->addIncoming(value(each.otherwise), before);
      result->addIncoming(value(each.inside), end);
      value(each.result) = result;
    }
  }

  const Kernel& kernel_;
  const Target& target_;
  llvm::Function& function_;
  llvm::IRBuilder<> b_;
  std::vector<llvm::Value*> pointers_;  // of the buffers
  std::vector<llvm::Value*> values_;    // of the registers
  std::vector<Place> places_;
  std::vector<std::optional<Affine>> aliases_;
  std::map<Terms, llvm::Value*> sums_;
  std::map<std::tuple<int, bool, Terms>, llvm::Value*> moved_;
  llvm::Value *load_nowhere_ = nullptr, *store_nowhere_ = nullptr;
};

}  // namespace

void emit_kernel(const Kernel& kernel, const Target& target, llvm::Function& function) {
  KernelEmitter(kernel, target, function).run();
}

}  // namespace kiln::codegen
