from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgym_envs.world.database import Database, Row
from agentgym_envs.world.errors import ApiError
from agentgym_envs.world.service import Service

ME, OTHER = 1, 2
NEW = "2025-05-18T12:00:00"
LAMP, PEN, TENT = 9001, 9002, 9003
Call = Callable[..., Any]


@pytest.fixture
def shop(world: Database, service: Service, log_in: Callable[..., str]) -> Call:
    """Call an API of the shop as person 1, or as another; three products, nothing owned."""
    for table in ("returns", "order_items", "orders", "cart_items", "wish_items", "reviews"):
        world.run(f"DELETE FROM shop_{table}")
    for table in ("cards", "addresses", "products"):
        world.run(f"DELETE FROM shop_{table}")
    for id_, name, category, price, stock in (
        (LAMP, "Quick lamp", "office", 2000, 3),
        (PEN, "Brown pen", "office", 300, 10),
        (TENT, "Old tent", "sports", 9000, 0),
    ):
        row = {"id": id_, "seller_id": 1, "name": name, "category": category}
        row |= {"description": f"A {name}.", "price": price, "stock": stock}
        world.insert("shop_products", row)
    tokens = {person: log_in("shop", person) for person in (ME, OTHER)}
    world.forget_changes()

    def call(api: str, by: int = ME, **arguments: Any) -> Any:
        return service.call("shop", api, access_token=tokens[by], **arguments)

    return call


def status(call: Call, api: str, **arguments: Any) -> int:
    with pytest.raises(ApiError) as refused:
        call(api, **arguments)
    return refused.value.status


def written(world: Database) -> list[tuple[str, str]]:
    return [(change.table, change.kind) for change in world.changes()]


def card(world: Database, person: int = ME, expires: str = "2025-05") -> int:
    row = {"person_id": person, "name": "Mine", "number": "5" * 16, "expires": expires}
    return world.insert("shop_cards", row)


def order(world: Database, person: int = ME, **columns: Any) -> tuple[int, int]:
    """Insert an order of two lamps; return its id and that of its item."""
    row: Row = {"person_id": person, "status": "delivered", "total": 4000, "address": "here"}
    row |= {"card_number": "5", "created_at": "2025-05-01T10:00:00"}
    row |= {"delivered_at": "2025-05-03T10:00:00", **columns}
    order_id = world.insert("shop_orders", row)
    item = {"order_id": order_id, "product_id": LAMP, "quantity": 2, "price": 2000}
    return order_id, world.insert("shop_order_items", item)


def stock(world: Database, product_id: int) -> int:
    return int(world.one("SELECT stock FROM shop_products WHERE id = ?", product_id)["stock"])


def test_every_api_but_login_needs_a_token(service: Service) -> None:
    assert [name for name, api in service.apps["shop"].apis.items() if not api.login] == ["login"]
    with pytest.raises(ApiError, match="401"):
        service.call("shop", "show_cart")


def test_search_products_filters_and_sorts(world: Database, shop: Call) -> None:
    def ids(**arguments: Any) -> list[int]:
        return [row["product_id"] for row in shop("search_products", **arguments)]

    assert ids() == [PEN, TENT, LAMP]
    assert ids(query="LAMP quick") == [LAMP]
    assert ids(query="lamp brown") == []
    assert ids(category="office", sort_by="-price") == [LAMP, PEN]
    assert ids(min_price=300, max_price=2000, sort_by="price") == [PEN, LAMP]
    shop("write_review", product_id=TENT, rating=2)
    shop("write_review", product_id=LAMP, rating=4)
    assert ids(sort_by="-rating") == [LAMP, TENT, PEN]
    assert ids(page_index=1, page_limit=2) == [LAMP]
    assert ids(page_index=2**62) == []
    assert status(shop, "search_products", category="cars") == 422
    assert status(shop, "search_products", page_limit=0) == 422


def test_show_product_has_the_mean_of_its_reviews(shop: Call) -> None:
    assert shop("show_product", product_id=LAMP)["rating"] is None
    shop("write_review", product_id=LAMP, rating=4)
    shop("write_review", product_id=LAMP, rating=1, by=OTHER)
    product = shop("show_product", product_id=LAMP)
    assert (product["rating"], product["review_count"], product["price"]) == (2.5, 2, 2000)
    assert status(shop, "show_product", product_id=1) == 422


def test_cart_is_filled_changed_and_cleared(world: Database, shop: Call) -> None:
    lamp = shop("add_to_cart", product_id=LAMP, quantity=2)["cart_item_id"]
    assert shop("add_to_cart", product_id=LAMP)["cart_item_id"] == lamp
    shop("add_to_cart", product_id=PEN)
    cart = shop("show_cart")
    assert [(row["product_id"], row["quantity"]) for row in cart["items"]] == [(LAMP, 3), (PEN, 1)]
    assert cart["total"] == 6300
    shop("update_cart_item", product_id=LAMP, quantity=1)
    shop("remove_from_cart", product_id=PEN)
    assert shop("show_cart")["total"] == 2000
    assert shop("show_cart", by=OTHER) == {"items": [], "total": 0}
    assert shop("clear_cart")["removed"] == 1
    assert world.changes() == []


