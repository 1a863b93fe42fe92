// All functions on tensors.
#pragma once

#include "frontend/activation.h"
#include "frontend/creation.h"
#include "frontend/elementwise.h"
#include "frontend/linear_algebra.h"
#include "frontend/losses.h"
#include "frontend/normalization.h"
#include "frontend/order.h"
#include "frontend/reduction.h"
#include "frontend/select.h"
#include "frontend/shape.h"
#include "frontend/tensor.h"
#include "frontend/windows.h"
