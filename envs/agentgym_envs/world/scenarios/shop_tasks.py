"""Scenarios of shop: orders, returns and cancellations, and a present for a contact."""

from __future__ import annotations

import random

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.scenario import (
    ALL_PAGES,
    Expected,
    Insert,
    Params,
    Scenario,
    Update,
    complete,
    complete_if,
    log_in,
)
from agentgym_envs.world.scenarios._shop_rows import (
    ORDERS,
    add_order,
    ago,
    empty_cart,
    never_ordered,
    order_changes,
    products,
    valid_card,
)

__all__ = ["SCENARIOS"]

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
        for row in products(db):
            if row["stock"]:
                prices.setdefault(row["name"].split(" ", 2)[2], []).append(row["price"])
        things = [
            thing
            for thing, listed in sorted(prices.items())
            if len(listed) > 1 and listed.count(min(listed)) == 1 and min(listed) > 300
        ]
        if not things:
            return None
        return {"thing": rng.choice(things), "card": valid_card(db, person, rng)["name"]}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add a cheaper one that is sold out, and a cheaper thing of another kind."""
        empty_cart(db, person)
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
        return Expected(changes=order_changes(db, person, product["id"], 1, home, card))

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
    can_fail = True
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
        product = rng.choice(products(db))
        return {
            "product": product["name"],
            "id": product["id"],
            "quantity": rng.randrange(3, 9),
            "left": rng.choice((-1, 0, 4)),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Set the stock, and add a product that is almost the same and plentiful."""
        empty_cart(db, person)
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
        changes = order_changes(db, person, params["id"], params["quantity"], home, card)
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
            complete_if("enough"),
        ]


class ReturnLatest(Scenario):
    """Return what is left of a product's latest order, unless it is too late."""

    name = "shop_return_latest"
    split = "train"
    apps = ("shop",)
    can_fail = True
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
        product, other = rng.sample(never_ordered(db, person), 2)
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
        add_order(db, person, [(wanted, 1, price)], "delivered", older)
        items = [(other, 1, 900), (wanted, params["quantity"], price)]
        item_id = add_order(db, person, items, "delivered", days)[1]
        add_order(db, person, [(wanted, 1, price)], "cancelled", days + 3)
        row: Row = {"order_item_id": item_id, "quantity": 1, "refund": price, "reason": ""}
        row |= {"status": "refunded", "created_at": ago(days - 3)}
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
            ORDERS.format(more=more),
            "order = apis.shop.show_order(access_token=tokens['shop'],"
            " order_id=found[0]['order_id'])\n"
            f"item = [row for row in order['items'] if row['name'] == {params['product']!r}][0]\n"
            "in_time = order['delivered_at'] >= first",
            "if in_time:\n    apis.shop.return_item(access_token=tokens['shop'],"
            " order_item_id=item['order_item_id'], quantity=item['quantity'] - item['returned'],"
            f" reason={params['reason']!r})",
            complete_if("in_time"),
        ]


class CancelLatest(Scenario):
    """Cancel the latest order of a product; where it has been shipped, an older one stays."""

    name = "shop_cancel_latest"
    split = "train"
    apps = ("shop",)
    can_fail = True
    phrasings = (
        "Cancel my latest order of the {product}. Older orders of it must stay.",
        "I have ordered the {product} more than once. Cancel the newest of these orders, and no"
        " other.",
        "Of my orders with the {product}, the one placed last should be cancelled. If that one"
        " cannot be, leave everything as it is.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw the product, another, and whether the order has been shipped."""
        ids = rng.sample(never_ordered(db, person), 2)
        return {
            "product": ids[0]["name"],
            "ids": [row["id"] for row in ids],
            "status": rng.choice(("placed", "placed", "shipped")),
            "quantity": rng.randrange(1, 4),
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the order, an older one, and a newer one of something else."""
        wanted, other = params["ids"]
        add_order(db, person, [(wanted, 2, 1_900)], "placed", 1.5)
        items = [(wanted, params["quantity"], 1_900), (other, 1, 2_400)]
        add_order(db, person, items, params["status"], 0.9)
        add_order(db, person, [(other, 1, 2_400)], "placed", 0.4)

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
            ORDERS.format(more=f", query={params['product']!r}"),
            "open = found[0]['status'] == 'placed'\n"
            "if open:\n    apis.shop.cancel_order(access_token=tokens['shop'],"
            " order_id=found[0]['order_id'])",
            complete_if("open"),
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
            "product": rng.choice([p for p in products(db) if p["stock"]])["name"],
            "card": valid_card(db, person, rng)["name"],
        }

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Empty the cart."""
        empty_cart(db, person)

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
                *order_changes(db, person, product["id"], 1, address, card),
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


SCENARIOS = (BuyCheapest(), BuyMany(), ReturnLatest(), CancelLatest(), GiftToContact())
