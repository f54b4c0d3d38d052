//! One rate, such as `"20 Mbit/s"` or `"40 MB/s"`.
//!
//! Lines are sold in bits and programs count in bytes; both are taken, and what could mean either
//! is refused. Units are those of [`super::value::size`], and the bits with a decimal prefix.

use std::fmt;
use std::num::NonZeroU64;

use toml::de::DeValue;

use super::value;

/// How many bytes a second; shown as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rate {
    bytes: NonZeroU64,
    written: String,
}

impl Rate {
    /// Bytes a second.
    pub(crate) fn bytes(&self) -> NonZeroU64 {
        self.bytes
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// A rate, or `"none"` for no limit.
pub(super) fn limit(value: &DeValue<'_>) -> Result<Option<Rate>, String> {
    let text = match value {
        DeValue::String(text) => text.trim(),
        DeValue::Integer(number) => return Err(format!("{number} has no unit; {WRITE}")),
        other => {
            let found = value::kind(other);
            return Err(format!("expected a rate, not {found}; {WRITE}"));
        }
    };
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let bytes = parse_bytes(text)?;
    if bytes < LEAST {
        return Err(format!(
            "{text:?} would never let an upload finish; write at least \"64 kbit/s\", \"none\" for \
             no limit, or stop the daemon to send nothing"
        ));
    }
    if bytes > MOST {
        return Err(format!(
            "{text:?} is more than any line carries; write \"none\" for no limit"
        ));
    }
    let bytes = NonZeroU64::new(bytes).ok_or_else(|| format!("{text:?} is too small"))?;
    let written = text.to_owned();
    Ok(Some(Rate { bytes, written }))
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a rate; {WRITE}");
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (millionths, unit) = (millionths(number).ok_or_else(wrong)?, unit.trim());
    if unit.is_empty() {
        return Err(format!("{text:?} has no unit; {WRITE}"));
    }
    let Some(unit) = unit.strip_suffix("/s").map(str::trim) else {
        return match bits_of_unit(unit) {
            Some(_) => Err(format!("{text:?} is an amount; write \"{text}/s\"")),
            None => Err(wrong()),
        };
    };
    let bits = bits_of_unit(unit).ok_or_else(|| match unit.strip_suffix('b') {
        Some(prefix) => {
            let prefix = if prefix == "m" { "M" } else { prefix };
            format!(
                "{text:?} may be bits or bytes; write \"{number} {prefix}bit/s\" or \
                 \"{number} {prefix}B/s\""
            )
        }
        None => wrong(),
    })?;
    let bytes = millionths.saturating_mul(bits) / (8 * MILLION);
    Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
}

/// A decimal number in millionths; exact, since no float is in it.
fn millionths(text: &str) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.len() > 12 || fraction.len() > 6 {
        return None;
    }
    let (whole, parts): (u128, u128) =
        (whole.parse().ok()?, format!("{fraction:0<6}").parse().ok()?);
    Some(whole * MILLION + parts)
}

/// How many bits one of a unit has. The case of the prefix does not matter, that of a `B` does.
fn bits_of_unit(unit: &str) -> Option<u128> {
    let (prefix, bits) = match unit.strip_suffix('B') {
        Some(prefix) => (prefix, 8),
        None => (
            unit.strip_suffix("bits")
                .or_else(|| unit.strip_suffix("bit"))?,
            1,
        ),
    };
    let binary = bits == 8;
    let factor = match prefix.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => MILLION,
        "g" => 1_000_000_000,
        "ki" if binary => 1 << 10,
        "mi" if binary => 1 << 20,
        "gi" if binary => 1 << 30,
        _ => return None,
    };
    Some(factor * bits)
}

const WRITE: &str = "write a rate like \"20 Mbit/s\" or \"40 MB/s\"";
const MILLION: u128 = 1_000_000;

/// 64 kbit/s, bytes a second: below it a film takes weeks, and servers hang up on what looks dead.
const LEAST: u64 = 8_000;
/// Bytes a second; far above any line, and far below where arithmetic would have to care.
const MOST: u64 = 1_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Rate>, String> {
        limit(DeValue::parse(text).unwrap().get_ref())
    }

    #[test]
    fn rates_are_read_in_bits_and_bytes() {
        for (text, bytes) in [
            ("\"20 Mbit/s\"", 2_500_000),
            ("\"20mbit/s\"", 2_500_000),
            ("\"40 MB/s\"", 40_000_000),
            ("\"1.5 MB/s\"", 1_500_000),
            ("\"0.5 Gbit/s\"", 62_500_000),
            ("\"2.345678 Gbits/s\"", 293_209_750),
            ("\"64 kbit/s\"", 8_000),
            ("\"64 KB/s\"", 64_000),
            ("\"1 MiB/s\"", 1 << 20),
            ("\"100000 B/s\"", 100_000),
        ] {
            let rate = read(text).unwrap().unwrap();
            assert_eq!(rate.bytes().get(), bytes, "{text}");
            assert_eq!(rate.to_string(), text.trim_matches('"'));
        }
        assert_eq!(read("\"none\""), Ok(None));
    }

    #[test]
    fn what_is_no_rate_is_refused_with_the_way_out() {
        for (text, says) in [
            ("20", "20 has no unit; write a rate like \"20 Mbit/s\""),
            ("\"20\"", "\"20\" has no unit"),
            ("\"20 Mbit\"", "is an amount; write \"20 Mbit/s\""),
            (
                "\"20 Mb/s\"",
                "may be bits or bytes; write \"20 Mbit/s\" or \"20 MB/s\"",
            ),
            ("\"20 mb/s\"", "write \"20 Mbit/s\" or \"20 MB/s\""),
            ("\"20 Mibit/s\"", "is not a rate"),
            (
                "\"20 Mbps\"",
                "is not a rate; write a rate like \"20 Mbit/s\"",
            ),
            ("\"fast\"", "is not a rate"),
            ("\"\"", "is not a rate"),
            ("\"-5 MB/s\"", "is not a rate"),
            ("\"1.2.3 MB/s\"", "is not a rate"),
            ("\".5 MB/s\"", "is not a rate"),
            (
                "\"0 MB/s\"",
                "write at least \"64 kbit/s\", \"none\" for no limit",
            ),
            ("\"63 kbit/s\"", "write at least \"64 kbit/s\""),
            ("\"999999999999 GB/s\"", "more than any line carries"),
            ("\"9999999999999999999999 MB/s\"", "is not a rate"),
            ("true", "expected a rate, not true or false"),
        ] {
            let refusal = read(text).unwrap_err();
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }
}
