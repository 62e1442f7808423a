//! Sizes of the models that are served.

/// Bytes of a weight or of a cached key or value: fp16.
const FP16_BYTES: f64 = 2.0;

/// A model in one precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Model {
    /// 7B with full attention (Llama-2-7B's sizes): each token caches 512 KiB.
    Mha7b,
    /// 8B with grouped-query attention (Llama-3-8B's sizes): each token caches 128 KiB.
    Gqa8b,
}

/// Sizes that an iteration's cost depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModelSize {
    parameters: f64,
    layers: f64,
    heads: f64,
    kv_heads: f64,
    head_dim: f64,
}

// === impl Model ===

impl Model {
    /// All that are known.
    pub const ALL: [Self; 2] = [Self::Mha7b, Self::Gqa8b];

    /// Its short name, as the command line and configurations spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mha7b => "7b-fp16-mha",
            Self::Gqa8b => "8b-fp16-gqa",
        }
    }

    /// Returns the bytes of a token's keys and values.
    pub fn kv_bytes_per_token(self) -> f64 {
        self.size().kv_bytes_per_token()
    }

    /// Tokens of prompt and answer that it is served with at most.
    pub const fn context_tokens(self) -> u32 {
        match self {
            Self::Mha7b => 8_192,
            Self::Gqa8b => 131_072,
        }
    }

    pub(super) const fn size(self) -> ModelSize {
        match self {
            Self::Mha7b => ModelSize { parameters: 6.74e9, layers: 32.0, heads: 32.0, kv_heads: 32.0, head_dim: 128.0 },
            Self::Gqa8b => ModelSize { parameters: 8.03e9, layers: 32.0, heads: 32.0, kv_heads: 8.0, head_dim: 128.0 },
        }
    }
}

impl std::str::FromStr for Model {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|model| model.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("unknown model {name:?}; known are {known}")
        })
    }
}

// === impl ModelSize ===

impl ModelSize {
    /// All weights.
    pub(super) fn weight_bytes(self) -> f64 {
        self.parameters * FP16_BYTES
    }

    /// Keys and values of one token in all layers.
    pub(super) fn kv_bytes_per_token(self) -> f64 {
        2.0 * self.layers * self.kv_heads * self.head_dim * FP16_BYTES
    }

    /// Matrix products of one token: a multiplication and an addition per parameter.
    pub(super) fn flop_per_token(self) -> f64 {
        2.0 * self.parameters
    }

    /// Attention of one token to one token of its context: the score and the weighted sum.
    pub(super) fn attention_flop_per_pair(self) -> f64 {
        4.0 * self.layers * self.heads * self.head_dim
    }
}
