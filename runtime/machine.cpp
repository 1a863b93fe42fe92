#include "runtime/machine.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "codegen/jit.h"
#include "ir/array.h"

namespace kiln {

double measured_peak_gflops(const Target& target) {
  // Enough independent chains to hide the latency of an fma, few enough to stay in registers.
  const int machine_registers = loop::kLanes * 4 / std::max(target.vector_bytes, 4);
  const int chains = std::max(1, (target.vector_registers - 4) / std::max(machine_registers, 1));
  constexpr std::int64_t kRounds = 20000;

  Program program;
  program.argument_count = 1;
  loop::Kernel kernel;
  kernel.name = "peak";
  loop::Builder b(kernel);
  const int out = b.buffer(DType::f32, loop::Buffer::Kind::inout, chains * loop::kLanes);
  std::vector<loop::Reg> chain;
  for (int c = 0; c < chains; ++c)
    chain.push_back(b.load(out, loop::Affine(c * loop::kLanes), loop::kLanes));
  const loop::Reg factor = b.splat(b.constant({DType::f32, 1}, 0.5), loop::kLanes);
  const loop::Reg addend = b.splat(b.constant({DType::f32, 1}, 1), loop::kLanes);
  // Chunks are rounds, so that the loop's bounds are not known when it is compiled.
  kernel.chunks = kRounds;
  chain = b.loop("round", {loop::Affine::of(loop::kBegin)}, {loop::Affine::of(loop::kEnd)}, 1,
                 chain, [&](loop::Var, const std::vector<loop::Reg>& now) {
                   std::vector<loop::Reg> next;
                   for (loop::Reg reg : now)
                     next.push_back(b.let(loop::Opcode::fma, {reg, factor, addend}));
                   return next;
                 });
  for (int c = 0; c < chains; ++c)
    b.store(out, loop::Affine(c * loop::kLanes), chain[static_cast<std::size_t>(c)]);
  program.kernels.push_back(std::move(kernel));
  program.add({0, {{BufferRef::Kind::argument, 0, 0}}, 1, "peak"});

  const CompiledProgram code = CompiledProgram::compile(program, target);
  Array memory(Type{DType::f32, {chains * loop::kLanes}});
  void* arguments[] = {memory.bytes().data()};
  const RuntimeTable table{};
  double best = 0;
  for (int run = 0; run < 100; ++run) {
    const auto start = std::chrono::steady_clock::now();
    code.entry()(arguments, nullptr, &table);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, 2.0 * loop::kLanes * chains * kRounds / seconds / 1e9);
  }
  return best;
}

double measured_copy_gbs(ThreadPool& pool) {
  constexpr std::int64_t kBytes = 128 << 20, kChunk = 1 << 20;
  Array from = Array::full(Type{DType::ui8, {kBytes}}, 1), to = Array::full(from.type(), 2);
  void* buffers[] = {to.bytes().data(), from.bytes().data()};
  KernelFn* const copy = [](void* const* arrays, std::int64_t begin, std::int64_t end) {
    std::memcpy(static_cast<std::byte*>(arrays[0]) + begin * kChunk,
                static_cast<const std::byte*>(arrays[1]) + begin * kChunk,
                static_cast<std::size_t>((end - begin) * kChunk));
  };
  double best = 0;
  for (int run = 0; run < 8; ++run) {
    const auto start = std::chrono::steady_clock::now();
    pool.run(copy, buffers, kBytes / kChunk, pool.threads());
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, 2 * static_cast<double>(kBytes) / seconds / 1e9);
  }
  return best;
}

}  // namespace kiln
