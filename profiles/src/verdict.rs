//! Verdict on a point under an objective: the one rule, for the search and for the profile.

use crate::measurement::{Ending, Latencies, Point, Summary};
use crate::objective::Objective;

/// Verdict on a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Enough requests kept the SLO, and the server kept up.
    Holds,
    /// Too few did, or the server did not keep up.
    Misses,
    /// It does not tell, for this reason.
    Unknown(String),
}

/// Judges a point.
///
/// With the single requests known, the share of those that kept *all* objectives of the SLO, failed ones counted as missed,
/// has to reach the percentile. From a summary, each objective's own percentile has to keep it: a little stricter where
/// several are set, and unknown where the summary does not have that percentile.
pub fn judge(point: &Point, objective: &Objective) -> Verdict {
    if point.ended == Ending::Failed {
        return Verdict::Unknown(match point.failed() {
            0 => "it was cut short".into(),
            failed => format!("{failed} requests failed"),
        });
    }
    let kept = match &point.latencies {
        Latencies::Requests(_) => point.attainment(objective).is_some_and(|share| share >= objective.share()),
        Latencies::Summary(summary) => match keeps(point, summary, objective) {
            Ok(kept) => kept,
            Err(missing) => return Verdict::Unknown(missing),
        },
    };
    if kept && point.sustained { Verdict::Holds } else { Verdict::Misses }
}

fn keeps(point: &Point, summary: &Summary, objective: &Objective) -> Result<bool, String> {
    let (slo, percentile) = (&objective.slo, objective.percentile);
    let output_tokens = point.observed.map_or(f64::from(point.output_tokens), |observed| observed.output_tokens);
    let tokens = f64::from(point.input_tokens) + output_tokens;
    let per_output =
        slo.e2e_per_output_token.map(|value| value.mul_f64(output_tokens) + slo.e2e_base.unwrap_or_default());
    let limits = [
        ("e2e", Some(&summary.e2e_s), slo.e2e),
        ("e2e", Some(&summary.e2e_s), slo.e2e_per_token.map(|value| value.mul_f64(tokens))),
        ("e2e", Some(&summary.e2e_s), per_output),
        ("ttft", summary.ttft_s.as_ref(), slo.ttft),
        ("tpot", summary.tpot_s.as_ref(), slo.tpot),
    ];
    let mut kept = true;
    for (name, spread, limit) in limits {
        let Some(limit) = limit else { continue };
        let missing = || format!("the source has no percentile {percentile} of {name}");
        let value_s = spread.and_then(|spread| spread.at(Some(percentile))).ok_or_else(missing)?;
        kept &= value_s <= limit.as_secs_f64();
    }
    let ok = summary.requests.max(1);
    // Those that failed kept nothing; what is left has to be enough for the share all the same.
    let share_ok = f64::from(ok) / f64::from(ok + point.failed());
    Ok(kept && share_ok >= objective.share())
}
