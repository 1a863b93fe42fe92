#include "models/draw_digits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>

#include "runtime/random.h"

namespace kiln {
namespace {

constexpr int kSide = 28;
constexpr std::uint64_t kStream = 0x6469'6769'7473'0000;  // "digits": no other user's stream

// ---- How digits are written
//
// Pen movements through points of a box 100 wide and 100 high, x to the right, y down. Strokes are
// separated by '|'; the pen goes through a stroke's points smoothly, except at those with a '!',
// which are corners.

struct Glyph {
  int digit;
  float weight;  // how often it is taken, relative to the digit's other glyphs
  std::string_view strokes;
};

constexpr std::array kGlyphs = std::to_array<Glyph>({
    // An oval, closed or with an overshooting end; drawn from the right; a narrow one.
    {0, 3, "50,0 27,14 20,48 30,86 50,100 72,86 80,50 72,13 50,0"},
    {0, 2, "62,6 40,2 22,28 20,64 36,96 60,96 78,68 78,30 62,4 44,10"},
    {0, 1, "70,14 52,1 34,20 27,58 36,92 54,99 68,76 74,40 68,10 60,2"},
    // A bare stroke; with a flag; with a flag and a foot.
    {1, 3, "50,0 50,50 50,100"},
    {1, 3, "30,24 42,14 54,0! 53,50 52,100"},
    {1, 1, "32,20 44,12 53,0! 52,50 52,100 | 30,100 74,99"},
    // An arch and a flat foot; a looped foot; an angular one.
    {2, 3, "24,24 34,5 56,0 74,18 68,42 44,72 20,99! 50,98 82,99"},
    {2, 2, "24,20 40,2 62,4 72,24 60,54 36,88 22,98 18,86 32,82 54,94 84,96"},
    {2, 1, "22,8 50,2 78,6! 56,46 22,98! 52,96 80,98"},
    // Two bowls with a cusp; a flat top; bowls that meet in a small loop.
    {3, 3, "24,14 44,0 68,8 70,30 42,47! 72,56 78,80 54,100 22,90"},
    {3, 2, "24,2! 50,2 76,2! 60,24 46,42! 72,52 78,78 54,100 22,92"},
    {3, 1, "26,8 52,0 70,18 56,42 38,48 42,40 60,50 76,72 58,98 22,92"},
    // Open; closed; open with a round corner.
    {4, 3, "26,2 22,30 20,58! 50,58 84,56 | 66,18 64,60 62,100"},
    {4, 2, "64,100 65,50 66,0! 42,32 16,66! 50,66 88,64"},
    {4, 2, "24,2 22,36 34,54 58,48 72,6! 68,50 64,100"},
    // Bar, back and bowl; in one go, with a round shoulder.
    {5, 3, "32,2 29,24 28,44! 50,37 74,52 74,82 50,100 22,92 | 32,2 54,2 80,0"},
    {5, 2, "78,2 54,3 34,4! 30,24 28,44! 56,38 78,60 70,90 44,100 20,90"},
    {5, 1, "76,8 50,2 32,20 42,42 66,56 72,80 50,100 22,92"},
    // A curved back; a straight one; a large loop.
    {6, 3, "70,4 46,18 28,48 24,78 44,100 68,92 74,70 56,54 34,62 26,78"},
    {6, 2, "56,0 40,34 26,70 40,98 64,96 72,74 54,60 30,76"},
    {6, 1, "74,14 52,2 30,30 22,66 38,98 64,96 78,66 60,44 36,50 26,70"},
    // Plain; with a bar through the stem; with a serif and a curved stem.
    {7, 3, "20,4 50,3 80,2! 60,44 44,100"},
    {7, 2, "20,4 50,3 80,2! 60,44 44,100 | 34,52 54,50 74,49"},
    {7, 2, "20,20 21,5! 50,5 78,4! 58,36 50,66 48,100"},
    // One figure of eight; two rings; one with an open top.
    {8, 3, "68,12 48,0 28,14 34,36 52,48 72,66 70,90 50,100 28,90 28,66 50,48 68,32 70,14"},
    {8, 2, "50,0 30,12 32,36 50,46 70,34 70,12 50,0 | 50,46 26,60 26,90 50,100 76,90 74,60 50,46"},
    {8, 1, "76,8 50,2 32,18 44,40 66,62 66,90 46,100 28,86 36,62 60,40 78,12"},
    // A ring on a straight stem; with a curved tail; drawn in one go.
    {9, 3, "72,24 54,2 30,14 28,40 46,52 66,40 72,20! 70,60 66,100"},
    {9, 2, "72,26 56,2 32,12 26,36 42,50 64,42 72,22! 74,60 60,96 28,92"},
    {9, 1, "66,10 42,2 26,24 36,48 60,42 70,16 70,50 52,100"},
});

struct Point {
  float x = 0, y = 0;
  bool corner = false;
};
using Stroke = std::vector<Point>;

struct ParsedGlyph {
  float weight;
  std::vector<Stroke> strokes;
};

std::vector<Stroke> parse(std::string_view text) {
  std::vector<Stroke> strokes(1);
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    if (*at == '|') strokes.emplace_back();
    if (*at == '|' || *at == ' ') {
      ++at;
      continue;
    }
    int x = 0, y = 0;
    at = std::from_chars(at, end, x).ptr + 1;  // past the comma
    at = std::from_chars(at, end, y).ptr;
    const bool corner = at != end && *at == '!';
    if (corner) ++at;
    strokes.back().push_back({x / 100.0f, y / 100.0f, corner});
  }
  return strokes;
}

std::span<const ParsedGlyph> glyphs_of(int digit) {
  static const auto table = [] {
    std::array<std::vector<ParsedGlyph>, 10> glyphs;
    for (const Glyph& glyph : kGlyphs)
      glyphs[static_cast<std::size_t>(glyph.digit)].push_back({glyph.weight, parse(glyph.strokes)});
    return glyphs;
  }();
  return table[static_cast<std::size_t>(digit)];
}

const ParsedGlyph& choose(std::span<const ParsedGlyph> glyphs, Random& random) {
  float total = 0;
  for (const ParsedGlyph& glyph : glyphs) total += glyph.weight;
  float draw = random.uniform() * total;
  for (const ParsedGlyph& glyph : glyphs)
    if ((draw -= glyph.weight) < 0) return glyph;
  return glyphs.back();
}

// ---- The hand: how far a written digit is from its glyph

// Tuned together, see the header. "sd" is a standard deviation; lengths are in heights of the box.
constexpr float kJitter = 0.028f;        // sd of each control point
constexpr float kWobble = 0.035f;        // sd of the bend's amplitude
constexpr float kSlant = 0.22f;          // sd of the shear
constexpr float kRotation = 0.12f;       // sd, in radians
constexpr float kShift = 1.3f;           // sd, in pixels
constexpr float kHeight = 19.0f;         // mean height, in pixels
constexpr float kScale = 0.10f;          // sd of the logarithm of width and of height
constexpr float kStray = 0.25f;          // probability of a stray mark
constexpr float kGap = 0.15f;            // probability of a gap

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
    const float height = kHeight * std::exp(kScale * random.normal());
    const float width = height * std::exp(1.5f * kScale * random.normal());
    const float slant = kSlant * random.normal() + 0.1f;  // most people lean to the right
    const float turn = kRotation * random.normal();
    const float c = std::cos(turn), s = std::sin(turn);
    // x' = width x - slant height y, then the rotation.
    xx_ = c * width;
    xy_ = -c * slant * height - s * height;
    yx_ = s * width;
    yy_ = -s * slant * height + c * height;
    x0_ = kSide / 2.0f + kShift * random.normal();
    y0_ = kSide / 2.0f + kShift * random.normal();
  }

  Point operator()(Point p) const {
    Point bent = p;
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
    Point at;
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
Point spline(Point p0, Point p1, Point p2, Point p3, float t) {
  const auto blend = [t](float a, float b, float c, float d) {
    return b + 0.5f * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  };
  return {blend(p0.x, p1.x, p2.x, p3.x), blend(p0.y, p1.y, p2.y, p3.y)};
}

void draw_stroke(Canvas& canvas, std::span<const Point> points, float radius, float ink,
                 Random& random) {
  const float fade = random.uniform(-0.25f, 0.25f);  // the pen is pressed or lifted along the way
  const float spans = static_cast<float>(points.size() - 1);
  const auto dab = [&](Point at, float place) {
    return Canvas::Dab{at, radius * (1 + fade * (place / spans - 0.5f)),
                       std::min(1.0f, ink * (1 + 0.5f * fade * (place / spans - 0.5f)))};
  };
  constexpr int steps = 5;
  Canvas::Dab previous = dab(points[0], 0);
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const Point p1 = points[i], p2 = points[i + 1];
    const Point p0 = i > 0 && !p1.corner ? points[i - 1] : p1;
    const Point p3 = i + 2 < points.size() && !p2.corner ? points[i + 2] : p2;
    for (int step = 1; step <= steps; ++step) {
      const float t = static_cast<float>(step) / steps;
      const Canvas::Dab next = dab(spline(p0, p1, p2, p3, t), static_cast<float>(i) + t);
      canvas.draw(previous, next);
      previous = next;
    }
  }
}

