"""Finding what can be pruned: run the model once on labels instead of rules per architecture.

Every parameter starts with one label per position of every dimension. While the model runs on its
example inputs under a ``TorchDispatchMode``, each ATen operation moves, ties or fixes labels by a
small rule (``rules/``). What nobody fixed at the end can go. An operation without a rule fixes
everything that enters it, so the result may be less prunable than the model, never wrong.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ..copies import copy_model
from ..errors import UsageError
from ..limits import UNLIMITED, Limits
from ..task import Inputs, batch_size, forward
from .depth import find_blocks
from .examples import woken
from .grouping import Source, group_units
from .kernels import plain_kernels
from .labels import UnitSpace, along, varying
from .masking import names_norm
from .oracle import Oracle
from .rules import RULES, Call, TraceState, UnknownCaseError
from .rules.elementwise import factory, is_pointwise, pointwise
from .rules.state import Rows, tensors
from .traceable import higher_order_refused, require_traceable
from .tree import ModelTree
from .uses import find_uses, mark_readers
from .verify import Verification

LIBRARY = (
    str(Path(torch.__file__).parent),
    str(Path(__file__).parent),
    forward.__code__.co_filename,
)


LEAVING = {"numpy", "tolist", "__array__", "__dlpack__", "data_ptr"}
"""Functions that take the numbers of a tensor where no operation can be followed."""


def build_tree(
    model: nn.Module,
    example_inputs: Inputs,
    *,
    verify: bool = True,
    more_inputs: Sequence[Inputs] = (),
    outputs: Sequence[str | int] | None = None,
    limits: Limits = UNLIMITED,
    survivors: bool = False,
) -> ModelTree:
    """Everything of ``model`` that can be pruned, in the order of its forward pass.

    The model runs in eval mode, then in train mode where that works; it is left as it was.

    Args:
        model: any module; parameters need not require gradients.
        example_inputs: what one forward takes; the batch dimension first, 1 or 2 samples.
        verify: check every group against the masked dense model and drop what differs.
        more_inputs: further examples, for models that take another way with other inputs; where
            modules sleep, redrawn inputs are tried first.
        outputs: names (of a mapping) or positions (of a list or tuple) of the outputs that must
            keep their width; by default all.
        limits: of time and memory; after them operations are taken as unknown and checks as
            failed, so that what was found until then is given.
        survivors: let means, variances and standard deviations over units (weight standardisation,
            attention over channels) run over the units that stay. A cut then computes exactly that,
            which is not what the dense model with units switched off gives.

    Raises:
        UsageError: a model whose forward cannot be followed.
    """
    require_traceable(model)
    allowance = limits.begin()
    examples = woken(model, [example_inputs, *more_inputs])
    chosen = partial(choose, outputs)
    scout = run(
        model,
        examples,
        chosen,
        TraceState(UnitSpace(unite=False), allowance=allowance, survivors=survivors),
    )
    state = TraceState(
        UnitSpace(), rows=head_rows(scout.state), allowance=allowance, survivors=survivors
    )
    traced = run(model, examples, chosen, state)
    settle_grids(traced.state)
    freeze_unused(traced)
    tree, claims = group_units(model, traced.state, traced.sources)
    if verify and tree.groups:
        tree = Verification(
            Oracle(model, examples, chosen, survivors=survivors), tree, claims, allowance
        ).run()
    tree = mark_readers(tree, find_uses(model, example_inputs))
    return replace(tree, blocks=find_blocks(model, example_inputs))


def choose(names: Sequence[str | int] | None, outputs: Any) -> Any:
    """The named outputs of what a forward gave; all of them when ``names`` is None."""
    if names is None:
        return outputs
    try:
        return [outputs[name] for name in names]
    except (KeyError, IndexError, TypeError):
        given = list(outputs) if isinstance(outputs, Mapping) else type(outputs).__name__
        raise UsageError(
            f"outputs to keep must be among what the model gives ({given}), got {list(names)}"
        ) from None


@dataclass(frozen=True)
class Traced:
    """What one pass over the model found."""

    state: TraceState
    sources: tuple[Source, ...]


class FunctionNames(TorchFunctionMode):
    """Keeps ``state.function`` at the function that the model's code called."""

    def __init__(self, state: TraceState) -> None:
        super().__init__()
        self.state = state

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """One call."""
        self.state.function = getattr(func, "__name__", "")
        if self.state.function in LEAVING and isinstance(args[0], Tensor):
            self.state.operation = self.state.function
            read = [*self.state.layers(args[0]), *self.state.deferred(args[0])]
            self.state.freeze(read, "read by code that is not PyTorch's")
        return func(*args, **(kwargs or {}))


class LabelMode(TorchDispatchMode):
    """Runs every operation, then its rule on the labels."""

    def __init__(self, state: TraceState) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.state = state

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """One operation: the tensors by PyTorch, the labels by its rule."""
        result = func(*args, **(kwargs or {}))
        follow(self.state, func, Call.of(func, args, kwargs or {}, result))
        return result


