#include "models/draw_digits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

#include "models/digit_glyphs.h"
#include "runtime/random.h"

namespace kiln {
namespace {

constexpr int kSide = 28;
constexpr std::uint64_t kStream = 0x6469'6769'7473'0000;  // "digits": no other user's stream

const Glyph& choose(std::span<const Glyph> glyphs, Random& random) {
  float total = 0;
  for (const Glyph& glyph : glyphs) total += glyph.weight;
  float draw = random.uniform() * total;
  for (const Glyph& glyph : glyphs) {
    draw -= glyph.weight;
    if (draw < 0) return glyph;
  }
  return glyphs.back();
}

// ---- The hand: how far a written digit is from its glyph

// Tuned together, see the header. Lengths are in heights of the box where not in pixels. What moves
// the whole digit is bounded (a linear classifier suffers from its spread, not from its tails).
constexpr float kJitter = 0.018f;   // standard deviation of each control point
constexpr float kWobble = 0.025f;   // standard deviation of the bend's amplitude
constexpr float kSlant = 0.36f;     // at most, of shear
constexpr float kRotation = 0.18f;  // at most, in radians
constexpr float kShift = 2.4f;      // at most, in pixels
constexpr float kHeight = 19.5f;    // in the (geometric) middle, in pixels
constexpr float kScale = 0.22f;     // at most, of the logarithm of the height
constexpr float kAspect = 0.3f;     // at most, of the logarithm of width by height
constexpr float kStray = 0.15f;     // probability of a stray mark
constexpr float kGap = 0.1f;        // probability of a gap

/// From the box to pixels: a bend, then an affine map.
class Hand {
 public:
  explicit Hand(Random& random) {
    for (Wave& wave : waves_) {
      const float angle = random.uniform(0, 2 * std::numbers::pi_v<float>);
      const float frequency = random.uniform(2.0f, 7.0f);  // radians across the box
      wave = {kWobble * random.normal(), kWobble * random.normal(), frequency * std::cos(angle),
              frequency * std::sin(angle), random.uniform(0, 2 * std::numbers::pi_v<float>)};
    }
    const float height = kHeight * std::exp(random.uniform(-kScale, kScale));
    const float width = height * std::exp(random.uniform(-kAspect, kAspect));
    const float slant = 0.1f + random.uniform(-kSlant, kSlant);  // most hands lean to the right
    const float turn = random.uniform(-kRotation, kRotation);
    const float c = std::cos(turn), s = std::sin(turn);
    // x' = width x - slant height y, then the rotation.
    xx_ = c * width;
    xy_ = -c * slant * height - s * height;
    yx_ = s * width;
    yy_ = -s * slant * height + c * height;
    x0_ = kSide / 2.0f + random.uniform(-kShift, kShift);
    y0_ = kSide / 2.0f + random.uniform(-kShift, kShift);
  }

  PenPoint operator()(PenPoint p) const {
    PenPoint bent = p;
    for (const Wave& wave : waves_) {
      const float phase = std::sin(wave.kx * p.x + wave.ky * p.y + wave.phase);
      bent.x += wave.dx * phase;
      bent.y += wave.dy * phase;
    }
    bent.x -= 0.5f;
    bent.y -= 0.5f;
    return {x0_ + xx_ * bent.x + xy_ * bent.y, y0_ + yx_ * bent.x + yy_ * bent.y, p.corner};
  }

 private:
  struct Wave {
    float dx, dy, kx, ky, phase;
  };
  std::array<Wave, 2> waves_{};
  float xx_, xy_, yx_, yy_, x0_, y0_;
};

// ---- The pen

/// Ink from 0 to 1 for each pixel, drawn anti-aliased by the distance to the pen's path.
class Canvas {
 public:
  /// A straight bit of a stroke whose radius and ink go from one value to another.
  struct Dab {
    PenPoint at;
    float radius, ink;
  };

  explicit Canvas(float softness) : softness_(softness) {}

  void draw(Dab a, Dab b) {
    visit(a, b, [](float& pixel, float ink) { pixel = std::max(pixel, ink); });
  }
  void erase(Dab a, Dab b) {
    visit(a, b, [](float& pixel, float ink) { pixel *= 1 - ink; });
  }
  std::span<const float> pixels() const { return pixels_; }

 private:
  template <class Blend>
  void visit(const Dab& a, const Dab& b, Blend blend) {
    const float reach = std::max(a.radius, b.radius) + softness_ / 2;
    const auto first = [&](float p, float q) {
      return static_cast<int>(std::clamp(std::floor(std::min(p, q) - reach), 0.0f, 1.0f * kSide));
    };
    const auto last = [&](float p, float q) {
      return static_cast<int>(std::clamp(std::ceil(std::max(p, q) + reach), 0.0f, 1.0f * kSide));
    };
    const float dx = b.at.x - a.at.x, dy = b.at.y - a.at.y;
    const float length2 = std::max(dx * dx + dy * dy, 1e-12f);
    for (int row = first(a.at.y, b.at.y); row < last(a.at.y, b.at.y); ++row)
      for (int column = first(a.at.x, b.at.x); column < last(a.at.x, b.at.x); ++column) {
        const float px = column + 0.5f - a.at.x, py = row + 0.5f - a.at.y;
        const float t = std::clamp((px * dx + py * dy) / length2, 0.0f, 1.0f);
        const float ex = px - t * dx, ey = py - t * dy;
        const float inside = a.radius + t * (b.radius - a.radius) - std::sqrt(ex * ex + ey * ey);
        const float cover = std::clamp(inside / softness_ + 0.5f, 0.0f, 1.0f);
        if (cover > 0)
          blend(pixels_[static_cast<std::size_t>(row * kSide + column)],
                cover * (a.ink + t * (b.ink - a.ink)));
      }
  }

