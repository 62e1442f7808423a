//! Bursts and cold starts as tables.

use comfy_table::Cell;

use super::CheckOfPolicy;
use super::table::percent;
use crate::report::{align, empty, name};

/// A table for each check, with a line that says what it shows; nothing without checks.
pub(super) fn draw(checks: &[CheckOfPolicy]) -> String {
    checks.chunk_by(|one, other| one.check == other.check).map(draw_one).collect()
}

fn draw_one(of_policies: &[CheckOfPolicy]) -> String {
    let Some(first) = of_policies.first() else { return String::new() };
    let heads = first.slices.iter().map(|slice| format!("{} s\nto {} s", slice.from_s, slice.to_s));
    let mut table = empty(std::iter::once("policy".to_owned()).chain(heads));
    for CheckOfPolicy { policy, slices, .. } in of_policies {
        let cells = slices.iter().map(|slice| slice.attainment.map_or_else(|| Cell::new("-"), percent));
        table.add_row(std::iter::once(name(policy)).chain(cells));
    }
    let full = first.full_load_per_s;
    let what = match first.check {
        "burst" => format!(
            "{:.2}/s, for 30 s {:.2}/s, {:.2}/s again; time from the burst's end on",
            full / 2.0,
            1.5 * full,
            full / 2.0
        ),
        _ => format!("{:.2}/s, from the first request of a gateway that knows nothing", full / 2.0),
    };
    format!("\n\n{}: kept SLO in % of the arrivals of each span; {what}\n{}", first.check, align(table, 1))
}
