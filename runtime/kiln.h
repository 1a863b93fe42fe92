// All a program that defines and runs models needs: #include "runtime/kiln.h".
#pragma once

#include "frontend/attention.h"
#include "frontend/functions.h"
#include "frontend/gradient.h"
#include "frontend/layers.h"
#include "frontend/module.h"
#include "frontend/optim.h"
#include "frontend/random.h"
#include "frontend/recurrent.h"
#include "frontend/scan.h"
#include "runtime/jit.h"
#include "runtime/settings.h"
