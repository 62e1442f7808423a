//! The report as tables: attainment over rates, and the times behind it at the middle one.

use comfy_table::Cell;

use super::{Bound, LEVELS, Policy, Setup};
use crate::report::{align, color, empty, name};
use crate::simulation::figures::Summary;
use crate::simulation::goodput::Goodput;
use crate::simulation::interval::Interval;

pub(super) fn draw(setup: &Setup, policies: &[Policy], bound: Option<&Bound>) -> String {
    let attainment = attainment(policies, bound);
    let differences = differences(policies);
    let rates = policies.first().map_or(0, |policy| policy.points.len());
    let Some(middle) = policies.first().and_then(|policy| policy.points.get(rates / 2)) else { return attainment };
    let times = times(policies, rates / 2);
    format!(
        "kept SLO in % of all arrivals at so many requests per second, with its 95 % confidence interval;\n\
         goodput: the arrival rate at which attainment crosses the level, with its interval\n{attainment}\n\n\
         points of attainment over {}, with the interval of the difference; × its goodput\n{differences}\n\n\
         at {} requests per second, p50 / p99\n{times}",
        setup.reference, middle.rate_per_s
    )
}

fn attainment(policies: &[Policy], bound: Option<&Bound>) -> String {
    let rates = policies.first().map_or(&[][..], |policy| &policy.points).iter();
    let rates = rates.map(|point| format!("{}/s", point.rate_per_s));
    let levels = LEVELS.map(|level| format!("goodput\nat {:.0} %", 100.0 * level));
    let mut table = empty(std::iter::once("policy".to_owned()).chain(rates).chain(levels));
    for policy in policies {
        let points = policy.points.iter().filter_map(|point| point.figures.first());
        let goodput = policy.goodput.iter().map(goodput);
        let cells = points.map(|summary| percent(summary.attainment)).chain(goodput);
        table.add_row(std::iter::once(name(&policy.policy)).chain(cells));
    }
    if let Some(bound) = bound {
        let points = bound.points.iter().map(|point| point.attainment.map_or_else(|| Cell::new("-"), percent));
        table.add_row(
            std::iter::once(Cell::new("(no policy exceeds)")).chain(points).chain(bound.goodput.iter().map(goodput)),
        );
    }
    align(table, 1)
}

fn goodput(Goodput { rate_per_s, low, high, .. }: &Goodput) -> Cell {
    Cell::new(if low == high { rate_per_s.to_string() } else { format!("{rate_per_s}\n{low} to {high}") })
}

/// Empty where the reference takes no part.
fn differences(policies: &[Policy]) -> String {
    let rates = policies.first().map_or(&[][..], |policy| &policy.points).iter();
    let rates = rates.map(|point| format!("{}/s", point.rate_per_s));
    let levels = LEVELS.map(|level| format!("at {:.0} %", 100.0 * level));
    let mut table = empty(std::iter::once("policy".to_owned()).chain(rates).chain(levels));
    for policy in policies {
        let differences = policy.over_reference.iter().map(|difference| points(difference.attainment));
        let ratios = policy.goodput.iter().map(|goodput| {
            Cell::new(goodput.over_reference.map_or_else(
                || "-".to_owned(),
                |over| format!("{:.2}\n{:.2} to {:.2}", over.ratio, over.low, over.high),
            ))
        });
        let first = std::iter::once(name(&policy.policy));
        table.add_row(first.chain(differences).chain(ratios));
    }
    align(table, 1)
}

/// A difference of shares in points.
fn points(Interval { mean, half_width }: Interval) -> Cell {
    let width = half_width.map(|half_width| format!("\n±{:.1}", 100.0 * half_width)).unwrap_or_default();
    Cell::new(format!("{:+.1}{width}", 100.0 * mean))
}

fn times(policies: &[Policy], position: usize) -> String {
    let heads = [
        "policy",
        "class",
        "kept SLO, %",
        "TTFT, s",
        "TPOT, ms",
        "latency/token, ms",
        "wait, s",
        "longest wait, s",
        "refused",
        "pods in use",
        "cost per 1,000 kept",
        "prompts cached",
        "expected hit error",
        "identical pods differ",
    ];
    let mut table = empty(heads.map(str::to_owned));
    for policy in policies {
        let Some(point) = policy.points.get(position) else { continue };
        let mean = |interval: Option<Interval>| {
            Cell::new(interval.map_or_else(|| "-".to_owned(), |interval| format!("{:.2}", interval.mean)))
        };
        for (index, summary) in point.figures.iter().enumerate() {
            let mut row = row(if index == 0 { &policy.policy } else { "" }, summary);
            if index == 0 {
                let means = [
                    point.pods_in_use,
                    point.cost_per_1000_kept,
                    point.cached_share,
                    point.expected_hit_error,
                    point.identical_pods_differ,
                ];
                row.extend(means.map(mean));
            }
            table.add_row(row);
        }
    }
    align(table, 2)
}

fn row(name: &str, summary: &Summary) -> Vec<Cell> {
    let time = |what: &str, scale: f64, decimals: usize| {
        let times = summary.times.iter().find(|times| times.what == what);
        times.map_or_else(
            || "-".to_owned(),
            |times| format!("{:.decimals$} / {:.decimals$}", times.p50 * scale, times.p99 * scale),
        )
    };
    vec![
        self::name(name),
        Cell::new(summary.class),
        percent(summary.attainment),
        Cell::new(time("ttft_s", 1.0, 2)),
        Cell::new(time("tpot_s", 1e3, 0)),
        Cell::new(time("latency_per_token_s", 1e3, 0)),
        Cell::new(time("wait_s", 1.0, 2)),
        Cell::new(format!("{:.1}", summary.longest_wait_s)),
        Cell::new(summary.refused),
    ]
}

pub(super) fn percent(Interval { mean, half_width }: Interval) -> Cell {
    let width = half_width.map(|half_width| format!("\n±{:.1}", 100.0 * half_width)).unwrap_or_default();
    Cell::new(format!("{:.1}{width}", 100.0 * mean)).fg(color(mean))
}
