// Where the tests find the files they read.
#pragma once

#include <string>

namespace kiln {

/// The checkout the tests were built from. Said to one file only, so that a compiler cache serves
/// every checkout.
std::string source_folder();

}  // namespace kiln
