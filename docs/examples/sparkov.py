"""Card payments with merchants, categories and positions, of the simulator Sparkov."""

# ruff: noqa: F403, F405, D101 - a declaration is written with all names of the language
from fraud_platform.declare import *


class Payment(Source):
    drops = csv("payments_{day}.csv", delimiter="|")
    messages = json()
    transaction_id = identifier("trans_num")
    booked = timestamp("trans_date", "trans_time")
    amount = money("amt", currency="USD")
    card = entity("card_token", partitions_topic=True)
    merchant = entity("merchant")
    category = categorical("category")
    gender = categorical("gender")
    state = categorical("state")
    city_pop = number("city_pop")
    lat, long = number("lat", digits=4), number("long", digits=4)
    merch_lat, merch_long = number("merch_lat", digits=6), number("merch_long", digits=6)
    fraud = fraud_label("is_fraud", delay="7d")


P, hour, large = Payment, hour_of_day(Payment.booked), Payment.amount > 200
late, bought_online = (hour >= 22) | (hour <= 3), ("misc_net", "shopping_net", "shopping_pos")
HOURS, DAYS, LONG = ("1h", "3h", "6h", "12h"), ("1d", "2d", "7d"), ("1d", "7d", "30d")
KINDS = {
    "large": large, "huge": P.amount > 500, "late": late, "large_late": large & late,
    "large_online": is_in(P.category, *bought_online) & (P.amount > 500),
    "large_groceries": is_in(P.category, "grocery_pos") & (P.amount > 250),
    "large_home": is_in(P.category, "home", "entertainment") & large,
    "small_late": (P.amount < 25) & late,
}  # fmt: skip
usual = {w: mean(P.amount, by=P.card, last=w) for w in LONG}
alike = {w: mean(P.amount, by=P.card, last=w, each=P.category) for w in LONG}
of_merchant = mean(P.amount, by=P.merchant, last="30d")
PLAIN = {
    "amount": P.amount, "hour": hour, "weekday": day_of_week(P.booked), "category": P.category,
    "gender": P.gender, "state": P.state, "city_pop": P.city_pop,
    "distance": distance_km(P.lat, P.long, P.merch_lat, P.merch_long),
    "known_mean": known_genuine_mean(by=P.card, last="30d"), "merchant_mean": of_merchant,
    "amount_to_merchant": P.amount / of_merchant, "hours_since_last": hours_since_last(),
    "new_merchant": first_seen(P.card, P.merchant),
}  # fmt: skip
FEATURES = [
    *[feature(name, formula) for name, formula in PLAIN.items()],
    *[feature(f"count_{w}", count(by=P.card, last=w)) for w in (*HOURS, *LONG)],
    *[feature(f"total_{w}", total(P.amount, by=P.card, last=w)) for w in (*HOURS, "1d", "2d")],
    *[feature(f"mean_{w}", usual[w]) for w in LONG],
    *[feature(f"amount_to_mean_{w}", P.amount / usual[w]) for w in LONG],
    *[feature(f"alike_{w}", count(by=P.card, last=w, each=P.category)) for w in LONG],
    *[feature(f"alike_mean_{w}", alike[w]) for w in LONG],
    *[feature(f"amount_to_alike_{w}", P.amount / alike[w]) for w in LONG],
    *[feature(f"{k}_{w}", count(by=P.card, last=w, where=KINDS[k])) for k in KINDS for w in DAYS],
    *[feature(f"hours_since_{k}", hours_since_last(where=KINDS[k])) for k in KINDS],
    *[feature(f"large_total_{w}", total(P.amount, by=P.card, last=w, where=large)) for w in DAYS],
    *[feature(f"merchant_count_{w}", count(by=P.merchant, last=w)) for w in ("7d", "28d")],
    feature("merchant_frauds", known_fraud_share(by=P.merchant, last="28d", prior=20)),
    feature("card_frauds", known_frauds(by=P.card, last="28d")),
]
