"""Hold densities, draws and gradients of a flow to one another and to the command line."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import flowstill


def test_kinds_and_layouts_give_one_answer(flow, data):
    whole = flow.log_prob(data)
    assert whole.shape == (len(data),) and whole.dtype == np.float64
    assert np.array_equal(flow.log_prob(np.asfortranarray(data)), whole)
    assert np.array_equal(flow.log_prob(np.repeat(data, 2, axis=0)[::2]), whole)
    assert np.array_equal(flow.log_prob(data.astype(">f8")), whole)
    assert np.array_equal(flow.log_prob(data[:4].tolist()), whole[:4])
    unaligned = np.frombuffer(b"\0" + data.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(data.shape)
    assert not unaligned.flags.aligned
    assert np.array_equal(flow.log_prob(unaligned), whole)
    single = flow.log_prob(data.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, whole, atol=1e-3)
    assert flow.log_prob(np.empty((0, 3))).shape == (0,)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_in_c_order_are_not_copied(flow, data, kind):
    many = np.tile(data, (20, 1)).astype(kind)

    def allocated(x):
        tracemalloc.start()
        flow.log_prob(x)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert allocated(many) < many.nbytes / 10
    assert allocated(np.asfortranarray(many)) >= many.nbytes


def test_latents_go_back_and_densities_of_draws_agree(flow, data):
    np.testing.assert_allclose(flow.decode(flow.encode(data)), data, atol=1e-4)
    drawn, density = flow.sample_and_log_prob(500, seed=5)
    assert np.array_equal(drawn, flow.sample(500, seed=5))
    assert not np.array_equal(drawn, flow.sample(500, seed=6))
    np.testing.assert_allclose(density, flow.log_prob(drawn), atol=1e-3)
    assert flow.sample(4, dtype="float32").dtype == np.float32
    assert flow.sample(4, dtype=np.float64).dtype == np.float64
    assert flow.sample(500, temperature=0.1).std(0).max() < flow.sample(500).std(0).max() / 2


def test_gradients_are_those_of_the_density(conditional, data):
    x = data[:20]
    context = np.stack([x[:, 0] + 1, x[:, 2] * 2], axis=1)
    value, d_x, d_context = conditional.log_prob_with_gradients(x, context)
    np.testing.assert_allclose(value, conditional.log_prob(x, context), atol=1e-6)
    step = 1e-2
    for place, gradient in ((0, d_x), (1, d_context)):
        given = [x, context]
        for column in range(given[place].shape[1]):
            ends = []
            for side in (step, -step):
                moved = [x.copy(), context.copy()]
                moved[place][:, column] += side
                ends.append(conditional.log_prob(*moved))
            np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), gradient[:, column], rtol=0.05, atol=0.1)
    z, pull = conditional.encode(x, context), np.ones_like(x)
    d_z, d_c = conditional.decode_pullback(z, pull, context)
    ends = [conditional.decode(z + np.array([side, 0, 0]), context).sum(1) for side in (step, -step)]
    np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), d_z[:, 0], rtol=0.05, atol=0.05)
    assert d_c.shape == context.shape


def test_one_context_serves_all_rows(conditional, data):
    one = np.array([0.5, -0.25])
    all_rows = np.broadcast_to(one, (len(data), 2))
    assert np.array_equal(conditional.log_prob(data, one), conditional.log_prob(data, all_rows))
    assert conditional.sample(7, one).shape == (7, 3)
    drawn, density = conditional.sample_and_log_prob(7, np.stack([one, one, 2 * one]))
    assert drawn.shape == (3, 7, 3) and density.shape == (3, 7)
    np.testing.assert_allclose(conditional.log_prob(drawn[2], 2 * one), density[2], atol=1e-3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((4, 2)), r"x: expected shape \(n, 3\).*got \(4, 2\)"),
        (np.zeros(3), r"x: expected shape \(n, 3\).*got \(3,\)"),
        ([["a", "b", "c"]], "x: expected an array of numbers"),
        (np.array([[0, 1, 2], [0, np.nan, 2]]), "row 2 column 2"),
        (np.array([[0, 1, np.inf]]), "row 1 column 3"),
    ],
)
def test_wrong_rows_are_named(flow, wrong, said):
    with pytest.raises(flowstill.InputError, match=said) as told:
        flow.log_prob(wrong)
    assert isinstance(told.value, ValueError) and "\n" not in str(told.value)


def test_wrong_contexts_and_settings_are_named(flow, conditional, data, tmp_path):
    with pytest.raises(flowstill.InputError, match="no conditioning columns"):
        flow.log_prob(data, data)
    with pytest.raises(flowstill.InputError, match="conditioned on 2 columns, got none"):
        conditional.log_prob(data)
    with pytest.raises(flowstill.InputError, match="expected 3000 rows.*got 5"):
        conditional.log_prob(data, np.zeros((5, 2)))
    with pytest.raises(flowstill.InputError, match="temperature"):
        flow.sample(3, temperature=0.0)
    with pytest.raises(flowstill.InputError, match="dtype: expected float32 or float64"):
        flow.sample(3, dtype="int32")
    with pytest.raises(OverflowError):
        flow.sample(-1)
    with pytest.raises(flowstill.InputError, match="fewer than 2\\^48"):
        flow.sample(2**60)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(flow.to_bytes()[:-7])
    with pytest.raises(flowstill.InputError, match="damaged"):
        flowstill.load(broken)
    with pytest.raises(flowstill.InputError, match="cannot read"):
        flowstill.load(tmp_path / "nowhere")


def test_a_file_a_pickle_and_the_flow_are_one(flow, data, tmp_path):
    path = tmp_path / "flow.safetensors"
    flow.save(path)
    expected = flow.log_prob(data)
    for other in (flowstill.load(path), flowstill.load(str(path)), pickle.loads(pickle.dumps(flow))):
        assert np.array_equal(other.log_prob(data), expected)
        assert other.to_bytes() == flow.to_bytes()
    assert flow.shape == [3] and flow.columns == ["c1", "c2", "c3"] and flow.context_columns == []
    assert "3 columns" in repr(flow) and flow.facts["seed"] == 3
    weights = flow.parameters
    assert all(value.dtype == np.float32 for value in weights.values())
    assert f"{sum(value.size for value in weights.values())} values" in repr(flow)
    assert flow.architecture["event"] == [1, 1, 3]


def test_the_command_line_is_in_the_wheel_and_agrees_to_the_bit(flow, data, tmp_path):
    flow.save(tmp_path / "flow.safetensors")
    np.save(tmp_path / "rows.npy", data)
    run = [sys.executable, "-m", "flowstill"]
    for words in (["score", "flow.safetensors", "rows.npy", "--out", "scores.npy"], ["sample", "flow.safetensors", "-n", "9000", "--out", "drawn.npy"]):
        subprocess.run(run + words, cwd=tmp_path, check=True)
    assert np.array_equal(np.load(tmp_path / "scores.npy").ravel(), flow.log_prob(data))
    assert np.array_equal(np.load(tmp_path / "drawn.npy"), flow.sample(9000))
    wrong = subprocess.run([*run, "score", "nowhere", "rows.npy"], cwd=tmp_path, capture_output=True, text=True)
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: nowhere: ") and not wrong.stdout
    script = os.path.join(os.path.dirname(sys.executable), "flowstill")
    told = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith(f"flowstill {flowstill.__version__}\n")


def test_threads_share_a_flow(flow, data):
    many = np.tile(data, (4, 1))
    expected, found = flow.log_prob(many), [None] * 6

    def score(at):
        for _ in range(5):
            found[at] = flow.log_prob(many)

    threads = [threading.Thread(target=score, args=(at,)) for at in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, expected) for one in found)


def _score(flow_and_rows):
    flow, rows = flow_and_rows
    return flow.log_prob(rows)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_score(flow, data, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    many = np.tile(data, (4, 1))
    expected = flow.log_prob(many)  # All threads of this process are up.
    with multiprocessing.get_context(method).Pool(2) as pool:
        for found in pool.map_async(_score, [(flow, many)] * 4).get(timeout=120):
            assert np.array_equal(found, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_scores_draws_and_trains(flow, data):
    many = np.tile(data, (4, 1))
    expected = flow.log_prob(many)
    child = os.fork()
    if child == 0:
        good = np.array_equal(flow.log_prob(many), expected) and flow.sample(20_000).shape == (20_000, 3)
        trained = flowstill.fit(data, flow={"kind": "realnvp", "steps": 1, "hidden": [4]}, train={"steps": 3})
        os._exit(0 if good and trained.shape == [3] else 1)
    limit = time.monotonic() + 120
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < limit:
        time.sleep(0.05)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == (child, 0)


def test_memory_does_not_grow(flow, data):
    resource = pytest.importorskip("resource")

    def calls():
        for _ in range(300):
            flow.log_prob(data)
            flow.log_prob_with_gradients(data)
            flow.sample(2000)
            flow.parameters
            with pytest.raises(flowstill.InputError):
                flow.log_prob(data[:, :2])

    calls()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    calls()
    # Kilobytes; one leaked array a call would be 20 MB and more.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000
