#include "runtime/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "ir/error.h"

namespace kiln {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

/// Where a chain of symbolic links ends; the end itself need not exist.
std::string resolved(const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path end = std::filesystem::weakly_canonical(path, ignored);
  return ignored || end.empty() ? path : end.string();
}

/// A rename is on disk once its folder is. Some file systems cannot flush a folder (EINVAL): there
/// is nothing better to be had from them, and the file is complete either way.
bool flush_folder_of(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno == EACCES;  // writable but not readable: a drop box
  const bool flushed = ::fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP;
  const int error = errno;
  ::close(descriptor);
  errno = error;
  return flushed;
}

/// A file without a name in the folder of `path`, to be named once it is complete; -1 where there
/// is no such thing.
int open_unnamed(const std::string& path) {
  if (::access("/proc/self/fd", X_OK) != 0) return -1;  // through it a file gets its name
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  return ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
}

}  // namespace

template <class Make>
bool AtomicFile::with_new_name(Make make) {
  static std::atomic<unsigned> count = 0;
  bool made = false;
  do {
    temporary_ = fmt::format("{}.{}-{}.tmp", target_, ::getpid(), count++);
    made = make(temporary_.c_str());
  } while (!made && errno == EEXIST);
  if (!made) temporary_.clear();
  return made;
}

AtomicFile::AtomicFile(const std::string& path) : path_(path), target_(resolved(path)) {
  struct stat old = {};
  const bool exists = ::stat(target_.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) {
    errno = EISDIR;
    fail("write");
  }
  if (exists && !S_ISREG(old.st_mode)) {  // a device: renaming over it would destroy it
    temporary_ = target_;
    file_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
    if (file_ < 0) fail("write");
    return;
  }

  file_ = open_unnamed(target_);
  if (file_ < 0 && !with_new_name([&](const char* name) {
        file_ = ::open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        return file_ >= 0;
      }))
    fail("write");
  if (exists) (void)::fchmod(file_, old.st_mode & 07777);  // a private file stays private
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  ::close(file_);
  if (!temporary_.empty() && temporary_ != target_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  internal_check(file_ >= 0, "a file is committed once");
  if (temporary_ != target_) {
    if (::fsync(file_) != 0) fail("flush");
    const std::string unnamed = fmt::format("/proc/self/fd/{}", file_);
    if (temporary_.empty() && !with_new_name([&](const char* name) {
          return ::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
        }))
      fail("write");
    if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail("replace");
    // From here on the temporary name is gone; the destructor must not remove what is now there.
    temporary_ = target_;
    if (!flush_folder_of(target_)) fail("flush the folder of");
  }
  const int closed = ::close(file_);
  file_ = -1;
  if (closed != 0) fail("close");
}

void AtomicFile::fail(std::string_view what) const {
  throw Error(fmt::format("cannot {} {}: {}", what, path_, reason(errno)));
}

void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_file(const std::string& path) {
  constexpr std::size_t kMost = std::size_t{2} << 30;
  const auto fail = [&](const std::string& why) {
    throw Error(fmt::format("cannot read {}: {}", path, why));
  };
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(reason(errno));
  std::string text;
  std::array<char, 1 << 16> buffer;
  ssize_t bytes = 0;
  int error = 0;
  do {
    bytes = ::read(file, buffer.data(), buffer.size());
    if (bytes < 0) error = errno;
    if (bytes > 0) text.append(buffer.data(), static_cast<std::size_t>(bytes));
  } while (text.size() <= kMost && (bytes > 0 || (bytes < 0 && error == EINTR)));
  ::close(file);
  if (bytes < 0) fail(reason(error));
  if (text.size() > kMost) fail("it is larger than 2 GiB");
  return text;
}

}  // namespace kiln
