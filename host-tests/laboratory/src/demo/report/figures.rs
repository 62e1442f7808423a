//! The figures of a set of requests.

use std::time::Duration;

use serde::Serialize;

use crate::completed::Completed;
use crate::load::{Fate, Record};
use crate::percentiles::Percentiles;
use crate::workload::Class;

/// Figures of one class of requests, or of all.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The class; `all` for all.
    pub class: &'static str,
    /// Arrivals.
    pub requests: usize,
    /// Of them, those that kept the SLO.
    pub kept: usize,
    /// Of them, those that got an error or broke off.
    pub failed: usize,
    /// Of them, those that had no end when the run was over.
    pub unfinished: usize,
    /// Share of all arrivals that kept the SLO, 0 to 1.
    pub attainment: f64,
    /// Requests that kept the SLO, per second of arrivals.
    pub goodput_per_s: f64,
    /// Time to first token of answered requests.
    pub ttft_s: Option<Percentiles>,
    /// Time per output token after the first.
    pub tpot_s: Option<Percentiles>,
    /// End-to-end latency per output token.
    pub latency_per_token_s: Option<Percentiles>,
    /// Time held at the gateway.
    pub wait_s: Option<Percentiles>,
}

// === impl Figures ===

impl Figures {
    /// Those of all requests, then of each class.
    pub(super) fn of_all_and_each_class(records: &[Record], seconds: f64) -> Vec<Self> {
        let of = |class: Class| records.iter().filter(move |record| record.arrival.class == class).collect();
        let all = Self::of("all", records.iter().collect(), seconds);
        std::iter::once(all).chain(Class::DEMO.map(|class| Self::of(class.name(), of(class), seconds))).collect()
    }

    fn of(class: &'static str, records: Vec<&Record>, seconds: f64) -> Self {
        let count = |which: fn(&Record) -> bool| records.iter().filter(|record| which(record)).count();
        let kept = count(Record::is_kept);
        let completed: Vec<_> = records.iter().filter_map(|record| record.completed()).collect();
        let waits = records.iter().filter_map(|record| record.routing.wait).collect();
        let of_completed = |value: fn(&Completed) -> Option<Duration>| completed.iter().filter_map(value).collect();
        Self {
            class,
            requests: records.len(),
            kept,
            failed: count(|record| matches!(record.fate, Fate::Refused { .. } | Fate::Broken { .. })),
            unfinished: count(Record::is_unfinished),
            attainment: kept as f64 / records.len().max(1) as f64,
            goodput_per_s: kept as f64 / seconds,
            ttft_s: Percentiles::of(of_completed(|completed| Some(completed.ttft))),
            tpot_s: Percentiles::of(of_completed(Completed::tpot)),
            latency_per_token_s: Percentiles::of(of_completed(|completed| Some(completed.latency_per_token()))),
            wait_s: Percentiles::of(waits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Routing;
    use crate::workload::Arrival;

    fn record(class: Class, output_tokens: u32, e2e_ms: u64) -> Record {
        let ttft = Duration::from_millis(e2e_ms / 10);
        let completed = Completed { ttft, e2e: Duration::from_millis(e2e_ms), output_tokens };
        Record { fate: Fate::Completed(completed), ..failed(class, Fate::Unfinished) }
    }

    fn failed(class: Class, fate: Fate) -> Record {
        let arrival = Arrival { at: Duration::ZERO, class, prompt_tokens: 10, content: None, output_tokens: 10 };
        Record { arrival, routing: Routing::default(), fate }
    }

    #[test]
    fn attainment_counts_every_arrival_and_goodput_the_kept_ones() {
        let records = [
            record(Class::Chat, 10, 500),
            record(Class::Chat, 10, 501),
            failed(Class::Chat, Fate::Refused { status: 429 }),
            failed(Class::TextToSql, Fate::Unfinished),
        ];
        let figures = Figures::of_all_and_each_class(&records, 2.0);
        let [all, chat, sql] = &figures[..] else { panic!("all and two classes") };
        assert_eq!((all.requests, all.kept, all.failed, all.unfinished), (4, 1, 1, 1));
        assert_eq!((all.attainment, all.goodput_per_s), (0.25, 0.5));
        assert_eq!((chat.requests, sql.requests, sql.kept), (3, 1, 0));
        assert!(sql.ttft_s.is_none());
    }
}
