"""``python -m cnnviz`` is the ``cnnviz`` command."""

from cnnviz.cli.main import main

main()
