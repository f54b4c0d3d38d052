//! How fast all uploads together may go, and when: `[upload] bandwidth-limit` and
//! `[[upload.timetable]]`.
//!
//! Times are those of a clock on the wall where the daemon runs. What that clock skips or shows
//! twice when summer time begins or ends, the timetable skips or does twice.

use jiff::ToSpan;
use jiff::civil::{DateTime, Time, Weekday};
use toml::de::DeValue;

use super::rate::{self, Rate};
use super::section::Section;
use super::value;

/// The limit for all uploads together, by the time of the week.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rates {
    /// What holds where the timetable says nothing.
    limit: Option<Rate>,
    /// The first that matches holds.
    timetable: Vec<Slot>,
}

/// One `[[upload.timetable]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    /// On which days it begins.
    days: Vec<Weekday>,
    /// Minutes after midnight.
    from: u16,
    /// Minutes after midnight, not in it any more; up to `from`, those of the next day.
    to: u16,
    limit: Option<Rate>,
}

/// What holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InForce<'a> {
    /// The limit; none: uploads go as fast as they can.
    pub limit: Option<&'a Rate>,
    /// Whether the timetable says so, and not `bandwidth-limit`.
    pub by_timetable: bool,
}

impl Rates {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let limit = section.get("bandwidth-limit", rate::limit).flatten();
        let slots = section.listed_tables("timetable");
        let timetable = slots.into_iter().filter_map(Slot::read).collect();
        Self { limit, timetable }
    }

    /// What holds at this moment of the local clock.
    pub(crate) fn at(&self, now: DateTime) -> InForce<'_> {
        let slot = self.timetable.iter().find(|slot| slot.holds(now));
        InForce {
            limit: slot.map_or(&self.limit, |slot| &slot.limit).as_ref(),
            by_timetable: slot.is_some(),
        }
    }

    /// When the limit will be another one, if that is within a day.
    pub(crate) fn next_change(&self, now: DateTime) -> Option<Time> {
        let limit = self.at(now).limit;
        let minute = now.date().at(now.hour(), now.minute(), 0, 0);
        (1..=i64::from(DAY))
            .filter_map(|later| minute.checked_add(later.minutes()).ok())
            .find(|then| self.at(*then).limit != limit)
            .map(DateTime::time)
    }
}

impl Slot {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let from = section.required("from", "\"08:00\"", |value| parse_time(value, DAY - 1));
        let to = section.required("to", "\"18:00\"", |value| parse_time(value, DAY));
        let days = match section.take("days") {
            Some(_) => section.get("days", parse_days),
            None => Some(every_day()),
        };
        let limit = section.required("limit", "\"20 Mbit/s\", or \"none\"", rate::limit);
        if from.is_some() && from == to {
            let message =
                "the same as from; for a whole day write from = \"00:00\", to = \"24:00\"";
            section.fault("to", message);
        }
        section.finish();
        Some(Self {
            days: days?,
            from: from?,
            to: to?,
            limit: limit?,
        })
    }

    fn holds(&self, now: DateTime) -> bool {
        let minute = minute(now.time());
        let today = self.days.contains(&now.weekday());
        if self.from < self.to {
            return today && (self.from..self.to).contains(&minute);
        }
        let since_yesterday = self.days.contains(&now.weekday().previous());
        (today && minute >= self.from) || (since_yesterday && minute < self.to)
    }
}

fn minute(time: Time) -> u16 {
    let part = |part: i8| u16::try_from(part).unwrap_or_default();
    part(time.hour()) * 60 + part(time.minute())
}

/// A time of the day in minutes after midnight, up to `most`.
fn parse_time(value: &DeValue<'_>, most: u16) -> Result<u16, String> {
    let text = match value {
        DeValue::Datetime(time) => {
            return Err(format!("{time} needs quotes; {WRITE_TIME}"));
        }
        other => value::text(other)?,
    };
    let wrong = || format!("{text:?} is not a time of the day; {WRITE_TIME}");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str, lengths: &[usize]| -> Option<u16> {
        let plain = lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| plain)
    };
    let hour = number(hour, &[1, 2]).ok_or_else(wrong)?;
    let minute = number(minute, &[2]).ok_or_else(wrong)?;
    let time = hour * 60 + minute;
    if minute > 59 || time > DAY {
        return Err(wrong());
    }
    if time > most {
        return Err("the day is over then; write \"00:00\" and the days that follow".to_owned());
    }
    Ok(time)
}

