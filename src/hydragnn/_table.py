"""Old dotted path → where the object lives now.

Three eras of HydraGNN have put the same things in different places: flat (`hydragnn.utils.model`,
`hydragnn.utils.config_utils`, to version 3), nested (`hydragnn.utils.model.model`, from version
4), and the entry points `run_training` and `run_prediction` (to version 5).
"""

SCRIPTING = "hydria.workloads.scripting"

WEIGHTS = ("save_model", "load_existing_model", "load_existing_model_config")
TIMERS = ("Timer", "print_timers")


def nested(package: str, module: str) -> tuple[str, str]:
    """A package, and a module in it: the names of most modules are those of their package too."""
    return package, package + module


TABLE: dict[str, str] = {
    "hydragnn.run_training": f"{SCRIPTING}.runs:run_training",
    "hydragnn.run_training.run_training": f"{SCRIPTING}.runs:run_training",
    "hydragnn.run_prediction": f"{SCRIPTING}.runs:run_prediction",
    "hydragnn.run_prediction.run_prediction": f"{SCRIPTING}.runs:run_prediction",
    **{
        f"hydragnn.preprocess{module}.dataset_loading_and_splitting": (
            f"{SCRIPTING}.loaders:dataset_loading_and_splitting"
        )
        for module in ("", ".load_data")
    },
    **{
        f"hydragnn.models{module}.create_model_config": f"{SCRIPTING}.models:create_model_config"
        for module in ("", ".create")
    },
    **{
        f"hydragnn.train{module}.train_validate_test": f"{SCRIPTING}.fitting:train_validate_test"
        for module in ("", ".train_validate_test")
    },
    **{
        f"hydragnn.utils.model{module}.{name}": f"{SCRIPTING}.weights:{name}"
        for module in ("", ".model")
        for name in WEIGHTS
    },
    **{
        f"hydragnn.utils.model{module}.print_model": f"{SCRIPTING}.inspecting:print_model"
        for module in ("", ".model")
    },
    **{
        f"hydragnn.utils{module}.{name}": f"{SCRIPTING}.configs:{name}"
        for module in (
            ".config_utils",
            ".input_config_parsing",
            ".input_config_parsing.config_utils",
        )
        for name in ("update_config", "validate_config")
    },
    **{
        f"hydragnn.utils.distributed{module}.print_peak_memory": (
            f"{SCRIPTING}.inspecting:print_peak_memory"
        )
        for module in ("", ".distributed")
    },
    **{
        f"hydragnn.utils{module}.{name}": f"{SCRIPTING}.timing:{name}"
        for module in (
            "",
            ".time_utils",
            ".profiling_and_tracing",
            ".profiling_and_tracing.time_utils",
        )
        for name in TIMERS
    },
}
