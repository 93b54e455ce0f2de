"""Run one case: build all sides, check that they agree, interleave their runs."""

import math
import pathlib
import statistics
import tempfile
from typing import Any, Callable

from busy import busy
from talk import Worker, WorkerError

Start = Callable[[str, pathlib.Path], Worker]


def compare_values(ours: list[float], theirs: list[float]) -> float:
    """The largest difference, relative to the size of ours."""
    if len(ours) != len(theirs):
        raise WorkerError(f"{len(theirs)} values to check where ours are {len(ours)}")
    return max(abs(a - b) / max(1.0, abs(a)) for a, b in zip(ours, theirs))


def check_peer(worker: Worker, ours: list[float], tolerance: float) -> dict[str, Any]:
    """What the peer says, and how far it is from ours where it holds our weights."""
    said = worker.ask({"op": "check"})
    if not all(math.isfinite(value) for value in said["values"]):
        raise WorkerError("its log-densities are not finite")
    said["agreement"] = None
    if said["imported"]:
        said["agreement"] = compare_values(ours, said["values"])
        if said["agreement"] > tolerance:
            raise WorkerError(f"its values are off by {said['agreement']:.1e}, relative")
    if said["round_trip"] is not None and not said["round_trip"] < 1e-2:
        raise WorkerError(f"its inverse is off by {said['round_trip']:.1e}")
    return said


def build_peers(
    workers: dict[str, Worker], request: dict[str, Any], ours: list[float], say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Build, check and warm every peer; those that fail are dropped with the reason."""
    facts: dict[str, dict[str, Any]] = {}
    for name, worker in list(workers.items()):
        try:
            built = worker.ask(request)
            checked = check_peer(worker, ours, 1e-3)
            worker.ask({"op": "warm"})
            facts[name] = {
                "parameters": built["parameters"],
                "rss_built_mib": built["rss_mib"],
                "agreement": checked["agreement"],
                "round_trip": checked["round_trip"],
                "note": checked["note"],
            }
            agreement = "own weights" if checked["agreement"] is None else f"agrees to {checked['agreement']:.1e}"
            say(f"  {name}: {built['parameters']} parameters, {agreement}")
        except WorkerError as error:
            say(f"  {name}: left out: {error}")
            facts[name] = {"left_out": str(error)}
            worker.close()
            del workers[name]
    return facts


def rounds_of(
    workers: dict[str, Worker], seconds: float, rounds: int, say: Callable[[str], None]
) -> tuple[dict[str, list[float]], dict[str, float], str]:
    """Rates of each side by round, peaks of memory, and the unit."""
    rates: dict[str, list[float]] = {name: [] for name in workers}
    peaks, unit = {name: 0.0 for name in workers}, ""
    for _ in range(rounds):
        for name in list(rates):
            try:
                ran = workers[name].ask({"op": "run", "seconds": seconds})
            except WorkerError as error:
                if name == "ours":
                    raise
                say(f"  {name}: left out: {error}")
                del rates[name]
                continue
            rates[name].append(ran["count"] / ran["seconds"])
            peaks[name], unit = ran["rss_mib"], ran["unit"]
    return rates, peaks, unit


def run_case(
    case: dict[str, Any], peers: list[str], start: Start, seconds: float, rounds: int, say: Callable[[str], None]
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The row of the table (none without peers), and every side's figures."""
    others_at_work = busy()
    say(case["name"] + (f": the machine is busy ({others_at_work:.0%}), do not trust this" if others_at_work > 0.1 else ""))
    with tempfile.TemporaryDirectory(prefix="flowstill-bench-") as folder:
        place = pathlib.Path(folder)
        # Fresh processes for every case: the peak of memory is that of this case alone.
        workers = {name: start(name, place) for name in ["ours", *peers]}
        try:
            request = {"op": "build", "case": case, "seed": 0} | {
                "save": str(place / "flow.safetensors"),
                "data": str(place / "x.npy"),
                "teacher": str(place / "teacher.safetensors"),
            }
            ours = workers["ours"]
            built = ours.ask(request)
            expected = ours.ask({"op": "check"})["values"]
            ours.ask({"op": "run", "seconds": 0.0})
            others = {name: worker for name, worker in workers.items() if name != "ours"}
            facts = build_peers(others, request, expected, say)
            facts["ours"] = {"parameters": built["parameters"]}
            rates, peaks, unit = rounds_of({"ours": ours, **others}, seconds, rounds, say)
        finally:
            for worker in workers.values():
                worker.close()
    row, every = summarise(case, rates, peaks, unit, facts, rounds)
    for figures in [row or {}, *every]:
        figures["busy"] = others_at_work
    return row, every


def summarise(
    case: dict[str, Any],
    rates: dict[str, list[float]],
    peaks: dict[str, float],
    unit: str,
    facts: dict[str, dict[str, Any]],
    rounds: int,
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Medians over the rounds; the ratio against the fastest peer."""
    medians = {name: statistics.median(values) for name, values in rates.items()}
    latency = case["what"] == "latency"
    figure = lambda rate: 1e3 / rate if latency else rate
    unit = "ms" if latency else f"{unit}/s"
    every = [
        {"case": case["name"], "side": name, "unit": unit}
        | ({"figure": figure(medians[name]), "rates": rates[name], "peak_rss_mib": peaks[name]} if name in rates else {})
        | fact
        for name, fact in facts.items()
    ]
    others = {name: rate for name, rate in medians.items() if name != "ours"}
    if not others:
        return None, every
    fastest = max(others, key=others.__getitem__)
    ratios = [ours / theirs for ours, theirs in zip(rates["ours"], rates[fastest])]
    ratio = statistics.median(ratios)
    row = {
        "case": case["name"],
        "ours": figure(medians["ours"]),
        "peer": figure(others[fastest]),
        "peer_name": fastest,
        "unit": unit,
        "ratio": ratio,
        "runs": rounds,
        "spread": (max(ratios) - min(ratios)) / ratio,
        "peak_rss_ours_mib": peaks["ours"],
        "peak_rss_peer_mib": peaks[fastest],
        "note": "; ".join(text for text in (case.get("note", ""), facts[fastest]["note"]) if text),
    }
    return row, every