/// Days of the week: `mon-fri`, `sat,sun`, `daily`.
fn parse_days(value: &DeValue<'_>) -> Result<Vec<Weekday>, String> {
    let text = value::text(value)?;
    if text.trim().eq_ignore_ascii_case("daily") {
        return Ok(every_day());
    }
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        // Over the end of the week too: "fri-mon" is four days.
        let span = usize::try_from(last.since(first)).unwrap_or_default();
        all.extend(first.cycle_forward().take(span + 1));
    }
    Ok(all)
}

fn parse_day(text: &str) -> Result<Weekday, String> {
    let text = text.trim();
    DAYS.into_iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name))
        .map(|(_, day)| day)
        .ok_or_else(|| {
            format!("{text:?} is not a day; write \"mon-fri\", \"sat,sun\", or \"daily\"")
        })
}

fn every_day() -> Vec<Weekday> {
    DAYS.into_iter().map(|(_, day)| day).collect()
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

const WRITE_TIME: &str = "write it like \"08:00\" or \"22:30\"";

/// Minutes of a day.
const DAY: u16 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::{Fixture, LEAST};
    use super::*;

    fn rates(upload: &str) -> Rates {
        let text = format!("[upload]\n{upload}\n{LEAST}");
        Fixture::new().parse(&text).unwrap().upload.rates
    }

    /// A moment of the week that begins with Monday, 4 May 2026.
    fn moment(day: i8, time: &str) -> DateTime {
        format!("2026-05-{:02}T{time}", 4 + day).parse().unwrap()
    }

    fn limit_at(rates: &Rates, (day, time): (i8, &str)) -> String {
        let limit = rates.at(moment(day, time)).limit;
        limit.map_or_else(|| "none".to_owned(), Rate::to_string)
    }

    #[test]
    fn nothing_is_limited_until_somebody_says_so() {
        let rates = rates("");
        assert_eq!(rates, Rates::default());
        let held = rates.at(moment(0, "12:00:00"));
        assert_eq!((held.limit, held.by_timetable), (None, false));
        assert_eq!(rates.next_change(moment(0, "12:00:00")), None);
    }

    #[test]
    fn the_first_slot_that_matches_holds_and_else_the_base() {
        let rates = rates(
            "bandwidth-limit = \"40 MB/s\"\n\
             [[upload.timetable]]\nfrom = \"12:00\"\nto = \"13:00\"\nlimit = \"none\"\n\
             [[upload.timetable]]\nfrom = \"8:00\"\nto = \"18:00\"\ndays = \"Mon-Fri\"\nlimit = \"20 Mbit/s\"\n\
             [[upload.timetable]]\nfrom = \"22:00\"\nto = \"06:00\"\ndays = \"sat, wed\"\nlimit = \"1 MB/s\"\n\
             [[upload.timetable]]\nfrom = \"00:00\"\nto = \"24:00\"\ndays = \"sun-sun\"\nlimit = \"2 MB/s\"",
        );
        let (base, office) = ("40 MB/s", "20 Mbit/s");
        for (at, limit) in [
            ((0, "00:00:00"), base),
            ((0, "07:59:59.999"), base),
            ((0, "08:00:00"), office),
            ((4, "17:59:59.999"), office),
            ((4, "18:00:00"), base),
            ((0, "12:00:00"), "none"),
            ((5, "12:59:59"), "none"),
            ((5, "13:00:00"), base),
            ((2, "05:00:00"), base),
            ((2, "21:59:59"), base),
            ((2, "22:00:00"), "1 MB/s"),
            ((2, "23:59:59"), "1 MB/s"),
            ((3, "00:00:00"), "1 MB/s"),
            ((3, "05:59:59"), "1 MB/s"),
            ((3, "06:00:00"), base),
            ((3, "22:00:00"), base),
            // Saturday's night continues into Sunday, whose own slot comes after it.
            ((6, "05:59:59"), "1 MB/s"),
            ((6, "06:00:00"), "2 MB/s"),
            ((6, "23:59:59"), "2 MB/s"),
            ((7, "00:00:00"), base),
        ] {
            assert_eq!(limit_at(&rates, at), limit, "{at:?}");
        }
    }

    #[test]
    fn the_next_change_is_that_of_the_limit() {
        let rates = rates(
            "[[upload.timetable]]\nfrom = \"22:00\"\nto = \"06:30\"\nlimit = \"1 MB/s\"\n\
             [[upload.timetable]]\nfrom = \"06:00\"\nto = \"08:00\"\ndays = \"mon\"\nlimit = \"1 MB/s\"",
        );
        for (at, change) in [
            ((0, "23:00:00"), "06:30:00"),
            // One slot takes over from the other with the same limit.
            ((0, "02:00:59.5"), "08:00:00"),
            ((0, "08:00:00"), "22:00:00"),
            ((1, "02:00:00"), "06:30:00"),
        ] {
            let change: Time = change.parse().unwrap();
            assert_eq!(
                rates.next_change(moment(at.0, at.1)),
                Some(change),
                "{at:?}"
            );
        }
    }

    #[test]
    fn days_go_over_the_end_of_the_week() {
        use Weekday::{Friday, Monday, Saturday, Sunday, Tuesday};
        let names = |text: &str| -> Vec<Weekday> {
            parse_days(DeValue::parse(text).unwrap().get_ref()).unwrap()
        };
        assert_eq!(names("\"fri-mon\""), [Friday, Saturday, Sunday, Monday]);
        assert_eq!(names("\"tue, sat-sun\""), [Tuesday, Saturday, Sunday]);
        assert_eq!(names("\"daily\""), every_day());
    }

    fn slot(from: &str, to: &str, more: &str) -> String {
        format!("[[upload.timetable]]\nfrom = {from}\nto = {to}\nlimit = \"1 MB/s\"\n{more}")
    }

    #[test]
    fn times_that_are_none_are_refused() {
        let fixture = Fixture::new();
        let none = "is not a time of the day; write it like \"08:00\"";
        for (from, to, line, says) in [
            (
                "\"08:00\"",
                "\"8:00\"",
                3,
                "to: the same as from; for a whole day write",
            ),
            (
                "\"24:00\"",
                "\"8:00\"",
                2,
                "from: the day is over then; write \"00:00\"",
            ),
            ("\"08:00\"", "\"24:01\"", 3, none),
            ("\"08:60\"", "\"9:00\"", 2, none),
            ("\"+8:00\"", "\"9:00\"", 2, none),
            ("\"8\"", "\"9:00\"", 2, none),
            (
                "08:00:00",
                "\"9:00\"",
                2,
                "08:00:00 needs quotes; write it like",
            ),
            (
                "8",
                "\"9:00\"",
                2,
                "expected a text in quotes, not a number",
            ),
        ] {
            fixture.refuses(("", &slot(from, to, ""), line, says));
        }
    }

    #[test]
    fn each_other_fault_is_refused_with_its_line_and_the_way_out() {
        let fixture = Fixture::new();
        let slot = |more: &str| slot("\"08:00\"", "\"9:00\"", more);
        for (text, line, says) in [
            (
                "[upload]\nbandwidth-limit = \"0 MB/s\"",
                2,
                "[upload]: bandwidth-limit: \"0 MB/s\" would never let an upload finish",
            ),
            (
                &slot("days = \"mo-fr\""),
                5,
                "\"mo\" is not a day; write \"mon-fri\", \"sat,sun\", or \"daily\"",
            ),
            (&slot("days = \"mon,\""), 5, "\"\" is not a day"),
            (
                &slot("day = \"mon\""),
                5,
                "[[upload.timetable]]: unknown key \"day\"; did you mean \"days\"? expected one of: days, from, limit, to",
            ),
            (
                "[[upload.timetable]]\nfrom = \"08:00\"\nto = \"9:00\"",
                1,
                "limit: missing; write limit = \"20 Mbit/s\", or \"none\"",
            ),
            (
                "[upload.timetable]\nfrom = \"08:00\"",
                1,
                "timetable: expected [[upload.timetable]], with two brackets, not a section",
            ),
        ] {
            fixture.refuses(("", text, line, says));
        }
    }

    #[test]
    fn the_faults_of_all_slots_are_told_at_once() {
        let text = format!(
            "[[upload.timetable]]\nfrom = \"a\"\nto = \"b\"\n[[upload.timetable]]\ndays = 3\n{LEAST}"
        );
        let problems = Fixture::new().parse(&text).unwrap_err();
        let lines: Vec<_> = problems.iter().filter_map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 4, 4, 5], "{problems}");
    }
}