def test_cart_holds_no_more_than_the_stock(shop: Call) -> None:
    assert status(shop, "add_to_cart", product_id=LAMP, quantity=4) == 409
    shop("add_to_cart", product_id=LAMP, quantity=3)
    assert status(shop, "add_to_cart", product_id=LAMP) == 409
    assert status(shop, "update_cart_item", product_id=LAMP, quantity=4) == 409
    assert status(shop, "add_to_cart", product_id=TENT) == 409
    assert status(shop, "add_to_cart", product_id=LAMP, quantity=0) == 422
    assert status(shop, "add_to_cart", product_id=1) == 422
    assert status(shop, "update_cart_item", product_id=PEN, quantity=1) == 422
    assert status(shop, "remove_from_cart", product_id=PEN) == 422


def test_place_order_takes_stock_and_empties_the_cart(world: Database, shop: Call) -> None:
    address = shop("add_address", label="home", street="1 Hill", city="Graz")["address_id"]
    paid_by = card(world)
    shop("add_to_cart", product_id=LAMP, quantity=2)
    shop("add_to_cart", product_id=PEN)
    world.forget_changes()
    placed = shop("place_order", address_id=address, card_id=paid_by)
    assert placed["total"] == 4300
    assert (stock(world, LAMP), stock(world, PEN)) == (1, 9)
    shown = shop("show_order", order_id=placed["order_id"])
    assert (shown["status"], shown["address"], shown["item_count"]) == ("placed", "1 Hill, Graz", 3)
    assert [(row["product_id"], row["returned"]) for row in shown["items"]] == [(LAMP, 0), (PEN, 0)]
    assert written(world) == [
        ("shop_cart_items", "delete"),
        ("shop_cart_items", "delete"),
        ("shop_order_items", "insert"),
        ("shop_order_items", "insert"),
        ("shop_orders", "insert"),
        ("shop_products", "update"),
        ("shop_products", "update"),
    ]


def test_place_order_refuses_and_leaves_no_trace(world: Database, shop: Call) -> None:
    address = shop("add_address", label="home", street="1 Hill", city="Graz")["address_id"]
    mine, theirs = card(world), card(world, OTHER)
    old = world.insert(
        "shop_cards", {"person_id": ME, "name": "Old", "number": "6", "expires": "2025-04"}
    )
    assert status(shop, "place_order", address_id=address, card_id=mine) == 409
    shop("add_to_cart", product_id=PEN)
    shop("add_to_cart", product_id=LAMP, quantity=3)
    world.update("shop_products", LAMP, stock=2)
    world.forget_changes()
    assert status(shop, "place_order", address_id=address, card_id=mine) == 409
    assert status(shop, "place_order", address_id=address, card_id=old) == 409
    assert status(shop, "place_order", address_id=address, card_id=theirs) == 422
    assert status(shop, "place_order", address_id=address + 1, card_id=mine) == 422
    assert world.changes() == []


def test_show_orders_filters_and_hides_those_of_others(world: Database, shop: Call) -> None:
    first, _ = order(world)
    second, _ = order(world, created_at="2025-05-02T10:00:00", status="shipped")
    theirs, _ = order(world, OTHER)

    def ids(**arguments: Any) -> list[int]:
        return [row["order_id"] for row in shop("show_orders", **arguments)]

    assert ids() == [second, first]
    assert ids(status="delivered") == [first]
    assert ids(query="lamp") == [second, first]
    assert ids(query="pen") == []
    assert ids(page_limit=1, page_index=1) == [first]
    assert status(shop, "show_order", order_id=theirs) == 422


def test_cancel_order_restocks_what_is_not_shipped(world: Database, shop: Call) -> None:
    placed, _ = order(world, status="placed", delivered_at=None)
    world.forget_changes()
    shop("cancel_order", order_id=placed)
    assert stock(world, LAMP) == 5
    assert written(world) == [("shop_orders", "update"), ("shop_products", "update")]
    assert status(shop, "cancel_order", order_id=placed) == 409
    assert status(shop, "cancel_order", order_id=order(world)[0]) == 409
    assert status(shop, "cancel_order", order_id=order(world, OTHER, status="placed")[0]) == 422


def test_return_item_refunds_what_is_left(world: Database, shop: Call) -> None:
    order_id, item = order(world)
    back = shop("return_item", order_item_id=item, quantity=1, reason="broken")
    assert back["refund"] == 2000
    assert shop("show_order", order_id=order_id)["items"][0]["returned"] == 1
    assert status(shop, "return_item", order_item_id=item, quantity=2) == 409
    (row,) = shop("show_returns")
    assert (row["return_id"], row["reason"], row["status"]) == (
        back["return_id"],
        "broken",
        "requested",
    )
    assert shop("show_returns", by=OTHER) == []


