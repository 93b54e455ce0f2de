"""Hold the module of torch to the flow, and its gradients to torch's own check."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from flowstill.torch import Flow  # noqa: E402


def test_values_and_gradients_are_the_flows(conditional, data):
    module = Flow(conditional)
    x = torch.tensor(data[:50], requires_grad=True)
    context = torch.tensor([0.5, -0.25], dtype=torch.float64, requires_grad=True)
    value = module.log_prob(x, context)
    assert np.array_equal(value.detach().numpy(), conditional.log_prob(data[:50], [0.5, -0.25]))
    (2 * value).sum().backward()
    _, d_x, d_context = conditional.log_prob_with_gradients(data[:50], [0.5, -0.25])
    np.testing.assert_allclose(x.grad.numpy(), 2 * d_x)
    np.testing.assert_allclose(context.grad.numpy(), 2 * d_context.sum(0))
    drawn = module.rsample(40, context, seed=2)
    np.testing.assert_allclose(drawn.detach().numpy(), conditional.sample(40, [0.5, -0.25], seed=2), atol=1e-3)
    assert torch.autograd.grad(drawn.sum(), context)[0].shape == (2,)
    assert not list(module.parameters())
