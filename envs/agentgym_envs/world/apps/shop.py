"""Shop: search products, fill a cart, order, return and review.

All prices are integers in cents. Left out: prices that change, delivery fees, sellers who log in.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from agentgym_envs.world.apps._shop_products import Text, app, product_of
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["app"]

Quantity = Annotated[int, Field(ge=1, le=1000)]
RETURN_DAYS = 30

_CART = """
SELECT c.product_id, p.name, p.price, c.quantity, p.stock FROM shop_cart_items c
  JOIN shop_products p ON p.id = c.product_id WHERE c.person_id = ? ORDER BY c.id
"""
_ORDERS = """
SELECT o.id AS order_id, o.status, o.total, o.address, o.card_number, o.created_at, o.delivered_at,
  (SELECT SUM(i.quantity) FROM shop_order_items i WHERE i.order_id = o.id) AS item_count
FROM shop_orders o WHERE o.person_id = ?
"""
_RETURNED = "SELECT COALESCE(SUM(quantity), 0) AS n FROM shop_returns WHERE order_item_id = ?"


# -- cart -------------------------------------------------------------------------------------


@app.api()
def show_cart(ctx: Context) -> dict[str, Any]:
    """Show what is in your cart, in the order it was added.

    Returns:
        items (product_id, name, price, quantity, stock) and total, in cents.
    """
    items = ctx.db.all(_CART, ctx.person_id)
    return {"items": items, "total": sum(item["price"] * item["quantity"] for item in items)}


@app.api(writes=True)
def add_to_cart(ctx: Context, *, product_id: int, quantity: Quantity = 1) -> dict[str, Any]:
    """Put a product into your cart; if it is there already, the quantity is added.

    Args:
        product_id: The product.
        quantity: How many; together no more than the stock.

    Returns:
        message and cart_item_id.
    """
    product = product_of(ctx, product_id)
    row = _in_cart(ctx, product_id)
    _check_stock(product, quantity + (row["quantity"] if row else 0))
    if row is not None:
        item_id = int(row["id"])
        ctx.db.update("shop_cart_items", item_id, quantity=row["quantity"] + quantity)
    else:
        new = {"person_id": ctx.person_id, "product_id": product_id, "quantity": quantity}
        item_id = ctx.db.insert("shop_cart_items", new)
    return {"message": "Product added to your cart.", "cart_item_id": item_id}


@app.api(writes=True)
def update_cart_item(ctx: Context, *, product_id: int, quantity: Quantity) -> dict[str, Any]:
    """Set how many of a product are in your cart.

    Args:
        product_id: A product in your cart.
        quantity: How many; no more than the stock.

    Returns:
        message and cart_item_id.
    """
    row = _cart_item(ctx, product_id)
    _check_stock(product_of(ctx, product_id), quantity)
    ctx.db.update("shop_cart_items", row["id"], quantity=quantity)
    return {"message": "Cart updated.", "cart_item_id": row["id"]}


@app.api(writes=True)
def remove_from_cart(ctx: Context, *, product_id: int) -> dict[str, Any]:
    """Take a product out of your cart, however many there are.

    Args:
        product_id: A product in your cart.

    Returns:
        message and cart_item_id.
    """
    row = _cart_item(ctx, product_id)
    ctx.db.delete("shop_cart_items", row["id"])
    return {"message": "Product removed from your cart.", "cart_item_id": row["id"]}


@app.api(writes=True)
def clear_cart(ctx: Context) -> dict[str, Any]:
    """Take everything out of your cart.

    Returns:
        message and removed, the number of products.
    """
    removed = ctx.db.run("DELETE FROM shop_cart_items WHERE person_id = ?", ctx.person_id)
    return {"message": "Cart cleared.", "removed": removed}


# -- addresses and cards ----------------------------------------------------------------------


@app.api()
def show_addresses(ctx: Context) -> list[Row]:
    """Show all your addresses, in the order they were added.

    Returns:
        A list of address_id, label, street and city.
    """
    return ctx.db.all(
        "SELECT id AS address_id, label, street, city FROM shop_addresses WHERE person_id = ?"
        " ORDER BY id",
        ctx.person_id,
    )


@app.api(writes=True)
def add_address(ctx: Context, *, label: Text, street: Text, city: Text) -> dict[str, Any]:
    """Add an address.

    Args:
        label: What you call it; no two of yours are equal.
        street: Number and street.
        city: City.

    Returns:
        message and address_id.
    """
    query = "SELECT id FROM shop_addresses WHERE person_id = ? AND label = ?"
    if ctx.db.first(query, ctx.person_id, label):
        raise conflict("You have an address with this label already.")
    row = {"person_id": ctx.person_id, "label": label, "street": street, "city": city}
    return {"message": "Address added.", "address_id": ctx.db.insert("shop_addresses", row)}


@app.api(writes=True)
def delete_address(ctx: Context, *, address_id: int) -> dict[str, Any]:
    """Delete one of your addresses; orders keep theirs.

    Args:
        address_id: The address.

    Returns:
        message and address_id.
    """
    ctx.db.delete("shop_addresses", _own(ctx, "address", "shop_addresses", address_id)["id"])
    return {"message": "Address deleted.", "address_id": address_id}


@app.api()
def show_cards(ctx: Context) -> list[Row]:
    """Show all your payment cards, in the order they were added.

    Returns:
        A list of card_id, name, number and expires (YYYY-MM, the last month it is valid in).
    """
    return ctx.db.all(
        "SELECT id AS card_id, name, number, expires FROM shop_cards WHERE person_id = ?"
        " ORDER BY id",
        ctx.person_id,
    )


# -- orders -----------------------------------------------------------------------------------


@app.api(writes=True)
def place_order(ctx: Context, *, address_id: int, card_id: int) -> dict[str, Any]:
    """Order everything in your cart; the cart is empty afterwards.

    Args:
        address_id: One of your addresses.
        card_id: One of your payment cards that has not expired.

    Returns:
        message, order_id and total, in cents.
    """
    address = _own(ctx, "address", "shop_addresses", address_id)
    card = _own(ctx, "card", "shop_cards", card_id)
    items = ctx.db.all(_CART, ctx.person_id)
    if not items:
        raise conflict("Your cart is empty.")
    if card["expires"] < ctx.now[:7]:
        raise conflict("The card has expired.")
    order: Row = {"person_id": ctx.person_id, "status": "placed"}
    order |= {"total": sum(item["price"] * item["quantity"] for item in items)}
    order |= {"address": f"{address['street']}, {address['city']}"}
    order |= {"card_number": card["number"], "created_at": ctx.now}
    order_id = ctx.db.insert("shop_orders", order)
    for item in items:
        _check_stock(item, item["quantity"])
        _restock(ctx, item["product_id"], -item["quantity"])
        row = {name: item[name] for name in ("product_id", "quantity", "price")}
        ctx.db.insert("shop_order_items", {"order_id": order_id, **row})
    ctx.db.run("DELETE FROM shop_cart_items WHERE person_id = ?", ctx.person_id)
    return {"message": "Order placed.", "order_id": order_id, "total": order["total"]}


@app.api()
def show_orders(
    ctx: Context,
    *,
    status: Literal["placed", "shipped", "delivered", "cancelled"] | None = None,
    query: Annotated[str, Field(max_length=200)] = "",
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Show your orders, newest first.

    Args:
        status: Only those in this state.
        query: Only those with a product whose name contains this.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of order_id, status, total (in cents), address, card_number, created_at, delivered_at
        and item_count.
    """
    named = (
        "EXISTS (SELECT 1 FROM shop_order_items i JOIN shop_products p ON p.id = i.product_id"
        " WHERE i.order_id = o.id AND instr(lower(p.name), lower(?3)))"
    )
    rows = ctx.db.all(
        f"{_ORDERS} AND (?2 IS NULL OR o.status = ?2) AND (?3 = '' OR {named})"
        " ORDER BY o.created_at DESC, o.id DESC",
        ctx.person_id,
        status,
        query,
    )
    return page(rows, page_index, page_limit)


