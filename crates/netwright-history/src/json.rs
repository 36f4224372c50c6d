//! JSON, as programs other than Jepsen write histories, one value after the other. Strict, with bounds.

use std::io::Read;

use crate::quoted::Quoted;
use crate::text::{Cursor, ReadError};
use crate::value::{Float, Value};

const QUOTED: Quoted = Quoted { notation: "JSON", escaped: b'/', control: false };

/// Passes white space.
pub(crate) fn pass_blank<R: Read>(from: &mut Cursor<R>) {
    while matches!(from.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        from.pass();
    }
}

/// The next value; None at the end of the input.
pub(crate) fn value<R: Read>(
    from: &mut Cursor<R>,
    depth: usize,
) -> Result<Option<Value>, ReadError> {
    if depth > from.limits.depth {
        return Err(from.error(format!("nested deeper than {}", from.limits.depth)));
    }
    pass_blank(from);
    let Some(octet) = from.peek() else { return Ok(None) };
    from.count()?;
    let place = from.place();
    Ok(Some(match octet {
        b'[' => {
            from.pass();
            Value::list(array(from, depth, place)?)
        }
        b'{' => {
            from.pass();
            object(from, depth, place)?
        }
        b'"' => {
            from.pass();
            QUOTED.read(from, place)?;
            Value::Text(from.text()?)
        }
        b'-' | b'0'..=b'9' => number(from, place)?,
        b'a'..=b'z' | b'A'..=b'Z' => {
            from.scratch.clear();
            while let Some(octet) = from.peek().filter(u8::is_ascii_alphabetic) {
                from.scratch.push(octet);
                from.pass();
                if from.scratch.len() > 16 {
                    break;
                }
            }
            match &from.scratch[..] {
                b"null" => Value::Nil,
                b"true" => Value::Bool(true),
                b"false" => Value::Bool(false),
                other => {
                    let word = String::from_utf8_lossy(other).into_owned();
                    return Err(from.error_at(place, format!("`{word}` is nothing of JSON")));
                }
            }
        }
        other => {
            let shown = char::from(other);
            return Err(from.error_at(place, format!("`{shown}` begins nothing of JSON")));
        }
    }))
}

fn required<R: Read>(from: &mut Cursor<R>, depth: usize) -> Result<Value, ReadError> {
    match value(from, depth)? {
        Some(value) => Ok(value),
        None => Err(from.error("the file ends within a value: it was cut off")),
    }
}

/// What follows a member: whether there is another. The closing bracket is passed.
pub(crate) fn another<R: Read>(
    from: &mut Cursor<R>,
    close: u8,
    opened: (u64, u64),
) -> Result<bool, ReadError> {
    pass_blank(from);
    match from.peek() {
        Some(b',') => {
            from.pass();
            Ok(true)
        }
        Some(octet) if octet == close => {
            from.pass();
            Ok(false)
        }
        Some(octet) => {
            let (found, wanted) = (char::from(octet), char::from(close));
            Err(from.error(format!("`{found}` where `,` or `{wanted}` is due")))
        }
        None => Err(from.error(format!(
            "the file ends before the `{}` of what was opened at line {}, column {}: it was cut off",
            char::from(close),
            opened.0,
            opened.1
        ))),
    }
}

fn array<R: Read>(
    from: &mut Cursor<R>,
    depth: usize,
    opened: (u64, u64),
) -> Result<Vec<Value>, ReadError> {
    let mut items = Vec::new();
    pass_blank(from);
    if from.peek() == Some(b']') {
        from.pass();
        return Ok(items);
    }
    loop {
        items.push(required(from, depth + 1)?);
        if !another(from, b']', opened)? {
            return Ok(items);
        }
    }
}

fn object<R: Read>(
    from: &mut Cursor<R>,
    depth: usize,
    opened: (u64, u64),
) -> Result<Value, ReadError> {
    let mut entries = Vec::new();
    pass_blank(from);
    if from.peek() == Some(b'}') {
        from.pass();
        return Ok(Value::map(entries));
    }
    loop {
        pass_blank(from);
        if from.peek() != Some(b'"') {
            let message = match from.peek() {
                Some(_) => "a key in quotes is due",
                None => "the file ends within an object: it was cut off",
            };
            return Err(from.error(message));
        }
        let key = required(from, depth + 1)?;
        pass_blank(from);
        if from.peek() != Some(b':') {
            return Err(from.error("`:` is due after a key"));
        }
        from.pass();
        entries.push((key, required(from, depth + 1)?));
        if !another(from, b'}', opened)? {
            return Ok(Value::map(entries));
        }
    }
}

fn number<R: Read>(from: &mut Cursor<R>, place: (u64, u64)) -> Result<Value, ReadError> {
    from.scratch.clear();
    while let Some(octet @ (b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) = from.peek() {
        from.scratch.push(octet);
        from.pass();
        if from.scratch.len() > 4096 {
            return Err(from.error_at(place, "this number is too long"));
        }
    }
    let text = from.text()?;
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let zero_led = digits.len() > 1
        && digits.starts_with('0')
        && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let starts = digits.starts_with(|c: char| c.is_ascii_digit());
    if !starts || zero_led || digits.ends_with('.') {
        return Err(from.error_at(place, format!("`{text}` is no number of JSON")));
    }
    if let Ok(number) = text.parse::<i64>() {
        return Ok(Value::Int(number));
    }
    if digits.bytes().all(|octet| octet.is_ascii_digit()) {
        // Larger than 64 bits: only ever compared.
        return Ok(Value::Text(text));
    }
    match text.parse::<f64>() {
        Ok(number) => Ok(Value::Float(Float::new(number))),
        Err(_) => Err(from.error_at(place, format!("`{text}` is no number of JSON"))),
    }
}
