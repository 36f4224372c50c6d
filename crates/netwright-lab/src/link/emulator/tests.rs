//! The emulator on a clock that is only a number.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of tests are small"
)]

use netwright_dataplane::plan::Condition;
use proptest::prelude::*;

use super::{Emulator, Tally};

const MS: u64 = 1_000_000;
const MTU: u32 = 1500;

/// A frame that tells its number, as large as is said.
fn frame(number: u32, octets: usize) -> Vec<u8> {
    let mut frame = vec![0; octets.max(18)];
    frame[14..18].copy_from_slice(&number.to_be_bytes());
    frame
}

fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(frame[14..18].try_into().unwrap())
}

/// Sends `count` frames, one every `gap` nanoseconds; what comes out, and when.
fn run(condition: Condition, seed: u64, count: u32, gap: u64) -> (Vec<(u64, Vec<u8>)>, Tally) {
    let mut emulator = Emulator::new(condition, MTU, seed);
    let mut out = Vec::new();
    let mut drain = |emulator: &mut Emulator, until: u64| {
        while let Some(at) = emulator.next().filter(|at| *at <= until) {
            out.extend(emulator.due(at).map(|frame| (at, frame)));
        }
    };
    for index in 0..count {
        let now = u64::from(index) * gap;
        drain(&mut emulator, now);
        emulator.arrive(now, &frame(index, 514));
    }
    drain(&mut emulator, u64::MAX);
    let tally = emulator.tally();
    assert_eq!(emulator.waiting(), 0);
    (out, tally)
}

/// The probability that of `n` draws with probability `p` more than `most` or fewer than `least` happen, summed exactly in logarithms.
fn outside(n: u32, p: f64, least: u32, most: u32) -> f64 {
    let mut log = f64::from(n) * (1.0 - p).ln();
    let mut sum = 0.0;
    for k in 0..=n {
        if k < least || k > most {
            sum += log.exp();
        }
        let k = f64::from(k);
        log += ((f64::from(n) - k) / (k + 1.0)).ln() + (p / (1.0 - p)).ln();
    }
    sum
}

#[test]
fn the_share_of_what_happens_is_within_what_chance_allows() {
    let n = 20_000;
    let condition = Condition {
        latency: 1_000,
        loss: 5_000,
        duplicate: 2_000,
        reorder: 10_000,
        corrupt: 1_000,
        ..Condition::default()
    };
    let (_, tally) = run(condition, 42, n, MS);
    let copies = n + u32::try_from(tally.duplicated).unwrap();
    let held = copies - u32::try_from(tally.lost).unwrap();
    for (count, of, p) in [
        (tally.duplicated, n, 0.02),
        (tally.lost, copies, 0.05),
        (tally.reordered, held, 0.1),
        (tally.corrupted, held, 0.01),
    ] {
        let mean = f64::from(of) * p;
        let away = (count as f64 - mean).abs();
        // How likely it is to be at least as far away as was seen.
        let (least, most) = ((mean - away).ceil(), (mean + away).floor());
        let likely = outside(of, p, least.max(0.0) as u32, most as u32);
        assert!(likely > 1e-6, "{count} of {of} at {p}: {likely}");
    }
    assert_eq!(tally.passed, u64::from(held));
    assert_eq!(tally.arrived, u64::from(n));
}

#[test]
fn the_same_seed_meets_the_same_packets_and_another_others() {
    let condition = Condition {
        latency: 5_000,
        jitter: 3_000,
        loss: 10_000,
        duplicate: 5_000,
        corrupt: 5_000,
        ..Condition::default()
    };
    assert_eq!(run(condition, 7, 500, MS), run(condition, 7, 500, MS));
    assert_ne!(run(condition, 7, 500, MS), run(condition, 8, 500, MS));
}

#[test]
fn latency_alone_delays_every_packet_by_exactly_it() {
    let condition = Condition { latency: 50_000, ..Condition::default() };
    let (out, _) = run(condition, 1, 100, MS);
    for (index, (at, frame)) in out.iter().enumerate() {
        assert_eq!((*at, number(frame)), (index as u64 * MS + 50 * MS, index as u32));
    }
}

#[test]
fn jitter_is_even_over_its_whole_span() {
    let condition = Condition { latency: 50_000, jitter: 10_000, ..Condition::default() };
    // Far enough apart that nothing overtakes.
    let (out, _) = run(condition, 3, 4_000, 100 * MS);
    let mut delays: Vec<u64> =
        out.iter().map(|(at, frame)| at - u64::from(number(frame)) * 100 * MS).collect();
    delays.sort_unstable();
    assert!(delays[0] >= 40 * MS && delays[3_999] <= 60 * MS);
    // Kolmogorov and Smirnov: the largest distance from the even distribution, which exceeds 0.05 once in 10^8.
    for (index, delay) in delays.iter().enumerate() {
        let even = (*delay - 40 * MS) as f64 / (20 * MS) as f64;
        assert!((even - index as f64 / 4_000.0).abs() < 0.05, "{index}: {delay}");
    }
}

