"""What every ATen operation does to unit labels: small tables that can be checked one by one."""

from . import contraction, elementwise, joining, lookup, movement, normalisation, reduction, shapes
from .registry import RULES, Rule, UnknownCaseError
from .state import Call, Product, Site, TraceState

__all__ = [
    "RULES",
    "Call",
    "Product",
    "Rule",
    "Site",
    "TraceState",
    "UnknownCaseError",
    "contraction",
    "elementwise",
    "joining",
    "lookup",
    "movement",
    "normalisation",
    "reduction",
    "shapes",
]
