"""cnnviz devices"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cnnviz.cli._progress import say

if TYPE_CHECKING:
    from cnnviz.engine.opencl import DeviceInfo

SECTION = "Run and train"


@click.command()
def command() -> None:
    """List the OpenCL devices and whether they work.

    The first one that works is used, unless --device or CNNVIZ_DEVICE selects another by its index or by part
    of its name.

    \b
    Example:
      cnnviz devices
      CNNVIZ_DEVICE=cpu cnnviz time lenet.prototxt
    """
    from cnnviz.engine.opencl import NO_DEVICE, list_devices
    from cnnviz.errors import DeviceError

    devices = list_devices()
    if not devices:
        raise DeviceError(NO_DEVICE)
    rows = [("#", "name", "platform", "type", "driver", "memory", "units", "works")]
    rows += [_row(info) for info in devices]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        say("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _row(info: DeviceInfo) -> tuple[str, ...]:
    from cnnviz.engine.device import Device
    from cnnviz.errors import DeviceError

    try:
        Device(info)
        works = "yes"
    except DeviceError as error:
        works = f"no: {error}"
    memory = f"{info.memory / 2**30:.1f} GiB"
    return (str(info.index), info.name, info.platform, info.kind, info.driver, memory, str(info.units), works)
