"""A rival of make eval: proposals by ALS, as PyPI's implicit factorises (Hu,
Koren and Volinsky, ICDM 2008).

Reads what shoppers bought, a line shopper,product,baskets,late per pair, where
late counts newer baskets for more; and the trials, a JSON list of settings.
Writes a line trial,shopper,product product … for each trial and shopper, the
best product first, 20 of them; products bought before may be among them.

    python3 als.py bought.csv trials.json > lists.csv
"""

import json
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

PLACES = 20


def weights(baskets, late, kind):
    """What a purchase counts: once, by baskets, by their logarithm, or by newer ones."""
    return {"once": np.ones_like(baskets), "baskets": baskets, "log": np.log1p(baskets), "late": late}[kind]


def main(bought, trials):
    data = np.loadtxt(bought, delimiter=",", ndmin=2)
    shoppers, products = data[:, 0].astype(np.int32), data[:, 1].astype(np.int32)
    everybody = np.arange(shoppers.max() + 1)
    with open(trials, encoding="utf-8") as f:
        settings = json.load(f)
    for no, s in enumerate(settings):
        matrix = csr_matrix((weights(data[:, 2], data[:, 3], s["weight"]).astype(np.float32), (shoppers, products)))
        model = AlternatingLeastSquares(
            factors=s["factors"], regularization=s["regularization"], alpha=s["alpha"], iterations=s["iterations"],
            random_state=s["seed"], num_threads=s["threads"], use_gpu=False,
        )
        model.fit(matrix, show_progress=False)
        lists, _ = model.recommend(everybody, matrix, N=PLACES, filter_already_liked_items=False)
        for shopper, row in enumerate(lists):
            print(no, shopper, " ".join(map(str, row)), sep=",")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
