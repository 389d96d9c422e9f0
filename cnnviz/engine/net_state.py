"""The state of a net (phase, level, stages), and the rules by which layers belong to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cnnviz
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import LayerParameter, NetState, NetStateRule, Phase

_MOST_NAMED = 4  # makers of a blob in one error
MOST_MAKERS = 16  # of a blob that are looked at


def phase_number(phase: int | str) -> int:
    """Returns cnnviz.TRAIN or cnnviz.TEST for a number or a name.

    Raises NetError for anything else.
    """
    names = {"TRAIN": cnnviz.TRAIN, "TEST": cnnviz.TEST}
    number = names.get(phase.upper(), -1) if isinstance(phase, str) else phase
    if number not in names.values():
        raise NetError(f"phase {phase!r} is neither TRAIN nor TEST")
    return number


def net_state(
    definition: NetDefinition, phase: int | str, level: int = 0, stages: Iterable[str] = ()
) -> NetState:
    """Returns the state that pycaffe's Net builds: phase and level are set, stages added."""
    state = NetState()
    state.CopyFrom(definition.proto.state)
    state.phase = phase_number(phase)
    state.level = level
    state.stage.extend(stages or ())
    return state


def includes(param: LayerParameter, state: NetState, stages: set[str] | None = None) -> bool:
    """Whether a layer's include and exclude rules let it into a net in ``state``.

    Args:
        stages: those of ``state`` as a set, for callers that ask for many layers.
    Raises NetError if it has both kinds of rules.
    """
    if param.include and param.exclude:
        raise NetError("has include and exclude rules; give one kind only")
    if stages is None:
        stages = set(state.stage)
    if param.include:
        return any(_meets(rule, state, stages) for rule in param.include)
    return not any(_meets(rule, state, stages) for rule in param.exclude)


def _meets(rule: NetStateRule, state: NetState, stages: set[str]) -> bool:
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )


def makers_text(makers: Sequence[LayerParameter], state: NetState) -> str:
    """Returns which layers make a blob that is missing in ``state``, under which rules, and the way out.

    Args:
        makers: layers of the file that have the blob as a top, one at least.

    Returns:
        Such as "; layer 'final_a' makes it with stage 'a', layer 'final_b' makes it with stage 'b': give
        --stage a or --stage b".
    """
    later = [p.name for p in makers if not (p.include and p.exclude) and includes(p, state)]
    if later:
        return f"; layer {later[0]!r} makes it further down: put that layer before this one"
    clauses = [f"layer {p.name!r} {_rules(p)}" for p in makers[:_MOST_NAMED]]
    more = " and others" if len(makers) > _MOST_NAMED else ""
    return f"; {', '.join(clauses)}{more}{_way_out(makers, state)}"


def _rules(param: LayerParameter) -> str:
    """Where a layer belongs to the net, e.g. "makes it in phase TRAIN with stage 'a'"."""
    if param.include:
        return "makes it " + " or ".join(map(_rule, param.include))
    return "makes it except " + " and ".join(map(_rule, param.exclude))


def _rule(rule: NetStateRule) -> str:
    words = [f"in phase {Phase.Name(rule.phase)}"] if rule.HasField("phase") else []
    words += [f"with stage {stage!r}" for stage in rule.stage]
    words += [f"without stage {stage!r}" for stage in rule.not_stage]
    words += [f"from level {rule.min_level}"] if rule.HasField("min_level") else []
    words += [f"up to level {rule.max_level}"] if rule.HasField("max_level") else []
    return " ".join(words) or "always"


def _way_out(makers: Iterable[LayerParameter], state: NetState) -> str:
    """The options that let in one of the makers; "" if leaving options away would be needed."""
    ways = [_options(rule, state) for param in makers for rule in param.include]
    ways = list(dict.fromkeys(way for way in ways if way))
    return f": give {' or '.join(ways[:_MOST_NAMED])}" if ways else ""


def _options(rule: NetStateRule, state: NetState) -> str:
    if any(stage in state.stage for stage in rule.not_stage):
        return ""
    options = []
    if rule.HasField("phase") and rule.phase != state.phase:
        options.append(f"--phase {Phase.Name(rule.phase)}")
    if rule.HasField("min_level") and state.level < rule.min_level:
        options.append(f"--level {rule.min_level}")
    elif rule.HasField("max_level") and state.level > rule.max_level:
        options.append(f"--level {rule.max_level}")
    options += [f"--stage {stage}" for stage in rule.stage if stage not in state.stage]
    return " ".join(options)
