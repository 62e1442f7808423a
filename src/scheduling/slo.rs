//! Latency objectives of a request: what is promised, and whether it was kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::shape::Shape;

/// Objective of a request; all parts that are set must hold. All times count from arrival at the
/// gateway, so waiting counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slo {
    /// Time to first token.
    pub ttft: Option<Duration>,
    /// Mean time per output token after the first.
    pub tpot: Option<Duration>,
    /// End to end.
    pub e2e: Option<Duration>,
    /// End to end, per output token (on top of [`Slo::e2e_base`]).
    pub e2e_per_output_token: Option<Duration>,
    /// The constant part of the objective per output token; without meaning alone.
    pub e2e_base: Option<Duration>,
    /// End to end, per token of input and output together (AIBrix's TPAT).
    pub e2e_per_token: Option<Duration>,
}

/// The one objective of an [`Slo`] that ranks requests. It only ranks: whether an SLO is kept takes
/// all of them.
///
/// In the order of precedence, which is AIBrix's (TPOT, TTFT, TPAT, E2E) with the objective per
/// output token after TPOT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SloKind {
    /// [`Slo::tpot`], with [`Slo::ttft`] on top where that is set.
    Tpot,
    /// [`Slo::e2e_per_output_token`] with [`Slo::e2e_base`].
    E2ePerOutputToken,
    /// [`Slo::ttft`].
    Ttft,
    /// [`Slo::e2e_per_token`].
    E2ePerToken,
    /// [`Slo::e2e`].
    E2e,
}

/// Outcome of a request, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Tokens in and out, as the model server counted them.
    pub shape: Shape,
    /// Tokens of the prompt that the model server took from its prefix cache, all of
    /// `shape.input_tokens` at most; `None` where it did not say, which is not zero.
    pub cached_tokens: Option<u32>,
    /// From arrival at the gateway to the first token.
    pub ttft: Duration,
    /// From arrival at the gateway to the end of the answer.
    pub e2e: Duration,
}

// === impl Slo ===

impl Slo {
    /// Returns `true` if nothing is promised.
    pub fn is_empty(&self) -> bool {
        self.kind().is_none()
    }

    /// Returns the part of it that says anything of a request with so many output tokens: without
    /// any, nothing per output token does.
    #[must_use]
    pub fn applied_to(self, shape: Shape) -> Option<Self> {
        let applied = match shape.output_tokens {
            0 => Self { tpot: None, e2e_per_output_token: None, e2e_base: None, ..self },
            _ => self,
        };
        (!applied.is_empty()).then_some(applied)
    }

    /// The objective that ranks; `None` if there is none.
    pub fn kind(&self) -> Option<SloKind> {
        self.ranking().map(|(kind, _)| kind)
    }

    /// The time from arrival within which a request of this shape is to reach what its [`SloKind`]
    /// looks at: the first token for [`SloKind::Ttft`], the end for all others.
    pub fn target(&self, shape: Shape) -> Option<Duration> {
        let (kind, value) = self.ranking()?;
        Some(match kind {
            SloKind::Tpot => value.saturating_mul(shape.output_tokens).saturating_add(self.ttft.unwrap_or_default()),
            SloKind::E2ePerOutputToken => self.per_output_token(value, shape),
            SloKind::E2ePerToken => per_token(value, shape),
            SloKind::Ttft | SloKind::E2e => value,
        })
    }

    /// The time per output token that it leaves an answer of this shape at most; `None` where it
    /// leaves any.
    pub fn pace(&self, shape: Shape) -> Option<Duration> {
        let tokens = shape.output_tokens.max(1);
        let ends = [
            self.e2e,
            self.e2e_per_output_token.map(|value| self.per_output_token(value, shape)),
            self.e2e_per_token.map(|value| per_token(value, shape)),
        ];
        let paces = ends.into_iter().flatten().map(|end| end / tokens);
        paces.chain(self.tpot).min()
    }

    /// Returns `true` if every objective that is set held. A mean time between tokens needs two of
    /// them, so an answer of one token keeps any [`Slo::tpot`].
    pub fn kept(&self, outcome: &Outcome) -> bool {
        let Outcome { shape, ttft, e2e, .. } = *outcome;
        let within = |actual: Duration, limit: Option<Duration>| limit.is_none_or(|limit| actual <= limit);
        let gaps = shape.output_tokens.saturating_sub(1);
        within(ttft, self.ttft)
            && (gaps == 0 || within(e2e.saturating_sub(ttft), self.tpot.map(|tpot| tpot.saturating_mul(gaps))))
            && within(e2e, self.e2e)
            && within(e2e, self.e2e_per_output_token.map(|value| self.per_output_token(value, shape)))
            && within(e2e, self.e2e_per_token.map(|value| per_token(value, shape)))
    }

    /// The objective that ranks, and its value.
    fn ranking(&self) -> Option<(SloKind, Duration)> {
        [
            (SloKind::Tpot, self.tpot),
            (SloKind::E2ePerOutputToken, self.e2e_per_output_token),
            (SloKind::Ttft, self.ttft),
            (SloKind::E2ePerToken, self.e2e_per_token),
            (SloKind::E2e, self.e2e),
        ]
        .into_iter()
        .find_map(|(kind, value)| Some((kind, value?)))
    }

    fn per_output_token(&self, value: Duration, shape: Shape) -> Duration {
        value.saturating_mul(shape.output_tokens).saturating_add(self.e2e_base.unwrap_or_default())
    }
}

fn per_token(value: Duration, shape: Shape) -> Duration {
    value.saturating_mul(shape.input_tokens.saturating_add(shape.output_tokens))
}

#[cfg(test)]
mod tests;
