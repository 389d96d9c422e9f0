"""The first step of the layered layout: the ranks of boxes, and dummy places where long lines pass a rank."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

from cnnviz.errors import CnnvizError
from cnnviz.plots.graph.layout import BOX_GAP, Node, Sizes

LINE_GAP = 9.0  # least distance around a line that passes a rank
# Ranks that all lines together may pass: each is a place of its own in the layout.
MAX_PASSED = 300_000


@dataclass
class Grid:
    """The graph cut into ranks: nodes and dummy places, each with neighbours one rank up and down."""

    sizes: Sizes
    edges: list[tuple[Node, Node]]
    rank: dict[Node, int] = field(default_factory=dict)
    ranks: list[list[Node]] = field(default_factory=list)
    up: dict[Node, list[Node]] = field(default_factory=lambda: defaultdict(list))
    down: dict[Node, list[Node]] = field(default_factory=lambda: defaultdict(list))
    chains: dict[tuple[Node, Node], list[Dummy]] = field(default_factory=dict)
    trunk: set[Node] = field(default_factory=set)
    x: dict[Node, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rank = _ranks(list(self.sizes), self.edges)
        passed = sum(self.rank[target] - self.rank[source] - 1 for source, target in self.edges)
        if passed > MAX_PASSED:
            raise CnnvizError(
                f"the lines of this net pass {passed:,} other layers, and at most "
                f"{MAX_PASSED:,} can be drawn; write the table instead: use the extension .txt."
            )
        for source, target in self.edges:
            self._connect(source, target)
        self.ranks = [[] for _ in range(max(self.rank.values()) + 1)]
        for node, rank in self.rank.items():
            self.ranks[rank].append(node)
        self.trunk = self._find_trunk()

    def _find_trunk(self) -> set[Node]:
        """The boxes alone in their rank, on the longest path, and their runs."""
        boxes = ([node for node in rank if not isinstance(node, Dummy)] for rank in self.ranks)
        trunk = {rank[0] for rank in boxes if len(rank) == 1}
        taken = {self.rank[node] for node in trunk}
        for run in straight_runs(self):
            if trunk.isdisjoint(run):
                continue
            for node in run:
                if self.rank[node] not in taken and not isinstance(node, Dummy):
                    trunk.add(node)
                    taken.add(self.rank[node])
        return trunk

    def _connect(self, source: Node, target: Node) -> None:
        above, chain = source, list[Dummy]()
        for rank in range(self.rank[source] + 1, self.rank[target]):
            dummy = Dummy(source, rank)
            if dummy not in self.rank:
                self.rank[dummy] = rank
                self._link(above, dummy)
            chain.append(dummy)
            above = dummy
        self._link(above, target)
        self.chains[source, target] = chain

    def _link(self, above: Node, below: Node) -> None:
        self.down[above].append(below)
        self.up[below].append(above)

    def width(self, node: Node) -> float:
        return 0.0 if isinstance(node, Dummy) else self.sizes[node][0]

    def separation(self, left: Node, right: Node) -> float:
        """The least distance between the centres of two neighbours in a rank."""
        gap = BOX_GAP
        if isinstance(left, Dummy) or isinstance(right, Dummy):
            gap = LINE_GAP if left.__class__ is right.__class__ else (BOX_GAP + LINE_GAP) / 2
        return (self.width(left) + self.width(right)) / 2 + gap


@dataclass(frozen=True)
class Dummy:
    """The place where the lines of ``source`` pass the rank ``rank``."""

    source: Node
    rank: int


def _ranks(nodes: list[Node], edges: list[tuple[Node, Node]]) -> dict[Node, int]:
    """Returns the rank of each node: its longest path from a source; sources just above their use."""
    after: dict[Node, list[Node]] = defaultdict(list)
    waiting = dict.fromkeys(nodes, 0)
    for source, target in edges:
        after[source].append(target)
        waiting[target] += 1
    sources = {node for node in nodes if not waiting[node]}
    rank = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not waiting[node]]
    for node in ready:
        for target in after[node]:
            rank[target] = max(rank[target], rank[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    if len(ready) < len(nodes):
        raise ValueError("the graph has a cycle")
    for node in sources:
        rank[node] = min((rank[target] for target in after[node]), default=1) - 1
    return rank


def straight_runs(grid: Grid) -> list[list[Node]]:
    """The runs of nodes that should stand in one vertical line: each the other's only neighbour."""
    runs, taken = [], set[Node]()
    for node in grid.rank:
        if node in taken:
            continue
        run = deque([node])
        while True:
            below = grid.down[run[-1]]
            if len(below) != 1 or len(grid.up[below[0]]) != 1 or below[0] in taken:
                break
            run.append(below[0])
        while True:
            above = grid.up[run[0]]
            if len(above) != 1 or len(grid.down[above[0]]) != 1 or above[0] in taken:
                break
            run.appendleft(above[0])
        taken.update(run)
        runs.append(list(run))
    return runs
