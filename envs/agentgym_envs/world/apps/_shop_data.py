"""The app shop: its tables and what is in them before an episode."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Literal

from agentgym_envs.world.accounts import add_account_apis
from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.people import NOW, Person
from agentgym_envs.world.registry import App

__all__ = ["Category", "app"]

Category = Literal[
    "books", "clothing", "electronics", "garden", "kitchen", "office", "pets", "sports", "toys"
]

SCHEMA = """
CREATE TABLE shop_sellers (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, city TEXT NOT NULL, email TEXT NOT NULL);
CREATE TABLE shop_products (
  id INTEGER PRIMARY KEY, seller_id INTEGER NOT NULL REFERENCES shop_sellers, name TEXT NOT NULL,
  category TEXT NOT NULL, description TEXT NOT NULL, price INTEGER NOT NULL CHECK (price > 0),
  stock INTEGER NOT NULL CHECK (stock >= 0));
CREATE TABLE shop_addresses (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, label TEXT NOT NULL,
  street TEXT NOT NULL, city TEXT NOT NULL, UNIQUE (person_id, label));
CREATE TABLE shop_cards (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, name TEXT NOT NULL,
  number TEXT NOT NULL, expires TEXT NOT NULL, UNIQUE (person_id, number));
CREATE TABLE shop_cart_items (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, product_id INTEGER NOT NULL
  REFERENCES shop_products, quantity INTEGER NOT NULL CHECK (quantity > 0),
  UNIQUE (person_id, product_id));
CREATE TABLE shop_wish_items (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, product_id INTEGER NOT NULL
  REFERENCES shop_products, created_at TEXT NOT NULL, UNIQUE (person_id, product_id));
CREATE TABLE shop_orders (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people, status TEXT NOT NULL,
  total INTEGER NOT NULL, address TEXT NOT NULL, card_number TEXT NOT NULL,
  created_at TEXT NOT NULL, delivered_at TEXT);
CREATE INDEX shop_orders_person ON shop_orders (person_id);
CREATE TABLE shop_order_items (
  id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES shop_orders, product_id INTEGER
  NOT NULL REFERENCES shop_products, quantity INTEGER NOT NULL, price INTEGER NOT NULL,
  UNIQUE (order_id, product_id));
CREATE TABLE shop_returns (
  id INTEGER PRIMARY KEY, order_item_id INTEGER NOT NULL REFERENCES shop_order_items, quantity
  INTEGER NOT NULL, refund INTEGER NOT NULL, reason TEXT NOT NULL, status TEXT NOT NULL,
  created_at TEXT NOT NULL);
CREATE INDEX shop_returns_item ON shop_returns (order_item_id);
CREATE TABLE shop_reviews (
  id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL REFERENCES shop_products, person_id INTEGER
  NOT NULL REFERENCES people, rating INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5),
  title TEXT NOT NULL, text TEXT NOT NULL, created_at TEXT NOT NULL,
  UNIQUE (product_id, person_id));
