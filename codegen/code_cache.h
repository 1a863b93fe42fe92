// Kernels that need not be compiled, because they were before: by a program that lives in this
// process, or, where there is a store, by any process at any time.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "codegen/digest.h"
#include "codegen/link.h"
#include "codegen/object_store.h"
#include "codegen/target.h"
#include "ir/loop.h"

namespace kiln {

/// How much of a program was there already.
struct CacheUse {
  std::size_t living = 0;  // kernels that another program of the process had
  std::size_t loaded = 0;  // kernels read from the store
  std::size_t broken = 0;  // entries of the store that were not whole, and were removed
};

/// A kernel's code, kept in memory as long as `object` is held.
struct KernelCode {
  std::shared_ptr<const LinkedObject> object;
  void* address = nullptr;
};

/// Safe to use from several threads.
class CodeCache {
 public:
  /// Without a store it knows the kernels of living programs only.
  explicit CodeCache(std::optional<ObjectStore> store = std::nullopt) : store_(std::move(store)) {}

  /// What a kernel's code is made from: its content, the target, the compiler's version.
  static Digest key(const loop::Kernel& kernel, const Target& target);
  /// What the kernel of a key is called in objects.
  static std::string symbol(const Digest& key) { return "kernel." + key.hex(); }

  std::optional<KernelCode> find(const Digest& key, CacheUse& use);
  /// Links an object that defines the kernels of these keys, and keeps it for later. Throws Error
  /// where it does not.
  std::vector<KernelCode> add(std::span<const Digest> keys, std::string_view object);

  const ObjectStore* store() const { return store_ ? &*store_ : nullptr; }

 private:
  struct Known {
    std::weak_ptr<const LinkedObject> object;
    void* address = nullptr;
  };
  struct Hash {
    std::size_t operator()(const Digest& key) const;
  };

  std::vector<KernelCode> link(std::span<const Digest> keys, std::string_view object);

  std::optional<ObjectStore> store_;
  std::mutex mutex_;
  std::unordered_map<Digest, Known, Hash> kernels_;
};

}  // namespace kiln
