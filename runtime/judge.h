// What StableHLO's check.* custom calls demand of two tensors.
//
// check.expect_eq and check.eq: equal, element by element. check.expect_close: so many units in the
// last place apart, at least and at most. check.expect_almost_eq: apart by no more than a
// tolerance. In all of them NaN equals NaN, and -0 equals 0; what is no float must be equal.
#pragma once

#include <string>

#include "ir/parse.h"

namespace kiln {

/// The first element that the check refuses, in words; empty where there is none.
std::string judge(const Check& check, const Array& got, const Array& expected);

}  // namespace kiln
