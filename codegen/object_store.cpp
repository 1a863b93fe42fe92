#include "codegen/object_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>
#include <system_error>
#include <vector>

#include "ir/bytes.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "kiln object 1\n";
constexpr std::string_view kEntry = ".kiln", kUnfinished = ".kiln.tmp";
constexpr auto kAbandoned = std::chrono::hours(1);  // an unfinished entry whose writer is gone
constexpr std::int64_t kBlock = 4096;               // what a file takes, it takes in these
constexpr std::int64_t kSlack = 16;  // 1/16 of the limit is free after trimming, so it is seldom

std::int64_t blocks_of(std::int64_t bytes) { return (bytes + kBlock - 1) / kBlock; }

class File {
 public:
  File(const std::string& path, int flags)
      : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  bool close() {
    const bool closed = descriptor_ < 0 || ::close(descriptor_) == 0;
    descriptor_ = -1;
    return closed;
  }
  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }
  /// Fills `bytes`; false where there are fewer.
  bool read(std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t read = ::read(descriptor_, bytes.data() + at, bytes.size() - at);
      if (read < 0 && errno == EINTR) continue;
      if (read <= 0) return false;
      at += static_cast<std::size_t>(read);
    }
    return true;
  }

 private:
  int descriptor_;
};

/// Whether these are the bytes of an entry that is whole and answers to `key`.
bool read_entry(std::string_view bytes, const Digest& key, ObjectStore::Entry& entry) {
  const std::size_t head = kMagic.size() + key.bytes.size();
  if (bytes.size() < head || !bytes.starts_with(kMagic) ||
      bytes.substr(kMagic.size(), key.bytes.size()) != Digest::of(bytes.substr(head)).view())
    return false;
  try {
    ByteReader reader(bytes.substr(head));
    entry.keys.resize(reader.length(key.bytes.size()));
    for (Digest& each : entry.keys) reader.raw(each.bytes);
    entry.content = reader.text();
    reader.end();
  } catch (const Error&) {
    return false;
  }
  return std::find(entry.keys.begin(), entry.keys.end(), key) != entry.keys.end();
}

/// The bytes of an entry before its content: magic; checksum of all that follows; the keys and the
/// content's length.
std::string header_of(std::span<const Digest> keys, std::string_view content) {
  ByteWriter writer;
  writer.put(static_cast<std::int64_t>(keys.size()));
  for (const Digest& key : keys) writer.raw(key.bytes);
  writer.put(static_cast<std::int64_t>(content.size()));
  const std::string head = writer.take();
  return std::string(kMagic) + std::string(Digest::of(head + std::string(content)).view()) + head;
}

bool is_entry(std::string_view name) {
  return name.size() == 2 * sizeof(Digest::bytes) + kEntry.size() && name.ends_with(kEntry);
}

}  // namespace

ObjectStore::ObjectStore(std::string folder, std::int64_t limit)
    : folder_(std::move(folder)), limit_(limit) {}

std::string ObjectStore::path(const Digest& key) const {
  return folder_ + "/" + key.hex() + std::string(kEntry);
}

ObjectStore::Found ObjectStore::load(const Digest& key, Entry& entry) const {
  const std::string path = this->path(key);
  File file(path, O_RDONLY);
  struct stat status = {};
  // What another user left there is not run.
  if (!file.is_open() || ::fstat(file.descriptor(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_uid != ::geteuid() || status.st_size > limit_)
    return Found::nothing;
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  if (file.read(bytes) && read_entry(bytes, key, entry)) {
    (void)::futimens(file.descriptor(), nullptr);
    return Found::whole;
  }
  remove(key);
  return Found::broken;
}

void ObjectStore::remove(const Digest& key) const { ::unlink(path(key).c_str()); }

bool ObjectStore::write(const std::string& path, std::string_view header,
                        std::string_view content) const {
  File file(path, O_WRONLY | O_CREAT | O_EXCL);
  return file.is_open() && file.write(header) && file.write(content) && file.close();
}

void ObjectStore::store(std::span<const Digest> keys, std::string_view content) const {
  const std::string header = header_of(keys, content);
  if (static_cast<std::int64_t>(header.size() + content.size()) > limit_ / kSlack) return;
  std::error_code ignored;
  if (fs::create_directories(folder_, ignored)) (void)::chmod(folder_.c_str(), 0700);

  static std::atomic<unsigned> count = 0;
  const auto unfinished = [&] {
    return fmt::format("{}/{}-{}{}", folder_, ::getpid(), count++, kUnfinished);
  };
  const std::string first = unfinished();
  bool good = write(first, header, content);
  for (std::size_t i = 0; good && i < keys.size(); ++i) {
    std::string name = first;
    if (i + 1 < keys.size()) {  // the last key takes the first name
      name = unfinished();
      good = ::link(first.c_str(), name.c_str()) == 0 || write(name, header, content);
    }
    good = good && std::rename(name.c_str(), path(keys[i]).c_str()) == 0;
    if (!good && name != first) ::unlink(name.c_str());
  }
  if (!good) ::unlink(first.c_str());
  if (trim_is_due(header.size() + content.size())) trim();
}

bool ObjectStore::trim_is_due(std::size_t stored) const {
  // What all processes stored since the last time, in blocks, is the length of a file.
  File count(folder_ + "/stored", O_WRONLY | O_CREAT | O_APPEND);
  struct stat status = {};
  const std::string more(static_cast<std::size_t>(blocks_of(static_cast<std::int64_t>(stored))),
                         '.');
  if (!count.is_open() || !count.write(more) || ::fstat(count.descriptor(), &status) != 0)
    return true;
  if (status.st_size * kBlock < limit_ / kSlack) return false;
  return ::ftruncate(count.descriptor(), 0) == 0;
}

void ObjectStore::trim() const {
  struct Content {
    std::int64_t bytes = 0;
    timespec used = {};
    std::vector<std::string> names;
  };
  std::map<std::pair<dev_t, ino_t>, Content> contents;  // names of one file count once
  std::int64_t total = 0;
  std::error_code failed;
  const fs::directory_iterator end;
  for (fs::directory_iterator file(folder_, failed); !failed && file != end;
       file.increment(failed)) {
    const std::string path = file->path().string(), name = file->path().filename().string();
    const bool unfinished = name.ends_with(kUnfinished);
    struct stat status = {};
    if ((!unfinished && !is_entry(name)) || ::lstat(path.c_str(), &status) != 0 ||
        !S_ISREG(status.st_mode))
      continue;
    if (unfinished) {
      const auto age = std::chrono::seconds(std::time(nullptr) - status.st_mtim.tv_sec);
      if (age > kAbandoned) ::unlink(path.c_str());
      continue;
    }
    Content& content = contents[{status.st_dev, status.st_ino}];
    if (content.names.empty()) {
      content.bytes = blocks_of(status.st_size) * kBlock;
      content.used = status.st_mtim;
      total += content.bytes;
    }
    content.names.push_back(path);
  }
  const std::int64_t wanted = limit_ - limit_ / kSlack;
  if (total <= wanted) return;
  std::vector<Content*> oldest;
  for (auto& [inode, content] : contents) oldest.push_back(&content);
  std::sort(oldest.begin(), oldest.end(), [](const Content* a, const Content* b) {
    return std::pair(a->used.tv_sec, a->used.tv_nsec) < std::pair(b->used.tv_sec, b->used.tv_nsec);
  });
  for (const Content* content : oldest) {
    if (total <= wanted) break;
    for (const std::string& name : content->names) ::unlink(name.c_str());
    total -= content->bytes;
  }
}

}  // namespace kiln
