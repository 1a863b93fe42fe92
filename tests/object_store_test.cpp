// The folder of compiled code: what goes in comes out whole or not at all, whatever happened to the
// files, and the folder stays within its bound.
#include "codegen/object_store.h"

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "tests/catch.h"
#include "tests/temp_folder.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;
using Found = ObjectStore::Found;

Digest key_of(int number) { return Digest::of("key " + std::to_string(number)); }

std::string content_of_size(std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string content(bytes, '\0');
  for (char& byte : content) byte = static_cast<char>(random());
  return content;
}

Found load(const ObjectStore& store, int number) {
  ObjectStore::Entry entry;
  return store.load(key_of(number), entry);
}

/// What a folder's entries take on the disk; a file of several names counts once.
std::int64_t bytes_in(const std::string& folder) {
  std::map<ino_t, std::int64_t> sizes;
  for (const auto& file : fs::directory_iterator(folder)) {
    struct stat status = {};
    REQUIRE(::stat(file.path().c_str(), &status) == 0);
    if (file.path().extension() == ".kiln")
      sizes[status.st_ino] = (status.st_size + 4095) / 4096 * 4096;
  }
  std::int64_t total = 0;
  for (const auto& [inode, size] : sizes) total += size;
  return total;
}

}  // namespace

TEST_CASE("an_entry_answers_to_each_of_its_keys_and_to_no_other") {
  const TempFolder folder;
  const ObjectStore store(folder.file("new/cache"));
  const std::vector<Digest> keys{key_of(1), key_of(2), key_of(3)};
  const std::string content = content_of_size(10'000, 1);
  CHECK(load(store, 1) == Found::nothing);
  store.store(keys, content);
  ObjectStore::Entry entry;
  for (const Digest& key : keys) {
    REQUIRE(store.load(key, entry) == Found::whole);
    CHECK(entry.content == content);
    CHECK(entry.keys == keys);
  }
  CHECK(load(store, 4) == Found::nothing);
  // Under another's name it is not whole: it is removed.
  fs::copy(store.folder() + "/" + key_of(1).hex() + ".kiln",
           store.folder() + "/" + key_of(4).hex() + ".kiln");
  CHECK(load(store, 4) == Found::broken);
  CHECK(load(store, 4) == Found::nothing);
  store.store(std::span(keys).first(1), "again");
  REQUIRE(store.load(keys[0], entry) == Found::whole);
  CHECK(entry.content == "again");
  REQUIRE(store.load(keys[1], entry) == Found::whole);
  CHECK(entry.content == content);
  store.store(std::span(keys).last(1), "");
  REQUIRE(store.load(keys[2], entry) == Found::whole);
  CHECK(entry.content.empty());
}

TEST_CASE("an_entry_cut_off_anywhere_or_with_any_bit_changed_is_noticed_and_removed") {
  const TempFolder folder;
  const ObjectStore store(folder.path());
  const Digest key = key_of(1);
  const std::string file = folder.file(key.hex() + ".kiln");
  store.store(std::span(&key, 1), content_of_size(100, 1));
  const std::string whole = kiln::content_of(file);
  const auto is_noticed = [&](std::string_view spoilt) {
    folder.file(key.hex() + ".kiln", spoilt);
    return load(store, 1) == Found::broken && !fs::exists(file);
  };
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(is_noticed(std::string_view(whole).substr(0, size)));
  CHECK(is_noticed(whole + "x"));
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string spoilt = whole;
    spoilt[bit / 8] = static_cast<char>(spoilt[bit / 8] ^ (1 << bit % 8));
    CHECK(is_noticed(spoilt));
  }
  folder.file(key.hex() + ".kiln", whole);
  CHECK(load(store, 1) == Found::whole);
}

TEST_CASE("a_full_folder_forgets_what_was_not_used_for_longest_and_keeps_its_bound") {
  const TempFolder folder;
  constexpr std::int64_t kLimit = 1 << 20;
  const ObjectStore store(folder.path(), kLimit);
  folder.file("a user's own.kiln", "stays");
  folder.file("1-1.kiln.tmp", "another process writes it");
  for (int i = 0; i < 100; ++i) {
    const std::vector<Digest> keys{key_of(2 * i), key_of(2 * i + 1)};
    store.store(keys, content_of_size(20'000 + 100 * static_cast<std::size_t>(i), 1));
    CHECK(bytes_in(folder.path()) <= kLimit);
    if (i > 0) CHECK(load(store, 0) == Found::whole);  // used again and again
    // File systems tell times apart by their clock's tick.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(bytes_in(folder.path()) > kLimit / 2);
  CHECK(load(store, 1) == Found::whole);  // the same file
  CHECK(load(store, 2) == Found::nothing);
  CHECK(load(store, 199) == Found::whole);
  CHECK(kiln::content_of(folder.file("a user's own.kiln")) == "stays");
  CHECK(fs::exists(folder.file("1-1.kiln.tmp")));
  const Digest large = key_of(1000);
  store.store(std::span(&large, 1), content_of_size(kLimit, 1));
  CHECK(load(store, 1000) == Found::nothing);
  CHECK(load(store, 199) == Found::whole);
}

TEST_CASE("what_was_left_unfinished_goes_with_time") {
  const TempFolder folder;
  const std::string left = folder.file("1-1.kiln.tmp", "half an ent");
  fs::last_write_time(left, fs::file_time_type::clock::now() - std::chrono::hours(2));
  const ObjectStore store(folder.path(), 1 << 20);
  const Digest key = key_of(1);
  for (int i = 0; i < 16; ++i) store.store(std::span(&key, 1), content_of_size(10'000, 1));
  CHECK_FALSE(fs::exists(left));
}

TEST_CASE("a_folder_that_cannot_be_holds_nothing_and_is_no_error") {
  const TempFolder folder;
  const std::string file = folder.file("file", "not a folder");
  for (const std::string& path : {file, file + "/below", std::string("/proc/kiln"),
                                  std::string("/dev/full"), std::string("\0\n", 2)}) {
    const ObjectStore store(path);
    const Digest key = key_of(1);
    store.store(std::span(&key, 1), "content");
    CHECK(load(store, 1) == Found::nothing);
    store.remove(key);
  }
  // An entry that cannot be read as a file.
  const ObjectStore store(folder.path());
  fs::create_directory(folder.file(key_of(1).hex() + ".kiln"));
  CHECK(load(store, 1) == Found::nothing);
}

TEST_CASE("threads_that_store_and_load_the_same_entries_see_whole_ones") {
  const TempFolder folder;
  const std::vector<Digest> keys{key_of(1), key_of(2)};
  std::vector<std::thread> threads;
  std::atomic<int> broken = 0;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const ObjectStore store(folder.path(), 1 << 20);
      for (unsigned i = 0; i < 50; ++i) {
        store.store(keys, content_of_size(1000 * (t + 1) + i, t));
        ObjectStore::Entry entry;
        if (store.load(keys[i % 2], entry) == Found::broken) ++broken;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(broken == 0);
  CHECK(folder.count() == 3);  // the entries and the count of what was stored
}

}  // namespace kiln
