//! Replies in Redis' protocol (RESP 2), read from what came so far.

/// Longest text of a reply, in octets.
const TEXT: usize = 262_144;

/// Most members of one array.
const MEMBERS: usize = 4_096;

/// Deepest array in arrays.
const DEEP: usize = 8;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A word, such as `PONG`.
    Word(String),
    /// What went wrong.
    Error(String),
    /// A number.
    Number(i64),
    /// Octets.
    Text(Vec<u8>),
    /// Nothing.
    Nothing,
    /// Several.
    Array(Vec<Self>),
}

impl Reply {
    /// As text, where it is some.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Word(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Text(octets) => Some(String::from_utf8_lossy(octets).into_owned()),
            Self::Error(_) | Self::Nothing | Self::Array(_) => None,
        }
    }

    /// The first of several, as text.
    #[must_use]
    pub fn first(&self) -> Option<String> {
        match self {
            Self::Array(all) => all.first()?.text(),
            _ => None,
        }
    }

    /// For people, in one short line.
    #[must_use]
    pub fn shown(&self) -> String {
        let text = match self {
            Self::Error(text) => text.clone(),
            Self::Nothing => "nothing".to_owned(),
            Self::Array(all) => format!("{} values", all.len()),
            other => format!("`{}`", other.text().unwrap_or_default()),
        };
        text.chars().filter(|letter| !letter.is_control()).take(200).collect()
    }
}

/// Reads a reply; nothing where it is not whole yet, else it and its length.
///
/// # Errors
///
/// The octets are no reply, or it breaks a bound.
pub fn read(octets: &[u8]) -> Result<Option<(Reply, usize)>, &'static str> {
    let mut at = 0;
    Ok(one(octets, &mut at, 0)?.map(|reply| (reply, at)))
}

fn one(octets: &[u8], at: &mut usize, depth: usize) -> Result<Option<Reply>, &'static str> {
    if depth > DEEP {
        return Err("arrays in arrays without end");
    }
    let Some(line) = line(octets, at)? else { return Ok(None) };
    let (kind, rest) = line.split_first().ok_or("an empty line")?;
    let text = || String::from_utf8_lossy(rest).into_owned();
    let number = || {
        std::str::from_utf8(rest)
            .ok()
            .and_then(|text| text.parse::<i64>().ok())
            .ok_or("a number that is none")
    };
    match kind {
        b'+' => Ok(Some(Reply::Word(text()))),
        b'-' => Ok(Some(Reply::Error(text()))),
        b':' => Ok(Some(Reply::Number(number()?))),
        b'$' => match number()? {
            -1 => Ok(Some(Reply::Nothing)),
            length => {
                let length = usize::try_from(length)
                    .ok()
                    .filter(|length| *length <= TEXT)
                    .ok_or("a text that is too long")?;
                let Some(rest) = octets.get(*at..*at + length + 2) else { return Ok(None) };
                if !rest.ends_with(b"\r\n") {
                    return Err("a text without its end");
                }
                *at += length + 2;
                Ok(Some(Reply::Text(rest[..length].to_vec())))
            }
        },
        b'*' => match number()? {
            -1 => Ok(Some(Reply::Nothing)),
            count => {
                let count = usize::try_from(count)
                    .ok()
                    .filter(|count| *count <= MEMBERS)
                    .ok_or("an array that is too long")?;
                let mut all = Vec::new();
                for _ in 0..count {
                    let Some(reply) = one(octets, at, depth + 1)? else { return Ok(None) };
                    all.push(reply);
                }
                Ok(Some(Reply::Array(all)))
            }
        },
        _ => Err("a line that is no reply"),
    }
}

/// The next line, without its end.
fn line<'a>(octets: &'a [u8], at: &mut usize) -> Result<Option<&'a [u8]>, &'static str> {
    let rest = octets.get(*at..).unwrap_or_default();
    match rest.windows(2).position(|two| two == b"\r\n") {
        Some(end) if end <= TEXT => {
            *at += end + 2;
            Ok(Some(&rest[..end]))
        }
        None if rest.len() <= TEXT => match rest.first() {
            // What begins as no reply is told at once.
            Some(first) if !b"+-:$*".contains(first) => Err("a line that is no reply"),
            _ => Ok(None),
        },
        _ => Err("a line without an end"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replies_are_read_when_they_are_whole() {
        let text = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n+OK\r\n";
        let (reply, length) = read(text).unwrap().unwrap();
        assert_eq!(reply.first().as_deref(), Some("master"));
        assert_eq!(read(&text[length..]).unwrap().unwrap().0, Reply::Word("OK".to_owned()));
        for cut in 0..length {
            assert_eq!(read(&text[..cut]).unwrap(), None, "{cut}");
        }
        let deep = "*1\r\n".repeat(100);
        for wrong in
            ["HTTP/1.1 400\r\n", "$99999999\r\n", "*99999\r\n", ":x\r\n", "$1\r\nabc", &deep]
        {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_reading_a_reply_panic(octets in prop::collection::vec(prop::sample::select(b"*$+-:\r\n0129a".to_vec()), 0..200)) {
            if let Ok(Some((_, length))) = read(&octets) {
                prop_assert!(length <= octets.len());
            }
        }
    }
}
