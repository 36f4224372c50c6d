//! EDN, as Jepsen and its relatives write histories. Strict, with bounds.

use std::io::Read;

use crate::quoted::Quoted;
use crate::text::{Cursor, ReadError};
use crate::value::{Float, Value};

const QUOTED: Quoted = Quoted { notation: "EDN", escaped: b'\'', control: true };

/// Passes white space, commas, comments and discarded forms.
pub(crate) fn pass_blank<R: Read>(from: &mut Cursor<R>, depth: usize) -> Result<(), ReadError> {
    while let Some(octet) = from.peek() {
        match octet {
            b' ' | b'\t' | b'\r' | b'\n' | b',' | 0x0c | 0x0b => from.pass(),
            b';' => while from.next().is_some_and(|octet| octet != b'\n') {},
            b'#' if from.second() == Some(b'_') => {
                from.pass();
                from.pass();
                let place = from.place();
                if value(from, depth + 1)?.is_none() {
                    return Err(from.error_at(place, "`#_` discards nothing"));
                }
            }
            // What is told about a form and no part of it, as Clojure prints it.
            b'^' => {
                from.pass();
                let place = from.place();
                if value(from, depth + 1)?.is_none() {
                    return Err(from.error_at(place, "`^` tells nothing"));
                }
            }
            _ => break,
        }
    }
    Ok(())
}

/// The next form; None at the end of the input or before a closing bracket.
pub(crate) fn value<R: Read>(
    from: &mut Cursor<R>,
    depth: usize,
) -> Result<Option<Value>, ReadError> {
    if depth > from.limits.depth {
        return Err(from.error(format!("nested deeper than {}", from.limits.depth)));
    }
    pass_blank(from, depth)?;
    let Some(octet) = from.peek() else { return Ok(None) };
    from.count()?;
    let place = from.place();
    Ok(Some(match octet {
        b')' | b']' | b'}' => return Ok(None),
        b'(' | b'[' => {
            from.pass();
            let close = if octet == b'(' { b')' } else { b']' };
            Value::list(items(from, depth, close, place)?)
        }
        b'{' => {
            from.pass();
            let flat = items(from, depth, b'}', place)?;
            if !flat.len().is_multiple_of(2) {
                return Err(from.error_at(place, "this map has a key without a value"));
            }
            let mut entries = Vec::with_capacity(flat.len() / 2);
            let mut flat = flat.into_iter();
            while let (Some(key), Some(value)) = (flat.next(), flat.next()) {
                entries.push((key, value));
            }
            Value::map(entries)
        }
        b'"' => {
            from.pass();
            QUOTED.read(from, place)?;
            Value::Text(from.text()?)
        }
        b':' => {
            from.pass();
            word(from)?;
            if from.scratch.is_empty() {
                return Err(from.error_at(place, "a keyword has no name"));
            }
            Value::Keyword(from.text()?)
        }
        b'\\' => {
            from.pass();
            character(from, place)?
        }
        b'#' => {
            from.pass();
            return hashed(from, depth, place).map(Some);
        }
        b'0'..=b'9' | b'+' | b'-' => {
            word(from)?;
            number(from, place)?
        }
        _ => {
            word(from)?;
            if from.scratch.is_empty() {
                let shown = char::from(octet);
                return Err(from.error_at(place, format!("`{shown}` begins nothing of EDN")));
            }
            match &from.scratch[..] {
                b"nil" => Value::Nil,
                b"true" => Value::Bool(true),
                b"false" => Value::Bool(false),
                _ => Value::Keyword(from.text()?),
            }
        }
    }))
}

fn items<R: Read>(
    from: &mut Cursor<R>,
    depth: usize,
    close: u8,
    opened: (u64, u64),
) -> Result<Vec<Value>, ReadError> {
    let mut items = Vec::new();
    while let Some(item) = value(from, depth + 1)? {
        items.push(item);
    }
    closed(from, close, opened)?;
    Ok(items)
}

/// Passes a closing bracket.
pub(crate) fn closed<R: Read>(
    from: &mut Cursor<R>,
    close: u8,
    opened: (u64, u64),
) -> Result<(), ReadError> {
    match from.peek() {
        Some(octet) if octet == close => from.pass(),
        Some(octet) => {
            let (found, wanted) = (char::from(octet), char::from(close));
            return Err(from.error(format!(
                "`{found}` where `{wanted}` should close what was opened at line {}, column {}",
                opened.0, opened.1
            )));
        }
        None => {
            let wanted = char::from(close);
            return Err(from.error(format!("the file ends before the `{wanted}` of what was opened at line {}, column {}: it was cut off", opened.0, opened.1)));
        }
    }
    Ok(())
}

