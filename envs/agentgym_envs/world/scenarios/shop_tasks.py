"""Scenarios of shop: orders, returns, reviews and wishes, and what the shop costs friends."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.people import NOW
from agentgym_envs.world.scenario import (
    ALL_PAGES,
    Delete,
    Expected,
    Insert,
    Params,
    Scenario,
    Update,
    complete,
    log_in,
)

__all__ = ["SCENARIOS"]

_ORDERS = "found = all_pages(apis.shop.show_orders, access_token=tokens['shop']{more})"
_FIND = (
    "found = all_pages(apis.shop.search_products, access_token=tokens['shop'], query={product!r})\n"
    "product = [row for row in found if row['name'] == {product!r}][0]"
)
_PLACE = (
    "apis.shop.place_order(access_token=tokens['shop'], address_id=address['address_id'],"
    " card_id=card['card_id'])"
)
_HOME = (
    "addresses = apis.shop.show_addresses(access_token=tokens['shop'])\n"
    "address = [row for row in addresses if row['label'] == 'home'][0]\n"
)
_CARD = (
    "cards = apis.shop.show_cards(access_token=tokens['shop'])\n"
    "card = [row for row in cards if row['name'] == {card!r}][0]\n"
)


@dataclass(frozen=True, slots=True)
class Names:
    """Holds for a text that names all of some things and none of others."""

    named: tuple[str, ...]
    others: tuple[str, ...] = ()

    def __call__(self, value: Any) -> bool:
        """Tell whether it holds."""
        text = str(value).casefold()
        named = all(name.casefold() in text for name in self.named)
        return named and not any(name.casefold() in text for name in self.others)


def _ago(days: float) -> str:
    return (datetime.fromisoformat(NOW) - timedelta(days=days)).isoformat()


def _products(db: Database) -> list[Row]:
    return db.all("SELECT * FROM shop_products ORDER BY id")


def _never_ordered(db: Database, person: Row) -> list[Row]:
    """Return the products that the person has never ordered."""
    return db.all(
        "SELECT * FROM shop_products WHERE id NOT IN (SELECT i.product_id FROM shop_order_items i"
        " JOIN shop_orders o ON o.id = i.order_id WHERE o.person_id = ?) ORDER BY id",
        person["id"],
    )


def _valid_card(db: Database, person: Row, rng: random.Random) -> Row:
    query = "SELECT * FROM shop_cards WHERE person_id = ? AND expires >= ? ORDER BY id"
    return rng.choice(db.all(query, person["id"], NOW[:7]))


def _empty_cart(db: Database, person: Row) -> None:
    db.run("DELETE FROM shop_cart_items WHERE person_id = ?", person["id"])


def _order(
    db: Database, person: Row, items: list[tuple[int, int, int]], status: str, days: float
) -> list[int]:
    """Add an order of products, quantities and prices; a delivered one took two days.

    Returns:
        The ids of its items.
    """
    home = f"{person['street']}, {person['city']}"
    card = db.one("SELECT number FROM shop_cards WHERE person_id = ?", person["id"])
    row: Row = {"person_id": person["id"], "status": status, "address": home}
    row |= {"total": sum(n * price for _, n, price in items), "card_number": card["number"]}
    row |= {"delivered_at": _ago(days - 2) if status == "delivered" else None}
    order_id = db.insert("shop_orders", {**row, "created_at": _ago(days)})
    return [
        db.insert(
            "shop_order_items",
            {"order_id": order_id, "product_id": id_, "quantity": n, "price": price},
        )
        for id_, n, price in items
    ]


def _ordered(
    db: Database, person: Row, product_id: int, quantity: int, address: str, card: Row
) -> tuple[Insert | Update, ...]:
    """Return what changes when one product is ordered."""
    product = db.one("SELECT * FROM shop_products WHERE id = ?", product_id)
    order: Row = {"person_id": person["id"], "status": "placed", "address": address}
    order |= {"total": product["price"] * quantity, "card_number": card["number"]}
    item = {"product_id": product_id, "quantity": quantity, "price": product["price"]}
    return (
        Insert("shop_orders", order),
        Insert("shop_order_items", item),
        Update("shop_products", product_id, {"stock": product["stock"] - quantity}),
    )


class BuyCheapest(Scenario):
    """Order the cheapest product of a kind that is in stock."""

    name = "shop_buy_cheapest"
    split = "train"
    apps = ("shop",)
    phrasings = (
        "Order one {thing} for me, the cheapest that is in stock. Send it to my address labelled"
        " home and pay with my card {card}.",
        "I need a {thing}. Buy the least expensive one that the shop has in stock, with the"
        " {card} card, to my home address.",
        "Find the cheapest {thing} that can be delivered from stock and order a single one: home"
        " address, card {card}.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a thing of which several are in stock, one of them the cheapest."""
        prices: dict[str, list[int]] = {}
        for row in _products(db):
            if row["stock"]:
                prices.setdefault(row["name"].split(" ", 2)[2], []).append(row["price"])
        things = [
            thing
            for thing, listed in sorted(prices.items())
            if len(listed) > 1 and listed.count(min(listed)) == 1 and min(listed) > 300
        ]
        if not things:
            return None
        return {"thing": rng.choice(things), "card": _valid_card(db, person, rng)["name"]}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add a cheaper one that is sold out, and a cheaper thing of another kind."""
        _empty_cart(db, person)
        like = db.one("SELECT * FROM shop_products WHERE name LIKE ?", f"% {params['thing']}")
        row = {name: like[name] for name in ("seller_id", "category")}
        text = f"Made for whoever wants a {params['thing']}."
        for name, price, stock in (
            (f"Noma plain {params['thing']}", 150, 0),
            (f"Noma {params['thing']} spare part", 120, 9),
        ):
            new = {**row, "name": name, "description": text, "price": price, "stock": stock}
            db.insert("shop_products", new)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the order."""
        product = db.one(
            "SELECT * FROM shop_products WHERE name LIKE ? AND stock > 0 ORDER BY price",
            f"% {params['thing']}",
        )
        card = db.one(
            "SELECT * FROM shop_cards WHERE person_id = ? AND name = ?",
            person["id"],
            params["card"],
        )
        home = f"{person['street']}, {person['city']}"
        return Expected(changes=_ordered(db, person, product["id"], 1, home, card))

    def oracle(self, params: Params) -> list[str]:
        """Search by price, and take the first that is one and is in stock."""
        return [
            log_in("shop"),
            ALL_PAGES,
            "found = all_pages(apis.shop.search_products, access_token=tokens['shop'],"
            f" query={params['thing']!r}, sort_by='price')\n"
            f"product = [row for row in found if row['name'].endswith({' ' + params['thing']!r})"
            " and row['stock']][0]",
            _HOME + _CARD.format(card=params["card"]),
            "apis.shop.add_to_cart(access_token=tokens['shop'], product_id=product['product_id'])",
            _PLACE,
            complete(),
        ]


