#!/bin/bash
# hydria 0.1.0 job: lsms on local (this machine)
# 1 node x 2 ranks x 1 core, no time limit
#
# site      local, sha256 a8221bba99806063, facts of 2026-11-20
# config    lsms, sha256 3add868afcf80da0 (in this script)
# facility  site/README.md
# submit    bash lsms.sh

set -euo pipefail

say() { printf 'hydria: %s\n' "$*"; }
die() { printf 'hydria: %s\n' "$*" >&2; exit 2; }

# ---- where things are ------------------------------------------------------------------------
: "${USER:=$(id -un)}"
data_root="data"
run_dir="runs/lsms"
case $data_root in /*) ;; *) data_root=$PWD/$data_root ;; esac
case $run_dir in /*) ;; *) run_dir=$PWD/$run_dir ;; esac
config=$run_dir/job/lsms.json
mkdir -p -- "$data_root" "$run_dir/job"

# ---- environment: every value with its reason ------------------------------------------------
# OMP_NUM_THREADS: cores of a rank that loader workers leave [plan]
export OMP_NUM_THREADS=1
# HYDRAGNN_NUM_WORKERS: threads that assemble batches ahead [plan]
export HYDRAGNN_NUM_WORKERS=0
# HYDRAGNN_AGGR_BACKEND: losses are reduced with the gradients; no MPI beside it [plan]
export HYDRAGNN_AGGR_BACKEND=torch
# FOO: asked for [--env]
export FOO='a "b" $c'
# where prepared data is found and kept
export HYDRIA_DATA="$data_root"
command -v hydria > /dev/null || die 'hydria is not installed here: give --image, or --venv DIR of an environment that has it'

# ---- the config, as resolved when this script was written ------------------------------------
cat > "$config.new" << 'HYDRIA_CONFIG'
{
  "Verbosity": {
    "level": 1
  },
  "Dataset": {
    "name": "lsms",
    "format": "LSMS",
    "path": {
      "total": "lsms/raw"
    },
    "lattice": "lsms/lattice.csv",
    "compositional_stratified_splitting": true,
    "node_features": {
      "name": ["num_of_protons", "charge_density", "magnetic_moment"],
      "dim": [1, 1, 1],
      "column_index": [0, 5, 6]
    },
    "graph_features": {
      "name": ["free_energy_scaled_num_nodes"],
      "dim": [1],
      "column_index": [0]
    }
  },
  "NeuralNetwork": {
    "Architecture": {
      "mpnn_type": "PNA",
      "radius": 3.3,
      "max_neighbours": 20,
      "periodic_boundary_conditions": true,
      "edge_features": ["lengths"],
      "hidden_dim": 32,
      "num_conv_layers": 3,
      "activation_function": "silu",
      "graph_pooling": "mean",
      "output_heads": {
        "graph": {
          "num_sharedlayers": 2,
          "dim_sharedlayers": 32,
          "num_headlayers": 2,
          "dim_headlayers": [32, 32]
        },
        "node": {
          "type": "mlp",
          "num_headlayers": 2,
          "dim_headlayers": [32, 32]
        }
      },
      "task_weights": [1.0, 1.0, 1.0]
    },
    "Variables_of_interest": {
      "input_node_features": [0],
      "output_names": ["free_energy", "charge_density", "magnetic_moment"],
      "output_index": [0, 1, 2],
      "type": ["graph", "node", "node"],
      "denormalize_output": true
    },
    "Training": {
      "num_epoch": 60,
      "batch_size": 32,
      "perc_train": 0.7,
      "loss_function_type": "mse",
      "seed": 0,
      "Optimizer": {
        "type": "AdamW",
        "learning_rate": 0.003
      },
      "Scheduler": {
        "type": "CosineAnnealingLR"
      }
    }
  }
}
HYDRIA_CONFIG

# The truth about a run is its status.json; launchers lose exit codes.
of_status() {
    [ ! -e "$run_dir/status.json" ] || sed -n "s/^ *\"$1\": *\"*\([a-z0-9]*\).*/\1/p" "$run_dir/status.json"
}

# ---- a run that is finished is not begun again -----------------------------------------------
if [ "$(of_status state)" = finished ]; then
    anew='give another --run-dir (make: RUN_DIR=...), or remove that folder'
    if [ -e "$config" ] && ! cmp -s -- "$config" "$config.new"; then
        rm -f -- "$config.new"
        die "$run_dir holds a finished run of another config. Hint: $anew"
    fi
    rm -f -- "$config.new"
    say "$run_dir holds a finished run of this config: nothing is left to do"
    hydria report "$run_dir" --table || true
    say "report: $run_dir/report.html"
    say "to train anew, $anew"
    exit 0
fi
mv -f -- "$config.new" "$config"

# ---- stop protocol: the file STOP asks the trainer for a checkpoint --------------------------
signalled=no
step=
main=
stop_early() {
    signalled=yes
    say "$1: asking for a checkpoint"
    touch -- "$run_dir/STOP"
    [ -n "$main" ] || kill "$step" 2> /dev/null || true
}
cancelled=no
on_cancel() {
    if [ "$cancelled" = yes ] && [ -n "$main" ]; then
        say 'told again: ending at once, without a checkpoint'
        kill -KILL -- "-$main" 2> /dev/null || true
        signalled=yes
    else
        cancelled=yes
        stop_early 'told to stop'
    fi
}
trap on_cancel TERM INT HUP
rm -f -- "$run_dir/STOP"

# Traps interrupt `wait`; a job that was waited for already gives 127.
wait_for() {
    local code=0 result
    while :; do
        signalled=no
        result=0
        wait "$1" || result=$?
        [ "$result" = 127 ] || code=$result
        [ "$signalled" = yes ] || return "$code"
    done
}

# Runs a command that a signal may end; what comes after it is then not begun.
run_step() {
    local code=0
    "$@" &
    step=$!
    wait_for "$step" || code=$?
    step=
    if [ -e "$run_dir/STOP" ]; then
        say "stopped before training began" >&2
        exit 75
    fi
    return "$code"
}

# ---- data: made once, before any rank starts -------------------------------------------------
prepare() {
    exec hydria prepare "$config" --data "$data_root"
}
prepared=0
run_step prepare || prepared=$?
[ "$prepared" = 0 ] || exit "$prepared"

# ---- train -----------------------------------------------------------------------------------
launch() {
    exec torchrun --standalone --no-python --nproc-per-node=2 hydria train "$config" --run-dir "$run_dir" "$@"
}
set --
case $(of_status state) in stopped | running | failed) set -- --resume ;; esac
touch -- "$run_dir/job/started"
set -m # in a process group of its own, the launcher does not see Ctrl-C: torchrun would die of it
launch "$@" &
set +m
main=$!
step=$main
code=0
wait_for "$main" || code=$?

# ---- what became of it -----------------------------------------------------------------------
state=none
if [ "$run_dir/status.json" -nt "$run_dir/job/started" ]; then
    state=$(of_status state)
    told=$(of_status exit_code)
    case $told in '' | null) ;; *) code=$told ;; esac
fi
case $state in
    finished)
        say "finished: $run_dir/report.html"
        exit "$code"
        ;;
    stopped)
        say "stopped with a checkpoint in $run_dir; submit this script again to go on"
        exit 75
        ;;
    *)
        [ "$state" = none ] || say "it did not finish ($state); see $run_dir/run.log"
        [ "$code" != 0 ] || code=1
        exit "$code"
        ;;
esac
