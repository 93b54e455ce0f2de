"""Train a teacher on rows in memory, distil it into a student that draws faster, and say how far apart they are."""

import numpy as np

import flowstill


def moons(count: int, seed: int) -> np.ndarray:
    """Two half circles with noise, shape (count, 2)."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi, count)
    upper = rng.random(count) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([x, y], axis=1) + rng.normal(0, 0.1, (count, 2))


rows = moons(4000, seed=1)
teacher = flowstill.fit(rows, flow={"kind": "maf", "blocks": 3, "hidden": [32, 32]}, train={"steps": 200})
student = teacher.distill(rows, flow={"kind": "nsf", "steps": 2, "hidden": 16}, train={"steps": 200})
apart = flowstill.divergence(teacher, student, 2000)
print(teacher)
print(student)
print(f"KL(teacher || student) = {apart['kl_teacher_student']:.3f} nats")
