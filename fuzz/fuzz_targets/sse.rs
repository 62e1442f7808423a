//! Reading a stream never panics, and does not depend on how it is split: the first byte says how.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slo_router::protocol::SseReader;

fuzz_target!(|input: &[u8]| {
    let Some((&size, stream)) = input.split_first() else { return };
    let mut whole = SseReader::default();
    whole.feed(stream);
    whole.finish();
    let mut split = SseReader::default();
    stream.chunks(usize::from(size).max(1)).for_each(|chunk| split.feed(chunk));
    split.finish();
    assert_eq!(
        (whole.events(), whole.output_events(), whole.told_tokens(), whole.usage()),
        (split.events(), split.output_events(), split.told_tokens(), split.usage()),
    );
    assert!(whole.output_events() <= whole.events());
});