/// Reads the letters of a symbol, keyword or number into the scratch.
fn word<R: Read>(from: &mut Cursor<R>) -> Result<(), ReadError> {
    from.scratch.clear();
    while let Some(octet) = from.peek() {
        match octet {
            b' '
            | b'\t'
            | b'\r'
            | b'\n'
            | b','
            | b';'
            | b'"'
            | b'('
            | b')'
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'\\'
            | b'^'
            | b'`'
            | b'~'
            | b'@'
            | 0x00..=0x08
            | 0x0b..=0x1f => break,
            _ => {
                if from.scratch.len() >= from.limits.text {
                    return Err(from.error("this word is too long"));
                }
                from.scratch.push(octet);
                from.pass();
            }
        }
    }
    Ok(())
}

fn number<R: Read>(from: &mut Cursor<R>, place: (u64, u64)) -> Result<Value, ReadError> {
    let text = from.text()?;
    if let Ok(number) = text.strip_suffix('N').unwrap_or(&text).parse::<i64>() {
        return Ok(Value::Int(number));
    }
    let digits = text.trim_start_matches(['+', '-']);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        // `-` and `+` alone, and `-name`, are symbols.
        return Ok(Value::Keyword(text));
    }
    let whole = text.strip_suffix('N').unwrap_or(&text);
    if digits.strip_suffix('N').unwrap_or(digits).bytes().all(|octet| octet.is_ascii_digit()) {
        // Larger than 64 bits: only ever compared.
        return Ok(Value::text(whole.trim_start_matches('+')));
    }
    // Where objects are is printed so.
    if digits
        .strip_prefix("0x")
        .is_some_and(|hex| hex.bytes().all(|octet| octet.is_ascii_hexdigit()))
    {
        return Ok(Value::Text(text));
    }
    if let Some((above, below)) = text.split_once('/')
        && above.parse::<i64>().is_ok()
        && below.parse::<u64>().is_ok()
    {
        return Ok(Value::Text(text));
    }
    match text.strip_suffix('M').unwrap_or(&text).parse::<f64>() {
        Ok(number) => Ok(Value::Float(Float::new(number))),
        Err(_) => Err(from.error_at(place, format!("`{text}` is no number"))),
    }
}

fn character<R: Read>(from: &mut Cursor<R>, place: (u64, u64)) -> Result<Value, ReadError> {
    let Some(first) = from.next() else {
        return Err(from.error_at(place, "a character is missing"));
    };
    word(from)?;
    let mut letters = vec![first];
    letters.extend_from_slice(&from.scratch);
    from.scratch = match &letters[..] {
        b"newline" => b"\n".to_vec(),
        b"space" => b" ".to_vec(),
        b"tab" => b"\t".to_vec(),
        b"return" => b"\r".to_vec(),
        _ => letters,
    };
    Ok(Value::Text(from.text()?))
}

/// What follows a `#`: a set, a special number, or a tag, which adds nothing to what it stands before.
fn hashed<R: Read>(
    from: &mut Cursor<R>,
    depth: usize,
    place: (u64, u64),
) -> Result<Value, ReadError> {
    match from.peek() {
        Some(b'{') => {
            from.pass();
            Ok(Value::set(items(from, depth, b'}', place)?))
        }
        Some(b'#') => {
            from.pass();
            word(from)?;
            let number = match &from.scratch[..] {
                b"Inf" => f64::INFINITY,
                b"-Inf" => f64::NEG_INFINITY,
                b"NaN" => f64::NAN,
                _ => return Err(from.error_at(place, "`##` is followed by Inf, -Inf or NaN")),
            };
            Ok(Value::Float(Float::new(number)))
        }
        // A map whose keys have one beginning, `#:jepsen{:a 1}`, which is no part of names here.
        Some(b':') => {
            from.pass();
            word(from)?;
            match value(from, depth + 1)? {
                Some(map @ Value::Map(_)) => Ok(map),
                _ => Err(from.error_at(place, "`#:` stands before a map")),
            }
        }
        // What objects without a reader are printed as, `#object[...]`, is a tag too.
        Some(octet) if octet.is_ascii_alphabetic() => {
            word(from)?;
            match value(from, depth + 1)? {
                Some(value) => Ok(value),
                None => Err(from.error_at(place, "this tag stands before nothing")),
            }
        }
        // Vectors that Jepsen's nemesis prints as `#[...]`.
        Some(b'[' | b'(') => match value(from, depth + 1)? {
            Some(value) => Ok(value),
            None => Err(from.error_at(place, "`#` stands before nothing")),
        },
        Some(b'"') => match value(from, depth + 1)? {
            Some(value) => Ok(value),
            None => Err(from.error_at(place, "`#` stands before nothing")),
        },
        _ => Err(from.error_at(place, "`#` begins a set, a tag, `#_` or `##`")),
    }
}
