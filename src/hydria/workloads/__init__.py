"""What the engine trains: data sets, model, loss and metrics per workload."""
