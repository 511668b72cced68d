"""Scenarios of shop: sums, reviews and wishes, and what others are told of orders."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.scenario import (
    ALL_PAGES,
    Delete,
    Expected,
    Insert,
    Params,
    Scenario,
    complete,
    log_in,
)
from agentgym_envs.world.scenarios._letters import mailed
from agentgym_envs.world.scenarios._shop_rows import (
    ORDERS,
    add_order,
    ago,
    empty_cart,
    never_ordered,
    products,
)

__all__ = ["SCENARIOS"]


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
        brand = rng.choice(sorted({row["name"].split()[0] for row in products(db)}))
        mine = [row["id"] for row in products(db) if row["name"].startswith(f"{brand} ")]
        rest = [row["id"] for row in products(db) if not row["name"].startswith(f"{brand} ")]
        if len(mine) < 3:
            return None
        prices = rng.sample(range(900, 6_000), 4)
        ids = [*rng.sample(mine, 3), rng.choice(rest)]
        return {"brand": brand, "ids": ids, "prices": prices, "days": rng.randrange(60, 90)}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add orders: one of several brands, a cancelled one, one with a return."""
        (a, b, c, x), (p, q, r, s) = params["ids"], params["prices"]
        days = params["days"]
        add_order(db, person, [(x, 2, s), (a, 2, p)], "delivered", days)
        add_order(db, person, [(b, 1, r)], "cancelled", days - 10)
        item_id = add_order(db, person, [(c, 3, q), (x, 1, s)], "delivered", days - 20)[0]
        row: Row = {"order_item_id": item_id, "quantity": 2, "refund": 2 * q, "reason": ""}
        row |= {"status": "requested", "created_at": ago(days - 30)}
        db.insert("shop_returns", row)
        add_order(db, person, [(b, 1, s)], "shipped", 1)

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
            ORDERS.format(more=f", query={params['brand']!r}"),
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
        if db.first(f"{late} AND status = 'delivered'", person["id"], ago(2.5)):
            return None
        ids = [row["id"] for row in rng.sample(products(db), 5)]
        title = rng.choice(("As hoped", "No complaints", "Would buy again", "Not quite right"))
        return {"ids": ids, "stars": rng.randrange(1, 6), "title": title}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add the order with one product reviewed, an older one and one under way."""
        a, b, c, old, new = params["ids"]
        me = person["id"]
        for id_ in params["ids"]:
            db.run("DELETE FROM shop_reviews WHERE person_id = ? AND product_id = ?", me, id_)
        add_order(db, person, [(old, 1, 1_200)], "delivered", 3)
        add_order(db, person, [(a, 1, 1_500), (b, 2, 800), (c, 1, 4_000)], "delivered", 2.5)
        add_order(db, person, [(new, 1, 700)], "shipped", 0.2)
        row: Row = {"product_id": b, "person_id": me, "rating": 3, "title": "It is fine"}
        db.insert("shop_reviews", {**row, "text": "", "created_at": ago(0.3)})

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
            ORDERS.format(more=", status='delivered'"),
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
        empty_cart(db, person)
        for n, id_ in enumerate(params["ids"]):
            row = {"person_id": person["id"], "product_id": id_, "created_at": ago(9 - n)}
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
        friend, (wanted, other) = rng.choice(others), rng.sample(never_ordered(db, person), 2)
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
        add_order(db, person, [(wanted, 1, price + 300)], "delivered", 40)
        items = [(other, 1, 1_700), (wanted, params["quantity"], price)]
        add_order(db, person, items, "delivered", 8)

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
            ORDERS.format(more=f", query={params['product']!r}"),
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
        "Look which products are in my orders that the shop has shipped but not delivered. Mail"
        ' their full names, and nothing from other orders, to {email}; subject "{subject}".',
        '{email} wants to know what is on its way to me. Mail them, as "{subject}", the full names'
        " of all products in my shop orders with the status shipped, only those.",
    )

    def sample(self, db: Database, person: Row, rng: random.Random) -> Params | None:
        """Draw to whom, and the products."""
        others = db.all("SELECT * FROM people WHERE id <> ? ORDER BY id", person["id"])
        ids = [row["id"] for row in rng.sample(never_ordered(db, person), 5)]
        other = rng.choice(others)
        subject = rng.choice(("On its way", "Parcels", "What I ordered", "Coming soon"))
        return {"email": other["email"], "other": other["id"], "subject": subject, "ids": ids}

    def set_up(self, db: Database, person: Row, params: Params) -> None:
        """Add two orders under way, one that is not shipped and one that came."""
        a, b, c, placed, came = params["ids"]
        add_order(db, person, [(a, 1, 900), (b, 1, 1_900)], "shipped", 1.2)
        add_order(db, person, [(came, 1, 900)], "delivered", 6)
        add_order(db, person, [(c, 2, 700)], "shipped", 0.8)
        add_order(db, person, [(placed, 1, 900)], "placed", 0.2)

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
        return Expected(changes=mailed(me, params["other"], {"subject": subject, "body": body}))

    def oracle(self, params: Params) -> list[str]:
        """Read the shipped orders, then write."""
        return [
            log_in("shop", "mail"),
            ALL_PAGES,
            ORDERS.format(more=", status='shipped'"),
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


SCENARIOS = (SpentOnBrand(), ReviewOrder(), WishesToCart(), SplitOrder(), MailOrderList())
