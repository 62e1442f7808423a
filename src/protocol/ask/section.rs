//! The sections of a prompt, as prefix caches see it, that the fields of a body hold.

use super::document::Field;
use crate::protocol::endpoint::Endpoint;
use crate::scheduling::prefix::{Beside, Section};

// === impl Field ===

impl Field {
    /// The section that it holds; `None` where nothing of it is cached, as of embeddings.
    pub(super) fn section(self, endpoint: Endpoint) -> Option<Section> {
        if matches!(endpoint, Endpoint::Embeddings | Endpoint::Pooling) {
            return None;
        }
        match self {
            Self::System | Self::Instructions => Some(Section::Preamble),
            Self::Prompt if endpoint == Endpoint::Responses => Some(Section::Beside(Beside::Template)),
            Self::Messages | Self::Prompt | Self::Input | Self::Inputs | Self::InputIds | Self::Text => {
                Some(Section::Content)
            }
            Self::Tools => Some(Section::Beside(Beside::Tools)),
            Self::Functions => Some(Section::Beside(Beside::Functions)),
            Self::Documents => Some(Section::Beside(Beside::Documents)),
            _ => None,
        }
    }

    /// Returns `true` if an array in it holds prompts, rather than the messages of one.
    pub(super) fn is_batch(self, endpoint: Endpoint) -> bool {
        match self {
            Self::Prompt => endpoint != Endpoint::Responses,
            Self::Inputs | Self::InputIds | Self::Text => true,
            _ => false,
        }
    }
}
