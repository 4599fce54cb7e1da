"""Compiled choice of lenders, beside NumPy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vsvqe.motion.borders import lenders
from vsvqe.motion.transform import compose


@given(seed=st.integers(0, 999), neighbours=st.integers(1, 22), aspect=st.floats(0.4, 2.5))
def test_the_same_lenders_are_chosen_without_compiled_code(
    without_compiled_code, seed, neighbours, aspect
):
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.08, (neighbours + 1, 4))
    correction, *matrices = (compose(*move) for move in moves)
    # Some perspective, and a neighbour that has nothing of the picture.
    matrices = [matrix + np.diag([0.05], -2) * rng.normal() for matrix in matrices]
    matrices[0] = compose(dx=9.0)
    chain = dict(zip(range(-3, neighbours), matrices, strict=False))
    chosen = lenders(correction, chain, aspect)
    assert len(chosen) <= 4 and set(chosen) <= set(chain) - {-3}
    with without_compiled_code():
        assert lenders(correction, chain, aspect) == chosen
