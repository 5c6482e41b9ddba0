"""The feature definitions, once: Ibis expressions from raw loans to features, for any engine that Ibis can drive.

Raw loans are text in every column. Nothing here names an engine.
"""

from typing import Any

import ibis
from ibis import selectors

NEEDED = ("loan_id", "id", "loan_date", "loan_amount", "birthday", "job_start_date", "flag_own_car", "status")

Table = Any
Column = Any

_AMOUNT_LIMIT = 1e15
"""Amounts from here on are refused: their whole part is to be exact in a float, with room for a fraction."""

_FRACTION = 1e12
"""Fractions of amounts are counted in this part of one."""

_LARGEST_FLOAT = 1.7976931348623157e308

_EARLIEST = "0001-01-01"
_EARLIEST_OF_A_LIFE = "1900-01-01"


def _text(column: Column) -> Column:
    return column.strip().nullif("")


def _integer(column: Column) -> Column:
    """1.0 is 1: writers that know no missing integers make them so."""
    return _text(column).re_extract(r"^([0-9]{1,19})([.]0+)?\z", 1).nullif("").try_cast("int64")


def _date(column: Column, earliest: str) -> Column:
    day = _text(column).re_extract(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})([ T]00:00:00([.]0+)?(Z|[+]00:?00)?)?\z", 1)
    date = day.nullif("").try_cast("date")
    return (date >= ibis.literal(earliest).cast("date")).ifelse(date, ibis.null("date"))


def _number(column: Column) -> Column:
    text = _text(column)
    return text.re_search(_NUMBER).ifelse(text.try_cast("float64"), ibis.null("float64"))


# An end of text is \z: in Java, $ stands before a last line separator, too.
_NUMBER = r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?\z"
_NOT_FINITE = r"^[+-]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)\z"


def parsed(raw: Table) -> Table:
    """Raw loans (text, with `line`) as typed columns plus `reason`: null, or why the line is refused."""
    car = _text(raw.flag_own_car).upper()
    status = _integer(raw.status)
    typed = raw.select(
        "line",
        loan_id=_integer(raw.loan_id),
        client_id=_integer(raw.id),
        loan_date=_date(raw.loan_date, _EARLIEST),
        loan_amount=_number(raw.loan_amount),
        birthday=_date(raw.birthday, _EARLIEST_OF_A_LIFE),
        job_start_date=_date(raw.job_start_date, _EARLIEST_OF_A_LIFE),
        flag_own_car=ibis.cases((car == "Y", 1), (car == "N", 0), else_=ibis.null("int16")).cast("int16"),
        status=status.isin([0, 1]).ifelse(status, ibis.null("int64")).cast("int16"),
        given_id=_text(raw.id),
        given_loan_id=_text(raw.loan_id),
        given_loan_date=_text(raw.loan_date),
        given_loan_amount=_text(raw.loan_amount),
    )
    return typed.mutate(reason=_reason(typed)).drop(selectors.startswith("given_"))


def _reason(typed: Table) -> Column:
    """Tells apart why a value is null only where it is null: that is dear."""
    amount = typed.given_loan_amount
    absent = typed.client_id.isnull() | typed.loan_id.isnull() | typed.loan_date.isnull() | typed.loan_amount.isnull()
    told_apart = ibis.cases(
        (typed.given_id.isnull(), "id_missing"),
        (typed.given_loan_id.isnull(), "loan_id_missing"),
        (typed.given_loan_date.isnull(), "loan_date_missing"),
        (amount.isnull(), "loan_amount_missing"),
        (typed.client_id.isnull(), "id_unreadable"),
        (typed.loan_id.isnull(), "loan_id_unreadable"),
        (typed.loan_date.isnull(), "loan_date_unreadable"),
        (amount.re_search(_NOT_FINITE) | amount.re_search(_NUMBER), "loan_amount_not_finite"),
        else_="loan_amount_unreadable",
    )
    return ibis.cases(
        (absent, told_apart),
        (typed.client_id < 1, "id_unreadable"),
        (typed.loan_amount.abs() > _LARGEST_FLOAT, "loan_amount_not_finite"),
        (typed.loan_amount < 0, "loan_amount_negative"),
        (typed.loan_amount >= _AMOUNT_LIMIT, "loan_amount_too_large"),
        else_=ibis.null("string"),
    )


