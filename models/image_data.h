// Labelled images in the four files of MNIST's format.
#pragma once

#include <string>

#include "models/model.h"

namespace kiln {

/// Reads train-images, train-labels, t10k-images and t10k-labels (…-idx3-ubyte, …-idx1-ubyte, plain
/// or .gz) from a folder: ui8 images [n, height, width] and i32 labels [n] below `classes`. Throws
/// Error, naming the file, for a missing folder or file, another format or size, labels that do not
/// match.
Dataset load_images(const std::string& folder, std::int64_t height, std::int64_t width,
                    std::int64_t classes);

/// The data sets, and Fashion-MNIST where Debian's package of it is installed.
std::vector<std::string> with_installed_images(std::vector<std::string> data_sets);

}  // namespace kiln
