"""Cities to time zones: the regional capitals of Russia and its larger cities, and some neighbours' capitals.

A telephone number tells the zone of its region; the city is the better witness where a region has several zones or
the number is a mobile one. Names that towns in several zones share are left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final

from crm.text_rules import fold

_CITIES: Final[Mapping[str, str]] = {
    "Europe/Kaliningrad": "Калининград, Черняховск",
    "Europe/Moscow": """Москва, Санкт-Петербург, Архангельск, Белгород, Брянск, Великий Новгород, Владикавказ, Владимир,
        Вологда, Воронеж, Грозный, Иваново, Йошкар-Ола, Казань, Калуга, Кострома, Краснодар, Курск, Липецк, Магас,
        Майкоп, Махачкала, Мурманск, Нальчик, Нарьян-Мар, Нижний Новгород, Орел, Пенза, Петрозаводск, Псков,
        Ростов-на-Дону,
        Рязань, Саранск, Смоленск, Ставрополь, Сыктывкар, Тамбов, Тверь, Тула, Чебоксары, Черкесск, Элиста, Ярославль,
        Альметьевск, Анапа, Армавир, Балашиха, Батайск, Боровичи, Волгодонск, Воркута, Выборг, Гатчина, Дербент,
        Дзержинск, Домодедово, Елец, Ессентуки, Жуковский, Зеленоград, Зеленодольск, Ковров, Коломна, Королев,
        Красногорск, Люберцы, Муром, Мытищи, Набережные Челны, Невинномысск, Нижнекамск, Новомосковск, Новороссийск,
        Новочебоксарск, Новочеркасск, Обнинск, Одинцово, Орехово-Зуево, Подольск, Пушкино, Пятигорск, Рыбинск,
        Северодвинск, Сергиев Посад, Серпухов, Сочи, Старый Оскол, Таганрог, Ухта, Хасавюрт, Химки, Череповец, Шахты,
        Щелково, Электросталь, Апатиты, Кисловодск, Туапсе, Губкин, Великие Луки""",
    "Europe/Simferopol": "Симферополь, Севастополь, Керчь, Ялта, Евпатория",
    "Europe/Kirov": "Киров, Кирово-Чепецк",
    "Europe/Volgograd": "Волгоград, Волжский, Камышин",
    "Europe/Astrakhan": "Астрахань",
    "Europe/Saratov": "Саратов, Энгельс, Балаково, Балашов",
    "Europe/Ulyanovsk": "Ульяновск, Димитровград",
    "Europe/Samara": "Самара, Тольятти, Сызрань, Новокуйбышевск, Ижевск, Воткинск, Сарапул, Глазов",
    "Asia/Yekaterinburg": """Екатеринбург, Пермь, Челябинск, Уфа, Оренбург, Тюмень, Курган, Ханты-Мансийск, Салехард,
        Березники, Соликамск, Каменск-Уральский, Нижний Тагил, Первоуральск, Серов, Магнитогорск, Миасс, Златоуст,
        Копейск, Стерлитамак, Салават, Нефтекамск, Орск, Новотроицк, Бузулук, Тобольск, Ишим, Сургут,
        Нижневартовск, Нефтеюганск, Когалым, Новый Уренгой, Ноябрьск, Шадринск""",
    "Asia/Omsk": "Омск",
    "Asia/Novosibirsk": "Новосибирск, Бердск, Искитим",
    "Asia/Barnaul": "Барнаул, Бийск, Рубцовск, Горно-Алтайск, Новоалтайск",
    "Asia/Tomsk": "Томск, Северск, Стрежевой",
    "Asia/Novokuznetsk": "Кемерово, Новокузнецк, Прокопьевск, Ленинск-Кузнецкий, Междуреченск, Юрга, Белово",
    "Asia/Krasnoyarsk": "Красноярск, Абакан, Кызыл, Норильск, Ачинск, Канск, Минусинск",
    "Asia/Irkutsk": "Иркутск, Улан-Удэ, Братск, Ангарск, Усть-Илимск, Усолье-Сибирское",
    "Asia/Chita": "Чита, Краснокаменск",
    "Asia/Yakutsk": "Якутск, Благовещенск, Нерюнгри",
    "Asia/Vladivostok": "Владивосток, Хабаровск, Биробиджан, Находка, Уссурийск, Артем, Комсомольск-на-Амуре",
    "Asia/Sakhalin": "Южно-Сахалинск",
    "Asia/Magadan": "Магадан",
    "Asia/Kamchatka": "Петропавловск-Камчатский",
    "Asia/Anadyr": "Анадырь",
    "Europe/Minsk": "Минск",
    "Asia/Almaty": "Алматы, Астана",
}
_SHORT: Final[Mapping[str, str]] = {
    "спб": "санкт петербург",
    "с петербург": "санкт петербург",
    "петербург": "санкт петербург",
    "мск": "москва",
    "екб": "екатеринбург",
    "н новгород": "нижний новгород",
    "новгород великий": "великий новгород",
    "наб челны": "набережные челны",
    "н тагил": "нижний тагил",
    "п камчатский": "петропавловск камчатский",
    "ростов на д": "ростов на дону",
    "нск": "новосибирск",
}
_KIND: Final = re.compile(r"^(?:г|гор|город) | (?:г|гор|город)$")


def _words(text: str) -> str:
    return _KIND.sub("", " ".join(re.findall(r"[^\W_]+", fold(text))))


_ZONES: Final = {_words(city): zone for zone, cities in _CITIES.items() for city in cities.split(",")}


@functools.lru_cache(maxsize=4096)  # a file names few cities, many times
def city_key(city: str) -> str:
    """The form in which names of cities are compared: without "г.", short names in full."""
    words = _words(city)
    return _SHORT.get(words, words)


def zone_of_city(city: str) -> str:
    """The IANA time zone of a city as people write it ("г. Томск", "СПб"), or "" for one that is not in the table."""
    return _ZONES.get(city_key(city), "")
