#include "runtime/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "runtime/atomic_file.h"
#include "tests/catch.h"
#include "tests/source_folder.h"
#include "tests/temp_folder.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using namespace std::string_literals;

std::string golden(const std::string& name) { return source_folder() + "/tests/golden/" + name; }

/// A file of this header and these data bytes.
std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

/// The message of the Error that loading these bytes throws; it must name the file.
std::string error_of(const std::string& bytes) {
  const TempFolder folder;
  const std::string path = folder.file("x.safetensors", bytes);
  try {
    (void)load_safetensors(path);
  } catch (const Error& error) {
    CHECK_THAT(error.what(), ContainsSubstring(path));
    return error.what();
  }
  FAIL("expected an Error for " << bytes.substr(0, 200));
  return {};
}

void check_error(const std::string& header, const std::string& data, const std::string& expected) {
  CHECK_THAT(error_of(file_of(header, data)), ContainsSubstring(expected));
}

void check_equal(const NamedArrays& a, const NamedArrays& b) {
  REQUIRE(a.size() == b.size());
  for (const auto& [name, array] : a) {
    INFO(name);
    REQUIRE(b.contains(name));
    CHECK(array.same_bits(b.at(name)));
  }
}

NamedArrays one_of_each_type() {
  return {{"f64", Array::of<double>({2}, {1.5, -0.0})},
          {"f32", Array::of<float>({1, 3}, {1, 2, 3})},
          {"i64", Array::scalar<std::int64_t>(-1)},
          {"i32", Array::of<std::int32_t>({2}, {-5, 5})},
          {"i16", Array::of<std::int16_t>({3}, {-1, 0, 1})},
          {"i8", Array::of<std::int8_t>({1}, {-128})},
          {"u64", Array::scalar<std::uint64_t>(~0ull)},
          {"u32", Array::of<std::uint32_t>({1}, {7})},
          {"u16", Array::of<std::uint16_t>({1}, {65535})},
          {"u8", Array::of<std::uint8_t>({5}, {0, 1, 2, 3, 255})},
          {"bool", Array::of<bool>({3}, {true, false, true})},
          {"empty", Array(Type{DType::f32, {4, 0, 2}})}};
}

TEST_CASE("safetensors_loads_the_golden_files", "[safetensors]") {
  const Safetensors perceptron = load_safetensors(golden("perceptron.safetensors"));
  CHECK(perceptron.metadata.at("group") == "perceptron");
  CHECK(perceptron.tensors.size() == 8);
  CHECK(perceptron.tensors.at("plane_with_bias/mistakes_per_epoch")
            .same_bits(Array::of<std::int32_t>({3}, {14, 3, 0})));
  CHECK(perceptron.tensors.at("plane_with_bias/weights_per_epoch")
            .same_bits(Array::of<float>(
                {3, 1, 3}, {1.0625f, 4.9375f, -5, 0.0625f, 4.25f, -6, 0.0625f, 4.25f, -6})));

  const Safetensors argmax = load_safetensors(golden("ops/argmax.safetensors"));
  CHECK(argmax.tensors.at("last/out").same_bits(Array::of<std::int64_t>({3}, {2, 3, 3})));

  const Array equal = load_safetensors(golden("ops/compare.safetensors")).tensors.at("eq/out");
  CHECK(equal.type() == Type{DType::i1, {4, 3}});
  CHECK(equal.data<bool>()[3]);
  CHECK_FALSE(equal.data<bool>()[4]);
}

TEST_CASE("safetensors_gives_back_what_was_saved", "[safetensors]") {
  const TempFolder folder;
  const NamedArrays saved = one_of_each_type();
  const Metadata metadata = {{"format", "pt"}, {"näme \"quoted\"", "line\nbreak"}};
  save_safetensors(folder.file("x"), saved, metadata);
  const Safetensors loaded = load_safetensors(folder.file("x"));
  check_equal(saved, loaded.tensors);
  CHECK(loaded.metadata == metadata);

  save_safetensors(folder.file("empty"), {});
  CHECK(load_safetensors(folder.file("empty")).tensors.empty());
  CHECK(folder.count() == 2);
}

TEST_CASE("safetensors_aligns_tensors_and_writes_equal_bytes_for_equal_content", "[safetensors]") {
  const TempFolder folder;
  save_safetensors(folder.file("a"), one_of_each_type());
  save_safetensors(folder.file("b"), one_of_each_type());
  const std::string bytes = content_of(folder.file("a"));
  CHECK(bytes == content_of(folder.file("b")));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  CHECK_THAT(bytes, ContainsSubstring(R"("data_offsets":[0,16],"dtype":"F64","shape":[2])"));
}

