#include "codegen/code_cache.h"

#include <algorithm>
#include <cstring>

#include "codegen/version.h"
#include "ir/bytes.h"

namespace kiln {

std::size_t CodeCache::Hash::operator()(const Digest& key) const {
  std::size_t hash = 0;
  std::memcpy(&hash, key.bytes.data(), sizeof hash);
  return hash;
}

Digest CodeCache::key(const loop::Kernel& kernel, const Target& target) {
  ByteWriter writer;
  writer.put("kernel");
  writer.put(compiler_version());
  writer.put(target.key());
  writer.put(kernel.content());
  return Digest::of(writer.take());
}

std::optional<KernelCode> CodeCache::find(const Digest& key, CacheUse& use) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = kernels_.find(key); known != kernels_.end())
      if (KernelCode code{known->second.object.lock(), known->second.address}; code.object) {
        ++use.living;
        return code;
      }
  }
  if (!store_) return std::nullopt;
  ObjectStore::Entry entry;
  switch (store_->load(key, entry)) {
    case ObjectStore::Found::nothing:
      return std::nullopt;
    case ObjectStore::Found::broken:
      ++use.broken;
      return std::nullopt;
    case ObjectStore::Found::whole:
      break;
  }
  try {
    const std::vector<KernelCode> codes = link(entry.keys, entry.content);
    ++use.loaded;
    const auto at = std::find(entry.keys.begin(), entry.keys.end(), key) - entry.keys.begin();
    return codes[static_cast<std::size_t>(at)];
  } catch (const Error&) {
    store_->remove(key);
    ++use.broken;
    return std::nullopt;
  }
}

std::vector<KernelCode> CodeCache::add(std::span<const Digest> keys, std::string_view object) {
  std::vector<KernelCode> codes = link(keys, object);
  if (store_) store_->store(keys, object);
  return codes;
}

std::vector<KernelCode> CodeCache::link(std::span<const Digest> keys, std::string_view object) {
  std::vector<std::string> symbols;
  for (const Digest& key : keys) symbols.push_back(symbol(key));
  const auto linked = std::make_shared<const LinkedObject>("kernels", object, symbols);
  std::vector<KernelCode> codes;
  const std::lock_guard lock(mutex_);
  std::erase_if(kernels_, [](const auto& entry) { return entry.second.object.expired(); });
  for (std::size_t i = 0; i < keys.size(); ++i) {
    codes.push_back({linked, linked->address(i)});
    kernels_.insert_or_assign(keys[i], Known{linked, codes.back().address});
  }
  return codes;
}

}  // namespace kiln
