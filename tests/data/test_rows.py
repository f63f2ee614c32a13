import pytest
import torch

from hierprune.data.rows import Rows, with_held_out
from hierprune.errors import UsageError


def make_rows(**options: object) -> Rows:
    return Rows((torch.arange(10), torch.arange(10) * 2), torch.arange(10), **options)


def test_batches_in_order():
    batches = list(make_rows(batch=4))
    assert [len(targets) for _, targets in batches] == [4, 4, 2]
    assert len(make_rows(batch=4)) == 3
    assert torch.cat([targets for _, targets in batches]).equal(torch.arange(10))
    first, second = batches[1][0]
    assert first.tolist() == [4, 5, 6, 7]
    assert second.tolist() == [8, 10, 12, 14]


def test_shuffles_by_the_global_generator_and_keeps_rows_together():
    orders = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        for (first, second), targets in make_rows(batch=10, shuffle=True):
            assert first.equal(targets)
            assert second.equal(2 * targets)
            orders.append(targets)
    assert orders[0].equal(orders[1])
    assert not orders[0].equal(orders[2])
    assert orders[0].sort().values.equal(torch.arange(10))


def test_inputs_are_prepared():
    rows = make_rows(prepare=lambda first, second: first + second)
    assert next(iter(rows))[0].tolist() == [3 * i for i in range(10)]
    assert isinstance(next(iter(Rows((torch.arange(3),), torch.arange(3))))[0], torch.Tensor)


def test_columns_must_have_as_many_rows():
    with pytest.raises(UsageError, match=r"as many rows each, got \[3, 2\]"):
        Rows((torch.zeros(3),), torch.zeros(2))


def test_held_out_rows_are_the_last_and_disjoint():
    splits = with_held_out("toy", make_rows(), make_rows(), 3)
    assert splits.train.targets.tolist() == list(range(7))
    assert splits.val.targets.tolist() == [7, 8, 9]
    with pytest.raises(UsageError, match="toy must have over 10 rows to train on, got 10"):
        with_held_out("toy", make_rows(), make_rows(), 10)
