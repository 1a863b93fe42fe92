// Files written as a whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

/// A file that appears under its name only once it is complete and on disk, whatever happens on the
/// way: an exception, a full disk, kill -9, a power cut. Until then the old file, if there is one,
/// stays as it was.
///
/// What is written goes to a temporary file in the same folder; `commit` flushes it to the disk,
/// renames it over the target and flushes the folder. Without commit the destructor removes it (a
/// killed process leaves it behind, its name ending in ".tmp"). A symbolic link is followed and
/// stays one. A target that is no regular file (/dev/stdout, a pipe) is written to directly.
///
/// Every failure of the system is an Error naming the file and the reason.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void commit();

 private:
  [[noreturn]] void fail(std::string_view what) const;

  std::string path_;       // as the user gave it, for messages
  std::string target_;     // with symbolic links resolved
  std::string temporary_;  // target_ itself where that is no regular file
  int file_ = -1;
};

/// Writes `text` as the file's whole content.
void write_file(const std::string& path, std::string_view text);
/// The whole content of a file of text, or of a pipe. Throws Error when it cannot be read or is
/// larger than 2 GiB.
std::string read_file(const std::string& path);

}  // namespace kiln
