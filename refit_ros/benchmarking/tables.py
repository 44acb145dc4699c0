"""The figures of a run as Markdown, and the document that keeps the tables of the last run of each kind."""

from __future__ import annotations

from pathlib import Path

_BEGIN, _END = "<!-- begin: {} -->", "<!-- end: {} -->"


RAY_GAIN = "Ray, two workers against one"


def tables_of(result: dict) -> str:
    """Markdown of one run: what it was measured with, then its tables."""
    machine = result["machine"]
    where = machine.get("gpu") or machine["processor"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [
        f"## Suite `{result['suite']}` on {where}",
        "",
        f"{result['date'][:10]}, {machine['cores']} cores, {result['threads']} threads, "
        f"{result.get('clock', 'wall')} time, {machine['system']}, Python {machine['python']}, {versions}. "
        f"Took {result['took_s']} s.",
        "",
        f"    {result['command']}",
        "",
    ]
    suites = {"model": _model, "scale": _scale, "node": _node, "load": _load, "profile": _profile, "soak": _soak}
    suites |= {"hosts": _hosts, "fusion": _scale, "split": _node, "bags": _bags, "landmarks": _landmarks}
    make = suites[result["suite"]]
    return "\n".join(lines + make(result["results"])) + "\n"


def update_document(path: Path, name: str, tables: str) -> None:
    """Put `tables` between the marks of `name` in the document, at its end where there are none yet."""
    begin, end = _BEGIN.format(name), _END.format(name)
    text = path.read_text() if path.is_file() else "# Benchmarks\n\n"
    block = f"{begin}\n{tables}{end}\n"
    if begin in text and end in text:
        before, after = text.split(begin)[0], text.split(end, 1)[1].lstrip("\n")
        text = before + block + ("\n" + after if after else "")
    else:
        text = text.rstrip("\n") + "\n\n" + block
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def table(header: list[str], rows: list[list[object]]) -> list[str]:
    return [
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows),
        "",
    ]


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _time(entry: dict) -> str:
    low, high = entry["quartiles_ms"]
    return f"{entry['median_ms']:.3g} ({low:.3g} - {high:.3g})"


def _model(results: dict) -> list[str]:
    rates = results["rates"]
    lines = [
        "Measured limits: "
        + ", ".join(f"{p} products {rate / 1e12:.3g} TFLOP/s" for p, rate in rates["matrix_flops_per_s"].items())
        + f", copies {rates['copy_bytes_per_s'] / 1e9:.3g} GB/s.",
        "",
    ]
    for name, network in results["networks"].items():
        limit = ", ".join(f"{p} {ms:.3g} ms" for p, ms in network["limit_ms"].items())
        gflop = network["encoder_gflop_per_crop"]
        lines += [f"### {name}, {gflop:.3g} GFLOP a crop (backbone and head); limit: {limit}", ""]
        lines += table(
            ["one crop", "ms, median (quartiles)", "of reference", "of the reference's same part"],
            [
                [label, _time(entry), entry["of_reference"], entry["of_same_part"]]
                for label, entry in network["one_crop"].items()
            ],
        )
        batches = network["batches"]
        counts = list(next(iter(batches.values())))
        lines += table(
            ["crops/s (ms a crop)", *counts],
            [[label, *(_throughput(entries.get(n)) for n in counts)] for label, entries in batches.items()],
        )
        difference = dict(network["difference"])
        shown = f"{difference.pop('crops')} crops of {difference.pop('shown')}"
        lines += table(
            ["mean vertex difference from eager float32", f"mm, {shown}"],
            [[label, value] for label, value in difference.items()],
        )
        lines += [f"Not measured: {label}: {why}." for label, why in network["not_measured"].items()]
        lines += [""] if network["not_measured"] else []
    lines += table(
        ["image sent to the device, crops of 256 px cut there", "ms, median (quartiles)"],
        [[label, _time(entry)] for label, entry in results["crops"].items()],
    )
    return lines


def _throughput(entry) -> str:
    if isinstance(entry, dict):
        return f"{entry['crops_per_s']:.4g} ({entry['ms_per_crop']:.3g})"
    return "" if entry is None else str(entry)


def _scale(results: dict) -> list[str]:
    lines = []
    for title, rows in results["tables"].items():
        lines += [f"### {title}", "", *table(list(rows[0]), [list(row.values()) for row in rows])]
    return [*lines, *(f"- {text}" for text in results["fits"]), ""]


