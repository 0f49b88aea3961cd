"""What others may know of customers' accounts; `contract` shows it with that of the tills."""

from holdfast import Contract
from services.pos.domain_account import AccountView, PosAccount

accounts = Contract.of(
    PosAccount,
    view=AccountView,
    summary="Customers' accounts, one entity each: gift cards, house accounts, deposits, loyalty points",
)
