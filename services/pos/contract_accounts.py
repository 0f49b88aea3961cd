"""What others may know of customers' accounts; `contract` shows it with that of the tills."""

from holdfast import Contract, ListForm
from services.pos.domain_account import AccountView, PosAccount
from services.pos.lists_accounts import AccountFilters, AccountMovementFilters, AccountMovementRow, AccountRow

accounts = Contract.of(
    PosAccount,
    view=AccountView,
    filters=AccountFilters,
    item=AccountRow,
    lists={
        "accounts": ListForm(filters=AccountFilters, item=AccountRow),
        "movements": ListForm(filters=AccountMovementFilters, item=AccountMovementRow),
    },
    summary="Customers' accounts, one entity each: gift cards, house accounts, deposits, loyalty points",
)
