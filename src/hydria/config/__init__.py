"""Configs: files become frozen objects once, here; nothing inside sees a dictionary."""

from hydria.config.parse import LoadedConfig, bundled_configs, find_config, load_config
from hydria.config.run import RunConfig

__all__ = ["LoadedConfig", "RunConfig", "bundled_configs", "find_config", "load_config"]
