// log|Γ| and its derivative. f32 is computed in f64, where its results near
// the zeros of negative arguments keep all their digits.
#include <vector>

#include "ir/math.h"
#include "ir/math_parts.h"

namespace kiln::math {
namespace {

using loop::Opcode;
using loop::Reg;
using loop::Val;

// log Γ(1 + u) / u and log Γ(2 + u) / u on |u| <= ½: the zeros at 1 and 2 are exact. Relative
// errors 2^-57.7, 2^-58.5.
constexpr double kAtOne[] = {
    -0x1.2788cfc6fb619p-1, 0x1.a51a6625307d2p-1,  -0x1.9a4d55beab2d5p-2, 0x1.151322ac7dbbep-2,
    -0x1.a8b9c17aa6802p-3, 0x1.5b40cb0fc4855p-3,  -0x1.2703a1dca49d9p-3, 0x1.010b36c523ee9p-3,
    -0x1.c806709756037p-4, 0x1.9a01dc292eeadp-4,  -0x1.748c2beab2e4ep-4, 0x1.556b9f1bd3bb4p-4,
    -0x1.3b1e5a452e47bp-4, 0x1.24889fbacf506p-4,  -0x1.11055d77fc82dp-4, 0x1.00b36c1e271b0p-4,
    -0x1.e33d673e31343p-5, 0x1.bad978c589529p-5,  -0x1.a33fa4f66c316p-5, 0x1.e5b198f977938p-5,
    -0x1.cffe0bbb3c69bp-5, 0x1.5b48e83ba44edp-8,  -0x1.25f238d1a8a12p-8, 0x1.448ab2237ef85p-3,
    -0x1.3a2cb91a67027p-3, -0x1.62854cae55f9cp-3, 0x1.58c19148a1b3fp-3,  0x1.db8d14b984b43p-3,
    -0x1.cd15fe061bea4p-3};
constexpr double kAtTwo[] = {
    0x1.b0ee6072093cep-2,   0x1.4a34cc4a60fa7p-2,  -0x1.13e001a557607p-4,  0x1.51322ac7d7fd2p-6,
    -0x1.e404fc218ecffp-8,  0x1.7add6eae5b8fdp-9,  -0x1.38ac5c2c96006p-10, 0x1.0b36af3424c50p-11,
    -0x1.d3fd4bda4f970p-13, 0x1.a127dd231f4b2p-14, -0x1.78de85fa0c13ap-15, 0x1.5806d7786fbc2p-16,
    -0x1.3cb5f201728fdp-17, 0x1.2640a5e8ab73ep-18, -0x1.125408d8165a1p-19, 0x1.edf317afe0c72p-21,
    -0x1.d06b4615af731p-22, 0x1.2b4bb069ee6a9p-22, -0x1.1be56b8243d60p-23};
// Stirling: log Γ(x) = (x - ½) (log x - 1) + kStirlingBase + S(1/x²) / x for x >= 8.
constexpr double kStirlingBase = 0x1.acfe390c97d69p-2;
constexpr double kStirling[] = {0x1.5555555555553p-4,  -0x1.6c16c16bb630dp-9,
                                0x1.a019fd3406f01p-11, -0x1.380ebd7243e93p-11,
                                0x1.b6fa4852c5f70p-11, -0x1.b1382377d788ap-10};
// sin(πd) / (πd) over d² on [0, ¼]: 2^-61.4.
constexpr double kSinc[] = {0x1.0000000000000p+0,  -0x1.a51a6625307d3p+0,  0x1.9f9cb402bc3ebp-1,
                            -0x1.86a8e472088a4p-3, 0x1.ac6805cbe14f0p-6,   -0x1.3381697088111p-9,
                            0x1.37469730d3391p-13, -0x1.d3e3c296a65cfp-18, 0x1.07192db714f81p-22};

// ψ(x) / (x - x0), x0 its positive zero, over x - 1.625 for x in [1, 2.25]: 2^-57.9.
constexpr double kZero[] = {0x1.762d86356be3fp+0, 0x1.b86a722197829p-54};
constexpr double kPsi[] = {
    0x1.cd9d88c399e19p-1,  -0x1.7aa649cce5856p-2,  0x1.8ab0d9438dfacp-3,  -0x1.bf4556b33bd2fp-4,
    0x1.0738222bc672bp-4,  -0x1.3bdd9fa2ad6c5p-5,  0x1.7f10ac38cfc9ep-6,  -0x1.d35ab38a09027p-7,
    0x1.1e17d3b9cb0abp-7,  -0x1.5efe395101419p-8,  0x1.af26ee9a83cefp-9,  -0x1.0902f1f417704p-9,
    0x1.45edf49cf5f4ep-10, -0x1.90ddab48eca7ep-11, 0x1.ed3c881030509p-12, -0x1.30900d0c808c5p-12,
    0x1.76ce8ec2c5bfbp-13, -0x1.bcf02b4f97d91p-14, 0x1.11cbf20be6476p-14, -0x1.a3209529c4628p-15,
    0x1.01ebcfc85d32cp-15, -0x1.a85002c1c4615p-19, 0x1.051bb7e7e0c6fp-19, -0x1.0a3792b4873d9p-16,
    0x1.47a6c1aeafa7bp-17};
// ψ(x) = log x - 1/(2x) - D(1/x²) / x² for x >= 8.
constexpr double kPsiTail[] = {0x1.5555555555555p-4,  -0x1.11111111095e6p-7, 0x1.041040c62923cp-8,
                               -0x1.1110b33fc17d6p-8, 0x1.f037df4b69ba2p-8,  -0x1.531da6b6dedbfp-6,
                               0x1.0497fbf0fa8abp-4};
// (1 - πd cot(πd)) / d² over d² on [0, ¼]: 2^-60.4.
constexpr double kCotangent[] = {
    0x1.a51a6625307d3p+1,  0x1.151322ac7d851p+1, 0x1.0470984c08617p+1,  0x1.010b36afec0e5p+1,
    0x1.00412e17c3739p+1,  0x1.001025408002cp+1, 0x1.0003843258264p+1,  0x1.000a799f06c14p+1,
    0x1.ff003eac2d7eap+0,  0x1.04e5580dc28fap+1, 0x1.ba44fc1ce8e5fp+0,  0x1.b3f276dcbfa7bp+1,
    -0x1.949f8fbd12944p+1, 0x1.de30f00078924p+3, -0x1.26457ffd5a6e4p+4, 0x1.26457ffdfaa47p+4};

/// `otherwise`, in lanes below 0 what reflect() gives: it runs only where there is such a lane.
template <class F>
Val reflected_below_zero(Val x, Val otherwise, F&& reflect) {
  const Val negative = x < x.like(0);
  loop::Builder& builder = x.builder();
  const std::vector<Reg> merged =
      builder.when(negative.op(Opcode::reduce_or).reg(), {otherwise.reg()},
                   [&] { return std::vector<Reg>{select(negative, reflect(), otherwise).reg()}; });
  return {builder, merged[0]};
}

/// How far x lies from the nearest integer.
Val off_integer(Val x) { return x - x.op(Opcode::round_even); }

}  // namespace

Val lgamma(Val given) {
  const Val x = given.convert(DType::f64);
  const Val a = abs(x), one = x.like(1);
  const Val tiny = a < a.like(0.5), first = a < a.like(1.5), small = a < a.like(8);

  // Γ(a) = (a - 1) (a - 2) … y Γ(y), y in [1.5, 2.5): the differences are exact.
  Val y = at_most(a, 8), product = one;
  for (int i = 0; i < 6; ++i) {
    const Val more = y >= y.like(2.5), below = y - 1.0;
    product = select(more, product * below, product);
    y = select(more, below, y);
  }
  const Val u = select(tiny, a, select(first, a - 1.0, y - 2.0));
  const Val near = u * select(first, horner(u, kAtOne), horner(u, kAtTwo));
  const Val logarithm = log(select(tiny | ~small, a, product));
  const Val inverse = one / a;
  const Val tail = fma(inverse, horner(inverse * inverse, kStirling), x.like(kStirlingBase));
  const Val far = fma(a - 0.5, logarithm - 1.0, tail);
  const Val whole = select(small, near + select(tiny, -logarithm, logarithm), far);

  // |Γ(-a)| = 1 / (a sinc(a) Γ(1 + a)) and Γ(1 + a) = a Γ(a).
  const Val result = reflected_below_zero(x, whole, [&] {
    const Val d = off_integer(a), infinity = x.like(kInfinity);
    const Val sine = abs(d) * horner(d * d, kSinc);
    const Val reflected = -log(select(tiny, sine, sine * a)) - select(tiny, near, whole);
    return select((d == x.like(0)) | (a == infinity), infinity, reflected);
  });
  return select(x != x, x, result).convert(given.type().dtype);
}

Val digamma(Val given) {
  const Val x = given.convert(DType::f64);
  const Val a = abs(x), one = x.like(1), zero = x.like(0);
  const Val below_one = a < one, negative = x < zero;

  // ψ(a) = ψ(y) + numerator / denominator with y in [1, 2.25]: ψ(y + 1) = ψ(y) + 1 / y.
  Val y = at_most(a, 8), numerator = zero, denominator = one;
  for (int i = 0; i < 6; ++i) {
    const Val more = y >= y.like(2.25), below = y - 1.0;
    numerator = select(more, fma(numerator, below, denominator), numerator);
    denominator = select(more, denominator * below, denominator);
    y = select(more, below, y);
  }
  // Of a negative argument what is wanted here is ψ(1 + a).
  numerator = select(below_one, select(negative, zero, -one),
                     select(negative, fma(numerator, a, denominator), numerator));
  denominator =
      select(below_one, select(negative, one, a), select(negative, denominator * a, denominator));
  y = select(below_one, a + 1.0, y);
  const Val from_zero = (y - kZero[0]) - kZero[1];
  const Val near = fma(from_zero, horner(y - 1.625, kPsi), numerator / denominator);
  const Val inverse = one / a;
  const Val square = inverse * inverse;
  const Val half = select(negative, x.like(0.5), x.like(-0.5));
  const Val tail = fma(inverse, half, -(square * horner(square, kPsiTail)));
  const Val whole = select(a < a.like(8), near, log(a) + tail);

  // ψ(-a) = ψ(1 + a) + π cot(πa).
  Val result = reflected_below_zero(x, whole, [&] {
    const Val d = off_integer(a);
    const Val cotangent = one / d - d * horner(d * d, kCotangent);
    return select(d == zero, x.like(kNan), whole + cotangent);
  });
  result = select(x == zero, x.like(kNan), result);
  return select(x != x, x, result).convert(given.type().dtype);
}

}  // namespace kiln::math