def _node(results: dict) -> list[str]:
    return table(["figure", "value"], [[name, value] for name, value in results.items()])


def _load(results: dict) -> list[str]:
    rows = results["rows"]
    lines = [
        f"{results['crops']} crops in one call of the embedded network on {results['cores']} cores; beside it the busy "
        f"programs and whatever else ran (load average at the end: {results['load']:.1f}).",
        "",
    ]
    return lines + table(list(rows[0]), [list(row.values()) for row in rows])


def _landmarks(results: dict) -> list[str]:
    rows = []
    for name, network in results["networks"].items():
        counts = list(network["times"])
        for way in network["times"][counts[0]]:
            times = [_time(network["times"][count][way]) for count in counts]
            difference = network["difference"].get(way)
            rows.append([name, way, *times, None if difference is None else f"{difference:.1e}"])
    return [
        *table(["ms, median (quartiles), of so many images", "", *map(str, counts), "largest difference"], rows),
        f"On a GPU: {results['gpu']}. Differences are of OpenVINO's, by each output's largest number.",
        *(f"Not measured: {name}, which is not there." for name in results["not_measured"]),
        "",
    ]


def _bags(results: dict) -> list[str]:
    rows = [
        [value if isinstance(value, (str, int)) else f"{value:.3g}" for value in row.values()] for row in results["rows"]
    ]
    lines = [f"{results['bags']} bags of {results['images']} images each; every worker computes on one core.", ""]
    lines += table(list(results["rows"][0]), rows)
    if "not measured" in results:
        return [*lines, f"Not measured {results['not measured']}.", ""]
    return [*lines, f"Two of Ray's workers against one: {results[RAY_GAIN]:.2f} x.", ""]


def _hosts(results: dict) -> list[str]:
    lines = []
    for title, entry in results["networks"].items():
        plan = entry["plan"]
        lines += [
            f"### {title}",
            "",
            f"{plan['hosts']} x {plan['cameras_each']} cameras, {plan['people']} people, {plan['rate_hz']:g} images/s, "
            f"{plan['seconds']:g} s each. The first host's link is spoiled, both ways, by {results['links']}.",
            "",
        ]
        rows = entry["rows"]
        names = list(next(iter(rows.values())))
        lines += table(["", *names], [[name, *(_short(row[each]) for each in names)] for name, row in rows.items()])
    return lines


def _short(value: float | None) -> object:
    return value if value is None or isinstance(value, int) else round(value, 1)


def _profile(results: dict) -> list[str]:
    lines = [
        f"640 x 480 at 30 frames/s, one person: {results['frames']} frames answered, "
        f"{results['frames_per_s']:.3g} a second; "
        f"{results['samples']} samples of the stacks of Python's threads while they ran.",
        "The shares are measured. On a busy machine a thread that waits for a core counts as running: what wakes other "
        "programs, publishing, then weighs more.",
        "",
    ]
    lines += table(
        ["the node's threads", "processor time, ms a frame", "share"],
        [[name, round(ms, 2), _percent(share)] for name, ms, share in results["threads"]],
    )
    lines += table(
        ["function of this package, with what it calls outside", "share of samples", "mostly in"],
        [[f"`{name}`", _percent(share), f"`{where}`"] for name, share, where in results["alone"]],
    )
    return lines + table(
        ["function of this package, with everything below it", "share of samples"],
        [[f"`{name}`", _percent(share)] for name, share in results["below"]],
    )


def _soak(results: dict) -> list[str]:
    happened = (
        f"{results['minutes']:.3g} minutes, cameras: {results['cameras']}, {results['sets published']} sets published, "
        f"{results['messages']} answered, at most {results['most people in a message']} people at once, the node taken "
        f"through its lifecycle {results['lifecycles']} times, parameters changed {results['parameters changed']} times, "
        f"{results['log lines a minute']:.1f} log lines a minute. Other programs took {_percent(results['others'])} of the "
        "processor meanwhile."
    )
    header = [
        "figure",
        "unit",
        "first half, median",
        "second half, median",
        "its slope times its length",
        "too much",
        "flat",
    ]
    return [f"**{results['verdict']}**", "", happened, "", *table(header, results["rows"])]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
