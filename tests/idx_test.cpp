#include "runtime/idx.h"

#include <zlib.h>

#include <filesystem>

#include "tests/catch.h"
#include "tests/temp_folder.h"

namespace kiln {
namespace {

using Catch::Matchers::ContainsSubstring;
using namespace std::string_literals;

struct Folder : TempFolder {
  std::string plain(const std::string& bytes) const { return file("plain", bytes); }
  std::string compressed(const std::string& bytes) const {
    const std::string path = file("compressed");
    gzFile gz = gzopen(path.c_str(), "wb");
    gzwrite(gz, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(gz);
    return path;
  }
};

/// The message of the Error that reading throws; it must name the file.
std::string error_of(const std::string& path) {
  try {
    (void)read_idx(path);
  } catch (const Error& error) {
    CHECK_THAT(error.what(), ContainsSubstring(path));
    return error.what();
  }
  FAIL("expected an Error");
  return {};
}

const std::string kBytes2x3 = "\0\0\x08\x02\0\0\0\x02\0\0\0\x03\x01\x02\x03\xfd\xfe\xff"s;

TEST_CASE("idx_reads_plain_and_gzip_files_alike", "[idx]") {
  const Folder folder;
  const Array expected = Array::of<std::uint8_t>({2, 3}, {1, 2, 3, 253, 254, 255});
  CHECK(read_idx(folder.plain(kBytes2x3)).same_bits(expected));
  CHECK(read_idx(folder.compressed(kBytes2x3)).same_bits(expected));
}

TEST_CASE("idx_reads_every_element_type_in_big_endian_order", "[idx]") {
  const Folder folder;
  const auto read = [&](char code, const std::string& elements) {
    return read_idx(folder.plain("\0\0"s + code + "\x01\0\0\0\x02"s + elements));
  };
  CHECK(read('\x08', "\x01\xff"s).same_bits(Array::of<std::uint8_t>({2}, {1, 255})));
  CHECK(read('\x09', "\x01\xff"s).same_bits(Array::of<std::int8_t>({2}, {1, -1})));
  CHECK(read('\x0B', "\x01\x02\xff\xfe"s).same_bits(Array::of<std::int16_t>({2}, {258, -2})));
  CHECK(read('\x0C', "\0\x01\x02\x03\xff\xff\xff\xfe"s)
            .same_bits(Array::of<std::int32_t>({2}, {66051, -2})));
  CHECK(read('\x0D', "\x3f\xc0\0\0\xc0\0\0\0"s).same_bits(Array::of<float>({2}, {1.5f, -2.0f})));
  CHECK(read('\x0E', "\x3f\xf8\0\0\0\0\0\0\xc0\0\0\0\0\0\0\0"s)
            .same_bits(Array::of<double>({2}, {1.5, -2.0})));
}

TEST_CASE("idx_reads_scalars_and_empty_tensors", "[idx]") {
  const Folder folder;
  CHECK(read_idx(folder.plain("\0\0\x08\0\x07"s)).item() == 7);
  CHECK(read_idx(folder.plain("\0\0\x08\x02\0\0\0\0\0\0\0\x03"s)).dims() == Ints{0, 3});
}

TEST_CASE("idx_rejects_every_truncation_of_a_plain_file", "[idx]") {
  const Folder folder;
  for (std::size_t size = 0; size < kBytes2x3.size(); ++size)
    CHECK_THAT(error_of(folder.plain(kBytes2x3.substr(0, size))), ContainsSubstring("found"));
  CHECK_THAT(error_of(folder.plain(kBytes2x3.substr(0, 15))),
             ContainsSubstring("claims ui8[2, 3], 6 bytes of elements, found 3"));
}

TEST_CASE("idx_rejects_every_truncation_of_a_gzip_file", "[idx]") {
  const Folder folder;
  const std::string whole = content_of(folder.compressed(kBytes2x3));
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(error_of(folder.plain(whole.substr(0, size))).empty());
  CHECK_THAT(error_of(folder.plain(whole.substr(0, whole.size() - 1))),
             ContainsSubstring("truncated"));
}

TEST_CASE("idx_rejects_damaged_gzip_data", "[idx]") {
  const Folder folder;
  std::string whole = content_of(folder.compressed(kBytes2x3));
  whole[whole.size() - 8] ^= 1;  // its check sum
  CHECK_THAT(error_of(folder.plain(whole)), ContainsSubstring("damaged (incorrect data check)"));
}

TEST_CASE("idx_rejects_bytes_after_the_tensor", "[idx]") {
  const Folder folder;
  CHECK_THAT(error_of(folder.plain(kBytes2x3 + "x")), ContainsSubstring("found more"));
  CHECK_THAT(error_of(folder.compressed(kBytes2x3 + "x")), ContainsSubstring("found more"));
}

TEST_CASE("idx_takes_no_memory_for_what_an_absurd_header_claims", "[idx]") {
  const Folder folder;
  // 2^48 bytes: possible as a shape, but never allocated. Then shapes that overflow.
  const std::string tera = "\0\0\x08\x03\0\x01\0\0\0\x01\0\0\0\x01\0\0"s;
  CHECK_THAT(error_of(folder.plain(tera + "abc")), ContainsSubstring("found 3"));
  CHECK_THAT(error_of(folder.compressed(tera + "abc")), ContainsSubstring("found 3"));
  for (const char* first : {"\xff\xff\xff\xff", "\0\0\0\0"}) {
    const std::string huge = "\0\0\x0E\x04"s + std::string(first, 4) +
                             "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"s;
    CHECK_THAT(error_of(folder.plain(huge)), ContainsSubstring("more than any file holds"));
  }
}

TEST_CASE("idx_rejects_what_is_no_idx_file", "[idx]") {
  const Folder folder;
  CHECK_THAT(error_of(folder.plain("\x89PNG\r\n\x1a\n")),
             ContainsSubstring("expected an IDX file") && ContainsSubstring("89 50 4E 47"));
  CHECK_THAT(error_of(folder.plain("\0\0\x0A\x01\0\0\0\x01z"s)), ContainsSubstring("00 00 0A 01"));
  CHECK_THAT(error_of(folder.path()), ContainsSubstring("a folder"));
  CHECK_THAT(error_of(folder.path() + "/missing"), ContainsSubstring("No such file"));
}

TEST_CASE("idx_reads_fashion_mnist_where_it_is_installed", "[idx]") {
  const std::string path = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz";
  if (!std::filesystem::exists(path)) return;
  const Array images = read_idx(path);
  CHECK(images.type() == Type{DType::ui8, {10000, 28, 28}});
}

}  // namespace
}  // namespace kiln
