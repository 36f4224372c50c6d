//! An HTTP answer, read as it comes: octets go in, and it says when it is whole. No peer can make it hold more than its bounds.

use std::fmt;

/// Largest head, in octets.
pub const HEAD: usize = 65_536;

/// Most lines of a head.
pub const LINES: usize = 128;

/// Most heads that only say that the answer comes (1xx).
const NOTICES: u32 = 16;

/// Longest line that gives the length of a part, with its extensions.
const CHUNK_LINE: usize = 256;

/// Largest end of a body in parts: headers that come after it.
const TRAILERS: usize = 16_384;

/// What of a body is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The answer has none, whatever its head says (`HEAD`).
    None,
    /// All of it; a larger one is refused.
    Keep(usize),
    /// Nothing of it, however large.
    Count,
}

/// Why octets are no HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// They do not begin as one.
    Head(&'static str),
    /// The head is larger than [`HEAD`], or has more lines than [`LINES`].
    LongHead,
    /// The lengths that the head tells contradict each other, or are none.
    Length,
    /// A part of the body has no length that can be read.
    Part,
    /// It ended before it was whole.
    Ended,
    /// The body is larger than this.
    TooLarge(usize),
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(why) => write!(out, "what the peer says is not HTTP: {why}"),
            Self::LongHead => {
                write!(out, "the head of the answer has more than {HEAD} octets or {LINES} lines")
            }
            Self::Length => out.write_str("the head of the answer tells lengths that cannot be"),
            Self::Part => out.write_str("the body comes in parts without lengths"),
            Self::Ended => out.write_str("the answer ended before it was whole"),
            Self::TooLarge(most) => write!(out, "the body has more than {most} octets"),
        }
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The version is 1 and this.
    pub minor: u8,
    /// Headers with names in small letters, in their order.
    pub headers: Vec<(String, String)>,
    /// What of the body is kept.
    pub body: Vec<u8>,
    /// Octets of the body.
    pub length: u64,
    /// The length that the head tells.
    pub content_length: Option<u64>,
}

impl Answer {
    /// The first header of a name, which is in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        self.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone())
    }
}

/// What a head says, without what it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// The version is 1 and this.
    pub minor: u8,
    /// How the body ends.
    pub framing: Framing,
    /// The connection can carry another request after it.
    pub stays: bool,
    /// The length that it tells.
    pub content_length: Option<u64>,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many octets.
    Length(u64),
    /// In parts, each with its length.
    Parts,
    /// With the connection.
    Close,
}

/// Reads a head; nothing where it is not whole yet, else it and its length.
///
/// # Errors
///
/// The octets are no head, or it is too large.
pub fn head(
    octets: &[u8],
    mut each: impl FnMut(&str, &[u8]),
) -> Result<Option<(Head, usize)>, Wrong> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut answer = httparse::Response::new(&mut lines);
    let length = match answer.parse(octets) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD => length,
        Ok(httparse::Status::Partial) if octets.len() < HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Wrong::LongHead),
        Err(httparse::Error::Version) => {
            return Err(Wrong::Head("another version than 1.0 and 1.1"));
        }
        Err(httparse::Error::Status) => return Err(Wrong::Head("no status")),
        Err(_) => return Err(Wrong::Head("a line that is none of a head")),
    };
    let (status, minor) = (answer.code.unwrap_or_default(), answer.version.unwrap_or_default());
    let (mut told, mut parts, mut stays) = (None, false, minor == 1);
    for header in answer.headers.iter() {
        each(header.name, header.value);
        if header.name.eq_ignore_ascii_case("content-length") {
            let own = number(header.value).ok_or(Wrong::Length)?;
            // Two lengths are one answer hidden in another (RFC 9112, section 6.3).
            if told.replace(own).is_some_and(|before| before != own) {
                return Err(Wrong::Length);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            parts = header.value.to_ascii_lowercase().ends_with(b"chunked");
            stays &= parts;
        } else if header.name.eq_ignore_ascii_case("connection") {
            let value = header.value.to_ascii_lowercase();
            stays = match value.as_slice() {
                b"close" => false,
                b"keep-alive" => true,
                _ => stays,
            };
        }
    }
    let none = matches!(status, 100..=199 | 204 | 304);
    let framing = match (none, parts, told) {
        (true, ..) => Framing::Length(0),
        (_, true, _) => Framing::Parts,
        (_, false, Some(length)) => Framing::Length(length),
        (_, false, None) => Framing::Close,
    };
    let stays = stays && framing != Framing::Close;
    Ok(Some((Head { status, minor, framing, stays, content_length: told }, length)))
}

fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    // At most 19 digits: no number of an answer overflows.
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

/// Where in an answer the next octet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    Close,
    /// The line with a part's length.
    PartLine,
    Part(u64),
    /// The end of line after a part.
    PartEnd,
    /// Headers after the last part; whether the line has anything in it.
    Trailer {
        empty: bool,
        seen: usize,
    },
    Done,
}

/// Reads one answer.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    body: Body,
    /// What of the head, or of a part's line, has come.
    line: Vec<u8>,
    answer: Answer,
    notices: u32,
    stays: bool,
}

