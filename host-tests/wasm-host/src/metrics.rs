//! Metrics: values belong to the process by name, ids to each VM. The low two bits of an id are its type, as in Envoy.

use std::collections::HashMap;

use crate::abi::Status;

/// Value of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// A sum that only grows.
    Counter(u64),
    /// A value; the last writer wins.
    Gauge(u64),
    /// All recorded values, in order.
    Histogram(Vec<u64>),
}

/// The process's metrics by name.
pub(crate) type Metrics = HashMap<String, Metric>;

/// One VM's ids.
#[derive(Debug, Default)]
pub(crate) struct MetricIds {
    names: HashMap<u32, String>,
    defined: u32,
}

const TYPE_MASK: u32 = 3;
const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const HISTOGRAM: u32 = 2;

// === impl MetricIds ===

impl MetricIds {
    /// A new id for `name`; defining a name again gives another id for the same value.
    pub(crate) fn define(&mut self, metrics: &mut Metrics, kind: u32, name: &str) -> Result<u32, Status> {
        let (key, zero) = match kind {
            COUNTER => (format!("counter {name}"), Metric::Counter(0)),
            GAUGE => (format!("gauge {name}"), Metric::Gauge(0)),
            HISTOGRAM => (format!("histogram {name}"), Metric::Histogram(Vec::new())),
            _ => return Err(Status::BadArgument),
        };
        metrics.entry(key.clone()).or_insert(zero);
        self.defined += 1;
        let id = (self.defined << 2) | kind;
        self.names.insert(id, key);
        Ok(id)
    }

    /// Adds to a counter or gauge. A counter takes only what is above zero.
    pub(crate) fn increment(&self, metrics: &mut Metrics, id: u32, offset: i64) -> Status {
        if id & TYPE_MASK > GAUGE {
            return Status::BadArgument;
        }
        match self.find(metrics, id) {
            Some(Metric::Counter(_)) if offset <= 0 => Status::BadArgument,
            Some(Metric::Counter(value) | Metric::Gauge(value)) => {
                *value = value.wrapping_add_signed(offset);
                Status::Ok
            }
            Some(Metric::Histogram(_)) | None => Status::NotFound,
        }
    }

    /// Adds to a counter, sets a gauge, records in a histogram.
    pub(crate) fn record(&self, metrics: &mut Metrics, id: u32, value: u64) -> Status {
        match self.find(metrics, id) {
            Some(Metric::Counter(sum)) => *sum += value,
            Some(Metric::Gauge(current)) => *current = value,
            Some(Metric::Histogram(values)) => values.push(value),
            None => return Status::NotFound,
        }
        Status::Ok
    }

    /// Reads a counter or gauge.
    pub(crate) fn get(&self, metrics: &mut Metrics, id: u32) -> Result<u64, Status> {
        if id & TYPE_MASK > GAUGE {
            return Err(Status::BadArgument);
        }
        match self.find(metrics, id) {
            Some(Metric::Counter(value) | Metric::Gauge(value)) => Ok(*value),
            Some(Metric::Histogram(_)) | None => Err(Status::NotFound),
        }
    }

    fn find<'a>(&self, metrics: &'a mut Metrics, id: u32) -> Option<&'a mut Metric> {
        metrics.get_mut(self.names.get(&id)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_vms_share_a_value_by_name() {
        let (mut metrics, mut one, mut two) = (Metrics::new(), MetricIds::default(), MetricIds::default());
        let a = one.define(&mut metrics, GAUGE, "g").unwrap();
        let b = two.define(&mut metrics, GAUGE, "g").unwrap();
        assert_eq!(one.increment(&mut metrics, a, 3), Status::Ok);
        assert_eq!(two.increment(&mut metrics, b, -1), Status::Ok);
        assert_eq!(one.get(&mut metrics, a), Ok(2));
    }

    #[test]
    fn ids_step_by_four_and_carry_the_type() {
        let (mut metrics, mut ids) = (Metrics::new(), MetricIds::default());
        let a = ids.define(&mut metrics, COUNTER, "a").unwrap();
        let b = ids.define(&mut metrics, HISTOGRAM, "b").unwrap();
        assert_eq!((a & TYPE_MASK, b & TYPE_MASK, (b & !TYPE_MASK) - (a & !TYPE_MASK)), (COUNTER, HISTOGRAM, 4));
    }

    #[test]
    fn a_counter_refuses_zero_and_less_and_a_histogram_cannot_be_read() {
        let (mut metrics, mut ids) = (Metrics::new(), MetricIds::default());
        let counter = ids.define(&mut metrics, COUNTER, "c").unwrap();
        let histogram = ids.define(&mut metrics, HISTOGRAM, "h").unwrap();
        assert_eq!(ids.increment(&mut metrics, counter, 0), Status::BadArgument);
        assert_eq!(ids.get(&mut metrics, histogram), Err(Status::BadArgument));
        assert_eq!(ids.increment(&mut metrics, 400, 1), Status::NotFound);
        assert_eq!(ids.define(&mut metrics, 3, "x"), Err(Status::BadArgument));
    }
}
