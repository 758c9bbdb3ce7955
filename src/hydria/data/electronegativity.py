"""Electronegativities of the elements."""

from __future__ import annotations

# Pauling's scale, hydrogen first, a period after the other; nan where it is not known. Source:
# W. M. Haynes (ed.), CRC Handbook of Chemistry and Physics, 95th edition, 2014, as collected by the
# Python package mendeleev 1.3.
TABLE = """
2.20 nan
0.98 1.57 2.04 2.55 3.04 3.44 3.98 nan
0.93 1.31 1.61 1.90 2.19 2.58 3.16 nan
0.82 1.00 1.36 1.54 1.63 1.66 1.55 1.83 1.88 1.91 1.90 1.65 1.81 2.01 2.18 2.55 2.96 nan
0.82 0.95 1.22 1.33 1.60 2.16 2.10 2.20 2.28 2.20 1.93 1.69 1.78 1.96 2.05 2.10 2.66 2.60
0.79 0.89 1.10 1.12 1.13 1.14 nan 1.17 nan 1.20 nan 1.22 1.23 1.24 1.25 nan 1.00 1.30 1.50 1.70
1.90 2.20 2.20 2.20 2.40 1.90 1.80 1.80 1.90 2.00 2.20 nan
0.70 0.90 1.10 1.30 1.50 1.70 1.30 1.30 nan nan nan nan nan nan nan nan nan nan nan nan nan nan
nan nan nan nan nan nan nan nan nan nan
"""
PAULING = tuple(float(value) for value in TABLE.split())
