#include "models/train.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <nlohmann/json.hpp>

#include "runtime/atomic_file.h"
#include "runtime/checkpoint.h"
#include "runtime/progress.h"

namespace kiln {
namespace {

constexpr int kValidationBatch = 1000;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// While one lives, the first Ctrl-C only sets a flag; the second ends the process as ever.
class Interrupt {
 public:
  Interrupt() {
    asked_ = 0;
    struct sigaction action = {};
    action.sa_handler = [](int) { asked_ = 1; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, &before_);
  }
  ~Interrupt() { sigaction(SIGINT, &before_, nullptr); }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool asked() const { return asked_ != 0; }

 private:
  static inline volatile std::sig_atomic_t asked_ = 0;
  struct sigaction before_ = {};
};

/// The mean of a model's score over samples.
class Validation {
 public:
  Validation(Learner& model, const std::vector<Samples>& samples)
      : module_(model.module()),
        score_(
            [&model](const std::vector<Tensor>& batch) { return std::vector{model.score(batch)}; }),
        loader_(samples, kValidationBatch, false, 0) {}

  double run() {
    double total = 0;
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
  double lr;
  std::optional<double> stop;
};

Limits limits_of(const Learner& model, const TrainOptions& options) {
  const Learner::Defaults defaults = model.defaults();
  return {options.epochs.value_or(defaults.epochs), options.batch.value_or(defaults.batch),
          options.lr.value_or(defaults.lr), options.stop ? options.stop : defaults.stop};
}

/// Throws Error for options that no model can be trained with, and for files that could not be
/// written: before the work, not after it.
void check(const TrainOptions& options) {
  const auto expect = [](bool holds, const char* option, const char* what, auto found) {
    if (!holds) throw Error(fmt::format("{}: expected {}, found {}", option, what, found));
  };
  if (options.epochs) expect(*options.epochs >= 1, "--epochs", "at least 1", *options.epochs);
  if (options.batch) expect(*options.batch >= 1, "--batch", "at least 1", *options.batch);
  if (options.lr)
    expect(*options.lr > 0 && std::isfinite(*options.lr), "--lr", "a positive number", *options.lr);
  if (options.stop) expect(std::isfinite(*options.stop), "--stop", "a number", *options.stop);
  if (options.init)
    expect(std::isfinite(static_cast<float>(*options.init)), "--init", "a number of f32's range",
           *options.init);
  if (!options.json.empty() && !std::ofstream(options.json))
    throw Error(fmt::format("{}: cannot be written", options.json));
  if (!options.checkpoint.empty())
    AtomicFile(options.checkpoint);  // not committed: nothing changes
  if (!options.plot.empty()) {
    std::error_code ignored;
    std::filesystem::create_directories(options.plot, ignored);
    if (!std::filesystem::is_directory(options.plot, ignored) ||
        ::access(options.plot.c_str(), W_OK | X_OK) != 0)
      throw Error(fmt::format("{}: expected a folder that can be written to", options.plot));
  }
}

/// --init: all that the model learns begins here.
void start_at(Module& module, double value) {
  for (const Parameter& parameter : module.parameters())
    value_of(parameter.variable()) = Array::full(parameter.type(), value);
}

void append_json(const std::string& path, const nlohmann::json& object) {
  if (path.empty()) return;
  std::ofstream file(path, std::ios::app);
  file << object.dump() << std::endl;
  if (!file) throw Error(fmt::format("{}: cannot be written", path));
}

std::string phase_text(const CompileReport& report) {
  std::string text = fmt::format(
      "  {:<20} {:7.2f} ms  {}; kernels: {} of other programs, {} from disk; {} broken entries\n",
      "cache", 1e3 * report.cache_seconds, report.cached ? "found" : "not found",
      report.cache.living, report.cache.loaded, report.cache.broken);
  for (const PassReport& pass : report.passes)
    text += fmt::format("  {:<20} {:7.2f} ms  {} -> {} nodes\n", pass.name, 1e3 * pass.seconds,
                        pass.nodes_before, pass.nodes_after);
  return text +
         fmt::format("  {:<20} {:7.2f} ms\n  {:<20} {:7.2f} ms  {} bytes\n  {:<20} {:7.2f} ms\n",
                     "plan", 1e3 * report.plan_seconds, "codegen", 1e3 * report.codegen_seconds,
                     report.object_bytes, "link", 1e3 * report.link_seconds);
}

/// How far a run has come: whole epochs, then batches of the next, and the losses of those.
struct Place {
  int epoch = 0;
  std::int64_t batch = 0;
  double loss = 0;
  double value = 0;  // of the metric, after the last whole epoch

