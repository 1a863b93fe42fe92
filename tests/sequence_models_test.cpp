// language and causal-attention: their networks give the golden numbers, and they learn.
#include <cmath>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "models/causal_attention.h"
#include "models/language.h"
#include "models/text_data.h"
#include "models/train.h"
#include "models/word_lists.h"
#include "runtime/random.h"
#include "runtime/safetensors.h"
#include "tests/catch.h"
#include "tests/golden_data.h"
#include "tests/support.h"
#include "tests/temp_folder.h"
#include "tests/traced_step.h"

namespace kiln {
namespace {

using nlohmann::json;

/// What a network makes of a case's inputs, by the manifest's names.
using Forward = std::function<std::map<std::string, Tensor>(const std::map<std::string, Tensor>&)>;

/// A network's outputs, and the gradients of its parameters, are the case's.
void check_golden(const std::string& name, const Module& module, const Forward& forward) {
  const json& found = golden::case_named(name);
  const NamedArrays& data = golden::data_of(found);

  NamedArrays weights;
  std::vector<std::string> inputs;  // and upstream gradients, by what they are of
  std::vector<Array> values;
  for (const json& tensor : found["tensors"]) {
    const Array& value = data.at(tensor["key"]);
    if (tensor["role"] == "parameter") weights[tensor["name"]] = value;
    if (tensor["role"] == "input") inputs.push_back(tensor["name"]);
    if (tensor["role"] == "upstream_gradient")
      inputs.push_back("upstream of " + tensor["of"].get<std::string>());
    if (inputs.size() > values.size()) values.push_back(value);
  }
  std::vector<std::string> results;
  TracedStep step(
      Trace::run(
          [&](const std::vector<Tensor>& arguments) {
            std::map<std::string, Tensor> in;
            for (std::size_t i = 0; i < arguments.size(); ++i) in[inputs[i]] = arguments[i];
            std::map<std::string, Tensor> out = forward(in);
            // The loss, or the sum of all outputs times their upstream gradients.
            Tensor objective = out.contains("loss") ? out["loss"] : Tensor();
            for (const auto& [output, value] : out)
              if (const auto upstream = in.find("upstream of " + output); upstream != in.end())
                objective = objective.value() ? objective + sum(value * upstream->second)
                                              : sum(value * upstream->second);
            const std::vector<Tensor> slopes =
                grad(objective,
                     std::vector<Tensor>(module.parameters().begin(), module.parameters().end()));
            for (std::size_t i = 0; i < slopes.size(); ++i)
              out["gradient of " + module.parameters()[i].name()] = slopes[i];
            std::vector<Tensor> all;
            for (const auto& [output, value] : out) {
              results.push_back(output);
              all.push_back(value);
            }
            return all;
          },
          types_of(values)),
      Way::fused, weights);
  const std::vector<Array> outputs = step(values);
  std::map<std::string, Array> computed;
  for (std::size_t i = 0; i < outputs.size(); ++i) computed[results[i]] = outputs[i];

  int compared = 0;
  for (const json& tensor : found["tensors"]) {
    const std::string role = tensor["role"];
    const std::string result = role == "expected_output" ? tensor["name"].get<std::string>()
                               : role == "expected_gradient"
                                   ? "gradient of " + tensor["wrt"].get<std::string>()
                                   : "";
    if (result.empty() || !computed.contains(result)) continue;
    INFO(name << ", " << tensor["name"].get<std::string>());
    CHECK(golden::off(computed[result], data.at(tensor["key"]), tensor) == kNone);
    ++compared;
  }
  CHECK(compared >= 4);
}

TrainOptions quiet(int epochs) {
  TrainOptions options;
  options.epochs = epochs;
  options.quiet = true;
  return options;
}

/// Word lists for training in no time.
void write_lists(const TempFolder& folder) {
  folder.file("english", "house\nhorse\nlight\nsmall\nwhite\nwater\nthink\nthree\nnight\nshould\n");
  folder.file("spanish", "queso\nnoche\nllave\nnueve\nverde\nperro\ncalle\nnegro\nhacer\nseñora\n");
  folder.file("finnish", "pöytä\nhyvää\npäivä\nkissa\nsauna\nkello\nvalta\nlintu\nkivet\nyöpöpö\n");
  folder.file("dutch", "groen\nkaart\nvrouw\nnooit\nijzer\nschip\nkleur\nvraag\ntrouw\nmensen\n");
  folder.file("polish", "książ\nżycie\nwoźny\nszkła\nbrzeg\nłąkom\nchleb\ndzień\nśnieg\nzwierz\n");
}

/// The texts, without their names, of the contractions that a program's loops run.
std::set<std::string> contractions_in_loops(const Program& program) {
  std::set<std::string> texts;
  for (const Step& step : program.steps)
    if (const Loop* loop = std::get_if<Loop>(&step.is))
      for (const Step& inner : loop->body)
        if (const int* launch = std::get_if<int>(&inner.is)) {
          const loop::Kernel& kernel = program.kernels[static_cast<std::size_t>(
              program.launches[static_cast<std::size_t>(*launch)].kernel)];
          const std::string text = kernel.str();
          if (kernel.name.starts_with("contract")) texts.insert(text.substr(text.find('(')));
        }
  return texts;
}

}  // namespace

TEST_CASE("the_language_network_computes_the_golden_numbers") {
  for (const int length : {1, 3, 7, 12}) {
    const LanguageNetwork network(47, 256, 5);
    check_golden(fmt::format("language_id/seed_model_len{}_gradients", length), network,
                 [&](const std::map<std::string, Tensor>& in) {
                   const Tensor scores = network(in.at("chars"));
                   return std::map<std::string, Tensor>{
                       {"scores", scores}, {"loss", cross_entropy(scores, in.at("y"))}};
                 });
  }
}

TEST_CASE("a_further_word_length_reuses_the_kernels_of_the_language_network") {
  const std::unique_ptr<Model> model = find_model("language").make();
  auto& learner = dynamic_cast<Learner&>(*model);
  const std::unique_ptr<Optimizer> optimizer = learner.optimizer(1e-3);
  auto step = training_step(learner, *optimizer);
  const auto program = [&](std::int64_t length) -> const Program& {
    return step.compile({Type{DType::ui8, {64, length}}, Type{DType::i32, {64}}})
        .executable()
        .plan()
        .program;
  };
  const Program &eight = program(8), &twelve = program(12);
  CHECK(step.traces() == 2);
  CHECK(eight.kernels.size() == twelve.kernels.size());
  CHECK(eight.launches.size() == twelve.launches.size());
  // Forward: two layers; backward: the gradients with respect to what each was given.
  CHECK(contractions_in_loops(eight).size() >= 3);
  CHECK(contractions_in_loops(eight) == contractions_in_loops(twelve));
  // They, and what the optimiser does, were not compiled again.
  CHECK(2 * step.latest().executable().report().cache.living > twelve.kernels.size());
}

TEST_CASE("language_learns_from_its_common_words") {
  const Outcome result = train(find_model("language"), quiet(15));
  CHECK(result.value >= result.required);
  CHECK(result.required == 0.70);
}

TEST_CASE("word_lists_hold_out_distinct_words_of_the_alphabet") {
  const Dataset data = load_words("");
  const auto words_of = [](const std::vector<Samples>& groups) {
    std::set<std::vector<std::uint8_t>> words;
    for (const Samples& group : groups) {
      const auto letters = group[0].data<std::uint8_t>();
      const auto length = static_cast<std::size_t>(group[0].dims()[1]);
      for (std::size_t i = 0; i < letters.size(); i += length)
        words.emplace(letters.begin() + static_cast<std::ptrdiff_t>(i),
                      letters.begin() + static_cast<std::ptrdiff_t>(i + length));
    }
    return words;
  };
  const auto train = words_of(data.train);
  for (const auto& word : words_of(data.validation)) CHECK(!train.contains(word));
  std::map<int, int> of_language;
  for (const auto* groups : {&data.train, &data.validation})
    for (const Samples& group : *groups)
      for (const std::int32_t language : group[1].data<std::int32_t>()) ++of_language[language];
  CHECK(of_language.size() == 5);
  for (const auto& [language, words] : of_language) CHECK(words == of_language[0]);
  CHECK(of_language[0] >= 300);

  CHECK(letters_of("abź", 3) == std::vector<std::uint8_t>{0, 1, 42});
  CHECK_THROWS_WITH(letters_of("don't", 40),
                    Catch::Matchers::StartsWith("'don't': expected a word of 1"));
  CHECK_THROWS_WITH(letters_of("", 40), Catch::Matchers::StartsWith("'': expected"));
  CHECK_THROWS_WITH(letters_of("abcd", 3), Catch::Matchers::StartsWith("'abcd': expected"));
  CHECK_THROWS_WITH(load_words("/nowhere"), Catch::Matchers::ContainsSubstring("no such folder"));
  const TempFolder folder;
  write_lists(folder);
  folder.file("dutch", "Amsterdam\nDen Haag\n");
  CHECK_THROWS_WITH(load_words(folder.path()),
                    Catch::Matchers::ContainsSubstring("dutch: expected words of 2 to"));
}

TEST_CASE("causal_self_attention_computes_the_golden_numbers") {
  const auto check = [](const std::string& name, std::int64_t size, CausalOptions options) {
    const CausalSelfAttention attention(nullptr, "", size, options);
    check_golden("causal_attention/" + name, attention,
                 [&](const std::map<std::string, Tensor>& in) {
                   const Attended attended = attention(in.at("input"));
                   return std::map<std::string, Tensor>{{"out", attended.output},
                                                        {"attention_weights", attended.weights}};
                 });
  };
  using enum CausalOptions::Rows;
  for (const int size : {4, 16, 128})
    for (const int length : {1, 3, 8, 33})
      check(fmt::format("T{}_C{}", length, size), size, {.rows = keys});
  for (const char* name : {"batch_T8_C16", "sharp_T8_C16"}) check(name, 16, {.rows = keys});
  check("batch_T33_C4", 4, {.rows = keys});
  check("batch_T8_C16_standard", 16, {});
}

TEST_CASE("heads_attend_each_with_their_own_part") {
  // What two heads give is what each gives alone with its rows of the layers' weights.
  const CausalSelfAttention both(nullptr, "", 8, {.heads = 2});
  Random random(3);
  const auto drawn = [&](Ints dims) {
    Array array(Type{DType::f32, std::move(dims)});
    for (float& x : array.data<float>()) x = random.normal();
    return array;
  };
  for (const Parameter& parameter : both.parameters())
    value_of(parameter.variable()) = drawn(parameter.type().dims);
  const Array x = drawn({3, 5, 8});
  auto together = jit([&](const Tensor& t) {
    const Attended attended = both(t);
    return std::vector{attended.output, attended.weights};
  });
  auto apart = jit([&](const Tensor& t) {
    std::vector<Tensor> outputs, weights;
    const std::vector<Parameter>& p = both.parameters();
    for (const std::int64_t head : {0, 1}) {
      const auto layer = [&](std::size_t i) {
        return linear(t, narrow(p[i], 0, 4 * head, 4), narrow(p[i + 1], 0, 4 * head, 4));
      };
      const Attended one =
          scaled_dot_product_attention(layer(2), layer(0), layer(4), {.is_causal = true});
      outputs.push_back(one.output);
      weights.push_back(one.weights);
    }
    return std::vector{cat(outputs, -1), stack(weights, 1)};
  });
  const std::vector<Array> got = together(x), want = apart(x);
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(difference(got[i], want[i], {.relative = 1e-5}) == kNone);
  CHECK_THROWS_WITH(CausalSelfAttention(nullptr, "", 8, {.heads = 3}),
                    Catch::Matchers::ContainsSubstring("divides the size 8, found 3"));
  const CausalSelfAttention short_one(nullptr, "", 8, {.block_size = 4});
  CHECK_THROWS_WITH(jit([&](const Tensor& t) { return short_one(t).output; })(x),
                    Catch::Matchers::ContainsSubstring("at most 4 places (block_size)"));
}

TEST_CASE("causal_attention_beats_the_bigram_model") {
  const Outcome result = train(find_model("causal-attention"), quiet(2));
  CHECK(result.metric.lower_is_better);
  CHECK(result.value < result.required);
  CHECK(result.required > 1);
  CHECK(result.required < 3);
}

TEST_CASE("texts_are_held_out_and_their_bigrams_counted") {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 500; ++i) text += "ab";
  const Dataset data = load_text(folder.file("text", text), 8);
  CHECK(data.train[0][0].type() == Type{DType::ui8, {446, 9}});      // of 900 bytes, every 2nd
  CHECK(data.validation[0][0].type() == Type{DType::ui8, {12, 9}});  // of 100
  // After a, b came 450 of 450 times, after b, a 449 of 449; the pieces begin with a.
  const double a = -std::log(451.0 / 452), b = -std::log(450.0 / 451);
  CHECK(data.required == Approx((a + b) / 2).epsilon(1e-9));
  CHECK_THROWS_WITH(load_text(folder.file("short", "too short"), 8),
                    Catch::Matchers::ContainsSubstring("at least 100 characters, found 9"));
  CHECK_THROWS_WITH(load_text(folder.file("none"), 8),
                    Catch::Matchers::ContainsSubstring("no such file"));
  CHECK_THROWS_WITH(load_text(folder.path(), 8),
                    Catch::Matchers::ContainsSubstring("expected a text file"));
}

}  // namespace kiln
