#include "ir/program.h"  // moved; forwarding until all includes follow