class BuyMany(Scenario):
    """Order several of a product if there are so many; in some variations one is missing."""

    name = "shop_buy_many"
    split = "train"
    apps = ("shop",)
    phrasings = (
        "Order {quantity} pieces of the {product}, to my home address, with whichever of my cards"
        " is valid the longest. If there are not enough in stock, order nothing at all.",
        "I want exactly {quantity} of the {product}, all or none. Send them home and pay with the"
        " card that expires last.",
        "Buy {quantity} x {product} for delivery to the address labelled home. Use the card with"
        " the latest expiry date. Should the stock not suffice, it cannot be done.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a product, how many, and how many are left."""
        cards = db.all("SELECT expires FROM shop_cards WHERE person_id = ?", person["id"])
        dates = sorted(card["expires"] for card in cards)
        if len(dates) < 2 or dates[-1] == dates[-2]:
            return None
        product = rng.choice(_products(db))
        return {
            "product": product["name"],
            "id": product["id"],
            "quantity": rng.randrange(3, 9),
            "left": rng.choice((-1, 0, 4)),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Set the stock, and add a product that is almost the same and plentiful."""
        _empty_cart(db, person)
        stock = params["quantity"] + params["left"]
        db.update("shop_products", params["id"], stock=stock)
        row = db.one("SELECT * FROM shop_products WHERE id = ?", params["id"])
        del row["id"]
        db.insert("shop_products", {**row, "name": f"{row['name']} plus", "stock": 80})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the order, or that it cannot be."""
        if params["left"] < 0:
            return Expected(status="fail")
        query = "SELECT * FROM shop_cards WHERE person_id = ? ORDER BY expires DESC"
        card, home = db.one(query, person["id"]), f"{person['street']}, {person['city']}"
        changes = _ordered(db, person, params["id"], params["quantity"], home, card)
        return Expected(changes=changes)

    def oracle(self, params: Params) -> list[str]:
        """Compare the stock, then order or give up."""
        return [
            log_in("shop"),
            ALL_PAGES,
            _FIND.format(product=params["product"]),
            f"enough = product['stock'] >= {params['quantity']}",
            _HOME + "cards = apis.shop.show_cards(access_token=tokens['shop'])\n"
            "card = max(cards, key=lambda row: row['expires'])",
            "if enough:\n    apis.shop.add_to_cart(access_token=tokens['shop'],"
            f" product_id=product['product_id'], quantity={params['quantity']})\n    {_PLACE}",
            "apis.supervisor.complete_task(status='success' if enough else 'fail')",
        ]


class ReturnLatest(Scenario):
    """Return what is left of a product's latest order, unless it is too late."""

    name = "shop_return_latest"
    split = "train"
    apps = ("shop",)
    phrasings = (
        "Return all pieces of the {product} from my latest order of it, as far as they were not"
        ' returned before, in one return with the reason "{reason}".',
        "The {product} that I ordered last must go back: every piece that I still have of that"
        ' order, in a single return. Reason: "{reason}".',
        "Send back what is left of my most recent order of the {product}. One return for all"
        ' pieces, with "{reason}" as the reason; if it is too late for that, give up.',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a product, how many were ordered, and how long ago."""
        product, other = rng.sample(_never_ordered(db, person), 2)
        days = rng.choice((rng.randrange(5, 31), rng.randrange(5, 31), rng.randrange(33, 40)))
        return {
            "product": product["name"],
            "items": [product["id"], other["id"]],
            "price": product["price"],
            "quantity": rng.randrange(3, 6),
            "days": days,
            "reason": rng.choice(("too heavy", "scratched", "lid missing", "bought by mistake")),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the order with one piece returned, and an older one."""
        (wanted, other), price, days = params["items"], params["price"], params["days"]
        older = days + (1 if days < 25 else 20)
        _order(db, person, [(wanted, 1, price)], "delivered", older)
        items = [(other, 1, 900), (wanted, params["quantity"], price)]
        item_id = _order(db, person, items, "delivered", days)[1]
        _order(db, person, [(wanted, 1, price)], "cancelled", days + 3)
        row: Row = {"order_item_id": item_id, "quantity": 1, "refund": price, "reason": ""}
        row |= {"status": "refunded", "created_at": _ago(days - 3)}
        db.insert("shop_returns", row)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the one return, or that it is too late."""
        if params["days"] > 32:
            return Expected(status="fail")
        item = db.one(
            "SELECT i.* FROM shop_order_items i JOIN shop_orders o ON o.id = i.order_id WHERE"
            " o.person_id = ? AND i.product_id = ? ORDER BY o.created_at DESC",
            person["id"],
            params["items"][0],
        )
        left = item["quantity"] - 1
        row: Row = {"order_item_id": item["id"], "quantity": left, "refund": left * item["price"]}
        return Expected(changes=(Insert("shop_returns", {**row, "reason": params["reason"]}),))

    def oracle(self, params: Params) -> list[str]:
        """Find the latest order with the product, then return what is left in time."""
        more = f", query={params['product']!r}"
        return [
            log_in("shop"),
            ALL_PAGES,
            "from datetime import datetime, timedelta\n"
            "now = apis.supervisor.show_current_date_and_time()['datetime']\n"
            "first = (datetime.fromisoformat(now) - timedelta(days=30)).isoformat()",
            _ORDERS.format(more=more),
            "order = apis.shop.show_order(access_token=tokens['shop'],"
            " order_id=found[0]['order_id'])\n"
            f"item = [row for row in order['items'] if row['name'] == {params['product']!r}][0]\n"
            "in_time = order['delivered_at'] >= first",
            "if in_time:\n    apis.shop.return_item(access_token=tokens['shop'],"
            " order_item_id=item['order_item_id'], quantity=item['quantity'] - item['returned'],"
            f" reason={params['reason']!r})",
            "apis.supervisor.complete_task(status='success' if in_time else 'fail')",
        ]


class SpentOnBrand(Scenario):
    """Add up what products of one brand have cost, less what went back."""

    name = "shop_spent_on_brand"
    split = "dev"
    apps = ("shop",)
    phrasings = (
        "How many cents have I paid for products of the brand {brand} in the shop? Leave out"
        " cancelled orders, and pieces that I have returned.",
        "The names of {brand} products begin with that word. What did mine cost in all, in cents,"
        " without cancelled orders and without pieces that went back?",
        "Add up, in cents, everything by {brand} in my shop orders that are not cancelled, and"
        " subtract the price of each piece I returned.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a brand and prices."""
        brand = rng.choice(sorted({row["name"].split()[0] for row in _products(db)}))
        mine = [row["id"] for row in _products(db) if row["name"].startswith(f"{brand} ")]
        rest = [row["id"] for row in _products(db) if not row["name"].startswith(f"{brand} ")]
        if len(mine) < 3:
            return None
        prices = rng.sample(range(900, 6_000), 4)
        ids = [*rng.sample(mine, 3), rng.choice(rest)]
        return {"brand": brand, "ids": ids, "prices": prices, "days": rng.randrange(60, 90)}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add orders: one of several brands, a cancelled one, one with a return."""
        (a, b, c, x), (p, q, r, s) = params["ids"], params["prices"]
        days = params["days"]
        _order(db, person, [(x, 2, s), (a, 2, p)], "delivered", days)
        _order(db, person, [(b, 1, r)], "cancelled", days - 10)
        item_id = _order(db, person, [(c, 3, q), (x, 1, s)], "delivered", days - 20)[0]
        row: Row = {"order_item_id": item_id, "quantity": 2, "refund": 2 * q, "reason": ""}
        row |= {"status": "requested", "created_at": _ago(days - 30)}
        db.insert("shop_returns", row)
        _order(db, person, [(b, 1, s)], "shipped", 1)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the sum."""
        back = "(SELECT COALESCE(SUM(quantity), 0) FROM shop_returns r WHERE order_item_id = i.id)"
        total = db.one(
            f"SELECT SUM((i.quantity - {back}) * i.price) AS total FROM shop_order_items i"
            " JOIN shop_orders o ON o.id = i.order_id JOIN shop_products p ON p.id = i.product_id"
            " WHERE o.person_id = ? AND o.status <> 'cancelled' AND p.name LIKE ?",
            person["id"],
            f"{params['brand']} %",
        )
        return Expected(answer=total["total"])

    def oracle(self, params: Params) -> list[str]:
        """Read each order that is not cancelled."""
        return [
            log_in("shop"),
            ALL_PAGES,
            _ORDERS.format(more=f", query={params['brand']!r}"),
            "total = 0\n"
            "for row in found:\n"
            "    if row['status'] == 'cancelled':\n"
            "        continue\n"
            "    order = apis.shop.show_order(access_token=tokens['shop'],"
            " order_id=row['order_id'])\n"
            "    total += sum((item['quantity'] - item['returned']) * item['price']\n"
            "                 for item in order['items']\n"
            f"                 if item['name'].startswith({params['brand'] + ' '!r}))",
            complete("total"),
        ]


class ReviewOrder(Scenario):
    """Review what came with the last delivered order, as far as it is not reviewed."""

    name = "shop_review_order"
    split = "train"
    apps = ("shop",)
    phrasings = (
        "Review the products of my latest order that has been delivered: {stars} stars each, with"
        ' the title "{title}". Leave those alone that I have reviewed already.',
        'Give {stars} stars and the title "{title}" to everything in the last shop order of mine'
        " that was delivered, except what I reviewed before.",
        "Among my delivered orders, take the one I placed last. Each product in it without a"
        ' review of mine gets one now: {stars} stars, titled "{title}".',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw products, stars and a title."""
        late = "SELECT 1 FROM shop_orders WHERE person_id = ? AND created_at > ?"
        if db.first(f"{late} AND status = 'delivered'", person["id"], _ago(2.5)):
            return None
        ids = [row["id"] for row in rng.sample(_products(db), 5)]
        title = rng.choice(("As hoped", "No complaints", "Would buy again", "Not quite right"))
        return {"ids": ids, "stars": rng.randrange(1, 6), "title": title}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the order with one product reviewed, an older one and one under way."""
        a, b, c, old, new = params["ids"]
        me = person["id"]
        for id_ in params["ids"]:
            db.run("DELETE FROM shop_reviews WHERE person_id = ? AND product_id = ?", me, id_)
        _order(db, person, [(old, 1, 1_200)], "delivered", 3)
        _order(db, person, [(a, 1, 1_500), (b, 2, 800), (c, 1, 4_000)], "delivered", 2.5)
        _order(db, person, [(new, 1, 700)], "shipped", 0.2)
        row: Row = {"product_id": b, "person_id": me, "rating": 3, "title": "It is fine"}
        db.insert("shop_reviews", {**row, "text": "", "created_at": _ago(0.3)})

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return a review of each of the two others."""
        a, _, c, *_ = params["ids"]
        row = {"person_id": person["id"], "rating": params["stars"], "title": params["title"]}
        return Expected(
            changes=tuple(Insert("shop_reviews", {**row, "product_id": id_}) for id_ in (a, c))
        )

    def oracle(self, params: Params) -> list[str]:
        """Read the order and all reviews of one's own."""
        return [
            log_in("shop"),
            ALL_PAGES,
            _ORDERS.format(more=", status='delivered'"),
            "order = apis.shop.show_order(access_token=tokens['shop'],"
            " order_id=found[0]['order_id'])\n"
            "mine = all_pages(apis.shop.show_reviews, access_token=tokens['shop'])\n"
            "reviewed = {row['product_id'] for row in mine}",
            "for item in order['items']:\n"
            "    if item['product_id'] not in reviewed:\n"
            "        apis.shop.write_review(access_token=tokens['shop'],"
            f" product_id=item['product_id'], rating={params['stars']},"
            f" title={params['title']!r})",
            complete(),
        ]


class WishesToCart(Scenario):
    """Move wishes of one category that are in stock to the cart."""

    name = "shop_wishes_to_cart"
    split = "test_normal"
    apps = ("shop",)
    phrasings = (
        "Move everything of the category {category} that is in stock from my wish list to my cart,"
        " one piece each. What is sold out stays on the list.",
        "Put one of each {category} product on my wish list into the cart, as far as it is in"
        " stock, and take what you put there off the list.",
        "My wish list's {category} products should go to the cart, single pieces, and disappear"
        " from the list. Skip those without stock; do not order yet.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a category and products in and out of stock."""
        listed = "SELECT product_id FROM shop_wish_items WHERE person_id = ?"
        query = f"SELECT * FROM shop_products WHERE id NOT IN ({listed}) ORDER BY id"
        free = db.all(query, person["id"])
        category = rng.choice(sorted({row["category"] for row in free}))
        here = [row["id"] for row in free if row["category"] == category and row["stock"]]
        gone = [row["id"] for row in free if row["category"] == category and not row["stock"]]
        other = [row["id"] for row in free if row["category"] != category and row["stock"]]
        if len(here) < 4 or not gone:
            return None
        ids = [*rng.sample(here, rng.randrange(2, 5)), rng.choice(gone), *rng.sample(other, 3)]
        return {"category": category, "ids": rng.sample(ids, len(ids))}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the wishes, and empty the cart."""
        _empty_cart(db, person)
        for n, id_ in enumerate(params["ids"]):
            row = {"person_id": person["id"], "product_id": id_, "created_at": _ago(9 - n)}
            db.insert("shop_wish_items", row)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the wishes that go and the items that come."""
        wishes = db.all(
            "SELECT w.* FROM shop_wish_items w JOIN shop_products p ON p.id = w.product_id"
            " WHERE w.person_id = ? AND p.category = ? AND p.stock > 0",
            person["id"],
            params["category"],
        )
        row = {"person_id": person["id"], "quantity": 1}
        return Expected(
            changes=(
                *(Delete("shop_wish_items", wish["id"]) for wish in wishes),
                *(
                    Insert("shop_cart_items", {**row, "product_id": w["product_id"]})
                    for w in wishes
                ),
            )
        )

    def oracle(self, params: Params) -> list[str]:
        """Read the whole list, then move."""
        return [
            log_in("shop"),
            ALL_PAGES,
            "wishes = all_pages(apis.shop.show_wish_list, access_token=tokens['shop'])",
            "for row in wishes:\n"
            f"    if row['category'] == {params['category']!r} and row['stock']:\n"
            "        given = {'access_token': tokens['shop'], 'product_id': row['product_id']}\n"
            "        apis.shop.add_to_cart(**given)\n"
            "        apis.shop.remove_from_wish_list(**given)",
            complete(),
        ]


class CancelLatest(Scenario):
    """Cancel the latest order of a product; where it has been shipped, an older one stays."""

    name = "shop_cancel_latest"
    split = "train"
    apps = ("shop",)
    phrasings = (
        "Cancel my latest order of the {product}. Older orders of it must stay.",
        "I have ordered the {product} more than once. Cancel the newest of these orders, and no"
        " other.",
        "Of my orders with the {product}, the one placed last should be cancelled. If that one"
        " cannot be, leave everything as it is.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw the product, another, and whether the order has been shipped."""
        ids = rng.sample(_never_ordered(db, person), 2)
        return {
            "product": ids[0]["name"],
            "ids": [row["id"] for row in ids],
            "status": rng.choice(("placed", "placed", "shipped")),
            "quantity": rng.randrange(1, 4),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the order, an older one, and a newer one of something else."""
        wanted, other = params["ids"]
        _order(db, person, [(wanted, 2, 1_900)], "placed", 1.5)
        items = [(wanted, params["quantity"], 1_900), (other, 1, 2_400)]
        _order(db, person, items, params["status"], 0.9)
        _order(db, person, [(other, 1, 2_400)], "placed", 0.4)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the cancelled order and its items in stock, or that it cannot be."""
        if params["status"] == "shipped":
            return Expected(status="fail")
        order = db.one(
            "SELECT o.id FROM shop_orders o JOIN shop_order_items i ON i.order_id = o.id WHERE"
            " o.person_id = ? AND i.product_id = ? ORDER BY o.created_at DESC",
            person["id"],
            params["ids"][0],
        )
        items = db.all(
            "SELECT p.id, p.stock + i.quantity AS stock FROM shop_order_items i"
            " JOIN shop_products p ON p.id = i.product_id WHERE i.order_id = ?",
            order["id"],
        )
        return Expected(
            changes=(
                Update("shop_orders", order["id"], {"status": "cancelled"}),
                *(Update("shop_products", row["id"], {"stock": row["stock"]}) for row in items),
            )
        )

    def oracle(self, params: Params) -> list[str]:
        """Take the first of the orders with the product; they come newest first."""
        return [
            log_in("shop"),
            ALL_PAGES,
            _ORDERS.format(more=f", query={params['product']!r}"),
            "open = found[0]['status'] == 'placed'\n"
            "if open:\n    apis.shop.cancel_order(access_token=tokens['shop'],"
            " order_id=found[0]['order_id'])",
            "apis.supervisor.complete_task(status='success' if open else 'fail')",
        ]


class GiftToContact(Scenario):
    """Order a present to the home of a contact, whose address only the phone knows."""

    name = "shop_gift_to_contact"
    split = "train"
    apps = ("shop", "phone")
    phrasings = (
        "Order one {product} as a present for {name}. Send it to the home address that my phone's"
        ' contacts have: save it in the shop with the label "{first}". Pay with my {card} card.',
        "{name} should get the {product} from me. Add their home address (see my phone) as"
        ' "{first}" to my shop addresses and order one there, with the card {card}.',
        "Have one {product} delivered to {name}, whose home address is among my phone contacts"
        ' ("street, city"). In the shop the new address is to be called "{first}"; card: {card}.',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw a contact and a product."""
        query = "SELECT * FROM phone_contacts WHERE person_id = ? ORDER BY id"
        contacts = db.all(query, person["id"])
        if not contacts:
            return None
        contact = rng.choice(contacts)
        return {
            "name": f"{contact['first_name']} {contact['last_name']}",
            "first": contact["first_name"],
            "product": rng.choice([p for p in _products(db) if p["stock"]])["name"],
            "card": _valid_card(db, person, rng)["name"],
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Empty the cart."""
        _empty_cart(db, person)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the address and the order."""
        first, me = params["first"], person["id"]
        home = db.one("SELECT street, city FROM people WHERE first_name = ?", first)
        product = db.one("SELECT id FROM shop_products WHERE name = ?", params["product"])
        query = "SELECT * FROM shop_cards WHERE person_id = ? AND name = ?"
        card, address = db.one(query, me, params["card"]), f"{home['street']}, {home['city']}"
        return Expected(
            changes=(
                Insert("shop_addresses", {"person_id": me, "label": first, **home}),
                *_ordered(db, person, product["id"], 1, address, card),
            )
        )

    def oracle(self, params: Params) -> list[str]:
        """Look the contact up, save the address, order."""
        return [
            log_in("shop", "phone"),
            ALL_PAGES,
            "contact = apis.phone.search_contacts(access_token=tokens['phone'],"
            f" query={params['name']!r})[0]\n"
            "street, city = contact['home_address'].rsplit(', ', 1)",
            _FIND.format(product=params["product"]) + "\n" + _CARD.format(card=params["card"]),
            "address = apis.shop.add_address(access_token=tokens['shop'],"
            f" label={params['first']!r}, street=street, city=city)",
            "apis.shop.add_to_cart(access_token=tokens['shop'], product_id=product['product_id'])",
            _PLACE,
            complete(),
        ]


class SplitOrder(Scenario):
    """Ask a friend for half of what a product cost when it was ordered."""

    name = "shop_split_order"
    split = "test_normal"
    apps = ("shop", "pay")
    phrasings = (
        "{name} and I share the {product} of my latest order of it. Ask for half of what I paid"
        ' for it then (only that product, all pieces) with pay. Note: "{product}".',
        "Find out in the shop what the {product} cost me the last time I ordered it, all pieces"
        ' together, and request half of that from {name} in pay with the note "{product}".',
        "Half of the {product} that I ordered last is on {name}. Send the pay request: half of"
        ' price times pieces as of that order, nothing else in it; the note is "{product}".',
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw who, what, how many and at what price."""
        others = db.all("SELECT * FROM people WHERE id <> ? ORDER BY id", person["id"])
        friend, (wanted, other) = rng.choice(others), rng.sample(_never_ordered(db, person), 2)
        return {
            "name": f"{friend['first_name']} {friend['last_name']}",
            "friend": friend["id"],
            "product": wanted["name"],
            "ids": [wanted["id"], other["id"]],
            "quantity": rng.randrange(2, 5),
            "price": rng.randrange(400, 6_000, 2),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the order, with something else in it, and an older one at another price."""
        (wanted, other), price = params["ids"], params["price"]
        _order(db, person, [(wanted, 1, price + 300)], "delivered", 40)
        items = [(other, 1, 1_700), (wanted, params["quantity"], price)]
        _order(db, person, items, "delivered", 8)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the request."""
        half = params["quantity"] * params["price"] // 2
        row: Row = {"requester_id": person["id"], "payer_id": params["friend"], "amount": half}
        return Expected(changes=(Insert("pay_requests", {**row, "note": params["product"]}),))

    def oracle(self, params: Params) -> list[str]:
        """Read the latest order with the product; find the friend's email in pay."""
        return [
            log_in("shop", "pay"),
            ALL_PAGES,
            _ORDERS.format(more=f", query={params['product']!r}"),
            "order = apis.shop.show_order(access_token=tokens['shop'],"
            " order_id=found[0]['order_id'])\n"
            f"item = [row for row in order['items'] if row['name'] == {params['product']!r}][0]",
            "friend = apis.pay.search_people(access_token=tokens['pay'],"
            f" query={params['name']!r})[0]\n"
            "apis.pay.request_money(access_token=tokens['pay'], email=friend['email'],"
            f" amount=item['quantity'] * item['price'] // 2, note={params['product']!r})",
            complete(),
        ]


class MailOrderList(Scenario):
    """Mail somebody the names of what is under way."""

    name = "shop_mail_order_list"
    split = "train"
    apps = ("shop", "mail")
    phrasings = (
        'Send a mail with the subject "{subject}" to {email}. Its text must name every product in'
        " those of my shop orders that are shipped now, with its full name, and no others.",
        "Which products are in my orders that the shop has shipped but not delivered? Mail their"
        ' full names, and nothing from other orders, to {email}; subject "{subject}".',
        '{email} wants to know what is on its way to me. Mail them, as "{subject}", the full names'
        " of all products in my shop orders with the status shipped, only those.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw to whom, and the products."""
        others = db.all("SELECT * FROM people WHERE id <> ? ORDER BY id", person["id"])
        ids = [row["id"] for row in rng.sample(_never_ordered(db, person), 5)]
        other = rng.choice(others)
        subject = rng.choice(("On its way", "Parcels", "What I ordered", "Coming soon"))
        return {"email": other["email"], "other": other["id"], "subject": subject, "ids": ids}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add two orders under way, one that is not shipped and one that came."""
        a, b, c, placed, came = params["ids"]
        _order(db, person, [(a, 1, 900), (b, 1, 1_900)], "shipped", 1.2)
        _order(db, person, [(came, 1, 900)], "delivered", 6)
        _order(db, person, [(c, 2, 700)], "shipped", 0.8)
        _order(db, person, [(placed, 1, 900)], "placed", 0.2)

    def expected(self, db: Database, person: Row, params: Params) -> Expected:
        """Return the mail."""
        me, subject = person["id"], params["subject"]
        rows = db.all(
            "SELECT p.name, MAX(o.status = 'shipped') AS coming FROM shop_orders o"
            " JOIN shop_order_items i ON i.order_id = o.id JOIN shop_products p"
            " ON p.id = i.product_id WHERE o.person_id = ? GROUP BY p.name ORDER BY p.name",
            me,
        )
        body = Names(*(tuple(r["name"] for r in rows if r["coming"] == yes) for yes in (1, 0)))
        sent = {"sender_id": me, "subject": subject, "body": body}
        return Expected(
            changes=(
                Insert("mail_threads", {"subject": subject}),
                Insert("mail_messages", sent),
                Insert("mail_recipients", {"person_id": params["other"]}),
                Insert("mail_copies", {"person_id": me}),
                Insert("mail_copies", {"person_id": params["other"]}),
            )
        )

    def oracle(self, params: Params) -> list[str]:
        """Read the shipped orders, then write."""
        return [
            log_in("shop", "mail"),
            ALL_PAGES,
            _ORDERS.format(more=", status='shipped'"),
            "names = []\n"
            "for row in found:\n"
            "    order = apis.shop.show_order(access_token=tokens['shop'],"
            " order_id=row['order_id'])\n"
            "    names += [item['name'] for item in order['items']]",
            "apis.mail.send_message(access_token=tokens['mail'],"
            f" recipient_emails=[{params['email']!r}], subject={params['subject']!r},"
            " body='\\n'.join(names))",
            complete(),
        ]


SCENARIOS = (
    BuyCheapest(),
    BuyMany(),
    ReturnLatest(),
    SpentOnBrand(),
    ReviewOrder(),
    WishesToCart(),
    CancelLatest(),
    GiftToContact(),
    SplitOrder(),
    MailOrderList(),
)
