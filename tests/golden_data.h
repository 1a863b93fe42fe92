// The golden data, as tests/golden's README describes them: cases, their tensors, how close a
// result must be.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "runtime/safetensors.h"

namespace kiln::golden {

/// The manifest's cases.
const nlohmann::json& cases();
/// The one of that name; throws std::out_of_range where there is none.
const nlohmann::json& case_named(const std::string& name);
/// The tensors in a case's file, by the manifest's keys. A file is read once, however many cases it
/// has.
const NamedArrays& data_of(const nlohmann::json& one);
/// What is wrong with a result, in words; "" where nothing is: |got - want| <= atol + rtol |want|,
/// NaN for NaN, infinities of one sign. Of a large tensor `want` is a summary, and the same one is
/// taken of `got`.
std::string off(const Array& got, const Array& want, const nlohmann::json& tensor);

}  // namespace kiln::golden