void draw_digit(int digit, Random& random, std::span<std::uint8_t> image) {
  const ParsedGlyph& glyph = choose(glyphs_of(digit), random);
  const Hand hand(random);
  const float radius = std::clamp(1.15f * std::exp(0.25f * random.normal()), 0.6f, 2.2f);
  const float ink = random.uniform(0.75f, 1.0f);
  Canvas canvas(random.uniform(0.9f, 1.8f));

  std::vector<Point> points;
  for (const Stroke& stroke : glyph.strokes) {
    points.clear();
    for (Point p : stroke) {
      p.x += kJitter * random.normal();
      p.y += kJitter * random.normal();
      points.push_back(hand(p));
    }
    draw_stroke(canvas, points, radius, ink, random);
  }

  const auto anywhere = [&] {
    return Point{random.uniform(3, kSide - 3.0f), random.uniform(3, kSide - 3.0f)};
  };
  const auto near = [&](Point p, float reach) {
    return Point{p.x + random.uniform(-reach, reach), p.y + random.uniform(-reach, reach)};
  };
  if (random.chance(kGap)) {
    const Point from = anywhere();
    canvas.erase({from, 0.7f, 0.9f}, {near(from, 10), 0.7f, 0.9f});
  }
  if (random.chance(kStray)) {
    const Point from = anywhere();
    const float strength = random.uniform(0.3f, 0.8f);
    canvas.draw({from, 0.6f, strength}, {near(from, 5), 0.6f, strength});
  }

  // Noise of the paper: the sum of two uniform draws, much like a normal one.
  const float noise = random.uniform(0.0f, 0.10f);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < image.size(); ++i) {
    if (i % 2 == 0) bits = random.bits32();
    const float draw = (static_cast<float>(bits & 0xff) + static_cast<float>(bits >> 8 & 0xff)) /
                       255.0f - 1.0f;
    bits >>= 16;
    const float value = std::clamp(canvas.pixels()[i] + noise * draw, 0.0f, 1.0f);
    image[i] = static_cast<std::uint8_t>(255.0f * value + 0.5f);
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
