// Named tensors in a file: checkpoints, inputs, outputs.
//
// Specification: https://github.com/huggingface/safetensors, "Format". A little-endian 64-bit
// header length, that many bytes of JSON, then the tensors' bytes, row-major and little-endian. The
// header maps each name to {"dtype", "shape", "data_offsets": [begin, end]}, counted from the first
// byte after it, and "__metadata__" to a map of strings.
#pragma once

#include <map>
#include <string>

#include "ir/array.h"

namespace kiln {

using NamedArrays = std::map<std::string, Array>;
using Metadata = std::map<std::string, std::string>;

struct Safetensors {
  NamedArrays tensors;
  Metadata metadata;
};

/// Everything in the file at `path`. Types F64, F32, I64…I8, U64…U8 and BOOL (as i1).
///
/// The file may come from anyone: nothing in it is believed unchecked, and no more memory is taken
/// than the file is long (apart from its header's). Throws one Error naming the file and the tensor
/// when it is missing or truncated; when the header is longer than the file or than 100 MB, or no
/// such JSON, or names something twice; when a type is unknown, a shape impossible, an offset out
/// of the file or at odds with shape and type; when tensors overlap or leave bytes unused; when a
/// BOOL is neither 0 nor 1.
Safetensors load_safetensors(const std::string& path);

/// Writes the file whole or not at all (see AtomicFile). Wider types come first, so that every
/// tensor is aligned to its elements; equal content gives equal bytes. Throws Error when the file
/// cannot be written, or a name is "__metadata__" or not UTF-8.
void save_safetensors(const std::string& path, const NamedArrays& tensors,
                      const Metadata& metadata = {});

}  // namespace kiln
