"""Networks that are easily cut wrongly, cut and compared on inputs unlike those of the trace."""

import pytest
import torch

from hierprune.benchmarks.coverage.structures import TRAPS
from hierprune.pruners.oracle import Oracle, draw
from hierprune.pruners.trace import build_tree

HARMLESS = {
    "flipped_units": 2,
    "where_by_unit": 2,
    "decided_by_sum": 2,
    "averages_kept": 2,
    "sparse_experts": 1,
    "groups_that_do_not_divide": 1,
    "projected_where_shapes_differ": 1,
}
"""Groups that must be found all the same."""


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_wrong_is_promised(name):
    trap = TRAPS[name]
    torch.manual_seed(0)
    model = trap.build().eval()
    tree = build_tree(model, trap.inputs(2))
    assert len(tree.groups) >= HARMLESS.get(name, 0)
    assert all(e.reason for e in tree.excluded)
    generator = torch.Generator().manual_seed(1)
    for number, (batch, scale) in enumerate([(1, 1.0), (3, 0.2), (7, 4.0)]):
        oracle = Oracle(model, [trap.inputs(batch)], seed=number)
        oracle.examples = [scale * x for x in oracle.examples]
        keep = {
            g.name: draw(g, (0.25, 0.5, 0.75)[oracle.choice(3)], generator) for g in tree.groups
        }
        assert oracle.fault(tree, keep) == ""
