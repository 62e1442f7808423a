//! The objectives of the evaluations.

use std::time::Duration;

use slo_router::scheduling::slo::Slo;

const NONE: Slo =
    Slo { ttft: None, tpot: None, e2e: None, e2e_per_output_token: None, e2e_base: None, e2e_per_token: None };

/// SLO A: end to end within 50 ms per output token.
pub const SLO_A: Slo = Slo { e2e_per_output_token: Some(Duration::from_millis(50)), ..NONE };

/// SLO B: the first token within 1 s, the others 50 ms apart in the mean.
pub const SLO_B: Slo = Slo { ttft: Some(Duration::from_secs(1)), tpot: Some(Duration::from_millis(50)), ..NONE };

/// SLO C: end to end within 1 s and 50 ms per output token, which is what AIBrix ranks by under SLO B.
pub const SLO_C: Slo = Slo { e2e_base: Some(Duration::from_secs(1)), ..SLO_A };

/// End to end within 20 s, however long the answer: at 30 to 40 ms per token nine chat answers in ten are short enough.
pub const SLO_E2E: Slo = Slo { e2e: Some(Duration::from_secs(20)), ..NONE };