  std::map<std::string, std::string> facts(const std::string& model) const {
    return {{"model", model},
            {"epoch", std::to_string(epoch)},
            {"batch", std::to_string(batch)},
            {"loss", fmt::format("{:a}", loss)},
            {"value", fmt::format("{:a}", value)}};
  }
  static Place of(const std::map<std::string, std::string>& facts) {
    const auto number = [&](const char* name) {
      const auto found = facts.find(name);
      return found == facts.end() ? 0.0 : std::strtod(found->second.c_str(), nullptr);
    };
    return {static_cast<int>(number("epoch")), static_cast<std::int64_t>(number("batch")),
            number("loss"), number("value")};
  }
};

/// One run of the loop.
class Training {
 public:
  Training(Learner& model, const TrainOptions& options, Report& report)
      : model_(model),
        options_(options),
        report_(report),
        limits_(limits_of(model, options)),
        data_(seeded(options).load(options)),
        optimizer_(model.optimizer(limits_.lr)),
        step_(training_step(model, *optimizer_)),
        loader_(data_.train, limits_.batch, options.shuffle, options.seed),
        weights_(model.module().state()) {
    if (options.init) start_at(model.module(), *options.init);
    if (!options.stop && data_.stop) limits_.stop = data_.stop;
    if (!model.metric().of_training) validation_.emplace(model, data_.validation);
    const double seconds = compile();
    if (!options.resume.empty()) place_ = Place::of(load_checkpoint(options.resume, everything_));
    announce(seconds);
  }

  Outcome run() {
    const Interrupt interrupt;
    Outcome outcome{.metric = model_.metric(), .required = data_.required};
    Progress progress(limits_.epochs, loader_.batches(), report_.quiet());
    bool stopped = place_.epoch > 0 && reached_stop(outcome.metric);  // before it was resumed
    while (!stopped && place_.epoch < limits_.epochs && !outcome.interrupted) {
      const auto start = std::chrono::steady_clock::now();
      loader_.begin_epoch(place_.epoch);
      progress.begin_epoch(place_.epoch);
      const std::int64_t before = place_.batch;
      for (; place_.batch < loader_.batches() && !interrupt.asked(); ++place_.batch)
        progress.step(batch());
      progress.clear();
      const double seconds = seconds_since(start);
      outcome.seconds += seconds;
      outcome.interrupted = interrupt.asked();
      if (place_.batch == loader_.batches())
        stopped = end_epoch(outcome.metric, seconds, place_.batch - before);
      if (!options_.checkpoint.empty())
        save_checkpoint(options_.checkpoint, everything_, place_.facts(report_.model()));
    }
    outcome.epochs = place_.epoch;
    outcome.value = place_.value;
    outcome.weights_hash = hash_of(weights_);
    if (outcome.interrupted && !stopped) {
      report_.print("interrupted after {} steps of epoch {}; {}\n", place_.batch, place_.epoch + 1,
                    options_.checkpoint.empty() ? "with --checkpoint FILE it could be resumed"
                                                : "go on with --resume " + options_.checkpoint);
      return outcome;
    }
    outcome.interrupted = false;
    if (!stopped) outcome.failure = model_.failure();
    finish();
    return outcome;
  }

 private:
  /// The seed comes before whatever draws from it.
  Learner& seeded(const TrainOptions& options) {
    manual_seed(options.seed);
    return model_;
  }

