//! Suspicious values in cells that the filter accepts.

use std::time::Duration;

use serde_json::Value;
use slo_router::scheduling::profile::Profile;
use slo_router::scheduling::shape::Shape;

use super::Finding;

/// More tokens may raise a rate by chance by this much.
const CHANCE: f64 = 1.15;
/// No server answers the first token faster, seconds: AIBrix's benchmark times from after the headers and finds less.
const TTFT_MIN_S: f64 = 5e-4;

/// A cell as written.
struct Cells<'a> {
    profile: &'a Value,
    outputs: Vec<u32>,
    inputs: Vec<u32>,
}

pub(super) fn check(profile: &Value, read: &Profile) -> Vec<Finding> {
    let axis = |index: usize| {
        let ticks = profile["indexes"][index].as_array().map(Vec::as_slice).unwrap_or_default();
        ticks.iter().filter_map(|tick| Some(tick.as_f64()? as u32)).collect()
    };
    let cells = Cells { profile, outputs: axis(0), inputs: axis(1) };
    let mut findings = Vec::new();
    for row in 0..cells.outputs.len() {
        for column in 0..cells.inputs.len() {
            cells.check(row, column, read, &mut findings);
        }
    }
    let places = (0..cells.outputs.len()).flat_map(|row| (0..cells.inputs.len()).map(move |column| (row, column)));
    if places.clone().all(|(row, column)| cells.at("tputs", row, column).unwrap_or(0.0) == 0.0) {
        let remedy = "loosen the SLO or lower the percentile: no request would ever be feasible";
        findings.push(Finding::warning("tputs", "no cell has a rate", remedy));
    }
    findings
}

// === impl Cells ===

impl Cells<'_> {
    fn at(&self, name: &str, row: usize, column: usize) -> Option<f64> {
        self.profile[name][row][column].as_f64()
    }

    fn place(&self, name: &str, row: usize, column: usize) -> String {
        format!("{name}[{row}][{column}] (output {} x input {})", self.outputs[row], self.inputs[column])
    }

    fn check(&self, row: usize, column: usize, read: &Profile, findings: &mut Vec<Finding>) {
        let shape = Shape { output_tokens: self.outputs[row], input_tokens: self.inputs[column] };
        let Some(rate) = self.at("tputs", row, column) else { return };
        let (e2e, ttft) = (self.at("e2e", row, column), self.at("ttft", row, column));
        let mut warn = |name: &str, problem: String, remedy: &str| {
            findings.push(Finding::warning(self.place(name, row, column), problem, remedy));
        };
        // Where the target grows with the tokens, longer requests may well come at a higher rate.
        let slo = &read.slo;
        let grows_with_output = slo.tpot.is_some() || slo.e2e_per_output_token.is_some();
        let less_output = row.checked_sub(1).filter(|_| !grows_with_output && slo.e2e_per_token.is_none());
        let less_input = column.checked_sub(1).filter(|_| slo.e2e_per_token.is_none());
        let shorter =
            [(less_output.map(|row| (row, column)), "outputs"), (less_input.map(|column| (row, column)), "inputs")];
        for (shorter, what) in shorter {
            let Some((row, column)) = shorter else { continue };
            let less = self.at("tputs", row, column).unwrap_or(f64::INFINITY);
            if rate > less * CHANCE {
                let problem = format!("the rate {rate} is higher than {less} with shorter {what}");
                warn("tputs", problem, "measure both cells again with more requests");
            }
        }
        if let (Some(e2e), Some(ttft)) = (e2e, ttft)
            && e2e < ttft
        {
            warn(
                "e2e",
                format!("{e2e} s is below the {ttft} s to the first token"),
                "measure it again: one of them is wrong",
            );
        }
        if let Some(ttft) = ttft.filter(|ttft| *ttft > 0.0 && *ttft < TTFT_MIN_S) {
            warn("ttft", format!("{ttft} s is faster than any server"), "measure from the send, not from the headers");
        }
        if rate == 0.0 {
            return;
        }
        match e2e {
            None | Some(0.0) => warn("e2e", "a rate without a latency has no load".into(), "measure it again"),
            Some(e2e) => {
                let target = read.slo.target(shape).map_or(f64::INFINITY, |target: Duration| target.as_secs_f64());
                let expected =
                    if read.slo.kind() == Some(slo_router::scheduling::slo::SloKind::Ttft) { ttft } else { Some(e2e) };
                if let Some(expected) = expected.filter(|expected| *expected > target) {
                    let problem =
                        format!("the mean of {expected} s is above the SLO's {target} s, so it is late on an idle pod");
                    warn("e2e", problem, "build it again under the SLO that it is to serve");
                }
                if rate * e2e < 1.0 {
                    let problem =
                        format!("one request is {:.2} pods, more than an idle pod can hold", 1.0 / (rate * e2e));
                    warn(
                        "tputs",
                        problem,
                        "it is charged a whole pod; loosen the SLO or lower the percentile for such shapes",
                    );
                }
            }
        }
    }
}
