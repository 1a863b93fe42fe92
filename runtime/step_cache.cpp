#include "runtime/step_cache.h"

#include <cstring>

#include "codegen/version.h"
#include "ir/bytes.h"
#include "ir/identity.h"

namespace kiln {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1}
                                    << 48;  // of an arena: more than any machine has

void put(ByteWriter& writer, const Array& array) {
  writer.put(static_cast<std::int64_t>(array.dtype()));
  writer.put(array.dims());
  writer.put(array.bytes());
}

Array read_array(ByteReader& reader) {
  const auto dtype = static_cast<DType>(reader.number(0, kDTypeCount - 1));
  Type type{dtype, reader.numbers()};
  for (const std::int64_t extent : type.dims)
    if (extent < 0) throw Error(fmt::format("a constant's extent is {}", extent));
  const std::string_view bytes = reader.text();
  if (static_cast<std::size_t>(type.bytes()) != bytes.size())
    throw Error(fmt::format("a constant of {} bytes has {}", type.bytes(), bytes.size()));
  Array array(std::move(type));
  std::memcpy(array.bytes().data(), bytes.data(), bytes.size());
  return array;
}

}  // namespace

Digest step_key(const Function& function, const PipelineOptions& options, const Target& target) {
  // By name, so that an option added to the struct is added here. `after` only watches.
  const auto& [mode, disabled, after, max_memory, profile] = options;
  ByteWriter writer;
  writer.put("step");
  writer.put(compiler_version());
  writer.put(target.key());
  writer.put(static_cast<std::int64_t>(mode));
  writer.put(static_cast<std::int64_t>(disabled.size()));
  for (const std::string& pass : disabled) writer.put(pass);
  writer.put(max_memory);
  writer.put(static_cast<std::int64_t>(profile));
  return Digest::of_pieces([&](const Digest::Sink& sink) {
    sink(writer.bytes());
    identity(function, sink);
  });
}

std::optional<StepCode> load_step(const Digest& key, std::size_t pointers, CodeCache& cache,
                                  CacheUse& use) {
  if (cache.store() == nullptr) return std::nullopt;
  ObjectStore::Entry entry;
  switch (cache.store()->load(key, entry)) {
    case ObjectStore::Found::nothing:
      return std::nullopt;
    case ObjectStore::Found::broken:
      ++use.broken;
      return std::nullopt;
    case ObjectStore::Found::whole:
      break;
  }
  try {
    ByteReader reader(entry.content);
    if (const std::int64_t found = reader.number(); found != static_cast<std::int64_t>(pointers))
      throw Error(fmt::format("expected a step of {} pointers, found {}", pointers, found));
    const std::int64_t arena_bytes = reader.number(0, kMostBytes);
    std::vector<Array> constants(reader.length(sizeof(std::int64_t)));
    for (Array& constant : constants) constant = read_array(reader);
    const std::string_view image = reader.text();
    reader.end();
    std::optional<CompiledProgram> program = CompiledProgram::restore(image, cache, use);
    if (!program) return std::nullopt;
    return StepCode{std::move(*program), pointers, arena_bytes, std::move(constants)};
  } catch (const Error&) {
    cache.store()->remove(key);
    ++use.broken;
    return std::nullopt;
  }
}

void store_step(const Digest& key, const StepCode& step, CodeCache& cache) {
  if (cache.store() == nullptr) return;
  ByteWriter writer;
  writer.put(static_cast<std::int64_t>(step.pointers));
  writer.put(step.arena_bytes);
  writer.put(static_cast<std::int64_t>(step.constants.size()));
  for (const Array& constant : step.constants) put(writer, constant);
  writer.put(step.program.image());
  cache.store()->store(std::span(&key, 1), writer.take());
}

}  // namespace kiln
