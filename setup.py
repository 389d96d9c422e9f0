"""Packaging: the fixed top level cnnviz/, cli/, gallery/ becomes cnnviz, cnnviz.cli, cnnviz.gallery."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
FOLDERS = {"cnnviz": "cnnviz", "cnnviz.cli": "cli", "cnnviz.gallery": "gallery"}


def packages() -> list[str]:
    """Every package below the mapped folders, found on disk: a list kept by hand forgets some."""
    names = []
    for prefix, folder in FOLDERS.items():
        names.append(prefix)
        names += [f"{prefix}.{name}" for name in find_packages(str(ROOT / folder))]
    return names


version = re.search(r'__version__ = "(.+)"', (ROOT / "cnnviz/__init__.py").read_text()).group(1)
extras = {
    # Intel's OpenCL runtime for CPUs comes as wheels for x86-64 only.
    "cpu": [
        'intel-opencl-rt; platform_machine == "x86_64" or platform_machine == "AMD64"',
        'intel-cmplr-lib-rt; platform_machine == "x86_64" or platform_machine == "AMD64"',
    ],
    "lmdb": ["lmdb"],  # to write; our own reader needs none
    "leveldb": ["plyvel"],
    "hdf5": ["h5py"],
    "pydot": ["pydot"],  # for pycaffe's get_pydot_graph
}
extras["all"] = sorted({p for name in extras if name != "cpu" for p in extras[name]})
extras["test"] = [*extras["all"], "pytest", "hypothesis", "ruff==0.17.*", "mypy==2.4.*"]

setup(
    name="cnnviz",
    version=version,
    description="See inside convolutional networks: inspection and visualization around an OpenCL engine",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-2-Clause",
    python_requires=">=3.10",
    packages=packages(),
    package_dir=FOLDERS,
    package_data={
        "cnnviz": [
            "py.typed",
            "kernels/*.cl",
            "kernels/*.h",
            "plots/templates/*",
            "formats/*.proto",
            "engine/data/digits.*",
            "pycaffe/for_children/caffe/*.py",
        ],
        "cnnviz.gallery": ["templates/*", "templates/*/*"],
    },
    install_requires=[
        "numpy>=1.24",
        "pyopencl>=2023.1",
        "matplotlib>=3.7",
        "pillow>=10",
        "click>=8.1",
        "protobuf>=5",
    ],
    extras_require=extras,
    entry_points={"console_scripts": ["cnnviz = cnnviz.cli.main:main"]},
)
