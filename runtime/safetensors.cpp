#include "runtime/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "runtime/atomic_file.h"

namespace kiln {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are copied as they are stored");

using nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr std::string_view kMetadataName = "__metadata__";

struct StoredType {
  DType dtype;
  std::string_view name;
};

constexpr std::array<StoredType, kDTypeCount> kStoredTypes = {{{DType::f64, "F64"},
                                                               {DType::i64, "I64"},
                                                               {DType::ui64, "U64"},
                                                               {DType::f32, "F32"},
                                                               {DType::i32, "I32"},
                                                               {DType::ui32, "U32"},
                                                               {DType::i16, "I16"},
                                                               {DType::ui16, "U16"},
                                                               {DType::i8, "I8"},
                                                               {DType::ui8, "U8"},
                                                               {DType::i1, "BOOL"}}};

std::string_view stored_name(DType dtype) {
  for (const StoredType& type : kStoredTypes)
    if (type.dtype == dtype) return type.name;
  internal_check(false, "every element type can be stored");
  return {};
}

// ---- Loading

/// What a hostile file says, fit for a message: neither long nor with control characters.
std::string shortened(std::string text) {
  constexpr std::size_t most = 80;
  if (text.size() > most) text = text.substr(0, most) + "…";
  return text;
}

std::string in_quotes(const std::string& name) {
  const std::string escaped = json(name).dump(-1, ' ', true);
  return "'" + shortened(escaped.substr(1, escaped.size() - 2)) + "'";
}

/// What the header says of one tensor, checked as far as it can be on its own.
struct Entry {
  std::string name;
  Type type;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class Loader {
 public:
  explicit Loader(const std::string& path) : path_(path) { open(); }

  Safetensors load() {
    const json header = parse(read_header());
    Safetensors result;
    std::vector<Entry> entries;
    for (const auto& [name, value] : header.items())
      if (name == kMetadataName)
        result.metadata = metadata(value);
      else
        entries.push_back(entry(name, value));
    check_layout(entries);
    for (const Entry& entry : entries) result.tensors.emplace(entry.name, read(entry));
    return result;
  }

 private:
  void open() {
    std::error_code error;
    const auto status = std::filesystem::status(path_, error);
    if (error) fail(fmt::format("cannot be read: {}", error.message()));
    if (!std::filesystem::is_regular_file(status)) fail("expected a file, found something else");
    size_ = std::filesystem::file_size(path_, error);
    errno = 0;
    stream_.open(path_, std::ios::binary);
    if (error || !stream_)
      fail(fmt::format("cannot be read: {}",
                       error ? error.message() : std::generic_category().message(errno)));
  }

  std::string read_header() {
    if (size_ < kLengthBytes)
      fail(fmt::format("expected a safetensors file of at least 8 bytes, found {}", size_));
    std::uint64_t length = 0;
    read_bytes(std::as_writable_bytes(std::span(&length, 1)));
    if (length > kMaxHeader)
      fail(fmt::format("expected a safetensors header of at most {} bytes, found a length of {}",
                       kMaxHeader, length));
    if (length > size_ - kLengthBytes)
      fail(fmt::format("the header is said to take {} bytes, but the file has only {} after it",
                       length, size_ - kLengthBytes));
    data_begin_ = kLengthBytes + length;
    std::string text(length, '\0');
    read_bytes(std::as_writable_bytes(std::span(text)));
    return text;
  }

  /// An object of objects; every key once in its object; nothing nested deeper than a tensor's
  /// shape, so that hostile nesting cannot pile up.
  json parse(const std::string& text) {
    if (!text.starts_with('{')) fail("the header is not JSON: expected it to begin with '{'");
    constexpr int deepest = 3;
    std::array<std::set<std::string>, deepest + 1> keys;
    const auto check = [&](int depth, json::parse_event_t event, json& value) {
      using Event = json::parse_event_t;
      if (event == Event::object_start || event == Event::array_start) {
        if (depth >= deepest) fail("the header is nested too deeply");
        keys[static_cast<std::size_t>(depth) + 1].clear();
      } else if (event == Event::key) {
        const auto& name = value.get_ref<const std::string&>();
        if (!keys[static_cast<std::size_t>(depth)].insert(name).second)
          fail(fmt::format("the header names {} twice", in_quotes(name)));
      }
      return true;
    };
    try {
      return json::parse(text, check);
    } catch (const json::parse_error& error) {
      fail(fmt::format("the header is not JSON: what stands at its byte {} is not expected there",
                       error.byte));
    } catch (const json::exception&) {  // a number past the range of doubles
      fail("the header is not JSON that can be read");
    }
  }

  Metadata metadata(const json& value) {
    Metadata result;
    if (!value.is_object()) fail("__metadata__ is not a map of strings");
    for (const auto& [name, text] : value.items()) {
      if (!text.is_string()) fail(fmt::format("the metadata {} is not a string", in_quotes(name)));
      result.emplace(name, text.get<std::string>());
    }
    return result;
  }

  Entry entry(const std::string& name, const json& value) {
    if (!value.is_object()) fail_in(name, "expected an object with dtype, shape and data_offsets");
    Entry entry{name, {dtype(name, value), {}}};
    for (const std::uint64_t extent : numbers(name, value, "shape")) {
      if (extent > std::uint64_t{1} << 62) fail_in(name, "its shape is impossible");
      entry.type.dims.push_back(static_cast<std::int64_t>(extent));
    }
    const std::vector<std::uint64_t> offsets = numbers(name, value, "data_offsets");
    if (offsets.size() != 2 || offsets[0] > offsets[1])
      fail_in(name, "expected data_offsets to be [begin, end] with begin <= end");
    entry.begin = offsets[0];
    entry.end = offsets[1];

    const std::uint64_t held = size_ - data_begin_;
    if (entry.end > held)
      fail_in(name, fmt::format("its data end at byte {}, but the file holds only {} bytes of data",
                                entry.end, held));
    const std::uint64_t needed = bytes(entry);
    if (entry.end - entry.begin != needed)
      fail_in(name, fmt::format("{} takes {} bytes, but data_offsets span {}", entry.type.pretty(),
                                needed, entry.end - entry.begin));
    return entry;
  }

  DType dtype(const std::string& name, const json& value) {
    const auto found = value.find("dtype");
    if (found == value.end() || !found->is_string()) fail_in(name, "its dtype is not a string");
    const auto& text = found->get_ref<const std::string&>();
    for (const StoredType& type : kStoredTypes)
      if (type.name == text) return type.dtype;
    fail_in(name, fmt::format("unknown dtype {}: expected F64, F32, I64, I32, I16, I8, U64, U32, "
                              "U16, U8 or BOOL",
                              in_quotes(text)));
  }

  std::vector<std::uint64_t> numbers(const std::string& name, const json& value, const char* key) {
    const auto found = value.find(key);
    if (found == value.end() || !found->is_array())
      fail_in(name, fmt::format("its {} is not a list", key));
    std::vector<std::uint64_t> result;
    for (const json& number : *found) {
      if (!number.is_number_unsigned())
        fail_in(name, fmt::format("its {} holds {}, which is no integer from 0 to 2^64 - 1", key,
                                  shortened(number.dump(-1, ' ', true))));
      result.push_back(number.get<std::uint64_t>());
    }
    return result;
  }

  /// Bytes a tensor of this type takes. An extent of 0 excuses no absurd ones beside it: strides
  /// are products of them.
  std::uint64_t bytes(const Entry& entry) {
    Ints others = entry.type.dims;
    std::replace(others.begin(), others.end(), std::int64_t{0}, std::int64_t{1});
    try {
      (void)element_count(others);
    } catch (const Error& error) {
      fail_in(entry.name, error.what());
    }
    return static_cast<std::uint64_t>(entry.type.bytes());
  }

  /// Tensors lie end to end, from the first byte of data to the last. Sorts them so.
  void check_layout(std::vector<Entry>& entries) {
    std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
    std::uint64_t at = 0;
    for (const Entry& entry : entries) {
      if (entry.begin < at)
        fail_in(entry.name, fmt::format("its data begin at byte {}, inside another tensor's, which "
                                        "end at {}",
                                        entry.begin, at));
      if (entry.begin > at)
        fail_in(entry.name, fmt::format("its data begin at byte {}, leaving a gap after byte {}",
                                        entry.begin, at));
      at = entry.end;
    }
    if (const std::uint64_t held = size_ - data_begin_; at != held)
      fail(fmt::format("the header describes {} bytes of data, found {}", at, held));
  }

  Array read(const Entry& entry) {
    Array array(entry.type);
    read_bytes(array.bytes());
    if (entry.type.dtype == DType::i1)
      for (const std::byte byte : array.bytes())
        if (byte > std::byte{1})
          fail_in(entry.name, fmt::format("expected a BOOL to be 0 or 1, found {}",
                                          std::to_integer<int>(byte)));
    return array;
  }

  void read_bytes(std::span<std::byte> bytes) {
    stream_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!stream_) fail("cannot be read: it ends before its size");
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(fmt::format("{}: {}", path_, what));
  }
  [[noreturn]] void fail_in(const std::string& tensor, const std::string& what) const {
    fail(fmt::format("tensor {}: {}", in_quotes(tensor), what));
  }