#[test]
fn what_is_reordered_takes_no_latency_and_the_others_keep_their_order() {
    let condition = Condition { latency: 20_000, reorder: 25_000, ..Condition::default() };
    let (out, tally) = run(condition, 11, 1_000, MS);
    let sent = |frame: &[u8]| u64::from(number(frame)) * MS;
    let (ahead, late): (Vec<_>, Vec<_>) = out.iter().partition(|(at, f)| *at == sent(f));
    assert_eq!(ahead.len() as u64, tally.reordered);
    assert!(late.iter().all(|(at, frame)| *at == sent(frame) + 20 * MS));
    assert!(tally.reordered > 150 && tally.reordered < 350, "{tally:?}");
}

#[test]
fn what_is_corrupted_differs_in_one_bit_behind_the_header() {
    let condition = Condition { corrupt: 100_000, ..Condition::default() };
    let mut emulator = Emulator::new(condition, MTU, 5);
    for length in [15, 60, 1514] {
        let before = vec![0xa5; length];
        emulator.arrive(0, &before);
        let after = emulator.due(0).unwrap();
        let differ: u32 = before.iter().zip(&after).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((differ, &after[..14]), (1, &before[..14]));
    }
    // There is nothing to turn over.
    emulator.arrive(0, &[0; 14]);
    assert_eq!(emulator.due(0).unwrap(), [0; 14]);
}

#[test]
fn more_than_the_limit_is_dropped_and_counted() {
    let condition = Condition { latency: 10_000, limit: 10, ..Condition::default() };
    let mut emulator = Emulator::new(condition, MTU, 1);
    for index in 0..25 {
        emulator.arrive(0, &frame(index, 100));
    }
    assert_eq!((emulator.waiting(), emulator.tally().overflowed), (10, 15));
    assert_eq!(emulator.due(10 * MS).map(|frame| number(&frame)), Some(0));
}

#[test]
fn what_is_on_its_way_arrives_as_it_was_to_when_the_condition_changes() {
    let mut emulator = Emulator::new(Condition { latency: 10_000, ..Condition::default() }, MTU, 1);
    emulator.arrive(0, &frame(1, 100));
    emulator.set(Condition::CUT, MTU, 1);
    emulator.arrive(1, &frame(2, 100));
    assert_eq!(emulator.next(), Some(10 * MS));
    assert_eq!((emulator.waiting(), emulator.tally().lost), (1, 1));
}

proptest! {
    #[test]
    fn a_rate_is_kept_over_every_stretch_of_time(
        rate in 8_000_u64..2_000_000_000,
        arrivals in prop::collection::vec((0_u64..20_000_000, 18_usize..1515), 1..120),
    ) {
        let condition = Condition { rate, ..Condition::default() };
        let burst = condition.burst(MTU);
        let mut emulator = Emulator::new(condition, MTU, 1);
        let (mut now, mut out) = (0, Vec::new());
        for (index, (gap, octets)) in arrivals.iter().enumerate() {
            now += gap;
            emulator.arrive(now, &frame(index as u32, *octets));
        }
        while let Some(at) = emulator.next() {
            let frame = emulator.due(at).unwrap();
            out.push((at, frame.len() as u64, number(&frame)));
        }
        prop_assert_eq!(out.len(), arrivals.len());
        for first in 0..out.len() {
            prop_assert_eq!(out[first].2, first as u32, "none overtakes");
            let mut octets = 0;
            for (at, length, _) in &out[first..] {
                octets += length;
                let time = u128::from(at - out[first].0);
                let most = u128::from(rate) * time / 8_000_000_000 + u128::from(burst) + 1;
                prop_assert!(u128::from(octets) <= most, "{octets} octets in {time} ns");
            }
        }
    }

    #[test]
    fn a_rate_delays_nothing_that_keeps_to_it(octets in 18_u64..1515, count in 1_u32..100) {
        let rate = 10_000_000_u64;
        let gap = octets * 8 * 1_000_000_000 / rate + 1;
        let mut emulator = Emulator::new(Condition { rate, ..Condition::default() }, MTU, 1);
        for index in 0..count {
            let now = u64::from(index) * gap;
            emulator.arrive(now, &frame(index, octets as usize));
            prop_assert!(emulator.due(now).is_some());
        }
    }

    #[test]
    fn every_frame_is_accounted_for(
        loss in 0_u32..100_001, duplicate in 0_u32..100_001, corrupt in 0_u32..100_001,
        reorder in 0_u32..100_001, latency in 1_u64..100_000, limit in 1_u32..50, seed: u64,
    ) {
        let condition =
            Condition { latency, jitter: latency / 2, loss, duplicate, reorder, corrupt, rate: 0, limit };
        let (out, tally) = run(condition, seed, 200, MS);
        prop_assert_eq!(tally.arrived + tally.duplicated, tally.passed + tally.lost + tally.overflowed);
        prop_assert_eq!(tally.passed, out.len() as u64);
        if loss == 100_000 {
            prop_assert_eq!(tally.passed, 0);
        }
    }
}
