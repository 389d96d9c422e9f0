"""Logs to plot, and what the figures of logs show."""

from __future__ import annotations

from matplotlib.lines import Line2D
from matplotlib.text import Text

from cnnviz.formats.training_log import LogReader


def log_of(rows: str, path: str = "run.log"):
    """A log of messages, one a second."""
    reader = LogReader(path)
    for i, row in enumerate(["Solving Net", *rows.strip().splitlines()]):
        reader.feed(f"I1121 02:{i // 60:02d}:{i % 60:02d}.000000 7 solver.cpp:1] {row.strip()}\n".encode())
    return reader.finish()


def run(losses, rates=None, path="run.log", tests=None):
    """A log with a display at each iteration, and a test before it where ``tests`` are given."""
    rows = []
    for i, loss in enumerate(losses):
        if tests is not None:
            rows += [
                f"Iteration {i}, Testing net (#0)",
                f"    Test net output #0: loss = {tests[i]} (* 1 = 1 loss)",
            ]
        rows += [f"Iteration {i}, loss = {loss}", f"Iteration {i}, lr = {rates[i] if rates else 0.01}"]
    return log_of("\n".join(rows), path)


def parts(figure, gid: str) -> list[Line2D]:
    return [line for line in figure.axes[0].lines if line.get_gid() == gid]


def texts(figure) -> list[Text]:
    figure.canvas.draw()
    shown = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    ends = [axis.get_view_interval() for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis)]
    hidden = {
        tick.label1
        for axis, (low, high) in zip((figure.axes[0].xaxis, figure.axes[0].yaxis), ends, strict=True)
        for tick in axis.get_major_ticks()
        if not low <= tick.get_loc() <= high
    }
    return [text for text in shown if text not in hidden]


def assert_legible(figure) -> None:
    """No text leaves the figure, none lies over another, none over a curve."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    frame = figure.bbox
    for words, box in boxes:
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= frame.x1 + 1 and box.y1 <= frame.y1 + 1, words
    for i, (words, box) in enumerate(boxes):
        for other_words, other in boxes[i + 1 :]:
            width = min(box.x1, other.x1) - max(box.x0, other.x0)
            height = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert width < 1 or height < 1.5, (words, other_words)
    area = figure.axes[0].get_window_extent()
    for words, box in boxes:
        inside = (
            box.x1 > area.x0 + 1 and box.x0 < area.x1 - 1 and box.y1 > area.y0 + 1 and box.y0 < area.y1 - 1
        )
        assert not inside, f"{words} lies over the axes"


def subtitle(figure) -> str:
    return {text.get_gid(): text.get_text() for text in figure.texts}["subtitle"]
