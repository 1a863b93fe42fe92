"""The table and the chart, from results.jsonl."""

import json
import math
import shutil
import statistics
import subprocess

import definitions

CAP = 10.0  # of a ratio in a geometric mean: what only dispatches must not carry it
COMPILED = ("compile", "compile-split", "compile-hand", "compile-max")
VARIANTS = {"eager": ("eager", "eager-hand"), "compiled": COMPILED}  # the fastest counts
SHOWN = {"eager": "PyTorch", "compiled": "torch.compile", "jax": "JAX", "onednn": "oneDNN",
         "openblas": "OpenBLAS", "unfused": "unfused"}


def time_text(seconds):
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def bytes_text(count):
    return f"{count / 1e6:.3g} MB"


def timed(record):
    """The peers that have a time; of several ways to write one, the fastest."""
    peers = {name: peer for name, peer in record["peers"].items() if "ratio" in peer}
    for name, variants in VARIANTS.items():
        known = [peers.pop(variant) for variant in variants if variant in peers]
        if known:
            peers[name] = min(known, key=lambda peer: peer["ratio"])
    return peers


def best(record):
    """The fastest peer's name and figures; a product's peers are the libraries of kernels."""
    peers = timed(record)
    if family(record["workload"]) == "gemm":
        peers.pop("eager", None)
    return min(peers.items(), key=lambda item: item[1]["ratio"], default=(None, None))


def line(record):
    name, peer = best(record)
    text = f"{record['workload']:<28} {record['threads']}  {time_text(record['seconds']):>9}"
    if peer:
        text += (f"  {peer['ratio']:6.2f}x ({peer['low']:.2f} … {peer['high']:.2f})"
                 f"  best peer {SHOWN[name]} {time_text(peer['seconds'])}")
    for name, peer in record["peers"].items():
        if peer.get("disagrees"):
            text += f"\n    {name} DISAGREES: {peer['disagrees']}"
        elif "failure" in peer:
            text += f"\n    {name} failed: {peer['failure']}"
        else:
            text += f"\n    {name:<14} {time_text(peer['seconds']):>9} {peer['ratio']:6.2f}x"
    return text


def newest(folder, order):
    records = {}
    for text in (folder / "results.jsonl").read_text().splitlines():
        record = json.loads(text)
        records[record["workload"], record["threads"]] = record
    known = [(w, t) for t in sorted({t for _, t in records}) for w in order if (w, t) in records]
    return [records[key] for key in known]


def family(workload):
    """What counts once in a geometric mean: all sizes of a workload together."""
    base = definitions.base(workload)
    for name in ("gemm", "rows", "digit_mlp", "digit_conv"):
        if base.startswith(name):
            return name
    return base


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def mean_of(records, wanted):
    """Over families, of each family's mean of capped ratios against the best peer."""
    families = {}
    for record in records:
        _, peer = best(record)
        if peer and wanted(family(record["workload"])):
            capped = min(CAP, peer["ratio"])
            families.setdefault(family(record["workload"]), []).append(capped)
    return geometric_mean([geometric_mean(v) for v in families.values()]) if families else None


def ratio_text(peer):
    return f"{peer['ratio']:.2f}x" if peer else ""


