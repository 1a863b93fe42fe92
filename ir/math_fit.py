"""The polynomials of ir/math*.cpp: `python3 ir/math_fit.py` prints them (needs mpmath; minutes).

Minimax: Lawson's iteration, then Remez exchange, in 80 digits. Coefficients are rounded one by one, lowest
power first, and the rest is fitted again after each, so that rounding costs next to nothing.
Of more than a dozen terms: through the Chebyshev points, within a digit or two of minimax.
"""
from mpmath import (atan, cos, cot, erf, erfc, exp, expm1, findroot, log, log1p, loggamma, lu_solve, matrix, mp,
                    mpf, pi, polyval, psi, sin, sqrt)

mp.dps = 80


def extrema_of(errors):
    """One (error, index) for each run of equal signs."""
    found = []
    for i, error in enumerate(errors):
        if found and (error > 0) == (found[-1][0] > 0):
            if abs(error) > abs(found[-1][0]):
                found[-1] = (error, i)
        else:
            found.append((error, i))
    return found


def fit(f, weight, powers, low, high, points=300):
    """Coefficients c with max |weight(x) (f(x) - sum c_i x^powers_i)| least, and that maximum."""
    n = len(powers)
    middle, half = (low + high) / 2, (high - low) / 2
    xs = [middle - half * cos(pi * i / points) for i in range(points + 1)]
    xs = [x for x in xs if abs(x) > half / 10 ** 6]
    basis = [[weight(x) * x ** p for p in powers] for x in xs]
    target = [weight(x) * f(x) for x in xs]
    best = (None, mpf("inf"))

    def judge(c):
        nonlocal best
        errors = [t - sum(a * b for a, b in zip(c, row)) for row, t in zip(basis, target)]
        worst = max(abs(e) for e in errors)
        if worst < best[1]:
            best = (c, worst)
        return errors, worst

    lawson = [mpf(1)] * len(xs)
    errors = []
    for _ in range(12):
        normal, right = matrix(n, n), matrix(n, 1)
        for row, t, w in zip(basis, target, lawson):
            for i in range(n):
                right[i] += w * row[i] * t
                for j in range(i, n):
                    normal[i, j] += w * row[i] * row[j]
        for i in range(n):
            for j in range(i):
                normal[i, j] = normal[j, i]
        solution = lu_solve(normal, right)
        errors, worst = judge([solution[i] for i in range(n)])
        lawson = [w * (abs(e) / worst + mpf("0.01")) for w, e in zip(lawson, errors)]
    for _ in range(30):
        extrema = extrema_of(errors)
        while len(extrema) > n + 1:
            extrema.pop(0 if abs(extrema[0][0]) < abs(extrema[-1][0]) else -1)
        if len(extrema) < n + 1:
            break
        rows, right = matrix(n + 1, n + 1), matrix(n + 1, 1)
        for i, (error, at) in enumerate(extrema):
            for j in range(n):
                rows[i, j] = basis[at][j]
            rows[i, n] = 1 if error > 0 else -1
            right[i] = target[at]
        solution = lu_solve(rows, right)
        errors, worst = judge([solution[i] for i in range(n)])
        if worst <= abs(solution[n]) * (1 + mpf(10) ** -4):
            break
    return best


def rounded(value, bits):
    """To `bits` bits of mantissa, to nearest."""
    with mp.workprec(bits):
        return +mpf(value)


def fit_rounded(f, weight, powers, low, high, bits, fixed=()):
    """The same with coefficients of `bits` bits; `fixed` gives the first few."""
    powers, done = list(powers), list(fixed)
    low, high = mpf(low), mpf(high)
    while len(done) < len(powers):
        known = list(zip(done, powers))
        rest = powers[len(done):]
        # Divided by the lowest power, which may be odd: the error would change sign with it.
        c, _ = fit(lambda x: (f(x) - sum(a * x ** p for a, p in known)) / x ** rest[0],
                   lambda x: weight(x) * abs(x) ** rest[0], [p - rest[0] for p in rest], low, high)
        done.append(rounded(c[0], bits))
    grid = [low + (high - low) * (mpf(i) + mpf("0.3")) / 2000 for i in range(2000)]
    worst = max(abs(weight(x) * (f(x) - sum(a * x ** p for a, p in zip(done, powers)))) for x in grid)
    return done, worst


