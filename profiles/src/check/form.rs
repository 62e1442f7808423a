//! Faults for which the filter refuses a profile, or that make it useless as a whole.

use serde_json::Value;

use super::Finding;

/// The matrices that the filter reads.
const MATRICES: [&str; 4] = ["tputs", "e2e", "ttft", "tpot"];
/// The objectives that the filter reads.
const OBJECTIVES: [&str; 6] = ["e2e", "ttft", "tpot", "tpat", "e2e_per_output_token", "e2e_base"];
const MEASURE: &str = "measure it again (`slo-profile measure`)";

pub(super) fn check(profile: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !profile.is_object() {
        return vec![Finding::error("the profile", format!("it is {profile}"), "write an object with AIBrix's fields")];
    }
    if profile.get("gpu").and_then(Value::as_str).is_none_or(str::is_empty) {
        findings.push(Finding::error("gpu", "it is missing", "name the deployment"));
    }
    let axes = axes(profile, &mut findings);
    for name in MATRICES {
        match profile.get(name) {
            None if name == "tputs" => findings.push(Finding::error("tputs", "it is missing", MEASURE)),
            None => {}
            Some(matrix) => check_matrix(name, matrix, axes, &mut findings),
        }
    }
    if profile.get("e2e").is_none() {
        let remedy = "build it again from measurements: an old AIBrix profile has none";
        findings.push(Finding::warning("e2e", "it is missing, so requests have no pending load", remedy));
    }
    check_labels(profile, &mut findings);
    findings
}

/// The numbers of ticks, if both axes are well-formed.
fn axes(profile: &Value, findings: &mut Vec<Finding>) -> Option<(usize, usize)> {
    let axes = profile.get("indexes").and_then(Value::as_array).map(Vec::as_slice);
    let Some([outputs, inputs]) = axes else {
        let problem = if axes.is_some() { "there are not two axes" } else { "it is missing" };
        findings.push(Finding::error("indexes", problem, "write [[output tokens], [input tokens]]"));
        return None;
    };
    let before = findings.len();
    for (axis, ticks) in [outputs, inputs].into_iter().enumerate() {
        let ticks = ticks.as_array().map(Vec::as_slice).unwrap_or_default();
        if ticks.is_empty() {
            findings.push(Finding::error(format_args!("indexes[{axis}]"), "it has no ticks", "list token counts"));
        }
        let mut last = 0.0;
        for (index, tick) in ticks.iter().enumerate() {
            match tick.as_f64() {
                Some(tick) if tick > last => last = tick,
                _ => findings.push(Finding::error(
                    format_args!("indexes[{axis}][{index}]"),
                    format_args!("it is {tick} after {last}"),
                    "list positive token counts in ascending order",
                )),
            }
        }
    }
    let count = |axis: &Value| axis.as_array().map_or(0, Vec::len);
    (findings.len() == before).then(|| (count(outputs), count(inputs)))
}

fn check_matrix(name: &str, matrix: &Value, axes: Option<(usize, usize)>, findings: &mut Vec<Finding>) {
    let rows = matrix.as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some((outputs, _)) = axes.filter(|(outputs, _)| *outputs != rows.len()) {
        let problem = format!("it has {} rows, indexes[0] has {outputs} ticks", rows.len());
        findings.push(Finding::error(name, problem, "write a row per output length"));
    }
    for (row, cells) in rows.iter().enumerate() {
        let cells = cells.as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some((_, inputs)) = axes.filter(|(_, inputs)| *inputs != cells.len()) {
            let problem = format!("it has {} cells, indexes[1] has {inputs} ticks", cells.len());
            findings.push(Finding::error(format_args!("{name}[{row}]"), problem, "write a cell per input length"));
        }
        for (column, cell) in cells.iter().enumerate() {
            let place = format!("{name}[{row}][{column}]");
            match cell.as_f64() {
                Some(value) if value >= 0.0 => {}
                None if cell.is_null() => {
                    let problem = "there is no number (null or NaN), so the cell counts as without data";
                    findings.push(Finding::warning(place, problem, MEASURE));
                }
                _ => findings.push(Finding::error(place, format_args!("it is {cell}"), "write a number of 0 or more")),
            }
        }
    }
}

fn check_labels(profile: &Value, findings: &mut Vec<Finding>) {
    let slos = profile.get("slos");
    let value = |name: &str| slos.and_then(|slos| slos.get(name)).and_then(Value::as_f64);
    if !OBJECTIVES.iter().any(|name| value(name).is_some_and(|value| value > 0.0)) {
        let remedy = "state the SLO that the rates meet, or the filter needs one from its configuration";
        findings.push(Finding::warning("slos", "it states no objective", remedy));
    }
    for name in OBJECTIVES {
        if value(name).is_some_and(|value| value < 0.0) {
            findings.push(Finding::error(format_args!("slos.{name}"), "it is negative", "write seconds"));
        }
    }
    match profile.get("cost").map(Value::as_f64) {
        None | Some(Some(0.0..)) => {}
        Some(_) => {
            findings.push(Finding::error("cost", "it is no number of 0 or more", "write a price, or leave it out"))
        }
    }
    if profile.get("created").and_then(Value::as_f64).is_none_or(|created| created <= 0.0) {
        let remedy = "write Unix seconds; AIBrix's gateway never replaces a profile without";
        findings.push(Finding::warning("created", "it is missing", remedy));
    }
}
