#include "models/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "runtime/checkpoint.h"
#include "runtime/data_loader.h"
#include "runtime/plot.h"
#include "runtime/progress.h"

namespace kiln {
namespace {

constexpr int kValidationBatch = 1000;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Validation {
 public:
  Validation(Model& model, const Dataset& data)
      : module_(model.module()),
        score_(
            [&model](const std::vector<Tensor>& batch) { return std::vector{model.score(batch)}; }),
        loader_(data.validation, kValidationBatch, false, 0) {}

  /// The metric's mean over all samples.
  double run() {
    double total = 0;
    loader_.begin_epoch(0);
    module_.eval();
    for (std::int64_t i = 0; i < loader_.batches(); ++i)
      total += score_.run(loader_.batch(i)).item();
    module_.train();
    return total / static_cast<double>(loader_.samples());
  }

 private:
  Module& module_;
  Jit<Tensor> score_;
  DataLoader loader_;
};

struct Limits {
  int epochs, batch;
  double lr, stop;
};

Limits checked(const Model& model, const TrainOptions& options) {
  const Model::Defaults defaults = model.defaults();
  const Limits limits{options.epochs.value_or(defaults.epochs),
                      options.batch.value_or(defaults.batch), options.lr.value_or(defaults.lr),
                      options.stop.value_or(defaults.stop)};
  if (limits.epochs < 1)
    throw Error(fmt::format("--epochs: expected at least 1, found {}", limits.epochs));
  if (limits.batch < 1)
    throw Error(fmt::format("--batch: expected at least 1, found {}", limits.batch));
  if (!(limits.lr > 0) || !std::isfinite(limits.lr))
    throw Error(fmt::format("--lr: expected a positive number, found {}", limits.lr));
  return limits;
}

class JsonLines {
 public:
  explicit JsonLines(const std::string& path) {
    if (path.empty()) return;
    file_.open(path);
    if (!file_) throw Error(fmt::format("{}: cannot be written", path));
  }
  void write(const nlohmann::json& object) {
    if (file_.is_open()) file_ << object.dump() << std::endl;
  }

