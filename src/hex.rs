//! Bytes as lower-case hexadecimal text, the form of every checksum here.

/// Two digits a byte.
pub(crate) fn lower(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
        .collect()
}

/// The bytes that a text of digits, two a byte, stands for.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_written_can_be_read() {
        assert_eq!(super::bytes("000fa0Ff"), Some(vec![0x00, 0x0f, 0xa0, 0xff]));
        for broken in ["0", "0g", "000", "ä"] {
            assert_eq!(super::bytes(broken), None, "{broken}");
        }
    }

    #[test]
    fn leading_zeros_stay() {
        assert_eq!(super::lower(&[0x00, 0x0f, 0xa0, 0xff]), "000fa0ff");
    }
}
