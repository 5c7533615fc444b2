"""Hints in the names of columns and files, and field names made of column names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from fusionrec.data.schema import Side


def _all(text: str) -> frozenset[str]:
    return frozenset(text.split())


ID = _all("""id ids key no nr num number code uuid guid idx index hash nummer numero clave ключ
    номер""")
USER = _all("""user users customer client visitor member reader buyer reviewer account person
    people viewer listener player guest subscriber shopper student patient profile uid cust kunde
    kundin kunden benutzer nutzer leser käufer utilisateur usager lecteur usuario cliente clientes
    utente lettore usuária пользователь клиент покупатель читатель 用户 顾客 客户 ユーザー 顧客
    사용자 고객 მომხმარებელი მკითხველი""")
ITEM = _all("""item items product products movie film films book books isbn sku asin article
    artikel track song artist album game video recipe anime manga show episode news post course job
    place business venue poi restaurant hotel listing goods stock material upc ean gtin app beer
    wine joke podcast paper dish meal iid prod produkt produit producto produto prodotto artículo
    buch bücher livre livro libro lied stück фильм товар книга песня 商品 产品
    电影 书籍 歌曲 作品 製品 상품 영화 წიგნი ფილმი პროდუქტი""")
RATING = _all("""rating ratings rate score stars star grade mark vote bewertung note wertung
    évaluation puntuación calificación voto valutazione avaliação nota оценка рейтинг 评分 評価 평점
    overall liked like thumb thumbs feedback შეფასება""")
COUNT = _all("""count counts plays playcount play_count times quantity qty amount visits views
    clicks listens n freq frequency weight anzahl menge quantité cantidad quantità quantidade
    количество 数量 回数 수량""")
EVENT = _all("""event action activity behavior behaviour interaction type kind operation verb
    ereignis aktion événement evento acción azione ação событие действие 行为 行動 이벤트""")
TIME = _all("""time timestamp ts date datetime day at when created updated unixtime datum zeit
    zeitstempel horodatage fecha hora tempo data время дата 时间 日期 日時 시간 თარიღი""")
TITLE = _all("""title name heading headline label caption titel titre título titolo nom nombre nome
    название имя 标题 名称 名前 題名 제목 이름 სათაური დასახელება 题名
    书名 片名 曲名 歌名 品名 影片名 电影名 歌曲名 作品名 商品名 产品名 文章标题 新闻标题 商品标题
    商品名称 产品名称 电影名称 影片名称 图书名称 书籍名称 歌曲名称 作品名称 書名 タイトル""")
PEOPLE_NAME = _all("""name surname firstname lastname fullname username nickname login vorname
    nachname nom prénom apellido nombre cognome имя фамилия 姓名 名前 이름 სახელი გვარი""")
PERSONAL = _all("""email mail phone mobile telephone telefon fax address street straße zip zipcode
    postcode plz postal ip ssn passport iban password birthday birthdate dob geburtsdatum latitude
    longitude lat lon lng телефон адрес почта 电话 地址 邮箱 住所 電話""")
AGE = _all(
    """age born birthyear alter geburtsjahr âge edad età idade возраст 年齢 年龄 나이 ასაკი"""
)
TAKEN = _all("""rating ratings event events interaction interactions order orders purchase
    purchases sale sales transaction transactions view views click clicks play plays history log
    logs review reviews loan loans checkout borrowings listens visits behavior behaviour train
    bestellungen käufe bewertungen commandes pedidos ordini заказы оценки""")
# Values that mean "not known".
UNKNOWN = _all("""na n/a n.a. #n/a nan null nil unknown undefined unspecified missing ? - -- . \\n
    unbekannt inconnu desconocido sconosciuto неизвестно 不明 未知""")
OF_SIDE: dict[Side, frozenset[str]] = {"user": USER, "item": ITEM}


def words(name: str) -> list[str]:
    """The words of a name, in lower case: ``userId`` -> user, id."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFC", split).lower())


def has(name: str, known: Collection[str]) -> bool:
    """Whether a word of a name, or all its words joined, is among some."""
    parts = words(name)
    return any(
        word in known or word.removesuffix("s") in known for word in (*parts, "".join(parts))
    )


def is_id(name: str) -> bool:
    """Whether a name ends like that of an id, such as ``sku_no``."""
    parts = words(name)
    return bool(parts) and parts[-1] in ID


def role(name: str, known: Collection[str]) -> int:
    """How clearly a column's name is that of a user's or item's id.

    Args:
        name: the column.
        known: ``USER`` or ``ITEM``.

    Returns:
        3 for ``user_id`` or ``userid``, 2 for ``user``, 1 for an id with such a word in its name,
        such as ``anonymous_user_id``; else 0.
    """
    parts = words(name)
    joined = "".join(parts)
    if not parts:
        return 0
    bare = parts[:-1] if parts[-1] in ID else parts
    if len(parts) > 1 and len(bare) < len(parts) and "".join(bare) in known:
        return 3
    if joined in known or joined.removesuffix("s") in known:
        return 2
    for end in ("id", "nr", "no", "key", "code"):
        if joined.endswith(end) and joined.removesuffix(end) in known:
            return 3
    return int(len(bare) < len(parts) and has(" ".join(bare), known))


def identifier(name: str, number: int, taken: Collection[str], prefix: str) -> str:
    """A field's name: the ASCII letters, digits and underscores of a column's name, in lower case.

    Args:
        name: the column's name, in any script.
        number: the column's number, from 1; names the field if the name has letters beyond ASCII.
        taken: names of other fields.
        prefix: ``user`` or ``item``; put before a name that is taken or begins with a digit.
    """
    plain = unicodedata.normalize("NFKD", " ".join(words(name)))
    lost = any(c.isalpha() and not c.isascii() for c in plain)
    kept = "".join(c for c in plain if c.isascii() and (c.isalnum() or c == " "))
    made = "_".join(kept.split())[:60]
    if not made or lost:
        made = f"column_{number}"
    if not made[0].isalpha():
        made = f"{prefix}_{made}"
    if made in taken:
        made = f"{prefix}_{made}"
    while made in taken:
        made += f"_{number}"
    return made
