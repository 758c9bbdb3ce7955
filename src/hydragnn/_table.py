"""Old dotted path → where the object lives now.

Three eras of HydraGNN have put the same things in different places: flat (`hydragnn.utils.model`,
`hydragnn.utils.config_utils`, to version 3), nested (`hydragnn.utils.model.model`, from version
4), and the entry points `run_training` and `run_prediction` (to version 5).
"""

HOME = "hydria.scripting"

# object below HOME → its old modules; a package gave out the names of its modules too
OLD_MODULES: dict[str, tuple[str, ...]] = {
    "runs:run_training": ("hydragnn", "hydragnn.run_training"),
    "runs:run_prediction": ("hydragnn", "hydragnn.run_prediction"),
    "loaders:dataset_loading_and_splitting": (
        "hydragnn.preprocess",
        "hydragnn.preprocess.load_data",
    ),
    "models:create_model_config": ("hydragnn.models", "hydragnn.models.create"),
    "fitting:train_validate_test": ("hydragnn.train", "hydragnn.train.train_validate_test"),
    "weights:save_model": ("hydragnn.utils.model", "hydragnn.utils.model.model"),
    "weights:load_existing_model": ("hydragnn.utils.model", "hydragnn.utils.model.model"),
    "weights:load_existing_model_config": ("hydragnn.utils.model", "hydragnn.utils.model.model"),
    "inspecting:print_model": ("hydragnn.utils.model", "hydragnn.utils.model.model"),
    "inspecting:print_peak_memory": (
        "hydragnn.utils.distributed",
        "hydragnn.utils.distributed.distributed",
    ),
    "ranks:setup_ddp": (
        "hydragnn.utils.distributed",
        "hydragnn.utils.distributed.distributed",
    ),
    "ranks:get_comm_size_and_rank": (
        "hydragnn.utils.distributed",
        "hydragnn.utils.distributed.distributed",
    ),
    "configs:update_config": (
        "hydragnn.utils.config_utils",
        "hydragnn.utils.input_config_parsing",
        "hydragnn.utils.input_config_parsing.config_utils",
    ),
    "configs:validate_config": (
        "hydragnn.utils.config_utils",
        "hydragnn.utils.input_config_parsing",
        "hydragnn.utils.input_config_parsing.config_utils",
    ),
    **{
        f"datasets:{name}": ("hydragnn.utils.datasets", f"hydragnn.utils.datasets.{module}")
        for module, names in {
            "adiosdataset": ("AdiosDataset", "AdiosWriter"),
            "serializeddataset": ("SerializedDataset", "SerializedWriter"),
            "pickledataset": ("SimplePickleDataset", "SimplePickleWriter"),
            "distdataset": ("DistDataset",),
        }.items()
        for name in names
    },
    "datasets:RawDatasetLoader": ("hydragnn.preprocess", "hydragnn.preprocess.raw_dataset_loader"),
    "timing:Timer": (
        "hydragnn.utils",
        "hydragnn.utils.time_utils",
        "hydragnn.utils.profiling_and_tracing",
        "hydragnn.utils.profiling_and_tracing.time_utils",
    ),
    "timing:print_timers": (
        "hydragnn.utils",
        "hydragnn.utils.time_utils",
        "hydragnn.utils.profiling_and_tracing",
        "hydragnn.utils.profiling_and_tracing.time_utils",
    ),
}

TABLE: dict[str, str] = {
    f"{module}.{target.partition(':')[2]}": f"{HOME}.{target}"
    for target, modules in OLD_MODULES.items()
    for module in modules
}