def table(records):
    columns = [name for name in SHOWN if any(name in timed(record) for record in records)]
    lines = []
    for threads in sorted({record["threads"] for record in records}):
        chosen = [record for record in records if record["threads"] == threads]
        peak, copy = (statistics.median(r[k] for r in chosen) for k in ("peak_gflops", "copy_gbs"))
        lines += [
            f"{threads} thread{'s' * (threads > 1)}; fused multiply-adds {peak:.0f} GFLOP/s, copy "
            f"{copy:.1f} GB/s (medians over the runs)",
            "",
            "| workload | kiln | " + " | ".join(f"{SHOWN[c]}" for c in columns)
            + " | against the best (middle half) | GFLOP/s | of peak | compile, cached: kiln"
            " | torch.compile | JAX | memory: kiln | least of the others |",
            "|---|" + "---|" * (len(columns) + 9),
        ]
        for record in chosen:
            peers = timed(record)
            _, fastest = best(record)
            rate = record["flops"] / record["seconds"] / 1e9
            compiles = []
            for names in (COMPILED, ("jax",)):
                known = [record["peers"][n] for n in names
                         if "cold_seconds" in record["peers"].get(n, {})]
                one = min(known, key=lambda p: p.get("ratio", math.inf), default=None)
                compiles.append(f"{time_text(one['cold_seconds'])}, "
                                f"{time_text(one.get('warm_seconds', 0))}" if one else "")
            memory = [peer["peak_bytes"] for peer in record["peers"].values()
                      if "peak_bytes" in peer and not peer.get("disagrees")]
            cells = [
                f"`{record['workload']}`",
                time_text(record["seconds"]),
                *(ratio_text(peers.get(column)) for column in columns),
                f"**{fastest['ratio']:.2f}x** ({fastest['low']:.2f} … {fastest['high']:.2f})"
                if fastest else "",
                f"{rate:.0f}" if record["flops"] else "",
                f"{100 * rate / record['peak_gflops']:.0f} %" if record["flops"] else "",
                f"{time_text(record['cold_seconds'])}, {time_text(record['warm_seconds'])}",
                *compiles,
                bytes_text(record["peak_bytes"]),
                bytes_text(min(memory)) if memory else "",
            ]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
        for title, wanted in (("all but `gemm`", lambda f: f != "gemm"),
                              ("`gemm`", lambda f: f == "gemm")):
            mean = mean_of(chosen, wanted)
            if mean:
                lines.append(f"Geometric mean against the best peer, {title}, a ratio counting as "
                             f"{CAP:.0f} at the most: **{mean:.2f}x**")
        lines.append("")
    return "\n".join(lines)


def chart(folder, records):
    """Ratios with their spread: a bar a workload, a colour a number of threads."""
    shown = [record for record in records if best(record)[1]]
    if not shown or not shutil.which("gnuplot"):
        return
    names = list(dict.fromkeys(record["workload"] for record in shown))
    plots, data = [], []
    threads = sorted({record["threads"] for record in shown})
    for k, count in enumerate(threads):
        data.append(f"$t{count} << EOD")
        for record in shown:
            if record["threads"] == count:
                peer = best(record)[1]
                y = len(names) - names.index(record["workload"]) + 0.35 * (0.5 - k)
                data.append(f"{peer['ratio']} {y} {peer['low']} {peer['high']}")
        data.append("EOD")
        plots.append(f"$t{count} using 1:2:3:4 with xerrorbars pt 7 ps 0.7 lw 1.5 "
                     f"title '{count} thread{'s' * (count > 1)}'")
    labels = ", ".join(f"'{name}' {len(names) - i}" for i, name in enumerate(names))
    script = "\n".join(data) + f"""
set logscale x 2
set xrange [0.25:]
set yrange [0:{len(names) + 1}]
set ytics ({labels}) noenhanced
set grid x
set xlabel 'time of the best peer / time of kiln (median and quartiles of paired blocks)'
set arrow from 1, 0 to 1, {len(names) + 1} nohead lw 2 lc rgb '#888888'
set key top right
set lmargin 30
plot {', '.join(plots)}
"""
    height = 120 + 18 * len(names)
    for terminal, suffix in (("pngcairo", "png"), ("svg", "svg")):
        setup = f"set terminal {terminal} size 900,{height} background rgb 'white'\n"
        setup += f"set output '{folder}/ratios.{suffix}'\n"
        subprocess.run(["gnuplot"], input=setup + script, text=True, check=True)


def write(folder, order):
    records = newest(folder, order)
    (folder / "table.md").write_text(table(records))
    chart(folder, records)
