"""The metrics that a task file can be started with: code, and fields of the task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricCode:
    """How a metric and its loss are written down.

    Attributes:
        fields: of the task.
        code: functions that they use.
        needs_torch: whether ``torch`` must be imported.
    """

    fields: str
    code: str = ""
    needs_torch: bool = False


def distance(name: str, words: str, body: str, loss: str) -> MetricCode:
    """A metric of numbers that are predicted."""
    code = f'''
def {name}(outputs, targets):
    """{words} of every sample, (B,)."""
    return (outputs.flatten(1) - targets.view(len(targets), -1)).{body}.mean(dim=1)


def loss(outputs, targets):
    """The mean over the batch."""
    return torch.nn.functional.{loss}(outputs.flatten(1), targets.view(len(targets), -1))

'''
    fields = f'loss=loss,\n        metrics={{"{name}": hierprune.Metric({name}, "minimize")}},'
    return MetricCode(fields, code, needs_torch=True)


BINARY = '''
def accuracy(outputs, targets):
    """Hits of one logit a sample, (B,)."""
    return ((outputs.flatten() > 0) == targets.flatten().bool()).float()


def loss(outputs, targets):
    """Cross entropy of one logit a sample."""
    return torch.nn.functional.binary_cross_entropy_with_logits(
        outputs.flatten(), targets.flatten().float()
    )

'''
METRICS = {
    "accuracy": MetricCode(
        '# loss=..., metrics={"name": ...}: cross entropy and top-1 accuracy are the defaults'
    ),
    "binary-accuracy": MetricCode(
        'loss=loss,\n        metrics={"accuracy": accuracy},', BINARY, needs_torch=True
    ),
    "mae": distance("mae", "Mean absolute error", "abs()", "l1_loss"),
    "mse": distance("mse", "Mean squared error", "square()", "mse_loss"),
}
"""By the name that the user gives."""
