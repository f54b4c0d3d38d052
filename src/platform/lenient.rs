//! Reading what the platform answers without trusting its types.
//!
//! The documents show the same field as number and as numeric text (`"size": "904237686"`), and a
//! message may hold anything: these few functions are the only place that copes with either.

use serde_json::Value;

use crate::address;

/// Text, or a number in decimal; `None` for null, empty and everything else.
pub fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number that is not negative, also from numeric text.
pub fn unsigned(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A whole number, also from numeric text.
pub fn signed(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A finite number, also from numeric text.
pub fn decimal(value: Option<&Value>) -> Option<f64> {
    let number = match value? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// A server's words, fit for one line of a log or a table: no control characters, bounded.
pub fn bound_line(text: &str) -> String {
    // It may repeat an address that is a credential.
    let text = address::hosts_only(text);
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > LONGEST_LINE {
            line.truncate(line.floor_char_boundary(LONGEST_LINE));
            line.push('…');
            break;
        }
    }
    line
}

/// Bytes of a server's message that are kept.
const LONGEST_LINE: usize = 300;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_as_text_too() {
        let value = json!({"a": "904237686", "b": 7, "c": "817.56", "d": [], "e": "NaN", "f": -1});
        assert_eq!(unsigned(value.get("a")), Some(904_237_686));
        assert_eq!(unsigned(value.get("b")), Some(7));
        assert_eq!(unsigned(value.get("d")), None);
        assert_eq!(unsigned(value.get("f")), None);
        assert_eq!(signed(value.get("f")), Some(-1));
        assert_eq!(decimal(value.get("c")), Some(817.56));
        assert_eq!(decimal(value.get("e")), None);
        assert_eq!(text(value.get("b")).as_deref(), Some("7"));
        assert_eq!(text(value.get("missing")), None);
    }

    #[test]
    fn a_line_is_one_bounded_line() {
        assert_eq!(bound_line("  two\n lines\u{1b}[31m "), "two lines [31m");
        let link = "no upload at <https://s3.example/k?X-Amz-Signature=0aF> any more";
        assert_eq!(
            bound_line(link),
            "no upload at <https://s3.example/…> any more"
        );
        let long = bound_line(&"é".repeat(10_000));
        assert!(
            long.len() <= LONGEST_LINE + '…'.len_utf8(),
            "{}",
            long.len()
        );
        assert!(long.ends_with('…'));
    }
}