  /// Compiles before the clock starts, so that no batch finds its size new; the seconds it took.
  double compile() {
    const auto start = std::chrono::steady_clock::now();
    for (const std::vector<Type>& types : loader_.batch_types()) step_.compile(types);
    const double seconds = seconds_since(start);

    // Everything a run is made of: the module's state and whatever else the step reads and updates,
    // such as moments and the random generator, known once it is traced.
    everything_ = weights_;
    if (step_.traces() > 0)
      for (const VariablePtr& variable : step_.latest().variables())
        if (std::find(weights_.begin(), weights_.end(), variable) == weights_.end())
          everything_.push_back(variable);
    return seconds;
  }

  void announce(double compile_seconds) {
    const int threads = settings().pool().threads();
    const std::int64_t parameters = model_.module().parameter_count();
    report_.print(
        "{}: {} parameter{}; {}; batch {}, lr {}, seed {}, {} thread{}; compiled in {:.0f} ms\n",
        report_.model(), parameters, parameters == 1 ? "" : "s", data_.name, limits_.batch,
        limits_.lr, options_.seed, threads, threads == 1 ? "" : "s", 1e3 * compile_seconds);
    if (options_.verbose) report_.print("{}", phase_text(step_.latest().executable().report()));
    if (weights_.size() == 1 && weights_[0]->type.count() == 1)
      report_.print("{} starts at {:g}\n", weights_[0]->name, value_of(weights_[0]).item());
    else if (options_.init)
      report_.print("every weight starts at {:g}\n", *options_.init);
  }

  /// One step; its loss.
  double batch() {
    const std::span<const Array> samples = loader_.batch(place_.batch);
    const double loss = step_.run(samples).item();
    place_.loss += loss * static_cast<double>(samples[0].dims()[0]);
    if (options_.check_nan) check_finite(loss);
    return loss;
  }

  void check_finite(double loss) const {
    std::string what = std::isfinite(loss) ? "" : "the loss";
    for (const VariablePtr& variable : everything_) {
      const Array& values = value_of(variable);
      for (std::int64_t i = 0; what.empty() && is_float(values.dtype()) && i < values.count(); ++i)
        if (!std::isfinite(values.as_double(i))) what = fmt::format("'{}'", variable->name);
    }
    if (!what.empty())
      throw Error(fmt::format("{}: {} is no longer finite after step {} of epoch {}",
                              report_.model(), what, place_.batch + 1, place_.epoch + 1));
  }

  /// Whether the run is over.
  bool end_epoch(const Metric& metric, double seconds, std::int64_t steps) {
    const double loss = place_.loss / static_cast<double>(loader_.samples());
    place_ = {.epoch = place_.epoch + 1, .value = place_.value};
    if (!std::isfinite(loss))
      throw Error(
          fmt::format("{}: the loss is no longer a number in epoch {}; a smaller --lr than {} "
                      "may help",
                      report_.model(), place_.epoch, limits_.lr));
    place_.value = validation_ ? validation_->run() : loss;
    const Learner::Epoch epoch{.number = place_.epoch,
                               .epochs = limits_.epochs,
                               .loss = loss,
                               .value = place_.value,
                               .seconds = seconds,
                               .steps_per_second = static_cast<double>(steps) / seconds};
    report_.print("{}\n", model_.line(epoch));
    append_json(options_.json, {{"epoch", epoch.number},
                                {"steps", loader_.batches() * epoch.number},
                                {"loss", loss},
                                {"metric", metric.name},
                                {"value", place_.value},
                                {"seconds", seconds}});
    for (Series* series : {&losses_, &values_}) series->xs.push_back(epoch.number);
    losses_.ys.push_back(loss);
    values_.ys.push_back(place_.value);
    return reached_stop(metric);
  }

  bool reached_stop(const Metric& metric) const {
    return limits_.stop && metric.reached(place_.value, *limits_.stop);
  }

  void finish() {
    if (!losses_.xs.empty()) draw_curve();
    model_.module().eval();
    model_.show(data_, options_, report_);
    model_.module().train();
  }