def follow(state: TraceState, func: Any, call: Call) -> None:
    """Label the results of one call; whatever no rule covers is fixed."""
    state.ordinal += 1
    state.operation = call.name
    state.inherit(call)
    state.use(call)
    rule = RULES.get(call.name) or (pointwise if is_pointwise(func) else None)
    made = rule is factory
    if not made and not any(state.is_labelled(t) for t in call.inputs):
        return
    try:
        if spent := state.allowance.spent:
            raise UnknownCaseError(f"enters {call.name} after {spent}")
        if rule is None:
            raise UnknownCaseError(f"enters {call.name}, which has no rule")
        results = rule(state, call)
    except UnknownCaseError as error:
        freeze_inputs(state, call, str(error))
        return
    except (RuntimeError, IndexError, ValueError, KeyError):
        freeze_inputs(state, call, f"enters {call.name} in a way no rule covers")
        return
    for out, layers in zip(call.outputs, results, strict=True):
        state.label(out, layers)


def freeze_inputs(state: TraceState, call: Call, reason: str) -> None:
    """Fix everything that enters a call."""
    for tensor in call.inputs:
        state.freeze(state.layers(tensor), reason)


def run(
    model: nn.Module,
    examples: Sequence[Inputs],
    chosen: Callable[[Any], Any],
    state: TraceState,
) -> Traced:
    """Label the parameters and run a shadow of the model, which shares them, on the labels."""
    state.samples = batch_size(examples[0])
    state.units.locate = lambda: place(state)
    shadow = copy_model(model, {id(p): p for p in model.parameters()})
    sources = tuple(label_sources(shadow, state))
    with ExitStack() as stack:
        stack.enter_context(plain_kernels())
        stack.enter_context(module_names(shadow, state))
        stack.enter_context(higher_order_refused())
        outputs = passes(shadow, examples, state)
    state.operation = ""
    for tensor in tensors([chosen(o) for o in outputs]):
        state.freeze([*state.layers(tensor), *state.deferred(tensor)], "makes the model's output")
    return Traced(state, sources)


def passes(shadow: nn.Module, examples: Sequence[Inputs], state: TraceState) -> list[Any]:
    """Outputs of the eval-mode forwards and, where they run, of the train-mode forwards."""
    outputs = []
    for number, (training, inputs) in enumerate(product((False, True), examples)):
        shadow.train(training)
        state.counting = number == 0
        try:
            with torch.random.fork_rng(devices=[]), FunctionNames(state), LabelMode(state):
                outputs.append(forward(shadow, copy.deepcopy(inputs)))
        except Exception:
            if not training:
                raise
        state.modules.clear()
        state.in_norm.clear()
    return outputs


def label_sources(model: nn.Module, state: TraceState) -> Iterator[Source]:
    """Give every dimension of every parameter and buffer labels of its own."""
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        state.adopt(name, tensor)
        layers = []
        for d, n in enumerate(tensor.shape):
            if n > 1:
                labels = state.units.fresh(n)
                layers.append(along(labels, d, tensor.dim()))
                yield Source(name, d, labels)
        state.label(tensor, layers)


@contextmanager
def module_names(model: nn.Module, state: TraceState) -> Iterator[None]:
    """Keep ``state.modules`` at the names of the running modules."""
    names = {id(m): name for name, m in model.named_modules()}

    def enter(module: nn.Module, args: Any) -> None:
        state.modules.append(names.get(id(module), ""))
        state.in_norm.append(names_norm(module))

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        state.modules.pop()
        state.in_norm.pop()

    handles = [
        register_module_forward_pre_hook(enter),
        register_module_forward_hook(leave, always_call=True),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def place(state: TraceState) -> str:
    """Where the current operation is: its name, the module, the line of the user's code."""
    if not state.operation:
        return ""
    where = f"{state.operation} in {state.modules[-1] or 'the model'}" if state.modules else ""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code is not forward.__code__:
        frame = frame.f_back
        if not frame.f_code.co_filename.startswith(LIBRARY):
            name = Path(frame.f_code.co_filename).name
            return f"{where or state.operation}, {name}:{frame.f_lineno}"
    return where or state.operation


def head_rows(state: TraceState) -> Rows:
    """For every grid the dimensions that tell apart rows that attention contracts over."""
    row_of = np.full(state.units.size, -1)
    for labels in state.attended:
        numbers = np.broadcast_to(np.arange(len(labels))[:, None], labels.shape)
        known = labels.numpy() > 0
        row_of[labels.numpy()[known]] = numbers[known]
    found: dict[int, list[tuple[set[int], list[int]]]] = {}
    for ordinal, layer in state.grids:
        row = torch.from_numpy(row_of[layer.numpy()])
        dims = [d for d in varying(layer) if separates(row, d)]
        if dims:
            found.setdefault(ordinal, []).append((set(varying(layer)), dims))
    return found


def separates(row: Tensor, dim: int) -> bool:
    """Whether row numbers (-1: none) differ along a dimension."""
    first = row.narrow(dim, 0, 1)
    return bool(((row != first) & (row >= 0) & (first >= 0)).any())


def settle_grids(state: TraceState) -> None:
    """Grids that still vary over several dimensions lose the same positions of every row."""
    state.operation = ""
    for _ in range(3):
        for _, layer in list(state.grids):
            for settled in state.units.settle([layer]):
                state.units.tie_along(settled, varying(settled)[:-1])


def freeze_unused(traced: Traced) -> None:
    """A tensor that no operation read keeps its shape: nothing is known of it."""
    for source in traced.sources:
        if source.tensor not in traced.state.used:
            traced.state.units.freeze(source.labels, "not used by the forward pass")
