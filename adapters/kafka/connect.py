"""How a Kafka cluster is reached, and what its refusals mean to us.

What must stay true: no secret appears in a `repr`, a message or a log line of ours; no topic is ever made by asking for it; nothing
here waits longer than its limit; every error that leaves this sub-room is one of `domain.errors`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, errors

from adapters.kafka.oauth import ClientCredentials, TokenFile
from domain.errors import BadInput, PositionLost, RendezvousError, Stop, TryAgain

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")

BOOTSTRAP_MS = 10_000
"""How long a first connection may take."""

ANSWER_MS = 5_000
"""How long a single question (where does this partition end?) may take."""

DELIVERY_MS = 30_000
"""How long an append may take before its writer is told to try again; a broker that restarts is back before."""


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """Where the cluster is, how to be let in, and what our topics' names begin with.

    `bootstrap` is host:port, several by commas. `security` and `mechanism` are Kafka's own words. For OAUTHBEARER there is a file
    that somebody keeps fresh (`token_file`), or a token address with client id and secret (RFC 6749, section 4.4).
    """

    bootstrap: str
    prefix: str = "rendezvous"
    security: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    token_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    scope: str | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)
    check_hostname: bool = True

    def __post_init__(self) -> None:
        if self.security not in PROTOCOLS:
            raise BadInput("security", f"one of {', '.join(PROTOCOLS)}")
        if self.security.startswith("SASL") and self.mechanism not in MECHANISMS:
            raise BadInput("mechanism", f"one of {', '.join(MECHANISMS)}")
        if self.security.startswith("SASL") and self.mechanism == "OAUTHBEARER" and self.token_file is None and not self._has_client():
            raise BadInput("token_file", "OAUTHBEARER needs a token file, or token_url with client_id and client_secret")

    def _has_client(self) -> bool:
        return None not in (self.token_url, self.client_id, self.client_secret)

    @property
    def servers(self) -> list[str]:
        """The brokers to ask first."""
        return [server.strip() for server in self.bootstrap.split(",")]

    def topic(self, name: str) -> str:
        """The full name of one of our topics."""
        return f"{self.prefix}.{name}"


def servers_of(url: str) -> str:
    """The brokers that `kafka://host:port[,host:port]` names. Raises `BadInput`.

    >>> servers_of("kafka://one:9092,two:9092")
    'one:9092,two:9092'
    """
    scheme, _, rest = url.partition("://")
    servers = [server.strip() for server in rest.rstrip("/").split(",")]
    if scheme != "kafka" or not all(_is_server(server) for server in servers):
        raise BadInput("RENDEZVOUS_LOG", "not of the form kafka://host:port[,host:port]")
    return ",".join(servers)


def _is_server(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and "@" not in host and "/" not in host


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What every client of ours is told."""
    return {
        "bootstrap_servers": settings.servers,
        "client_id": settings.prefix,
        "security_protocol": settings.security,
        "bootstrap_timeout_ms": BOOTSTRAP_MS,
        # kafka-python's own limit is 30 s: after an hour's outage, half a minute more of it.
        "reconnect_backoff_max_ms": 1_000,
        **_tls(settings),
        **_sasl(settings),
    }


def _tls(settings: KafkaSettings) -> dict[str, Any]:
    if not settings.security.endswith("SSL"):
        return {}
    files = {"ssl_cafile": settings.ca_file, "ssl_certfile": settings.certificate_file, "ssl_keyfile": settings.key_file}
    told = {name: None if path is None else str(path) for name, path in files.items()}
    return {**told, "ssl_password": settings.key_password, "ssl_check_hostname": settings.check_hostname}


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    if not settings.security.startswith("SASL"):
        return {}
    if settings.mechanism != "OAUTHBEARER":
        names = {"sasl_plain_username": settings.username, "sasl_plain_password": settings.password}
        return {"sasl_mechanism": settings.mechanism, **names}
    return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": _tokens(settings)}


def _tokens(settings: KafkaSettings) -> TokenFile | ClientCredentials:
    if settings.token_file is not None:
        return TokenFile(settings.token_file)
    # `KafkaSettings` refuses to be made without these.
    assert settings.token_url is not None
    assert settings.client_id is not None
    assert settings.client_secret is not None
    return ClientCredentials(settings.token_url, settings.client_id, settings.client_secret, settings.scope)


def producer(settings: KafkaSettings, **options: Any) -> Any:
    """A `KafkaProducer` that writes each record once and to all replicas in sync, or says that it could not."""
    defaults: dict[str, Any] = {
        "metrics_enabled": False,  # nobody reads them
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": "lz4",
        "batch_size": 256 * 1024,
        "allow_auto_create_topics": False,
        "max_block_ms": BOOTSTRAP_MS,
        "request_timeout_ms": 10_000,
        "delivery_timeout_ms": DELIVERY_MS,
    }
    with said_in_our_words(settings), _connecting(settings):
        return KafkaProducer(**client_options(settings), **(defaults | options))


