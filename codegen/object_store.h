// A folder of what was compiled, shared by all processes of a user.
//
// An entry is a file named after the digest of what its content was made from; one that answers to
// several digests has several names (hard links). Entries appear whole, by renaming, so readers
// need no locks; each carries its length and a checksum, so one that was cut off or spoilt is
// noticed, removed and made again. What has not been used for longest goes when the folder grows
// past its limit. Nothing here fails: a folder that cannot be written to holds nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/digest.h"

namespace kiln {

class ObjectStore {
 public:
  static constexpr std::int64_t kDefaultLimit = std::int64_t{256} << 20;

  /// The folder is made when something is first stored in it; `limit` bounds the bytes of its
  /// entries, none of which may have more than a sixteenth of it.
  explicit ObjectStore(std::string folder, std::int64_t limit = kDefaultLimit);

  struct Entry {
    std::vector<Digest> keys;  // all that it answers to
    std::string content;
  };
  /// What load found.
  enum class Found : std::uint8_t { nothing, broken, whole };
  /// The entry of a key; it was used just now. One that is not whole, or not of this key,
  /// is removed.
  Found load(const Digest& key, Entry& entry) const;
  /// Removes an entry whose content turned out to be wrong.
  void remove(const Digest& key) const;
  /// Stores content under all these keys. Entries of before go.
  void store(std::span<const Digest> keys, std::string_view content) const;

  const std::string& folder() const { return folder_; }

 private:
  std::string path(const Digest& key) const;
  bool write(const std::string& path, std::string_view header, std::string_view content) const;
  bool trim_is_due(std::size_t stored) const;
  void trim() const;

  std::string folder_;
  std::int64_t limit_;
};

}  // namespace kiln
