"""Hand-written structures: small networks that show the many ways to write a model."""

from . import attention, channels, convolutional, plumbing, recurrent
from .registry import STRUCTURES, Structure

__all__ = [
    "STRUCTURES",
    "Structure",
    "attention",
    "channels",
    "convolutional",
    "plumbing",
    "recurrent",
]