  std::string path_;
  std::ifstream stream_;
  std::uint64_t size_ = 0;
  std::uint64_t data_begin_ = 0;
};

}  // namespace

Safetensors load_safetensors(const std::string& path) { return Loader(path).load(); }

void save_safetensors(const std::string& path, const NamedArrays& tensors,
                      const Metadata& metadata) {
  json header = json::object();
  if (!metadata.empty()) header[std::string(kMetadataName)] = metadata;

  std::vector<const Array*> order;
  std::uint64_t at = 0;
  for (const int width : {8, 4, 2, 1})
    for (const auto& [name, array] : tensors) {
      internal_check(!array.empty(), "an array that is saved has a type");
      if (size_of(array.dtype()) != width) continue;
      if (name == kMetadataName)
        throw Error(fmt::format("{}: a tensor cannot be named '{}'", path, name));
      const std::uint64_t end = at + array.bytes().size();
      header[name] = {{"dtype", stored_name(array.dtype())},
                      {"shape", array.dims()},
                      {"data_offsets", {at, end}}};
      order.push_back(&array);
      at = end;
    }

  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception&) {
    throw Error(fmt::format("{}: a name or a metadata string is not UTF-8", path));
  }
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  const std::uint64_t length = text.size();

  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(text);
  for (const Array* array : order) file.write(array->bytes());
  file.commit();
}

}  // namespace kiln
