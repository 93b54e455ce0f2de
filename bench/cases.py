"""List the cases: a flow as in recipes, what is repeated, and which peers are beside it."""

from typing import Any

Case = dict[str, Any]

GLOW_MODES = ["torch", "torch+channels_last", "torch+compile", "torch+channels_last+compile"]
TABLE_PEERS = ["torch", "torch+compile", "zuko", "nflows", "normflows", "flowjax"]
# torch.compile of whole libraries; their sampling loops take it minutes to unroll.
COMPILED_LIBRARIES = ["zuko+compile", "nflows+compile"]
SPLINE = {"kind": "rational_quadratic", "bins": 8, "tail_bound": 3.0}
LOSSES = {"lkd": 0.1, "ilkd": 0.1, "skd": 0.1, "teacher_samples": 0.0, "inherit": "none"}


def glow_cases() -> list[Case]:
    """GLOW on pictures of 32x32x3, 3 levels of 8 steps."""
    cases = []
    for hidden in (128, 512):
        flow = {"kind": "glow", "levels": 3, "steps": 8, "hidden": hidden}
        for what in ("train", "log_prob", "sample", "latency"):
            case = {"name": f"glow-h{hidden}-{what}", "what": what, "flow": flow, "event": [32, 32, 3], "batch": 32}
            peers = [*GLOW_MODES, "normflows", "normflows+channels_last"]
            cases.append(case | {"rows": 128, "peers": peers})
    return cases


def table_cases(family: str, flow: dict[str, Any], columns: int, peer_samples: int) -> list[Case]:
    """Training at 512 rows, densities and samples of 10,000."""
    cases = []
    for what in ("train", "log_prob", "sample"):
        batch = 512 if what == "train" else 10_000
        case = {"name": f"{family}-{what}", "what": what, "flow": flow, "event": [1, 1, columns], "batch": batch}
        peers = TABLE_PEERS if what == "sample" else TABLE_PEERS + COMPILED_LIBRARIES
        case |= {"rows": 10_240, "peers": peers}
        if what == "sample" and peer_samples != batch:
            case |= {"peer_batch": peer_samples, "note": f"peers draw {peer_samples} rows at a time"}
        cases.append(case)
    return cases


def maf_cases() -> list[Case]:
    """MAF of 5 blocks with reversals between them and no normalisation, which no peer has."""
    cases = []
    for columns, width, peer_samples in ((6, 100, 10_000), (63, 100, 2_000), (6, 512, 10_000), (63, 512, 500)):
        flow = {"kind": "maf", "blocks": 5, "hidden": [width, width], "norm": "none"}
        cases += table_cases(f"maf-d{columns}-h{width}", flow, columns, peer_samples)
    return cases


def nsf_cases() -> list[Case]:
    """Splines of 8 bins in 5 layers, as couplings whose halves take turns and as masked autoregressive blocks."""
    cases = []
    for columns, peer_samples in ((6, 10_000), (63, 500)):
        coupling = {"kind": "realnvp", "steps": 5, "hidden": [100, 100], "norm": "none", "transform": SPLINE}
        cases += table_cases(f"nsf-coupling-d{columns}", coupling, columns, 10_000)
        blocks = {"kind": "maf", "blocks": 5, "hidden": [100, 100], "norm": "none", "transform": SPLINE}
        cases += table_cases(f"nsf-ar-d{columns}", blocks, columns, peer_samples)
    return cases


def distill_cases() -> list[Case]:
    """One optimiser step of a student; the teacher's samples come from a pool drawn before, as by default."""
    maf = lambda blocks: {"kind": "maf", "blocks": blocks, "hidden": [100, 100], "norm": "none"}
    table = lambda steps: {"kind": "glow", "steps": steps, "hidden": 32}
    picture = lambda steps: {"kind": "glow", "levels": 3, "steps": steps, "hidden": 64}
    make = lambda name, teacher, student, event, batch, peers: {
        "name": f"distill-{name}", "what": "distill", "flow": student, "teacher": teacher,
        "distill": LOSSES | {"pool": 8 * batch}, "event": event, "batch": batch, "rows": 4 * batch, "peers": peers,
    }  # fmt: skip
    return [
        make("maf-9-to-3", maf(9), maf(3), [1, 1, 6], 512, ["torch", "torch+compile"]),
        make("glow-table-5-to-3", table(5), table(3), [1, 1, 6], 512, ["torch", "torch+compile"]),
        make("glow-picture-8-to-2", picture(8), picture(2), [32, 32, 3], 32, GLOW_MODES),
    ]


def own_cases() -> list[Case]:
    """What no peer is timed beside: flows turned round, checkerboards, curved convolutions, distillation along trajectories."""
    cases = []
    iaf = {"kind": "iaf", "blocks": 5, "hidden": [100, 100], "norm": "none"}
    board = {"kind": "realnvp", "levels": 2, "steps": 4, "hidden": [64]}
    curved = {"kind": "glow", "levels": 2, "steps": 4, "hidden": 64, "activation": "tanh"}
    for what in ("train", "log_prob", "sample"):
        for columns in (6, 63):
            batch = 512 if what == "train" else 2_000
            cases.append({"name": f"iaf-d{columns}-{what}", "what": what, "flow": iaf, "event": [1, 1, columns], "batch": batch, "rows": 2_048})
        for name, flow in (("realnvp-pictures", board), ("glow-tanh", curved)):
            cases.append({"name": f"{name}-{what}", "what": what, "flow": flow, "event": [16, 16, 3], "batch": 32, "rows": 128})
    losses = {"lkd": 0.0, "ilkd": 0.0, "skd": 0.1, "skd_form": "trajectory", "teacher_samples": 0.0, "inherit": "none", "pool": 0}
    for case in distill_cases():
        cases.append(case | {"name": case["name"].replace("distill", "trajectory"), "distill": losses})
    return cases


def all_cases() -> list[Case]:
    """Every case, in the order of the report."""
    return glow_cases() + maf_cases() + nsf_cases() + distill_cases()