 private:
  std::ofstream file_;
};

std::string phase_text(const CompileReport& report) {
  std::string text;
  for (const PassReport& pass : report.passes)
    text += fmt::format("  {:<20} {:7.2f} ms  {} -> {} nodes\n", pass.name, 1e3 * pass.seconds,
                        pass.nodes_before, pass.nodes_after);
  return text +
         fmt::format("  {:<20} {:7.2f} ms\n  {:<20} {:7.2f} ms  {} bytes\n  {:<20} {:7.2f} ms\n",
                     "plan", 1e3 * report.plan_seconds, "codegen", 1e3 * report.codegen_seconds,
                     report.object_bytes, "link", 1e3 * report.link_seconds);
}

}  // namespace

TrainResult train(const std::string& name, Model& model, const TrainOptions& options) {
  const Limits limits = checked(model, options);
  manual_seed(options.seed);
  const Dataset data = model.load(options);
  const std::unique_ptr<Optimizer> optimizer = model.optimizer(limits.lr);
  Jit<Tensor> step = training_step(model, *optimizer);
  DataLoader loader(data.train, limits.batch, true, options.seed);
  Validation validation(model, data);
  JsonLines json(options.json);
  const std::vector<VariablePtr> weights = model.module().state();

  // Compile before the clock starts: the loader's batches have at most two sizes.
  const auto compile_start = std::chrono::steady_clock::now();
  for (const std::int64_t batch :
       {std::min<std::int64_t>(limits.batch, loader.samples()), loader.samples() % limits.batch})
    if (batch > 0) step.compile(model.batch_types(batch));
  const double compile_seconds = seconds_since(compile_start);

  // Everything a run is made of: the module's state and whatever else the step reads and updates,
  // such as moments and the random generator, known once it is traced.
  std::vector<VariablePtr> everything = weights;
  for (const VariablePtr& variable : step.latest().variables())
    if (std::find(weights.begin(), weights.end(), variable) == weights.end())
      everything.push_back(variable);
  int first_epoch = 0;
  if (!options.resume.empty()) {
    const auto facts = load_checkpoint(options.resume, everything);
    const auto epoch = facts.find("epoch");
    if (epoch != facts.end()) first_epoch = std::stoi(epoch->second);
  }

  if (!options.quiet)
    fmt::print(
        "{}: {} parameters; {}; batch {}, lr {}, seed {}, {} thread{}; compiled in {:.0f} ms\n",
        name, model.module().parameter_count(), data.name, limits.batch, limits.lr, options.seed,
        settings().pool().threads(), settings().pool().threads() == 1 ? "" : "s",
        1e3 * compile_seconds);
  if (options.verbose) fmt::print("{}", phase_text(step.latest().executable().report()));

  TrainResult result;
  Series losses{.name = "training loss", .style = Series::Style::line_points};
  Series metrics{.name = "validation " + model.metric(), .style = Series::Style::line_points};
  Progress progress(limits.epochs, loader.batches(), options.quiet);
  for (int epoch = first_epoch; epoch < limits.epochs; ++epoch) {
    const auto start = std::chrono::steady_clock::now();
    loader.begin_epoch(epoch);
    progress.begin_epoch(epoch);
    double total = 0;
    for (std::int64_t i = 0; i < loader.batches(); ++i) {
      const std::span<const Array> batch = loader.batch(i);
      const double loss = step.run(batch).item();
      total += loss * static_cast<double>(batch[0].dims()[0]);
      progress.step(loss);
    }
    progress.clear();
    const double seconds = seconds_since(start);
    const double loss = total / static_cast<double>(loader.samples());
    if (!std::isfinite(loss))
      throw Error(
          fmt::format("{}: the loss is no longer a number in epoch {}; a smaller --lr than {} "
                      "may help",
                      name, epoch + 1, limits.lr));
    result.epochs = epoch + 1;
    result.seconds += seconds;
    result.value = validation.run();
    if (!options.quiet)
      fmt::print("epoch {}/{}  loss {:.4f}  {} {:.4f}  {:.2f} s  {:.0f} steps/s\n", epoch + 1,
                 limits.epochs, loss, model.metric(), result.value, seconds,
                 static_cast<double>(loader.batches()) / seconds);
    std::fflush(stdout);
    json.write({{"epoch", epoch + 1},
                {"steps", loader.batches() * (epoch + 1)},
                {"loss", loss},
                {"metric", model.metric()},
                {"value", result.value},
                {"seconds", seconds}});
    for (Series* series : {&losses, &metrics}) series->xs.push_back(epoch + 1);
    losses.ys.push_back(loss);
    metrics.ys.push_back(result.value);
    if (!options.checkpoint.empty())
      save_checkpoint(options.checkpoint, everything,
                      {{"model", name}, {"epoch", std::to_string(epoch + 1)}});
    if (result.value >= limits.stop) break;
  }
  result.weights_hash = hash_of(weights);

  if (!options.plot.empty()) {
    std::filesystem::create_directories(options.plot);
    const PlotResult plot =
        line_plot(options.plot + "/" + name + "-loss.png", {.title = name + ": learning curve",
                                                            .x_label = "epoch",
                                                            .y_label = "loss, " + model.metric(),
                                                            .series = {losses, metrics}});
    if (plot.note) fmt::print(stderr, "{}\n", *plot.note);
    if (!options.quiet) fmt::print("learning curve: {}\n", plot.written());
  }
  if (!options.quiet)
    fmt::print(
        "{} {:.4f} (a full training reaches {}) after {} epoch{}, {:.2f} s of training; weights "
        "{:016x}\n",
        model.metric(), result.value, data.required, result.epochs, result.epochs == 1 ? "" : "s",
        result.seconds, result.weights_hash);
  json.write({{"final", true},
              {"metric", model.metric()},
              {"value", result.value},
              {"required", data.required},
              {"seconds", result.seconds},
              {"weights_hash", fmt::format("{:016x}", result.weights_hash)}});
  return result;
}

double evaluate(Model& model, const TrainOptions& options) {
  const Dataset data = model.load(options);
  load_checkpoint(options.resume, model.module().state());
  return Validation(model, data).run();
}

}  // namespace kiln
