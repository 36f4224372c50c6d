//! The journal's format: frames of a length, a checksum and a JSON text, one after the other.
//!
//! A frame that was torn by a power cut or a kill is the last one; it was never acknowledged, and it is cut off. What follows a frame that is wrong
//! otherwise cannot be told apart from noise: it is told, and kept aside by who reads.

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::commands::Command;

/// The largest text of a frame, in octets.
pub(crate) const LARGEST: usize = 1 << 20;

/// Octets before the text: length and checksum, little-endian.
const HEAD: usize = 8;

/// A write that waits for the database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its number in this journal.
    pub(crate) seq: u64,
    /// Its idempotency key.
    pub(crate) key: String,
    /// When it was asked for, and by which node it was taken.
    #[serde(flatten)]
    pub(crate) stamp: Stamp,
    /// What is to be done.
    pub(crate) command: Command,
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "frames are written and read one at a time")]
pub(crate) enum Frame {
    /// This waits.
    Queued {
        /// What waits.
        entry: Entry,
    },
    /// The database has it; it answered so.
    Applied {
        /// Which.
        seq: u64,
        /// The status of its answer.
        status: u16,
    },
}

/// A frame's octets; none where it would be too large.
pub(crate) fn encode(frame: &Frame) -> Option<Vec<u8>> {
    let text = serde_json::to_vec(frame).ok().filter(|text| text.len() <= LARGEST)?;
    let length = u32::try_from(text.len()).ok()?;
    let mut octets = Vec::with_capacity(HEAD + text.len());
    octets.extend_from_slice(&length.to_le_bytes());
    octets.extend_from_slice(&checksum(&text).to_le_bytes());
    octets.extend_from_slice(&text);
    Some(octets)
}

/// What a journal's file holds.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    /// Its frames, in their order.
    pub(crate) frames: Vec<Frame>,
    /// The octets that they take: what follows them is not a frame.
    pub(crate) good: usize,
}

/// Reads frames up to the first that is none.
pub(crate) fn decode(octets: &[u8]) -> Read {
    let mut read = Read::default();
    while let Some((frame, length)) = first(&octets[read.good..]) {
        read.frames.push(frame);
        read.good += length;
    }
    read
}

fn first(octets: &[u8]) -> Option<(Frame, usize)> {
    let (length, rest) = octets.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let text = rest.get(..length).filter(|_| length <= LARGEST)?;
    if checksum(text) != u32::from_le_bytes(*sum) {
        return None;
    }
    Some((serde_json::from_slice(text).ok()?, HEAD + length))
}

/// CRC-32 as Ethernet and zlib have it.
fn checksum(octets: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for octet in octets {
        sum ^= u32::from(*octet);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{Entry, Frame, checksum, decode, encode};
    use crate::clock::{Hlc, Stamp};
    use crate::commands::{Command, Kind};

    fn frame(seq: u64, applied: bool) -> Frame {
        if applied {
            return Frame::Applied { seq, status: 201 };
        }
        let command = Command::PutRecord {
            kind: Kind::Write,
            id: format!("é{seq}"),
            body: json!({"n": seq}),
        };
        let stamp = Stamp { hlc: Hlc(7), node: "gateway-1".to_owned() };
        Frame::Queued { entry: Entry { seq, key: format!("key-{seq}"), stamp, command } }
    }

    fn octets(frames: &[Frame]) -> Vec<u8> {
        frames.iter().flat_map(|frame| encode(frame).unwrap()).collect()
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
    }

    proptest! {
        #[test]
        fn what_was_written_whole_is_read_wherever_the_file_is_torn(
            frames in prop::collection::vec((0_u64..99, any::<bool>()), 0..6),
            torn in 0_usize..2000,
        ) {
            let frames: Vec<Frame> = frames.into_iter().map(|(seq, applied)| frame(seq, applied)).collect();
            let whole = octets(&frames);
            let torn = torn.min(whole.len());
            let fits = (0..=frames.len()).rev().find(|n| octets(&frames[..*n]).len() <= torn).unwrap();
            let read = decode(&whole[..torn]);
            prop_assert_eq!(&read.frames[..], &frames[..fits]);
            prop_assert_eq!(read.good, octets(&frames[..fits]).len());
        }

        #[test]
        fn a_flipped_bit_is_noticed_and_what_was_before_it_is_read(at in 0_usize..10_000, bit in 0_u8..8) {
            let frames = [frame(1, false), frame(2, false), frame(3, true)];
            let mut all = octets(&frames);
            let at = at % all.len();
            all[at] ^= 1 << bit;
            let read = decode(&all);
            let before = (0..3).filter(|n| octets(&frames[..=*n]).len() <= at).count();
            prop_assert_eq!(&read.frames[..], &frames[..before]);
        }

        #[test]
        fn noise_is_no_frame_and_does_no_harm(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&noise).good <= noise.len());
        }
    }
}
