"""What options of the command line and of Python become."""

import pytest

from hierprune.options import request_from


@pytest.mark.parametrize(
    ("options", "measured"),
    [
        ({}, False),
        ({"max_epochs": 0.0}, False),
        ({"max_epochs": 0.5}, True),
        ({"max_epochs": 2.0, "allocation": ("lamp",)}, False),
        ({"allocation": ("lamp", "dp")}, True),
    ],
)
def test_sensitivities_split_channels_where_plans_are_trained_or_who_asks(options, measured):
    space = request_from({"granularity": ("channel", "weight"), **options}).space
    assert ("dp" in space.allocations["channel"]) == measured
    asked = "dp" in options.get("allocation", ())
    assert ("dp" in space.allocations["weight"]) == asked
