// Reading IDX files, the format of MNIST and of the sets made in its image.
//
// Specification: http://yann.lecun.com/exdb/mnist, "THE IDX FILE FORMAT". Two zero bytes, a byte
// for the element type (08 ui8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64), a byte for the number of
// dimensions, each extent as 32 big-endian bits, then the elements, row-major and big-endian.
#pragma once

#include <string>

#include "ir/array.h"

namespace kiln {

/// The tensor in the IDX file at `path`, plain or compressed by gzip (told by its content, not its
/// name), in the host's byte order.
///
/// The header is checked against what the file really holds, uncompressed, and memory is only taken
/// for bytes that are there. Throws one Error naming the file, what was expected and what was found
/// when the file is missing, unreadable, truncated, longer than its header says, no IDX file, or a
/// damaged gzip file. (Like gzip itself, it overlooks what follows the compressed data.)
Array read_idx(const std::string& path);

}  // namespace kiln
