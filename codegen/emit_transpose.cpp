// Tiles transposed in registers. A short one stands where it is used. A long one, a panel that is
// packed, is a function of the module: its shuffles are a quarter of what LLVM spends on a product,
// and every kernel that packs panels of this form calls the same.

#include <array>
#include <bit>
#include <numeric>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <fmt/format.h>

#include "codegen/emit.h"

namespace kiln::codegen {
namespace {

class Transposer {
 public:
  Transposer(llvm::IRBuilderBase& builder, const Target& target)
      : b_(builder), target_(target), size_(target.vector_bytes / 4) {}

  /// Up to kLanes columns; row i begins at row(i).
  template <class Row>
  void tile(const loop::TransposeTile& tile, int columns, Row&& row, llvm::Value* to) {
    for (int column = 0; column < columns; column += size_) {
      const int wide = std::min(size_, columns - column);
      for (int first = 0; first < tile.padded_rows; first += size_) {
        const int rows = std::min(size_, tile.rows - first);
        const int high = std::min(size_, tile.padded_rows - first);
        const auto source = [&](int i) { return at(row(first + i), column); };
        llvm::Value* target = at(to, column * tile.target_stride + first);
        if (tile.padded_rows < size_ && tile.target_stride == high) {
          store_runs(rows, high, wide, source, target);
          continue;
        }
        const std::vector<llvm::Value*> turned =
            wide < 4 ? turned_whole(rows, wide, source) : turned_in_quads(rows, wide, source);
        for (int j = 0; j < wide; ++j)
          emit_store(b_, target_, type(size_), turned[static_cast<std::size_t>(j)],
                     at(target, j * tile.target_stride), {.active = high});
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
  // Whatever the elements are, they are only moved.
  static loop::VType type(int lanes) { return {DType::f32, lanes}; }
  llvm::Value* zeros() const {
    return llvm::Constant::getNullValue(llvm_type(b_.getContext(), type(size_)));
  }
  llvm::Value* poison() const {
    return llvm::PoisonValue::get(llvm_type(b_.getContext(), type(size_)));
  }
  int groups() const { return size_ / 4; }

  /// The same shuffle of two registers in each group of 128 bits; lanes 4 … 7 are the second's.
  llvm::Value* within_groups(llvm::Value* x, llvm::Value* y, const std::array<int, 4>& lanes) {
    std::vector<int> order;
    for (int group = 0; group < groups(); ++group)
      for (int lane : lanes)
        order.push_back(lane < 0 ? llvm::PoisonMaskElem
                                 : 4 * group + (lane < 4 ? lane : size_ + lane - 4));
    return b_.CreateShuffleVector(x, y, order);
  }
  /// Whole groups of two registers.
  llvm::Value* groups_of(llvm::Value* x, llvm::Value* y, const std::vector<int>& picked) {
    std::vector<int> order;
    for (int group : picked)
      for (int lane = 0; lane < 4; ++lane) order.push_back(4 * group + lane);
    return b_.CreateShuffleVector(x, y, order);
  }

  /// Instruction selection tries to merge shuffles of shuffles, in vain and for half of all compile
  /// time: here it looks no further. A fence is no instruction.
  llvm::Value* fence(llvm::Value* value) {
    return b_.CreateIntrinsic(llvm::Intrinsic::arithmetic_fence, {value->getType()}, {value});
  }

  /// In each group 4 × 4 elements transposed.
  std::array<llvm::Value*, 4> turned_in_groups(const std::array<llvm::Value*, 4>& rows) {
    llvm::Value* low01 = within_groups(rows[0], rows[1], {0, 4, 1, 5});
    llvm::Value* high01 = within_groups(rows[0], rows[1], {2, 6, 3, 7});
    llvm::Value* low23 = within_groups(rows[2], rows[3], {0, 4, 1, 5});
    llvm::Value* high23 = within_groups(rows[2], rows[3], {2, 6, 3, 7});
    return {fence(within_groups(low01, low23, {0, 1, 4, 5})),
            fence(within_groups(low01, low23, {2, 3, 6, 7})),
            fence(within_groups(high01, high23, {0, 1, 4, 5})),
            fence(within_groups(high01, high23, {2, 3, 6, 7}))};
  }

  /// groups() registers transposed by whole groups, in place.
  void turn_groups(std::span<llvm::Value*> r) {
    if (groups() == 2) {
      llvm::Value* first = groups_of(r[0], r[1], {0, 2});
      r[1] = groups_of(r[0], r[1], {1, 3});
      r[0] = first;
    } else if (groups() == 4) {
      llvm::Value *low01 = groups_of(r[0], r[1], {0, 1, 4, 5}),
                  *low23 = groups_of(r[2], r[3], {0, 1, 4, 5}),
                  *high01 = groups_of(r[0], r[1], {2, 3, 6, 7}),
                  *high23 = groups_of(r[2], r[3], {2, 3, 6, 7});
      r[0] = groups_of(low01, low23, {0, 2, 4, 6});
      r[1] = groups_of(low01, low23, {1, 3, 5, 7});
      r[2] = groups_of(high01, high23, {0, 2, 4, 6});
      r[3] = groups_of(high01, high23, {1, 3, 5, 7});
    }
  }

  /// Columns of a tile at least four wide. Memory does half of the work: each load puts four
  /// elements of a row into the group where they are to be, which takes no shuffle.
  template <class Source>
  std::vector<llvm::Value*> turned_in_quads(int rows, int wide, Source&& source) {
    std::vector<llvm::Value*> columns(static_cast<std::size_t>(wide));
    for (int column = 0; column < wide; column += 4) {
      const int from = std::min(column, wide - 4);  // the last four may have been there before
      std::array<llvm::Value*, 4> quads{};
      for (int q = 0; q < 4; ++q) {
        llvm::Value* quad = zeros();
        for (int row = q; row < rows; row += 4) {
          llvm::Value* four = emit_load(b_, target_, type(4), at(source(row), from), {.active = 4});
          std::vector<int> wider(static_cast<std::size_t>(size_), llvm::PoisonMaskElem);
          std::vector<int> order(static_cast<std::size_t>(size_));
          std::iota(order.begin(), order.end(), 0);
          for (int lane = 0; lane < 4; ++lane) {
            const auto place = static_cast<std::size_t>(row / 4 * 4 + lane);
            wider[place] = lane;
            order[place] += size_;
          }
          quad = b_.CreateShuffleVector(quad, b_.CreateShuffleVector(four, wider), order);
        }
        quads[static_cast<std::size_t>(q)] = quad;
      }
      const std::array<llvm::Value*, 4> turned = turned_in_groups(quads);
      for (int j = column; j < std::min(column + 4, wide); ++j)
        columns[static_cast<std::size_t>(j)] = turned[static_cast<std::size_t>(j - from)];
    }
    return columns;
  }

  /// Columns of a narrow tile.
  template <class Source>
  std::vector<llvm::Value*> turned_whole(int rows, int wide, Source&& source) {
    std::vector<llvm::Value*> columns(static_cast<std::size_t>(size_), poison());
    for (int group = 0; group < groups(); ++group) {
      std::array<llvm::Value*, 4> quad{zeros(), zeros(), zeros(), zeros()};
      for (int i = 0; i < std::min(4, rows - 4 * group); ++i)
        quad[static_cast<std::size_t>(i)] =
            emit_load(b_, target_, type(size_), source(4 * group + i), {.active = wide});
      const std::array<llvm::Value*, 4> turned = turned_in_groups(quad);
      for (int j = 0; j < 4; ++j)
        columns[static_cast<std::size_t>(j * groups() + group)] =
            turned[static_cast<std::size_t>(j)];
    }
    std::vector<llvm::Value*> first;
    for (int j = 0; j < wide; ++j) {
      const std::span<llvm::Value*> all(columns);
      turn_groups(
          all.subspan(static_cast<std::size_t>(j * groups()), static_cast<std::size_t>(groups())));
      first.push_back(columns[static_cast<std::size_t>(j * groups())]);
    }
    return first;
  }

  /// Rows become columns of `length` elements, fewer than a vector has, one right after the other:
  /// `wide` runs, stored as whole vectors. Four runs are as many groups of 128 bits as a run has
  /// elements, so those are put together first, for all fours of runs at once.
  template <class Source>
  void store_runs(int rows, int length, int wide, Source&& source, llvm::Value* to) {
    // blocks[b][q]: in group g, elements 4b … 4b + 3 of run 4g + q.
    std::vector<std::array<llvm::Value*, 4>> blocks;
    for (int row = 0; row < length; row += 4) {
      std::array<llvm::Value*, 4> four{};
      for (int i = 0; i < 4; ++i)
        four[static_cast<std::size_t>(i)] =
            row + i < rows ? emit_load(b_, target_, type(size_), source(row + i), {.active = wide})
            : row + i < length ? zeros()
                               : poison();
      blocks.push_back(turned_in_groups(four));
    }
    std::vector<llvm::Value*> quads;
    for (int quad = 0; quad < length; ++quad) quads.push_back(assembled(blocks, quad, length));
    while (quads.size() % static_cast<std::size_t>(groups()) != 0) quads.push_back(poison());
    for (int quad = 0; quad < length; quad += groups()) {
      const std::span<llvm::Value*> some = std::span(quads).subspan(
          static_cast<std::size_t>(quad), static_cast<std::size_t>(groups()));
      turn_groups(some);
      const int count =
          4 *
          static_cast<int>(std::bit_ceil(static_cast<unsigned>(std::min(groups(), length - quad))));
      for (int group = 0; group < groups(); ++group) {
        const int left = std::min(4, wide - 4 * group) * length - 4 * quad;
        const int active = std::min({left, 4 * (length - quad), count});
        if (active <= 0) continue;
        std::vector<int> low(static_cast<std::size_t>(count));
        std::iota(low.begin(), low.end(), 0);
        emit_store(b_, target_, type(count),
                   b_.CreateShuffleVector(some[static_cast<std::size_t>(group)], low),
                   at(to, 4 * group * length + 4 * quad), {.active = active});
      }
    }
  }

  /// In each group four neighbouring elements of its four runs, which lie one after the other.
  llvm::Value* assembled(const std::vector<std::array<llvm::Value*, 4>>& blocks, int quad,
                         int length) {
    llvm::Value* value = nullptr;
    std::array<int, 4> order{-1, -1, -1, -1};
    for (int i = 0; i < 4;) {
      const int run = (4 * quad + i) / length, element = (4 * quad + i) % length;
      llvm::Value* block =
          blocks[static_cast<std::size_t>(element / 4)][static_cast<std::size_t>(run)];
      std::array<int, 4> next = order;
      const int count = std::min({4 - element % 4, length - element, 4 - i});
      for (int k = 0; k < count; ++k)
        next[static_cast<std::size_t>(i + k)] = element % 4 + k + (value == nullptr ? 0 : 4);
      value = within_groups(value == nullptr ? block : value, value == nullptr ? poison() : block,
                            next);
      i += count;
      for (int k = 0; k < i; ++k) order[static_cast<std::size_t>(k)] = k;
    }
    return value;
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
