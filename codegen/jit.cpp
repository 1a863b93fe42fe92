#include "codegen/jit.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>

#include "codegen/emit.h"
#include "ir/bytes.h"
#include "ir/error.h"

namespace kiln {
namespace {

class Stopwatch {
 public:
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Whether this LLVM has such an option.
bool set_option(const char* name, const char* value) {
  auto& options = llvm::cl::getRegisteredOptions();
  const auto option = options.find(name);
  if (option == options.end()) return false;
  option->second->addOccurrence(0, name, value);
  return true;
}
void need_option(const char* name, const char* value) {
  internal_check(set_option(name, value), fmt::format("LLVM has the option {}", name));
}

void start_llvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    // What can be set only through command-line options. The order of statements is
    // passes/interleave's: the machine scheduler spills long unrolled bodies (59 % of peak with it,
    // 99 % without at an unroll of 16). Loop strength reduction is a quarter of all compile time,
    // and addresses come out of emit_kernel.cpp as it would make them.
    need_option("pre-RA-sched", "source");
    need_option("enable-misched", "false");
    need_option("disable-lsr", "true");
    // What kernels have no use for, their addresses, constants and loops being as they should be.
    // To look for it took a seventh of what was left.
    for (const char* pass :
         {"cgp", "machine-cse", "machine-licm", "machine-sink", "copyprop", "constant-hoisting",
          "branch-fold", "early-taildup", "tail-duplicate", "ssc", "early-ifcvt",
          "partial-libcall-inlining", "postra-machine-licm", "postra-machine-sink", "machine-dce",
          "mergeicmps", "x86-domain-reassignment"})
      set_option(fmt::format("disable-{}", pass).c_str(), "true");
    for (const char* pass : {"enable-shrink-wrap", "x86-cmov-converter", "x86-machine-combiner"})
      set_option(pass, "false");
  });
}

/// A machine for the target. Making one takes half a millisecond, so each thread keeps its last.
llvm::TargetMachine& machine_for(const Target& target) {
  start_llvm();
  thread_local std::optional<Target> made_for;
  thread_local std::unique_ptr<llvm::TargetMachine> machine;
  if (made_for == target) return *machine;

  const std::string triple = llvm::sys::getProcessTriple();
  std::string error;
  const llvm::Target* backend = llvm::TargetRegistry::lookupTarget(triple, error);
  internal_check(backend != nullptr, error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;  // a multiply and an add stay two roundings
  machine.reset(backend->createTargetMachine(triple, target.cpu, target.features, options,
                                             llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                             llvm::CodeGenOptLevel::Less, /*JIT=*/true));
  internal_check(machine != nullptr, "LLVM makes code for this machine");
  made_for = target;
  return *machine;
}

/// Makes a module for the machine, by `emit(context)`.
template <class F>
std::unique_ptr<llvm::Module> module_for(llvm::TargetMachine& machine, F&& emit,
                                         llvm::LLVMContext& context) {
  std::unique_ptr<llvm::Module> module = emit(context);
  module->setTargetTriple(machine.getTargetTriple().str());
  module->setDataLayout(machine.createDataLayout());
#ifndef NDEBUG
  std::string complaint;
  llvm::raw_string_ostream stream(complaint);
  internal_check(!llvm::verifyModule(*module, &stream), complaint);
#endif
  return module;
}

llvm::SmallVector<char, 0> generate(llvm::Module& module, llvm::TargetMachine& machine,
                                    llvm::CodeGenFileType type) {
  llvm::SmallVector<char, 0> output;
  llvm::raw_svector_ostream stream(output);
  llvm::legacy::PassManager passes;
  const bool impossible =
      machine.addPassesToEmitFile(passes, stream, nullptr, type, /*DisableVerify=*/true);
  internal_check(!impossible, "LLVM emits such files");
  passes.run(module);
  return output;
}

template <class F>
ObjectCode object_of(const Target& target, F&& emit) {
  llvm::TargetMachine& machine = machine_for(target);
  llvm::LLVMContext context;
  ObjectCode object;
  const Stopwatch emitting;
  const std::unique_ptr<llvm::Module> module = module_for(machine, emit, context);
  object.times.emit_ms = emitting.milliseconds();
  const Stopwatch generating;
  const auto bytes = generate(*module, machine, llvm::CodeGenFileType::ObjectFile);
  object.bytes.assign(bytes.begin(), bytes.end());
  object.times.codegen_ms = generating.milliseconds();
  return object;
}

std::unique_ptr<llvm::Module> whole_module(const Program& program, const Target& target,
                                           llvm::LLVMContext& context) {
  return module_for(
      machine_for(target),
      [&](llvm::LLVMContext& c) { return codegen::emit_module(program, target, c); }, context);
}

/// Kernels for each processor, of about the same work: the heaviest first, each to who has least.
/// What a kernel becomes does not depend on who is with it.
std::vector<std::vector<std::size_t>> shares_of(std::span<const codegen::NamedKernel> kernels) {
  constexpr std::size_t kSmall = 40;          // registers: what a kernel takes at least
  constexpr std::size_t kWorthAThread = 400;  // a register takes about 20 µs, a module 1 ms
  std::vector<std::size_t> work, order(kernels.size());
  for (const codegen::NamedKernel& each : kernels)
    work.push_back(kSmall + each.kernel->registers.size());
  const std::size_t all = std::accumulate(work.begin(), work.end(), std::size_t{0});
  const auto processors = static_cast<std::size_t>(usable_processors());
  const std::size_t count =
      std::clamp<std::size_t>(std::min(all / kWorthAThread, kernels.size()), 1, processors);

  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return work[a] > work[b]; });
  std::vector<std::vector<std::size_t>> shares(count);
  std::vector<std::size_t> taken(count);
  for (const std::size_t kernel : order) {
    const auto least =
        static_cast<std::size_t>(std::min_element(taken.begin(), taken.end()) - taken.begin());
    shares[least].push_back(kernel);
    taken[least] += work[kernel];
  }
  return shares;
}

}  // namespace

