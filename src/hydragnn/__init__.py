"""HydraGNN's names for Hydria: `import hydragnn; hydragnn.run_training("configs/lsms.json")`.

Nothing is done here. `_table` says where each old name lives now, `_names` makes the modules.
"""

from hydragnn import _names

_names.install(__name__)
