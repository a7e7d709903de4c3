"""The tables of the settings file, as frozen models.

Every field carries a description, and a unit where it has one; `docs/settings.md` and `config/example.toml` are checked
against this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from config.checks import (
    calling_prefix,
    database_url,
    different,
    expression,
    own_address,
    region,
    sip_host,
    time_zone,
    web_address,
)


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a setting, for the documentation and for messages."""

    name: str


@dataclass(frozen=True, slots=True)
class InFolder:
    """The setting is a path; a relative one starts at the folder of the TOML file."""


Seconds = Annotated[int, Unit("s")]
Hours = Annotated[int, Unit("h")]
Megabytes = Annotated[int, Unit("MB")]
Port = Annotated[int, Field(ge=0, le=65535), Unit("port")]
PathText = Annotated[str, InFolder()]
Host = Annotated[str, AfterValidator(sip_host)]
Address = Annotated[str, AfterValidator(own_address)]
TimeZone = Annotated[str, AfterValidator(time_zone)]
Region = Annotated[str, AfterValidator(region)]
DatabaseUrl = Annotated[str, AfterValidator(database_url)]
WebAddress = Annotated[str, AfterValidator(web_address)]
Prefix = Annotated[str, AfterValidator(calling_prefix)]
Codec = Literal["PCMA", "PCMU"]
CallerId = Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{3,15}$")]


class Section(BaseModel):
    """A table of the TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ServiceSettings(Section):
    """The service as a whole."""

    data_dir: PathText = Field(
        default="data", min_length=1, description="Folder for everything that the service writes."
    )
    node: str = Field(
        default="main",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$",
        description="Name of this service among those on one database.",
    )
    further_node: bool = Field(
        default=False, description="This service shares its database with others (PostgreSQL only)."
    )
    language: Literal["ru", "en"] = Field(
        default="ru", description="Language of the commands, of the sign-in page and of new users."
    )
    time_zone: TimeZone = Field(default="Europe/Moscow", description="IANA time zone of the office.")


class DatabaseSettings(Section):
    """Where the clients, plans and calls are kept."""

    url: DatabaseUrl = Field(
        default="",
        repr=False,
        description=(
            "Database URL: sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/NAME. "
            "Empty: the file dialer.db in data_dir."
        ),
    )


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level that is written."
    )
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: readable on a terminal, JSON lines elsewhere."
    )


class ConsoleSettings(Section):
    """The pages that people work with."""

    host: Host = Field(
        default="127.0.0.1", description="Address that the console listens on; 0.0.0.0 for the whole network."
    )
    port: Port = Field(default=8080, description="Port of the console; 0 takes any free one.")
    tls_certificate: PathText = Field(
        default="", description="PEM file with the certificate chain; empty: no HTTPS here."
    )
    tls_key: PathText = Field(default="", description="PEM file with the certificate's private key.")
    behind_proxy: bool = Field(
        default=False, description="A proxy on this machine ends HTTPS and sets X-Forwarded-For and X-Forwarded-Proto."
    )
    public_url: WebAddress = Field(
        default="", description="Address that people type, if it is not the one listened on (behind a proxy)."
    )
    session_hours: Hours = Field(default=12, ge=1, le=168, description="How long a sign-in lasts.")


class SipSettings(Section):
    """Our side of SIP: headsets register here, and the trunk is called from here."""

    engine: Literal["native", "pyvoip"] = Field(
        default="native", description="Telephone engine; docs/engines.md compares them."
    )
    host: Address = Field(
        default="127.0.0.1", description="Address that SIP is spoken on; an address that the trunk can reach."
    )
    port: Port = Field(default=5060, description="SIP port; 0 takes any free one.")
    advertised_host: Host = Field(default="", description="Address that we give for ourselves in SIP; empty: host.")
    tcp: bool = Field(default=True, description="Listen on TCP as well as UDP.")
    realm: str = Field(
        default="dialer",
        pattern=r'^[^"\\\s]{1,64}$',
        description="Realm of the headsets' passwords; when it changes, all headset passwords must be set again.",
    )


class MediaSettings(Section):
    """The media workers: sound and its recording."""

    host: Address = Field(default="127.0.0.1", description="Address that sound is sent and received on.")
    advertised_host: Address = Field(
        default="", description="Address that we give for sound (behind NAT); empty: host."
    )
    first_port: Port = Field(default=16000, description="First RTP port (even). 0 in both takes any free ones.")
    last_port: Port = Field(default=16999, description="Last RTP port; a call takes four ports (two for each side).")
    workers: int = Field(
        default=1, ge=1, le=64, description="Media worker processes; one core carries several hundred calls."
    )
    codecs: Annotated[tuple[Codec, ...], AfterValidator(different)] = Field(
        default=("PCMA", "PCMU"), min_length=1, description="Codecs that we offer, the preferred one first."
    )


class TrunkSettings(Section):
    """The provider's line, or the office PBX, that clients are called through."""

    host: Host = Field(min_length=1, description="Name or address of the provider's SIP server.")
    port: Port = Field(default=5060, ge=1, description="SIP port of that server.")
    transport: Literal["udp", "tcp"] = Field(default="udp", description="What SIP travels over to the trunk.")
    user: str = Field(default="", description="User name that the provider gave; empty: it knows us by our address.")
    password: SecretStr = Field(default=SecretStr(""), description="Password that the provider gave.")
    domain: Host = Field(default="", description="SIP domain of the account; empty: host.")
    registers: bool = Field(
        default=False,
        alias="register",
        description="Register at the trunk (most providers with user and password want it).",
    )
    caller_id: str = Field(
        default="",
        pattern=r"^(\+?[0-9]{3,15})?$",
        description="Number shown to clients, as the provider wants it; empty: user.",
    )
    caller_ids: Annotated[tuple[CallerId, ...], AfterValidator(different)] = Field(
        default=(),
        description="Numbers of ours that the provider lets us show; a campaign shows one of these. Empty: any.",
    )
    number_format: Literal["+7", "7", "8"] = Field(
        default="+7",
        description=(
            "How this trunk wants Russian numbers dialled: +7342..., 7342... or 8342... Other countries' numbers: "
            "with +, without it, or after 810."
        ),
    )
    ask_options: bool = Field(
        default=True,
        description=(
            "Ask the trunk whether it is there (OPTIONS). false for a provider that answers none: then a registration, "
            "or the next call, tells."
        ),
    )
    options_interval_s: Seconds = Field(
        default=30, ge=5, le=3600, description="How often the trunk is asked whether it is there (OPTIONS)."
    )

    @property
    def sip_domain(self) -> str:
        """The domain of our address at the trunk."""
        return self.domain or self.host