impl Decoder {
    /// A reader of one answer.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self {
            state: State::Head,
            body,
            line: Vec::new(),
            answer: Answer::default(),
            notices: 0,
            stays: false,
        }
    }

    /// Whether the answer is whole.
    #[must_use]
    pub fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the connection can carry another request, once the answer is whole.
    #[must_use]
    pub const fn stays(&self) -> bool {
        self.stays
    }

    /// The status; 0 before the head was whole.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.answer.status
    }

    /// The answer, when it is whole.
    #[must_use]
    pub fn answer(self) -> Answer {
        self.answer
    }

    /// Reads what came; how much of it belongs to this answer.
    ///
    /// # Errors
    ///
    /// It is no answer, or breaks a bound.
    pub fn feed(&mut self, octets: &[u8]) -> Result<usize, Wrong> {
        let mut used = 0;
        while used < octets.len() && !self.done() {
            let rest = &octets[used..];
            used += match self.state {
                State::Head => self.head(rest)?,
                State::Length(left) => {
                    let took = self.keep(rest, left)?;
                    self.state = self.after(left - took);
                    usize::try_from(took).unwrap_or(rest.len())
                }
                State::Close => {
                    self.keep(rest, u64::MAX)?;
                    rest.len()
                }
                State::PartLine => self.part_line(rest)?,
                State::Part(left) => {
                    let took = self.keep(rest, left)?;
                    self.state =
                        if left == took { State::PartEnd } else { State::Part(left - took) };
                    usize::try_from(took).unwrap_or(rest.len())
                }
                State::PartEnd => {
                    match rest[0] {
                        b'\n' => self.state = State::PartLine,
                        b'\r' => {}
                        _ => return Err(Wrong::Part),
                    }
                    1
                }
                State::Trailer { empty, seen } => {
                    self.state = match rest[0] {
                        _ if seen >= TRAILERS => return Err(Wrong::LongHead),
                        b'\n' if empty => State::Done,
                        b'\n' => State::Trailer { empty: true, seen: seen + 1 },
                        b'\r' => State::Trailer { empty, seen: seen + 1 },
                        _ => State::Trailer { empty: false, seen: seen + 1 },
                    };
                    1
                }
                State::Done => 0,
            };
        }
        Ok(used)
    }

    /// Nothing more comes.
    ///
    /// # Errors
    ///
    /// The answer is not whole.
    pub fn end(&mut self) -> Result<(), Wrong> {
        match self.state {
            State::Close | State::Done => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(Wrong::Ended),
        }
    }

    fn after(&self, left: u64) -> State {
        if left == 0 { State::Done } else { State::Length(left) }
    }

    fn head(&mut self, rest: &[u8]) -> Result<usize, Wrong> {
        let before = self.line.len();
        let room = HEAD.saturating_sub(before).max(1);
        let part = &rest[..rest.len().min(room)];
        self.line.extend_from_slice(part);
        // A head that trickles in is not read anew for each octet.
        let begun = self.line.starts_with(b"HTTP/1.");
        if begun && !part.contains(&b'\n') && self.line.len() < HEAD {
            return Ok(part.len());
        }
        let mut headers = Vec::new();
        let kept = self.body != Body::Count;
        let found = head(&self.line, |name, value| {
            if kept {
                headers
                    .push((name.to_ascii_lowercase(), String::from_utf8_lossy(value).into_owned()));
            }
        })?;
        let Some((head, length)) = found else { return Ok(rest.len().min(room)) };
        self.line = Vec::new();
        if (100..200).contains(&head.status) {
            self.notices += 1;
            if self.notices > NOTICES || head.status == 101 {
                return Err(Wrong::Head("notices instead of an answer"));
            }
            return Ok(length - before);
        }
        self.stays = head.stays;
        self.answer.status = head.status;
        self.answer.minor = head.minor;
        self.answer.headers = headers;
        self.answer.content_length = head.content_length;
        self.state = match (self.body, head.framing) {
            (Body::None, _) => State::Done,
            (Body::Keep(most), Framing::Length(length)) if length > most as u64 => {
                return Err(Wrong::TooLarge(most));
            }
            (_, Framing::Length(length)) => self.after(length),
            (_, Framing::Parts) => State::PartLine,
            (_, Framing::Close) => State::Close,
        };
        Ok(length - before)
    }

    fn part_line(&mut self, rest: &[u8]) -> Result<usize, Wrong> {
        let end = rest.iter().position(|octet| *octet == b'\n');
        let took = end.map_or(rest.len(), |end| end + 1);
        if self.line.len() + took > CHUNK_LINE {
            return Err(Wrong::Part);
        }
        self.line.extend_from_slice(&rest[..took]);
        if end.is_none() {
            return Ok(took);
        }
        let line = std::mem::take(&mut self.line);
        let digits: &[u8] =
            line.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
        if digits.is_empty() || digits.len() > 15 {
            return Err(Wrong::Part);
        }
        let mut length = 0_u64;
        for digit in digits {
            let value = char::from(*digit).to_digit(16).ok_or(Wrong::Part)?;
            length = length * 16 + u64::from(value);
        }
        self.state =
            if length == 0 { State::Trailer { empty: true, seen: 0 } } else { State::Part(length) };
        Ok(took)
    }

    /// Takes what belongs to the body, at most `left`; how much that is.
    fn keep(&mut self, rest: &[u8], left: u64) -> Result<u64, Wrong> {
        let took = (rest.len() as u64).min(left);
        let part = &rest[..usize::try_from(took).unwrap_or(rest.len())];
        self.answer.length = self.answer.length.saturating_add(took);
        if let Body::Keep(most) = self.body {
            if self.answer.body.len() + part.len() > most {
                return Err(Wrong::TooLarge(most));
            }
            self.answer.body.extend_from_slice(part);
        }
        Ok(took)
    }
}

#[cfg(test)]
mod tests;
