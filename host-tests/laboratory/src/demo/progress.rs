//! Display of the demo while it runs.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::load::Progress;

/// Time that a policy takes beyond its arrivals, as it mostly is: starting, and the last answers.
const BESIDE_ARRIVALS: Duration = Duration::from_secs(28);

/// A line for all policies, with the time left, and one for the policy that runs.
#[derive(Debug)]
pub struct Display {
    all: ProgressBar,
    current: ProgressBar,
    policies: u64,
    per_policy: Duration,
    requests: u64,
}

/// The part of the display that one policy's run owns; its share is done when this is dropped.
#[derive(Debug)]
pub struct Running<'a> {
    display: &'a Display,
    started: Instant,
    done_before: u64,
}

// === impl Display ===

impl Display {
    /// Display of so many policies, with so many requests that arrive in such a time each.
    ///
    /// # Errors
    /// Where a template of its own is wrong.
    pub fn new(policies: usize, requests: usize, arrivals: Duration) -> anyhow::Result<Self> {
        let per_policy = arrivals + BESIDE_ARRIVALS;
        let bars = MultiProgress::new();
        let all = ProgressBar::new(policies as u64 * per_policy.as_secs())
            .with_style(ProgressStyle::with_template("{prefix:<16} {bar:40.cyan/238} {msg}")?)
            .with_prefix("all policies");
        let current = ProgressBar::new(requests as u64)
            .with_style(ProgressStyle::with_template("{prefix:<16} {bar:40.green/238} {pos}/{len} answered, {msg}")?);
        let (all, current) = (bars.add(all), bars.add(current));
        Ok(Self { all, current, policies: policies as u64, per_policy, requests: requests as u64 })
    }

    /// Begins a policy's run.
    pub fn start(&self, policy: &str) -> Running<'_> {
        self.current.set_prefix(policy.to_owned());
        self.current.set_length(self.requests);
        let running = Running { display: self, started: Instant::now(), done_before: self.all.position() };
        running.show(Progress::default());
        running
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.current.finish_and_clear();
        self.all.finish_and_clear();
    }
}

// === impl Running ===

impl Running<'_> {
    /// Shows how far the run is.
    pub fn show(&self, now: Progress) {
        let Display { all, current, policies, per_policy, .. } = self.display;
        let share = self.started.elapsed().min(*per_policy).as_secs();
        all.set_position(self.done_before + share);
        let left_s = policies * per_policy.as_secs() - all.position();
        all.set_message(format!("about {}:{:02} left", left_s / 60, left_s % 60));
        current.set_position(now.ended as u64);
        let kept = 100.0 * now.kept as f64 / now.ended.max(1) as f64;
        current.set_message(format!("{} under way, {kept:.0} % kept the SLO", now.sent - now.ended));
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.display.all.set_position(self.done_before + self.display.per_policy.as_secs());
    }
}
