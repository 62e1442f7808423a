//! The conversations of clients: which of their turns they have sent, with the answers.

use std::collections::HashMap;

use crate::engine::Content;
use crate::workload::Arrival;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Conversations(HashMap<u32, Vec<u32>>);

// === impl Conversations ===

impl Conversations {
    /// Takes the next turn of a conversation. Returns the places within its prompt at which earlier
    /// prompts and answers end, in tokens.
    pub(super) fn take_turn(&mut self, arrival: &Arrival) -> Vec<u32> {
        let Some(Content::Conversation { conversation, .. }) = arrival.content else { return Vec::new() };
        let ends = self.0.entry(conversation).or_default();
        let earlier = ends.iter().copied().filter(|end| *end < arrival.prompt_tokens).collect();
        ends.extend([arrival.prompt_tokens, arrival.prompt_tokens.saturating_add(arrival.output_tokens)]);
        earlier
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::workload::Class;

    #[test]
    fn a_turn_comes_behind_the_prompts_and_answers_before_it() {
        let mut conversations = Conversations::default();
        let mut turn = |conversation, prompt_tokens| {
            let content = Some(Content::conversation(conversation));
            let (at, class) = (Duration::ZERO, Class::Chat);
            conversations.take_turn(&Arrival { at, class, prompt_tokens, content, output_tokens: 10 })
        };
        assert_eq!([turn(1, 100), turn(1, 200), turn(2, 300)], [vec![], vec![100, 110], vec![]]);
        assert_eq!(turn(1, 300), [100, 110, 200, 210]);
        assert_eq!(turn(1, 105), [100]);
    }
}
