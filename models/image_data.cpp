#include "models/image_data.h"

#include <filesystem>

#include "runtime/idx.h"

namespace kiln {
namespace {

std::string find_file(const std::string& folder, const std::string& stem) {
  for (const char* suffix : {"", ".gz"}) {
    const std::string path = folder + "/" + stem + suffix;
    if (std::filesystem::is_regular_file(path)) return path;
  }
  throw Error(fmt::format("{}: expected the file {} or {}.gz, found neither", folder, stem, stem));
}

std::vector<Array> load_pair(const std::string& folder, const std::string& part,
                             std::int64_t height, std::int64_t width, std::int64_t classes) {
  const std::string images_path = find_file(folder, part + "-images-idx3-ubyte");
  const std::string labels_path = find_file(folder, part + "-labels-idx1-ubyte");
  const Array images = read_idx(images_path), labels = read_idx(labels_path);
  const auto wrong = [](const std::string& path, const std::string& expected, const Type& found) {
    return Error(fmt::format("{}: expected {}, found {}", path, expected, found.pretty()));
  };
  const Type& type = images.type();
  if (type.dtype != DType::ui8 || type.rank() != 3 || type.dims[1] != height ||
      type.dims[2] != width || type.dims[0] == 0)
    throw wrong(images_path, fmt::format("images ui8[n, {}, {}]", height, width), type);
  if (labels.dtype() != DType::ui8 || labels.type().rank() != 1)
    throw wrong(labels_path, "labels ui8[n]", labels.type());
  if (labels.dims()[0] != type.dims[0])
    throw Error(fmt::format("{}: expected a label for each of {} images in {}, found {} labels",
                            labels_path, type.dims[0], images_path, labels.dims()[0]));
  for (const std::uint8_t label : labels.data<std::uint8_t>())
    if (label >= classes)
      throw Error(
          fmt::format("{}: expected labels below {}, found {}", labels_path, classes, label));
  return {images, labels.converted(DType::i32)};
}

}  // namespace

Dataset load_images(const std::string& folder, std::int64_t height, std::int64_t width,
                    std::int64_t classes) {
  if (!std::filesystem::is_directory(folder))
    throw Error(
        fmt::format("{}: expected a folder with four IDX files, found no such folder", folder));
  Dataset data;
  data.train = {load_pair(folder, "train", height, width, classes)};
  data.validation = {load_pair(folder, "t10k", height, width, classes)};
  data.name = fmt::format("{}, {} + {} images", folder, data.train[0][0].dims()[0],
                          data.validation[0][0].dims()[0]);
  return data;
}

std::vector<std::string> with_installed_images(std::vector<std::string> data_sets) {
  const char* const fashion = "/usr/share/datasets/fashion-mnist";
  if (std::filesystem::is_directory(fashion)) data_sets.emplace_back(fashion);
  return data_sets;
}

}  // namespace kiln