class DialingSettings(Section):
    """How clients are called."""

    ring_timeout_s: Seconds = Field(default=35, ge=5, le=180, description="How long a client's telephone rings.")
    claim_lease_s: Seconds = Field(
        default=900, ge=60, le=86400, description="How long a client is kept for the operator who has the card open."
    )
    max_call_s: Seconds = Field(default=3600, ge=60, le=86400, description="A call is ended after this time.")
    allowed_prefixes: tuple[Prefix, ...] = Field(
        default=("+7",), min_length=1, description="Numbers are dialled only if they begin with one of these."
    )
    region: Region = Field(
        default="RU", description="Country (two letters) that numbers without a country code belong to."
    )


class RecordingsSettings(Section):
    """The recordings of calls."""

    folder: PathText = Field(default="", description="Folder of the recordings; empty: recordings in data_dir.")
    policy: Literal["all", "never"] = Field(default="all", description="Which answered calls are recorded.")
    encrypt: bool = Field(
        default=True,
        description="Seal finished recordings, each with a key of its own that the file office.key in data_dir opens.",
    )
    minimum_free_mb: Annotated[Megabytes, Field(ge=1)] = Field(
        default=200,
        description="With less free space on the disk than this no new recording is begun, and the page says so.",
    )


class BackupsSettings(Section):
    """Backups that are begun on the page, or without a folder from the command line."""

    folder: PathText = Field(
        default="",
        description="Folder in which each gets its own, not inside data_dir; empty: backups beside data_dir.",
    )


class MailSettings(Section):
    """Callbacks as calendar entries by e-mail, and offers to clients. Nothing is sent where no host is set."""

    host: Host = Field(default="", description="Name or address of the mail server; empty: no mail.")
    port: Port = Field(default=587, ge=1, description="SMTP port of that server; often 587 for starttls, 465 for tls.")
    tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection is protected; none only for a server on this machine.",
    )
    ca_file: PathText = Field(
        default="", description="PEM file with the certificate authority of an own mail server; empty: the system's."
    )
    user: str = Field(default="", description="User name at the mail server; empty: it asks for none.")
    password: SecretStr = Field(default=SecretStr(""), description="Password at the mail server.")
    sender: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)?$",
        description="E-mail address that messages come from, such as dialer@example.ru.",
    )
    timeout_s: Seconds = Field(default=20, ge=1, le=300, description="How long the mail server may take to answer.")
    taken_within_s: Seconds = Field(
        default=600,
        ge=1,
        le=3600,
        description="How long it may take to say that it has taken an offer; waiting less leaves doubts.",
    )
    fax_address: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9.+_-]*\{number\}[A-Za-z0-9.+_-]*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)?$",
        description="Address of the e-mail-to-fax gateway, such as {number}@fax.example; empty: no faxes.",
    )


class InboxSettings(Section):
    """The mailbox in which answers to offers, and failures, arrive. Nothing is read where no host is set."""

    host: Host = Field(default="", description="Name or address of the IMAP server; empty: nothing is read.")
    port: Port = Field(default=993, ge=1, description="IMAP port of that server; often 993 for tls, 143 for starttls.")
    tls: Literal["tls", "starttls", "none"] = Field(
        default="tls", description="How the connection is protected; none only for a server on this machine."
    )
    ca_file: PathText = Field(
        default="", description="PEM file with the certificate authority of an own mail server; empty: the system's."
    )
    user: str = Field(default="", description="User name of the mailbox that mail.sender delivers to.")
    password: SecretStr = Field(default=SecretStr(""), description="Password of that mailbox.")
    folder: str = Field(
        default="INBOX",
        pattern=r"^[ -~]{1,200}$",
        description="Folder that is read; nothing in it is changed, marked or deleted.",
    )
    timeout_s: Seconds = Field(default=20, ge=1, le=300, description="How long the server may take to answer.")
    every_s: Seconds = Field(default=60, ge=5, le=3600, description="How often it is looked at.")
    fax_delivered: Annotated[str, AfterValidator(expression)] = Field(
        default="delivered|success|доставлен|успешно",
        description="Regular expression for the fax gateway's notice of success.",
    )
    fax_failed: Annotated[str, AfterValidator(expression)] = Field(
        default="not delivered|fail|busy|no answer|не доставлен|ошибка|занято|не отвечает",
        description="Regular expression for its notice of failure; asked first.",
    )


class SchedulerSettings(Section):
    """The clockwork that brings callbacks back."""

    poll_s: Seconds = Field(default=5, ge=1, le=60, description="How often due callbacks are looked for.")
