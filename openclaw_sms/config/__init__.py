"""Where settings come from, and what they may be.

`schema` is the one table of keys. `validation` reads a whole document with `kinds`, `document` is the view of the
rows that are stored, `patch` merges into it. `accounts` is what the rest of the product asks: what every account's
settings finally are. `effective` tells the same with origins, `changes` what a running gateway does otherwise.
"""
