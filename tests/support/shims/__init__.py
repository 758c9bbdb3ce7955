"""Stand-ins for schedulers and launchers: strict where the machines are, and real where it counts.

They refuse what a machine refuses, place ranks as it would, write that down, and run the first two
of them with the real trainer on this one. What they know of a machine is written here by hand, from
its guide: a mistake in a site file must not be repeated by what tests it.
"""
