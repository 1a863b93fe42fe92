"""The minimax polynomials of ir/math*.cpp: `python3 ir/math_fit.py` prints them (needs mpmath; minutes).

Lawson's iteration, then Remez exchange, in 80 digits. Coefficients are rounded one by one, lowest
power first, and the rest is fitted again after each, so that rounding costs next to nothing.
"""
from mpmath import atan, cos, erf, erfc, exp, expm1, log, log1p, lu_solve, matrix, mp, mpf, pi, sin, sqrt

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


if __name__ == "__main__":
    exponentials()
    logarithms()
    error_function()
    circular()