def show(name, bits, *arguments, **options):
    coefficients, worst = fit_rounded(*arguments, bits=bits, **options)
    print(f"{name}: relative error 2^{float(log(worst, 2)):.1f}")
    for c in coefficients:
        print("    " + (float(c).hex().replace("0000000p", "p") if bits == 24 else float(c).hex()))


def interpolated(f, n, low, high):
    """The n coefficients, lowest power first, of the polynomial through f at the Chebyshev points."""
    middle, half = (low + high) / 2, (high - low) / 2
    angles = [pi * (i + mpf(1) / 2) / n for i in range(n)]
    values = [f(middle + half * cos(a)) for a in angles]
    chebyshev = [2 * sum(v * cos(j * a) for v, a in zip(values, angles)) / n for j in range(n)]
    chebyshev[0] /= 2
    in_t, older, newer = [mpf(0)] * n, [mpf(1)], [mpf(0), mpf(1)]  # T0 and T1
    for c in chebyshev:
        for i, v in enumerate(older):
            in_t[i] += c * v
        next_one = [2 * v for v in [mpf(0)] + newer]
        for i, v in enumerate(older):
            next_one[i] -= v
        older, newer = newer, next_one
    in_x = [mpf(0)]  # t = (x - middle) / half, by Horner's rule
    for c in reversed(in_t):
        in_x = [a - b for a, b in zip([mpf(0)] + [v / half for v in in_x], [v * middle / half for v in in_x] + [0])]
        in_x[0] += c
    return in_x[:n]


def show_interpolated(name, bits, f, low, high):
    """As few terms as reach a relative error of 2^-bits; and what the first one's rounding left."""
    low, high, n = mpf(low), mpf(high), 3
    grid = [low + (high - low) * (i + mpf("0.3")) / 400 for i in range(400)]
    while True:
        exact = interpolated(f, n, low, high)
        worst = max(abs(polyval(exact[::-1], x) / f(x) - 1) for x in grid)
        if worst < mpf(2) ** -bits:
            break
        n += 1
    print(f"{name}: relative error 2^{float(log(worst, 2)):.1f}, low {float(exact[0] - float(exact[0])).hex()}")
    for c in exact:
        print("    " + float(c).hex())


def exponentials():
    end = log(mpf(2)) / 2 * mpf("1.0001")
    for bits, degree in ((24, 6), (53, 11)):
        show(f"kExp, {bits} bits", bits, exp, lambda r: exp(-r), range(degree + 1), -end, end, fixed=[mpf(1)])
    for bits, degree in ((24, 4), (53, 10)):
        show(f"kExpm1Tail, {bits} bits", bits, lambda r: (expm1(r) - r) / r ** 2,
             lambda r: r * r / abs(expm1(r)), range(degree + 1), -end, end)
    end = mpf("0.5001")
    show("kExp2", 53, lambda r: mpf(2) ** r, lambda r: mpf(2) ** -r, range(8), -end, end, fixed=[mpf(1)])


def logarithms():
    low, high = (sqrt(mpf(1) / 2) - 1) * mpf("1.0001"), (sqrt(mpf(2)) - 1) * mpf("1.0001")
    show("kLog32", 24, lambda f: (log1p(f) - f + f * f / 2) / f ** 3, lambda f: abs(f) ** 3 / abs(log1p(f)),
         range(9), low, high)
    ratio = lambda z: log((1 + sqrt(z)) / (1 - sqrt(z)))
    series = lambda z: (ratio(z) - 2 * sqrt(z)) / sqrt(z) ** 3
    weight = lambda z: z * sqrt(z) / ratio(z)
    end = ((sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)) ** 2 * mpf("1.0001")
    show("kLogSeries", 53, series, weight, range(7), mpf(0), end)
    show("kSeries of log2_short", 53, series, weight, range(5), mpf(0), end)
    show("kSeries of log2_long, after 2/3", 53, series, weight, range(8), mpf(0), end, fixed=[mpf(2) / 3])


def error_function():
    small = lambda z: erf(sqrt(z)) / sqrt(z) - 1
    for bits, degree in ((24, 6), (53, 11)):
        show(f"kSmall, {bits} bits", bits, small, lambda z: 1 / (1 + small(z)), range(degree + 1), mpf(0), mpf(1))
    scaled = lambda a: erfc(a) * exp(a * a)
    weight = lambda a: exp(-a * a) / erf(a)
    show("kLarge32", 24, lambda u: scaled(u + 2), lambda u: weight(u + 2), range(9), mpf(-1), mpf(2))
    inverse = lambda t: 3 * (1 + t) / (1 - t)
    show("kLarge64", 53, lambda t: scaled(inverse(t)), lambda t: weight(inverse(t)), range(13), mpf(-1) / 2,
         mpf(1) / 3)


