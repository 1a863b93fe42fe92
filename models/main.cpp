#include "models/model.h"

int main(int argc, char** argv) { return kiln::command(argc, argv, KILN_VERSION); }
