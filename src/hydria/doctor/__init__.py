"""`hydria doctor`: what a machine gives each rank, judged before a job spends node-hours.

Every rank collects facts (`collect`), rank 0 gathers them through a shared folder (`meeting`),
a table of small checks judges them (`checks`), and `page` prints the verdict. A new check is one
function and one line in `checks.CHECKS`. Nothing here needs torch.
"""
