"""Shop: products, their reviews, and the wish list."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from agentgym_envs.world.apps._shop_data import Category, app
from agentgym_envs.world.database import Row
from agentgym_envs.world.errors import conflict, missing
from agentgym_envs.world.registry import Context, page

__all__ = ["Text", "app", "product_of"]

Text = Annotated[str, Field(max_length=1000)]
Query = Annotated[str, Field(max_length=200)]
Rating = Annotated[int, Field(ge=1, le=5)]

_RATING = "(SELECT ROUND(AVG(r.rating), 1) FROM shop_reviews r WHERE r.product_id = p.id)"
_PRODUCTS = f"""
SELECT p.id AS product_id, p.name, p.category, p.price, p.stock, s.name AS seller_name,
  {_RATING} AS rating FROM shop_products p JOIN shop_sellers s ON s.id = p.seller_id
"""
_REVIEWS = """
SELECT r.id AS review_id, r.product_id, q.name AS product_name, p.email, r.rating, r.title, r.text,
  r.created_at FROM shop_reviews r JOIN people p ON p.id = r.person_id
  JOIN shop_products q ON q.id = r.product_id
"""
_ORDERS = {
    "name": "p.name",
    "price": "p.price, p.name",
    "-price": "p.price DESC, p.name",
    "rating": "rating, p.name",
    "-rating": "rating DESC, p.name",
}


@app.api()
def search_products(
    ctx: Context,
    *,
    query: Query = "",
    category: Category | None = None,
    min_price: int | None = None,
    max_price: int | None = None,
    sort_by: Literal["name", "price", "-price", "rating", "-rating"] = "name",
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Search products.

    Args:
        query: Words that the name, the description or the seller's name must all contain.
        category: Only products of this category.
        min_price: In cents.
        max_price: In cents.
        sort_by: Ascending, or descending with a minus; equal ones, and "name", by name.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of product_id, name, category, price (in cents), stock, seller_name and rating (mean
        of all reviews, null without any).
    """
    page([], page_index, page_limit)
    words = query.split()
    text = "lower(p.name || ' ' || p.description || ' ' || s.name)"
    where = "".join(f" AND instr({text}, lower(?))" for _ in words)
    # The page is cut before reviews are counted, unless they decide the order.
    columns = f"p.id, {_RATING} AS rating" if "rating" in sort_by else "p.id"
    cut = f"LIMIT {page_limit} OFFSET {min(page_index, 10**6) * page_limit}"
    ids = ctx.db.all(
        f"SELECT {columns} FROM shop_products p JOIN shop_sellers s ON s.id = p.seller_id"
        " WHERE (?1 IS NULL OR p.category = ?1) AND (?2 IS NULL OR p.price >= ?2)"
        f" AND (?3 IS NULL OR p.price <= ?3){where} ORDER BY {_ORDERS[sort_by]}, p.id {cut}",
        category,
        min_price,
        max_price,
        *words,
    )
    return [ctx.db.one(f"{_PRODUCTS} WHERE p.id = ?", row["id"]) for row in ids]


@app.api()
def show_product(ctx: Context, *, product_id: int) -> Row:
    """Show one product.

    Args:
        product_id: The product.

    Returns:
        product_id, name, category, description, price (in cents), stock, seller_name, seller_city,
        seller_email, rating and review_count.
    """
    product = product_of(ctx, product_id)
    seller = ctx.db.one("SELECT * FROM shop_sellers WHERE id = ?", product["seller_id"])
    count = "SELECT COUNT(*) AS n FROM shop_reviews WHERE product_id = ?"
    return {
        **ctx.db.one(f"{_PRODUCTS} WHERE p.id = ?", product_id),
        "description": product["description"],
        "seller_city": seller["city"],
        "seller_email": seller["email"],
        "review_count": ctx.db.one(count, product_id)["n"],
    }


# -- reviews ----------------------------------------------------------------------------------


@app.api()
def show_reviews(
    ctx: Context,
    *,
    product_id: int | None = None,
    rating: Rating | None = None,
    page_index: int = 0,
    page_limit: int = 5,
) -> list[Row]:
    """Show reviews, newest first: those of a product, or else your own.

    Args:
        product_id: The product; your own reviews of all products if left out.
        rating: Only those with this many stars.
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of review_id, product_id, product_name, email (who wrote it), rating, title, text and
        created_at.
    """
    where, whose = "r.person_id = ?1", ctx.person_id
    if product_id is not None:
        where, whose = "r.product_id = ?1", product_of(ctx, product_id)["id"]
    rows = ctx.db.all(
        f"{_REVIEWS} WHERE {where} AND (?2 IS NULL OR r.rating = ?2)"
        " ORDER BY r.created_at DESC, r.id DESC",
        whose,
        rating,
    )
    return page(rows, page_index, page_limit)