@app.api()
def show_order(ctx: Context, *, order_id: int) -> Row:
    """Show one of your orders with its items.

    Args:
        order_id: The order.

    Returns:
        As in show_orders, and items: order_item_id, product_id, name, quantity, price (in cents, of
        one) and returned (how many went back).
    """
    _own(ctx, "order", "shop_orders", order_id)
    items = ctx.db.all(
        "SELECT i.id AS order_item_id, i.product_id, p.name, i.quantity, i.price,"
        " (SELECT COALESCE(SUM(r.quantity), 0) FROM shop_returns r WHERE r.order_item_id = i.id)"
        " AS returned FROM shop_order_items i JOIN shop_products p ON p.id = i.product_id"
        " WHERE i.order_id = ? ORDER BY i.id",
        order_id,
    )
    return {**ctx.db.one(f"{_ORDERS} AND o.id = ?", ctx.person_id, order_id), "items": items}


@app.api(writes=True)
def cancel_order(ctx: Context, *, order_id: int) -> dict[str, Any]:
    """Cancel one of your orders that is placed and not yet shipped; its items are in stock again.

    Args:
        order_id: The order.

    Returns:
        message and order_id.
    """
    order = _own(ctx, "order", "shop_orders", order_id)
    if order["status"] != "placed":
        raise conflict(f"The order is {order['status']} and cannot be cancelled.")
    for item in ctx.db.all("SELECT * FROM shop_order_items WHERE order_id = ?", order_id):
        _restock(ctx, item["product_id"], item["quantity"])
    ctx.db.update("shop_orders", order_id, status="cancelled")
    return {"message": "Order cancelled.", "order_id": order_id}


