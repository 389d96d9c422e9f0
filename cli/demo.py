"""cnnviz demo"""

from __future__ import annotations

import click

from cnnviz.cli._options import device_option
from cnnviz.cli._progress import announce, clear, say, show

SECTION = "Run and train"


@click.command()
@click.argument("folder", default="cnnviz-demo", type=click.Path(file_okay=False))
@device_option
def command(folder: str, device: str | None) -> None:
    """Train LeNet on real digits and write a page about it.

    FOLDER (default: cnnviz-demo) receives the digits, the prototxts, the snapshots, the training log and the
    page index.html, so that every other command can be tried on them.

    \b
    Example:
      cnnviz demo
      cnnviz weights cnnviz-demo/lenet_train_test.prototxt cnnviz-demo/lenet_iter_1200.caffemodel filters.png
    """
    import time

    from cnnviz.engine.device import get_device
    from cnnviz.gallery.demo import run_demo

    chosen = get_device(device)
    say(f"Training LeNet on {chosen.info.title}, 5,000 digits ...")

    def progress(done: int, total: int) -> None:
        if done % 10 == 0 or done == total:
            show(done, total, "iterations")

    start = time.perf_counter()
    result = run_demo(folder, chosen, progress, announce)
    clear()
    say(f"Accuracy on 1,000 test digits: {result.accuracy:.4f}, after {time.perf_counter() - start:.0f} s")
    say(f"Weights: {result.weights}")
    say(f"Log:     {result.log}")
    say(f"Page:    {result.page}")
