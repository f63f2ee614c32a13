import shlex
from dataclasses import replace

import pytest

from hierprune.studies.report.front_table import heads, rows, with_verdict
from hierprune.studies.report.view import View


def test_dense_comes_first_and_every_row_fills_every_column(make_study):
    view = View.of(make_study())
    table = rows(view)
    assert len(table) == len(view.front) + 1
    assert {len(row.cells) for row in table} == {len(heads(view))}
    assert (table[0].mark, table[0].command) == ("dense", "")
    assert [r.cells[0].text for r in table if r.mark == "pick"] == [
        str(view.records[view.pick].number)
    ]


def test_cells_show_values_intervals_and_broken_constraints(make_study):
    view = View.of(make_study())
    column = {head: i for i, head in enumerate(heads(view))}
    for row, index in zip(rows(view)[1:], view.front, strict=True):
        values = view.records[index].values
        accuracy = row.cells[column["accuracy ↑"]]
        assert accuracy.key == values["accuracy"]
        assert accuracy.note.split(" to ")[0] == f"{values['accuracy'] - 0.004:#.4g}"
        held = values["accuracy"] >= 0.984 - 0.01
        assert row.cells[column["constraints"]].text == ("hold" if held else "broken")


def test_only_decisions_that_differ_have_a_column(make_study):
    view = View.of(make_study())
    column = {head: i for i, head in enumerate(heads(view))}
    assert "granularity" not in column  # channel in all of them
    found = [row.cells[column["allocation"]].text for row in rows(view)[1:]]
    assert found == [view.records[i].plan["allocation"] for i in view.front]
    assert len(set(found)) > 1


@pytest.mark.parametrize("name", ["run", "it's a run; rm -rf"])
def test_the_command_can_be_pasted(make_study, name):
    study = make_study(name)
    words = shlex.split(rows(View.of(study))[1].command)
    number = str(study.front_records()[0].number)
    assert words[:5] == ["hierprune", "pick", str(study.run), "--trial", number]
    assert words[5:] == ["--out", f"{name}-trial-{number}"]


def test_models_that_do_not_beat_dense_say_so(make_study):
    view = View.of(make_study())
    record = view.records[view.front[0]]
    notes = {}
    for span in ((2.5, 2.6), (2.3, 2.5), (1.0, 1.1)):
        changed = replace(record, interval={"latency": span})
        notes[span] = with_verdict(view, changed, "latency").note
    assert notes[2.5, 2.6].endswith("SLOWER than dense")
    assert notes[2.3, 2.5].endswith("not shown to be faster")
    assert notes[1.0, 1.1] == "1.000 to 1.100"
