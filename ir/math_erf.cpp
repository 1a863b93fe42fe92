// erfc and the inverse of erf. f32 is computed in f64.
#include "ir/math.h"
#include "ir/math_parts.h"

namespace kiln::math {
namespace {

using loop::Val;

// erfc(a) e^(a²) (1 + 2a) over (a - 3) / (a + 3): nearly flat, so the rounding of the argument is
// lost on it. For a in [½, 10.5], relative error 2^-36.8; [½, 28], 2^-57.4.
constexpr double kScaled32[] = {
    0x1.40c522d7ef166p+0,  -0x1.15c084bbf2bc5p-3,  -0x1.85a15d70a0448p-5,  0x1.098366a567822p-3,
    -0x1.e88b6d2dec24bp-4, 0x1.17ca2f75b7bb8p-4,   -0x1.857897a2daf2ap-6,  0x1.4b750c48d0251p-9,
    0x1.f082deb5a3755p-10, -0x1.9677881d7bd19p-11, -0x1.f616fc03491bap-14, 0x1.cba19f0c9637dp-14,
    0x1.49f6e76c18a61p-16};
constexpr double kScaled64[] = {
    0x1.40c522d7e4987p+0,  -0x1.15c084bb9e8f8p-3,  -0x1.85a15c58aa5bcp-5,  0x1.098366a5b49a5p-3,
    -0x1.e88b803a49709p-4, 0x1.17ca2877e25b3p-4,   -0x1.8574c40ba6a70p-6,  0x1.4b884e6674be3p-9,
    0x1.ef1bdd1571101p-10, -0x1.98db569ae9f33p-11, -0x1.b912511ace570p-14, 0x1.065ac05cf2849p-13,
    0x1.4c15c8ccdacffp-18, -0x1.514bf9e11f612p-16, -0x1.8656688349170p-21, 0x1.d34dda94a5cdcp-19,
    0x1.7240e039a3bd2p-22, -0x1.522e923875db7p-21, -0x1.05551b9c7b495p-23, 0x1.e01239a37bc3ap-24,
    0x1.89d482c35f998p-26, -0x1.08c0541a34a1dp-26};
constexpr double kScaledLow = 0x1.95ffce435d4d8p-55;  // of the first of these

/// erfc(a) for a >= ½, in f64.
Val upper(Val given, bool single) {
  const Val a = at_most(at_least(given, 0.5), single ? 10.5 : 28);  // beyond it rounds to 0
  const Val t = (a - 3.0) / (a + 3.0);
  if (single) return exp(-(a * a)) * horner(t, kScaled32) / fma(a, a.like(2), a.like(1));
  const Pair square = two_product(a, a);
  const auto [power, exponent] = exp_parts(-square.high, -square.low);
  const Pair scaled = power * Pair{horner(t, kScaled64, kScaledLow), a.like(0)};
  return scale(quotient(scaled, fast_two_sum(a * 2.0, a.like(1))), exponent);
}

// erf_inv(x) / x with w = -log(1 - x²): over w - 3 for w <= 6 (x² <= 0.9975), relative error
// 2^-39.1; 2^-57.0.
constexpr double kCentral32[] = {
    0x1.9fa072ed7012fp+0,   0x1.eedbebdce1907p-3,   -0x1.780deef581b90p-8,  -0x1.b6666ac46afc1p-11,
    0x1.9912b47db1af9p-13,  -0x1.aab16c24502b3p-17, -0x1.d5345d1000607p-20, 0x1.e33042c790c64p-22,
    -0x1.97985e6470e3bp-26, -0x1.784444b64c8d6p-28, 0x1.33ed458f5f8bcp-30,  -0x1.037bd7d47a254p-35,
    -0x1.4a0b1a0781d47p-36, 0x1.5933b7e829759p-39,  0x1.2c9e13811147dp-43,  -0x1.508ed5621b21cp-45};
constexpr double kCentral64[] = {
    0x1.9fa072ed72dbbp+0,   0x1.eedbebdce73e6p-3,   -0x1.780def1d3f3ffp-8,  -0x1.b6666b152b661p-11,
    0x1.9912c04a501f2p-13,  -0x1.aab13d1c2749ep-17, -0x1.d539ca175ac91p-20, 0x1.e32b0d49a4fdfp-22,
    -0x1.96f81eb1e4c7fp-26, -0x1.77b3a13c70ca6p-28, 0x1.31556b71e4d10p-30,  -0x1.146c0ceeb112fp-35,
    -0x1.30d8ccf28c4eap-36, 0x1.7bd8787070135p-39,  0x1.be17c2f60be00p-48,  -0x1.dcbfa03933bc4p-45,
    0x1.c8c5f47132742p-48,  0x1.3bf80cf783e3dp-52,  -0x1.76cf01ba6594bp-53, 0x1.dafb4fe02a26cp-57,
    0x1.2d37ac45dfdd5p-59,  -0x1.ce564b0e47e8ep-62, -0x1.81ab51d514e6cp-67, 0x1.47a851c2cf954p-68};
constexpr double kCentralLow = 0x1.c9b80c7bda8a2p-54;
// Over √w - 3.25 for w in [6, 16.8], 2^-38.5; [6, 16], 2^-59.1.
constexpr double kMiddle32[] = {
    0x1.8abcc380d9830p+1,  0x1.0158a6d67dac1p+0,   0x1.5ffcfa07117f1p-8,   -0x1.ebadc2c374fd9p-9,
    0x1.468fb97958c53p-9,  -0x1.ba8fbb7b45336p-10, 0x1.f3af8ef824250p-11,  -0x1.74857f917be72p-12,
    0x1.a2dd1d39837efp-16, 0x1.213de338d1a84p-14,  -0x1.9f07ac1d02990p-15, 0x1.80d17290c81eap-17,
    0x1.742a1b958d6dbp-18, -0x1.c53c62f42fadep-19};
constexpr double kMiddle64[] = {
    0x1.8abcc380d5a48p+1,   0x1.0158a6d641d55p+0,   0x1.5ffcfe5b6c8a8p-8,   -0x1.ebadabba02d3ap-9,
    0x1.468eeca965bbap-9,   -0x1.ba9240d87415fp-10, 0x1.f3cc54520d940p-11,  -0x1.7448bcc8ea9c3p-12,
    0x1.932ea04f6574fp-16,  0x1.1e6abbd7abd32p-14,  -0x1.8cf4995a5979fp-15, 0x1.a241cae74d5c2p-17,
    0x1.89a81fbc0f615p-19,  -0x1.0b7a06e800eadp-18, 0x1.8d73d26de5c6dp-20,  -0x1.da3643f95d390p-26,
    -0x1.060a126b3b84ep-22, 0x1.1a8c29c916ac7p-23,  -0x1.7c09be1fa7c4cp-26, -0x1.06d5469a1aff1p-26,
    0x1.1682a99f317bep-27};
constexpr double kMiddleLow = -0x1.84abafc66e3edp-54;
// Over √w - 5 for w in [16, 36.8], 2^-60.2.
constexpr double kTail64[] = {
    0x1.3664ddd1ad7fbp+2,  0x1.02a30d1fba10bp+0,   -0x1.22ea5df1ccc06p-13, -0x1.c2f36aa16709ep-13,
    0x1.3ebf4efb4f0a2p-14, -0x1.4a34903d5d79bp-16, 0x1.2fbcfd6093ac9p-18,  -0x1.0a903723ac5c1p-20,
    0x1.ebe33869a6943p-23, -0x1.2237655122e0dp-24, 0x1.f286c223baed9p-26,  -0x1.056f0d48fdae4p-26,
    0x1.0cc7cea173ee7p-27, -0x1.e4eb64e4fbe1bp-29, 0x1.69697be6a2a37p-30,  -0x1.a8a2f61ca32f2p-32,
    0x1.34e93247027a5p-34, 0x1.331df2dd669ecp-36,  -0x1.6974ed341596ep-36, 0x1.755f7b184dcdfp-38};
constexpr double kTailLow = -0x1.6fc7ecbf2641ap-54;

}  // namespace

Val erfc(Val given) {
  const Val x = given.convert(DType::f64);
  // 1 - x is a pair, so of what is subtracted from it only the last rounding counts.
  const Pair one_minus = fast_two_sum(x.like(1), -x);
  const Val near = one_minus.high + fma(-x, horner(x * x, kErfSmall64), one_minus.low);
  const Val far = upper(abs(x), is_single(given));
  const Val outside = select(x < x.like(0), x.like(2) - far, far);
  const Val result = select(abs(x) < x.like(0.5), near, outside);
  return select(x != x, x, result).convert(given.type().dtype);
}

Val erf_inv(Val given) {
  const bool single = is_single(given);
  const Val x = given.convert(DType::f64);
  const Val w = -log(fma(-x, x, x.like(1)));
  const Val root = w.op(loop::Opcode::sqrt);
  Val ratio = x;
  if (single) {
    ratio = select(w < w.like(6), horner(w - 3.0, kCentral32), horner(root - 3.25, kMiddle32));
  } else {
    const Val outside = select(w < w.like(16), horner(root - 3.25, kMiddle64, kMiddleLow),
                               horner(root - 5.0, kTail64, kTailLow));
    ratio = select(w < w.like(6), horner(w - 3.0, kCentral64, kCentralLow), outside);
  }
  // At ±1 it is infinite; beyond, the logarithm has made it NaN.
  const Val end = with_sign_of(x, x.like(kInfinity));
  const Val result = select(abs(x) == x.like(1), end, x * ratio);
  return select(x != x, x, result).convert(given.type().dtype);
}

}  // namespace kiln::math
