//! CPU time of processes and threads, as the kernel accounts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::param::clock_ticks_per_second;

/// CPU time, user and system, that all threads of a process have taken so far.
///
/// # Errors
/// Where there is no such process.
pub(crate) fn of_process(pid: u32) -> Result<Duration> {
    read(&format!("/proc/{pid}/stat"))
}

/// The same to the nanosecond, of the threads that live.
///
/// # Errors
/// Where there is no such process, or the kernel keeps no such account.
pub(crate) fn of_threads(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let file = thread?.path().join("schedstat");
        // The first of its fields; a thread may end meanwhile.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
        sum += Duration::from_nanos(nanos.with_context(|| format!("{}: no time in {text:?}", file.display()))?);
    }
    Ok(sum)
}

/// CPU time that the calling thread has taken so far.
///
/// # Errors
/// Where the kernel does not tell.
pub(crate) fn of_this_thread() -> Result<Duration> {
    read("/proc/thread-self/stat")
}

fn read(file: &str) -> Result<Duration> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    parse(&text, clock_ticks_per_second()).with_context(|| format!("{file}: no CPU times in {text:?}"))
}

/// The fields `utime` and `stime` (proc_pid_stat(5)), the 14th and 15th. The second is a name that may hold anything.
fn parse(stat: &str, ticks_per_s: u64) -> Option<Duration> {
    let (_, behind_the_name) = stat.rsplit_once(')')?;
    let mut fields = behind_the_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let total = ticks()? + ticks()?;
    Some(Duration::from_secs_f64(total as f64 / ticks_per_s as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_read_behind_a_name_of_any_kind() {
        let stat = "7 (a ) 1 2) R 1 7 7 0 -1 4194304 99 0 0 0 150 25 8 9 20 0 1 0 393936 3133440 383";
        assert_eq!(parse(stat, 100), Some(Duration::from_millis(1750)));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        assert_eq!(parse("7 (a) R 1 7 7", 100), None);
    }
}
