"""fusionrec from Python: the command line's words, thin over the rooms that do the work.

import fusionrec

data = fusionrec.read_frames(orders, items=products, user="customer", item="sku")
model = fusionrec.train(data, home="shop")
with fusionrec.Recommender("shop") as recommender:
    answer = recommender.recommend(user="c7", k=5)
"""
