//! Progress output while measuring.

use std::io;
use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use slo_profile::measure::{Observer, Plan, Progress};
use slo_profile::measurement::{Appender, Point};
use slo_profile::objective::Objective;
use slo_profile::verdict::{Verdict, judge};
use slo_router::scheduling::shape::Shape;

/// Keeps points, and shows a bar of the plan's time.
pub(crate) struct Display {
    appender: Appender,
    bar: ProgressBar,
    objective: Objective,
    plan: Plan,
    done: Vec<Shape>,
    started: Instant,
    budget: Option<Duration>,
}

// === impl Display ===

impl Display {
    pub(crate) fn new(appender: Appender, plan: &Plan, objective: Objective, budget: Option<Duration>) -> Result<Self> {
        let style = ProgressStyle::with_template("{bar:30.cyan/238} {pos}/{len} cells, {prefix}, {msg}")?;
        let bar = ProgressBar::new(plan.cells.len() as u64).with_style(style);
        bar.enable_steady_tick(Duration::from_secs(1));
        let started = Instant::now();
        Ok(Self { appender, bar, objective, plan: plan.clone(), done: Vec::new(), started, budget })
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// The plan's time for the cells that are left, scaled by how the plan fared so far.
    fn time_left(&self) -> Duration {
        let planned = |wanted: bool| -> f64 {
            let cells = self.plan.cells.iter().filter(|cell| self.done.contains(&cell.shape) == wanted);
            cells.map(|cell| cell.time.as_secs_f64()).sum()
        };
        let scale = if planned(true) > 0.0 { self.started.elapsed().as_secs_f64() / planned(true) } else { 1.0 };
        let left = Duration::from_secs_f64(planned(false) * scale);
        self.budget.map_or(left, |budget| left.min(budget.saturating_sub(self.started.elapsed())))
    }

    fn say(&self, line: String) {
        // Without a terminal the bar shows nothing, and neither would its own printing.
        if self.bar.is_hidden() { println!("{line}") } else { self.bar.println(line) }
    }
}

impl Observer for Display {
    fn keep(&mut self, point: &Point) -> io::Result<()> {
        self.appender.append(point)
    }

    fn note(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Starting { shape, rate_per_s } => {
                self.bar.set_prefix(format!("about {} left", human(self.time_left())));
                let rate = if rate_per_s == 0.0 { "idle".into() } else { format!("{rate_per_s:.3}/s") };
                self.bar.set_message(format!("output {} x input {}: {rate}", shape.output_tokens, shape.input_tokens));
            }
            Progress::Measured(point) => self.say(told(point, &self.objective)),
            Progress::Retrying(point) => self.say(format!("{}; trying again", told(point, &self.objective))),
            Progress::CellDone(shape) => {
                self.done.push(shape);
                self.bar.inc(1);
            }
            Progress::CellGivenUp(shape) => {
                self.done.push(shape);
                self.bar.inc(1);
                self.say(format!("output {} x input {}: given up", shape.output_tokens, shape.input_tokens));
            }
        }
    }
}

fn told(point: &Point, objective: &Objective) -> String {
    let rate = if point.is_idle() { "idle".into() } else { format!("{:.3}/s", point.rate_per_s) };
    let outcome = match judge(point, objective) {
        Verdict::Holds => "holds".into(),
        Verdict::Misses if !point.sustained => "misses: the backlog grows".into(),
        Verdict::Misses => "misses".into(),
        Verdict::Unknown(reason) => reason,
    };
    let kept = point.attainment(objective).unwrap_or(0.0) * 100.0;
    let e2e = point.e2e_s().map_or_else(String::new, |spread| format!(", {:.3} s end to end", spread.mean));
    let Shape { output_tokens, input_tokens } = point.shape();
    format!(
        "output {output_tokens} x input {input_tokens}: {rate}, {kept:.1} % of {} kept{e2e}: {outcome}",
        point.requests()
    )
}

/// The plan as a table, and its sums.
pub(crate) fn print_plan(plan: &Plan, time_budget: Option<Duration>, request_budget: Option<u64>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["output", "input", "idle latency, s", "requests", "time"]);
    for cell in &plan.cells {
        let time = if cell.is_feasible { human(cell.time) } else { "idle requests only: no rate meets the SLO".into() };
        table.add_row([
            cell.shape.output_tokens.to_string(),
            cell.shape.input_tokens.to_string(),
            format!("{:.3}", cell.idle_e2e.as_secs_f64()),
            cell.requests.to_string(),
            time,
        ]);
    }
    table.column_iter_mut().take(4).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("{table}\n");
    let (requests, time) = plan.aibrix();
    println!("{} cells, about {} requests, about {}", plan.cells.len(), plan.requests(), human(plan.time()));
    println!("AIBrix's grid (seven rates, 100 requests each): {requests} requests, at least {}", human(time));
    if let Some(budget) = time_budget.filter(|budget| *budget < plan.time()) {
        println!("the time budget of {} is used up before the last cell", human(budget));
    }
    if let Some(budget) = request_budget.filter(|budget| *budget < plan.requests()) {
        println!("the budget of {budget} requests is used up before the last cell");
    }
}

fn human(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02} min"),
        (hours, minutes, _) => format!("{hours}:{minutes:02} h"),
    }
}
