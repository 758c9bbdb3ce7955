"""Functions for people's own training scripts, with the names and arguments of HydraGNN.

Source: HydraGNN user manual, "Programmatic Data Loading" to "Debugging Tools". They are thin:
each one translates its arguments and calls what the command line uses.
"""