LOAN_COLUMNS = (
    "loan_id",
    "client_id",
    "loan_date",
    "loan_amount",
    "birthday",
    "job_start_date",
    "flag_own_car",
    "status",
)


def judged(lines: Table) -> Table:
    """Lines that were parsed without a reason, and stored loans as line 0: each with its `verdict`.

    `keep` (the first line of a loan), `stored` (line 0), `unchanged` (as stored), `dropped` (as an earlier line), or
    `loan_id_conflict`.
    """
    counted = lines.group_by("loan_id").agg(lines=lines.count())
    repeated = counted.filter(counted.lines > 1)
    once = lines.anti_join(repeated, "loan_id")
    once = once.mutate(verdict=(once.line == 0).ifelse("stored", "keep"))
    return once.union(_judged_together(lines.semi_join(repeated, "loan_id")))


def _judged_together(lines: Table) -> Table:
    first = ibis.window(group_by=lines.loan_id, order_by=lines.line)
    content = lines.client_id.cast("string")
    for name in LOAN_COLUMNS[2:]:
        content = content.concat("|", lines[name].cast("string").fill_null(""))
    marked = lines.mutate(content=content)
    marked = marked.mutate(
        first_content=marked.content.first().over(first),
        first_line=marked.line.first().over(first),
    )
    verdict = ibis.cases(
        (marked.line == 0, "stored"),
        (marked.line == marked.first_line, "keep"),
        (marked.content != marked.first_content, "loan_id_conflict"),
        (marked.first_line == 0, "unchanged"),
        else_="dropped",
    )
    return marked.mutate(verdict=verdict).drop("content", "first_content", "first_line")


def _completed_years(since: Column, until: Column) -> Column:
    """Null if `since` is null or after `until`. A 29 February completes its years on 1 March of other years."""
    before_the_day = (until.month() * 100 + until.day()) < (since.month() * 100 + since.day())
    years = until.year() - since.year() - before_the_day.ifelse(1, 0)
    return (since <= until).ifelse(years.cast("int32"), ibis.null("int32"))


def ages(table: Table, reference: Column) -> dict[str, Column]:
    """The two features that depend on a reference date."""
    return {
        "age": _completed_years(table.birthday, reference),
        "years_on_the_job": _completed_years(table.job_start_date, reference),
    }


def features(loans: Table) -> Table:
    """Every loan with the five features as of its own date, and `latest`: whether it is its client's last.

    Sums are of integers, so that they depend neither on the order in which an engine adds nor on how it makes decimals.
    """
    day = loans.loan_date.epoch_seconds() // 86_400
    whole = loans.loan_amount.floor()
    fraction = ((loans.loan_amount - whole.cast("float64")) * _FRACTION).round()
    exact = {"whole": whole.cast("decimal(38, 0)"), "fraction": fraction.cast("decimal(38, 0)")}
    dated = loans.mutate(day=day.cast("int64"), **exact)
    by_date = ibis.window(group_by=dated.client_id, order_by=dated.day)
    earlier = ibis.range_window(group_by=dated.client_id, order_by=dated.day, preceding=(None, 1))
    newest = ibis.window(group_by=dated.client_id, order_by=[dated.loan_date.desc(), dated.loan_id.desc()])
    counted = dated.mutate(
        nb_previous_loans=ibis.rank().over(by_date).cast("int32"),
        whole_total=dated.whole.sum().over(earlier),
        fraction_total=dated.fraction.sum().over(earlier),
        latest=ibis.row_number().over(newest) == 0,
    )
    total = counted.whole_total.cast("float64") + counted.fraction_total.cast("float64") / _FRACTION
    average = total / counted.nb_previous_loans.nullif(0)
    return counted.mutate(avg_amount_loans_previous=average, **ages(counted, counted.loan_date)).drop(
        "day", "whole", "fraction", "whole_total", "fraction_total"
    )
