//! Texts in quotes, as EDN and JSON have them: they differ in a few letters.

use std::io::Read;

use crate::text::{Cursor, ReadError};

/// How texts in quotes are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted {
    /// The name of the notation.
    pub(crate) notation: &'static str,
    /// What may be escaped as itself, beside a quote and a backslash.
    pub(crate) escaped: u8,
    /// Control characters stand for themselves.
    pub(crate) control: bool,
}

impl Quoted {
    /// Reads a text into the scratch; its opening quote is passed.
    pub(crate) fn read<R: Read>(
        self,
        from: &mut Cursor<R>,
        opened: (u64, u64),
    ) -> Result<(), ReadError> {
        from.scratch.clear();
        loop {
            if from.scratch.len() > from.limits.text {
                return Err(from.error_at(opened, "this text is too long"));
            }
            match from.next() {
                None => {
                    let message = "this text is not closed: the file was cut off";
                    return Err(from.error_at(opened, message));
                }
                Some(b'"') => return Ok(()),
                Some(b'\\') => {
                    let octet = match from.next() {
                        Some(b'n') => b'\n',
                        Some(b't') => b'\t',
                        Some(b'r') => b'\r',
                        Some(b'b') => 0x08,
                        Some(b'f') => 0x0c,
                        Some(octet @ (b'"' | b'\\')) => octet,
                        Some(octet) if octet == self.escaped => octet,
                        Some(b'u') => {
                            unicode(from)?;
                            continue;
                        }
                        _ => {
                            let notation = self.notation;
                            return Err(from.error(format!("this escape is none of {notation}")));
                        }
                    };
                    from.scratch.push(octet);
                }
                Some(0x00..=0x1f) if !self.control => {
                    return Err(from.error("a control character in a text has to be escaped"));
                }
                Some(octet) => from.scratch.push(octet),
            }
        }
    }
}

/// Four digits of `\u`; a pair of surrogates is two of them.
fn unicode<R: Read>(from: &mut Cursor<R>) -> Result<(), ReadError> {
    let mut unit = four(from)?;
    if (0xd800..0xdc00).contains(&unit) && from.peek() == Some(b'\\') && from.second() == Some(b'u')
    {
        from.pass();
        from.pass();
        let low = four(from)?;
        if (0xdc00..0xe000).contains(&low) {
            unit = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    let letter = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
    let mut octets = [0; 4];
    from.scratch.extend_from_slice(letter.encode_utf8(&mut octets).as_bytes());
    Ok(())
}

fn four<R: Read>(from: &mut Cursor<R>) -> Result<u32, ReadError> {
    let mut unit = 0;
    for _ in 0..4 {
        let digit = from.peek().and_then(|octet| char::from(octet).to_digit(16));
        let Some(digit) = digit else {
            return Err(from.error("`\\u` needs four hexadecimal digits"));
        };
        unit = unit * 16 + digit;
        from.pass();
    }
    Ok(unit)
}
