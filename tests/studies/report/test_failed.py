from hierprune.pruners.tree import Excluded, ModelTree
from hierprune.studies.report.failed import excluded, grouped
from hierprune.studies.report.view import View


def test_failures_are_grouped_by_their_last_line(make_study):
    view = View.of(make_study(failures=30, errors=("a\nX: 1", "b\nX: 1\n", "c\nY: 2")))
    first, second = grouped(view.failed)
    assert (first.line, second.line) == ("X: 1", "Y: 2")
    assert len(first.trials) + len(second.trials) == 30
    assert len(first.trials) > len(second.trials)
    assert first.kind == "exception"
    assert first.error == "a\nX: 1"
    assert first.numbers.endswith(f"and {len(first.trials) - 12} more")


def test_layers_are_grouped_by_reason():
    items = (Excluded("a", "r"), Excluded("b", "s"), Excluded("c", "s"))
    assert excluded(ModelTree((), (), (), excluded=items)) == [("s", ["b", "c"]), ("r", ["a"])]
    assert excluded(None) == []
