"""The tasks that come with the package: a table that is read without importing any of them."""

from __future__ import annotations

from collections.abc import Mapping

READY_MADE: Mapping[str, str] = {
    "crepe-pitch": "hierprune.examples.crepe.task:crepe_pitch",
    "gru-g2p": "hierprune.examples.g2p.task:gru_g2p",
    "lenet5-mnist": "hierprune.examples.lenet.task:lenet5_mnist",
    "lenet5-small-mnist": "hierprune.examples.lenet.task:lenet5_small_mnist",
    "minilm-sentiment": "hierprune.examples.minilm.task:minilm_sentiment",
    "resnet20-fashion": "hierprune.examples.resnet.task:resnet20_fashion",
}
"""The tasks that come with the package, by name; imported when loaded."""
