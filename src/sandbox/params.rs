//! The parameters of a call, decoded from a query string or a form body.
//!
//! Decoding is strict: a broken percent sequence or bytes that are not UTF-8 are refused, because a
//! signature over a guess would verify something that was never sent.

use percent_encoding::percent_decode;

use super::refusal::{Code, Refusal};

/// Decoded parameters in the order they came; a name may come more than once.
#[derive(Debug, Default)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Adds what `raw` (`application/x-www-form-urlencoded`) holds.
    pub(super) fn decode(&mut self, raw: &[u8]) -> Result<(), Refusal> {
        for piece in raw
            .split(|byte| *byte == b'&')
            .filter(|piece| !piece.is_empty())
        {
            let (name, value) = match piece.iter().position(|byte| *byte == b'=') {
                Some(at) => {
                    let (name, rest) = piece.split_at(at);
                    (name, rest.strip_prefix(b"=").unwrap_or(rest))
                }
                None => (piece, &[][..]),
            };
            self.pairs.push((text(name)?, text(value)?));
        }
        Ok(())
    }

    /// All pairs, for the signature.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The first value of that name, if there is one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that the call cannot do without.
    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| {
            Refusal::new(
                Code::ParameterMissing,
                format!("{name}: This parameter is required"),
            )
        })
    }

    /// A whole number, if the parameter is there.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.get(name)
            .map(|text| {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let number = digits.then(|| text.parse().ok()).flatten();
                number.ok_or_else(|| Refusal::invalid(name, "Not a whole number"))
            })
            .transpose()
    }

    /// Pairs whose name begins with `prefix`, with the prefix taken off.
    pub(super) fn starting<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.pairs
            .iter()
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// Refuses empty values: the platform's own batch script warns that they break the call.
    pub(super) fn refuse_empty(&self) -> Result<(), Refusal> {
        match self.pairs.iter().find(|(_, value)| value.is_empty()) {
            Some((name, _)) => Err(Refusal::new(
                Code::ParameterEmpty,
                format!("{name}: This parameter must not be empty"),
            )),
            None => Ok(()),
        }
    }
}

fn text(raw: &[u8]) -> Result<String, Refusal> {
    let bad = || Refusal::new(Code::ParameterEncodingError, "Not percent-encoded UTF-8");
    let escapes = raw.split(|byte| *byte == b'%').skip(1);
    for escape in escapes {
        match escape {
            [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            _ => return Err(bad()),
        }
    }
    let spaced: Vec<u8> = raw
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    let decoded: Vec<u8> = percent_decode(&spaced).collect();
    String::from_utf8(decoded).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_wire_forms_of_a_blank_decode_alike() {
        let mut params = Params::default();
        params
            .decode(b"title=a+b&custom.x=a%20b&empty=&bare&plus=%2B")
            .unwrap();
        assert_eq!(params.get("title"), Some("a b"));
        assert_eq!(
            params.starting("custom.").collect::<Vec<_>>(),
            [("x", "a b")]
        );
        assert_eq!(params.get("empty"), Some(""));
        assert_eq!(params.get("bare"), Some(""));
        assert_eq!(params.get("plus"), Some("+"));
        assert_eq!(
            params.refuse_empty().unwrap_err().code,
            Code::ParameterEmpty
        );
    }

    #[test]
    fn what_is_not_percent_encoded_utf8_is_refused() {
        for raw in [&b"a=%zz"[..], b"a=%4", b"a=%", b"%FFa=1", b"a=\xff"] {
            let refusal = Params::default().decode(raw).unwrap_err();
            assert_eq!(refusal.code, Code::ParameterEncodingError, "{raw:?}");
        }
    }

    #[test]
    fn a_number_has_digits_only() {
        let mut params = Params::default();
        params
            .decode(b"good=12&bad=-1&signed=%2B1&large=99999999999999999999")
            .unwrap();
        assert_eq!(params.number("good").unwrap(), Some(12));
        assert_eq!(params.number("absent").unwrap(), None);
        for name in ["bad", "signed", "large"] {
            assert_eq!(
                params.number(name).unwrap_err().code,
                Code::ParameterInvalid
            );
        }
    }
}