"""

app = App("shop", "Search products, fill a cart, order, return and review.", SCHEMA)
add_account_apis(app)


def _listed(text: str) -> list[str]:
    return text.split(";")


# Of each category: the things, the least and the most that one costs, in cents.
_THINGS: dict[str, tuple[list[str], int, int]] = {
    "books": (_listed("novel;atlas;cookbook;biography;field guide;phrase book;poetry"), 600, 4500),
    "clothing": (_listed("jacket;scarf;socks;sweater;raincoat;gloves;trousers;cap"), 700, 15000),
    "electronics": (
        _listed("headphones;keyboard;charger;speaker;monitor;camera;router;power bank"),
        1500,
        40000,
    ),
    "garden": (_listed("hose;rake;planter;watering can;bird house;pruner;lantern"), 500, 9000),
    "kitchen": (_listed("kettle;toaster;frying pan;knife;teapot;cutting board;scale"), 800, 12000),
    "office": (_listed("desk lamp;notebook;stapler;office chair;folder;fountain pen"), 200, 25000),
    "pets": (_listed("cat bed;dog leash;fish tank;scratching post;food bowl;carrier"), 400, 11000),
    "sports": (_listed("yoga mat;tent;backpack;helmet;football;racket;dumbbell"), 900, 30000),
    "toys": (_listed("puzzle;building blocks;kite;board game;toy train;teddy bear"), 500, 8000),
}
_BRANDS = _listed("Alba;Borea;Corvin;Dunwood;Elstar;Fjella;Grano;Halden;Ibex;Juno;Kestrel;Lumo")
_KINDS = _listed("classic;compact;travel;deluxe;light;sturdy;green;blue;red;large;small;mini")
_TRAITS = _listed(
    "made to last;easy to clean;a favourite of our customers;with a two-year warranty;"
    "made from recycled material;ships in plain paper;designed in a small workshop;now improved"
)
_OPINIONS: dict[int, list[str]] = {
    5: _listed("Excellent;Love it;Could not be better;Bought it twice"),
    4: _listed("Very good;Does its job well;Good for the price"),
    3: _listed("It is fine;Average;Neither good nor bad"),
    2: _listed("Disappointing;Not as described;Weaker than expected"),
    1: _listed("Broke in a week;Do not buy;Went straight back"),
}
_DETAILS = _listed(
    "Delivery was quick.;The colour differs from the picture.;I use it every day.;"
    "It was a present for my brother.;The instructions are hard to read.;Smaller than I thought.;"
    "My neighbours asked where I got it.;The box was damaged.;I compared five others before."
)
_REASONS = _listed("damaged;does not fit;wrong item;changed my mind;arrived too late;poor quality")
_SHOPS = _listed(
    "Northwind Goods;Old Mill Trading;Harbour & Co;Blue Door;Maple Works;Tinker Hall;Sunday Store;"
    "Rivergate;Copper Lane;Little Depot;Granary Supply;The Corner Shelf;Fable House;Kind Crafts;"
    "Summit Outfit;Paper Moon;Lighthouse Deals;Green Gate;Willow Market;Stone & Thread"
)
_CITIES = _listed("Lindau;Porto;Graz;Malmo;Turin;Bergen;Ghent;Lyon")


@app.populated_by
def populate(db: Database, rng: random.Random, people: list[Person], scale: float) -> None:
    """Fill the tables of the shop."""
    products = _products(db, rng, scale)
    homes = _people(db, rng, people)
    orders, items = _orders(rng, products, homes, int(900 * scale))
    db.insert_all("shop_orders", orders)
    db.insert_all("shop_order_items", items)
    db.insert_all("shop_returns", _returns(rng, orders, items, int(150 * scale)))
    _lists(db, rng, people, products, scale)
    pairs = [(p["id"], who.id) for p in products for who in people]
    reviews = [_review(rng, *pair) for pair in rng.sample(pairs, int(1800 * scale))]
    db.insert_all("shop_reviews", sorted(reviews, key=lambda row: row["created_at"]))


def _products(db: Database, rng: random.Random, scale: float) -> list[Row]:
    sellers = [
        {
            "id": n + 1,
            "name": name,
            "city": rng.choice(_CITIES),
            "email": f"{name.split()[-1].lower()}@shops.example.com",
        }
        for n, name in enumerate(_SHOPS)
    ]
    db.insert_all("shop_sellers", sellers)
    names = [
        (brand, kind, thing, category)
        for category, (things, _, _) in _THINGS.items()
        for thing in things
        for kind in _KINDS
        for brand in _BRANDS
    ]
    chosen = rng.sample(names, int(700 * scale))
    products = [_product(rng, n + 1, *name) for n, name in enumerate(chosen)]
    db.insert_all("shop_products", products)
    return products


def _product(rng: random.Random, id_: int, brand: str, kind: str, thing: str, category: str) -> Row:
    _, least, most = _THINGS[category]
    return {
        "id": id_,
        "seller_id": rng.randrange(1, len(_SHOPS) + 1),
        "name": f"{brand} {kind} {thing}",
        "category": category,
        "description": f"A {kind} {thing} by {brand}, {rng.choice(_TRAITS)}.",
        "price": rng.randrange(least, most) // 100 * 100 + rng.choice((0, 49, 95, 99)),
        "stock": rng.choice((0, 1, 2, 5, 12, 30, 80)),
    }


def _people(db: Database, rng: random.Random, people: list[Person]) -> list[Row]:
    """Fill addresses and cards; return where each person has things sent and who pays."""
    addresses, cards, homes = [], [], []
    for row in db.all("SELECT id, street, city FROM people ORDER BY id"):
        here = {"person_id": row["id"], "street": row["street"], "city": row["city"]}
        addresses.append({"label": "home", **here})
        street = f"{rng.randrange(1, 60)} Market Square"
        for label in rng.sample(("work", "parents", "cabin"), rng.randrange(0, 3)):
            addresses.append(
                {"label": label, **here, "street": street, "city": rng.choice(_CITIES)}
            )
        for n, name in enumerate(rng.sample(("Main", "Backup", "Shared"), rng.randrange(1, 4))):
            number = f"5{rng.randrange(10**14, 10**15)}"
            year = rng.randrange(2026, 2030) if n == 0 else rng.randrange(2023, 2029)
            card: Row = {"person_id": row["id"], "name": name, "number": number}
            cards.append({**card, "expires": f"{year}-{rng.randrange(1, 13):02d}"})
            if n == 0:
                address = f"{row['street']}, {row['city']}"
                homes.append({"id": row["id"], "address": address, "card": number})
    db.insert_all("shop_addresses", addresses)
    db.insert_all("shop_cards", cards)
    return homes


def _orders(
    rng: random.Random, products: list[Row], homes: list[Row], count: int
) -> tuple[list[Row], list[Row]]:
    times = sorted(_ago(rng, 0, 420) for _ in range(count))
    orders, items = [], []
    for n, time in enumerate(times):
        home = rng.choice(homes)
        bought = [
            {
                "order_id": n + 1,
                "product_id": product["id"],
                "quantity": rng.choice((1, 1, 1, 2, 3)),
                "price": product["price"],
            }
            for product in rng.sample(products, rng.choice((1, 1, 2, 2, 3, 4)))
        ]
        status, delivered = _state(rng, time)
        order: Row = {"id": n + 1, "person_id": home["id"], "status": status}
        order |= {"total": sum(item["quantity"] * item["price"] for item in bought)}
        order |= {"address": home["address"], "card_number": home["card"], "created_at": time}
        orders.append({**order, "delivered_at": delivered})
        items.extend(bought)
    return orders, [{"id": n + 1, **item} for n, item in enumerate(items)]


def _state(rng: random.Random, time: str) -> tuple[str, str | None]:
    arrived = (
        datetime.fromisoformat(time) + timedelta(seconds=rng.randrange(90_000, 600_000))
    ).isoformat()
    if rng.random() < 0.08:
        return "cancelled", None
    if arrived < NOW:
        return "delivered", arrived
    return rng.choice(("placed", "shipped")), None


def _returns(rng: random.Random, orders: list[Row], items: list[Row], count: int) -> list[Row]:
    back = [item for item in items if orders[item["order_id"] - 1]["status"] == "delivered"]
    rows = []
    for item in rng.sample(back, min(count, len(back) // 2)):
        arrived = datetime.fromisoformat(orders[item["order_id"] - 1]["delivered_at"])
        when = (arrived + timedelta(seconds=rng.randrange(3_600, 86_400 * 20))).isoformat()
        if when < NOW:
            row = {"order_item_id": item["id"], "quantity": 1, "refund": item["price"]}
            row |= {"reason": rng.choice(_REASONS), "created_at": when}
            rows.append({**row, "status": rng.choice(("requested", "refunded", "refunded"))})
    return sorted(rows, key=lambda row: str(row["created_at"]))


def _lists(
    db: Database, rng: random.Random, people: list[Person], products: list[Row], scale: float
) -> None:
    """Fill carts and wish lists."""
    stocked = [product["id"] for product in products if product["stock"] >= 2]
    carts, wishes = [], []
    for person in people:
        for id_ in rng.sample(stocked, rng.randrange(0, 2 + int(5 * scale))):
            quantity = rng.choice((1, 1, 2))
            carts.append({"person_id": person.id, "product_id": id_, "quantity": quantity})
        for product in rng.sample(products, rng.randrange(1, 3 + int(9 * scale))):
            row = {"person_id": person.id, "product_id": product["id"]}
            wishes.append({**row, "created_at": _ago(rng, 0, 200)})
    db.insert_all("shop_cart_items", carts)
    db.insert_all("shop_wish_items", sorted(wishes, key=lambda row: str(row["created_at"])))


def _review(rng: random.Random, product_id: int, person_id: int) -> Row:
    rating = rng.choice((1, 2, 3, 3, 4, 4, 4, 5, 5, 5))
    return {
        "product_id": product_id,
        "person_id": person_id,
        "rating": rating,
        "title": rng.choice(_OPINIONS[rating]),
        "text": " ".join(rng.sample(_DETAILS, rng.randrange(1, 4))),
        "created_at": _ago(rng, 0, 400),
    }


def _ago(rng: random.Random, least: int, most: int) -> str:
    """Return a time between two numbers of days before now."""
    ago = timedelta(seconds=rng.randrange(least * 86_400 + 60, most * 86_400))
    return (datetime.fromisoformat(NOW) - ago).isoformat()