  float softness_;  // width in pixels of the edge where ink fades out
  std::array<float, kSide * kSide> pixels_{};
};

/// The point between p1 and p2 of the Catmull-Rom spline through p0 … p3.
PenPoint spline(PenPoint p0, PenPoint p1, PenPoint p2, PenPoint p3, float t) {
  const auto blend = [t](float a, float b, float c, float d) {
    return b + 0.5f * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  };
  return {blend(p0.x, p1.x, p2.x, p3.x), blend(p0.y, p1.y, p2.y, p3.y)};
}

void draw_stroke(Canvas& canvas, std::span<const PenPoint> points, float radius, float ink,
                 Random& random) {
  const float fade = random.uniform(-0.25f, 0.25f);  // the pen is pressed or lifted along the way
  const float spans = static_cast<float>(points.size() - 1);
  const auto dab = [&](PenPoint at, float place) {
    return Canvas::Dab{at, radius * (1 + fade * (place / spans - 0.5f)),
                       std::min(1.0f, ink * (1 + 0.5f * fade * (place / spans - 0.5f)))};
  };
  constexpr int steps = 5;
  Canvas::Dab previous = dab(points[0], 0);
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const PenPoint p1 = points[i], p2 = points[i + 1];
    const PenPoint p0 = i > 0 && !p1.corner ? points[i - 1] : p1;
    const PenPoint p3 = i + 2 < points.size() && !p2.corner ? points[i + 2] : p2;
    for (int step = 1; step <= steps; ++step) {
      const float t = static_cast<float>(step) / steps;
      const Canvas::Dab next = dab(spline(p0, p1, p2, p3, t), static_cast<float>(i) + t);
      canvas.draw(previous, next);
      previous = next;
    }
  }
}

void draw_digit(int digit, Random& random, std::span<std::uint8_t> image) {
  const Glyph& glyph = choose(glyphs_of(digit), random);
  const Hand hand(random);
  const float radius = std::clamp(1.15f * std::exp(0.25f * random.normal()), 0.6f, 2.2f);
  const float ink = random.uniform(0.75f, 1.0f);
  Canvas canvas(random.uniform(0.9f, 1.8f));

  std::vector<PenPoint> points;
  for (const PenStroke& stroke : glyph.strokes) {
    points.clear();
    for (PenPoint p : stroke) {
      p.x += kJitter * random.normal();
      p.y += kJitter * random.normal();
      points.push_back(hand(p));
    }
    draw_stroke(canvas, points, radius, ink, random);
  }

  const auto anywhere = [&] {
    return PenPoint{random.uniform(3, kSide - 3.0f), random.uniform(3, kSide - 3.0f)};
  };
  const auto near = [&](PenPoint p, float reach) {
    return PenPoint{p.x + random.uniform(-reach, reach), p.y + random.uniform(-reach, reach)};
  };
  if (random.chance(kGap)) {
    const PenPoint from = anywhere();
    canvas.erase({from, 0.7f, 0.9f}, {near(from, 10), 0.7f, 0.9f});
  }
  if (random.chance(kStray)) {
    const PenPoint from = anywhere();
    const float strength = random.uniform(0.3f, 0.8f);
    canvas.draw({from, 0.6f, strength}, {near(from, 5), 0.6f, strength});
  }

  // Noise of the paper: the sum of two uniform draws, much like a normal one.
  const float noise = random.uniform(0.0f, 0.10f);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < image.size(); ++i) {
    if (i % 2 == 0) bits = random.bits32();
    const float draw =
        (static_cast<float>(bits & 0xff) + static_cast<float>(bits >> 8 & 0xff)) / 255.0f - 1.0f;
    bits >>= 16;
    const float value = std::clamp(canvas.pixels()[i] + noise * draw, 0.0f, 1.0f);
    image[i] = static_cast<std::uint8_t>(std::lround(255.0f * value));
  }
}

}  // namespace

DigitSet draw_digits(int count, std::uint64_t seed) {
  if (count < 0) throw Error(fmt::format("cannot draw {} digits: expected 0 or more", count));
  DigitSet set{Array(Type{DType::ui8, {count, kSide, kSide}}), Array(Type{DType::i32, {count}})};
  const std::span<std::uint8_t> pixels = set.images.data<std::uint8_t>();
  const std::span<std::int32_t> labels = set.labels.data<std::int32_t>();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    Random random(seed, kStream + i);
    labels[i] = static_cast<std::int32_t>(random.below(10));
    draw_digit(labels[i], random, pixels.subspan(i * kSide * kSide, kSide * kSide));
  }
  return set;
}

}  // namespace kiln