def test_return_item_refuses_others_undelivered_and_late(world: Database, shop: Call) -> None:
    assert status(shop, "return_item", order_item_id=order(world, OTHER)[1]) == 422
    assert status(shop, "return_item", order_item_id=order(world, status="shipped")[1]) == 409
    late, in_time = "2025-04-18T11:59:59", "2025-04-18T12:00:00"
    assert status(shop, "return_item", order_item_id=order(world, delivered_at=late)[1]) == 409
    assert shop("return_item", order_item_id=order(world, delivered_at=in_time)[1])["refund"]


def test_reviews_are_written_changed_and_deleted(world: Database, shop: Call) -> None:
    made = shop("write_review", product_id=LAMP, rating=2, title="Dim", text="So dark.")
    review = made["review_id"]
    assert status(shop, "write_review", product_id=LAMP, rating=3) == 409
    assert status(shop, "write_review", product_id=PEN, rating=6) == 422
    shop("update_review", review_id=review, rating=5)
    row = world.one("SELECT * FROM shop_reviews WHERE id = ?", review)
    assert (row["rating"], row["title"], row["created_at"]) == (5, "Dim", NEW)
    assert status(shop, "update_review", review_id=review, rating=1, by=OTHER) == 422
    assert status(shop, "delete_review", review_id=review, by=OTHER) == 422
    shop("delete_review", review_id=review)
    assert world.changes() == []


def test_show_reviews_of_a_product_or_of_mine(shop: Call) -> None:
    mine = shop("write_review", product_id=LAMP, rating=2)["review_id"]
    theirs = shop("write_review", product_id=LAMP, rating=4, by=OTHER)["review_id"]
    pen = shop("write_review", product_id=PEN, rating=4)["review_id"]

    def ids(**arguments: Any) -> list[int]:
        return [row["review_id"] for row in shop("show_reviews", **arguments)]

    assert ids(product_id=LAMP) == [theirs, mine]
    assert ids(product_id=LAMP, rating=2) == [mine]
    assert ids() == [pen, mine]
    assert status(shop, "show_reviews", product_id=1) == 422


def test_wish_list_is_filled_and_emptied(shop: Call) -> None:
    added = shop("add_to_wish_list", product_id=TENT)["wish_item_id"]
    assert status(shop, "add_to_wish_list", product_id=TENT) == 409
    assert status(shop, "add_to_wish_list", product_id=1) == 422
    (row,) = shop("show_wish_list")
    assert (row["product_id"], row["stock"], row["created_at"]) == (TENT, 0, NEW)
    assert shop("show_wish_list", by=OTHER) == []
    assert status(shop, "remove_from_wish_list", product_id=TENT, by=OTHER) == 422
    assert shop("remove_from_wish_list", product_id=TENT)["wish_item_id"] == added


def test_addresses_and_cards_are_ones_own(world: Database, shop: Call) -> None:
    added = shop("add_address", label="home", street="1 Hill", city="Graz")["address_id"]
    assert status(shop, "add_address", label="home", street="2", city="Graz") == 409
    assert shop("show_addresses") == [
        {"address_id": added, "label": "home", "street": "1 Hill", "city": "Graz"}
    ]
    assert status(shop, "delete_address", address_id=added, by=OTHER) == 422
    shop("delete_address", address_id=added)
    mine = card(world)
    assert [row["card_id"] for row in shop("show_cards")] == [mine]
    assert shop("show_cards", by=OTHER) == []


def test_reading_never_writes(
    world: Database, service: Service, log_in: Callable[..., str]
) -> None:
    before, token = world.logged(), log_in("shop")
    first = service.call("shop", "show_orders", access_token=token)[0]["order_id"]
    arguments = {"show_product": {"product_id": 1}, "show_order": {"order_id": first}}
    for name, api in service.apps["shop"].apis.items():
        if not api.writes and name not in ("login", "logout"):
            service.call("shop", name, access_token=token, **arguments.get(name, {}))
    assert world.logged() == before


def test_population_is_one_that_the_rules_allow(world: Database) -> None:
    tables = [table for table in world.tables() if table.startswith("shop_")]
    rows = [world.one(f"SELECT COUNT(*) AS n FROM {table}")["n"] for table in tables]
    assert min(rows) > 0
    assert 900 <= sum(rows) <= 1_200
    assert not world.all(
        "SELECT o.id FROM shop_orders o JOIN shop_order_items i ON i.order_id = o.id"
        " GROUP BY o.id HAVING SUM(i.quantity * i.price) <> o.total"
    )
    assert not world.all(
        "SELECT * FROM shop_orders WHERE (status = 'delivered') <> (delivered_at IS NOT NULL)"
        " OR delivered_at >= '2025-05-18T12:00' OR created_at >= '2025-05-18T12:00'"
    )
    assert not world.all(
        "SELECT * FROM shop_cart_items c JOIN shop_products p ON p.id = c.product_id"
        " WHERE c.quantity > p.stock"
    )
    usable = "SELECT DISTINCT person_id FROM shop_cards WHERE expires >= '2025-05'"
    assert len(world.all(usable)) == 40