@app.api(writes=True)
def write_review(
    ctx: Context, *, product_id: int, rating: Rating, title: Text = "", text: Text = ""
) -> dict[str, Any]:
    """Review a product; one review a person and product.

    Args:
        product_id: The product.
        rating: Stars.
        title: One line.
        text: What you think.

    Returns:
        message and review_id.
    """
    row: Row = {"product_id": product_of(ctx, product_id)["id"], "person_id": ctx.person_id}
    if ctx.db.first(
        "SELECT id FROM shop_reviews WHERE product_id = ? AND person_id = ?", *row.values()
    ):
        raise conflict("You have reviewed this product already; update the review.")
    row |= {"rating": rating, "title": title, "text": text, "created_at": ctx.now}
    return {"message": "Review written.", "review_id": ctx.db.insert("shop_reviews", row)}


@app.api(writes=True)
def update_review(
    ctx: Context,
    *,
    review_id: int,
    rating: Rating | None = None,
    title: Text | None = None,
    text: Text | None = None,
) -> dict[str, Any]:
    """Change one of your reviews; what is left out stays.

    Args:
        review_id: The review.
        rating: New stars.
        title: New title.
        text: New text.

    Returns:
        message and review_id.
    """
    _review(ctx, review_id)
    given = {"rating": rating, "title": title, "text": text}
    changed = {name: value for name, value in given.items() if value is not None}
    if changed:
        ctx.db.update("shop_reviews", review_id, **changed)
    return {"message": "Review updated.", "review_id": review_id}


@app.api(writes=True)
def delete_review(ctx: Context, *, review_id: int) -> dict[str, Any]:
    """Delete one of your reviews.

    Args:
        review_id: The review.

    Returns:
        message and review_id.
    """
    ctx.db.delete("shop_reviews", _review(ctx, review_id)["id"])
    return {"message": "Review deleted.", "review_id": review_id}


# -- wish list --------------------------------------------------------------------------------


@app.api()
def show_wish_list(ctx: Context, *, page_index: int = 0, page_limit: int = 5) -> list[Row]:
    """Show your wish list, newest first.

    Args:
        page_index: Page, from 0.
        page_limit: Rows a page, at most 20.

    Returns:
        A list of product_id, name, category, price (in cents), stock, seller_name, rating and
        created_at (since when it is on the list).
    """
    rows = ctx.db.all(
        "SELECT q.*, w.created_at FROM shop_wish_items w"
        f" JOIN ({_PRODUCTS}) q ON q.product_id = w.product_id"
        " WHERE w.person_id = ? ORDER BY w.created_at DESC, w.id DESC",
        ctx.person_id,
    )
    return page(rows, page_index, page_limit)


@app.api(writes=True)
def add_to_wish_list(ctx: Context, *, product_id: int) -> dict[str, Any]:
    """Put a product on your wish list.

    Args:
        product_id: The product.

    Returns:
        message and wish_item_id.
    """
    if _wish(ctx, product_of(ctx, product_id)["id"]) is not None:
        raise conflict("The product is on your wish list already.")
    row = {"person_id": ctx.person_id, "product_id": product_id, "created_at": ctx.now}
    added = ctx.db.insert("shop_wish_items", row)
    return {"message": "Product added to your wish list.", "wish_item_id": added}


@app.api(writes=True)
def remove_from_wish_list(ctx: Context, *, product_id: int) -> dict[str, Any]:
    """Take a product off your wish list.

    Args:
        product_id: The product.

    Returns:
        message and wish_item_id.
    """
    row = _wish(ctx, product_id)
    if row is None:
        raise missing("product on your wish list")
    ctx.db.delete("shop_wish_items", row["id"])
    return {"message": "Product removed from your wish list.", "wish_item_id": row["id"]}


def product_of(ctx: Context, product_id: int) -> Row:
    """Return the row of a product.

    Raises:
        ApiError: 422 if there is none.
    """
    row = ctx.db.first("SELECT * FROM shop_products WHERE id = ?", product_id)
    if row is None:
        raise missing("product")
    return row


def _review(ctx: Context, review_id: int) -> Row:
    query = "SELECT * FROM shop_reviews WHERE id = ? AND person_id = ?"
    row = ctx.db.first(query, review_id, ctx.person_id)
    if row is None:
        raise missing("review")
    return row


def _wish(ctx: Context, product_id: int) -> Row | None:
    query = "SELECT * FROM shop_wish_items WHERE product_id = ? AND person_id = ?"
    return ctx.db.first(query, product_id, ctx.person_id)
