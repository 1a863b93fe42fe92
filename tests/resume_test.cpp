// Every model that trains, as the command knows it and on the data it makes itself: a run that is
// cut after each epoch and resumed ends as one in one go.
#include "models/text_data.h"
#include "models/train.h"
#include "tests/catch.h"
#include "tests/temp_folder.h"

namespace kiln {

TEST_CASE("every_model_resumed_after_each_epoch_ends_with_the_weights_of_one_run") {
  constexpr int kEpochs = 3;
  int trained = 0;
  for (const ModelEntry& entry : registered_models()) {
    const std::unique_ptr<Model> model = entry.make();
    const auto* learner = dynamic_cast<const Learner*>(model.get());
    if (!learner) continue;
    INFO(entry.name);
    ++trained;

    const TempFolder folder;
    TrainOptions options;
    options.quiet = true;
    options.epochs = kEpochs;
    if (entry.name == "causal-attention" || entry.name == "mini-gpt")  // a shorter one of its texts
      options.data = folder.file("text", kDayBook.substr(0, 4000));
    options.stop = learner->metric().lower_is_better ? -1 : 2;  // never
    const Outcome whole = train(entry, options);
    REQUIRE(whole.epochs >= 2);

    // Each run goes on from the one before, the last from a whole one.
    Outcome resumed;
    options.checkpoint = folder.file("checkpoint.safetensors");
    for (int epoch = 1; epoch <= whole.epochs + 1; ++epoch) {
      options.epochs = std::min(epoch, kEpochs);
      resumed = train(entry, options);
      CHECK(resumed.epochs == std::min(epoch, whole.epochs));
      if (epoch == 1) CHECK(resumed.weights_hash != whole.weights_hash);
      options.resume = options.checkpoint;
    }
    CHECK(resumed.weights_hash == whole.weights_hash);
    CHECK(resumed.value == whole.value);
    CHECK(resumed.failure == whole.failure);
  }
  CHECK(trained >= 8);
}

}  // namespace kiln
