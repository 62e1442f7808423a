//! The parameters of SGLang's and TGI's own `/generate`, which stand in an object of their own.

use crate::protocol::json::Scalar;

/// See the module. Other types and other fields are as if they were not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) max_new_tokens: Option<u32>,
    pub(super) n: Option<u32>,
    pub(super) best_of: Option<u32>,
}

/// Those of its fields that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    MaxNewTokens,
    N,
    BestOf,
}

// === impl Parameter ===

impl Parameter {
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        match key {
            b"max_new_tokens" => Some(Self::MaxNewTokens),
            b"n" => Some(Self::N),
            b"best_of" => Some(Self::BestOf),
            _ => None,
        }
    }
}

// === impl Parameters ===

impl Parameters {
    pub(super) fn set(&mut self, parameter: Parameter, value: &Scalar) {
        match parameter {
            Parameter::MaxNewTokens => self.max_new_tokens = count(value),
            Parameter::N => self.n = count(value).filter(|n| *n > 0),
            Parameter::BestOf => self.best_of = count(value).filter(|n| *n > 0),
        }
    }
}

fn count(value: &Scalar) -> Option<u32> {
    if let Scalar::Number(number) = value { (*number >= 0.0).then_some(*number as u32) } else { None }
}
