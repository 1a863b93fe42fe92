#include "tests/source_folder.h"

namespace kiln {

std::string source_folder() { return KILN_SOURCE_DIR; }

}  // namespace kiln
