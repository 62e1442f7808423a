//! The parameters of SGLang's and TGI's own `/generate`, which stand in an object of their own.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::protocol::json::{Scalar, drain};

/// See the module. Other types and other fields are as if they were not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) max_new_tokens: Option<u32>,
    pub(super) n: Option<u32>,
    pub(super) best_of: Option<u32>,
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Field {
            MaxNewTokens,
            N,
            BestOf,
            #[serde(other)]
            Other,
        }
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Parameters;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("parameters")
            }
            fn visit_unit<E>(self) -> Result<Parameters, E> {
                Ok(Parameters::default())
            }
            fn visit_bool<E>(self, _: bool) -> Result<Parameters, E> {
                Ok(Parameters::default())
            }
            fn visit_u64<E>(self, _: u64) -> Result<Parameters, E> {
                Ok(Parameters::default())
            }
            fn visit_i64<E>(self, _: i64) -> Result<Parameters, E> {
                Ok(Parameters::default())
            }
            fn visit_f64<E>(self, _: f64) -> Result<Parameters, E> {
                Ok(Parameters::default())
            }
            fn visit_str<E>(self, _: &str) -> Result<Parameters, E> {
                Ok(Parameters::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Parameters, A::Error> {
                drain(seq).map(|()| Parameters::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
                let mut parameters = Parameters::default();
                while let Some(field) = map.next_key()? {
                    match field {
                        Field::MaxNewTokens => parameters.max_new_tokens = count(&map.next_value()?),
                        Field::N => parameters.n = count(&map.next_value()?).filter(|n| *n > 0),
                        Field::BestOf => parameters.best_of = count(&map.next_value()?).filter(|n| *n > 0),
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(parameters)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn count(value: &Scalar<'_>) -> Option<u32> {
    if let Scalar::Number(number) = value { (*number >= 0.0).then_some(*number as u32) } else { None }
}