TEST_CASE("safetensors_accepts_any_order_and_the_metadata_anywhere", "[safetensors]") {
  const TempFolder folder;
  const std::string path = folder.file(
      "x",
      file_of(R"({"b":{"shape":[],"data_offsets":[1,2],"dtype":"U8"},"__metadata__":{"k":"v"},)"
              R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   )",
              "\x05\x06"));
  const Safetensors loaded = load_safetensors(path);
  CHECK(loaded.tensors.at("a").item() == 5);
  CHECK(loaded.tensors.at("b").item() == 6);
  CHECK(loaded.metadata.at("k") == "v");
}

TEST_CASE("safetensors_rejects_every_truncation_and_any_addition", "[safetensors]") {
  const TempFolder folder;
  save_safetensors(folder.file("x"), {{"w", Array::of<float>({2}, {1, 2})}});
  const std::string bytes = content_of(folder.file("x"));
  for (std::size_t size = 0; size < bytes.size(); ++size) (void)error_of(bytes.substr(0, size));
  CHECK_THAT(error_of(bytes + "x"), ContainsSubstring("describes 8 bytes of data, found 9"));
}

TEST_CASE("safetensors_survives_any_single_byte_changed", "[safetensors]") {
  const TempFolder folder;
  save_safetensors(folder.file("x"),
                   {{"a", Array::of<float>({2}, {1, 2})}, {"b", Array::of<bool>({1}, {true})}},
                   {{"k", "v"}});
  const std::string bytes = content_of(folder.file("x"));
  int rejected = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at)
    for (const char value : {'\xff', '0', static_cast<char>(bytes[at] ^ 1)}) {
      std::string changed = bytes;
      changed[at] = value;
      try {
        (void)load_safetensors(folder.file("y", changed));
      } catch (const Error&) {
        ++rejected;
      }
    }
  CHECK(rejected > 200);
}

TEST_CASE("safetensors_rejects_a_hostile_header_length", "[safetensors]") {
  CHECK_THAT(error_of("abc"), ContainsSubstring("at least 8 bytes"));
  CHECK_THAT(error_of("\xff\xff\xff\xff\xff\xff\xff\xff{}"s), ContainsSubstring("100000000"));
  CHECK_THAT(error_of("\x03\0\0\0\0\0\0\0{}"s), ContainsSubstring("said to take 3 bytes"));
  CHECK_THAT(error_of("\0\0\0\0\0\0\0\0"s), ContainsSubstring("not JSON"));
}

TEST_CASE("safetensors_rejects_headers_that_are_not_the_json_expected", "[safetensors]") {
  check_error(" {}", "", "begin with '{'");
  check_error("{\"a\":1,}", "", "not JSON: what stands at its byte 8");
  check_error("{\"a\":1e999}", "", "not JSON");
  check_error("{\"a\\n\u00e4" + std::string(1000, 'b') + "\":1}", "", "bbb…': expected an object");
  check_error("{}x", "", "not JSON");
  check_error("{\"\xff\":1}", "", "not JSON");
  check_error(R"({"a":1})", "", "tensor 'a': expected an object");
  check_error(R"({"a":{}})", "", "dtype is not a string");
  check_error(R"({"a":{"dtype":"U8","shape":[]}})", "x", "data_offsets is not a list");
  check_error(R"({"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}})", "xx", "'BF16'");
  check_error(R"({"__metadata__":[]})", "", "map of strings");
  check_error(R"({"__metadata__":{"a":1}})", "", "not a string");
  check_error(R"({"a":{"b":{"c":{"d":1}}}})", "", "nested too deeply");
  check_error("{\"a\":" + std::string(1000000, '['), "", "nested too deeply");
}

TEST_CASE("safetensors_rejects_names_given_twice", "[safetensors]") {
  const std::string a = R"("a":{"dtype":"U8","shape":[],"data_offsets":[0,1]})";
  check_error("{" + a + "," + a + "}", "x", "names 'a' twice");
  check_error(R"({"a":{"dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1]}})", "x",
              "names 'dtype' twice");
}

TEST_CASE("safetensors_rejects_impossible_shapes_and_offsets", "[safetensors]") {
  const auto check = [](const std::string& shape, const std::string& offsets,
                        const std::string& expected) {
    check_error(R"({"a":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}",
                "12345678", expected);
  };
  check("[2]", "[0,9]", "only 8 bytes");
  check("[2]", "[4,18446744073709551615]", "only 8 bytes");
  check("[2]", "[8,0]", "begin <= end");
  check("[2]", "[0]", "begin, end");
  check("[2]", "[0,4,8]", "begin, end");
  check("[2]", "[-8,0]", "holds -8");
  check("[2]", "[0.0,8]", "holds 0.0");
  check("[2]", "[0,18446744073709551624]", "which is no integer");
  check("[3]", "[0,8]", "takes 12 bytes, but data_offsets span 8");
  check("[-2]", "[0,8]", "holds -2");
  check("[\"2\"]", "[0,8]", "holds \"2\"");
  check("[4611686018427387905, 4]", "[0,8]", "impossible");
  check("[18446744073709551615]", "[0,8]", "impossible");
  check("[4294967296, 4294967296]", "[0,0]", "impossible");  // its product is 2^64
  check("[0, 4294967296, 4294967296]", "[0,0]", "impossible");
  check("2", "[0,8]", "shape is not a list");
}