def circular():
    end = (pi / 4 * mpf("1.001")) ** 2
    for terms in (4, 6):
        show(f"kSin, {terms} terms", 53, lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z,
             lambda z: z * sqrt(z) / sin(sqrt(z)), range(terms), mpf(0), end)
        show(f"kCos, {terms} terms", 53, lambda z: (cos(sqrt(z)) - 1 + z / 2) / z ** 2,
             lambda z: z * z / cos(sqrt(z)), range(terms), mpf(0), end)
    end = (sqrt(mpf(2)) - 1) ** 2 * mpf("1.001")
    for terms in (6, 11):
        show(f"kAtan, {terms} terms", 53, lambda z: (atan(sqrt(z)) / sqrt(z) - 1) / z,
             lambda z: z * sqrt(z) / atan(sqrt(z)), range(terms), mpf(0), end)


def erf_inv_ratio(w):
    """erf_inv(x) / x where w = -log(1 - x²)."""
    if w < mpf(10) ** -20:
        return sqrt(pi) / 2
    x = sqrt(-expm1(-w))
    rest = exp(-w) / (1 + x)  # 1 - x without the cancellation
    y = mpf(sqrt(w)) if w > 1 else x
    for _ in range(60):  # Newton's iteration on log erfc
        step = (log(erfc(y)) - log(rest)) * erfc(y) * sqrt(pi) / -2 * exp(y * y)
        y -= step
        if abs(step) < mpf(10) ** -45:
            return y / x
    raise ArithmeticError(f"no convergence at {w}")


def error_functions_in_f64():
    def scaled(t):
        a = 3 * (1 + t) / (1 - t)
        return (1 + 2 * a) * exp(a * a) * erfc(a)

    for bits, end in ((36, mpf("10.5")), (57, mpf(28))):
        show_interpolated("kScaled", bits, scaled, mpf(-5) / 7, (end - 3) / (end + 3))
        show_interpolated("kCentral", bits, lambda u: erf_inv_ratio(u + 3), -3, 3)
    middle = lambda u: erf_inv_ratio((u + mpf("3.25")) ** 2)
    show_interpolated("kMiddle32", 36, middle, sqrt(mpf(6)) - mpf("3.25"), mpf("0.85"))
    show_interpolated("kMiddle64", 57, middle, sqrt(mpf(6)) - mpf("3.25"), mpf("0.75"))
    show_interpolated("kTail64", 57, lambda u: erf_inv_ratio((u + 5) ** 2), -1, mpf("1.07"))


def gamma():
    def beside(u, n):  # log gamma(n + u) / u; its limit at 0
        u = u if abs(u) > mpf(10) ** -25 else mpf(10) ** -25
        return loggamma(n + u).real / u

    show_interpolated("kAtOne", 57, lambda u: beside(u, 1), -0.5, 0.5)
    show_interpolated("kAtTwo", 57, lambda u: beside(u, 2), -0.5, 0.5)
    base = (log(2 * pi) - 1) / 2
    print(f"kStirlingBase {float(base).hex()}")
    stirling = lambda x: (loggamma(x) - (x - mpf(1) / 2) * (log(x) - 1) - base) * x
    show_interpolated("kStirling", 50, lambda z: stirling(1 / sqrt(z)), 0, mpf(1) / 64)
    show_interpolated("kSinc", 57, lambda z: sin(pi * sqrt(z)) / (pi * sqrt(z)), 0, 0.25)
    zero = findroot(lambda x: psi(0, x), mpf("1.4616"))
    print(f"kZero {float(zero).hex()}, {float(zero - float(zero)).hex()}")
    show_interpolated("kPsi", 57, lambda u: psi(0, u + mpf("1.625")) / (u + mpf("1.625") - zero), -0.625, 0.625)
    tail = lambda x: (log(x) - 1 / (2 * x) - psi(0, x)) * x ** 2
    show_interpolated("kPsiTail", 48, lambda z: tail(1 / sqrt(z)), 0, mpf(1) / 64)
    show_interpolated("kCotangent", 57, lambda z: (1 - pi * sqrt(z) * cot(pi * sqrt(z))) / z, 0, 0.25)


if __name__ == "__main__":
    exponentials()
    logarithms()
    error_function()
    circular()
    error_functions_in_f64()
    gamma()
