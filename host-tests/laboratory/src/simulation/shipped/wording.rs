//! Wording of prompts: those that [begin alike](crate::engine::Content) have the same text up to there, all others none in common.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::engine::{CHUNK_TOKENS, Content};
use crate::lengths::CHARACTERS_PER_TOKEN;
use crate::workload::Arrival;

/// The most tokens of a message.
const MESSAGE_TOKENS: u32 = 512;

/// Texts of chunks have numbers from here on.
const CHUNKS: u64 = 1 << 62;

/// Returns the messages of a prompt, as JSON: its system prompt, if it has one, and the turns of its conversation, or its chunks. `said`
/// are the places, in tokens of the prompt, at which earlier prompts and answers of the conversation ended: so do messages.
pub fn messages(arrival: &Arrival, said: &[u32]) -> String {
    let tokens = arrival.prompt_tokens;
    let conversation = |number: u64, system_tokens: u32| {
        in_turn(system_tokens, tokens, said, &|from, to| text(number, from - system_tokens, to - system_tokens))
    };
    let messages = match arrival.content {
        None => conversation((arrival.at.as_nanos() as u64) << 1 | 1, 0),
        Some(Content::Conversation { system, system_tokens, conversation: number }) => {
            let system_tokens = system_tokens.min(tokens);
            let system_text = u64::MAX - u64::from(system);
            let system_message = (system_tokens > 0).then(|| ("system", text(system_text, 0, system_tokens)));
            system_message.into_iter().chain(conversation(u64::from(number) << 1, system_tokens)).collect()
        }
        Some(Content::Chunks(numbers)) => in_turn(0, tokens, &[], &|from, to| {
            let number = numbers.get((from / CHUNK_TOKENS) as usize).copied().unwrap_or_default();
            text(CHUNKS | number, 0, to - from)
        }),
    };
    let messages = messages.iter().map(|(role, text)| format!(r#"{{"role":"{role}","content":"{text}"}}"#));
    format!("[{}]", messages.collect::<Vec<_>>().join(","))
}

/// The messages from one place of a prompt to another, at least one, which end at these places and have the text that is between.
fn in_turn(from: u32, to: u32, ends: &[u32], text: &dyn Fn(u32, u32) -> String) -> Vec<(&'static str, String)> {
    let even = (from..to).step_by(MESSAGE_TOKENS as usize);
    let within = ends.iter().copied().filter(|end| (from..to).contains(end));
    let begins: BTreeSet<u32> = even.chain(within).chain([from]).collect();
    let ends = begins.iter().copied().skip(1).chain([to]);
    let roles = ["user", "assistant"].into_iter().cycle();
    roles.zip(begins.iter().zip(ends)).map(|(role, (begin, end))| (role, text(*begin, end))).collect()
}

/// Returns some tokens of a text without end, which its number determines.
fn text(number: u64, from: u32, to: u32) -> String {
    const BLOCK: usize = 16;
    let [from, to] = [from, to].map(|tokens| (f64::from(tokens) * CHARACTERS_PER_TOKEN) as usize);
    let blocks = from / BLOCK..to.div_ceil(BLOCK);
    let mut whole = String::with_capacity(blocks.len() * BLOCK);
    for block in blocks.clone() {
        let _ = write!(whole, "{:016x}", mix(number, block as u64));
    }
    let skipped = from - blocks.start * BLOCK;
    whole[skipped..skipped + to - from].to_owned()
}

/// Mixes two numbers (SplitMix64).
fn mix(number: u64, position: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ position.wrapping_mul(0xd1b5_4a32_d192_ed03);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::workload::Class;

    fn prompt(prompt_tokens: u32, content: Option<Content>) -> String {
        let arrival = Arrival {
            at: Duration::from_nanos(prompt_tokens.into()),
            class: Class::Chat,
            prompt_tokens,
            content,
            output_tokens: 1,
        };
        let messages: Vec<Value> = serde_json::from_str(&messages(&arrival, &[])).unwrap();
        messages.iter().map(|message| message["content"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_turn_begins_like_the_one_before() {
        let content = |conversation| Some(Content::behind(1, 1_000, conversation));
        let [first, second] = [1_700, 2_900].map(|tokens| prompt(tokens, content(7)));
        assert!(second.starts_with(&first));
        let other = prompt(1_700, content(8));
        let common = first.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
        assert!(
            (1_000.0 * CHARACTERS_PER_TOKEN..1_003.0 * CHARACTERS_PER_TOKEN).contains(&(common as f64)),
            "{common}"
        );
    }

    #[test]
    fn a_prompt_of_its_own_begins_like_no_other() {
        let (one, other) = (prompt(500, None), prompt(501, None));
        assert_ne!(one[..8], other[..8]);
        assert_eq!(one.len(), (500.0 * CHARACTERS_PER_TOKEN) as usize);
    }

    #[test]
    fn prompts_have_the_text_of_their_common_chunks_in_common() {
        let [one, other] = [&[1, 2, 3], &[1, 2, 4]].map(|numbers| prompt(1_100, Some(Content::Chunks(numbers))));
        let chunk = (f64::from(CHUNK_TOKENS) * CHARACTERS_PER_TOKEN) as usize;
        assert_eq!(one[..2 * chunk], other[..2 * chunk]);
        assert_ne!(one[..2 * chunk + 8], other[..2 * chunk + 8]);
        assert_ne!(one[..8], one[chunk..chunk + 8]);
    }

    #[test]
    fn messages_end_where_earlier_turns_did() {
        let texts = |tokens, said: &[u32]| {
            let content = Some(Content::behind(1, 100, 7));
            let class = Class::Chat;
            let arrival = Arrival { at: Duration::ZERO, class, prompt_tokens: tokens, content, output_tokens: 1 };
            let messages: Vec<Value> = serde_json::from_str(&messages(&arrival, said)).unwrap();
            messages.iter().map(|message| message.to_string()).collect::<Vec<_>>()
        };
        let (first, second) = (texts(400, &[]), texts(500, &[400, 420]));
        assert_eq!((first.len(), second.len()), (2, 4));
        assert_eq!(first, second[..2]);
    }
}
