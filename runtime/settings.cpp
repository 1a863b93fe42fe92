#include "runtime/settings.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "runtime/random.h"

namespace kiln {
namespace {

constexpr int kMaxThreads = 1024;

int default_threads() {
  const char* text = std::getenv("KILN_THREADS");
  if (text == nullptr || *text == 0)
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  int threads = 0;
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, threads);
  if (error != std::errc() || at != end || threads < 1 || threads > kMaxThreads)
    throw Error(
        fmt::format("KILN_THREADS: expected a number from 1 to {}, found '{}'", kMaxThreads, text));
  return threads;
}

/// FNV-1a: a variable's stream of random numbers follows from its name, not from the order in which
/// variables are made.
std::uint64_t stream_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

ThreadPool& Settings::pool() {
  if (!pool_) pool_ = std::make_unique<ThreadPool>(default_threads());
  return *pool_;
}

void Settings::set_threads(int threads) {
  if (threads < 1 || threads > kMaxThreads)
    throw Error(
        fmt::format("threads: expected a number from 1 to {}, found {}", kMaxThreads, threads));
  pool_ = std::make_unique<ThreadPool>(threads);
}

Settings& settings() {
  static Settings settings;
  return settings;
}

void manual_seed(std::uint64_t seed) {
  settings().seed = seed;
  manual_seed(default_generator(), seed);
}

void manual_seed(Generator& generator, std::uint64_t seed) {
  *generator.seed()->storage = Array::scalar(seed);
  *generator.step()->storage = Array::scalar(std::int64_t{0});
}

Array& value_of(const VariablePtr& variable) {
  Array& value = *variable->storage;
  if (!value.empty()) return value;
  const Initializer& init = variable->initializer;
  if (init.kind == Initializer::Kind::constant) {
    value = Array::full(variable->type, init.a);
    return value;
  }
  Random random(settings().seed, stream_of(variable->name));
  Array drawn(Type{DType::f32, variable->type.dims});
  const auto a = static_cast<float>(init.a), b = static_cast<float>(init.b);
  for (float& element : drawn.data<float>())
    element =
        init.kind == Initializer::Kind::uniform ? random.uniform(a, b) : a + b * random.normal();
  value = drawn.converted(variable->type.dtype);
  return value;
}

}  // namespace kiln
