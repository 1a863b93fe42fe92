#include "codegen/link.h"

#include <atomic>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/ExecutorProcessControl.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/ExecutionEngine/Orc/TaskDispatch.h>
#include <llvm/Support/MemoryBuffer.h>

#include "ir/error.h"

namespace kiln {
namespace {

namespace orc = llvm::orc;

constexpr auto kFunction = llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable;

/// What a link complained of, beside the error it ended with: links run on the thread that asks.
thread_local std::string complaints;

/// The only functions that generated code may call: exact ones, so their results do not depend on
/// the libm in use. fmod on every target; the others where the target lacks the instruction.
orc::SymbolMap math_symbols(orc::ExecutionSession& session) {
  orc::SymbolMap symbols;
  const auto add = [&](const char* name, auto* function) {
    symbols[session.intern(name)] = {orc::ExecutorAddr::fromPtr(function), kFunction};
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

/// LLVM's linker, one for the process. An LLJIT would do, but making one costs more than linking.
struct Linker {
  orc::ExecutionSession session;
  orc::ObjectLinkingLayer layer;
  orc::JITDylib& math;
  std::atomic<std::uint64_t> objects = 0;

  Linker() : session(make_control()), layer(session), math(session.createBareJITDylib("libm")) {
    session.setErrorReporter([](llvm::Error error) {
      complaints += fmt::format(" ({})", llvm::toString(std::move(error)));
    });
    llvm::cantFail(math.define(orc::absoluteSymbols(math_symbols(session))));
  }

  static std::unique_ptr<orc::ExecutorProcessControl> make_control() {
    auto control = orc::SelfExecutorProcessControl::Create(
        std::make_shared<orc::SymbolStringPool>(), std::make_unique<orc::InPlaceTaskDispatcher>());
    if (!control) internal_check(false, llvm::toString(control.takeError()));
    return std::move(*control);
  }

  /// Never destroyed: programs may outlive every static object.
  static Linker& process() {
    static Linker& linker = *new Linker;
    return linker;
  }
};

}  // namespace

struct LinkedObject::Impl {
  orc::JITDylib* library = nullptr;

  ~Impl() {
    if (library != nullptr) llvm::consumeError(Linker::process().session.removeJITDylib(*library));
  }
};

LinkedObject::LinkedObject(const std::string& name, std::string_view object,
                           std::span<const std::string> wanted, std::span<const Symbol> uses)
    : impl_(std::make_unique<Impl>()) {
  Linker& linker = Linker::process();
  orc::ExecutionSession& session = linker.session;
  complaints.clear();
  // The object may come from a file, so what is wrong with it is not our bug.
  const auto usable = [&](llvm::Error error) {
    if (error)
      throw Error(fmt::format("cannot link the object of '{}': {}{}", name,
                              llvm::toString(std::move(error)), complaints));
  };
  impl_->library = &session.createBareJITDylib(fmt::format("{} {}", name, linker.objects++));
  orc::JITDylib& library = *impl_->library;
  library.addToLinkOrder(linker.math);
  orc::SymbolMap symbols;
  for (const auto& [symbol, address] : uses)
    symbols[session.intern(symbol)] = {orc::ExecutorAddr::fromPtr(address), kFunction};
  if (!symbols.empty()) usable(library.define(orc::absoluteSymbols(std::move(symbols))));
  usable(linker.layer.add(library, llvm::MemoryBuffer::getMemBufferCopy(
                                       llvm::StringRef(object.data(), object.size()), name)));
  orc::SymbolLookupSet names;
  for (const std::string& symbol : wanted) names.add(session.intern(symbol));
  auto found = session.lookup({{&library, orc::JITDylibLookupFlags::MatchAllSymbols}}, names);
  usable(found.takeError());
  for (const std::string& symbol : wanted)
    addresses_.push_back((*found)[session.intern(symbol)].getAddress().toPtr<void*>());
}

LinkedObject::~LinkedObject() = default;

}  // namespace kiln
