"""Card payments with text keys, a local time of two columns, categories and numbers."""

from typing import Any

from fraud_platform.declare import (
    Source,
    categorical,
    count,
    csv,
    distance_km,
    entity,
    feature,
    fraud_label,
    hour_of_day,
    hours_since_last,
    identifier,
    is_in,
    json,
    known_fraud_share,
    known_frauds,
    known_genuine_mean,
    mean,
    money,
    number,
    ratio,
    timestamp,
    total,
    visits,
)


class Payment(Source):
    """Payments in shops."""

    drops = csv("payments_{day}.csv", delimiter="|")
    messages = json(amt="amount", trade="merchant_category")
    transaction_id = identifier("payment")
    booked = timestamp("day", "time")
    amount = money("amt", currency="EUR")
    card = entity("card", partitions_topic=True)
    shop = entity("shop")
    trade = categorical("trade")
    inhabitants = number("inhabitants", missing=0)
    latitude = number("latitude", digits=4)
    fraud = fraud_label("is_fraud")


P: Any = Payment
unusual = P.amount > 2 * known_genuine_mean(by=P.card, last="28d")
FEATURES = [
    feature("amount", P.amount),
    feature("hour", hour_of_day()),
    feature("trade", P.trade),
    feature("inhabitants", P.inhabitants),
    feature("latitude", P.latitude),
    *[feature(f"card_count_{n}d", count(by=P.card, last=n)) for n in (1, 7, 30)],
    *[feature(f"card_mean_{n}d", mean(P.amount, by=P.card, last=n)) for n in (1, 30)],
    feature("amount_to_mean", ratio(P.amount, mean(P.amount, by=P.card, last=7))),
    feature("shop_count_7d", count(by=P.shop, last=7)),
    feature("shop_fraud_share_7d", known_fraud_share(by=P.shop, last=7)),
    feature("card_known_frauds_28d", known_frauds(by=P.card, last=28)),
    feature("hours_since_last", hours_since_last()),
    feature("visits_30d", visits(last=30)),
    feature("card_inhabitants_7d", total(P.inhabitants, by=P.card, last=7)),
    feature("mean_in_trade_7d", mean(P.amount, by=P.card, last=7, each=P.trade)),
    feature("large_6h", count(by=P.card, last="6h", where=P.amount > 20)),
    feature("food_7d", count(by=P.card, last=7, where=is_in(P.trade, "food"))),
    feature("unusual_7d", count(by=P.card, last="7d", where=unusual)),
    feature("hours_since_unusual", hours_since_last(where=unusual)),
    feature("hours_since_small", hours_since_last(where=P.amount < 9.99)),
    feature("distance_km", distance_km(P.latitude, P.latitude, P.latitude, P.amount)),
    feature("shop_latitude_7d", mean(P.latitude, by=P.shop, last=7)),
]
