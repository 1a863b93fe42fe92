#include "runtime/idx.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

namespace kiln {
namespace {

std::optional<DType> dtype_of_code(unsigned code) {
  switch (code) {
    case 0x08:
      return DType::ui8;
    case 0x09:
      return DType::i8;
    case 0x0B:
      return DType::i16;
    case 0x0C:
      return DType::i32;
    case 0x0D:
      return DType::f32;
    case 0x0E:
      return DType::f64;
    default:
      return std::nullopt;
  }
}

/// The uncompressed bytes of a plain or gzip file, in order.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {
    if (std::error_code ignored; std::filesystem::is_directory(path, ignored))
      fail("expected an IDX file, found a folder");
    errno = 0;
    file_.reset(gzopen(path.c_str(), "rb"));
    if (file_ == nullptr)
      fail(fmt::format("cannot be read: {}",
                       std::generic_category().message(errno != 0 ? errno : ENOMEM)));
    gzbuffer(file_.get(), 1 << 17);
  }

  /// Fills `bytes` from its start; returns how many there were before the file ended.
  std::size_t read(std::span<std::byte> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const auto wanted =
          static_cast<unsigned>(std::min<std::size_t>(bytes.size() - done, 1 << 30));
      const int got = gzread(file_.get(), bytes.data() + done, wanted);
      if (got < 0) fail(fmt::format("cannot be read: {}", problem()));
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    // A gzip file that breaks off reads as a short file, but leaves an error behind.
    if (done < bytes.size()) {
      int code = Z_OK;
      gzerror(file_.get(), &code);
      if (code == Z_BUF_ERROR) fail("the compressed file is truncated: its end is missing");
    }
    return done;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(fmt::format("{}: {}", path_, what));
  }

 private:
  std::string problem() const {
    int code = Z_OK;
    const std::string text = gzerror(file_.get(), &code);
    if (code == Z_ERRNO) return std::generic_category().message(errno);
    const std::size_t path_end = text.rfind(": ");  // zlib puts the path before its message
    return fmt::format("the compressed data are damaged ({})",
                       path_end == std::string::npos ? text : text.substr(path_end + 2));
  }

  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  std::string path_;
  std::unique_ptr<gzFile_s, Close> file_;
};

std::uint32_t big_endian_32(std::span<const std::byte> bytes) {
  std::uint32_t value = 0;
  for (std::byte byte : bytes.first(4)) value = value << 8 | std::to_integer<std::uint32_t>(byte);
  return value;
}

/// The header: magic number and extents.
Type read_type(Reader& reader) {
  std::array<std::byte, 4> magic{};
  if (const std::size_t got = reader.read(magic); got < magic.size())
    reader.fail(fmt::format("expected an IDX header of at least 4 bytes, found {} bytes", got));
  const std::uint32_t number = big_endian_32(magic);
  const std::optional<DType> dtype = dtype_of_code(number >> 8);
  if (!dtype)
    reader.fail(
        fmt::format("expected an IDX file, which begins with 00 00, a type (08, 09, 0B, "
                    "0C, 0D or 0E) and a rank, found {:02X} {:02X} {:02X} {:02X}",
                    number >> 24, number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff));

  const std::uint32_t rank = number & 0xff;
  std::array<std::byte, 4 * 255> extents{};
  if (const std::size_t got = reader.read(std::span(extents).first(4 * rank)); got < 4 * rank)
    reader.fail(fmt::format("expected a header of {} bytes ({} dimensions), found {} bytes",
                            4 + 4 * rank, rank, 4 + got));
  Type type{*dtype, {}};
  for (std::uint32_t i = 0; i < rank; ++i)
    type.dims.push_back(big_endian_32(std::span(extents).subspan(4 * i)));
  return type;
}

/// Bytes of elements that the header claims. An extent of 0 excuses no absurd ones beside it.
std::size_t claimed_bytes(const Type& type, const Reader& reader) {
  Ints others = type.dims;
  std::replace(others.begin(), others.end(), std::int64_t{0}, std::int64_t{1});
  try {
    (void)element_count(others);
  } catch (const Error&) {
    reader.fail(fmt::format("the header claims {}, more than any file holds", type.pretty()));
  }
  return static_cast<std::size_t>(type.bytes());
}

void reverse_bytes(std::span<std::byte> bytes, std::size_t width) {
  if (width == 1) return;
  for (; !bytes.empty(); bytes = bytes.subspan(width))
    std::reverse(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(width));
}

}  // namespace

Array read_idx(const std::string& path) {
  Reader reader(path);
  const Type type = read_type(reader);
  const std::size_t claimed = claimed_bytes(type, reader);

  // What the header claims is believed a piece at a time: memory grows with what was found.
  std::vector<std::byte> found;
  while (found.size() < claimed) {
    const std::size_t before = found.size();
    found.resize(std::min(claimed, std::max<std::size_t>(2 * before, 1 << 20)));
    const std::size_t got = reader.read(std::span(found).subspan(before));
    if (before + got < found.size())
      reader.fail(fmt::format("the header claims {}, {} bytes of elements, found {}", type.pretty(),
                              claimed, before + got));
  }
  // Reading past the end also has zlib check the sum that ends a gzip file.
  std::array<std::byte, 1> beyond{};
  if (reader.read(beyond) != 0)
    reader.fail(fmt::format("the header claims {}, {} bytes of elements, found more", type.pretty(),
                            claimed));

  Array array(type);
  if (claimed != 0) std::memcpy(array.bytes().data(), found.data(), claimed);
  if constexpr (std::endian::native == std::endian::little)
    reverse_bytes(array.bytes(), static_cast<std::size_t>(size_of(type.dtype)));
  return array;
}

}  // namespace kiln