  void draw_curve() {
    const Metric metric = model_.metric();
    LinePlot plot{
        .title = report_.model() + ": learning curve", .x_label = "epoch", .y_label = "loss"};
    if (metric.of_training) plot.y_label = metric.name;
    losses_.name = "training " + plot.y_label;
    plot.series = {losses_};
    // Drawn as it is, a curve over many powers of ten is flat.
    const auto [low, high] = std::ranges::minmax(losses_.ys);
    plot.log_y = low > 0 && high > 1000 * low;
    if (!metric.of_training) {
      values_.name = "validation " + metric.name;
      values_.on_right = !metric.is_loss;
      if (values_.on_right)
        plot.right_label = values_.name;
      else
        plot.y_label = metric.name;
      plot.series.push_back(values_);
      // An error's small changes look small.
      if (const double most = *std::ranges::max_element(values_.ys);
          values_.on_right && metric.lower_is_better && most > 0)
        plot.right_range = {0, 1.1 * most};
    }
    report_.line_plot("loss", plot);
  }

  Learner& model_;
  const TrainOptions& options_;
  Report& report_;
  Limits limits_;
  Dataset data_;
  std::unique_ptr<Optimizer> optimizer_;
  Jit<Tensor> step_;
  DataLoader loader_;
  std::vector<VariablePtr> weights_, everything_;
  std::optional<Validation> validation_;
  Place place_;
  Series losses_{.style = Series::Style::line_points}, values_{.style = Series::Style::line_points};
};

void finish(const TrainOptions& options, Report& report, const Outcome& outcome) {
  report.print("{} {:.6g} (a full run reaches {:.6g})", outcome.metric.name, outcome.value,
               outcome.required);
  if (outcome.epochs > 0)
    report.print(" after {} epoch{}, {} of training; weights {:016x}", outcome.epochs,
                 outcome.epochs == 1 ? "" : "s", time_text(outcome.seconds), outcome.weights_hash);
  report.print("\n");
  append_json(options.json, {{"final", true},
                             {"metric", outcome.metric.name},
                             {"value", outcome.value},
                             {"required", outcome.required},
                             {"seconds", outcome.seconds},
                             {"weights_hash", fmt::format("{:016x}", outcome.weights_hash)}});
}

}  // namespace

Outcome Learner::run(const TrainOptions& options, Report& report) {
  return Training(*this, options, report).run();
}

Outcome Learner::evaluate(const TrainOptions& options, Report& report) {
  manual_seed(options.seed);
  const Dataset data = load(options);
  load_checkpoint(options.resume, module().state());
  Outcome outcome{.metric = metric(), .required = data.required};
  outcome.value = Validation(*this, data.validation).run();
  module().eval();
  show(data, options, report);
  return outcome;
}

Outcome train(const std::string& name, Model& model, const TrainOptions& options) {
  check(options);
  Report report(name, options.quiet, options.plot, options.plot_format);
  const Outcome outcome = model.run(options, report);
  if (!outcome.interrupted) finish(options, report, outcome);
  return outcome;
}

Outcome train(const ModelEntry& entry, const TrainOptions& options) {
  return train(entry.name, *entry.make(), options);
}

bool train_all() {
  fmt::print("{:<20} {:<34} {:<10} {:>10} {:>10} {:>9}\n", "model", "data", "metric", "reached",
             "required", "seconds");
  bool all = true;
  for (const ModelEntry& entry : registered_models())
    for (const std::string& data : entry.make()->data_sets()) {
      TrainOptions options;
      options.data = data;
      options.quiet = true;
      const Outcome outcome = train(entry, options);
      if (outcome.interrupted) return false;
      fmt::print("{:<20} {:<34} {:<10} {:>10.4g} {:>10.4g} {:>9.3f}{}\n", entry.name,
                 data.empty() ? "its own" : data, outcome.metric.name, outcome.value,
                 outcome.required, outcome.seconds, outcome.reached() ? "" : "  short");
      std::fflush(stdout);
      all = all && outcome.reached();
    }
  return all;
}

}  // namespace kiln
