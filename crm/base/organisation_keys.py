"""The keys by which one organisation is known for another: tax number, web domain, e-mail, and the name without its
legal form. Pure: no database."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from crm.text_rules import fold

_PHRASES: Final = re.compile(
    r"\b(?:(?:публичное|непубличное|открытое|закрытое) )?акционерное общество\b"
    r"|\bобщество с (?:ограниченной|дополнительной) ответственностью\b"
    r"|\bиндивидуальный предприниматель\b"
    r"|\b(?:федеральное |областное |муниципальное |государственное )*унитарное предприятие\b"
    r"|\bавтономная некоммерческая организация\b"
    r"|\bпроизводственный кооператив\b"
    r"|\blimited liability company\b|\bjoint stock company\b"
)
_FORMS: Final = (
    "ооо одо оао зао пао нао ао ип чп пбоюл тоо мп гп уп гуп муп фгуп фгбу фгку гку мку гбу мбу гау мау ано нко чоу ноу"
    " тсж тсн жск снт днт пк спк сппк кфх кх тнв llc ltd limited inc gmbh ag corp plc jsc pjsc ojsc cjsc oy ab"
)
_LEGAL_FORMS: Final = frozenset(_FORMS.split())
_SEPARATORS: Final = re.compile(r"[^\w&+]+|_", re.UNICODE)
_DOTTED: Final = re.compile(r"\b(?:\w\.){2,}")  # "о.о.о." is one word
_VOWELS: Final = re.compile("[аеиоуыэюяйьъaeiouy]")
_DOUBLED: Final = re.compile(r"(.)\1+")
_VOICELESS: Final = str.maketrans("бвгджз", "пфктшс")
_LEAST_SKELETON: Final = 3  # consonants; fewer are shared by everybody

_SITE: Final = re.compile(
    r"(?:[a-zа-я][a-zа-я0-9+.-]*://)?(?:[^/@\s]*@)?(?:www\d?\.)?(?P<host>[^/:?#\s,;]+)(?P<path>/[^?#\s,;]*)?"
)
_BETWEEN_ADDRESSES: Final = re.compile(r"[\s,;<>()\"]+")
# Here a domain says nothing of whose page it is; the first part of the path does.
_HOSTS: Final = (
    "vk.com vkontakte.ru ok.ru facebook.com instagram.com t.me wa.me youtube.com rutube.ru dzen.ru avito.ru 2gis.ru"
    " taplink.cc livejournal.com sites.google.com yandex.ru ya.ru hh.ru tiu.ru pulscen.ru"
)
_SHARED_HOSTS: Final = frozenset(_HOSTS.split())
_NOT_DIGITS: Final = re.compile("[^0-9]+")
_TAX_DIGITS: Final = range(8, 16)
KEY_COLUMNS: Final = ("name_key", "name_skeleton", "tax_key", "domain_key", "email_key")


def name_key(name: str) -> str:
    """The name as it is compared: folded, without legal forms, quotes and signs; "ООО «Ромашка»" and "РОМАШКА, ООО" are
    one. A name that is nothing but a legal form keeps it."""
    text = _DOTTED.sub(lambda dotted: dotted[0].replace(".", "") + " ", fold(name))
    words = _SEPARATORS.sub(" ", _PHRASES.sub(" ", _SEPARATORS.sub(" ", text))).split()
    kept = [word for word in words if word not in _LEGAL_FORMS]
    return " ".join(kept or words)


def name_skeleton(name: str) -> str:
    """What is left of the name when it is misspelt: the consonants of its words, voiceless and none doubled, whatever
    the order of the words. "" where too few are left to tell anything."""
    words = (
        _DOUBLED.sub(r"\1", _VOWELS.sub("", word).translate(_VOICELESS)) or word for word in name_key(name).split()
    )
    skeleton = " ".join(sorted(words))
    return skeleton if len(skeleton) >= _LEAST_SKELETON else ""


def tax_key(tax_number: str) -> str:
    """The digits of a tax number; "" for what cannot be one."""
    digits = _NOT_DIGITS.sub("", tax_number)
    return digits if len(digits) in _TAX_DIGITS else ""


def domain_key(site: str) -> str:
    """The domain of a web address without "www", in Unicode; on hosts that many share with the page's name."""
    found = _SITE.match(site.strip().casefold())
    host = _unicode(found["host"].strip(".")) if found else ""
    if found is None or "." not in host:
        return ""
    host = host.removeprefix("m.")
    if host not in _SHARED_HOSTS:
        return host
    page = (found["path"] or "").strip("/").split("/")[0]
    return f"{host}/{page}" if page else ""


def _unicode(host: str) -> str:
    if "xn--" not in host:
        return host
    try:
        return host.encode("ascii").decode("idna")
    except UnicodeError:
        return host


def email_key(email: str) -> str:
    """The first address that stands there, in lower case; "" when there is none."""
    for piece in _BETWEEN_ADDRESSES.split(email.casefold()):
        for local, domain in pairwise(piece.split("@")):
            if local and "." in domain[1:-1]:
                return f"{local}@{domain}".strip(".")
    return ""


def keys_of(*, name: str, tax_number: str = "", site: str = "", email: str = "") -> dict[str, str]:
    """The values of `KEY_COLUMNS`, by column."""
    return {
        "name_key": name_key(name),
        "name_skeleton": name_skeleton(name),
        "tax_key": tax_key(tax_number),
        "domain_key": domain_key(site),
        "email_key": email_key(email),
    }
