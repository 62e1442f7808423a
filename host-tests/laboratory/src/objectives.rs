//! The objectives of the evaluations, and which request has which.

use std::time::Duration;

use slo_router::scheduling::slo::Slo;

use crate::workload::{Arrival, Class};

const NONE: Slo =
    Slo { ttft: None, tpot: None, e2e: None, e2e_per_output_token: None, e2e_base: None, e2e_per_token: None };

/// SLO A: end to end within 50 ms per output token.
pub const SLO_A: Slo = Slo { e2e_per_output_token: Some(Duration::from_millis(50)), ..NONE };

/// SLO B: the first token within 1 s, the others 50 ms apart in the mean.
pub const SLO_B: Slo = Slo { ttft: Some(Duration::from_secs(1)), tpot: Some(Duration::from_millis(50)), ..NONE };

/// SLO B with twice the time to the first token, for long prompts.
pub const SLO_B2: Slo = Slo { ttft: Some(Duration::from_secs(2)), ..SLO_B };

/// SLO C: end to end within 1 s and 50 ms per output token, which is what AIBrix ranks by under SLO B.
pub const SLO_C: Slo = Slo { e2e_base: Some(Duration::from_secs(1)), ..SLO_A };

/// End to end within 20 s, however long the answer: at 30 to 40 ms per token nine chat answers in ten are short enough.
pub const SLO_E2E: Slo = Slo { e2e: Some(Duration::from_secs(20)), ..NONE };

/// The first token within 2 s, whatever follows.
pub const SLO_TTFT: Slo = Slo { ttft: Some(Duration::from_secs(2)), ..NONE };

/// For prompts that take seconds: the first token within 5 s, the others 100 ms apart.
pub const SLO_PATIENT: Slo = Slo { ttft: Some(Duration::from_secs(5)), tpot: Some(Duration::from_millis(100)), ..NONE };

/// End to end within 100 ms per output token, for servers that are slower than the seed's.
pub const SLO_SLOW: Slo = Slo { e2e_per_output_token: Some(Duration::from_millis(100)), ..NONE };

/// For people who wait for a cursor: SLO B with half the time to the first token.
pub const SLO_PROMPT: Slo = Slo { ttft: Some(Duration::from_millis(500)), ..SLO_B };

/// An objective for each kind of traffic: people read chats as they come (B), queries and completions matter when they are complete (C),
/// documents may take twice as long per token.
pub fn by_class(arrival: &Arrival, _position: usize) -> Slo {
    match arrival.class {
        Class::Chat => SLO_B,
        Class::TextToSql | Class::Code => SLO_C,
        Class::Document => Slo { e2e_per_output_token: Some(Duration::from_millis(100)), ..SLO_C },
    }
}

/// Any class may ask for anything: A, B, C, the prompt form of B, and the end within 20 s, in turn by the position among the arrivals.
pub fn in_turn(_arrival: &Arrival, position: usize) -> Slo {
    const TURNS: [Slo; 5] = [SLO_A, SLO_B, SLO_C, SLO_PROMPT, SLO_E2E];
    TURNS[position % TURNS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(class: Class) -> Arrival {
        Arrival { at: Duration::ZERO, class, prompt_tokens: 100, content: None, output_tokens: 100 }
    }

    #[test]
    fn every_class_has_an_objective() {
        assert!(Class::ALL.into_iter().all(|class| !by_class(&arrival(class), 0).is_empty()));
        assert_ne!(by_class(&arrival(Class::Chat), 0), by_class(&arrival(Class::Code), 0));
    }

    #[test]
    fn objectives_in_turn_come_equally_often_to_each_class() {
        let slos: Vec<_> = (0..10).map(|position| in_turn(&arrival(Class::Chat), position)).collect();
        assert_eq!(slos[..5], slos[5..]);
        assert_eq!(slos.iter().filter(|slo| **slo == SLO_A).count(), 2);
    }
}
