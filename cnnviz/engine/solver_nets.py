"""Which nets a solver trains and tests: its fields train_net, net, test_net and their inline twins."""

from __future__ import annotations

from cnnviz.errors import NetError
from cnnviz.formats.prototxt import NetDefinition, SolverDefinition
from cnnviz.formats.schema import NetState, SolverParameter

_TRAIN_FILES, _TRAIN_INLINE = ("train_net", "net"), ("train_net_param", "net_param")


def train_origin(solver: SolverDefinition) -> str:
    """Returns what the log calls the source of the training net.

    Raises NetError unless the solver names exactly one.
    """
    param = solver.proto
    given = [name for name in (*_TRAIN_FILES, *_TRAIN_INLINE) if param.HasField(name)]
    if len(given) != 1:
        named = f"names {len(given)} training nets ({', '.join(given)})" if given else "names no net"
        raise NetError(f'{solver.path}: the solver {named}; give one, e.g. net: "FILE".')
    if given[0] in _TRAIN_FILES:
        return f"from {given[0]} file: {getattr(param, given[0])}"
    return f"specified in {given[0]}."


def test_definitions(solver: SolverDefinition) -> list[tuple[NetDefinition, str, NetState]]:
    """Returns each test net with its source and the state that the solver gives it.

    Raises NetError if test nets, test_iter, test_state and test_interval do not match.
    """
    definitions, states = _definitions(solver), solver.proto.test_state
    if states and len(states) != len(definitions):
        raise NetError(
            f"{solver.path}: {len(states)} test_state for {len(definitions)} test nets; "
            "give one for each test_iter, or none."
        )
    if definitions and solver.proto.test_interval <= 0:
        raise NetError(f"{solver.path}: test_iter is given, so test_interval must be > 0.")
    return [(*found, states[i] if states else NetState()) for i, found in enumerate(definitions)]


def _definitions(solver: SolverDefinition) -> list[tuple[NetDefinition, str]]:
    """Inline test nets, test net files, then the common net for each test_iter left."""
    param, path = solver.proto, solver.path
    found = []
    for proto in param.test_net_param:
        copy = SolverParameter()
        copy.net_param.CopyFrom(proto)
        found.append((SolverDefinition(copy, path).net(), "test_net_param"))
    for file in param.test_net:
        found.append((solver.named_net(file), f"test_net file: {file}"))
    common = len(param.test_iter) - len(found)
    if common < 0:
        raise NetError(f"{path}: {len(found)} test nets but {len(param.test_iter)} test_iter; give each one.")
    generic = param.HasField("net") or param.HasField("net_param")
    if common and not generic:
        raise NetError(
            f"{path}: {len(param.test_iter)} test_iter but {len(found)} test nets; "
            "give a test_net for each, or use net: instead of train_net:."
        )
    origin = f"net file: {param.net}" if param.HasField("net") else "net_param"
    return found + [(solver.net(), origin) for _ in range(common)]
