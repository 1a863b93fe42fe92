#include "codegen/jit.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include <llvm/ADT/SmallVector.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>

#include "codegen/emit.h"
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

/// LLVM's own errors end here: they are bugs of ours unless a caller says otherwise.
void check(llvm::Error error, std::string_view what) {
  if (error) internal_check(false, fmt::format("{}: {}", what, llvm::toString(std::move(error))));
}
template <class T>
T check(llvm::Expected<T> value, std::string_view what) {
  check(value.takeError(), what);
  return std::move(*value);
}

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

std::unique_ptr<llvm::Module> module_of(const Program& program, const Target& target,
                                        llvm::LLVMContext& context, llvm::TargetMachine& machine,
                                        std::span<const codegen::KernelSymbol> symbols = {}) {
  std::unique_ptr<llvm::Module> module = codegen::emit_module(program, target, context, symbols);
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

/// The only functions that generated code may call: exact ones, so their results do not depend on
/// the libm in use. fmod on every target; the others where the target lacks the instruction.
llvm::orc::SymbolMap math_symbols(llvm::orc::ExecutionSession& session) {
  llvm::orc::SymbolMap symbols;
  const auto add = [&](const char* name, auto* function) {
    symbols[session.intern(name)] = {
        llvm::orc::ExecutorAddr::fromPtr(function),
        llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
  };
  using F = float(float);
  using F2 = float(float, float);
  using F3 = float(float, float, float);
  using D = double(double);
  using D2 = double(double, double);
  using D3 = double(double, double, double);
  add("fmodf", static_cast<F2*>(::fmodf));
  add("fmod", static_cast<D2*>(::fmod));
  add("fmaf", static_cast<F3*>(::fmaf));
  add("fma", static_cast<D3*>(::fma));
  add("floorf", static_cast<F*>(::floorf));
  add("floor", static_cast<D*>(::floor));
  add("ceilf", static_cast<F*>(::ceilf));
  add("ceil", static_cast<D*>(::ceil));
  add("truncf", static_cast<F*>(::truncf));
  add("trunc", static_cast<D*>(::trunc));
  add("roundevenf", static_cast<F*>(::roundevenf));
  add("roundeven", static_cast<D*>(::roundeven));
  add("memcpy", static_cast<void* (*)(void*, const void*, std::size_t)>(std::memcpy));
  add("memset", static_cast<void* (*)(void*, int, std::size_t)>(std::memset));
  return symbols;
}

/// An object in memory that can run.
struct Code {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  StepFn* entry = nullptr;

  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code();
};

/// The kernels of all living programs, by target and content.
class KernelCache {
 public:
  struct Kernel {
    std::weak_ptr<const Code> code;  // which it is part of
    llvm::orc::ExecutorAddr address;
  };

  /// Never destroyed: programs may outlive every static object.
  static KernelCache& global() {
    static KernelCache& cache = *new KernelCache;
    return cache;
  }

  static std::string key(const loop::Kernel& kernel, const Target& target) {
    return fmt::format("{} {} {} {}\n{}", target.cpu, target.features, target.vector_bytes,
                       target.vector_registers, kernel.content());
  }
  /// Where it is, and what keeps it there; null where no living program has it.
  std::pair<std::shared_ptr<const Code>, llvm::orc::ExecutorAddr> find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = kernels_.find(key);
    if (found == kernels_.end()) return {};
    return {found->second.code.lock(), found->second.address};
  }
  void add(std::string key, Kernel kernel) {
    const std::lock_guard lock(mutex_);
    kernels_.insert_or_assign(std::move(key), std::move(kernel));
  }
  void forget_dead() {
    const std::lock_guard lock(mutex_);
    std::erase_if(kernels_, [](const auto& entry) { return entry.second.code.expired(); });
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, Kernel> kernels_;
};

Code::~Code() { KernelCache::global().forget_dead(); }

using Symbols = std::vector<std::pair<std::string, llvm::orc::ExecutorAddr>>;

/// Links an object whose undefined symbols are libm's functions and `kernels`; `name` is its entry.
std::shared_ptr<Code> link_object(std::span<const char> object, const std::string& name,
                                  const Symbols& kernels) {
  start_llvm();
  auto code = std::make_shared<Code>();
  llvm::orc::JITTargetMachineBuilder builder{llvm::Triple(llvm::sys::getProcessTriple())};
  builder.setRelocationModel(llvm::Reloc::PIC_);
  builder.setCodeModel(llvm::CodeModel::Small);
  code->jit = check(llvm::orc::LLJITBuilder()
                        .setJITTargetMachineBuilder(std::move(builder))
                        .setLinkProcessSymbolsByDefault(false)
                        .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
                        .create(),
                    "making a linker");
  llvm::orc::ExecutionSession& session = code->jit->getExecutionSession();
  // What LLVM would print belongs into the message.
  const auto complaints = std::make_shared<std::string>();
  session.setErrorReporter([complaints](llvm::Error error) {
    *complaints += fmt::format(" ({})", llvm::toString(std::move(error)));
  });
  llvm::orc::SymbolMap symbols = math_symbols(session);
  for (const auto& [symbol, address] : kernels)
    symbols[session.intern(symbol)] = {
        address, llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
  check(code->jit->getMainJITDylib().define(llvm::orc::absoluteSymbols(std::move(symbols))),
        "naming libm's functions");
  // The object may come from a file, so what is wrong with it is not our bug.
  const auto usable = [&](llvm::Error error) {
    if (error)
      throw Error(fmt::format("cannot link the object of '{}': {}{}", name,
                              llvm::toString(std::move(error)), *complaints));
  };
  usable(code->jit->addObjectFile(
      llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(object.data(), object.size()), name)));
  llvm::Expected<llvm::orc::ExecutorAddr> entry = code->jit->lookup(name);
  usable(entry.takeError());
  code->entry = entry->toPtr<StepFn*>();
  return code;
}

ObjectCode object_of(const Program& program, const Target& target,
                     std::span<const codegen::KernelSymbol> symbols) {
  llvm::TargetMachine& machine = machine_for(target);
  llvm::LLVMContext context;
  ObjectCode object;
  const Stopwatch emitting;
  const std::unique_ptr<llvm::Module> module =
      module_of(program, target, context, machine, symbols);
  object.times.emit_ms = emitting.milliseconds();
  const Stopwatch generating;
  const auto bytes = generate(*module, machine, llvm::CodeGenFileType::ObjectFile);
  object.bytes.assign(bytes.begin(), bytes.end());
  object.times.codegen_ms = generating.milliseconds();
  return object;
}

}  // namespace

struct CompiledProgram::Impl {
  std::shared_ptr<const Code> code;
  std::vector<std::shared_ptr<const Code>> lenders;  // of the kernels that other programs had
  std::size_t object_bytes = 0;
  CompileTimes times;

  Impl(std::shared_ptr<const Code> linked, const ObjectCode& object, double link_ms)
      : code(std::move(linked)), object_bytes(object.bytes.size()), times(object.times) {
    times.link_ms = link_ms;
  }
};

ObjectCode compile_object(const Program& program, const Target& target) {
  return object_of(program, target, {});
}

std::string llvm_text(const Program& program, const Target& target) {
  llvm::LLVMContext context;
  std::string text;
  llvm::raw_string_ostream stream(text);
  module_of(program, target, context, machine_for(target))->print(stream, nullptr);
  return text;
}

std::string asm_text(const Program& program, const Target& target) {
  llvm::TargetMachine& machine = machine_for(target);
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::Module> module = module_of(program, target, context, machine);
  const auto text = generate(*module, machine, llvm::CodeGenFileType::AssemblyFile);
  return std::string(text.begin(), text.end());
}

CompiledProgram CompiledProgram::compile(const Program& program, const Target& target, bool reuse) {
  if (!reuse) return link(compile_object(program, target), program.name);
  static std::atomic<std::uint64_t> made = 0;  // kernels: each has a name of its own
  KernelCache& cache = KernelCache::global();
  std::vector<codegen::KernelSymbol> symbols;
  std::vector<std::string> keys;
  std::vector<std::shared_ptr<const Code>> lenders;
  Symbols lent;
  for (const loop::Kernel& kernel : program.kernels) {
    keys.push_back(KernelCache::key(kernel, target));
    auto [code, address] = cache.find(keys.back());
    symbols.push_back({fmt::format("{}.{}", kernel.name, made++), code != nullptr});
    if (code == nullptr) continue;
    lenders.push_back(std::move(code));
    lent.emplace_back(symbols.back().name, address);
  }
  const ObjectCode object = object_of(program, target, symbols);
  const Stopwatch linking;
  const std::shared_ptr<const Code> code = link_object(object.bytes, program.name, lent);
  for (std::size_t i = 0; i < symbols.size(); ++i)
    if (!symbols[i].elsewhere)
      cache.add(std::move(keys[i]),
                {code, check(code->jit->lookup(symbols[i].name), "finding a kernel")});
  auto impl = std::make_unique<Impl>(code, object, linking.milliseconds());
  impl->lenders = std::move(lenders);
  return CompiledProgram(std::move(impl));
}

CompiledProgram CompiledProgram::link(const ObjectCode& object, const std::string& name) {
  const Stopwatch linking;
  std::shared_ptr<const Code> code = link_object(object.bytes, name, {});
  return CompiledProgram(std::make_unique<Impl>(std::move(code), object, linking.milliseconds()));
}

CompiledProgram::CompiledProgram(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CompiledProgram::CompiledProgram(CompiledProgram&&) noexcept = default;
CompiledProgram& CompiledProgram::operator=(CompiledProgram&&) noexcept = default;
CompiledProgram::~CompiledProgram() = default;

StepFn* CompiledProgram::entry() const { return impl_->code->entry; }
std::size_t CompiledProgram::object_bytes() const { return impl_->object_bytes; }
std::size_t CompiledProgram::reused_kernels() const { return impl_->lenders.size(); }
const CompileTimes& CompiledProgram::times() const { return impl_->times; }

}  // namespace kiln
