"""Values to figures: matplotlib figures, SVG and HTML text."""

import logging

# Where the home cannot be written, matplotlib takes a temporary folder and warns of it: no news to a user.
logging.getLogger("matplotlib").addFilter(lambda record: record.funcName != "_get_config_or_cache_dir")
# Where the disk is full, it cannot keep its list of fonts: it makes the list again each time.
logging.getLogger("matplotlib.font_manager").addFilter(lambda record: record.funcName != "json_dump")