@app.api(writes=True)
def return_item(
    ctx: Context, *, order_item_id: int, quantity: Quantity = 1, reason: Text = ""
) -> dict[str, Any]:
    """Return an item of an order that was delivered within the last 30 days.

    Args:
        order_item_id: As shown by show_order.
        quantity: How many; no more than were ordered and not returned yet.
        reason: Why.

    Returns:
        message, return_id and refund, in cents.
    """
    item = ctx.db.first(
        "SELECT i.*, o.status, o.delivered_at FROM shop_order_items i"
        " JOIN shop_orders o ON o.id = i.order_id WHERE i.id = ? AND o.person_id = ?",
        order_item_id,
        ctx.person_id,
    )
    if item is None:
        raise missing("order item")
    _check_returnable(ctx, item, quantity)
    row: Row = {"order_item_id": order_item_id, "quantity": quantity, "reason": reason}
    row |= {"refund": item["price"] * quantity, "status": "requested", "created_at": ctx.now}
    return_id = ctx.db.insert("shop_returns", row)
    return {"message": "Return requested.", "return_id": return_id, "refund": row["refund"]}


@app.api()
def show_returns(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show your returns, newest first.

    Args:
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of return_id, order_id, order_item_id, product_name, quantity, refund (in cents),
        reason, status (requested or refunded) and created_at.
    """
    rows = ctx.db.all(
        "SELECT r.id AS return_id, i.order_id, r.order_item_id, p.name AS product_name, r.quantity,"
        " r.refund, r.reason, r.status, r.created_at FROM shop_returns r"
        " JOIN shop_order_items i ON i.id = r.order_item_id"
        " JOIN shop_orders o ON o.id = i.order_id JOIN shop_products p ON p.id = i.product_id"
        " WHERE o.person_id = ? ORDER BY r.created_at DESC, r.id DESC",
        ctx.person_id,
    )
    return page(rows, page_index, page_limit)


def _own(ctx: Context, what: str, table: str, id_: int) -> Row:
    row = ctx.db.first(f"SELECT * FROM {table} WHERE id = ? AND person_id = ?", id_, ctx.person_id)
    if row is None:
        raise missing(what)
    return row


def _in_cart(ctx: Context, product_id: int) -> Row | None:
    query = "SELECT * FROM shop_cart_items WHERE product_id = ? AND person_id = ?"
    return ctx.db.first(query, product_id, ctx.person_id)


def _cart_item(ctx: Context, product_id: int) -> Row:
    row = _in_cart(ctx, product_id)
    if row is None:
        raise missing("product in your cart")
    return row


def _check_stock(product: Row, quantity: int) -> None:
    if quantity > product["stock"]:
        raise conflict(f"Only {product['stock']} of '{product['name']}' are in stock.")


def _restock(ctx: Context, product_id: int, quantity: int) -> None:
    ctx.db.run("UPDATE shop_products SET stock = stock + ? WHERE id = ?", quantity, product_id)


def _check_returnable(ctx: Context, item: Row, quantity: int) -> None:
    if item["status"] != "delivered":
        raise conflict("The order has not been delivered.")
    last = datetime.fromisoformat(item["delivered_at"]) + timedelta(days=RETURN_DAYS)
    if ctx.now > last.isoformat():
        raise conflict(f"The item was delivered more than {RETURN_DAYS} days ago.")
    left = item["quantity"] - ctx.db.one(_RETURNED, item["id"])["n"]
    if quantity > left:
        raise conflict(f"Only {left} of this item can still be returned.")
