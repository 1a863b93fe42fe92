// Text as samples for the models that guess a next character, and a figure to beat on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "models/model.h"

namespace kiln {

/// Pieces ui8 [n, block_size + 1] of a text's bytes: each byte but the last is to be followed by
/// the next. The last tenth of the text is held out, in pieces that follow each other; pieces to
/// train on begin every quarter of that, or less often in a long text. `required` is what an
/// add-one bigram model reaches on the same held-out bytes, in nats: -log((n(a, b) + 1) / (n(a) +
/// V)) with counts n of the first nine tenths and V distinct bytes in the text. Without a path, the
/// text kept here. Throws Error for a file that cannot be read, is too short, or is above 64 MiB.
Dataset load_text(const std::string& path, std::int64_t block_size);

/// About a thousand lines of a harbour's day book.
extern const std::string_view kDayBook;

}  // namespace kiln
