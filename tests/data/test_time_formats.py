"""Forms of times: found over a column's values, and read back."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionrec.data.tabular.casting import seconds
from fusionrec.data.tabular.time_formats import find_time_form
from fusionrec.errors import DataError


def read(texts: list[str]):
    """The form of texts, and their times by it, datetime64[s]."""
    form = find_time_form(texts, named=True)
    time, known = seconds(pa.array(texts), form.unit, "", form.format)
    return form, np.where(known, time.astype("datetime64[s]"), np.datetime64("NaT"))


DAY, CLOCK = "2020-09-04", "2020-09-04 08:30"


@pytest.mark.parametrize(
    ("text", "time", "resolution"),
    [
        ("2020-09-04", DAY, "day"),
        ("2020-9-4", DAY, "day"),
        ("2020/09/04", DAY, "day"),
        ("2020.09.04 08:30", CLOCK, "minute"),
        ("2020-09-04T08:30:00Z", CLOCK, "second"),
        ("2020-09-04 08:30:00 UTC", CLOCK, "second"),
        ("2020-09-04 10:30:00.5+02:00", CLOCK, "second"),
        ("2020-09-04T08:30:00,123", CLOCK, "second"),
        ("20200904T083000Z", CLOCK, "second"),
        ("2020-09-04 00:00:00", DAY, "day"),
        ("2020-09-04 09:30 CET", CLOCK, "minute"),
        ("25.09.2020", "2020-09-25", "day"),
        ("25/9/2020 08:30", "2020-09-25 08:30", "minute"),
        ("9/25/2020, 8:30:00 PM", "2020-09-25 20:30", "second"),
        ("08:30 25.09.2020", "2020-09-25 08:30", "minute"),
        ("25.09.2020 08:30 Uhr", "2020-09-25 08:30", "minute"),
        ("25.09.99", "1999-09-25", "day"),
        ("25/09/2020 8.30", "2020-09-25 08:30", "minute"),
        ("25092020", "2020-09-25", "day"),
        ("99-09-25", "1999-09-25", "day"),
        ("04-SEP-20", DAY, "day"),
        ("04-SEP-20 08.30.00.000000 AM", CLOCK, "second"),
        ("04Sep2020", DAY, "day"),
        ("Fri Sep 04 08:30:00 2020", CLOCK, "second"),
        ("Fri Sep  4 08:30:00 UTC 2020", CLOCK, "second"),
        ("Fri Sep 04 10:30:00 +0200 2020", CLOCK, "second"),
        ("Fri, 04 Sep 2020 10:30:00 +0200", CLOCK, "second"),
        ("Fri, 04 Sep 2020 08:30:00 GMT", CLOCK, "second"),
        ("Fri Sep 04 2020 10:30:00 GMT+0200 (Summer Time)", CLOCK, "second"),
        ("04/Sep/2020:08:30:00 +0000", CLOCK, "second"),
        ("Sep 04, 2020", DAY, "day"),
        ("Sept. 4, 2020", DAY, "day"),
        ("September 4th, 2020", DAY, "day"),
        ("Friday, September 4, 2020 at 8:30 a.m.", CLOCK, "minute"),
        ("09 25, 2020", "2020-09-25", "day"),
        ("2020-09", "2020-09-01", "month"),
        ("09/2020", "2020-09-01", "month"),
        ("Sep 2020", "2020-09-01", "month"),
        ("2020", "2020-01-01", "year"),
        ("202009", "2020-09-01", "month"),
        ("20200904", DAY, "day"),
        ("20200904.0", DAY, "day"),
        ("202009040830", CLOCK, "minute"),
        ("20200904083000", CLOCK, "second"),
        ("44078.354166666664", CLOCK, "second"),
        ("44078", DAY, "day"),
        ("1599208200", CLOCK, "second"),
        ("1599208200.75", CLOCK, "second"),
        ("1.5992082e9", CLOCK, "second"),
        ("1599208200123", CLOCK, "second"),
        ("1599208200123456", CLOCK, "second"),
        ("1599208200000000000", CLOCK, "second"),
        ("/Date(1599208200000+0200)/", CLOCK, "second"),
        ("2020年9月4日", DAY, "day"),
        ("2020년 9월 4일", DAY, "day"),
        ("le 4 septembre 2020 à 08h30", CLOCK, "minute"),
        ("4 de septiembre de 2020", DAY, "day"),
        ("mar. 3 mars 2020", "2020-03-03", "day"),
        ("4. September 2020", DAY, "day"),
        ("4 сентября 2020 г.", DAY, "day"),
    ],
)
def test_common_forms(text, time, resolution):
    form, times = read([text])
    assert times.tolist() == [datetime.fromisoformat(time)]
    assert (form.resolution, form.share) == (resolution, 1)


MONTHS = {
    "English": """January February March April May June
        July August September October November December""",
    "German": """Januar Februar März April Mai Juni
        Juli August September Oktober November Dezember""",
    "French": """janvier février mars avril mai juin
        juillet août septembre octobre novembre décembre""",
    "Spanish": """enero febrero marzo abril mayo junio
        julio agosto septiembre octubre noviembre diciembre""",
    "Italian": """gennaio febbraio marzo aprile maggio giugno
        luglio agosto settembre ottobre novembre dicembre""",
    "Portuguese": """janeiro fevereiro março abril maio junho
        julho agosto setembro outubro novembro dezembro""",
    "Dutch": """januari februari maart april mei juni
        juli augustus september oktober november december""",
    "Russian": """января февраля марта апреля мая июня
        июля августа сентября октября ноября декабря""",
    "short English": """Jan Feb Mar Apr May Jun
        Jul Aug Sep Oct Nov Dec""",
    "short German": """Jan. Feb. März Apr. Mai Juni
        Juli Aug. Sept. Okt. Nov. Dez.""",
    "short French": """janv. févr. mars avr. mai juin
        juil. août sept. oct. nov. déc.""",
    "short Spanish": """ene. feb. mar. abr. may. jun.
        jul. ago. sept. oct. nov. dic.""",
    "short Italian": """gen feb mar apr mag giu
        lug ago set ott nov dic""",
    "short Portuguese": """jan. fev. mar. abr. mai. jun.
        jul. ago. set. out. nov. dez.""",
    "short Dutch": """jan. feb. mrt. apr. mei jun.
        jul. aug. sep. okt. nov. dec.""",
    "short Russian": """янв. февр. мар. апр. мая июн.
        июл. авг. сент. окт. нояб. дек.""",
}


@pytest.mark.parametrize("language", MONTHS)
def test_names_of_months(language):
    names = MONTHS[language].split()
    expected = [datetime(2020, month, 9) for month in range(1, 13)]
    assert read([f"9 {name} 2020" for name in names])[1].tolist() == expected
    assert read([f"{name.upper()} 9, 2020" for name in names])[1].tolist() == expected


DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%y", "%b %d, %Y",
         "%d %B %Y", "%a, %d %b %Y", "%d-%b-%y", "%m %d, %Y")  # fmt: skip
CLOCKS = {"": "D", " %H:%M": "m", " %H:%M:%S": "s", " %I:%M:%S %p": "s", " %H:%M:%S.%f": "s",
          " %H:%M:%S +0000": "s"}  # fmt: skip
# A form as strptime writes it -> what of a time it keeps.
FORMS = {date + clock: kept for date in DATES for clock, kept in CLOCKS.items()} | {
    "%a %b %d %H:%M:%S %Y": "s", "%a %b %d %H:%M:%S +0000 %Y": "s", "%Y%m%d%H%M%S": "s",
    "%Y-%m-%dT%H:%M:%SZ": "s", "%Y-%m-%dT%H:%M:%S.%f": "s", "%Y%m%d": "D", "%Y%m%d %H:%M": "m",
    "%d%m%Y": "D", "%Y-%m": "M",
    "%b %Y": "M", "%m/%Y": "M",
}  # fmt: skip
NUMBERS = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}
SETTLES = datetime(1999, 12, 31, 22, 58, 57)  # what is the day, what the year
TIMES = st.lists(st.datetimes(datetime(1985, 1, 1), datetime(2036, 1, 1)), max_size=5)


@settings(deadline=None, max_examples=200)
@given(form=st.sampled_from(sorted(FORMS)), times=TIMES)
def test_a_written_time_is_found_and_read_back(form, times):
    times.append(SETTLES)
    found, read_back = read([time.strftime(form) for time in times])
    assert (found.ambiguous, found.share) == (False, 1)
    kept = np.array(times, "datetime64[us]").astype(f"datetime64[{FORMS[form]}]")
    assert read_back.tolist() == kept.astype("datetime64[s]").tolist()


@settings(deadline=None, max_examples=50)
@given(unit=st.sampled_from([*NUMBERS, "days"]), times=TIMES, fraction=st.sampled_from([0, 0.25]))
def test_a_time_as_a_number_is_found_and_read_back(unit, times, fraction):
    whole = [time.replace(microsecond=0) for time in [*times, SETTLES]]
    counted = [time.replace(tzinfo=UTC).timestamp() + fraction for time in whole]
    if unit == "days":
        texts = [repr(count / 86_400 + 25_569) for count in counted]
    else:
        texts = [f"{count * NUMBERS[unit]:.2f}".removesuffix(".00") for count in counted]
    found, read_back = read(texts)
    assert (found.unit, found.format, found.ambiguous, found.share) == (unit, "", False, 1)
    assert read_back.tolist() == whole


@pytest.mark.parametrize(
    ("texts", "form", "doubt"),
    [
        (["04.09.2020", "05.09.2020"], "%d.%m.%Y", "day is taken to stand first"),
        (["04-09-2020"], "%d-%m-%Y", "day is taken to stand first"),
        (["04/09/2020"], "%m/%d/%Y", "month is taken to stand first"),
        (["04/09/2020", "13/09/2020"], "%d/%m/%Y", ""),
        (["04.09.2020", "09.13.2020"], "%m.%d.%Y", ""),
        (
            ["13.09.2020", "14.09.2020", "09.15.2020"],
            "%d.%m.%Y",
            "2 fit only with the day first, 1",
        ),
        (["13.09.2020"] * 200 + ["09.15.2020"], "%d.%m.%Y", ""),
        (["20-09-13", "20-10-14"], "%y-%m-%d", ""),
        (["20121005 08:30"], "%Y%m%d %H:%M", ""),
        (["13.09.20", "14.10.20"], "%d.%m.%y", ""),
        (["13.09.20"], "%d.%m.%y", "year may stand first or last"),
    ],
)
def test_what_is_the_day_is_decided_by_the_data_or_said(texts, form, doubt):
    found = find_time_form(texts, True)
    assert found.format == form
    assert found.ambiguous is bool(doubt)
    assert doubt in found.says


def test_a_column_may_have_several_forms():
    texts = ["13.09.2020 08:30", "04.09.2020", "4.9.2020 08:30:12", "soon", *["5.9.2020"] * 9]
    form, times = read(texts)
    assert sorted(form.format.split("|")) == ["%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"]
    expected = [datetime(2020, 9, 13, 8, 30), datetime(2020, 9, 4), datetime(2020, 9, 4, 8, 30, 12)]
    assert times[:4].tolist() == [*expected, None]
    assert (form.share, form.resolution) == (12 / 13, "second")


@pytest.mark.parametrize(
    "texts",
    [
        ["4/5", "3/4"], ["1.2.3"], ["1420.5", "3"], ["now", "today"], ["10.9.8.7"], ["555-1234"],
        ["Toy Story (1995)"], ["12:30"], ["Q3 2020"], ["12 Monkeys"], ["3", "4"], [], [" "],
        ["2020-09-04", "x", "y"], ["x" * 10_000], ["(" * 5_000 + " 04.09.2020"], ["2020-13-45"],
    ],
)  # fmt: skip
def test_what_is_no_time_has_no_form(texts):
    assert find_time_form(texts, True) is None


@pytest.mark.parametrize(
    "text", ["2020", "2020-09", "09/2020", "202009", "43831", "04.09.20", "150000000"]
)
def test_without_a_telling_name_no_form_is_seen_in_what_may_be_anything(text):
    assert find_time_form([text], False) is None
    assert find_time_form([text], True) is not None


@pytest.mark.parametrize("text", ["2020-09-04", "04.09.2020", "Sep 4, 2020", "1599208200"])
def test_other_times_need_no_telling_name(text):
    assert find_time_form([text] * 20, False) == find_time_form([text] * 20, True)
    assert find_time_form([text, "x"], False) is None


@pytest.mark.parametrize(
    ("form", "text", "known"),
    [
        ("%d. %B %Y", "4. septembre 2020", True),
        ("%d de %B de %Y", "4 de septiembre de 2020", True),
        ("%A, %d %b %Y %H:%M:%S %Z", "Friday, 04 Sep 2020 08:30:00 GMT", True),
        ("%Y-%m-%d", "2020-09-04 08:30", False),
        ("%d.%m.%Y", "now", False),
        ("", "now", False),
        ("", "0000-01-01", False),
    ],
)
def test_forms_of_ones_own(form, text, known):
    time, found = seconds(pa.array([text, None, text]), "text", "", form)
    assert found.tolist() == [known, False, known]
    assert all(time[found] // 86_400 == 18_509)


@pytest.mark.parametrize("form", ["%Q", "%", "%Y%Y", "%U %Y", "mixed", "%d.%m.%Y|%s"])
def test_a_form_that_is_none_is_refused(form):
    with pytest.raises(DataError, match="log: t: dates cannot be read by time_format = ") as error:
        seconds(pa.array(["x 4"]), "text", "log: t", form)
    assert "as strptime does" in error.value.hint


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.text(st.sampled_from("0123456789-/.: ,TZ+PMAJanév()年%"), max_size=20), max_size=5)
)
def test_no_text_breaks_the_search_or_the_reading(texts):
    for named in (True, False):
        form = find_time_form(texts, named)
        if form:
            assert seconds(pa.array(texts), form.unit, "", form.format)[1].any()
