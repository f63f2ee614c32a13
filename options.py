"""From option values, of the command line or of Python keywords, to requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .errors import UsageError
from .objectives.latency import LatencyOptions
from .objectives.runtime import Setting
from .pruners.plan import Recovery
from .pruners.schedules.course import Learning
from .search.recipes import Recipes, middle
from .search.space import SpaceOptions
from .search.span import Span, numbers
from .search.stopping import StopRules
from .studies.devices import read_device
from .studies.request import Means, Request
from .studies.trained import Wish

MEANS = (
    "executor",
    "workers",
    "address",
    "resources",
    "timeout",
    "trial_timeout",
    "track",
    "on_stop",
    "sampler",
)


def means_from(options: Mapping[str, Any]) -> Means:
    """What to run with."""
    return Means(**{name: options[name] for name in MEANS if name in options})


def request_from(options: Mapping[str, Any]) -> Request:
    """What to find; ``None`` or a missing name stands for the default.

    Raises:
        UsageError: a value that cannot work.
    """
    given = with_device({k: v for k, v in options.items() if v is not None})
    what = ("objectives", "strategy", "trials", "seed", "storage", "hold_back")
    training = ("max_epochs", "promote")
    chosen = {name: given[name] for name in (*what, *training) if name in given}
    where = tuple(given.get("where", ()))
    return Request(
        where=where,
        space=space_from(given),
        recovery=recovery_from(given),
        recipes=recipes_from(given),
        latency=latency_from(given),
        stop=StopRules(given.get("until", ""), given.get("patience", 0)),
        **chosen,
    )


def with_device(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values with those of a device profile below them; its budgets are further constraints."""
    found = dict(given)
    device = found.pop("device", None)
    if device is None:
        return found
    profile = read_device(str(device))
    return profile | found | {"where": (*found.get("where", ()), *profile["where"])}


def latency_from(given: Mapping[str, Any]) -> LatencyOptions:
    """How latency is known, and on what runtime."""
    names = ("runtime", "threads", "batch", "shape", "command", "command_timeout")
    chosen = {name: given[name] for name in names if name in given}
    if "shape" in chosen:
        chosen["shape"] = tuple(chosen["shape"])
    setting = Setting(**chosen)
    setting.check_here()
    return LatencyOptions(given.get("latency", LatencyOptions().mode), setting)


def recovery_from(given: Mapping[str, Any]) -> Recovery:
    """How plans are recovered, trained ones by the usual recipe."""
    chosen = {name: middle(name, choices) for name, choices in training_from(given).items()}
    return Recovery(sequential=given.get("sequential", False), **chosen)


def recipes_from(given: Mapping[str, Any]) -> Recipes:
    """What may vary in training: whatever was given more than one value."""
    several = {n: c for n, c in training_from(given).items() if isinstance(c, Span) or len(c) > 1}
    return Recipes(**several)


def training_from(given: Mapping[str, Any]) -> dict[str, Any]:
    """Learning rates, weights of distillation and schedules, as far as they are given.

    Raises:
        UsageError: no schedule is named.
    """
    found: dict[str, Any] = {n: numbers(given[n]) for n in ("lr", "distil") if n in given}
    if "schedule" in given:
        found["schedule"] = tuple(given["schedule"])
        if not found["schedule"]:
            raise UsageError("schedule must name at least one schedule, such as 'oneshot'")
    return found


def of_kind(defaults: Mapping[str, tuple[str, ...]], granularity: str) -> tuple[str, ...]:
    """The default of a granularity; all patterns of single weights share one."""
    return defaults.get(granularity, defaults["weight"])


def align_from(value: str | int) -> int | Literal["auto"]:
    """A multiple, or ``"auto"``.

    Raises:
        UsageError: it is neither.
    """
    if value == "auto":
        return "auto"
    try:
        return int(value)
    except ValueError:
        raise UsageError(f"align must be 'auto' or a number from 1 on, got {value!r}") from None


def by_lanes(given: Mapping[str, Any]) -> bool:
    """Whether the runtime is slow at odd widths, and models are timed fast enough to find which."""
    return bool(given.get("runtime") == "onnxruntime")


def space_from(given: Mapping[str, Any]) -> SpaceOptions:
    """What may vary; one list of criteria or allocations serves all granularities.

    Where plans are trained, sensitivities split channels too: beside training they cost little, and
    after it their splits do best.
    """
    default = SpaceOptions()
    granularities = tuple(given.get("granularity", default.granularities))
    criteria, allocations = given.get("criterion"), given.get("allocation")
    bases = dict(default.allocations)
    if given.get("max_epochs", 0) > 0:
        bases["channel"] = (*bases["channel"], "dp")
    return SpaceOptions(
        granularities=granularities,
        criteria={g: criteria or of_kind(default.criteria, g) for g in granularities},
        allocations={g: allocations or of_kind(bases, g) for g in granularities},
        kind=given.get("space", default.kind),
        budget=given.get("budget", default.budget),
        min_density=given.get("min_density", default.min_density),
        max_density=given.get("max_density", default.max_density),
        align=align_from(given.get("align", "auto" if by_lanes(given) else 1)),
        quantizations=tuple(given.get("int8", default.quantizations)),
    )


def wish_from(options: Mapping[str, Any]) -> Wish:
    """What to prune without a search, and how to train.

    Raises:
        UsageError: a value that cannot work.
    """
    fields = ("plan", "density", "granularity", "criterion", "allocation", "budget", "seed")
    recovery = {name: options[name] for name in ("epochs", "lr", "distil", "schedule")}
    learning = {name: options[name] for name in ("weight_decay", "precision", "average")}
    return Wish(
        recovery=Recovery(**recovery),
        learning=Learning(**learning),
        **{name: options[name] for name in fields},
    )
