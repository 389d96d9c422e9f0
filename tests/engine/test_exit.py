"""How a process ends that used a runtime: in order, and by the signals that end any other."""

from __future__ import annotations

import atexit
import ctypes
import signal
import subprocess
import sys
import weakref
from unittest.mock import Mock

import numpy as np
import pytest

from cnnviz.engine.mappings import Mappings


class Mapping:
    """A mapped buffer, as arrays have it for their base."""

    def __init__(self, calls: Mock):
        self.release = calls.release
        self.memory = np.zeros(4)
        self.__array_interface__ = self.memory.__array_interface__


@pytest.fixture
def calls():
    return Mock()


@pytest.fixture
def mappings(calls):
    made = Mappings(calls.queue)
    yield made
    atexit.unregister(made._end_all)


def mapped(mappings: Mappings, calls: Mock) -> np.ndarray:
    array = np.asarray(Mapping(calls))
    mappings.add(array)
    return array


def test_a_mapping_ends_once(mappings, calls):
    array = mapped(mappings, calls)
    mappings.end(array)
    mappings.end(array)
    mappings._end_all()
    calls.release.assert_called_once_with(calls.queue)


def test_all_mappings_end_before_the_queue_is_waited_for(mappings, calls):
    kept, _ = mapped(mappings, calls), mapped(mappings, calls)
    view = mapped(mappings, calls)[1:]
    mappings._end_all()
    names = [call[0] for call in calls.mock_calls]
    assert names == ["release", "release", "release", "queue.finish"] or names == [
        "release",
        "release",
        "queue.finish",
    ]
    assert kept.size == 4 and view.size == 3


def test_what_is_mapped_after_the_end_is_never_freed(mappings, calls):
    mappings._end_all()
    array = mapped(mappings, calls)
    alive = weakref.ref(array)
    mappings.end(array)
    del array
    assert alive() is not None and not calls.release.called
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(alive()))


NET = """
from cnnviz.formats.prototxt import parse_net
import atexit, cnnviz
late = []
atexit.register(lambda: print(late[0].blobs["y"].data.sum(), late[0].forward()["y"].shape))
net = cnnviz.Net(parse_net('''
        layer { name: "x" type: "Input" top: "x"
          input_param { shape { dim: 9 dim: 99 } } }
        layer { name: "y" type: "InnerProduct" bottom: "x" top: "y"
          inner_product_param { num_output: 4000 } }'''), "TEST")
views = [blob.data[:2] for blobs in net.params.values() for blob in blobs]
late.append(net)
cnnviz.Net.kept = lambda self: None
"""


def test_mapped_blobs_at_the_end_of_a_program():
    result = subprocess.run([sys.executable, "-c", NET], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "0.0 (9, 4000)\n"), result.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals are kept on Linux")
@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGUSR1, signal.SIGTERM])
def test_signals_end_the_process_after_a_runtime_was_loaded(number):
    code = "import os, sys; from cnnviz.engine.device import get_device; device = get_device(); "
    code += "device.programs.kernel('probe', 'probe'); "
    code += "os.kill(os.getpid(), int(sys.argv[1])); print('still here')"
    result = subprocess.run([sys.executable, "-c", code, str(int(number))], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (-number, "", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals are kept on Linux")
def test_a_handler_of_the_program_stays():
    code = "import os, signal; signal.signal(signal.SIGUSR2, lambda *_: print('mine')); "
    code += "from cnnviz.engine.device import get_device; get_device(); os.kill(os.getpid(), signal.SIGUSR2)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "mine\n", "")