TEST_CASE("safetensors_rejects_overlaps_and_gaps", "[safetensors]") {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b + "}}";
  };
  check_error(two("[0,2]", "[1,3]"), "123", "tensor 'b': its data begin at byte 1, inside");
  check_error(two("[0,2]", "[0,2]"), "12", "inside another");
  check_error(two("[0,2]", "[3,5]"), "12345", "leaving a gap after byte 2");
  check_error(two("[1,3]", "[3,5]"), "12345", "leaving a gap after byte 0");
}

TEST_CASE("safetensors_rejects_booleans_that_are_neither_0_nor_1", "[safetensors]") {
  check_error(R"({"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", "\x01\x02", "found 2");
}

TEST_CASE("safetensors_names_a_file_that_cannot_be_read_or_written", "[safetensors]") {
  const TempFolder folder;
  CHECK_THROWS_WITH(load_safetensors(folder.file("missing")),
                    ContainsSubstring("missing: ") && ContainsSubstring("No such file"));
  CHECK_THROWS_WITH(load_safetensors(folder.path()), ContainsSubstring("expected a file"));
  CHECK_THROWS_WITH(save_safetensors(folder.file("no/where"), {}),
                    ContainsSubstring("no/where: No such file"));
  CHECK_THROWS_WITH(save_safetensors(folder.path(), {}), ContainsSubstring("Is a directory"));
  const NamedArrays reserved = {{"__metadata__", Array::scalar(1.0f)}};
  CHECK_THROWS_WITH(save_safetensors(folder.file("x"), reserved),
                    ContainsSubstring("__metadata__"));
  const NamedArrays no_utf8 = {{"\xff", Array::scalar(1.0f)}};
  CHECK_THROWS_WITH(save_safetensors(folder.file("x"), no_utf8), ContainsSubstring("UTF-8"));
  CHECK(folder.count() == 0);
}

TEST_CASE("safetensors_saved_in_a_loop_and_killed_is_always_whole", "[safetensors]") {
  const TempFolder folder;
  const std::string path = folder.file("x");
  // Every element is the number of the save, so a mixture of two would show.
  const auto save = [&](int number) {
    const double value = number;
    save_safetensors(path, {{"w", Array::full(Type{DType::i32, {50000}}, value)}});
  };
  for (int attempt = 0; attempt < 5; ++attempt) {
    save(0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
      for (int number = 1;; ++number) save(number);
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + 7 * attempt));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Safetensors loaded = load_safetensors(path);
    const Array& w = loaded.tensors.at("w");
    CHECK(w.same_bits(Array::full(w.type(), w.as_double(0))));
  }
}

TEST_CASE("atomic_file_leaves_the_old_file_and_no_other_without_commit", "[atomic_file]") {
  const TempFolder folder;
  const std::string path = folder.file("x", "old");
  {
    AtomicFile file(path);
    file.write("new");
    CHECK(content_of(path) == "old");
  }
  CHECK(content_of(path) == "old");
  CHECK(folder.count() == 1);

  write_file(path, "new");
  CHECK(content_of(path) == "new");
  CHECK(folder.count() == 1);
}

TEST_CASE("atomic_file_of_a_killed_process_leaves_the_old_file_and_no_other", "[atomic_file]") {
  const TempFolder folder;
  const int unnamed = ::open(folder.path().c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (unnamed < 0) return;  // the file system has no files without a name
  ::close(unnamed);
  const std::string path = folder.file("x", "old");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    AtomicFile file(path);
    file.write("new");
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  CHECK(content_of(path) == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("atomic_file_keeps_links_permissions_and_devices", "[atomic_file]") {
  const TempFolder folder;
  const std::string path = folder.file("x", "old");
  const std::string link = folder.file("link");
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  std::filesystem::create_symlink("x", link);
  write_file(link, "new");
  CHECK(std::filesystem::is_symlink(link));
  CHECK(content_of(path) == "new");
  struct stat status = {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);

  const std::string pipe = folder.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::string received;
  std::thread reader([&] { received = content_of(pipe); });
  write_file(pipe, "text");
  reader.join();
  CHECK(received == "text");
  CHECK(std::filesystem::is_fifo(pipe));
  CHECK_NOTHROW(write_file("/dev/null", "text"));
  CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("atomic_file_reports_a_full_disk", "[atomic_file]") {
  if (!std::filesystem::exists("/dev/full")) return;
  CHECK_THROWS_WITH(write_file("/dev/full", "text"),
                    ContainsSubstring("cannot write /dev/full: No space left"));
}

}  // namespace
}  // namespace kiln
