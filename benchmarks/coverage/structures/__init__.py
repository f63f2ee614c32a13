"""Hand-written structures: small networks that show the many ways to write a model."""

from . import attention, channels, convolutional, plumbing, recurrent, traps, unusual
from .registry import STRUCTURES, TRAPS, Structure, Trap

__all__ = [
    "STRUCTURES",
    "TRAPS",
    "Structure",
    "Trap",
    "attention",
    "channels",
    "convolutional",
    "plumbing",
    "recurrent",
    "traps",
    "unusual",
]
