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
/// What is written goes to a file without a name on the same disk; `commit` flushes it, gives it a
/// name in the same folder, renames it over the target and flushes the folder. Without commit it is
/// gone, also when the process is killed. Where the file system has no files without a name, it is
/// a temporary one from the start, "TARGET.….tmp": the destructor removes it, a killed process
/// leaves it. A symbolic link is followed and stays one. A target that is no regular file
/// (/dev/stdout, a pipe) is written to directly.
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
  /// Calls `make` with names in the target's folder until one is new there; whether it succeeded.
  template <class Make>
  bool with_new_name(Make make);

  std::string path_;       // as the user gave it, for messages
  std::string target_;     // with symbolic links resolved
  std::string temporary_;  // empty of a file without a name; target_ where it is no regular file
  int file_ = -1;
};

/// Writes `text` as the file's whole content.
void write_file(const std::string& path, std::string_view text);
/// The whole content of a file of text, or of a pipe. Throws Error when it cannot be read or is
/// larger than 2 GiB.
std::string read_file(const std::string& path);

}  // namespace kiln
