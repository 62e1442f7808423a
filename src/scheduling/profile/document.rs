//! AIBrix's profile as it is written, and what makes it a [`Profile`].

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::axis::Axis;
use super::matrix::Matrix;
use super::{Profile, ProfileError, without_nan};
use crate::scheduling::slo::Slo;

/// Cells as written: `[output tick][input tick]`, `null` for no data.
type Cells = Vec<Vec<Option<f64>>>;

/// The fields of a profile that the router reads; all others are ignored.
#[derive(Deserialize)]
struct AibrixProfile {
    gpu: String,
    /// 1 if absent, as AIBrix's generator has it.
    cost: Option<f64>,
    created: Option<f64>,
    /// `[output ticks, input ticks]`, in tokens.
    indexes: Cells,
    /// Requests/s.
    tputs: Cells,
    /// Seconds.
    e2e: Option<Cells>,
    /// Seconds.
    ttft: Option<Cells>,
    slos: Option<Objectives>,
}

/// In seconds; absent or 0 means not set. The last two are this router's own, for profiles measured
/// under them.
#[derive(Default, Deserialize)]
struct Objectives {
    e2e: Option<f64>,
    ttft: Option<f64>,
    tpat: Option<f64>,
    tpot: Option<f64>,
    e2e_per_output_token: Option<f64>,
    e2e_base: Option<f64>,
}

// === impl Profile ===

impl Profile {
    /// Reads AIBrix's JSON as it is, bare `NaN` and `Infinity` of Python's writer included; they
    /// count as no data.
    ///
    /// # Errors
    ///
    /// A text that is not JSON of this form; axes that are not two, empty, or not strictly
    /// ascending positive numbers; a matrix of another size than the axes say; negative values. The
    /// message names field, cell, value and what was expected.
    pub fn from_json(json: &[u8]) -> Result<Self, ProfileError> {
        serde_json::from_slice::<AibrixProfile>(&without_nan(json)).map_err(ProfileError::Json)?.try_into()
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        AibrixProfile::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl TryFrom<AibrixProfile> for Profile {
    type Error = ProfileError;

    fn try_from(document: AibrixProfile) -> Result<Self, ProfileError> {
        let [output_ticks, input_ticks] = document.indexes.as_slice() else {
            let found = format!("{} axes", document.indexes.len());
            return Err(ProfileError::invalid("indexes", found, "two axes: output tokens, input tokens"));
        };
        let output_ticks = Axis::try_new("indexes[0]", output_ticks)?;
        let input_ticks = Axis::try_new("indexes[1]", input_ticks)?;
        let cost = document.cost.unwrap_or(1.0);
        let axes = (&output_ticks, &input_ticks);
        let latencies = |field, cells: Option<Cells>| {
            cells
                .map(|cells| Matrix::try_new(field, &cells, axes, "a latency of 0 seconds or more", seconds))
                .transpose()
        };
        Ok(Self {
            rates_per_s: Matrix::try_new(
                "tputs",
                &document.tputs,
                axes,
                "a rate of 0 requests/s or more",
                not_negative,
            )?,
            e2e: latencies("e2e", document.e2e)?,
            ttft: latencies("ttft", document.ttft)?,
            cost: not_negative(cost).ok_or_else(|| ProfileError::invalid("cost", cost, "a cost of 0 or more"))?,
            slo: document.slos.unwrap_or_default().slo()?,
            gpu: document.gpu,
            created_s: document.created,
            output_ticks,
            input_ticks,
        })
    }
}

// === impl Objectives ===

impl Objectives {
    fn slo(self) -> Result<Slo, ProfileError> {
        Ok(Slo {
            ttft: objective("slos.ttft", self.ttft)?,
            tpot: objective("slos.tpot", self.tpot)?,
            e2e: objective("slos.e2e", self.e2e)?,
            e2e_per_output_token: objective("slos.e2e_per_output_token", self.e2e_per_output_token)?,
            e2e_base: objective("slos.e2e_base", self.e2e_base)?,
            e2e_per_token: objective("slos.tpat", self.tpat)?,
        })
    }
}

fn objective(field: &str, value: Option<f64>) -> Result<Option<Duration>, ProfileError> {
    let Some(value) = value else { return Ok(None) };
    let time = seconds(value).ok_or_else(|| ProfileError::invalid(field, value, "0 (not set) or more seconds"))?;
    Ok((!time.is_zero()).then_some(time))
}

fn not_negative(value: f64) -> Option<f64> {
    (value.is_finite() && value >= 0.0).then_some(value)
}

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok()
}
