// mini-gpt: its network computes and learns what PyTorch's does, and it writes what it has learned.
#include "models/mini_gpt.h"

#include <cctype>
#include <cmath>

#include "models/text_data.h"
#include "models/train.h"
#include "runtime/safetensors.h"
#include "tests/catch.h"
#include "tests/source_folder.h"
#include "tests/support.h"
#include "tests/temp_folder.h"
#include "tests/traced_step.h"

namespace kiln {
namespace {

/// The tensors of tests/torch/mini_gpt.safetensors under a prefix, without it.
NamedArrays torch_tensors(const std::string& prefix) {
  static const NamedArrays all =
      load_safetensors(source_folder() + "/tests/torch/mini_gpt.safetensors").tensors;
  NamedArrays found;
  for (const auto& [name, tensor] : all)
    if (name.starts_with(prefix)) found[name.substr(prefix.size())] = tensor;
  return found;
}

const GptShape kTiny{.symbols = 11, .size = 8, .heads = 2, .blocks = 2, .block_size = 9};

/// The beginning of the day book in small letters, enough for a few batches.
std::string short_text() {
  std::string text(kDayBook.substr(0, 2600));
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

TrainOptions quiet(const std::string& data, int epochs) {
  TrainOptions options;
  options.data = data;
  options.epochs = epochs;
  options.quiet = true;
  return options;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("mini_gpt_computes_and_learns_what_pytorch_does") {
  const NamedArrays state = torch_tensors("state/"), gradients = torch_tensors("grad/"),
                    after = torch_tensors("after/");
  const Array text = torch_tensors("text")[""], targets = torch_tensors("targets")[""],
              losses = torch_tensors("losses")[""];
  for (const Way way : kWays) {
    INFO(name_of(way));
    const GptNetwork network(kTiny);
    REQUIRE(network.parameters().size() == state.size());
    AdamW optimizer({.lr = 1e-2});
    std::vector<std::string> names{"loss", "logits"};
    TracedStep step(Trace::run(
                        [&](const std::vector<Tensor>& in) {
                          const Tensor logits = network(in[0]).logits;
                          const Tensor loss = cross_entropy(flatten(logits, 0, 1), flatten(in[1]));
                          std::vector<Tensor> results{loss, logits};
                          const auto& parameters = network.parameters();
                          const std::vector<Tensor> slopes =
                              grad(loss, std::vector<Tensor>(parameters.begin(), parameters.end()));
                          results.insert(results.end(), slopes.begin(), slopes.end());
                          optimizer.update(parameters, slopes);
                          return results;
                        },
                        types_of(std::vector{text, targets})),
                    way, state);
    for (std::int64_t i = 0; i < losses.count(); ++i) {
      const std::vector<Array> results = step({text, targets});
      CHECK(results[0].item() == Approx(losses.as_double(i)).epsilon(1e-5));
      if (i > 0) continue;
      CHECK(difference(results[1], torch_tensors("logits")[""], {.relative = 1e-5}) == kNone);
      for (std::size_t p = 0; p < network.parameters().size(); ++p) {
        const std::string& name = network.parameters()[p].name();
        INFO("gradient of " << name);
        CHECK(difference(results[2 + p], gradients.at(name), {.relative = 2e-5}) == kNone);
      }
    }
    for (const auto& [name, value] : after) {
      INFO(name << " after the last step");
      const Array got = step.state(name);
      // A key's bias adds the same to all scores of a row: its gradient is 0 but for rounding, of
      // which Adam makes whole steps.
      const bool has_keys = name.ends_with("c_attn.bias");
      for (std::int64_t i = 0; i < value.count(); ++i)
        if (!has_keys || i / kTiny.size != 1)
          CHECK(got.as_double(i) == Approx(value.as_double(i)).epsilon(1e-4).margin(1e-5));
    }
  }
}

TEST_CASE("mini_gpt_sees_what_is_before_a_character_alone") {
  const GptNetwork network(kTiny);
  auto logits = jit([&](const Tensor& text) { return network(text).logits; });
  const auto of = [&](std::vector<std::int32_t> text) {
    return logits(Array::of<std::int32_t>({1, 6}, std::span<const std::int32_t>(text))).clone();
  };
  const Array before = of({3, 1, 4, 1, 5, 9}), after = of({3, 1, 4, 2, 5, 9});
  for (std::int64_t i = 0; i < before.count(); ++i)
    if (i < 3 * kTiny.symbols) CHECK(before.as_double(i) == after.as_double(i));
  CHECK(!before.same_bits(after));
  CHECK_THROWS_WITH(logits(Array(Type{DType::i32, {1, 10}})),
                    Catch::Matchers::ContainsSubstring("at most 9 characters (block_size)"));
}

TEST_CASE("mini_gpt_learns_a_text_and_evaluates_with_its_own_vocabulary") {
  const TempFolder folder;
  TrainOptions options = quiet(folder.file("text", short_text()), 6);
  options.checkpoint = folder.file("checkpoint");
  const Outcome outcome = train(find_model("mini-gpt"), options);
  const Array vocabulary = load_safetensors(options.checkpoint).tensors.at("vocabulary");
  CHECK(vocabulary.count() < 46);  // that many has the day book
  CHECK(outcome.value < 0.9 * std::log(static_cast<double>(vocabulary.count())));

  // Another text, of fewer symbols: those of the checkpoint stay.
  std::string few;
  while (few.size() < 2000) few += "on the quay ";
  options.data = folder.file("few", few);
  options.resume = options.checkpoint;
  Report report("mini-gpt", true);
  const Outcome evaluated = find_model("mini-gpt").make()->evaluate(options, report);
  CHECK(std::isfinite(evaluated.value));
  CHECK(evaluated.value != outcome.value);

  options.data = folder.file("strange", "Zürich " + few);
  CHECK(error_of([&] { find_model("mini-gpt").make()->evaluate(options, report); })
            .find("strange: expected characters of the text that was learned from, found the byte "
                  "90 ('Z')") != std::string::npos);
  save_safetensors(options.resume, torch_tensors("state/"));
  CHECK(error_of([&] {
          find_model("mini-gpt").make()->evaluate(options, report);
        }).find("expected a tensor 'vocabulary'") != std::string::npos);
}

}  // namespace kiln
