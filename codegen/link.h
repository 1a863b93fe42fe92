// Objects put into memory, where they can run.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kiln {

/// An ELF object in memory that can run; it goes when this does.
class LinkedObject {
 public:
  /// A function the object calls, and where it is. libm's need not be named.
  using Symbol = std::pair<std::string, void*>;

  /// Finds `wanted`, functions the object defines. Throws Error, calling the object `name`, where
  /// it is no object, or lacks one of them.
  LinkedObject(const std::string& name, std::string_view object,
               std::span<const std::string> wanted, std::span<const Symbol> uses = {});
  ~LinkedObject();
  LinkedObject(const LinkedObject&) = delete;
  LinkedObject& operator=(const LinkedObject&) = delete;

  /// Of the wanted functions, in their order.
  void* address(std::size_t wanted) const { return addresses_[wanted]; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::vector<void*> addresses_;
};

}  // namespace kiln
