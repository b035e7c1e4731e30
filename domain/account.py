"""The account: own domains, users, never-log list, policy, clock. Decides whom of the guests is never logged."""

from __future__ import annotations

from msgspec import Struct

from domain.decisions import Rule
from domain.events import AccountConfigured, ClockTicked, UserAdded, UserRemoved
from domain.people import Person, key_of
from domain.source_events import Policy

# Mail providers anybody can have an address with: their domains are nobody's own (rule own-domain). Facts: the
# providers' own lists of the domains they hand out.
FREE_MAIL = frozenset(
    """gmail.com googlemail.com outlook.com outlook.de outlook.fr outlook.es outlook.it outlook.jp hotmail.com hotmail.co.uk
    hotmail.de hotmail.fr hotmail.es hotmail.it live.com live.co.uk live.de live.fr live.nl msn.com yahoo.com yahoo.co.uk
    yahoo.co.jp yahoo.de yahoo.fr yahoo.es yahoo.it yahoo.ca yahoo.co.in ymail.com rocketmail.com aol.com icloud.com me.com
    mac.com proton.me protonmail.com pm.me gmx.de gmx.net gmx.at gmx.ch gmx.com web.de t-online.de freenet.de mail.com mail.ru
    bk.ru inbox.ru list.ru yandex.ru yandex.com ya.ru qq.com 163.com 126.com foxmail.com sina.com naver.com hanmail.net
    daum.net zoho.com fastmail.com fastmail.fm tutanota.com tuta.io tutanota.de hey.com laposte.net orange.fr wanadoo.fr free.fr
    sfr.fr libero.it virgilio.it tiscali.it alice.it seznam.cz wp.pl o2.pl onet.pl interia.pl bluewin.ch btinternet.com
    sky.com talktalk.net comcast.net verizon.net att.net sbcglobal.net cox.net charter.net bellsouth.net rogers.com
    shaw.ca sympatico.ca telus.net bigpond.com optusnet.com.au uol.com.br bol.com.br terra.com.br rediffmail.com""".split()
)


class Account(Struct, frozen=True):
    """`users` maps a CRM user id to the keys of his addresses; `user_keys` the other way. `ticked` is the account's clock
    (ms), None before its first tick."""

    domains: tuple[str, ...] = ()
    never_keys: frozenset[str] = frozenset()
    never_domains: tuple[str, ...] = ()
    policy: Policy = Policy()
    users: dict[str, tuple[str, ...]] = {}
    user_keys: dict[str, str] = {}
    user_orders: dict[str, str] = {}
    ticked: int | None = None
    configured_at: int = 0

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
    from msgspec.structs import replace

    match event:
        case AccountConfigured():
            return replace(
                state,
                domains=tuple(event.domains),
                never_keys=frozenset(key_of(t) for t in event.never_log),
                never_domains=tuple(event.never_log_domains),
                policy=event.policy,
                configured_at=event.at,
            )
        case UserAdded():
            users = {**state.users, event.user: tuple(key_of(t) for t in event.addresses)}
            return replace(state, users=users, user_keys=_by_key(users), user_orders={**state.user_orders, event.user: event.order})
        case UserRemoved():
            users = {u: keys for u, keys in state.users.items() if u != event.user}
            return replace(state, users=users, user_keys=_by_key(users), user_orders={**state.user_orders, event.user: event.order})
        case ClockTicked():
            return replace(state, ticked=max(event.at, state.ticked or event.at))
    return state


def _by_key(users: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {key: user for user, keys in users.items() for key in keys}
