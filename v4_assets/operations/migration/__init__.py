"""`v4 migration`: the hand-run tables and the org compared with this project's rows of the same day.

It is written before anything is adopted: per feature the share of cells that differ and why, and what the scores of
both sides do to the leads' order, deciles and call flags.
"""