struct CompiledProgram::Impl {
  std::shared_ptr<const LinkedObject> step;
  std::vector<KernelCode> kernels;
  std::vector<Digest> keys;  // of the kernels
  std::string name;          // of the step
  std::string object;        // of the step
  std::size_t object_bytes = 0;
  CacheUse use;
  CompileTimes times;

  void add(const CompileTimes& more) {
    times.emit_ms += more.emit_ms;
    times.codegen_ms += more.codegen_ms;
  }
  /// Links the step, once it has its kernels.
  void link_step() {
    const Stopwatch linking;
    std::vector<LinkedObject::Symbol> uses;
    for (std::size_t i = 0; i < keys.size(); ++i)
      uses.emplace_back(CodeCache::symbol(keys[i]), kernels[i].address);
    step = std::make_shared<const LinkedObject>(name, object, std::span(&name, 1), uses);
    object_bytes += object.size();
    times.link_ms += linking.milliseconds();
  }
};

ObjectCode compile_object(const Program& program, const Target& target) {
  return object_of(target, [&](llvm::LLVMContext& context) {
    return codegen::emit_module(program, target, context);
  });
}

std::string llvm_text(const Program& program, const Target& target) {
  llvm::LLVMContext context;
  std::string text;
  llvm::raw_string_ostream stream(text);
  whole_module(program, target, context)->print(stream, nullptr);
  return text;
}

std::string asm_text(const Program& program, const Target& target) {
  llvm::TargetMachine& machine = machine_for(target);
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::Module> module = whole_module(program, target, context);
  const auto text = generate(*module, machine, llvm::CodeGenFileType::AssemblyFile);
  return std::string(text.begin(), text.end());
}

