//! Replays the rule updates of the Stanford backbone and prints atoms, loops and time per update.

#[path = "stanford/replay.rs"]
mod replay;

use std::io::Write as _;
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for name in ["stanford-noacl", "stanford"] {
        let Some(folder) = replay::folder(name) else {
            writeln!(out, "{name}: skipped, the data set is not on this machine")?;
            continue;
        };
        let outcome = replay::Backbone::read(&folder).replay(&folder);
        // Without filters there is no second partition to count.
        let filter_atoms = if outcome.filter_atoms > 1 { outcome.filter_atoms } else { 0 };
        let atoms = outcome.routing_atoms + filter_atoms;
        writeln!(out, "{name}")?;
        writeln!(
            out,
            "  atoms after all inserts  {atoms} ({} of routing, {} of filters)",
            outcome.routing_atoms, filter_atoms
        )?;
        writeln!(
            out,
            "  atoms at the end         {} of routing, {} of filters",
            outcome.routing_atoms_at_end, outcome.filter_atoms_at_end
        )?;
        writeln!(out, "  address intervals        {}", outcome.intervals)?;
        writeln!(out, "  loops seen               {}", outcome.loops.len())?;
        writeln!(out, "  packet sets              {} KiB", outcome.set_bytes >> 10)?;
        writeln!(out, "  inserts                  {}", times(&outcome.insert_times))?;
        writeln!(out, "  deletes                  {}", times(&outcome.delete_times))?;
        let all = [outcome.insert_times, outcome.delete_times].concat();
        writeln!(out, "  all updates              {}", times(&all))?;
    }
    match peak_memory() {
        Some(kibibytes) => writeln!(out, "peak memory of the process: {} MiB", kibibytes >> 10),
        None => writeln!(out, "peak memory of the process: not told by this system"),
    }
}

fn times(times: &[Duration]) -> String {
    let mut sorted: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len();
    let at = |percent: usize| sorted.get(count.saturating_sub(1) * percent / 100).copied();
    let mean = sorted.iter().sum::<f64>() / f64::from(u32::try_from(count.max(1)).unwrap_or(1));
    let [p50, p99, most] = [50, 99, 100].map(|percent| at(percent).unwrap_or_default());
    format!("{count} updates, mean {mean:.2} µs, p50 {p50:.2}, p99 {p99:.2}, max {most:.2}")
}

fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
