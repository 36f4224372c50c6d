//! Base64 of RFC 4648, with padding.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn write(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for three in octets.chunks(3) {
        let octet = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for place in 0..4 {
            let letter = (bits >> (18 - 6 * place)) & 63;
            // Two letters hold one octet, three two, four three.
            text.push(match place <= three.len() {
                true => char::from(LETTERS[letter as usize]),
                false => '=',
            });
        }
    }
    text
}

/// What a text holds; none where it is no base64, or not the only one of what it holds.
pub(super) fn read(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    for four in text.as_bytes().chunks(4) {
        let filled = four.iter().position(|letter| *letter == b'=').unwrap_or(four.len());
        let mut bits = 0_u32;
        for letter in &four[..filled] {
            let value = LETTERS.iter().position(|own| own == letter)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        if filled < 2 {
            return None;
        }
        bits <<= 6 * (4 - u32::try_from(filled).ok()?);
        octets.extend_from_slice(&bits.to_be_bytes()[1..filled]);
    }
    (write(&octets) == text).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn the_examples_of_rfc_4648_hold_both_ways() {
        let examples = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (length, text) in examples.iter().enumerate() {
            assert_eq!(write(&b"foobar"[..length]), *text);
            assert_eq!(read(text).as_deref(), Some(&b"foobar"[..length]));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(read(&write(&all)), Some(all));
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["Z", "Zg", "Zg=", "=", "====", "Zm9v=", "Zh==", "Z-==", "Zg==Zg==", "Zé=="] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