CompiledProgram CompiledProgram::compile(const Program& program, const Target& target,
                                         CodeCache& cache) {
  auto impl = std::make_unique<Impl>();
  std::vector<codegen::NamedKernel> missing;
  std::vector<Digest> missing_keys;
  std::vector<std::string> names;
  for (const loop::Kernel& kernel : program.kernels) {
    const Digest key = CodeCache::key(kernel, target);
    impl->keys.push_back(key);
    names.push_back(CodeCache::symbol(key));
    impl->kernels.push_back(cache.find(key, impl->use).value_or(KernelCode{}));
    if (impl->kernels.back().object != nullptr ||
        std::find(missing_keys.begin(), missing_keys.end(), key) != missing_keys.end())
      continue;
    missing.push_back({names.back(), &kernel});
    missing_keys.push_back(key);
  }
  if (!missing.empty()) {
    const Stopwatch generating;
    const std::vector<std::vector<std::size_t>> shares = shares_of(missing);
    const auto object_with = [&](const std::vector<std::size_t>& share) {
      std::vector<codegen::NamedKernel> kernels;
      for (const std::size_t i : share) kernels.push_back(missing[i]);
      return object_of(target, [&](llvm::LLVMContext& context) {
        return codegen::emit_kernels(kernels, target, context);
      });
    };
    std::vector<std::future<ObjectCode>> others;
    for (std::size_t s = 1; s < shares.size(); ++s)
      others.push_back(std::async(std::launch::async, object_with, std::cref(shares[s])));
    std::vector<ObjectCode> objects{object_with(shares[0])};
    for (std::future<ObjectCode>& other : others) objects.push_back(other.get());
    impl->times.emit_ms += objects[0].times.emit_ms;
    impl->times.codegen_ms += generating.milliseconds() - objects[0].times.emit_ms;
    const Stopwatch linking;
    std::vector<KernelCode> made(missing.size());
    for (std::size_t s = 0; s < shares.size(); ++s) {
      const std::vector<char>& bytes = objects[s].bytes;
      std::vector<Digest> keys;
      for (const std::size_t i : shares[s]) keys.push_back(missing_keys[i]);
      const std::vector<KernelCode> codes =
          cache.add(keys, std::string_view(bytes.data(), bytes.size()));
      for (std::size_t i = 0; i < codes.size(); ++i) made[shares[s][i]] = codes[i];
      impl->object_bytes += bytes.size();
    }
    impl->times.link_ms += linking.milliseconds();
    for (std::size_t i = 0; i < impl->keys.size(); ++i)
      if (impl->kernels[i].object == nullptr)
        impl->kernels[i] = made[static_cast<std::size_t>(
            std::find(missing_keys.begin(), missing_keys.end(), impl->keys[i]) -
            missing_keys.begin())];
  }
  const ObjectCode step = object_of(target, [&](llvm::LLVMContext& context) {
    return codegen::emit_step(program, names, target, context);
  });
  impl->add(step.times);
  impl->object.assign(step.bytes.data(), step.bytes.size());
  impl->name = program.name;
  impl->link_step();
  return CompiledProgram(std::move(impl));
}

CompiledProgram CompiledProgram::compile(const Program& program, const Target& target) {
  CodeCache cache;
  return compile(program, target, cache);
}

CompiledProgram CompiledProgram::link(const ObjectCode& object, const std::string& name) {
  auto impl = std::make_unique<Impl>();
  impl->times = object.times;
  impl->name = name;
  impl->object.assign(object.bytes.data(), object.bytes.size());
  impl->link_step();
  return CompiledProgram(std::move(impl));
}

std::string CompiledProgram::image() const {
  ByteWriter writer;
  writer.put(impl_->name);
  writer.put(static_cast<std::int64_t>(impl_->keys.size()));
  for (const Digest& key : impl_->keys) writer.raw(key.bytes);
  writer.put(impl_->object);
  return writer.take();
}

std::optional<CompiledProgram> CompiledProgram::restore(std::string_view image, CodeCache& cache,
                                                        CacheUse& use) {
  auto impl = std::make_unique<Impl>();
  ByteReader reader(image);
  impl->name = reader.text();
  impl->keys.resize(reader.length(sizeof(Digest::bytes)));
  for (Digest& key : impl->keys) reader.raw(key.bytes);
  impl->object = reader.text();
  reader.end();
  const Stopwatch linking;
  for (const Digest& key : impl->keys) {
    std::optional<KernelCode> kernel = cache.find(key, use);
    if (!kernel) return std::nullopt;
    impl->kernels.push_back(std::move(*kernel));
  }
  impl->use = use;
  impl->times.link_ms = linking.milliseconds();
  impl->link_step();
  return CompiledProgram(std::move(impl));
}

CompiledProgram::CompiledProgram(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CompiledProgram::CompiledProgram(CompiledProgram&&) noexcept = default;
CompiledProgram& CompiledProgram::operator=(CompiledProgram&&) noexcept = default;
CompiledProgram::~CompiledProgram() = default;

StepFn* CompiledProgram::entry() const {
  return reinterpret_cast<StepFn*>(impl_->step->address(0));
}
std::size_t CompiledProgram::object_bytes() const { return impl_->object_bytes; }
const CacheUse& CompiledProgram::cache_use() const { return impl_->use; }
const CompileTimes& CompiledProgram::times() const { return impl_->times; }

}  // namespace kiln
