"""Train, distil, compare and measure flows on arrays in memory."""

import os
import signal
import threading

import numpy as np
import pytest

import flowstill
from conftest import SMALL, rows


def test_seeds_settings_and_recipes_mean_what_they_say(flow, data, tmp_path):
    again = flowstill.fit(data, recipe={"teacher": {"flow": SMALL}, "train": {"steps": 60, "optimiser": {"rate": 1e-3}, "schedule": {"warmup": 200}}}, seed=3)
    assert np.array_equal(again.log_prob(data), flow.log_prob(data))
    other = flowstill.fit(data, flow=SMALL, train={"steps": 60}, seed=4)
    assert not np.array_equal(other.log_prob(data), flow.log_prob(data))
    assert flow.report["steps"] == 60 and np.isfinite(flow.report["test_nll_nats"])
    recipe = tmp_path / "small.toml"
    recipe.write_text('[data]\nset = "power"\n[teacher]\nflow = { kind = "realnvp", steps = 3, hidden = [16] }\n[train]\nsteps = 9\n[judge]\nsamples = 0\nrepetitions = 0\n')
    of_file = flowstill.fit(data, recipe=recipe, out=tmp_path / "run")
    assert of_file.report["steps"] == 9 and (tmp_path / "run" / "recipe.toml").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"train": {"stepz": 5}}, "unknown key `train.stepz`.*steps"),
        ({"trane": {}}, "unknown key `trane`.*train"),
        ({"flow": "mafs"}, "no flow `mafs`"),
        ({"train": {"steps": "many"}}, "train.steps"),
        ({"train": {"steps": object()}}, "train.steps: expected a number, text, a list or a dict, got object"),
        ({"seed": 2**63}, "seed"),
    ],
)
def test_wrong_settings_are_named(data, settings, said):
    with pytest.raises(flowstill.InputError, match=said):
        flowstill.fit(data, **settings)


def test_wrong_data_are_named(data):
    hole = data.copy()
    hole[7, 1] = np.nan
    with pytest.raises(flowstill.InputError, match="row 8"):
        flowstill.fit(hole, flow=SMALL)
    with pytest.raises(flowstill.InputError, match="expected 3000 rows"):
        flowstill.fit(data, data[:5], flow=SMALL)


def test_a_run_is_told_and_can_be_stopped(data, tmp_path):
    told = []
    flowstill.fit(data, flow=SMALL, train={"steps": 30}, progress=told.append)
    kinds = [event["kind"] for event in told]
    assert kinds[0] == "loaded" and kinds[-1] == "done" and {"begun", "started", "step", "validated"} <= set(kinds)

    def fails(event):
        if event["kind"] == "step":
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        flowstill.fit(data, flow=SMALL, train={"steps": 1000}, progress=fails)
    with pytest.raises(flowstill.RunError, match="stopped at step"):
        flowstill.fit(data, flow=SMALL, train={"steps": 1000}, out=tmp_path, progress=lambda event: event["kind"] != "step")


def test_ctrl_c_stops_and_the_same_call_goes_on(data, tmp_path):
    begun = threading.Event()

    def interrupt():
        begun.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    def run(progress=None):
        return flowstill.fit(data, flow=SMALL, train={"steps": 400}, out=tmp_path / "stopped", progress=progress)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(lambda event: begun.set() if event["kind"] == "step" else None)
    thread.join()
    whole = flowstill.fit(data, flow=SMALL, train={"steps": 400})
    assert np.array_equal(run().log_prob(data), whole.log_prob(data))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_go_by_their_names(library, data):
    frames = pytest.importorskip(library)
    make = frames.table if library == "pyarrow" else frames.DataFrame
    frame = make({"c": data[:, 2], "a": data[:, 0], "b": data[:, 1]})
    given = flowstill.fit(frame, ["b"], flow=SMALL, train={"steps": 20})
    assert given.columns == ["c", "a"] and given.context_columns == ["b"]
    expected = given.log_prob(data[:, [2, 0]], data[:, [1]])
    other = make({"a": data[:, 0], "b": data[:, 1], "more": data[:, 0], "c": data[:, 2]})
    assert np.array_equal(given.log_prob(other), expected)
    with pytest.raises(flowstill.InputError, match="got no `c` but a"):
        given.log_prob(make({"a": data[:, 0], "b": data[:, 1]}))
    with pytest.raises(flowstill.InputError, match="no column `x`"):
        flowstill.fit(frame, ["x"], flow=SMALL)


def test_a_student_learns_with_and_without_data(flow, conditional, data):
    context = np.stack([data[:, 0] + 1, data[:, 2] * 2], axis=1)
    small = {"flow": {"kind": "nsf", "steps": 2, "hidden": 8}, "train": {"steps": 20}}
    for student in (flow.distill(data, **small), flow.distill(samples=2000, **small)):
        assert student.facts["role"] == "distilled" and np.isfinite(student.log_prob(data)).all()
    assert conditional.distill(data, context, **small).context_columns == conditional.context_columns
    with pytest.raises(flowstill.InputError, match="give both"):
        conditional.distill(**small)


def test_a_copy_of_a_flow_is_no_distance_from_it(flow, data):
    apart = flowstill.divergence(flow, flow, 1000)
    assert apart["kl_teacher_student"] == 0 and apart["effective_sample_size"] == pytest.approx(1)
    found = flowstill.evaluate(flow, rows(500, seed=2), samples=0)
    assert found["test_nll_nats_data_units"] == pytest.approx(-flow.log_prob(rows(500, seed=2)).mean(), abs=1e-3)


def test_recipes_are_compared(tmp_path):
    recipe = {
        "name": "tiny",
        "data": {"set": "household", "limit_rows": 1000},
        "train": {"steps": 4, "batch": 32},
        "teacher": {"flow": {"kind": "maf", "blocks": 2, "hidden": [8]}},
        "student": {"flow": {"kind": "maf", "blocks": 1, "hidden": [4]}},
        "compare": {"seeds": [1], "variants": [{"name": "lkd", "lkd": 0.1}, {"name": "other", "lkd": 0.2}]},
        "judge": {"samples": 0, "repetitions": 0},
    }
    found = flowstill.compare(recipe, out=tmp_path, only=["lkd"])
    assert [row["role"] for row in found.report["rows"]] == ["teacher", "plain", "lkd"]
    assert "lkd" in str(found) and (tmp_path / "comparison.json").exists()


def test_a_search_gives_the_student_to_take(flow):
    found = flowstill.frontier(flow, steps=3, rungs=1, finalists=1, samples=1000, megabytes=50.0, compare={"seeds": [1]}, judge={"samples": 0, "repetitions": 0})
    assert found.chosen is not None and found.chosen.shape == flow.shape
    assert len(found.report["models"]) >= 2 and "teacher" in str(found)
    with pytest.raises(flowstill.InputError, match="rungs"):
        flowstill.frontier(flow, rungs=0)
