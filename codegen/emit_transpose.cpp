// Tiles transposed in registers. A short one stands where it is used. A long one, a panel that is
// packed, is a function of the module: its shuffles are a quarter of what LLVM spends on a product,
// and every kernel that packs panels of this form calls the same.

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <fmt/format.h>

#include "codegen/emit.h"

namespace kiln::codegen {
namespace {

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

class Transposer {
 public:
  Transposer(llvm::IRBuilderBase& builder, const Target& target)
      : b_(builder), target_(target), size_(target.vector_bytes / 4) {}

  /// Up to kLanes columns; row i begins at row(i).
  template <class Row>
  void tile(const loop::TransposeTile& tile, int columns, Row&& row, llvm::Value* to) {
    // Whatever the elements are, they are only moved.
    const loop::VType type{DType::f32, size_};
    llvm::Value* zeros = llvm::Constant::getNullValue(llvm_type(b_.getContext(), type));
    for (int column = 0; column < columns; column += size_) {
      const int wide = std::min(size_, columns - column);
      for (int first = 0; first < tile.padded_rows; first += size_) {
        std::vector<llvm::Value*> rows(static_cast<std::size_t>(size_), zeros);
        for (int i = first; i < std::min(first + size_, tile.rows); ++i)
          rows[static_cast<std::size_t>(i - first)] =
              emit_load(b_, target_, type, at(row(i), column), {.active = wide});
        const std::vector<llvm::Value*> turned = transposed(b_, rows);
        const int high = std::min(size_, tile.padded_rows - first);
        if (high < size_ && tile.target_stride == high && tile.padded_rows == high) {
          store_runs({turned.begin(), turned.begin() + wide}, high,
                     at(to, column * tile.target_stride));
          continue;
        }
        for (int j = 0; j < wide; ++j)
          emit_store(b_, target_, type, turned[static_cast<std::size_t>(j)],
                     at(to, (column + j) * tile.target_stride + first), {.active = high});
      }
    }
  }

  llvm::Value* at(llvm::Value* pointer, std::int64_t element) {
    if (element == 0) return pointer;
    return b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), pointer,
                                         static_cast<std::uint64_t>(element * 4));
  }

  /// void transpose(from, to, source stride in bytes, tiles): tiles of kLanes columns.
  llvm::Function* panel(const loop::TransposeTile& form, llvm::Module& module,
                        const llvm::AttributeList& attributes) {
    const std::string name =
        fmt::format("kiln.transpose.{}.{}.{}", form.rows, form.padded_rows, form.target_stride);
    if (llvm::Function* known = module.getFunction(name)) return known;
    llvm::Type *p = b_.getPtrTy(), *n = b_.getInt64Ty();
    llvm::Function* function =
        llvm::Function::Create(llvm::FunctionType::get(b_.getVoidTy(), {p, p, n, n}, false),
                               llvm::GlobalValue::InternalLinkage, name, module);
    function->setAttributes(attributes);
    const llvm::IRBuilderBase::InsertPointGuard guard(b_);
    const auto block = [&](const char* label) {
      return llvm::BasicBlock::Create(b_.getContext(), label, function);
    };
    llvm::BasicBlock *entry = block("entry"), *body = block("tile"), *end = block("end");
    b_.SetInsertPoint(entry);
    b_.CreateBr(body);
    b_.SetInsertPoint(body);
    const auto moving = [&](llvm::Type* type, llvm::Value* first) {
      llvm::PHINode* phi = b_.CreatePHI(type, 2);
      phi->addIncoming(first, entry);
      return phi;
    };
    llvm::PHINode* done = moving(n, b_.getInt64(0));
    llvm::PHINode* from = moving(p, function->getArg(0));
    llvm::PHINode* to = moving(p, function->getArg(1));
    // From row to row by one addition.
    std::vector<llvm::Value*> rows{from};
    for (int i = 1; i < form.rows; ++i)
      rows.push_back(b_.CreateInBoundsGEP(b_.getInt8Ty(), rows.back(), function->getArg(2)));
    tile(form, loop::kLanes, [&](int i) { return rows[static_cast<std::size_t>(i)]; }, to);
    llvm::Value* next = b_.CreateAdd(done, b_.getInt64(1));
    done->addIncoming(next, body);
    from->addIncoming(at(from, loop::kLanes), body);
    to->addIncoming(at(to, loop::kLanes * form.target_stride), body);
    b_.CreateCondBr(b_.CreateICmpULT(next, function->getArg(3)), body, end);
    b_.SetInsertPoint(end);
    b_.CreateRetVoid();
    return function;
  }

 private:
  /// Runs of `length` elements, fewer than a vector has, that lie one after the other, stored as
  /// whole vectors: stores that cross cache lines take longer than the shuffles.
  void store_runs(const std::vector<llvm::Value*>& runs, int length, llvm::Value* to) {
    const int total = static_cast<int>(runs.size()) * length;
    for (int first = 0; first < total; first += size_) {
      const int count = std::min(size_, total - first);
      const int low = first / length, high = (first + count - 1) / length;
      llvm::Value* value = runs[static_cast<std::size_t>(low)];
      for (int run = std::min(low + 1, high); run <= high; ++run) {
        std::vector<int> order;
        for (int lane = 0; lane < size_; ++lane) {
          const int element = first + lane, owner = element / length;
          if (owner == run)
            order.push_back(size_ + element - run * length);
          else if (owner < run)  // the first run's are still where they were
            order.push_back(run == low + 1 ? element - low * length : lane);
          else
            order.push_back(llvm::PoisonMaskElem);
        }
        value = b_.CreateShuffleVector(value, runs[static_cast<std::size_t>(run)], order);
      }
      emit_store(b_, target_, {DType::f32, size_}, value, at(to, first), {.active = count});
    }
  }

  llvm::IRBuilderBase& b_;
  const Target& target_;
  const int size_;
};

}  // namespace

void emit_transpose(llvm::IRBuilderBase& builder, const Target& target,
                    const loop::TransposeTile& tile, llvm::Value* source,
                    llvm::Value* destination) {
  Transposer transposer(builder, target);
  const int whole = tile.columns > loop::kLanes ? tile.columns / loop::kLanes : 0;
  if (whole > 0) {
    const llvm::Function& kernel = *builder.GetInsertBlock()->getParent();
    const auto number = [&](std::int64_t value) {
      return builder.getInt64(static_cast<std::uint64_t>(value));
    };
    builder.CreateCall(
        transposer.panel(tile, *builder.GetInsertBlock()->getModule(), kernel.getAttributes()),
        {source, destination, number(tile.source_stride * 4), number(whole)});
  }
  const int first = whole * loop::kLanes;
  source = transposer.at(source, first);
  destination = transposer.at(destination, first * tile.target_stride);
  transposer.tile(
      tile, tile.columns - first,
      [&](int i) { return transposer.at(source, i * tile.source_stride); }, destination);
}

}  // namespace kiln::codegen
