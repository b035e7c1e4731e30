"""The account: own domains, users, never-log list, policy, clock. Decides whom of the guests is never logged."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from domain.decisions import Rule
from domain.events import AccountConfigured, ClockTicked, UserAdded, UserRemoved
from domain.free_mail import FREE_MAIL
from domain.people import Person, key_of
from domain.sighting import digest
from domain.source_events import Policy

REMEMBERED = 20
"""Words of one instant that are remembered beside the last."""


class Account(Struct, frozen=True):
    """`users` maps a CRM user id to the keys of his addresses; `user_keys` the other way. `ticked` is the account's clock
    (ms), None before its first tick. `configured_told` and `users_told` are what other words of the same instant as the last
    said (digests)."""

    domains: tuple[str, ...] = ()
    never_keys: frozenset[str] = frozenset()
    never_domains: tuple[str, ...] = ()
    policy: Policy = Policy()
    users: dict[str, tuple[str, ...]] = {}
    user_keys: dict[str, str] = {}
    user_orders: dict[str, str] = {}
    ticked: int | None = None
    configured_at: int = 0
    configured_told: tuple[int, ...] = ()
    users_told: dict[str, tuple[int, ...]] = {}

    def never_logged(self, person: Person) -> Rule | None:
        """Why this person is never logged, or None. Precedence: never-log, crm-user, own-domain."""
        if person.erased:
            return Rule.ERASED
        if person.key in self.never_keys or _within(person.domain, self.never_domains):
            return Rule.NEVER_LOG
        if person.key in self.user_keys:
            return Rule.CRM_USER
        if _within(person.domain, self.domains):
            return Rule.OWN_DOMAIN
        return None


def _within(domain: str, domains: tuple[str, ...]) -> bool:
    """Is it one of these domains, or a subdomain of one?"""
    return any(domain == d or domain.endswith("." + d) for d in domains)


def own_domains(told: list[str]) -> tuple[str, ...]:
    """The domains that can be an account's own: cleaned, without free-mail providers'."""
    cleaned = (d.strip().lower().lstrip("@").strip(".") for d in told)
    return tuple(sorted({d for d in cleaned if d and d not in FREE_MAIL}))


def evolve(state: Account, event: object) -> Account:
    """The account after `event`."""
    match event:
        case AccountConfigured():
            return replace(
                state,
                domains=tuple(event.domains),
                never_keys=frozenset(key_of(t) for t in event.never_log),
                never_domains=tuple(event.never_log_domains),
                policy=event.policy,
                configured_at=event.at,
                configured_told=_remembered(state.configured_told, _settings(state)) if event.at == state.configured_at else (),
            )
        case UserAdded():
            return _with_users(state, event, {**state.users, event.user: tuple(key_of(t) for t in event.addresses)})
        case UserRemoved():
            return _with_users(state, event, {u: keys for u, keys in state.users.items() if u != event.user})
        case ClockTicked():
            return replace(state, ticked=max(event.at, state.ticked or event.at))
    return state


def is_known(state: Account, word: AccountConfigured | UserAdded | UserRemoved) -> bool:
    """Was this told already at this very place in the side's order, whatever was told there since?"""
    if isinstance(word, AccountConfigured):
        if word.at != state.configured_at:
            return False
        return _settings(evolve(state, word)) in (_settings(state), *state.configured_told)
    if word.order != state.user_orders.get(word.user):
        return False
    return _user(evolve(state, word), word.user) in (_user(state, word.user), *state.users_told.get(word.user, ()))


def _with_users(state: Account, event: UserAdded | UserRemoved, users: dict[str, tuple[str, ...]]) -> Account:
    user, orders = event.user, state.user_orders
    told = {u: said for u, said in state.users_told.items() if u != user}
    if orders.get(user) == event.order:
        told[user] = _remembered(state.users_told.get(user, ()), _user(state, user))
    return replace(state, users=users, user_keys=_by_key(users), user_orders={**orders, user: event.order}, users_told=told)


def _remembered(told: tuple[int, ...], said: int) -> tuple[int, ...]:
    return (*told, said)[-REMEMBERED:]


def _settings(state: Account) -> int:
    """What the last settings said, as a digest."""
    return digest("settings", repr((state.domains, sorted(state.never_keys), state.never_domains, state.policy)))


def _user(state: Account, user: str) -> int:
    """What was last said of a user, as a digest."""
    keys = state.users.get(user)
    return digest("removed") if keys is None else digest("added", *keys)


def _by_key(users: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {key: user for user, keys in users.items() for key in keys}
