"""Rows of the shop that its scenarios add and expect, and cells that their oracles share."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.people import NOW
from agentgym_envs.world.scenario import IdOf, Insert, Update

__all__ = [
    "ORDERS",
    "add_order",
    "ago",
    "empty_cart",
    "never_ordered",
    "order_changes",
    "products",
    "valid_card",
]

ORDERS = "found = all_pages(apis.shop.show_orders, access_token=tokens['shop']{more})"


def ago(days: float) -> str:
    """Return the time so many days before now."""
    return (datetime.fromisoformat(NOW) - timedelta(days=days)).isoformat()


def products(db: Database) -> list[Row]:
    """Return all products."""
    return db.all("SELECT * FROM shop_products ORDER BY id")


def never_ordered(db: Database, person: Row) -> list[Row]:
    """Return the products that the person has never ordered."""
    return db.all(
        "SELECT * FROM shop_products WHERE id NOT IN (SELECT i.product_id FROM shop_order_items i"
        " JOIN shop_orders o ON o.id = i.order_id WHERE o.person_id = ?) ORDER BY id",
        person["id"],
    )


def valid_card(db: Database, person: Row, rng: random.Random) -> Row:
    """Return one of the person's cards that have not expired."""
    query = "SELECT * FROM shop_cards WHERE person_id = ? AND expires >= ? ORDER BY id"
    return rng.choice(db.all(query, person["id"], NOW[:7]))


def empty_cart(db: Database, person: Row) -> None:
    """Empty the person's cart."""
    db.run("DELETE FROM shop_cart_items WHERE person_id = ?", person["id"])


def add_order(
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
    row |= {"delivered_at": ago(days - 2) if status == "delivered" else None}
    order_id = db.insert("shop_orders", {**row, "created_at": ago(days)})
    return [
        db.insert(
            "shop_order_items",
            {"order_id": order_id, "product_id": id_, "quantity": n, "price": price},
        )
        for id_, n, price in items
    ]


def order_changes(
    db: Database, person: Row, product_id: int, quantity: int, address: str, card: Row
) -> tuple[Insert | Update, ...]:
    """Return what changes when one product is ordered."""
    product = db.one("SELECT * FROM shop_products WHERE id = ?", product_id)
    row: Row = {"person_id": person["id"], "status": "placed", "address": address}
    row |= {"total": product["price"] * quantity, "card_number": card["number"]}
    order = Insert("shop_orders", row)
    item = {"product_id": product_id, "quantity": quantity, "price": product["price"]}
    return (
        order,
        Insert("shop_order_items", {**item, "order_id": IdOf(order)}),
        Update("shop_products", product_id, {"stock": product["stock"] - quantity}),
    )
