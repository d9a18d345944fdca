"""Where to cut a model between ordered tiers: exact, and proven.

`optimal.optimal_cut` is the way in. `problem` says what is asked; `indexed` numbers it by name;
`costs` weighs it; `linear` is the least cut (`flow`); `solving` adds concave links and tiers left
out; `limited`, `throughput`, `crossovers` and `ranked` build on that.
"""
