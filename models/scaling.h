// `kiln bench --scaling`: how compile time, memory and step time grow with depth, width, batch and
// length of a sequence.
#pragma once

#include <string>

namespace kiln {

/// Prints a table for each, with the exponents at its end; `json`: file for one JSON object a row;
/// `plots`: folder for a picture each, as SVG. Empty: none.
void bench_scaling(const std::string& json, const std::string& plots);

}  // namespace kiln