def end(writer: Any, seconds: float) -> None:
    """Close a producer. What it still holds after so long is given up, or may just be under way."""
    try:
        writer.close(timeout=seconds)
    except errors.KafkaError:
        # kafka-python 3.0.12 does not go on closing if what it holds could not be sent: its thread would try for ever.
        writer._sender.force_close()
        writer._sender.join(ANSWER_MS / 1000)


def consumer(settings: KafkaSettings, **options: Any) -> Any:
    """A `KafkaConsumer` that reads what was committed, from where it is told and from nowhere else."""
    defaults: dict[str, Any] = {
        "metrics_enabled": False,  # nobody reads them
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        # After a seek the answer to the former fetch has to be waited for: half a second by default.
        "fetch_max_wait_ms": 100,
        # As they are on the wire; lz4 makes four or five of one. A larger batch comes all the same.
        "fetch_max_bytes": 4 * 1024 * 1024,
        "max_partition_fetch_bytes": 1024 * 1024,
    }
    with said_in_our_words(settings), _connecting(settings):
        return KafkaConsumer(**client_options(settings), **(defaults | options))


@contextmanager
def administration(settings: KafkaSettings) -> Iterator[Any]:
    """A `KafkaAdminClient`, closed afterwards."""
    with said_in_our_words(settings):
        with _connecting(settings):
            client = KafkaAdminClient(**client_options(settings))
        try:
            yield client
        finally:
            client.close()


class _Failures(logging.Handler):
    """Why connections failed. kafka-python 3.0.12 goes on trying, whatever it was, and in the end tells of a timeout; the cause stands
    in its log alone."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._causes: list[errors.KafkaError] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging`."""
        told = record.args if isinstance(record.args, tuple) else ()
        self._causes += [one for one in told if isinstance(one, errors.KafkaError) and not isinstance(one, errors.KafkaTimeoutError)]

    def means(self, settings: KafkaSettings, timeout: errors.KafkaError) -> RendezvousError:
        """What follows: a name or a certificate that was refused until the end will be refused again."""
        if not self._causes:
            return in_our_words(settings, timeout)
        refusals = [one for one in self._causes if _is_refusal(one)]
        if refusals:
            return Stop(f"Kafka at {settings.bootstrap} and we do not trust each other: {refusals[-1]}")
        if settings.security.startswith("SASL") and self._was_always_cut_off():
            why = "it closes the connection when it hears who we are; are name, password or token right?"
            return Stop(f"Kafka at {settings.bootstrap} and we do not trust each other: {why}")
        return TryAgain(f"Kafka at {settings.bootstrap} cannot be reached: {self._causes[-1]}")

    def _was_always_cut_off(self) -> bool:
        # A refusal that comes together with the end of the connection is dropped unread. A broker that is away refuses connections at
        # some time or other. What was under way when the time was over has timed out.
        causes = [one for one in self._causes if not isinstance(one, errors.RequestTimedOutError)]
        return bool(causes) and all("socket disconnected" in str(one) for one in causes)


def _is_refusal(error: errors.KafkaError) -> bool:
    is_ours = isinstance(error, errors.SaslAuthenticationFailedError | errors.AuthorizationError)
    return is_ours or "CERTIFICATE_VERIFY_FAILED" in str(error)


@contextmanager
def _connecting(settings: KafkaSettings) -> Iterator[None]:
    """Who cannot connect is told why."""
    failures = _Failures()
    kafka_python = logging.getLogger("kafka.net.manager")
    kafka_python.addHandler(failures)
    try:
        yield
    except errors.KafkaTimeoutError as timeout:
        raise failures.means(settings, timeout) from timeout
    finally:
        kafka_python.removeHandler(failures)


# Neither is marked retriable by kafka-python, and all pass: with a new producer, after a rebalance, when a broker is back.
_PASSING = (
    errors.RetriableError,
    errors.BrokerNotAvailableError,
    errors.CommitFailedError,
    errors.DuplicateSequenceNumberError,
    errors.IllegalGenerationError,
    errors.InvalidProducerEpochError,
    errors.OutOfOrderSequenceNumberError,
    errors.ProducerFencedError,
    errors.RebalanceInProgressError,
    errors.TransactionAbortedError,
    errors.UnknownBrokerIdError,
    errors.UnknownError,
    errors.UnknownMemberIdError,
    errors.UnknownProducerIdError,
)


def in_our_words(settings: KafkaSettings, error: errors.KafkaError) -> RendezvousError:
    """What follows from an error: try again, a log that does not continue, or stop."""
    sentence = f"Kafka at {settings.bootstrap}: {error}"
    if isinstance(error, errors.OffsetOutOfRangeError | errors.LogTruncationError):
        return PositionLost(sentence)
    return TryAgain(sentence) if isinstance(error, _PASSING) else Stop(sentence)


@contextmanager
def said_in_our_words(settings: KafkaSettings) -> Iterator[None]:
    """Errors of Kafka leave as ours."""
    try:
        yield
    except errors.KafkaError as error:
        raise in_our_words(settings, error) from error
