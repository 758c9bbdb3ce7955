import math

from hydria.report.tables import count, fraction, number, results_table

RESULTS = {
    "heads": {
        "energy": {
            "mae": 0.01234567,
            "rmse": 0.02,
            "r2": 0.98765,
            "n": 1500,
            "kind": "graph",
            "unit": "eV",
        },
        "magnetic_moment": {"mae": 1.5, "rmse": 2.5, "r2": -0.1, "n": 48000, "kind": "node"},
    },
    "test_loss": 0.00031,
    "best_val_loss": 0.0002,
    "epoch": 17,
}


def test_results_table_has_one_line_per_head_and_the_losses():
    lines = results_table(RESULTS).splitlines()
    assert lines[0].split() == ["head", "kind", "MAE", "RMSE", "R²", "n", "unit"]
    energy = next(line for line in lines if line.startswith("energy"))
    assert energy.split() == ["energy", "graph", "0.01235", "0.02", "0.9877", "1", "500", "eV"]
    moment = next(line for line in lines if line.startswith("magnetic_moment"))
    assert moment.split()[-1] == "–"
    assert lines[-1] == ("test loss 0.00031, best validation loss 0.0002, weights of epoch 17")


def test_results_table_of_a_run_without_results_is_only_its_header():
    assert "MAE" in results_table({})
    assert "loss" not in results_table({"heads": {}})


def test_numbers_that_do_not_exist_become_dashes():
    assert number(math.nan) == number(None) == number(True) == "–"
    assert fraction(math.inf) == fraction(None) == "–"
    assert fraction(-1234.5) == "-1.23e+03"
    assert count(1234567) == "1\u202f234\u202f567"
