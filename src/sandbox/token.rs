//! Random names and credentials.

use rand::RngExt;

/// Lower-case hexadecimal digits.
pub(super) fn hex(length: usize) -> String {
    pick(length, b"0123456789abcdef")
}

/// Upper-case letters and digits, as in access keys and request ids.
pub(super) fn upper(length: usize) -> String {
    pick(length, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
}

/// Letters and digits, as in video keys.
pub(super) fn alphanumeric(length: usize) -> String {
    pick(
        length,
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    )
}

fn pick(length: usize, letters: &[u8]) -> String {
    let mut random = rand::rng();
    let letter = |_| letters.get(random.random_range(0..letters.len())).copied();
    (0..length).filter_map(letter).map(char::from).collect()
}
